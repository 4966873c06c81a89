"""Archive time-stamps of CMS seals: what they list, in which order they lie, and what breaks them."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from eseal.cades_archive import (
    archive_covered,
    make_index,
    read_index,
    unsigned_values,
    with_index,
)
from eseal.cades_create import create
from eseal.cades_extend import extend
from eseal.cades_refusal import CadesRefusal, CadesRefusedError
from eseal.cms_parts import SignedDataParts, read_parts
from eseal.values import MAX_STAMPS, Level, Material, Stamp, StampRole
from kokuin.trust.report import Indication
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import encode_attribute
from tests.eseal.cms_forge import DATA, Forged, found, judged, reasons, with_unsigned
from tests.eseal.pki import NOW_US, P384, seal_key, seal_pki
from tests.eseal.sealed_data import Data


@functools.cache
def material() -> Material:
    return Material(seal_pki().chain, seal_pki().revocation())


def sealed(level: Level) -> SignedDataParts:
    stamper = seal_pki().stamper()
    octets = create(Data(DATA), (seal_key(),), NOW_US, level=level, stamper=stamper, material=material())
    return read_parts(octets)


def stamps_of(parts: SignedDataParts) -> tuple[Stamp, ...]:
    return found(parts.encode()).seals[0].stamps


def archived(parts: SignedDataParts, index: bytes | None = None, digest: str = "sha256") -> SignedDataParts:
    """Add an archive time-stamp with an index of the caller's, over an imprint by `digest`."""
    stamper = seal_pki().stamper("ecdsa-p384-sha384" if digest == "sha384" else "ecdsa-p256-sha256")
    signer = parts.signers[0]
    index = make_index(parts, signer, digest) if index is None else index
    of = DIGEST_BY_NAME[digest].of
    token = stamper.stamp(of(archive_covered(parts, signer, of(DATA), index)))
    value = encode_attribute(oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3, with_index(token, index))
    return with_unsigned(parts, *signer.unsigned, value)


def test_what_is_listed_is_found_again() -> None:
    parts = sealed(Level.B_LTA)
    values = unsigned_values(parts.signers[0])
    (archive,) = (each for each in values if each.oid == oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3)
    index = read_index(archive.value)
    assert index is not None
    assert index.digest == "sha256"
    assert index.certificates == {DIGEST_BY_NAME["sha256"].of(each) for each in parts.certificates}
    assert index.crls == {DIGEST_BY_NAME["sha256"].of(each) for each in parts.crls}
    assert len(index.unsigned) == 1


def test_revocation_data_that_is_taken_out_shows() -> None:
    """Attack: a list that speaks against the seal is removed."""
    parts = sealed(Level.B_LTA)
    for gone in range(len(parts.crls)):
        less = replace(parts, crls=parts.crls[:gone] + parts.crls[gone + 1 :])
        report = judged(less.encode())
        assert report.indication is Indication.INDETERMINATE
        assert "seal-stamps STAMP_LIST_BROKEN" in reasons(report)


def test_a_certificate_that_is_taken_out_shows() -> None:
    parts = sealed(Level.B_LTA)
    less = replace(parts, certificates=(seal_key().certificate,))
    assert "seal-stamps STAMP_LIST_BROKEN" in reasons(judged(less.encode()))


def test_a_signature_time_stamp_that_is_taken_out_shows() -> None:
    parts = sealed(Level.B_LTA)
    left = [each for each in parts.signers[0].unsigned if oids.ID_AA_TIME_STAMP_TOKEN not in _kinds(each)]
    assert len(left) == 1
    assert "seal-stamps STAMP_LIST_BROKEN" in reasons(judged(with_unsigned(parts, *left).encode()))


def _kinds(attribute: bytes) -> set[str]:
    bare = replace(sealed(Level.B_B).signers[0], unsigned=(attribute,))
    return {each.oid for each in unsigned_values(bare)}


def test_what_is_added_later_breaks_nothing() -> None:
    parts = sealed(Level.B_LTA)
    more = parts.with_material([seal_key("ed25519").certificate], seal_pki().crls())
    assert all(each.content is not None for each in stamps_of(more))
    assert judged(more.encode()).indication is Indication.PASSED


def test_an_index_by_a_weaker_digest_than_the_imprint_is_not_used() -> None:
    """Attack: two certificates with one SHA-1, under an imprint by SHA-256."""
    parts = sealed(Level.B_LT)
    weak = make_index(parts, parts.signers[0], "sha1")
    stamps = stamps_of(archived(parts, weak))
    assert [(each.role, each.content is None) for each in stamps][-1] == (StampRole.ARCHIVE, True)


def test_an_index_by_the_digest_of_the_imprint_is_used() -> None:
    stamps = stamps_of(archived(sealed(Level.B_LT), digest="sha384"))
    assert stamps[-1].role is StampRole.ARCHIVE
    assert stamps[-1].content is not None


def test_an_archive_time_stamp_that_leaves_out_an_earlier_one_does_not_cover_it() -> None:
    """Attack: an old archive time-stamp over the bare seal is to vouch for a time-stamp added today."""
    bare = sealed(Level.B_LT)
    unstamped = with_unsigned(bare)
    both = with_unsigned(bare, *bare.signers[0].unsigned, *archived(unstamped).signers[0].unsigned)
    assert [each.role for each in stamps_of(both)] == [StampRole.ARCHIVE, StampRole.SIGNATURE]


def test_archive_time_stamps_side_by_side_do_not_vouch_for_each_other() -> None:
    parts = sealed(Level.B_LT)
    one, two = (archived(parts).signers[0].unsigned[-1] for _ in range(2))
    both = with_unsigned(parts, *parts.signers[0].unsigned, one, two)
    stamps = stamps_of(both)
    assert [each.role for each in stamps] == [StampRole.SIGNATURE, StampRole.ARCHIVE, StampRole.ARCHIVE]
    assert [each.content is None for each in stamps] == [False, False, True]


def test_the_order_does_not_follow_where_they_stand() -> None:
    parts = sealed(Level.B_LT)
    for _ in range(3):
        parts = archived(parts)
    unsigned = parts.signers[0].unsigned
    expected = [each.token for each in stamps_of(parts)]
    for turned in (unsigned[::-1], (*unsigned[2:], *unsigned[:2])):
        assert [each.token for each in stamps_of(with_unsigned(parts, *turned))] == expected


def test_an_archive_time_stamp_without_an_index_proves_nothing() -> None:
    """Attack: the signature time-stamp copied into the place of an archive time-stamp."""
    parts = sealed(Level.B_T)
    (value,) = unsigned_values(parts.signers[0])
    copied = encode_attribute(oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3, value.value)
    stamps = stamps_of(with_unsigned(parts, *parts.signers[0].unsigned, copied))
    assert {each.role: each.content is None for each in stamps} == {
        StampRole.SIGNATURE: False,
        StampRole.ARCHIVE: True,
    }


def test_an_index_that_is_there_twice_is_not_used() -> None:
    parts = sealed(Level.B_LT)
    index = make_index(parts, parts.signers[0], "sha256")
    other = make_index(with_unsigned(parts), with_unsigned(parts).signers[0], "sha256")
    token = archived(parts, index).signers[0].unsigned[-1]
    (value,) = unsigned_values(replace(parts.signers[0], unsigned=(token,)))
    assert read_index(value.value) is not None
    assert read_index(with_index(value.value, other)) is None


def test_an_archive_time_stamp_over_other_data_fails() -> None:
    parts = sealed(Level.B_LT)
    signer = parts.signers[0]
    index = make_index(parts, signer, "sha256")
    of = DIGEST_BY_NAME["sha256"].of
    token = seal_pki().stamper().stamp(of(archive_covered(parts, signer, of(b"other"), index)))
    value = encode_attribute(oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3, with_index(token, index))
    assert judged(with_unsigned(parts, *signer.unsigned, value).encode()).indication is Indication.FAILED


def test_a_time_stamp_of_another_seal_fails() -> None:
    parts, other = sealed(Level.B_T), sealed(Level.B_T)
    report = judged(with_unsigned(parts, *other.signers[0].unsigned).encode())
    assert report.indication is Indication.FAILED


def test_an_archive_time_stamp_of_an_older_kind_counts_for_nothing_and_bars_extension() -> None:
    parts = sealed(Level.B_T)
    (value,) = unsigned_values(parts.signers[0])
    older = encode_attribute(oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V2, value.value)
    octets = with_unsigned(parts, *parts.signers[0].unsigned, older).encode()
    assert [each.content is None for each in found(octets).seals[0].stamps] == [False, True]
    with pytest.raises(CadesRefusedError) as refused:
        extend(octets, Level.B_LT, content=Data(DATA), stamper=seal_pki().stamper(), material=material())
    assert refused.value.code is CadesRefusal.OLDER_ARCHIVE


def test_time_stamps_beyond_the_bound_are_not_passed_over() -> None:
    parts = sealed(Level.B_T)
    stamp = seal_pki().stamper().stamp(DIGEST_BY_NAME["sha256"].of(parts.signers[0].signature))
    values = [encode_attribute(oids.ID_AA_TIME_STAMP_TOKEN, stamp)] * (MAX_STAMPS + 5)
    octets = with_unsigned(parts, *values).encode()
    assert len(found(octets).seals[0].stamps) == MAX_STAMPS + 1
    assert judged(octets).indication is Indication.INDETERMINATE


def test_a_content_time_stamp_comes_first() -> None:
    token = seal_pki().stamper().stamp(DIGEST_BY_NAME["sha256"].of(DATA))
    forged = Forged(more=[encode_attribute(oids.ID_AA_ETS_CONTENT_TIMESTAMP, token)])
    octets = extend(
        forged.make(), Level.B_LTA, content=Data(DATA), stamper=seal_pki().stamper(), material=material()
    )
    stamps = found(octets).seals[0].stamps
    roles = [StampRole.CONTENT, StampRole.SIGNATURE, StampRole.ARCHIVE]
    assert [each.role for each in stamps] == roles
    assert judged(octets).indication is Indication.PASSED


def test_a_stamper_of_a_longer_digest_is_followed() -> None:
    stamper = seal_pki().stamper(P384)
    octets = create(
        Data(DATA), (seal_key(),), NOW_US, level=Level.B_LTA, stamper=stamper, material=material()
    )
    assert judged(octets).indication is Indication.PASSED
    assert encode.oid(DIGEST_BY_NAME["sha384"].oid) in octets
