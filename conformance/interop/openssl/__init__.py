"""OpenSSL: the one of this machine, and one that knows post-quantum algorithms."""
