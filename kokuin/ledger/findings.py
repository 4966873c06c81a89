"""What a check of the ledger finds wrong: a stable code for each kind of damage or deceit, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LedgerFault(StrEnum):
    """The names of what can be wrong with records, wherever they stand: in a store or in a bundle."""

    RECORD_FORM = "RECORD_FORM"
    """The octets are no leaf: flipped, cut, or never written by a ledger."""
    RECORD_CHANGED = "RECORD_CHANGED"
    """The leaf's octets are not those that were hashed when it was committed."""
    RECORD_MISSING = "RECORD_MISSING"
    """There is nothing where a record must be."""
    RECORD_INSERTED = "RECORD_INSERTED"
    """A record stands where none can be, or once more."""
    RECORD_SWAPPED = "RECORD_SWAPPED"
    """A record stands behind others that it must precede."""
    RECORD_TIME = "RECORD_TIME"
    """Committed earlier than the record before it."""
    SERIAL_TWICE = "SERIAL_TWICE"
    """Two records of one serial number."""
    TOKEN_MISSING = "TOKEN_MISSING"  # noqa: S105 - a code, no secret
    """A token was issued, and is not there."""
    TOKEN_CHANGED = "TOKEN_CHANGED"  # noqa: S105 - a code, no secret
    """The token is not the one that was issued: its hashes are others than the leaf says."""
    TOKEN_INSERTED = "TOKEN_INSERTED"  # noqa: S105 - a code, no secret
    """A token that no record speaks of."""
    TOKEN_SWAPPED = "TOKEN_SWAPPED"  # noqa: S105 - a code, no secret
    """A token stands behind others that it must precede."""
    TST_INFO_CHANGED = "TST_INFO_CHANGED"
    """The token is the one that the leaf names, but its TSTInfo is another than the leaf says."""
    SIGNER_CHANGED = "SIGNER_CHANGED"
    """The token names another signer than the certificate that the leaf names."""
    SIGNER_ABSENT = "SIGNER_ABSENT"
    """The certificate that a leaf names is not at hand, so that the signer cannot be compared."""
    SEAL_ORDER = "SEAL_ORDER"
    """A seal that does not go on where the one before it ended, or seals what it cannot."""
    SEAL_ROOT = "SEAL_ROOT"
    """A seal states other roots than the leaves that it seals have."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or cannot be known.

    Attributes:
        code: what it is.
        index: of the record at which it was found; None when it is no record's.
        detail: more of it in plain words, for people alone.
    """

    code: StrEnum
    index: int | None = None
    detail: str = ""
