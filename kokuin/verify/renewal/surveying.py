"""One file of a renewal: judged as it is now, and what is to be done with it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.evidence import judge_evidence
from kokuin.trust.evidence_hashes import stamped
from kokuin.trust.evidence_token import judge_with_evidence
from kokuin.trust.report import Check
from kokuin.trust.rules import Reason
from kokuin.trust.token import read_token
from kokuin.verify.batch_data import StampedData, state_of
from kokuin.verify.batch_items import read_regular
from kokuin.verify.batch_judge import FaultError, PassedOver, is_token, read_item, uncounted
from kokuin.verify.batch_others import is_something_else
from kokuin.verify.content import of_digest
from kokuin.verify.renewal.entries import Entry
from kokuin.verify.renewal.material import Gatherer
from kokuin.verify.renewal.planning import Act, plan_covered, plan_record, plan_token
from kokuin.verify.verifying import MAX_OCTETS, take_record, take_token
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.ers import RECORD_LIMITS, read_evidence_record
from kokuin.wire.pem import take_block
from kokuin.wire.token_form import bare_token
from tsa.evidence.group import sidecar_group
from tsa.evidence.records import object_group, stamp_group
from tsa.evidence.refusals import EvidenceError, EvidenceRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.context import Context
    from kokuin.trust.evidence_hashes import Covered
    from kokuin.trust.token import TokenFacts
    from kokuin.verify.batch_items import Item
    from kokuin.verify.renewal.material import Carried
    from kokuin.verify.renewal.places import Places
    from kokuin.verify.verifying import TakenToken
    from kokuin.wire.ers import EvidenceRecord

_SHAPE = 256
"""Octets of a new record beside its hashes, its material and its archive time-stamp, about."""
_PAIR = 2
"""Hashes in the first list of a group of one in a binary tree: its own and a neighbour's (§4.2, figure 2)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By what the files of a renewal are looked at.

    Attributes:
        places: where they lie.
        context: by what they are judged, for now.
        due: what ends by then is renewed, microseconds since 1970 UTC.
        digest: name of the hash of new trees.
    """

    places: Places
    context: Context
    due: int
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a file came to: an entry, with material that was not told before; or why it has none."""

    token: str
    entry: Entry | None = None
    carried: Carried | None = None
    passed_over: PassedOver | None = None


class Surveyor:
    """Looks at files one by one; it can be sent to another process."""

    def __init__(self, terms: Terms) -> None:
        """Args: by what."""
        self._terms = terms
        self._gatherer = Gatherer(terms.context)
        self._told: set[str] = set()

    def __call__(self, item: Item) -> Found:
        """Look at a file, whatever it holds.

        Raises:
            FaultError: there is a fault of ours in the way.
        """
        try:
            return self._look(item)
        except Exception as error:
            raise FaultError(f"{item.token}: {type(error).__name__}: {error}") from error

    def _look(self, item: Item) -> Found:
        if item.evidence:
            return Found(item.token, passed_over=PassedOver.EVIDENCE)
        try:
            # Of before it is read: what changes meanwhile is another one when its record is written.
            state = state_of(self._terms.places.file(item.token))
            data = read_item(item, self._terms.places.root)
            if data is None:
                return Found(item.token, passed_over=uncounted(item))
            if not self._terms.places.holds(item.token):
                return _refuse(item, "PATH_OUTSIDE")
            found = self._recognise(item, data)
            return found if found.entry is None else replace(found, entry=replace(found.entry, state=state))
        except OSError:
            if not item.named:
                return Found(item.token, passed_over=uncounted(item))
            return _refuse(item, Reason.FILE_UNREADABLE)

    def _recognise(self, item: Item, data: bytes) -> Found:
        taken = take_token(data)
        if isinstance(taken, Check):
            record = take_record(data)
            if record is not None:
                if item.met and item.data is not None and self._is_token(item.data):
                    # A token's file may have any name; with its record it was met by itself.
                    return Found(item.token, passed_over=PassedOver.EVIDENCE)
                return Found(item.token, self._record(item, record))
            unknown = taken
        else:
            facts = read_token(taken.octets)
            if not isinstance(facts, Check):
                return self._token(item, taken, facts, data)
            unknown = facts
        # Other signatures have time-stamps within as well: those are for `tsa extend` to renew.
        if not item.named or is_something_else(data):
            return Found(item.token, passed_over=uncounted(item))
        return _refuse(item, unknown.reason)

    def _is_token(self, name: str) -> bool:
        return is_token(read_regular(self._terms.places.file(name), MAX_OCTETS))

    def _token(self, item: Item, taken: TakenToken, facts: TokenFacts, data: bytes) -> Found:
        terms, content = self._terms, self._content(item)
        beside = terms.places.current(item.token, record=False)
        records = (() if beside is None else (beside,)) + _within(facts)
        context = terms.context if content is None else terms.context.with_content(content)
        if beside is not None:
            context = replace(context, evidence=(beside,))
        report = judge_with_evidence(taken.octets, context, taken.before, data)
        plan = (plan_covered if records else plan_token)(report, terms.due)
        entry = Entry.planned(item.token, plan)
        if plan.act is Act.NEW_RECORD:
            return self._new(entry, taken.octets, facts, content if item.data is not None else None)
        if not plan.act.stamps:
            return Found(item.token, entry)
        bare = bare_token(taken.octets)
        objects: tuple[Covered, ...] = (lambda digest: DIGEST_BY_NAME[digest].of(bare),)
        if content is not None and item.data is not None:
            objects = (*objects, content)
        # Within a token a record covers the token alone, and beside it the document as well, if that is here.
        record = definite(take_block(records[0]), RECORD_LIMITS)
        alone = beside is None or len(objects) > 1 or _begins_within(record, facts)
        return Found(item.token, self._grouped(entry, record, objects, alone=alone))

    def _new(
        self, entry: Entry, octets: bytes, facts: TokenFacts, content: Callable[[str], bytes] | None
    ) -> Found:
        digest, imprint = self._terms.digest, facts.tst_info.imprint
        document = None if content is None else content(digest)
        if imprint.digest_oid == DIGEST_BY_NAME[digest].oid:
            document = imprint.value
        carried = self._gatherer.carried(facts)
        material = carried.material
        size = _SHAPE + len(material.certificates) + len(material.revocation or b"")
        entry = replace(
            entry,
            digest=digest,
            group=sidecar_group(digest, octets, (), document),
            made_us=facts.tst_info.gen_time.microseconds,
            material=carried.name,
            octets=size,
            complete=carried.complete,
        )
        fresh = carried.name not in self._told
        self._told.add(carried.name)
        return Found(entry.token, entry, carried if fresh else None)

    def _record(self, item: Item, octets: bytes) -> Entry:
        newest = self._terms.places.current(item.token, record=True)
        taken = None if newest is None else take_record(newest)
        octets = octets if taken is None else taken
        content = self._content(item)
        context = replace(self._terms.context, content=None)
        report = judge_evidence(octets, () if content is None else (content,), context).report
        entry = replace(Entry.planned(item.token, plan_record(report, self._terms.due)), record=True)
        objects = () if content is None or item.data is None else (content,)
        # A record beside a document is taken to be for this document.
        return self._grouped(entry, octets, objects, alone=True) if entry.act.stamps else entry

    def _grouped(self, entry: Entry, octets: bytes, objects: tuple[Covered, ...], *, alone: bool) -> Entry:
        """Return the entry of a record that is renewed, with its group for the tree."""
        record = read_evidence_record(octets)
        try:
            if entry.act is Act.TIME_STAMP:
                digest, group = stamp_group(record)
            else:
                digest = self._terms.digest
                group = renewed_objects(record, digest, objects, alone=alone)
        except EvidenceError as error:
            return replace(entry, act=Act.MISSING, reason=error.code.value)
        old = hashlib.sha256(octets).hexdigest()
        made = stamped(record.chains[-1].stamps[-1].time_stamp).gen_time.microseconds
        return replace(entry, digest=digest, group=group, old=old, made_us=made, octets=len(octets))

    def _content(self, item: Item) -> Callable[[str], bytes] | None:
        if item.digest is not None:
            return of_digest(item.digest)
        if item.data is None:
            return None
        return functools.cache(StampedData(self._terms.places.file(item.data)).digest)


def renewed_objects(
    record: EvidenceRecord, digest: str, objects: tuple[Covered, ...], *, alone: bool
) -> tuple[bytes, ...]:
    """Return the group of a hash-tree renewal, of the objects at hand (§5.2).

    Args:
        record: that is renewed.
        digest: name of the new chain's hash.
        objects: a token and its document where that is at hand, or a document alone.
        alone: where one of them is covered and one further hash stands beside it, that is a neighbour's.

    Raises:
        EvidenceError: ORIGINAL_MISSING where one more is covered, or NOT_COVERED.
    """
    try:
        return object_group(record, digest, objects)
    except EvidenceError as error:
        refused = error
    if refused.code is EvidenceRefusal.NOT_COVERED and len(objects) > 1:
        # The document is none of the group, which may have been made without it.
        return renewed_objects(record, digest, objects[:1], alone=alone)
    first = record.chains[-1].stamps[0].reduced
    missing = refused.code is EvidenceRefusal.ORIGINAL_MISSING
    if alone and missing and objects and first and len(first[0]) == _PAIR:
        return object_group(record, digest, objects, alone=True)
    raise refused


def _within(facts: TokenFacts) -> tuple[bytes, ...]:
    """Return the records in a token: as `kokuin.wire.token_form.evidence_in`, which reads it once more."""
    attributes = facts.signer_info.unsigned_attributes
    found = [each.values for each in attributes if each.oid == oids.ID_AA_ER_INTERNAL]
    return tuple(value for values in found for value in values)


def _begins_within(record: bytes, facts: TokenFacts) -> bool:
    """Whether a record beside a token is one within it that went on."""
    begins = _first_octets(record)
    for each in _within(facts):
        with contextlib.suppress(WireError):
            if _first_octets(each) == begins:
                return True
    return False


def _first_octets(record: bytes) -> bytes:
    return read_evidence_record(record).chains[0].stamps[0].octets


def _refuse(item: Item, reason: str | None) -> Found:
    return Found(item.token, Entry(item.token, Act.TOO_LATE, reason=reason))
