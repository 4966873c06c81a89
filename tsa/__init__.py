"""Making time-stamps: RFC 3161 messages, time-stamp units, clock guard, client."""
