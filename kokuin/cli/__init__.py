"""The command `tsa`."""
