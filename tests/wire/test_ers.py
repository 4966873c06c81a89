from __future__ import annotations

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from kokuin.wire import ber, encode
from kokuin.wire.algorithms import AlgorithmIdentifier
from kokuin.wire.cms import Attribute
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.ers import (
    MAX_CHAINS,
    MAX_STAMPS,
    RECORD_LIMITS,
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    is_evidence_record,
    read_evidence_record,
)
from tests import peers
from tests.der import tlv
from tests.peer_records import PeerRecord
from tests.trust.forge import order

SHA512 = AlgorithmIdentifier("2.16.840.1.101.3.4.2.3")
SHA256 = AlgorithmIdentifier("2.16.840.1.101.3.4.2.1", b"\x05\x00")
INFO = Attribute("1.2.840.113549.1.9.16.2.23", (b"\x30\x00",))
OTHER = Attribute("1.2.3", (b"\x02\x01\x05", b"\x02\x01\x07"))
CONTENT = b"\x30\x03\x06\x01\x2a"


def record(*stamps: bytes, infos: tuple[Attribute, ...] = ()) -> bytes:
    return encode_evidence_record((SHA512,), [encode_chain(stamps)], crypto_infos=infos)


def test_what_is_written_is_read_again() -> None:
    first = encode_archive_time_stamp(CONTENT, digest=SHA512, reduced=[[b"a" * 64, b"b" * 64], [b"c" * 64]])
    second = encode_archive_time_stamp(CONTENT, attributes=[OTHER])
    third = encode_archive_time_stamp(CONTENT, digest=SHA256, reduced=[])
    chains = [encode_chain([first, second]), encode_chain([third])]
    octets = encode_evidence_record(
        (SHA512, SHA256),
        chains,
        crypto_infos=[INFO, OTHER],
        encryption=tlv(0xA1, b"\x06\x01\x2a", b"\x05\x00"),
    )
    read = read_evidence_record(octets)
    assert read.octets == octets
    assert read.digests == (SHA512, SHA256)
    assert read.crypto_infos == (INFO, OTHER)
    assert read.encryption == b"\xa1\x05\x06\x01\x2a\x05\x00"
    assert read.sequence == encode.sequence(*chains)
    assert [chain.octets for chain in read.chains] == chains
    assert [read.before(chain) for chain in range(3)] == [b"\x30\x00", tlv(0x30, chains[0]), read.sequence]
    stamps = [stamp for chain in read.chains for stamp in chain.stamps]
    assert [stamp.octets for stamp in stamps] == [first, second, third]
    assert [stamp.digest for stamp in stamps] == [SHA512, None, SHA256]
    assert [stamp.attributes for stamp in stamps] == [(), (OTHER,), ()]
    assert [stamp.reduced for stamp in stamps] == [((b"a" * 64, b"b" * 64), (b"c" * 64,)), None, ()]
    assert {stamp.time_stamp for stamp in stamps} == {CONTENT}


def test_an_independent_reader_finds_the_same_fields() -> None:
    token = order().make()
    stamp = encode_archive_time_stamp(token, digest=SHA256, reduced=[[b"a" * 32], [b"b" * 32, b"c" * 32]])
    octets = encode_evidence_record((SHA256,), [encode_chain([stamp])], crypto_infos=[INFO])
    found = PeerRecord.load(octets, strict=True)
    assert found["version"].native == 1
    assert [each["algorithm"].native for each in found["digests"]] == ["sha256"]
    assert found["infos"][0]["type"].dotted == INFO.oid
    inner = found["sequence"][0][0]
    assert inner["digest"]["algorithm"].native == "sha256"
    assert inner["reduced"].native == [[b"a" * 32], [b"b" * 32, b"c" * 32]]
    assert inner["time_stamp"].dump() == token


def test_an_independent_writer_is_read() -> None:
    token = order().make()
    stamp = {
        "digest": {"algorithm": "sha512"},
        "reduced": [[b"a" * 64]],
        "time_stamp": cms.ContentInfo.load(token),
    }
    written = PeerRecord({"version": 1, "digests": [{"algorithm": "sha512"}], "sequence": [[stamp]]}).dump()
    read = read_evidence_record(written).chains[0].stamps[0]
    assert (read.reduced, read.time_stamp) == (((b"a" * 64,),), token)


@pytest.mark.parametrize(
    ("name", "stamps"),
    [
        ("dss/er-asn1-simple.ers", [1]),
        ("dss/er-asn1-simple-invalid.ers", [1]),
        ("dss/er-asn1-tst-renewal.ers", [2]),
        ("dss/er-asn1-tst-renewal-invalid.ers", [2]),
        ("tr-esor/ER_OK_INIT.ers", [1]),
        ("tr-esor/ER_OK_CHAIN.ers", [2]),
        ("tr-esor/ER_NOK_INIT.ers", [1]),
        ("tr-esor/ER_NOK_CHAIN.ers", [2]),
    ],
)
def test_foreign_records_are_read(name: str, stamps: list[int]) -> None:
    octets = ber.definite((peers.corpus() / "evidence" / name).read_bytes(), RECORD_LIMITS)
    assert is_evidence_record(octets)
    read = read_evidence_record(octets)
    assert [len(chain.stamps) for chain in read.chains] == stamps
    peer = PeerRecord.load(octets)["sequence"]
    assert read.sequence == peer.dump()
    for chain, theirs in zip(read.chains, peer, strict=True):
        assert [stamp.time_stamp for stamp in chain.stamps] == [each["time_stamp"].dump() for each in theirs]
        assert [[list(hashes) for hashes in stamp.reduced or ()] for stamp in chain.stamps] == [
            each["reduced"].native for each in theirs
        ]


STAMP = encode_archive_time_stamp(CONTENT)
DIGESTS = encode.sequence(encode.algorithm(SHA512))
V1 = encode.integer(1)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (tlv(0x30, encode.integer(2), DIGESTS, tlv(0x30, tlv(0x30, STAMP))), WireCode.BAD_VALUE),
        (tlv(0x30, V1, DIGESTS, tlv(0x30)), WireCode.UNEXPECTED),
        (tlv(0x30, V1, DIGESTS, tlv(0x30, tlv(0x30))), WireCode.UNEXPECTED),
        (tlv(0x30, V1, DIGESTS, tlv(0x30, tlv(0x31, STAMP))), WireCode.UNEXPECTED),
        (tlv(0x30, V1, DIGESTS, tlv(0x30, tlv(0x30, STAMP)), b"\x05\x00"), WireCode.TRAILING),
        (tlv(0x30, V1, DIGESTS), WireCode.UNEXPECTED),
        (record(STAMP) + b"\x00", WireCode.TRAILING),
        (record(tlv(0x30, tlv(0xA2, tlv(0x30, tlv(0x02, b"\x01"))), CONTENT)), WireCode.UNEXPECTED),
        (record(tlv(0x30, tlv(0xA2, tlv(0x30)))), WireCode.UNEXPECTED),
        (record(*[STAMP] * (MAX_STAMPS + 1)), WireCode.TOO_MANY),
        (encode_evidence_record((SHA512,), [encode_chain([STAMP])] * (MAX_CHAINS + 1)), WireCode.TOO_MANY),
    ],
    ids=[
        "a later version",
        "no chain",
        "an empty chain",
        "a chain that is a set",
        "another field",
        "no sequence",
        "octets that follow",
        "a hash that is a number",
        "no time-stamp",
        "too many in a chain",
        "too many chains",
    ],
)
def test_other_syntax_is_refused_by_code(octets: bytes, code: WireCode) -> None:
    with pytest.raises(WireError) as refused:
        read_evidence_record(octets)
    assert refused.value.code == code


def test_as_many_archive_time_stamps_as_allowed_are_read() -> None:
    assert len(read_evidence_record(record(*[STAMP] * MAX_STAMPS)).chains[0].stamps) == MAX_STAMPS


def test_as_many_chains_as_allowed_are_read() -> None:
    octets = encode_evidence_record((SHA512,), [encode_chain([STAMP])] * MAX_CHAINS)
    assert len(read_evidence_record(octets).chains) == MAX_CHAINS


def test_a_record_of_indefinite_lengths_is_read_as_one_of_definite() -> None:
    octets = record(STAMP, infos=(INFO,))
    loose = b"\x30\x80" + octets[2:] + b"\x00\x00"
    assert ber.definite(loose, RECORD_LIMITS) == octets


def test_records_are_told_from_what_begins_alike() -> None:
    imprint = tlv(0x30, encode.algorithm(SHA512), tlv(0x04, b"a" * 64))
    assert is_evidence_record(record(STAMP))
    assert not is_evidence_record(tlv(0x30, V1, imprint))  # a time-stamp request
    assert not is_evidence_record(tlv(0x30, V1, encode.algorithm(SHA512), tlv(0x04, b"key")))  # PKCS #8
    assert not is_evidence_record(tlv(0x30, V1, tlv(0x30)))
    unlisted = encode_evidence_record((), [encode_chain([STAMP])])
    assert is_evidence_record(unlisted)
    assert not is_evidence_record(unlisted[:-1])
    assert not is_evidence_record(order().make())
    assert not is_evidence_record(b"")


WHOLE = record(
    encode_archive_time_stamp(CONTENT, digest=SHA512, attributes=[OTHER], reduced=[[b"a" * 64], [b"b" * 64]]),
    STAMP,
    infos=(INFO,),
)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_any_changed_octet_is_read_or_refused(place: int, octet: int) -> None:
    changed = WHOLE[:place] + bytes((octet,)) + WHOLE[place + 1 :]
    try:
        read_evidence_record(ber.definite(changed, RECORD_LIMITS))
    except WireError:
        return


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    is_evidence_record(octets)
    for tried in (octets, tlv(0x30, V1, octets), tlv(0x30, V1, DIGESTS, octets)):
        try:
            read_evidence_record(ber.definite(tried, RECORD_LIMITS))
        except WireError:
            continue


@pytest.mark.parametrize("cut", range(1, len(WHOLE)))
def test_a_record_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(WireError):
        read_evidence_record(WHOLE[:cut])
