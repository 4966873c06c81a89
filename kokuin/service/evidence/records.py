"""Evidence records (RFC 4998) of the ledger's tokens, made of the ledger whenever one is asked for."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING

from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.service.access.principal import PUBLIC_TENANT
from kokuin.service.evidence.archive import DIGEST
from kokuin.service.evidence.embedded_records import archive_of, embedded_record
from kokuin.service.evidence.material import kept
from kokuin.service.evidence.owed import Batch, batch_over, members, owing
from kokuin.service.evidence.renewals import Renewals, covered_by
from kokuin.service.ledger_search import tenant_of
from kokuin.service.published_log import reading
from kokuin.wire.ers import read_evidence_record
from tsa.evidence.records import make_record, renew_time_stamp
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.reader import Stored, StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.renewals import Renewal
    from kokuin.wire.cms import Attribute

_REMEMBERED = 131_072
"""Tokens in the trees that are kept in memory, some 60 MB; the largest batch always has room."""


class EvidenceFault(StrEnum):
    """Why there is no record of a token."""

    TOKEN_UNKNOWN = "TOKEN_UNKNOWN"  # noqa: S105  # a code, no secret
    NONE = "EVIDENCE_NONE"
    """It was issued by a profile that makes no evidence."""
    PENDING = "EVIDENCE_PENDING"
    """Its batch is not stamped yet."""
    GONE = "EVIDENCE_GONE"
    """The retention of a record in its batch is over."""
    DAMAGED = "EVIDENCE_DAMAGED"
    """The ledger does not hold what was stamped."""


class EvidenceRefusedError(Exception):
    """There is no record to give; `fault` says why."""

    def __init__(self, fault: EvidenceFault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class _Built:
    """A batch or a renewal made ready: tree, the place in it by a leaf's index, archive token, infos."""

    tree: HashTree
    places: Mapping[int, int]
    token: bytes
    infos: tuple[Attribute, ...]


class EvidenceRecords:
    """Makes the records of one folder's ledger. Any thread may use it."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder, served or not, and its settings."""
        self._folder, self._config = folder, config
        self._one = Lock()
        self._built: OrderedDict[Batch | Renewal, _Built] = OrderedDict()
        self._renewals = Renewals()

    def record(self, serial: str, shows: Callable[[str], bool]) -> bytes:
        """Return the record of a token, DER.

        Args:
            serial: its serial number, lower-case hex.
            shows: says of a tenant's pseudonym whether its records may be shown; others' are as if unknown.

        Raises:
            EvidenceRefusedError: there is none.
            OpenRefusedError: the ledger cannot be read.
        """
        with reading(self._folder, self._config) as reader:
            stored = reader.by_serial(serial)
            if stored is None or not stored.leaf:
                raise EvidenceRefusedError(EvidenceFault.TOKEN_UNKNOWN)
            try:
                tenant = tenant_of(stored)
                if tenant != PUBLIC_TENANT and not shows(tenant):
                    raise EvidenceRefusedError(EvidenceFault.TOKEN_UNKNOWN)
                return self.of(reader, stored)
            except LeafError:
                raise EvidenceRefusedError(EvidenceFault.DAMAGED) from None

    def of(self, reader: StoreReader, stored: Stored) -> bytes:
        """Return the record of the token of a leaf that has its octets, DER.

        Raises:
            EvidenceRefusedError: there is none.
            OpenRefusedError, sqlite3.Error: the ledger cannot be read.
        """
        leaf = read_leaf(stored.leaf)
        archive = archive_of(leaf)
        if archive is not None:
            return _embedded(reader, stored, archive)
        batch = batch_over(reader, stored.index, leaf)
        if batch is None:
            pending = owing(leaf) is not None
            raise EvidenceRefusedError(EvidenceFault.PENDING if pending else EvidenceFault.NONE)
        return self.made(reader, batch, stored.index)

    def made(self, reader: StoreReader, batch: Batch, index: int) -> bytes:
        """Return the record of a token that a batch covers, with all archive time-stamps of the batch.

        Args:
            reader: of the ledger.
            batch: which.
            index: of the token's leaf.

        Raises:
            EvidenceRefusedError: GONE or DAMAGED.
            OpenRefusedError, sqlite3.Error: the ledger cannot be read.
        """
        # One at a time: a batch that many ask for is built once.
        with self._one:
            built = self._of(reader, batch)
            record = make_record(built.tree, built.places[index], built.token, built.infos)
            self._renewals.look(reader)
            for renewal in self._renewals.over(batch):
                further = self._of(reader, renewal)
                known = read_evidence_record(record)
                record = renew_time_stamp(known, further.tree, further.places[batch.index], further.token)
        return record

    def first(self, reader: StoreReader, batch: Batch) -> bytes:
        """Return the record of a batch's first token; raises as `made`."""
        with self._one:
            places = self._of(reader, batch).places
        return self.made(reader, batch, next(iter(places)))

    def _of(self, reader: StoreReader, wanted: Batch | Renewal) -> _Built:
        found = self._built.get(wanted)
        if found is None:
            made = _build(reader, wanted) if isinstance(wanted, Batch) else self._build(reader, wanted)
            found = self._built[wanted] = made
            while sum(len(each.tree) for each in self._built.values()) > _REMEMBERED:
                self._built.popitem(last=False)
        self._built.move_to_end(wanted)
        return found

    def _build(self, reader: StoreReader, renewal: Renewal) -> _Built:
        archive = _archive_token(reader, renewal)
        covered = covered_by(reader, self._renewals, renewal)
        if len(covered) != renewal.count:
            # Retention takes leaves, and with them what stood in the tree: the rest has no path to the root.
            raise EvidenceRefusedError(EvidenceFault.GONE)
        tree = HashTree(DIGEST, list(covered.values()))
        if tree.root.hex() != renewal.root:
            raise EvidenceRefusedError(EvidenceFault.DAMAGED)
        return _Built(tree, {index: place for place, index in enumerate(covered)}, archive, ())


def _embedded(reader: StoreReader, stored: Stored, archive: str) -> bytes:
    try:
        found = embedded_record(reader, stored, archive)
    except ValueError:
        raise EvidenceRefusedError(EvidenceFault.DAMAGED) from None
    if found is None:
        raise EvidenceRefusedError(EvidenceFault.GONE)
    return found


def _build(reader: StoreReader, batch: Batch) -> _Built:
    archive = _archive_token(reader, batch)
    try:
        covered = list(members(reader, batch))
        material = kept(archive, batch.certificates, batch.lists).material()
        if len(covered) != batch.count:
            pruned = any(not each.leaf for each in reader.walk(batch.start, batch.stop, tokens=False))
            raise EvidenceRefusedError(EvidenceFault.GONE if pruned else EvidenceFault.DAMAGED)
        hashes = material.hashes(DIGEST)
        tree = HashTree(DIGEST, [each.group(hashes) for each in covered])
    except (KeyError, ValueError):
        raise EvidenceRefusedError(EvidenceFault.DAMAGED) from None
    if tree.root.hex() != batch.root:
        raise EvidenceRefusedError(EvidenceFault.DAMAGED)
    places = {each.index: place for place, each in enumerate(covered)}
    return _Built(tree, places, archive, material.infos)


def _archive_token(reader: StoreReader, wanted: Batch | Renewal) -> bytes:
    stored = reader.by_serial(wanted.archive)
    if stored is None or stored.token is None:
        raise EvidenceRefusedError(EvidenceFault.GONE)
    if hashlib.sha512(stored.token).digest() != wanted.stamp:
        # Nobody is to keep for decades what proves nothing.
        raise EvidenceRefusedError(EvidenceFault.DAMAGED)
    return stored.token
