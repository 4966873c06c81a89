"""Packages from npm, pinned by `package-lock.json`, and programs over them."""
