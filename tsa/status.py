"""PKIStatusInfo: what a time-stamp response says beside the token (RFC 3161 §2.4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from kokuin.wire import encode


class PKIStatus(IntEnum):
    """RFC 3161 §2.4.2, PKIStatus."""

    GRANTED = 0
    GRANTED_WITH_MODS = 1
    REJECTION = 2
    WAITING = 3
    REVOCATION_WARNING = 4
    REVOCATION_NOTIFICATION = 5


class FailInfo(IntEnum):
    """RFC 3161 §2.4.2, PKIFailureInfo: the number of the bit."""

    BAD_ALG = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    ADD_INFO_NOT_AVAILABLE = 17
    SYSTEM_FAILURE = 25


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was read and is answered with a rejection.

    Attributes:
        fail_info: the bit that tells the client.
        code: stable code for logs, metrics and the ledger.
        text: PKIFreeText for a person, English; says nothing about our inside.
    """

    fail_info: FailInfo
    code: str
    text: str


UNREADABLE = Refusal(FailInfo.BAD_DATA_FORMAT, "REQUEST_UNREADABLE", "the request is not a DER TimeStampReq")
EMPTY = Refusal(FailInfo.BAD_DATA_FORMAT, "REQUEST_EMPTY", "the request is empty")
TRAILING = Refusal(FailInfo.BAD_DATA_FORMAT, "REQUEST_TRAILING", "octets follow the TimeStampReq")
IMPRINT_LENGTH = Refusal(
    FailInfo.BAD_DATA_FORMAT, "IMPRINT_LENGTH", "the imprint's length does not fit its hash algorithm"
)
IMPRINT_PARAMETERS = Refusal(
    FailInfo.BAD_DATA_FORMAT, "IMPRINT_PARAMETERS", "a hash algorithm has no parameters but NULL"
)
NONCE_TOO_LONG = Refusal(FailInfo.BAD_DATA_FORMAT, "NONCE_TOO_LONG", "the nonce is longer than 64 octets")
VERSION = Refusal(FailInfo.BAD_REQUEST, "REQUEST_VERSION", "only version 1 is defined")
HASH_UNKNOWN = Refusal(FailInfo.BAD_ALG, "HASH_UNKNOWN", "the hash algorithm is not known here")
HASH_REFUSED = Refusal(FailInfo.BAD_ALG, "HASH_REFUSED", "the hash algorithm is not accepted here")
POLICY_UNKNOWN = Refusal(
    FailInfo.UNACCEPTED_POLICY, "POLICY_UNKNOWN", "the requested policy is not offered here"
)
PROFILE_NOT_ALLOWED = Refusal(
    FailInfo.UNACCEPTED_POLICY, "PROFILE_NOT_ALLOWED", "the policy is not one that this client may use"
)
DOCUMENT = Refusal(
    FailInfo.BAD_REQUEST, "DOCUMENT_DIGEST_DIFFERS", "the document's SHA-512 is not that of the imprint"
)
EXTENSION = Refusal(
    FailInfo.UNACCEPTED_EXTENSION, "EXTENSION_REFUSED", "an extension of the request is not accepted here"
)
EXTENSION_VALUE = Refusal(
    FailInfo.ADD_INFO_NOT_AVAILABLE,
    "EXTENSION_NOT_UNDERSTOOD",
    "the additional information asked for by an extension could not be understood",
)
CLOCK = Refusal(
    FailInfo.TIME_NOT_AVAILABLE, "TIME_NOT_AVAILABLE", "the time source is not within the declared accuracy"
)
KEY_NOT_YET = Refusal(FailInfo.SYSTEM_FAILURE, "KEY_NOT_YET", "the signing key's usage period has not begun")
KEY_PERIOD_OVER = Refusal(
    FailInfo.SYSTEM_FAILURE, "KEY_PERIOD_OVER", "the signing key's usage period is over"
)
LEDGER = Refusal(
    FailInfo.SYSTEM_FAILURE, "LEDGER_UNAVAILABLE", "the audit ledger cannot record a time-stamp now"
)
SIGNING = Refusal(FailInfo.SYSTEM_FAILURE, "SIGNING_FAILED", "the time-stamp could not be signed")
EVIDENCE = Refusal(
    FailInfo.SYSTEM_FAILURE,
    "EVIDENCE_UNAVAILABLE",
    "no evidence can be made for time-stamps of this policy now",
)
STOPPED = Refusal(FailInfo.SYSTEM_FAILURE, "EMERGENCY_STOP", "an operator has stopped this service")

REFUSALS: tuple[Refusal, ...] = (
    UNREADABLE,
    EMPTY,
    TRAILING,
    IMPRINT_LENGTH,
    IMPRINT_PARAMETERS,
    NONCE_TOO_LONG,
    VERSION,
    HASH_UNKNOWN,
    HASH_REFUSED,
    POLICY_UNKNOWN,
    PROFILE_NOT_ALLOWED,
    DOCUMENT,
    EXTENSION,
    EXTENSION_VALUE,
    CLOCK,
    KEY_NOT_YET,
    KEY_PERIOD_OVER,
    LEDGER,
    SIGNING,
    EVIDENCE,
    STOPPED,
)
"""Every refusal in the protocol's words; all eight failInfo bits are among them."""

_GRANTED = encode.sequence(encode.integer(PKIStatus.GRANTED))


def granted(token: bytes) -> bytes:
    """TimeStampResp with status granted around a TimeStampToken (DER)."""
    return encode.sequence(_GRANTED, token)


def rejected(refusal: Refusal) -> bytes:
    """TimeStampResp with status rejection, a text and one failInfo bit; no token."""
    return encode.sequence(
        encode.sequence(
            encode.integer(PKIStatus.REJECTION),
            encode.sequence(encode.utf8_string(refusal.text)),
            encode.named_bits(refusal.fail_info),
        )
    )
