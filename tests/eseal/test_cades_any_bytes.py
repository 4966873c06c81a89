"""Whatever octets come in, a CMS seal is found or it is said why not; never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eseal.cades_extend import extend
from eseal.cades_find import find
from eseal.cades_refusal import CadesRefusedError
from eseal.judging import judge_document
from eseal.values import MAX_CMS, MAX_SEALS, MAX_STAMPS, Found, Level
from kokuin.trust.context import Context
from kokuin.trust.report import Check, Indication
from kokuin.wire import encode
from kokuin.wire.cms import read_signed_data
from tests.eseal.cms_forge import DATA, LATER_US, Forged, inside, with_unsigned
from tests.eseal.pki import seal_pki
from tests.eseal.sealed_data import Data
from tests.eseal.seeds import cades_seeds
from tests.mutators import Mutator
from tests.reportschema import valid

MUTATIONS = 800


def judge_any(octets: bytes, content: Data | None) -> Indication | None:
    """Find and judge; None: it is no SignedData."""
    read = find(octets, content)
    if isinstance(read, Check):
        return None
    assert len(read.seals) <= MAX_SEALS + 1
    assert all(len(seal.stamps) <= MAX_STAMPS + 1 for seal in read.seals)
    report = judge_document(read, Context(LATER_US, seal_pki().trust))
    valid(report)
    return report.indication


@settings(max_examples=100, deadline=None)
@given(octets=st.binary(max_size=2_000))
def test_any_octets_end_in_a_check(octets: bytes) -> None:
    assert judge_any(octets, None) is not Indication.PASSED


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_seal_ends_in_a_report(seed: int) -> None:
    mutator = Mutator(cades_seeds(), seed)
    verdicts = {judge_any(mutator.next(), Data(DATA)) for _ in range(MUTATIONS // 4)}
    assert {None, Indication.FAILED, Indication.PASSED} <= verdicts


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_seal_is_extended_or_refused(seed: int) -> None:
    mutator, stamper = Mutator(cades_seeds(), 100 + seed), seal_pki().stamper()
    extended = 0
    for _ in range(150):
        try:
            octets = extend(mutator.next(), Level.B_LTA, content=Data(DATA), stamper=stamper)
        except CadesRefusedError:
            continue
        extended += 1
        assert isinstance(find(octets, Data(DATA)), Found)
    assert extended


@given(at=st.integers(0, 100_000), bit=st.integers(0, 7))
@settings(max_examples=100, deadline=None)
def test_a_flipped_bit_in_what_is_signed_never_passes(at: int, bit: int) -> None:
    octets = Forged(held=inside()).make()
    signed = read_signed_data(octets).signer_infos[0].signed_attributes_der
    assert signed is not None
    start = octets.index(signed[1:])
    place = start + at % (len(octets) - start)
    flipped = bytearray(octets)
    flipped[place] ^= 1 << bit
    assert judge_any(bytes(flipped), None) is not Indication.PASSED


def test_more_octets_than_are_looked_at_end_in_a_check() -> None:
    check = find(b"\x30\x84" + MAX_CMS.to_bytes(4, "big") + bytes(MAX_CMS), None)
    assert isinstance(check, Check)
    assert check.params["code"] == "WIRE_TOO_LARGE"


def test_a_thousand_attributes_are_hashed_once_each() -> None:
    """Attack: one attribute with many values, listed by its whole, in many archive time-stamps."""
    parts = Forged().parts()
    values = b"".join(b"\x04\x02" + at.to_bytes(2, "big") for at in range(20_000))
    wide = encode.sequence(encode.oid("1.2.3.4"), encode.tlv(0x31, values))
    assert judge_any(with_unsigned(parts, wide).encode(), Data(DATA)) is Indication.PASSED
