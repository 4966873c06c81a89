"""Why `state.db` is not opened or did not take a change; apart from the store, which loads much."""

from __future__ import annotations

from enum import StrEnum


class StateFault(StrEnum):
    """What is wrong with `state.db`."""

    MISSING = "STATE_MISSING"
    """It is not there; an empty one would shut everybody out."""
    UNREADABLE = "STATE_UNREADABLE"
    """No database, a damaged one, or one that may not be read."""
    REVISION = "STATE_REVISION"
    """Made by a newer release, or never brought to this one."""
    UNWRITABLE = "STATE_UNWRITABLE"
    """A change could not be written."""


class StateRefusedError(Exception):
    """`state.db` was not opened, or did not take a change.

    Attributes:
        fault: the stable code.
    """

    def __init__(self, fault: StateFault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault
