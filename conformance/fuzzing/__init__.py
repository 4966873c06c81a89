"""Parts of `make fuzz`."""
