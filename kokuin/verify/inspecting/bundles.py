"""Export bundles of a ledger, plain and sealed: manifest, checkpoint, and how much there is of everything."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_form import FIRST, BundleFault, Part, Rank
from kokuin.ledger.bundle_manifest import read_manifest
from kokuin.ledger.bundle_read import BundleReader
from kokuin.ledger.bundle_sealed import is_sealed
from kokuin.ledger.bundle_tar import BundleError, TarReader
from kokuin.trust.report import iso_time
from kokuin.verify.inspecting.inspection import Inspection, inspect_octets
from kokuin.verify.inspecting.json_forms import show_value
from kokuin.verify.inspecting.kinds import Kind
from kokuin.verify.inspecting.notes import note_entries
from kokuin.verify.inspecting.tree import Entry, Fault, text_entry
from kokuin.verify.inspecting.walk import Walk
from kokuin.wire import strictjson
from kokuin.wire.errors import WireCode
from pqc.envelope_syntax import MAX_ENVELOPE

if TYPE_CHECKING:
    from kokuin.ledger.bundle_check import SeekableSource
    from kokuin.ledger.findings import Finding

MOST_MEMBERS = 3_000
"""Members that are counted: the first 4 million records of a bundle."""
_MOST_FINDINGS = 20
_LAST_MOMENT = 253_402_300_799_999_999


def inspect_bundle(stream: SeekableSource, size: int) -> Inspection | None:
    """Return what an export bundle holds; None when the octets begin as none does.

    Args:
        stream: the octets, from the beginning.
        size: how many there are.

    Raises:
        OSError: from `stream`.
    """
    begins = stream.read(len(FIRST))
    stream.seek(0)
    if begins == FIRST:
        return Inspection(Kind.BUNDLE, "tar", size, _Bundle().read(stream))
    if is_sealed(stream):
        return Inspection(Kind.SEALED_BUNDLE, "tar", size, _sealed(stream))
    return None


class _Bundle:
    """What was met on the way through a bundle."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._found: Counter[str] = Counter()
        self._faults: list[Fault] = []
        self._walk = Walk()

    def read(self, stream: SeekableSource) -> tuple[Entry, ...]:
        """Go through the bundle and return its entries."""
        reader = BundleReader(stream, self._tell)
        try:
            for count, place in enumerate(reader.places()):
                if count == MOST_MEMBERS:
                    self._faults.append(Fault(WireCode.TOO_MANY.value, reader.at))
                    break
                self._member(reader, Rank(place.rank), place.minor)
        except BundleError as error:
            self._faults.append(Fault(error.fault.value, reader.at))
        counts = tuple(Entry(name, str(number)) for name, number in self._found.items())
        wrong = tuple(Entry("", fault=fault) for fault in self._faults)
        return (*self._entries, Entry("members", children=counts), *wrong)

    def _tell(self, finding: Finding) -> None:
        if len(self._faults) < _MOST_FINDINGS:
            self._faults.append(Fault(finding.code.value))

    def _member(self, reader: BundleReader, rank: Rank, part: int) -> None:
        if rank is Rank.MANIFEST:
            self._entries.append(self._manifest(reader.whole()))
        elif rank is Rank.CHECKPOINT:
            self._entries.append(Entry("checkpoint", children=note_entries(reader.whole())))
        elif rank is Rank.CERTIFICATES or rank is Rank.REVOCATION:
            self._found[rank.name.lower()] += reader.whole().count(b"-----BEGIN ")
        elif rank is not Rank.CHUNK:
            self._found[rank.name.lower()] += 1
        elif part == Part.RECORDS:
            self._found["chunk"] += 1
            self._found["records"] += reader.whole().count(b"\n")

    def _manifest(self, octets: bytes) -> Entry:
        manifest = read_manifest(octets)
        if manifest is None:
            return Entry("manifest", fault=Fault(BundleFault.MANIFEST_FORM.value))
        shown = show_value(self._walk, "manifest", strictjson.loads(octets, max_octets=len(octets)))
        made = Entry("made", str(manifest.made), _moment(manifest.made))
        return Entry(
            "manifest", children=tuple(made if each.name == "made" else each for each in shown.children)
        )


def _moment(microseconds: int) -> str | None:
    return iso_time(microseconds) if 0 <= microseconds <= _LAST_MOMENT else None


def _sealed(stream: SeekableSource) -> tuple[Entry, ...]:
    """Return the first envelope, which says to whom it is sealed, and how many there are."""
    tar, parts, octets, first = TarReader(stream), 0, 0, None
    wrong: tuple[Entry, ...] = ()
    try:
        while parts < MOST_MEMBERS and (member := tar.next()) is not None:
            if first is None and member.size <= MAX_ENVELOPE:
                first = text_entry("member", member.name)
                first = replace(first, children=inspect_octets(b"".join(tar.pieces())).entries)
            parts, octets = parts + 1, octets + member.size
    except BundleError as error:
        wrong = (Entry("", fault=Fault(error.fault.value, tar.at)),)
    counts = (Entry("members", str(parts)), Entry("octets", str(octets)))
    return (*counts, *(() if first is None else (first,)), *wrong)
