"""Why a time-stamp unit cannot serve."""

from __future__ import annotations


class UnitError(Exception):
    """The unit cannot serve; the message is one line that names the file and what to do.

    Attributes:
        owner: the profile that the unit belongs to; empty where that does not matter.
        code: of the blocker that it is to a switch.
    """

    owner: str = ""
    code = "UNIT_UNFIT"


class KeyOutOfReachError(UnitError):
    """The key's device does not answer; it may again."""


class UnitEndedError(UnitError):
    """The unit's certificate has expired or was revoked: nothing that is done to the files brings it back."""


class EmbeddingSlowError(UnitError):
    """The unit signs too slowly to put evidence into each token before that leaves."""

    code = "EVIDENCE_UNIT_SLOW"
