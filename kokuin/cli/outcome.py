"""How a command ends: an exit code, or an error with a sentence for the user."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    PASSED = 0
    FAILED = 1
    INDETERMINATE = 2
    USAGE = 3
    """Wrong usage, or a file that cannot be opened."""
    OUR_FAULT = 4


class CommandError(Exception):
    """A command cannot do what it was asked; `key` and `params` name the sentence for the user."""

    def __init__(self, key: str, **params: object) -> None:
        super().__init__(key)
        self.key = key
        self.params = params
