"""What the service hands to the ledger: one `Record` an act, before it has a place or a time.

A record carries the leaf's fields but for those that only the commit knows
(`at`, the index). The token travels beside the leaf and is stored in the same
transaction, so that a leaf without its token, or a token without its leaf,
cannot exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

LeafValue: TypeAlias = "str | int | bool | list[str] | None"

RELEASE_SECONDS = 60
"""A token leaves the service no later than this after its genTime, or never: who looks for its record knows
between which others it must stand."""

LEAF_VERSION = 1
"""`v` of every leaf that this release writes."""

TST_ISSUED = "tst.issued"
TST_REFUSED = "tst.refused"
TST_REENTERED = "tst.reentered"
"""A token that a recovery had lost, entered once more: `tok`, `tok512`, `old_origin`, `old_index`."""
SEAL_ISSUED = "seal.issued"
SEAL_PROFILE_ADDED = "seal-profile.added"
SEAL_PROFILE_REQUESTED = "seal-profile.requested"
SEAL_PROFILE_CERTIFIED = "seal-profile.certified"
SEAL_PROFILE_WITHDRAWN = "seal-profile.withdrawn"
CLOCK_UNFIT = "clock.unfit"
CLOCK_FIT = "clock.fit"
CLOCK_RESUMED = "clock.resumed"
CFG_ACTIVATED = "cfg.activated"
CFG_REFUSED = "cfg.refused"
CFG_SCHEDULED = "cfg.scheduled"
CFG_UNSCHEDULED = "cfg.unscheduled"
KEY_GENERATED = "key.generated"
CERTIFICATE_ISSUED = "certificate.issued"
CERTIFICATE_REQUESTED = "certificate.requested"
CERTIFICATE_IMPORTED = "certificate.imported"
ANCHOR_ADDED = "anchor.added"
BACKUP_MADE = "backup.made"
BACKUP_RESTORED = "backup.restored"
CHECKPOINT_WITNESSED = "checkpoint.witnessed"
CHECKPOINT_STAMPED = "checkpoint.stamped"
EVIDENCE_STAMPED = "evidence.stamped"
EVIDENCE_ADDED = "evidence.added"
EVIDENCE_RENEWED = "evidence.renewed"
EPOCH_OPENED = "epoch.opened"
EPOCH_SEALED = "epoch.sealed"
LEDGER_PRUNED = "ledger.pruned"
NOTE_ADDED = "note.added"
REDACT = "redact"
ACCESS_CHANGED = "access.changed"
ACCESS_DENIED = "access.denied"
APPROVAL_PROPOSED = "approval.proposed"
APPROVAL_GIVEN = "approval.given"
APPROVAL_ENDED = "approval.ended"
ACTIVATION_GRANTED = "activation.granted"
STOP_SET = "stop.set"
STOP_RELEASED = "stop.released"
SERVICE_STARTED = "service.started"
SERVICE_STOPPED = "service.stopped"


class Record(NamedTuple):
    """One act to be written to the ledger.

    A tuple: one is made for every token, at a third of a frozen dataclass's cost.

    Attributes:
        kind: what happened, `area.event` (`tst.issued`, `clock.unfit`).
        fields: the leaf's other fields, strict JSON without floats; the ledger adds `v`, `kind`, `at`,
            `self`, and `serial`, `unit` and `gen` where the record has them.
        serial: the token's serial number, lower-case hex, unique over the life of the ledger.
        token: DER of the token's ContentInfo, stored beside the leaf.
        unit: id of the time-stamp unit whose highest genTime this record may raise.
        gen: the token's genTime, microseconds since 1970 UTC.
        cfg_epoch: configuration epoch of the writer; another one's append is refused. None: any.
        self_caused: the service caused the act itself; such a record never starts a batch of its own
            kind (checkpoint, evidence), so that an idle log does not grow.
        personal: text about a person or a customer, kept beside the ledger where it can be erased; the leaf
            holds only a salted commitment to it.
    """

    kind: str
    fields: Mapping[str, LeafValue] = MappingProxyType({})
    serial: str | None = None
    token: bytes | None = None
    unit: str | None = None
    gen: int | None = None
    cfg_epoch: int | None = None
    self_caused: bool = False
    personal: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where and when a record stands in the ledger: its index, and `at` in microseconds since 1970 UTC."""

    index: int
    at: int
