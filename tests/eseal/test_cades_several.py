"""Seals of two keys over one content: each names the other, so that neither can be taken away unseen."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from eseal.cades_create import create
from eseal.cades_extend import extend
from eseal.cms_parts import SignedDataParts, read_parts
from eseal.hybrid import key_name
from eseal.rules import SealReason
from eseal.values import MAX_SEALS, Level, Material
from kokuin.trust.report import Indication
from kokuin.wire import encode, oids
from kokuin.wire.cms import encode_attribute
from tests.eseal.cms_forge import DATA, Forged, found, judged, reasons
from tests.eseal.pki import NOW_US, P256, P384, RSA, seal_key, seal_pki
from tests.eseal.sealed_data import Data

PAIR = (P256, "ml-dsa-65")


@functools.cache
def hybrid(*suites: str) -> SignedDataParts:
    return read_parts(create(Data(DATA), [seal_key(each) for each in suites], NOW_US))


def of_key(parts: SignedDataParts, key: str) -> SignedDataParts:
    """The same with the signature of one kind of key alone."""
    names = [key_name(seal) for seal in found(parts.encode()).seals]
    return replace(parts, signers=(parts.signers[names.index(key)],))


def test_a_hybrid_seal_passes_and_says_what_belongs_to_it() -> None:
    octets = hybrid(*PAIR).encode()
    assert [seal.required for seal in found(octets).seals] == [("ML-DSA-65", "P-256")] * 2
    report = judged(octets)
    assert report.indication is Indication.PASSED
    assert (report.subject["classical"], report.subject["post_quantum"]) == ("PASSED", "PASSED")


@pytest.mark.parametrize("left", ["P-256", "ML-DSA-65"])
def test_half_a_hybrid_seal_fails(left: str) -> None:
    """Attack: the post-quantum half is taken away, and the classical one forged one day."""
    report = judged(of_key(hybrid(*PAIR), left).encode())
    assert report.indication is Indication.FAILED
    assert f"seal-required {SealReason.REQUIRED_SEAL_ABSENT}" in reasons(report)


def test_half_of_another_hybrid_seal_is_no_half_of_this_one() -> None:
    """Attack: the half that is missing is taken from another seal, over the same data even."""
    later = read_parts(create(Data(DATA), [seal_key(each) for each in PAIR], NOW_US + 5_000_000))
    mixed = replace(
        hybrid(*PAIR),
        signers=(*of_key(hybrid(*PAIR), "P-256").signers, *of_key(later, "ML-DSA-65").signers),
    )
    report = judged(mixed.encode())
    assert report.indication is Indication.FAILED
    assert f"seal-required {SealReason.REQUIRED_SEAL_ABSENT}" in reasons(report)


def test_an_independent_seal_does_not_replace_the_half_that_is_missing() -> None:
    alone = read_parts(create(Data(DATA), [seal_key("ml-dsa-65")], NOW_US + 5_000_000))
    mixed = replace(hybrid(*PAIR), signers=(*of_key(hybrid(*PAIR), "P-256").signers, *alone.signers))
    assert judged(mixed.encode()).indication is Indication.FAILED


def test_three_keys_name_each_other() -> None:
    octets = hybrid(P256, P384, "ml-dsa-87").encode()
    assert {seal.required for seal in found(octets).seals} == {("ML-DSA-87", "P-256", "P-384")}
    assert judged(octets).indication is Indication.PASSED


def test_a_hybrid_seal_is_raised_whole() -> None:
    pki = seal_pki()
    given = Material(pki.chain, pki.revocation())
    octets = extend(
        hybrid(*PAIR).encode(), Level.B_LTA, content=Data(DATA), stamper=pki.stamper(), material=given
    )
    report = judged(octets)
    assert report.indication is Indication.PASSED
    assert [part.subject["level"] for part in report.parts] == ["B-LTA", "B-LTA"]


def test_two_seals_that_were_made_apart_ask_for_nothing() -> None:
    parts = [read_parts(create(Data(DATA), [seal_key(each)], NOW_US)) for each in (P256, RSA)]
    both = replace(
        parts[0],
        certificates=tuple({*parts[0].certificates, *parts[1].certificates}),
        signers=(*parts[0].signers, *parts[1].signers),
    ).encode()
    assert [seal.required for seal in found(both).seals] == [(), ()]
    assert judged(both).indication is Indication.PASSED


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b"\x05\x00"],
        [encode.sequence()],
        [encode.sequence(encode.integer(at)) for at in range(MAX_SEALS)],
    ],
    ids=["none", "another type", "an empty one", "too many"],
)
def test_what_cannot_be_read_of_the_others_fails(values: list[bytes]) -> None:
    forged = Forged(more=[encode_attribute(oids.ID_AA_MULTIPLE_SIGNATURES, *values)])
    report = judged(forged.make())
    assert report.indication is Indication.FAILED
    assert "seal-required ATTRIBUTE_UNREADABLE" in reasons(report)
