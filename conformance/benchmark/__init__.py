"""Parts of `conformance/bench.py`; each measures one thing or runs one program."""
