"""The records of a stamped tree, each made from what lies there and written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust.evidence import MAX_CHAINS, MAX_STAMPS
from kokuin.trust.token import TokenFacts, read_token
from kokuin.verify.batch_data import state_of
from kokuin.verify.batch_items import read_regular
from kokuin.verify.renewal.planning import Act
from kokuin.verify.verifying import MAX_OCTETS, take_record, take_token
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.ers import RECORD_LIMITS, read_evidence_record
from kokuin.wire.token_form import evidence_in
from tsa.evidence.records import make_record, renew_hash_tree, renew_time_stamp
from tsa.evidence.refusals import EvidenceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.verify.renewal.archiving import Archive
    from kokuin.verify.renewal.entries import Entry
    from kokuin.verify.renewal.places import Places
    from tsa.evidence.group import Material
    from tsa.evidence.tree import HashTree

_SUFFIX = ".renewing"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_SURE = 2 * RECORD_LIMITS.elements
"""Octets of a record that is within the bounds of what is read, whatever it holds: an element has two."""


class Outcome(StrEnum):
    """What became of an entry of a tree."""

    RENEWED = "renewed"
    KEPT = "kept"
    """An attempt that broke off had written its record already."""
    CHANGED = "changed"
    """Token or record are others than they were when they were judged."""
    LATE = "late"
    """What held it had ended when the time-stamp was made."""
    EARLIER = "earlier"
    """The time-stamp says that it was made before what it would cover: with it a record passes no more."""
    NO_GAIN = "no-gain"
    """The new time-stamp ends no later than what holds it today."""
    TOO_LONG = "too-long"
    """The new record would be longer than what is judged."""
    UNWRITABLE = "unwritable"
    """Its files cannot be read or written."""

    @property
    def covered(self) -> bool:
        """Whether it has the record."""
        return self in {Outcome.RENEWED, Outcome.KEPT}


@dataclass(frozen=True, slots=True)
class Stamped:
    """A tree with the time-stamp over it."""

    tree: HashTree
    archive: Archive


class Writer:
    """Writes records; any thread may use it."""

    def __init__(self, places: Places, material: Mapping[str, Material]) -> None:
        """Args: the folders, and material by its name."""
        self._places, self._material = places, material

    def write(self, entry: Entry, place: int, stamped: Stamped) -> Outcome:
        """Write the record of an entry, unless it is there.

        Args:
            entry: whose group is in the tree.
            place: number of the group.
            stamped: the tree.

        Raises:
            OSError: the disk is full, for this record and all that follow.
        """
        try:
            return self._write(entry, place, stamped)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise OSError(error.errno, error.strerror, self._places.file(entry.token)) from None
            return Outcome.UNWRITABLE
        except (WireError, EvidenceError):
            return Outcome.CHANGED

    def _write(self, entry: Entry, place: int, stamped: Stamped) -> Outcome:
        archive, places = stamped.archive, self._places
        current = self._current(entry)
        if current is not None and _newest(current) == archive.token:
            return Outcome.KEPT
        held = current if current is not None or entry.old is None else self._within(entry)
        if (held and hashlib.sha256(held).hexdigest()) != entry.old:
            return Outcome.CHANGED
        if state_of(places.file(entry.token)) != entry.state:
            return Outcome.CHANGED
        useless = _useless(entry, archive)
        if useless is not None:
            return useless
        made = self._make(entry, held, place, stamped)
        if made is None or not _is_read(made):
            return Outcome.TOO_LONG
        _replace(places.target(entry.token, record=entry.record), place, made)
        return Outcome.RENEWED

    def _make(self, entry: Entry, held: bytes | None, place: int, stamped: Stamped) -> bytes | None:
        """Return the record; None: it would have more archive time-stamps or chains than are judged."""
        tree, token = stamped.tree, stamped.archive.token
        if held is None:
            infos = () if entry.material is None else self._material[entry.material].infos
            return make_record(tree, place, token, infos)
        record, grows = read_evidence_record(held), entry.act is not Act.TIME_STAMP
        stamps = sum(len(each.stamps) for each in record.chains)
        if stamps + 1 > MAX_STAMPS or len(record.chains) + grows > MAX_CHAINS:
            return None
        return (renew_hash_tree if grows else renew_time_stamp)(record, tree, place, token)

    def _current(self, entry: Entry) -> bytes | None:
        octets = self._places.current(entry.token, record=entry.record)
        # What is there and is no record is not overwritten: it is not what was looked at.
        return None if octets is None else take_record(octets) or octets

    def _within(self, entry: Entry) -> bytes | None:
        taken = take_token(read_regular(self._places.file(entry.token), MAX_OCTETS))
        octets = getattr(taken, "octets", None)
        if octets is None or not isinstance(read_token(octets), TokenFacts):
            return None
        return next(iter(evidence_in(octets)), None)


def _useless(entry: Entry, archive: Archive) -> Outcome | None:
    """Return why a time-stamp adds nothing to what an entry has."""
    # Attack: an authority whose clock is behind, or set back, would end good records (§5.1).
    if entry.made_us is not None and archive.gen_time < entry.made_us:
        return Outcome.EARLIER
    if entry.until_us is None:
        return None
    if entry.until_us < archive.gen_time:
        return Outcome.LATE
    gains = archive.until is None or archive.until > entry.until_us
    return None if gains else Outcome.NO_GAIN


def _newest(record: bytes) -> bytes | None:
    try:
        return read_evidence_record(record).chains[-1].stamps[-1].time_stamp
    except WireError:
        return None


def _is_read(record: bytes) -> bool:
    """Whether a verifier reads it: each archive time-stamp brings lists, and what is read has bounds."""
    if len(record) <= _SURE:
        return True
    try:
        definite(record, RECORD_LIMITS)
    except WireError:
        return False
    return True


def _replace(path: str, place: int, octets: bytes) -> None:
    """Write a file durably; its name is durable when its folder is (`kokuin.verify.renewal.renewing`).

    Crash point: what an earlier attempt left under the other name is taken away. That name has the number of
    the group: a list may name a token twice, and two threads in one file would mix their records.
    """
    folder, name = os.path.split(path)
    os.makedirs(folder or ".", exist_ok=True)  # noqa: PTH103  # a `Path` takes ten times as long
    beside = os.path.join(folder, f".{name}.{place}{_SUFFIX}")  # noqa: PTH118  # as above
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)  # noqa: PTH108  # as above
    # Attack: a link of that name, in an archive that was unpacked, to a file of whoever renews it.
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        # Crash point: before this line the old record is there, after it the new one.
        os.replace(beside, path)  # noqa: PTH105  # as above
    except OSError:
        os.unlink(beside)  # noqa: PTH108  # as above
        raise
