"""EU DSS judges our evidence records (RFC 4998), alone and beside tokens; it makes none.

What it does where the RFC leaves a choice:

- hash-tree renewal: h' = H(h(i) || H(sequence)) in that order; sorted as in figure 4, it fails;
- time-stamp renewal: the last time-stamp of the chain is enough, all of them pass as well;
- of a group of one, a first list that holds the neighbour too, as in figure 2, passes with a warning; so does
  a group of which a data object is not at hand;
- it does not look for evidence within a token: such a token passes as the one without.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.checks import Check
from conformance.interop.dss import served_records
from conformance.interop.dss.library import dss
from kokuin.wire import encode
from kokuin.wire.ers import (
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from kokuin.wire.token_form import bare_token, with_evidence
from tests.trust.evidences import DATA, P256, PQ, again, again_of_last, anew, first, moment, unit
from tsa.evidence.group import Material, sidecar_group
from tsa.evidence.joining import join_record
from tsa.evidence.records import make_record, renew_hash_tree
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from conformance.interop.dss.library import Dss
    from conformance.interop.place import Place
    from tests.trust.evidences import Unit

P384 = "ecdsa-p384-sha384"
SUITES = (P256, P384, "rsa3072-pkcs1-sha256", "rsa3072-pss-sha256")
"""Of archive time-stamps: those that its default policy accepts."""
DIGESTS = ("sha256", "sha384", "sha512", "sha3_512")
BATCHES = (1, 2, 3, 7, 1000, 1023, 1024, 1025)
GROUPS = ((1, 1), (3,), (1, 3, 1, 1, 2))
"""Sizes of the groups of a batch."""
STAMPED = moment(2026, 6, 1)
LATER = moment(2034, 6, 1)
PASSED = "record PASSED null"
NEIGHBOUR = "warning: The first hash value list contains other objects than data provided to the validation!"
ENDED = "INDETERMINATE OUT_OF_BOUNDS_NOT_REVOKED"
"""The certificate of a time-stamp has expired, and no later one shows that it was there before."""
OBJECTS = [f"data object {number}".encode() for number in range(3)]

Job = tuple[str, "dt.datetime", tuple[bytes, ...]]


@dataclass(frozen=True)
class Bench:
    """EU DSS, and a folder with what it trusts and what it is asked about."""

    dss: Dss
    folder: Path

    def trust(self, *units: Unit) -> None:
        """Have it trust the roots of units."""
        for each in units:
            der = each.root.certificate.der
            (self.folder / f"root-{hashlib.sha256(der).hexdigest()[:16]}.der").write_bytes(der)

    def say(self, *jobs: Job) -> list[str]:
        """Return what it says of each job: a kind, a time, and files."""
        lines = []
        for number, (kind, at, files) in enumerate(jobs):
            words = [kind, at.isoformat().replace("+00:00", "Z")]
            for place, octets in enumerate(files):
                path = self.folder / f"{number}-{place}"
                path.write_bytes(octets)
                words.append(str(path))
            lines.append("\t".join(words))
        said = self.dss.judge_records(self.folder, "\n".join(lines))
        assert len(said) == len(jobs), said
        return said

    def say_of_records(self, at: dt.datetime, *records: tuple[bytes, Sequence[bytes]]) -> list[str]:
        """Return what it says of records with their objects."""
        return self.say(*(("record", at, (record, *objects)) for record, objects in records))


def checks(place: Place) -> Iterator[Check]:
    """Raises `AbsentError`."""
    folder = place.own("dss-ers")
    bench = Bench(dss(place.own("dss-ers-classes")), folder)
    for suite_id in SUITES:
        yield Check(f"{suite_id}: our evidence records pass", partial(_passes, bench, suite_id))
    yield Check("our evidence records of every size of batch pass", partial(_batches, bench))
    yield Check("our renewed evidence records pass, and not without a renewal", partial(_renewed, bench))
    yield Check("our records with the evidence of their own time-stamp pass", partial(_joined, bench))
    yield Check("evidence records of ours that do not fit are refused", partial(_misfits, bench))
    yield Check("a token passes later through our record beside it", partial(_beside, bench))
    yield Check("a token with our record in it passes as without", partial(_within, bench))
    yield Check(f"our evidence records of {PQ}: no key that it knows", partial(_quantum, bench))
    yield Check(
        "a token of a running service passes later through its record alone",
        partial(served_records.passes, bench.dss, place.own("dss-ers-served")),
    )


def _passes(bench: Bench, suite_id: str) -> None:
    """Every group of batches of groups, by every hash; none with another object."""
    by = unit(suite_id, 2026)
    bench.trust(by)
    right: list[tuple[bytes, list[bytes]]] = []
    for digest in DIGESTS:
        for sizes in GROUPS:
            groups = _groups(sizes)
            tree = HashTree(digest, [[_hash(digest, each) for each in group] for group in groups])
            token = by.stamp(digest, tree.root, STAMPED)
            right += [(make_record(tree, place, token), group) for place, group in enumerate(groups)]
    wrong = [(record, [b"another"]) for record, _ in right]
    said = bench.say_of_records(moment(2027), *right, *wrong)
    wanted = [PASSED if len(group) > 1 else f"{PASSED}, {NEIGHBOUR}" for _, group in right]
    assert said[: len(right)] == wanted, said
    assert not any("PASSED" in each for each in said[len(right) :]), said


def _batches(bench: Bench) -> None:
    by = unit(P384, 2026)
    bench.trust(by)
    right: list[tuple[bytes, list[bytes]]] = []
    for size in BATCHES:
        objects = [f"{size} {number}".encode() for number in range(size)]
        tree = HashTree("sha512", [[_hash("sha512", each)] for each in objects])
        token = by.stamp("sha512", tree.root, STAMPED)
        places = sorted({0, size // 2, size - 1})
        right += [(make_record(tree, place, token), [objects[place]]) for place in places]
    said = bench.say_of_records(moment(2027), *right)
    assert set(said) == {PASSED, f"{PASSED}, {NEIGHBOUR}"}, said


def _renewed(bench: Bench) -> None:
    """SHA-256 to SHA-512 to SHA3-512, each followed by renewals of the time-stamp."""
    by = [unit(P384, 2026), unit(P256, 2034), unit(P384, 2042)]
    bench.trust(*by)
    right: list[Job] = []
    open_: list[Job] = []
    for objects in (OBJECTS, OBJECTS[:1]):
        alone, neighbours = len(objects) == 1, 0 if len(objects) == 1 else 2
        record = first(by[0], STAMPED, *objects, digest="sha256", neighbours=neighbours)
        twice = again(record, by[0], moment(2028))
        rehashed = anew(twice, by[1], LATER, "sha512", *objects, alone=alone)
        held = (again(record, by[1], LATER), again(twice, by[1], LATER), rehashed)
        whole = again(rehashed, by[1], moment(2036))
        last = anew(whole, by[2], moment(2042, 6, 1), "sha3_512", *objects, alone=alone)
        late = (again(record, by[1], moment(2037)), again(twice, by[2], moment(2045)))
        right += [("record", moment(2035), (each, *objects)) for each in held]
        right.append(("record", moment(2050), (last, *objects)))
        open_ += [("record", moment(2046), (each, *objects)) for each in (record, twice, *held, whole, *late)]
    said = bench.say(*right, *open_)
    assert {each.removesuffix(f", {NEIGHBOUR}") for each in said[: len(right)]} == {PASSED}, said
    assert all(each.startswith(f"record {ENDED}") for each in said[len(right) :]), said


def _joined(bench: Bench) -> None:
    """As a batch of a client has them: a classical time-stamp, and evidence for it in the same chain."""
    by, kept = unit(P256, 2026, 1_500), unit(P384, 2026)
    bench.trust(by, kept)
    tree = HashTree("sha512", [[_hash("sha512", each)] for each in OBJECTS])
    token = by.stamp("sha512", tree.root, STAMPED)
    values = bytes(64), tree.root
    found = []
    for each in (kept, unit(PQ, 2026)):
        group = HashTree("sha512", [[_hash("sha512", token), *values], [_hash("sha512", b"other")]])
        later = make_record(group, 0, each.stamp("sha512", group.root, moment(2026, 6, 2)))
        own, evidence = read_evidence_record(make_record(tree, 0, token)), read_evidence_record(later)
        found.append((join_record(own, evidence), OBJECTS[:1]))
    said, quantum = bench.say_of_records(moment(2032), *found)
    assert said == f"{PASSED}, {NEIGHBOUR}", said
    assert quantum.startswith("record INDETERMINATE"), quantum


def _misfits(bench: Bench) -> None:
    """Had these passed, the rest would say little."""
    by, later = unit(P384, 2026), unit(P256, 2034)
    bench.trust(by, later)
    record, other = (read_evidence_record(first(by, STAMPED, each)) for each in OBJECTS[:2])
    (stamp,) = record.chains[0].stamps
    algorithm, lists = stamp.digest, stamp.reduced
    assert algorithm is not None
    assert lists is not None

    def remade(token: bytes, reduced: Sequence[Sequence[bytes]]) -> bytes:
        octets = encode_archive_time_stamp(token, digest=algorithm, reduced=reduced)
        return encode_evidence_record(record.digests, [encode_chain([octets])])

    renewal = read_evidence_record(again(other.octets, later, LATER)).chains[0].stamps[1]
    spliced = encode_evidence_record(record.digests, [encode_chain([stamp.octets, renewal.octets])])
    own, sequence = _hash("sha512", OBJECTS[0]), _hash("sha512", record.sequence)
    pairs = (own + sequence, sequence + own)
    values = {_hash("sha512", pairs[1]), own, sequence}
    wrong = [
        spliced,
        remade(by.stamp("sha512", bytes(64), STAMPED), lists),
        remade(stamp.time_stamp, lists[:-1]),
    ]
    wrong += [_renewed_over(record.octets, value, later) for value in values]
    right = [_renewed_over(record.octets, _hash("sha512", pairs[0]), later)]
    right.append(again_of_last(again(record.octets, by, moment(2028)), later, LATER))
    said = bench.say_of_records(moment(2035), *((each, OBJECTS[:1]) for each in (*right, *wrong)))
    assert said[: len(right)] == [f"{PASSED}, {NEIGHBOUR}"] * len(right), said
    assert all(each.startswith("record FAILED HASH_FAILURE") for each in said[len(right) :]), said


def _renewed_over(record: bytes, value: bytes, by: Unit) -> bytes:
    """Return a record with a further chain, in whose tree stands `value` for the object."""
    tree = HashTree("sha512", [[value], [_hash("sha512", b"else")]])
    return renew_hash_tree(read_evidence_record(record), tree, 0, by.stamp("sha512", tree.root, LATER))


def _beside(bench: Bench) -> None:
    short, by = unit(P256, 2026, 400), unit(P384, 2026)
    bench.trust(short, by)
    token = short.stamp("sha256", _hash("sha256", DATA), STAMPED)
    material = Material(encode.sequence(short.root.certificate.der))
    document = _hash("sha512", DATA)
    group = sidecar_group("sha512", token, material.hashes("sha512"), document)
    tree = HashTree("sha512", [group, [_hash("sha512", b"neighbour")]])
    record = make_record(tree, 0, by.stamp("sha512", tree.root, moment(2026, 6, 2)), material.infos)
    strange = first(by, moment(2026, 6, 2), OBJECTS[0])
    before, after = moment(2026, 9), moment(2030)
    alone, later, sooner, other, foreign, whole, part = bench.say(
        ("token", after, (token, DATA)),
        ("token", after, (token, DATA, record)),
        ("token", before, (token, DATA, record)),
        ("token", after, (token, b"other", record)),
        ("token", after, (token, DATA, strange)),
        ("record", after, (record, token, DATA, material.certificates)),
        ("record", after, (record, token)),
    )
    assert alone.startswith(f"time-stamp {ENDED}"), alone
    assert (later, sooner) == ("time-stamp PASSED null",) * 2, (later, sooner)
    assert other.startswith("time-stamp FAILED HASH_FAILURE"), other
    assert foreign.startswith(f"time-stamp {ENDED}"), foreign
    assert (whole, part) == (PASSED, f"{PASSED}, {NEIGHBOUR}"), (whole, part)


def _within(bench: Bench) -> None:
    own = unit(P256, 2026)
    bench.trust(own)
    token = own.stamp("sha256", _hash("sha256", DATA), STAMPED)
    records = [first(unit(each, 2026), moment(2026, 6, 2), bare_token(token)) for each in (P384, PQ)]
    embedded = [with_evidence(token, each) for each in records]
    at = moment(2027)
    said = bench.say(*(("token", at, (each, data)) for data in (DATA, b"other") for each in embedded))
    assert said[:2] == ["time-stamp PASSED null"] * 2, said
    assert all(each.startswith("time-stamp FAILED HASH_FAILURE") for each in said[2:]), said


def _quantum(bench: Bench) -> None:
    record = first(unit(PQ, 2026), STAMPED, DATA)
    (said,) = bench.say_of_records(moment(2027), (record, [DATA]))
    assert said.startswith("record INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND"), said


def _groups(sizes: Sequence[int]) -> list[list[bytes]]:
    return [
        [f"object {sizes} {group}-{number}".encode() for number in range(size)]
        for group, size in enumerate(sizes)
    ]


def _hash(digest: str, data: bytes) -> bytes:
    return hashlib.new(digest, data).digest()
