"""A record that goes on with the evidence of its time-stamp: judged as renewed, and refused for another's."""

from __future__ import annotations

import pytest

from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.evidence_objects import listed_material
from kokuin.trust.evidence_tree import find_stamps
from kokuin.trust.report import Indication
from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.ers import (
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from pqc.policies import load_policy
from tests.trust.evidences import DATA, P256, PQ, Unit, again, anew, first, judge, moment, trust, unit, us
from tsa.evidence.group import Material, encode_certificate_values, encode_revocation_values
from tsa.evidence.joining import join_record
from tsa.evidence.records import make_record
from tsa.evidence.refusals import EvidenceError, EvidenceRefusal
from tsa.evidence.tree import HashTree

STAMPING, ARCHIVE = unit(P256, 2026, 1_500), unit(PQ, 2026)
RECORD = first(STAMPING, moment(2026, 6, 1), DATA)


def time_stamp(record: bytes) -> bytes:
    return read_evidence_record(record).chains[-1].stamps[-1].time_stamp


LATER = first(ARCHIVE, moment(2026, 6, 2), time_stamp(RECORD), b"its material")


def joined(record: bytes, later: bytes) -> bytes:
    return join_record(read_evidence_record(record), read_evidence_record(later))


def refusal(record: bytes, later: bytes) -> EvidenceRefusal:
    with pytest.raises(EvidenceError) as refused:
        joined(record, later)
    return refused.value.code


def test_the_whole_holds_for_as_long_as_the_later_one() -> None:
    policy = load_policy("eu-ts119312")
    context = Context(us(moment(2033)), trust(STAMPING, ARCHIVE), policy=policy)
    assert judge(RECORD, context, DATA).report.indication is Indication.INDETERMINATE
    found = judge(joined(RECORD, LATER), context, DATA)
    assert found.report.indication is Indication.PASSED
    assert found.proven == us(moment(2026, 6, 1))
    assert judge(joined(RECORD, LATER), context, b"other data").report.indication is Indication.FAILED


def test_a_later_record_that_was_renewed_brings_all_its_time_stamps() -> None:
    renewed = again(LATER, unit(PQ, 2034), moment(2034))
    whole = read_evidence_record(joined(RECORD, renewed))
    assert [len(chain.stamps) for chain in whole.chains] == [3]
    context = Context(us(moment(2040)), trust(STAMPING, ARCHIVE, unit(PQ, 2034)))
    assert judge(whole.octets, context, DATA).report.indication is Indication.PASSED


def test_a_record_that_was_renewed_keeps_its_chains() -> None:
    record = anew(RECORD, STAMPING, moment(2026, 7), "sha512", DATA, alone=True)
    later = first(ARCHIVE, moment(2026, 7, 2), time_stamp(record))
    whole = read_evidence_record(joined(record, later))
    assert [len(chain.stamps) for chain in whole.chains] == [1, 2]
    context = Context(us(moment(2033)), trust(STAMPING, ARCHIVE))
    assert judge(whole.octets, context, DATA).report.indication is Indication.PASSED


def test_a_record_over_something_else_is_refused() -> None:
    other = first(STAMPING, moment(2026, 6, 1), b"other data")
    assert refusal(other, LATER) is EvidenceRefusal.OTHER_GROUP
    alone = first(ARCHIVE, moment(2026, 6, 2), time_stamp(other), neighbours=0)
    assert refusal(RECORD, alone) is EvidenceRefusal.OTHER_GROUP


def test_a_list_that_holds_the_hash_and_leads_elsewhere_is_refused() -> None:
    """Attack: the list names the time-stamp, and the archive time-stamp is over something else."""
    stamp = read_evidence_record(LATER).chains[0].stamps[0]
    other = read_evidence_record(first(ARCHIVE, moment(2026, 6, 2), b"other data")).chains[0].stamps[0]
    forged = encode_archive_time_stamp(other.time_stamp, digest=stamp.digest, reduced=stamp.reduced)
    record = encode_evidence_record(read_evidence_record(LATER).digests, [encode_chain([forged])])
    assert refusal(RECORD, record) is EvidenceRefusal.OTHER_GROUP


def test_evidence_of_one_token_alone_has_no_list() -> None:
    alone = first(ARCHIVE, moment(2026, 6, 2), time_stamp(RECORD), neighbours=0)
    context = Context(us(moment(2033)), trust(STAMPING, ARCHIVE))
    assert judge(joined(RECORD, alone), context, DATA).report.indication is Indication.PASSED


def test_another_algorithm_and_a_further_chain_are_refused() -> None:
    later = first(ARCHIVE, moment(2026, 6, 2), time_stamp(RECORD), digest="sha256")
    assert refusal(RECORD, later) is EvidenceRefusal.OTHER_HASH
    further = anew(LATER, ARCHIVE, moment(2027), "sha384", time_stamp(RECORD), b"its material")
    assert refusal(RECORD, further) is EvidenceRefusal.OTHER_GROUP


def test_what_holds_no_token_is_refused() -> None:
    record, later = (read_evidence_record(each) for each in (RECORD, LATER))
    no_token = encode.sequence(encode.oid("1.2.3"))
    bare = encode_evidence_record(record.digests, [encode_chain([encode_archive_time_stamp(no_token)])])
    assert refusal(bare, LATER) is EvidenceRefusal.NO_TOKEN
    digest = later.chains[0].stamps[0].digest
    stamp = encode_archive_time_stamp(no_token, digest=digest, reduced=later.chains[0].stamps[0].reduced)
    broken = encode_evidence_record(later.digests, [encode_chain([stamp])])
    assert refusal(RECORD, broken) is EvidenceRefusal.NO_TOKEN
    unknown = encode_archive_time_stamp(no_token, digest=AlgorithmIdentifier("1.2.3"))
    strange = encode_evidence_record(record.digests, [encode_chain([unknown])])
    assert refusal(strange, LATER) is EvidenceRefusal.HASH_UNKNOWN


def without_lists(by: Unit) -> bytes:
    """Return a record over the data, whose time-stamp carries no list."""
    tree = HashTree("sha512", [[DIGEST_BY_NAME["sha512"].of(DATA)]])
    return make_record(tree, 0, by.stamp("sha512", tree.root, moment(2026, 6, 1), crl=False))


def test_lists_that_the_later_one_covers_tell_of_the_time_stamp_before() -> None:
    record, data = without_lists(STAMPING), RevocationData((STAMPING.crl,))
    material = Material(encode_certificate_values(()), encode_revocation_values(data))
    covered = (time_stamp(record), *(value for info in material.infos for value in info.values))
    later = first(ARCHIVE, moment(2026, 6, 2), *covered, infos=material.infos)
    context = Context(
        us(moment(2033)),
        trust(STAMPING, ARCHIVE),
        policy=load_policy("eu-ts119312"),
        revocation_mode=RevocationMode.REQUIRED,
    )
    whole = joined(record, later)
    found = judge(whole, context, DATA)
    assert found.report.indication is Indication.PASSED
    assert dict(found.known)[STAMPING.crl] == us(moment(2026, 6, 2))
    # Attack: a list forged when its algorithm had fallen. Nothing covers it, so it is of now.
    read = read_evidence_record(whole)
    chain = encode_chain([stamp.octets for stamp in read.chains[0].stamps])
    for lists in ((STAMPING.crl, ARCHIVE.crl), ()):
        data = RevocationData(lists)
        infos = Material(encode_certificate_values(()), encode_revocation_values(data)).infos
        forged = encode_evidence_record(read.digests, [chain], crypto_infos=infos)
        assert judge(forged, context, DATA).report.indication is Indication.INDETERMINATE
        # What the later one does not cover stays behind.
        other = first(ARCHIVE, moment(2026, 6, 2), time_stamp(record), infos=infos)
        assert not read_evidence_record(joined(record, other)).crypto_infos


def test_lists_under_a_hash_that_has_fallen_tell_nothing() -> None:
    data = encode_revocation_values(RevocationData((STAMPING.crl,)))
    assert data is not None
    infos = Material(encode_certificate_values(()), data).infos
    record = read_evidence_record(first(ARCHIVE, moment(2027), DATA, data, infos=infos))
    (found,) = find_stamps(record)
    assert listed_material(record, lambda _: True)(found).lists == (STAMPING.crl,)
    assert listed_material(record, lambda _: False)(found) == RevocationData()
