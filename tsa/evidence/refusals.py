"""Why no evidence record is made."""

from __future__ import annotations

from enum import StrEnum


class EvidenceRefusal(StrEnum):
    """The reasons of an `EvidenceError`."""

    NO_TOKEN = "EVIDENCE_NO_TOKEN"  # noqa: S105  # a code, no secret
    """What stands in the place of a time-stamp is no time-stamp token."""
    NOT_STAMPED = "EVIDENCE_NOT_STAMPED"
    """The time-stamp covers something else than the root of the tree, or by another algorithm."""
    HASH_UNKNOWN = "EVIDENCE_HASH_UNKNOWN"
    """This release does not have the hash algorithm of the record's last chain."""
    OTHER_HASH = "EVIDENCE_OTHER_HASH"
    """The tree is of another algorithm than the chain that it would continue (RFC 4998 §5.2)."""
    OTHER_GROUP = "EVIDENCE_OTHER_GROUP"
    """The group in the tree is not that of the time-stamps of the record's last chain."""
    ORIGINAL_MISSING = "EVIDENCE_ORIGINAL_MISSING"
    """A data object of the group is not at hand; without it the new chain would no longer prove the group."""
    NOT_COVERED = "EVIDENCE_NOT_COVERED"
    """A data object was given that the record's last chain does not cover."""
    NOT_ALONE = "EVIDENCE_NOT_ALONE"
    """The record is said to cover one data object and was found to cover more."""


class EvidenceError(ValueError):
    """A record that is not made; `code` says why."""

    def __init__(self, code: EvidenceRefusal) -> None:
        super().__init__(code)
        self.code = code
