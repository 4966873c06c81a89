"""Why a switch was not made: blockers with stable codes, each about a profile, a unit or a worker."""

from __future__ import annotations

from dataclasses import dataclass

LEDGER_REFUSED = "LEDGER_REFUSED"
"""The blocker that may pass by itself."""
MAX_NAME = 64
"""Characters that are written of a name which a caller made up."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a switch cannot be made.

    Attributes:
        code: stable.
        subject: the profile, unit or worker.
        detail: one line of English that says what to do.
    """

    code: str
    subject: str
    detail: str = ""


class SwitchRefusedError(Exception):
    """Nothing was changed; `blockers` say why."""

    def __init__(self, *blockers: Blocker) -> None:
        super().__init__("; ".join(f"{item.code} {item.subject} {item.detail}".rstrip() for item in blockers))
        self.blockers = blockers
