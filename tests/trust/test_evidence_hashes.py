from __future__ import annotations

import hashlib

import pytest

from kokuin.trust.evidence_hashes import (
    ClimbFault,
    climb,
    combine,
    digest_of,
    renewed,
    renewed_sorted,
    stamped,
)
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.ers import (
    RECORD_LIMITS,
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from tests import peers
from tests.trust.forge import order


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


A, B, C, D = (bytes((value,)) * 32 for value in (4, 3, 2, 1))


def test_one_hash_stands_for_itself_and_several_are_sorted() -> None:
    assert combine("sha256", [A]) == A
    assert combine("sha256", [A, B]) == sha(B + A)
    assert combine("sha256", [C, A, B]) == sha(C + B + A)


def test_the_published_figure_is_climbed() -> None:
    """RFC 4998 §4.2, figures 1 and 2: a document alone, a group of three, a third branch."""
    group = sha(C + B + A)
    father = sha(b"".join(sorted((D, group))))
    third = sha(b"third")
    root = sha(b"".join(sorted((father, third))))
    assert climb("sha256", [[D, group], [third]], [D]) == root
    assert climb("sha256", [[A, B, C], [D], [third]], [B, A, C]) == root
    assert climb("sha256", [[A, B, C], [D], [third]], [B]) == root


def test_without_lists_the_one_hash_is_what_was_stamped() -> None:
    assert climb("sha256", None, [A]) == A
    assert climb("sha256", [], [A]) == A
    assert climb("sha256", None, [A, B]) is ClimbFault.NOT_LISTED


def test_a_hash_that_stands_higher_is_no_data_object() -> None:
    assert climb("sha256", [[A, B], [C]], [C]) is ClimbFault.NOT_LISTED
    assert climb("sha256", [[A, B], [C]], [sha(B + A)]) is ClimbFault.NOT_LISTED
    assert climb("sha256", [[A, B], [C]], [A, D]) is ClimbFault.NOT_LISTED
    assert climb("sha256", [[], [A]], [A]) is ClimbFault.NOT_LISTED


@pytest.mark.parametrize("shift", [1, 16, 31])
def test_hashes_cut_at_another_place_are_refused(shift: int) -> None:
    """The same concatenation in other pieces would make a hash a member that never was."""
    whole = B + A
    cut = [whole[: 32 + shift], whole[32 + shift :]]
    assert combine("sha256", cut) in {sha(whole), sha(whole[32 + shift :] + whole[: 32 + shift])}
    assert climb("sha256", [cut], [cut[0]]) is ClimbFault.HASH_LENGTH
    assert climb("sha256", [[A], cut], [A]) is ClimbFault.HASH_LENGTH


def test_a_renewal_hashes_the_object_then_the_sequence() -> None:
    assert renewed("sha256", A, b"sequence") == sha(A + sha(b"sequence"))
    low, high = sorted((A, sha(b"sequence")))
    assert renewed_sorted("sha256", A, b"sequence") == sha(low + high)
    assert renewed_sorted("sha256", b"\xff" * 32, b"sequence") != renewed("sha256", b"\xff" * 32, b"sequence")


def test_the_algorithm_is_the_field_s_or_the_imprint_s() -> None:
    token = order().make()
    named = encode_archive_time_stamp(token, digest=AlgorithmIdentifier(DIGEST_BY_NAME["sha3_512"].oid))
    odd = encode_archive_time_stamp(token, digest=AlgorithmIdentifier("1.2.3"))
    empty = encode_archive_time_stamp(b"\x30\x00")
    stamps = [named, encode_archive_time_stamp(token), odd, empty]
    found = read_evidence_record(encode_evidence_record((), [encode_chain(stamps)])).chains[0].stamps
    imprint = stamped(token).imprint
    assert [digest_of(stamp) for stamp in found[:3]] == ["sha3_512", "sha256", None]
    assert DIGEST_BY_NAME["sha256"].oid == imprint.digest_oid
    with pytest.raises(WireError):
        digest_of(found[3])


@pytest.mark.parametrize(
    ("name", "climbs"),
    [
        ("tr-esor/ER_OK_INIT.ers", [True]),
        ("tr-esor/ER_NOK_INIT.ers", [False]),
        ("tr-esor/ER_OK_CHAIN.ers", [True, True]),
        ("tr-esor/ER_NOK_CHAIN.ers", [True, False]),
        ("dss/er-asn1-simple.ers", [True]),
        ("dss/er-asn1-simple-invalid.ers", [False]),
        ("dss/er-asn1-tst-renewal.ers", [True, True]),
        ("dss/er-asn1-tst-renewal-invalid.ers", [True, False]),
    ],
)
def test_foreign_records_climb_to_their_imprints(name: str, climbs: list[bool]) -> None:
    """The objects are not published: from a hash of the first list, then from each time-stamp to the next."""
    octets = definite((peers.corpus() / "evidence" / name).read_bytes(), RECORD_LIMITS)
    (chain,) = read_evidence_record(octets).chains
    start, found = (chain.stamps[0].reduced or ())[0][0], []
    for stamp in chain.stamps:
        algorithm = digest_of(stamp)
        assert algorithm is not None
        found.append(climb(algorithm, stamp.reduced, [start]) == stamped(stamp.time_stamp).imprint.value)
        start = DIGEST_BY_NAME[algorithm].of(stamp.time_stamp)
    assert found == climbs
