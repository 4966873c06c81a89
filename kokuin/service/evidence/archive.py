"""Archive tokens: whichever unit of evidence makes them, complete for ever (RFC 4998 §4.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.access.principal import Principal
from kokuin.wire.token_form import with_values

if TYPE_CHECKING:
    from kokuin.service.evidence.material import Parts
    from kokuin.service.issuing import Draft
    from kokuin.trust.records import Record

DIGEST = "sha512"
"""Of the trees, and of the imprints of archive time-stamps."""

KEEPER = Principal("service", "keeper", frozenset())


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive token that nobody has seen, and the record that must be durable with what names it.

    Attributes:
        token: DER; its SignedData carries all certificates and lists.
        serial: its serial number, hex.
        record: `tst.issued` of it.
        complete: whether it carries all that was found for it, and for what it covers.
    """

    token: bytes
    serial: str
    record: Record
    complete: bool


def archive_of(draft: Draft, *carried: Parts) -> Archive:
    """Return a draft over a tree's root as an archive token that carries these, the service its cause."""
    certificates = [each for parts in carried for each in parts.certificates]
    token = with_values(draft.issued.token, certificates, [each for parts in carried for each in parts.lists])
    (record,) = draft.records
    hashed = {
        "tok": hashlib.sha256(token).hexdigest(),
        "tok512": hashlib.sha512(token).hexdigest(),
    }
    record = record._replace(token=token, fields={**record.fields, **hashed}, self_caused=True)
    return Archive(token, draft.issued.serial, record, all(parts.complete for parts in carried))
