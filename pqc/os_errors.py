"""What the operating system refuses, in one line."""

from __future__ import annotations


def explain(error: OSError) -> str:
    """Return the file, where one is named (a full disk often names none), and the reason."""
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{error.filename}: {reason}"
