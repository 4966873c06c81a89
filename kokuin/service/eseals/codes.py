"""Why there is no sealed document: stable codes, and the status of each."""

from __future__ import annotations

from enum import StrEnum


class SealCode(StrEnum):
    """Why nothing was sealed or extended."""

    REQUEST_INVALID = "REQUEST_INVALID"
    """The form, an option or a header field cannot be read; `field` names it."""
    TOO_LARGE = "HTTP_BODY_TOO_LARGE"
    """The content, or a part of it, is longer than it may be."""
    BODY_LATE = "HTTP_BODY_LATE"
    """The content did not arrive in time."""
    MEDIA_TYPE = "SEAL_MEDIA_TYPE"
    """The content is of a type that is not read here."""
    BUSY = "SEAL_BUSY"
    """As many are sealed, or wait for it, as this worker takes on."""
    TOO_LONG = "SEAL_TOO_LONG"
    """The seal was not made in time."""
    TOO_COSTLY = "SEAL_TOO_COSTLY"
    """The document wanted more memory or processor time than one may have."""
    DOCUMENT_UNFIT = "SEAL_DOCUMENT_UNFIT"
    """The document cannot be sealed or extended; `reason` says why."""
    FORMAT_UNSUPPORTED = "SEAL_FORMAT_UNSUPPORTED"
    """The libraries of this format are not installed."""
    PROFILE_WANTED = "SEAL_PROFILE_WANTED"
    """The tenant has several seal profiles, and the request names none."""
    PROFILE_UNKNOWN = "SEAL_PROFILE_UNKNOWN"
    """The tenant has no such seal profile."""
    PROFILE_NOT_ALLOWED = "SEAL_PROFILE_NOT_ALLOWED"
    """The client may not use this seal profile."""
    FORMAT_NOT_ALLOWED = "SEAL_FORMAT_NOT_ALLOWED"
    """The seal profile is not for documents of this format."""
    LEVEL_NOT_ALLOWED = "SEAL_LEVEL_NOT_ALLOWED"
    """The seal profile does not go as low as the request allows, or the document is at that level."""
    KEY_UNFIT = "SEAL_KEY_UNFIT"
    """Key or certificate of the seal profile cannot be used now."""
    MATERIAL_MISSING = "SEAL_MATERIAL_MISSING"
    """Certificates or revocation data for B-LT are not there."""
    STAMP_UNAVAILABLE = "SEAL_STAMP_UNAVAILABLE"
    """No time-stamp can be had now, and the request does not allow a lower level; `reason` says why."""
    NOT_RECORDED = "SEAL_NOT_RECORDED"
    """The ledger did not take the record, so the seal was not released."""
    STOPPED = "EMERGENCY_STOP"
    """An operator has stopped this service."""
    KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    """The idempotency key came before, with another request."""
    KEY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    """The first request with this idempotency key is not answered yet."""
    JOB_UNKNOWN = "JOB_UNKNOWN"
    """There is no such job of this tenant, or it is over for longer than results are kept."""
    JOB_NOT_DONE = "JOB_NOT_DONE"
    """The job has no result yet."""
    JOB_LOST = "JOB_LOST"
    """The process that worked on the job ended; nothing was sealed: ask again."""
    JOB_CANCELLED = "JOB_CANCELLED"
    """The job was deleted before its seal was recorded."""
    QUEUE_FULL = "JOB_QUEUE_FULL"
    """As many jobs wait for their turn as this worker, or the tenant, may have."""
    STORE_FULL = "SEAL_STORE_FULL"
    """Results that are kept fill the space that they may have."""
    UNWRITTEN = "SEAL_UNWRITTEN"
    """What arrived or was made cannot be written: the disk is full, or fails."""
    FAILED = "SEAL_FAILED"
    """A mistake of ours, which is in the log."""


STATUS = {
    SealCode.REQUEST_INVALID: 422,
    SealCode.TOO_LARGE: 413,
    SealCode.BODY_LATE: 408,
    SealCode.MEDIA_TYPE: 415,
    SealCode.BUSY: 503,
    SealCode.TOO_LONG: 503,
    SealCode.TOO_COSTLY: 422,
    SealCode.DOCUMENT_UNFIT: 422,
    SealCode.FORMAT_UNSUPPORTED: 501,
    SealCode.PROFILE_WANTED: 422,
    SealCode.PROFILE_UNKNOWN: 404,
    SealCode.PROFILE_NOT_ALLOWED: 403,
    SealCode.FORMAT_NOT_ALLOWED: 422,
    SealCode.LEVEL_NOT_ALLOWED: 422,
    SealCode.KEY_UNFIT: 503,
    SealCode.MATERIAL_MISSING: 503,
    SealCode.STAMP_UNAVAILABLE: 503,
    SealCode.NOT_RECORDED: 503,
    SealCode.STOPPED: 503,
    SealCode.KEY_REUSED: 422,
    SealCode.KEY_IN_PROGRESS: 409,
    SealCode.JOB_UNKNOWN: 404,
    SealCode.JOB_NOT_DONE: 409,
    SealCode.JOB_LOST: 410,
    SealCode.JOB_CANCELLED: 410,
    SealCode.QUEUE_FULL: 503,
    SealCode.STORE_FULL: 503,
    SealCode.UNWRITTEN: 503,
    SealCode.FAILED: 500,
}


class SealRefusedError(Exception):
    """Nothing was sealed.

    Attributes:
        code: why.
        field: the option that is at fault; empty when none is.
        reason: a code of the format, or of whoever refused a time-stamp or a record; empty: there is none.
    """

    def __init__(self, code: SealCode, field: str = "", reason: str = "") -> None:
        super().__init__(code)
        self.code, self.field, self.reason = code, field, reason
