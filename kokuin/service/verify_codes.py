"""Why `POST /api/v1/verify` gives no report: stable codes, and the status of each."""

from __future__ import annotations

from enum import StrEnum


class VerifyCode(StrEnum):
    """Why there is no report; whatever the octets of a token are, they are no reason."""

    REQUEST_INVALID = "REQUEST_INVALID"
    """The form, or a field of it, cannot be read; `field` names it."""
    POLICY_UNKNOWN = "POLICY_UNKNOWN"
    """No such policy comes with the product."""
    TOO_LARGE = "HTTP_BODY_TOO_LARGE"
    """The content, or a part of it, is longer than it may be."""
    BODY_LATE = "HTTP_BODY_LATE"
    """The content did not arrive in time."""
    MEDIA_TYPE = "VERIFY_MEDIA_TYPE"
    """The content is of a type that is not read here."""
    BUSY = "VERIFY_BUSY"
    """As many are judged, or wait for it, as this worker takes on."""
    TOO_LONG = "VERIFY_TOO_LONG"
    """The judgement was not done in time."""
    TOO_COSTLY = "VERIFY_TOO_COSTLY"
    """The judgement wanted more memory or processor time than one may have."""
    TRUST_UNREADABLE = "VERIFY_TRUST_UNREADABLE"
    """The trust store of the service cannot be read."""
    FAILED = "VERIFY_FAILED"
    """A mistake of ours, which is in the log."""


STATUS = {
    VerifyCode.REQUEST_INVALID: 422,
    VerifyCode.POLICY_UNKNOWN: 404,
    VerifyCode.TOO_LARGE: 413,
    VerifyCode.BODY_LATE: 408,
    VerifyCode.MEDIA_TYPE: 415,
    VerifyCode.BUSY: 503,
    VerifyCode.TOO_LONG: 503,
    VerifyCode.TOO_COSTLY: 422,
    VerifyCode.TRUST_UNREADABLE: 503,
    VerifyCode.FAILED: 500,
}


class VerifyRefusedError(Exception):
    """There is no report.

    Attributes:
        code: why.
        field: the field of the form that is at fault; empty when none is.
    """

    def __init__(self, code: VerifyCode, field: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.field = field
