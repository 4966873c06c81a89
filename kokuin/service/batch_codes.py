"""Why `POST /api/v1/batches` stamps nothing: stable codes, and the status of each."""

from __future__ import annotations

from enum import StrEnum


class BatchCode(StrEnum):
    """Why there is no batch; nothing was stamped then but where a code says otherwise."""

    REQUEST_INVALID = "REQUEST_INVALID"
    """The content cannot be read, or a field of it; `field` names it."""
    TOO_LARGE = "HTTP_BODY_TOO_LARGE"
    """The content is longer than it may be."""
    BODY_LATE = "HTTP_BODY_LATE"
    """The content did not arrive in time."""
    MEDIA_TYPE = "BATCH_MEDIA_TYPE"
    """The content is not JSON by its type."""
    BUSY = "BATCH_BUSY"
    """As many batches arrive, or are stamped, as this worker takes on."""
    EVIDENCE_ABSENT = "BATCH_EVIDENCE_ABSENT"
    """Evidence is wanted at once, and the profile makes none, or its unit is too slow for that."""
    PROFILE = "BATCH_PROFILE"
    """The profile is not on, or not one that this client may use; `reason` says which."""
    NOT_STAMPED = "BATCH_NOT_STAMPED"
    """No time-stamp can be had now; `reason` says why."""
    BEHIND = "LEDGER_BEHIND"
    """The ledger is slower than the requests."""
    NOT_ACTIVATED = "BATCH_NOT_ACTIVATED"
    """Whether the caller's activation is there cannot be found out now."""


STATUS = {
    BatchCode.REQUEST_INVALID: 422,
    BatchCode.TOO_LARGE: 413,
    BatchCode.BODY_LATE: 408,
    BatchCode.MEDIA_TYPE: 415,
    BatchCode.BUSY: 503,
    BatchCode.EVIDENCE_ABSENT: 409,
    BatchCode.PROFILE: 409,
    BatchCode.NOT_STAMPED: 503,
    BatchCode.BEHIND: 503,
    BatchCode.NOT_ACTIVATED: 503,
}


class BatchRefusedError(Exception):
    """Nothing is stamped.

    Attributes:
        code: why.
        field: what of the content is at fault; empty when nothing is.
        reason: the code of what kept the time-stamp from being made; empty when that was not asked for.
    """

    def __init__(self, code: BatchCode, *, field: str = "", reason: str = "") -> None:
        super().__init__(code)
        self.code, self.field, self.reason = code, field, reason
