"""Evidence records (RFC 4998): Bouncy Castle judges ours, and we judge what it makes and renews.

What it does where the RFC leaves a choice, or contradicts itself:

- hash-tree renewal: h' = H(h(i) || H(sequence)) in that order; sorted as in figure 4, it refuses;
- the hash of a group of one is a list of its own, and its neighbour the next list; both forms climb alike;
- time-stamp renewal: a group of all time-stamps of the chain, where §5.2 wants the last; it refuses a chain
  of three whose last archive time-stamp does not cover the first;
- without neighbours there is no reducedHashtree, and then no digestAlgorithm either;
- a group of several is renewed as a first list of all h'.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.artefacts import unit_of
from conformance.interop.bouncycastle.java import bouncy_castle
from conformance.interop.checks import Check
from conformance.interop.evidenced import DATA, stamp_with_evidence
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.evidence import judge_evidence
from kokuin.trust.fitness import Constraints
from kokuin.trust.report import Indication
from kokuin.trust.signer import identify_signer
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.ber import definite
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from kokuin.wire.ers import (
    RECORD_LIMITS,
    EvidenceRecord,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from kokuin.wire.tsp import TimeStampReq
from pqc.policies import load_policy
from tests.pqc.keys import signer_of
from tests.trust.authorities import NOW_US, pki
from tsa.evidence.joining import join_record
from tsa.evidence.records import make_record, object_group, renew_hash_tree, renew_time_stamp, stamp_group
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from conformance.interop.artefacts import Artefacts
    from conformance.interop.bouncycastle.java import BouncyCastle
    from conformance.interop.place import Place
    from kokuin.trust.evidence_hashes import Covered

SIGNATURES = {"ecdsa-p256-sha256": "SHA256withECDSA", "ml-dsa-65": "ML-DSA-65"}
"""Suites of archive time-stamps, with its names of their signatures."""
BATCHES = (1, 2, 3, 7, 1000, 1023, 1024, 1025, 65_536)
MOST_JUDGED = 32
"""Records of one batch that it judges: the first, the last and some between."""
GROUPS = ((1,), (1, 1), (3,), (1, 3, 1, 1, 2))
"""Sizes of the groups of a batch."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the two meet: its programs, what we made with a suite, and a folder for files."""

    peer: BouncyCastle
    made: Artefacts
    folder: Path

    @property
    def authority(self) -> tuple[str | Path, ...]:
        """The words by which its programs stamp with our keys."""
        own = [self.made / f"{each}.der" for each in ("key", "unit", "authority")]
        return SIGNATURES[self.made.suite.id], *own

    def object(self, name: str) -> Path:
        """Return the file of a data object."""
        path = self.folder / name
        path.write_bytes(_text(name))
        return path

    def token(self, tree: HashTree, second: int) -> bytes:
        """Return a token of ours over a tree, `second` seconds into the run."""
        suite_id = self.made.suite.id
        chain = (pki(suite_id).authority.certificate.der,)
        unit = unit_of(signer_of(self.made.suite), pki(suite_id).unit.der, chain)
        digest = DIGEST_BY_NAME[tree.digest].oid
        request = TimeStampReq(1, digest, None, tree.root, None, None, None, True, ())
        return unit.issue(request, NOW_US + second * 1_000_000).token

    def they_say(self, *jobs: tuple[bytes, Sequence[Path]]) -> list[str]:
        """Return what it says of records (DER) with the objects of each."""
        lines = []
        for number, (octets, objects) in enumerate(jobs):
            path = self.folder / f"{number}.ours"
            path.write_bytes(octets)
            lines.append("\t".join(map(str, (path, self.made / "unit.der", *objects))))
        return self.peer.run("Evidence", "judge", given="\n".join(lines)).splitlines()

    def we_judge(self, path: Path, objects: Sequence[Path]) -> EvidenceRecord:
        """Judge a record of theirs, and the same with another object and with another octet."""
        octets, covered = definite(path.read_bytes(), RECORD_LIMITS), [_covered(each) for each in objects]
        assert self._passes(octets, *covered)
        assert not self._passes(octets, *covered[:-1], _covered(path))
        record = read_evidence_record(octets)
        for value in (record.chains[-1].stamps[-1].time_stamp, *_first_hashes(record)):
            at = octets.rindex(value) + len(value) - 1
            assert not self._passes(octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :], *covered)
        return record

    def _passes(self, octets: bytes, *objects: Covered) -> bool:
        try:
            octets = definite(octets, RECORD_LIMITS)
        except WireError:
            return False
        trust = TrustStore((pki(self.made.suite.id).root.certificate,))
        now = int(dt.datetime.now(dt.UTC).timestamp()) * 1_000_000 + 5_000_000
        judged = judge_evidence(octets, objects, Context(now, trust))
        return judged.report.indication is Indication.PASSED and all(judged.covers)


def checks(place: Place) -> Iterator[Check]:
    """Records both ways, of every size of batch and with every renewal; raises `AbsentError`."""
    peer = bouncy_castle(place.own("ers-classes"))
    meeting, classical = (
        Meeting(peer, place.artefacts(suite_id), place.own(f"evidence-{suite_id}"))
        for suite_id in ("ml-dsa-65", "ecdsa-p256-sha256")
    )
    for size in BATCHES:
        yield _check(meeting, f"it judges our records of a batch of {size}", partial(_batch, size=size))
    folder = place.own("ers-served")
    yield Check("it judges the record of a token of a running service", partial(_served, peer, folder))
    yield _check(meeting, "it judges our records of groups", _groups)
    yield _check(meeting, "it judges our renewals of time-stamps", _renewals)
    yield _check(meeting, "it judges our renewals of hash trees", _rehashed)
    yield _check(meeting, "it judges our records with the evidence for their time-stamp", _joined)
    yield _check(meeting, "it refuses ours when they do not fit", _refused)
    for sizes in GROUPS:
        yield _check(meeting, f"we judge its records of groups of {sizes}", partial(_theirs, sizes=sizes))
    yield _check(meeting, "we renew its records and it judges them", _theirs_renewed)
    yield _check(classical, "it judges our records of groups", _groups)
    yield _check(classical, "it judges our renewals of hash trees", _rehashed)
    yield _check(classical, "we judge its records of groups of (3,)", partial(_theirs, sizes=(3,)))


def _served(peer: BouncyCastle, folder: Path) -> None:
    """Its group: the token, the document, and the certificates and lists that travel in the record."""
    made = stamp_with_evidence(folder)
    record = _read(made.record)
    ((stamp,),) = (chain.stamps for chain in record.chains)
    signed = read_signed_data(stamp.time_stamp)
    ((signer,), carried) = signed.signer_infos, [read_certificate(der) for der in signed.certificates]
    now = int(dt.datetime.now(dt.UTC).timestamp()) * 1_000_000
    unit = identify_signer(signer, carried, Constraints(load_policy("baseline"), now, now)).certificate
    assert unit is not None
    files = {"record": made.record, "unit": unit.der}
    files |= {"token": made.token, "data": DATA, "other": b"another letter"}
    values = {f"value {place}": info.values[0] for place, info in enumerate(record.crypto_infos)}
    assert values
    for name, octets in (files | values).items():
        (folder / name).write_bytes(octets)
    jobs = [["record", "unit", "token", data, *values] for data in ("data", "other")]
    lines = "\n".join("\t".join(str(folder / name) for name in job) for job in jobs)
    right, wrong = peer.run("Evidence", "judge", given=lines).splitlines()
    assert right == "valid", right
    assert wrong.startswith("refused: "), wrong


def _check(meeting: Meeting, label: str, run: Callable[[Meeting], None]) -> Check:
    return Check(f"{meeting.made.suite.id}: {label}", partial(run, meeting))


def _batch(meeting: Meeting, *, size: int) -> None:
    names = [f"{size}-{number}" for number in range(size)]
    tree = HashTree("sha512", [(hashlib.sha512(_text(name)).digest(),) for name in names])
    token = meeting.token(tree, 0)
    spread = range(0, size, max(1, size // MOST_JUDGED))
    judged = sorted({*spread, 1, size - 2, size - 1} & {*range(size)})
    records = [make_record(tree, place, token) for place in judged]
    _judged(meeting, [(records, [[meeting.object(names[place])] for place in judged])])


def _groups(meeting: Meeting) -> None:
    found = []
    for digest in ("sha256", "sha512"):
        for sizes in GROUPS:
            objects, tree = _tree_of(meeting, digest, sizes)
            token = meeting.token(tree, 0)
            found.append(([make_record(tree, place, token) for place in range(len(tree))], objects))
    _judged(meeting, found)


def _renewals(meeting: Meeting) -> None:
    """Of records of one batch, together with one of another; three times."""
    objects, tree = _tree_of(meeting, "sha512", (1, 3, 1))
    token = meeting.token(tree, 0)
    records = [make_record(tree, place, token) for place in range(len(tree))]
    more, other = _tree_of(meeting, "sha512", (2,), "other")
    records.append(make_record(other, 0, meeting.token(other, 1)))
    found = []
    for second in (2, 3, 4):
        records = _renewed_together(meeting, records, second)
        found.append((records, [*objects, *more]))
    _judged(meeting, found)


def _rehashed(meeting: Meeting) -> None:
    """From SHA-256 to SHA-512 to SHA3-512, each time with a renewal of the time-stamp after it."""
    found = []
    for sizes in GROUPS:
        objects, tree = _tree_of(meeting, "sha256", sizes)
        token = meeting.token(tree, 0)
        records = [make_record(tree, place, token) for place in range(len(tree))]
        for second, digest in ((1, "sha512"), (3, "sha3_512")):
            records = _rehashed_together(meeting, records, objects, digest, second)
            found.append((records, objects))
            records = _renewed_together(meeting, records, second + 1)
            found.append((records, objects))
    _judged(meeting, found)


def _joined(meeting: Meeting) -> None:
    """As a batch of files has them: evidence of the token alone, and of it with its material, and renewed."""
    objects, tree = _tree_of(meeting, "sha512", (1, 1, 1))
    token = meeting.token(tree, 0)
    own, found = hashlib.sha512(token).digest(), []
    others = [(hashlib.sha512(b"other").digest(),)] * 2
    kept: list[list[tuple[bytes, ...]]] = [
        [(own,)],
        [(own, tree.root, b"\1" * 64), *others],
        [(own,), *others],
    ]
    for second, groups in enumerate(kept, 1):
        keeping = HashTree("sha512", groups)
        later = _read(make_record(keeping, 0, meeting.token(keeping, second)))
        records = [join_record(_read(make_record(tree, place, token)), later) for place in range(len(tree))]
        found += [(records, objects), (_renewed_together(meeting, records, second + 1), objects)]
    _judged(meeting, found)


def _judged(meeting: Meeting, cases: Sequence[tuple[Sequence[bytes], Sequence[Sequence[Path]]]]) -> None:
    """Hold that it finds each record valid, and refuses it when an object of its group is another."""
    right = [job for records, objects in cases for job in zip(records, objects, strict=True)]
    strange = meeting.object("in no group")
    answers = meeting.they_say(*right, *((record, [*group[1:], strange]) for record, group in right))
    assert set(answers[: len(right)]) == {"valid"}, answers[: len(right)]
    _all_refused(answers[len(right) :], len(right))


def _refused(meeting: Meeting) -> None:
    """Chains that do not bind what stands before them: had these passed, the rest would say little."""
    ((objects,), tree) = _tree_of(meeting, "sha256", (1,))
    record, other = (_read(make_record(tree, 0, meeting.token(tree, second))) for second in (0, 1))
    (spliced,) = _renewed_together(meeting, [other.octets], 2)
    stamps = (record.chains[0].stamps[0].octets, _read(spliced).chains[0].stamps[1].octets)
    foreign_renewal = encode_evidence_record(record.digests, [encode_chain(stamps)])
    of_other = HashTree("sha512", [object_group(other, "sha512", [_covered(objects[0])])])
    foreign_chain = renew_hash_tree(record, of_other, 0, meeting.token(of_other, 2))
    own, sequence = (hashlib.sha512(each).digest() for each in (objects[0].read_bytes(), record.sequence))
    turned = HashTree("sha512", [(hashlib.sha512(sequence + own).digest(),)])
    backwards = renew_hash_tree(record, turned, 0, meeting.token(turned, 2))
    misfits = (foreign_renewal, foreign_chain, backwards)
    _all_refused(meeting.they_say(*((each, objects) for each in misfits)), len(misfits))


def _theirs(meeting: Meeting, *, sizes: tuple[int, ...]) -> None:
    """Made, and the first two of them renewed in both ways, twice."""
    for number, (path, objects) in enumerate(_made_by_them(meeting, sizes)):
        meeting.we_judge(path, objects)
        if number > 1:
            continue
        found = path
        for digest in ("sha512", "sha3_512"):
            renewed, rehashed = (found.with_suffix(each) for each in (".renewed", ".rehashed"))
            meeting.peer.run("Evidence", "renew", *meeting.authority, found, renewed)
            assert len(meeting.we_judge(renewed, objects).chains[-1].stamps) == 2
            oid = DIGEST_BY_NAME[digest].oid
            words = (*meeting.authority, oid, renewed, rehashed, *objects)
            meeting.peer.run("Evidence", "rehash", *words)
            assert meeting.we_judge(rehashed, objects).chains[-1].stamps[0].digest in {
                None,
                AlgorithmIdentifier(oid),
            }
            found = rehashed


def _theirs_renewed(meeting: Meeting) -> None:
    made = _made_by_them(meeting, (1, 3, 1))
    objects = [each for _, each in made]
    records = [path.read_bytes() for path, _ in made]
    later = int(dt.datetime.now(dt.UTC).timestamp()) - NOW_US // 1_000_000 + 1
    renewed = _renewed_together(meeting, records, later)
    rehashed = _rehashed_together(meeting, renewed, objects, "sha3_512", later + 1)
    time.sleep(2)  # to it a time-stamp from ahead of its clock is none
    _judged(meeting, [(renewed, objects), (rehashed, objects)])


def _made_by_them(meeting: Meeting, sizes: tuple[int, ...]) -> list[tuple[Path, list[Path]]]:
    objects, _ = _tree_of(meeting, "sha256", sizes)
    given = "\n".join("\t".join(map(str, group)) for group in objects)
    oid = DIGEST_BY_NAME["sha256"].oid
    meeting.peer.run("Evidence", "make", *meeting.authority, oid, meeting.folder, given=given)
    return [(meeting.folder / f"{place}.er", group) for place, group in enumerate(objects)]


def _tree_of(
    meeting: Meeting, digest: str, sizes: tuple[int, ...], name: str = "object"
) -> tuple[list[list[Path]], HashTree]:
    """Return the files of groups of these sizes, and the tree over them."""
    groups = [
        [meeting.object(f"{name} {sizes} {group}-{number}") for number in range(size)]
        for group, size in enumerate(sizes)
    ]
    return groups, HashTree(digest, [[_covered(each)(digest) for each in group] for group in groups])


def _renewed_together(meeting: Meeting, records: Sequence[bytes], second: int) -> list[bytes]:
    """Return the records renewed by one time-stamp over all of them."""
    read = [_read(each) for each in records]
    wanted = [stamp_group(each) for each in read]
    tree = HashTree(wanted[0][0], [group for _, group in wanted])
    token = meeting.token(tree, second)
    return [renew_time_stamp(each, tree, place, token) for place, each in enumerate(read)]


def _rehashed_together(
    meeting: Meeting, records: Sequence[bytes], objects: Sequence[Sequence[Path]], digest: str, second: int
) -> list[bytes]:
    read = [_read(each) for each in records]
    groups = [
        object_group(each, digest, [_covered(path) for path in paths], alone=len(paths) == 1)
        for each, paths in zip(read, objects, strict=True)
    ]
    tree = HashTree(digest, groups)
    token = meeting.token(tree, second)
    return [renew_hash_tree(each, tree, place, token) for place, each in enumerate(read)]


def _text(name: str) -> bytes:
    return f"data object {name}\n".encode()


def _covered(path: Path) -> Covered:
    return lambda digest: hashlib.new(digest, path.read_bytes()).digest()


def _read(octets: bytes) -> EvidenceRecord:
    return read_evidence_record(definite(octets, RECORD_LIMITS))


def _first_hashes(record: EvidenceRecord) -> list[bytes]:
    return [hashes[0] for chain in record.chains for hashes in chain.stamps[0].reduced or ()]


def _all_refused(answers: Sequence[str], count: int) -> None:
    assert len(answers) == count
    assert all(answer.startswith("refused: ") for answer in answers), answers
