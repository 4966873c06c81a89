"""Evidence records judged (RFC 4998): what holds, and each way in which one does not."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eseal.cms_parts import read_parts
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.report import Ending
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.cms import Attribute
from kokuin.wire.ers import (
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from pqc.policies import parse_policy
from tests.ownpolicy import policy_text, row
from tests.trust.evidences import (
    DATA,
    P256,
    PQ,
    again,
    again_of_last,
    anew,
    first,
    judge,
    moment,
    of,
    trust,
    unit,
    us,
)
from tsa.evidence.records import make_record
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kokuin.trust.evidenced import Evidenced
    from kokuin.trust.report import Report
    from kokuin.wire.ers import ArchiveTimeStamp

ONE, TWO, THREE = unit(PQ, 2026), unit(PQ, 2034), unit(PQ, 2042)
"""Each for some ten years."""
T1, T2, T3 = moment(2027), moment(2035), moment(2043)
DAY = dt.timedelta(days=1)
SHA512 = AlgorithmIdentifier(DIGEST_BY_NAME["sha512"].oid)
OTHERS = (b"a sibling", b"another one")


def context(at: dt.datetime = T1 + DAY) -> Context:
    return Context(us(at), trust(ONE, TWO, THREE))


def once(*group: bytes) -> bytes:
    return first(ONE, T1, *(group or (DATA,)))


def twice() -> bytes:
    return again(once(), TWO, T2)


def thrice() -> bytes:
    return anew(twice(), THREE, T3, "sha3_512", DATA, alone=True)


def said(report: Report) -> tuple[str, str | None, dict[str, str]]:
    open_ones = {
        check.id: check.reason for check in report.checks if check.status in {"failed", "indeterminate"}
    }
    return report.indication.value, report.sub_indication, {a: b for a, b in open_ones.items() if b}


def changed(record: bytes, change: Callable[[list[list[ArchiveTimeStamp]]], object]) -> bytes:
    """Return a record whose archive time-stamps were rearranged."""
    read = read_evidence_record(record)
    chains = [list(chain.stamps) for chain in read.chains]
    change(chains)
    octets = [encode_chain([each.octets for each in chain]) for chain in chains]
    return encode_evidence_record(read.digests, octets, crypto_infos=read.crypto_infos)


def with_lists(stamp: ArchiveTimeStamp, lists: Iterable[Sequence[bytes]]) -> ArchiveTimeStamp:
    made = tuple(tuple(each) for each in lists)
    octets = encode_archive_time_stamp(stamp.time_stamp, digest=stamp.digest, reduced=made)
    return replace(stamp, reduced=made, octets=octets)


def relisted(record: bytes, change: Callable[[list[list[bytes]]], object]) -> bytes:
    """Return a record whose first archive time-stamp has other lists of hashes."""

    def put(chains: list[list[ArchiveTimeStamp]]) -> None:
        lists = [list(each) for each in chains[0][0].reduced or ()]
        change(lists)
        chains[0][0] = with_lists(chains[0][0], lists)

    return changed(record, put)


@pytest.mark.parametrize(
    ("record", "at", "stamps"),
    [(once(), T1 + DAY, 1), (twice(), T2 + DAY, 2), (thrice(), T3 + DAY, 3)],
    ids=["made", "time-stamp renewed", "hash tree renewed"],
)
def test_a_record_proves_its_object_since_the_first_archive_time_stamp(
    record: bytes, at: dt.datetime, stamps: int
) -> None:
    found = judge(record, context(at), DATA)
    assert said(found.report) == ("PASSED", None, {})
    assert (found.proven, found.covers) == (us(T1), (True,))
    assert [part.kind for part in found.report.parts] == ["timestamp-token"] * stamps
    numbers = [part.subject["evidence_stamp"] for part in found.report.parts]
    assert numbers == list(range(1, stamps + 1))
    (proof,) = found.report.proofs_of_existence
    assert (proof.code, proof.time) == ("EVIDENCE_RECORD", us(T1))


def test_a_record_ends_when_it_is_said_to() -> None:
    for record, at in ((once(), T1 + DAY), (twice(), T2 + DAY), (thrice(), T3 + DAY)):
        end = judge(record, context(at), DATA).report.verifiable_until
        assert end is not None
        assert end.cause == Ending.UNIT_EXPIRES
        last, after = (
            judge(record, replace(context(at), at=end.time + later), DATA).report for later in (0, 1)
        )
        assert last.indication == "PASSED"
        assert said(after)[2] == {"evidence-stamps": "EVIDENCE_NOT_RENEWED"}


def test_the_order_within_a_list_does_not_matter_since_lists_are_sorted() -> None:
    def reverse(lists: list[list[bytes]]) -> None:
        for each in lists:
            each.sort(reverse=True)

    backward = relisted(once(DATA, *OTHERS), reverse)
    assert backward != once(DATA, *OTHERS)
    assert judge(backward, context(), DATA).report.indication == "PASSED"


ROOT = ("FAILED", "HASH_FAILURE", {"evidence-tree": "EVIDENCE_ROOT_DIFFERS"})


@pytest.mark.parametrize(
    "change",
    [
        lambda lists: lists.reverse(),
        lambda lists: lists[-1].clear(),
        lambda lists: lists.pop(),
        lambda lists: lists[0].append(lists[0][0]),
        lambda lists: lists[0].append(hashlib.sha512(b"more").digest()),
        lambda lists: lists[0].pop(),
        lambda lists: lists.append([bytes(64)]),
        lambda lists: lists.insert(0, list(lists[0])),
    ],
    ids=[
        "lists in another order",
        "sibling missing",
        "list missing",
        "hash duplicated",
        "hash too many",
        "hash too few",
        "another level",
        "list repeated",
    ],
)
def test_a_tree_that_does_not_lead_to_the_time_stamp_fails(
    change: Callable[[list[list[bytes]]], object],
) -> None:
    record = relisted(once(DATA, *OTHERS), change)
    assert said(judge(record, context()).report)[0] == "FAILED"  # without the data too
    found = said(judge(record, context(), DATA).report)
    assert found[:2] == ROOT[:2]
    assert found[2]["evidence-tree"] == "EVIDENCE_ROOT_DIFFERS"


SIZES = (1, 2, 3, 7, 1000, 1023, 1024, 1025)


@pytest.mark.parametrize("size", SIZES)
def test_each_fault_in_a_tree_of_any_size_is_found(size: int) -> None:
    """Of the first group, one in the middle and the last, which in most sizes lacks a sibling somewhere."""
    groups = [b"number %d" % number for number in range(size)]
    tree = HashTree("sha512", [[hashlib.sha512(each).digest()] for each in groups])
    token = ONE.stamp("sha512", tree.root, T1)
    for place in sorted({0, size // 2, size - 1}):
        record, data = make_record(tree, place, token), groups[place]
        passed = judge(record, context(), data)
        assert (passed.report.indication, passed.proven) == ("PASSED", us(T1))
        assert said(judge(record, context(), b"number %d" % size).report)[:2] == ("FAILED", "HASH_FAILURE")
        lists = read_evidence_record(record).chains[0].stamps[0].reduced or ()
        for wrong in faulty([list(each) for each in lists]):

            def put(lists: list[list[bytes]], wrong: list[list[bytes]] = wrong) -> None:
                lists[:] = wrong

            broken = relisted(record, put)
            assert said(judge(broken, context(), data).report)[:2] == ROOT[:2], (place, wrong)


def faulty(lists: list[list[bytes]]) -> Iterator[list[list[bytes]]]:
    """Yield lists with each thing left out, doubled, added or exchanged."""
    other = hashlib.sha512(b"more").digest()
    yield [*lists, [other]]
    for number, each in enumerate(lists):
        before, after = lists[:number], lists[number + 1 :]
        for new in (each[:-1], [*each, each[0]], [*each, other], [*each[:-1], other]):
            yield [*before, new, *after]
        yield [*before, each, each, *after]
        if number and each != before[-1]:
            yield [*before[:-1], each, before[-1], *after]


def test_a_hash_of_a_wrong_length_fails() -> None:
    # Attack: where one hash ends and the next begins would be open.
    record = relisted(once(DATA, *OTHERS), lambda lists: lists[0].append(b"\x00"))
    assert said(judge(record, context(), DATA).report)[2]["evidence-tree"] == "EVIDENCE_HASH_LENGTH"


def test_another_object_fails_and_none_leaves_it_open() -> None:
    other = said(judge(once(), context(), b"something else").report)
    assert other == ("FAILED", "HASH_FAILURE", {"evidence-object": "EVIDENCE_OTHER_OBJECT"})
    absent = judge(once(), context())
    assert said(absent.report) == (
        "INDETERMINATE",
        "SIGNED_DATA_NOT_FOUND",
        {"evidence-object": "CONTENT_NOT_GIVEN"},
    )
    assert absent.proven is None


def test_a_digest_by_another_algorithm_says_nothing_of_the_object() -> None:
    found = judge(once(), context(), given=lambda _: hashlib.sha256(DATA).digest())
    assert said(found.report)[1:] == ("SIGNED_DATA_NOT_FOUND", {"evidence-object": "DIGEST_LENGTH"})


def test_of_who_has_one_digest_of_the_data_nothing_is_said_of_chains_by_another() -> None:
    """`--digest` names the SHA-512 of the data; the second chain hashes the data by SHA3-512, as long."""
    digest, at = hashlib.sha512(DATA).digest(), context(T3 + DAY)
    short = judge(thrice(), at, given=lambda name: digest if name == "sha512" else b"")
    for found in (judge(thrice(), at, given=lambda _: digest), short):
        assert said(found.report) == (
            "INDETERMINATE",
            "SIGNED_DATA_NOT_FOUND",
            {"evidence-chain": "CONTENT_NOT_GIVEN"},
        )


def test_a_chain_by_a_hash_that_nobody_knows_here_is_open_and_no_other_record_s() -> None:
    read = read_evidence_record(once())
    known, unknown = DIGEST_BY_NAME["sha3_512"].oid, "2.16.840.1.101.3.4.2.99"
    token = TWO.stamp("sha3_512", bytes(64), T2).replace(encode.oid(known), encode.oid(unknown))
    chain = encode_chain([encode_archive_time_stamp(token)])
    record = encode_evidence_record(read.digests, [read.chains[0].octets, chain])
    checks = judge(record, context(T2 + DAY), DATA).report.checks
    (open_one,) = (check for check in checks if check.id == "evidence-chain" and check.reason)
    assert (open_one.status, open_one.reason) == ("indeterminate", "DIGEST_UNKNOWN")


def test_of_a_group_each_object_at_hand_is_covered_and_the_others_are_counted() -> None:
    record = once(DATA, *OTHERS)
    found = judge(record, context(), DATA, *OTHERS)
    assert (found.covers, counted(found)) == ((True, True, True), (3, 0))
    missing = judge(record, context(), DATA, OTHERS[0])
    assert (missing.covers, counted(missing)) == ((True, True), (2, 1))
    too_many = judge(record, context(), DATA, *OTHERS, b"of no group")
    assert (too_many.covers, counted(too_many)) == ((True, True, True, False), (3, 0))
    assert too_many.report.indication == "PASSED"
    assert said(judge(record, context(), b"of no group", DATA).report)[0] == "FAILED"


def counted(found: Evidenced) -> tuple[object, object]:
    (params,) = (check.params for check in found.report.checks if check.id == "evidence-object")
    return params["count"], params["others"]


def test_a_replaced_archive_time_stamp_fails() -> None:
    # The time-stamp of another record by the same unit, put into the place of one in the chain.
    other = read_evidence_record(first(ONE, T1, b"other data")).chains[0].stamps[0]

    def put(chains: list[list[ArchiveTimeStamp]]) -> None:
        own = chains[0][0]
        octets = encode_archive_time_stamp(other.time_stamp, digest=own.digest, reduced=own.reduced)
        chains[0][0] = replace(own, time_stamp=other.time_stamp, octets=octets)

    found = said(judge(changed(twice(), put), context(T2 + DAY), DATA).report)
    assert found[0] == "FAILED"
    assert found[2]["evidence-tree"] == "EVIDENCE_ROOT_DIFFERS"
    assert found[2]["evidence-chain"] == "EVIDENCE_GAP"
    # The same root, stamped anew: what follows covers the one that was there.
    whole = replace(own_again(), octets=own_again().octets)
    swapped = changed(twice(), lambda chains: chains[0].__setitem__(0, whole))
    assert said(judge(swapped, context(T2 + DAY), DATA).report)[2] == {"evidence-chain": "EVIDENCE_GAP"}


def own_again() -> ArchiveTimeStamp:
    return read_evidence_record(first(ONE, T1 + DAY, DATA)).chains[0].stamps[0]


def test_a_gap_in_a_chain_fails() -> None:
    four = again_of_last(again_of_last(twice(), TWO, T2 + DAY), TWO, T2 + 2 * DAY)
    assert judge(four, context(T2 + 3 * DAY), DATA).report.indication == "PASSED"
    for place in (1, 2):

        def cut(chains: list[list[ArchiveTimeStamp]], place: int = place) -> None:
            chains[0].pop(place)

        gap = changed(four, cut)
        report = judge(gap, context(T2 + 3 * DAY), DATA).report
        assert said(report) == ("FAILED", "HASH_FAILURE", {"evidence-chain": "EVIDENCE_GAP"})
    swapped = changed(four, lambda chains: chains[0].insert(1, chains[0].pop(2)))
    assert said(judge(swapped, context(T2 + 3 * DAY), DATA).report)[2]["evidence-chain"] == "EVIDENCE_GAP"


def test_a_gap_that_a_later_archive_time_stamp_spans_counts_by_what_ended_in_it() -> None:
    """Ours cover the whole chain: one may be gone while the one before it held on, and no longer."""

    def cut(chains: list[list[ArchiveTimeStamp]]) -> None:
        chains[0].pop(1)

    needless = changed(again(twice(), TWO, T2 + DAY), cut)
    assert judge(needless, context(T2 + 3 * DAY), DATA).report.indication == "PASSED"
    needed = again(twice(), THREE, T3)
    assert judge(needed, context(T3 + DAY), DATA).report.indication == "PASSED"
    found = said(judge(changed(needed, cut), context(T3 + DAY), DATA).report)
    assert (found[0], found[2]) == ("INDETERMINATE", {"evidence-stamps": "EVIDENCE_RENEWED_LATE"})


def test_without_its_first_archive_time_stamp_a_record_is_of_something_else() -> None:
    cut = changed(twice(), lambda chains: chains[0].pop(0))
    assert said(judge(cut, context(T2 + DAY), DATA).report)[2] == {"evidence-object": "EVIDENCE_OTHER_OBJECT"}


def test_a_renewal_after_the_expiry_leaves_it_open_and_is_named() -> None:
    brief = unit(PQ, 2028, 400)
    record = again(first(brief, moment(2028, 2), DATA), TWO, T2)
    by = replace(context(T2 + DAY), trust=trust(brief, TWO))
    report = judge(record, by, DATA).report
    assert said(report) == (
        "INDETERMINATE",
        "OUT_OF_BOUNDS_NO_POE",
        {"evidence-stamps": "EVIDENCE_RENEWED_LATE"},
    )
    (named,) = (check.params for check in report.checks if check.id == "evidence-stamps")
    assert (named["stamp"], named["gen_time"]) == (1, "2028-02-01T00:00:00Z")
    assert named["cause"] == "UNIT_EXPIRES"
    assert str(named["what"]).endswith("of 2028, O=Test, C=JP")
    assert str(named["ended"]) < "2029-02-06"
    assert named["needed"] == "2035-01-01T00:00:00Z"


def test_a_record_that_nobody_renewed_is_open_and_names_what_ended() -> None:
    report = judge(once(), context(T2 + 3_000 * DAY), DATA).report
    assert said(report) == (
        "INDETERMINATE",
        "OUT_OF_BOUNDS_NO_POE",
        {"evidence-stamps": "EVIDENCE_NOT_RENEWED"},
    )


def test_a_chain_with_two_hash_algorithms_fails() -> None:
    # The time-stamp renewal of a chain by SHA-512, made by SHA-384 over the right octets.
    before = read_evidence_record(once())
    stamp = before.chains[0].stamps[0]
    value = hashlib.sha384(stamp.time_stamp).digest()
    token = TWO.stamp("sha384", value, T2)
    octets = encode_archive_time_stamp(token, digest=AlgorithmIdentifier(DIGEST_BY_NAME["sha384"].oid))
    record = encode_evidence_record(before.digests, [encode_chain([stamp.octets, octets])])
    report = judge(record, context(T2 + DAY), DATA).report
    assert said(report)[:2] == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
    assert said(report)[2]["evidence-chain"] == "EVIDENCE_DIGEST_CHANGED"


def test_a_tree_and_its_time_stamp_by_two_hash_algorithms_fail() -> None:
    token = ONE.stamp("sha256", hashlib.sha256(DATA).digest(), T1)
    octets = encode_archive_time_stamp(token, digest=SHA512)
    record = encode_evidence_record((SHA512,), [encode_chain([octets])])
    assert said(judge(record, context(), DATA).report)[2]["evidence-tree"] == "EVIDENCE_DIGESTS_DIFFER"


def test_an_absent_digest_algorithm_is_that_of_the_time_stamp() -> None:
    token = ONE.stamp("sha384", hashlib.sha384(DATA).digest(), T1)
    record = encode_evidence_record((SHA512,), [encode_chain([encode_archive_time_stamp(token)])])
    report = judge(record, context(), DATA).report
    assert report.indication == "PASSED"
    (weak,) = (check.reason for check in report.checks if check.status == "weak")
    assert weak == "EVIDENCE_DIGEST_UNLISTED"


def test_times_that_fall_leave_it_open() -> None:
    record = again(first(ONE, T1 + 300 * DAY, DATA), ONE, T1)
    report = judge(record, context(T1 + 400 * DAY), DATA).report
    assert said(report) == (
        "INDETERMINATE",
        "TIMESTAMP_ORDER_FAILURE",
        {"evidence-order": "EVIDENCE_TIMES_FALL"},
    )


@pytest.mark.parametrize("sequence", ["of another record", "of a longer one"])
def test_a_hash_tree_renewal_over_another_sequence_fails(sequence: str) -> None:
    other = first(ONE, T1 + DAY, DATA) if sequence == "of another record" else again(twice(), TWO, T2 + DAY)
    chain = read_evidence_record(anew(other, THREE, T3, "sha3_512", DATA, alone=True)).chains[-1]
    record = changed(twice(), lambda chains: chains.append(list(chain.stamps)))
    report = judge(record, context(T3 + DAY), DATA).report
    assert said(report) == ("FAILED", "HASH_FAILURE", {"evidence-chain": "EVIDENCE_OTHER_SEQUENCE"})


@pytest.mark.parametrize("in_order", [True, False])
def test_both_readings_of_a_hash_tree_renewal_hold(*, in_order: bool) -> None:
    read = read_evidence_record(once())
    new = DIGEST_BY_NAME["sha3_512"]
    own, older = new.of(DATA), new.of(read.sequence)
    value = new.of(own + older if in_order else b"".join(sorted((own, older))))
    token = TWO.stamp("sha3_512", value, T2)
    stamp = encode_archive_time_stamp(token, digest=AlgorithmIdentifier(new.oid))
    record = encode_evidence_record(read.digests, [read.chains[0].octets, encode_chain([stamp])])
    assert judge(record, context(T2 + DAY), DATA).report.indication == "PASSED"
    wrong = TWO.stamp("sha3_512", new.of(older + older), T2)
    stamp = encode_archive_time_stamp(wrong, digest=AlgorithmIdentifier(new.oid))
    record = encode_evidence_record(read.digests, [read.chains[0].octets, encode_chain([stamp])])
    assert judge(record, context(T2 + DAY), DATA).report.indication == "FAILED"


def left_out() -> bytes:
    """A record of two objects, of which the renewal of the hash tree kept the second alone."""
    read = read_evidence_record(first(ONE, T1, DATA, OTHERS[0]))
    new = DIGEST_BY_NAME["sha3_512"]
    value = new.of(new.of(OTHERS[0]) + new.of(read.sequence))
    stamp = encode_archive_time_stamp(TWO.stamp("sha3_512", value, T2), digest=AlgorithmIdentifier(new.oid))
    return encode_evidence_record(read.digests, [read.chains[0].octets, encode_chain([stamp])])


def until(date: str) -> Context:
    """By a policy that lets SHA-512 go after a day."""
    rows = (
        row(("imprint", "tree"), ["sha512"], ["verify"], until=date),
        row(("imprint", "tree"), ["sha3_512", "sha384"], ["verify"]),
        row(("signature-digest", "certificate-id"), ["sha256", "sha512"], ["verify"]),
        row("signature", ["ml-dsa", "ecdsa"], ["verify"]),
    )
    return replace(context(), policy=parse_policy("house", policy_text(*rows)))


def test_an_object_that_was_left_out_is_bound_by_the_older_hash_as_long_as_that_is_fit() -> None:
    by = replace(until("2040-01-01"), at=us(T2 + DAY))
    found = judge(left_out(), by, DATA, OTHERS[0])
    assert (found.report.indication, found.covers) == ("PASSED", (True, True))
    assert "EVIDENCE_OBJECT_LEFT_OUT" in {check.reason for check in found.report.checks}
    late = judge(left_out(), replace(until("2040-01-01"), at=us(moment(2041))), DATA, OTHERS[0])
    assert late.covers == (False, True)
    assert said(late.report)[2] == {"evidence-object": "EVIDENCE_OBJECT_LEFT_OUT"}
    kept = judge(left_out(), replace(until("2040-01-01"), at=us(moment(2041))), OTHERS[0], DATA)
    assert (kept.report.indication, kept.covers) == ("PASSED", (True, False))


def test_a_record_lasts_no_longer_than_the_older_hash_that_binds_what_was_left_out() -> None:
    by = replace(until("2040-01-01"), at=us(T2 + DAY))
    end = judge(left_out(), by, DATA, OTHERS[0]).report.verifiable_until
    assert end is not None
    assert (end.cause, end.params["algorithm"]) == (Ending.ALGORITHM_ENDS, "sha512")
    for later, wanted in ((0, "PASSED"), (1, "INDETERMINATE")):
        at = replace(by, at=end.time + later)
        assert judge(left_out(), at, DATA, OTHERS[0]).report.indication == wanted


def test_what_was_left_out_is_open_once_the_older_hash_no_longer_binds_data() -> None:
    """Somebody may have made two documents of one digest: of trees alone the policy still accepts it."""
    rows = (
        row("imprint", ["sha512"], ["verify"], until="2040-01-01"),
        row("tree", ["sha512"], ["verify"]),
        row(("imprint", "tree"), ["sha3_512"], ["verify"]),
        row(("signature-digest", "certificate-id"), ["sha256", "sha512"], ["verify"]),
        row("signature", ["ml-dsa"], ["verify"]),
    )
    by = replace(context(moment(2041)), policy=parse_policy("house", policy_text(*rows)))
    found = judge(left_out(), by, DATA, OTHERS[0])
    assert found.covers == (False, True)
    assert said(found.report)[2] == {"evidence-object": "EVIDENCE_OBJECT_LEFT_OUT"}


def test_a_hash_that_fell_before_the_hash_tree_was_renewed_leaves_it_open() -> None:
    absent = judge(twice(), replace(until("2036-01-01"), at=us(moment(2037))), DATA).report
    assert said(absent) == (
        "INDETERMINATE",
        "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
        {"evidence-digest": "EVIDENCE_TREE_NOT_RENEWED"},
    )
    late = judge(thrice(), replace(until("2036-01-01"), at=us(T3 + DAY)), DATA).report
    assert said(late)[2] == {"evidence-digest": "EVIDENCE_TREE_RENEWED_LATE"}
    in_time = judge(thrice(), replace(until("2043-06-01"), at=us(moment(2044))), DATA).report
    assert in_time.indication == "PASSED"
    time_stamp_only = judge(
        again(twice(), TWO, moment(2036)), replace(until("2036-01-01"), at=us(moment(2037))), DATA
    )
    assert said(time_stamp_only.report)[2] == {"evidence-digest": "EVIDENCE_TREE_NOT_RENEWED"}


def material(*, in_group: bool, values: bool = True) -> tuple[bytes, bytes, bytes]:
    """A record with certificates and a list, and both values."""
    certificates = encode.sequence(THREE.unit.certificate, THREE.root.certificate.der)
    lists = encode.sequence(encode.explicit(0, encode.sequence(THREE.crl)))
    infos = (
        Attribute(oids.ID_AA_ETS_CERT_VALUES, (certificates,)),
        Attribute(oids.ID_AA_ETS_REVOCATION_VALUES, (lists,)),
    )
    group = (DATA, certificates, lists) if in_group else (DATA, b"other", b"octets")
    return first(ONE, T1, *group, infos=infos if values else ()), certificates, lists


def test_what_a_record_brings_along_counts_when_its_group_holds_it() -> None:
    record, *_ = material(in_group=True)
    found = judge(record, context(), DATA)
    assert [each.der for each in found.certificates] == [
        THREE.unit.certificate,
        THREE.root.certificate.der,
    ]
    assert found.revocation == RevocationData(lists=(THREE.crl, ONE.crl))
    # The list of the archive time-stamp itself stands in what nothing covers yet.
    assert dict(found.known) == {
        THREE.unit.certificate: us(T1),
        THREE.root.certificate.der: us(T1),
        THREE.crl: us(T1),
        ONE.crl: us(T1 + DAY),
    }


def test_what_was_added_to_a_record_later_does_not_count() -> None:
    # Attack: cryptoInfos stand outside of what the archive time-stamps cover.
    record, *_ = material(in_group=False)
    found = judge(record, context(), DATA)
    assert found.report.indication == "PASSED"
    assert (found.certificates, found.revocation) == ((), RevocationData(lists=(ONE.crl,)))


def unaided(at: dt.datetime, digest: bytes) -> bytes:
    """A time-stamp that carries nothing but its signature, as one that was asked for without certificates."""
    return replace(read_parts(ONE.stamp("sha512", digest, at, crl=False)), certificates=()).encode()


def beside(*certificates: bytes, crl: bytes | None = None) -> tuple[Attribute, ...]:
    lists = encode.sequence(encode.explicit(0, encode.sequence(*(() if crl is None else (crl,)))))
    return (
        Attribute(oids.ID_AA_ETS_CERT_VALUES, (encode.sequence(*certificates),)),
        Attribute(oids.ID_AA_ETS_REVOCATION_VALUES, (lists,)),
    )


def test_what_stands_beside_the_time_stamps_helps_to_judge_them() -> None:
    """§3.1: this is what the field is for; it is not protected, and counts by its own signatures alone."""
    stamp = encode_archive_time_stamp(unaided(T1, of(DATA)("sha512")), digest=SHA512)

    def made(*infos: Attribute) -> bytes:
        return encode_evidence_record((SHA512,), [encode_chain([stamp])], crypto_infos=infos)

    strict = replace(context(), revocation_mode=RevocationMode.REQUIRED)
    for octets, by, wanted in (
        (made(), context(), "NO_SIGNING_CERTIFICATE_FOUND"),
        (made(*beside(TWO.unit.certificate)), context(), "NO_SIGNING_CERTIFICATE_FOUND"),
        (made(*beside(ONE.unit.certificate)), context(), None),
        (made(*beside(ONE.unit.certificate)), strict, "TRY_LATER"),
        (made(*beside(ONE.unit.certificate, crl=ONE.crl)), strict, None),
    ):
        found = judge(octets, by, DATA)
        assert found.report.sub_indication == wanted
        assert (found.certificates, found.revocation.answers) == ((), ())
    untrusted = replace(context(), trust=trust(TWO))
    root = made(*beside(ONE.unit.certificate, ONE.root.certificate.der))
    assert judge(root, untrusted, DATA).report.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"


def test_what_stands_beside_the_time_stamps_makes_nothing_younger_that_they_carry() -> None:
    """Attack: a copy of a time-stamp's own certificate and list, so that they seem to be of today."""
    until = "2036-01-01"
    rows = (
        row(("imprint", "tree", "signature-digest", "certificate-id"), ["sha256", "sha512"], ["verify"]),
        row("signature", ["ecdsa"], ["verify"], until=until),
        row("signature", ["ml-dsa"], ["verify"]),
    )
    weak = unit(P256, 2026)
    by = replace(context(moment(2037)), trust=trust(weak, TWO), revocation_mode=RevocationMode.REQUIRED)
    by = replace(by, policy=parse_policy("house", policy_text(*rows)))
    record = read_evidence_record(again(first(weak, T1, DATA), TWO, T2))
    plain = encode_evidence_record(record.digests, [record.chains[0].octets])
    copied = encode_evidence_record(
        record.digests,
        [record.chains[0].octets],
        crypto_infos=beside(weak.unit.certificate, weak.root.certificate.der, crl=weak.crl),
    )
    for octets in (plain, copied):
        assert said(judge(octets, by, DATA).report) == ("PASSED", None, {})
    given = replace(by, revocation=RevocationData(lists=(weak.crl,)))
    assert said(judge(plain, given, DATA).report) == ("PASSED", None, {})


def test_encrypted_data_that_is_not_at_hand_leaves_it_open() -> None:
    read = read_evidence_record(once())
    encryption = encode.explicit(1, encode.oid(oids.ID_AES256_GCM) + encode.octet_string(b""))
    record = encode_evidence_record(read.digests, [read.chains[0].octets], encryption=encryption)
    plain = judge(record, context(), b"what was encrypted")
    assert said(plain.report)[2] == {"evidence-object": "EVIDENCE_ENCRYPTED"}
    assert judge(record, context(), DATA).report.indication == "PASSED"


def test_nobody_s_unit_proves_nothing() -> None:
    report = judge(once(), replace(context(), trust=trust(TWO)), DATA).report
    assert said(report) == (
        "INDETERMINATE",
        "NO_CERTIFICATE_CHAIN_FOUND",
        {"evidence-stamps": "EVIDENCE_STAMP_OPEN"},
    )


def test_a_forged_time_stamp_fails() -> None:
    def put(chains: list[list[ArchiveTimeStamp]]) -> None:
        own = chains[0][0]
        token = own.time_stamp[:-1] + bytes((own.time_stamp[-1] ^ 1,))
        octets = encode_archive_time_stamp(token, digest=own.digest, reduced=own.reduced)
        chains[0][0] = replace(own, time_stamp=token, octets=octets)

    report = judge(changed(once(), put), context(), DATA).report
    assert said(report) == ("FAILED", "SIG_CRYPTO_FAILURE", {"evidence-stamps": "EVIDENCE_STAMP_FAILED"})


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", b"\x30\x03\x02\x01\x01", once()[:-1], once() + b"\x00"])
def test_what_is_no_record_fails(octets: bytes) -> None:
    assert said(judge(octets, context(), DATA).report) == (
        "FAILED",
        "FORMAT_FAILURE",
        {"format": "EVIDENCE_UNREADABLE"},
    )


def test_revocations_count_as_for_any_time_stamp() -> None:
    required = replace(context(), revocation_mode=RevocationMode.REQUIRED)
    assert judge(once(), required, DATA).report.indication == "PASSED"
    without = read_evidence_record(once())
    value = without.chains[0].stamps[0]
    bare = ONE.stamp("sha512", hashlib.sha512(DATA).digest(), T1, crl=False)
    assert value.time_stamp != bare
    record = encode_evidence_record((SHA512,), [encode_chain([encode_archive_time_stamp(bare)])])
    assert said(judge(record, required, DATA).report)[:2] == ("INDETERMINATE", "TRY_LATER")


def test_an_archive_time_stamp_of_any_suite_proves() -> None:
    for suite_id in (P256, "slh-dsa-sha2-192s", "mldsa65-ecdsa-p256-sha512"):
        by = unit(suite_id, 2026)
        found = judge(first(by, T1, DATA), replace(context(), trust=trust(by)), DATA)
        assert found.report.indication == "PASSED", suite_id


def test_a_record_of_too_many_archive_time_stamps_is_not_judged_at_all() -> None:
    stamp = read_evidence_record(once()).chains[0].stamps[0]
    record = encode_evidence_record((SHA512,), [encode_chain([stamp.octets] * 201)])
    assert said(judge(record, context(), DATA).report)[2] == {"evidence-form": "EVIDENCE_TOO_LONG"}
    chains = [encode_chain([stamp.octets])] * 33
    record = encode_evidence_record((SHA512,), chains)
    assert said(judge(record, context(), DATA).report)[2] == {"evidence-form": "EVIDENCE_TOO_LONG"}


def test_of_many_archive_time_stamps_that_do_not_hold_the_newest_are_judged() -> None:
    """Attack: sixty that each take a second; of a record that cannot pass, nobody waits for all of them."""
    record = once()
    for year in range(2028, 2034):
        record = again(record, ONE, moment(year))
    report = judge(record, replace(context(moment(2034)), trust=trust(TWO)), DATA).report
    assert [part.subject["evidence_stamp"] for part in report.parts] == [4, 5, 6, 7]
    assert (report.subject["archive_time_stamps"], report.subject["first_time"]) == (
        7,
        "2027-01-01T00:00:00Z",
    )
    assert said(report)[2] == {"evidence-stamps": "EVIDENCE_STAMP_OPEN"}
    assert len(judge(record, context(moment(2034)), DATA).report.parts) == 7


def test_an_object_is_asked_for_each_digest_once() -> None:
    asked: list[str] = []

    def given(digest: str) -> bytes:
        asked.append(digest)
        return of(DATA)(digest)

    assert judge(thrice(), context(T3 + DAY), given=given).report.indication == "PASSED"
    assert sorted(asked) == ["sha3_512", "sha512"]
