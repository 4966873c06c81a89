"""Bouncy Castle from Maven, pinned by checksum, and programs over it."""
