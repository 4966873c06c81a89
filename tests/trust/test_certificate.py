from __future__ import annotations

import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kokuin.trust.certificate import read_certificate
from kokuin.trust.name import attribute_types, canonical, display, distinguished_name, same_name
from kokuin.wire import encode
from kokuin.wire.errors import WireError
from tests.mutators import parse
from tests.trust.forge import AUTHORITY, DAY, NOW, UNIT, issue, name, pki


def test_a_certificate_agrees_with_an_independent_reader() -> None:
    key = pki().unit.key.public_key()
    party = issue(
        "Everything",
        pki().root,
        (
            (x509.BasicConstraints(ca=True, path_length=3), True),
            AUTHORITY[1],
            UNIT[0],
            (x509.SubjectKeyIdentifier.from_public_key(key), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False),
            (x509.PrivateKeyUsagePeriod(NOW - DAY, NOW + DAY), False),
        ),
        begins=NOW.replace(year=1960),
        ends=NOW.replace(year=2060),
    )
    peer, found = party.x509, party.certificate
    assert found.tbs == peer.tbs_certificate_bytes
    assert (found.serial, found.version, found.signature) == (peer.serial_number, 3, peer.signature)
    assert (found.issuer, found.subject) == (peer.issuer.public_bytes(), peer.subject.public_bytes())
    assert found.not_before == int(peer.not_valid_before_utc.timestamp()) * 1_000_000
    assert found.not_after == int(peer.not_valid_after_utc.timestamp()) * 1_000_000
    spki = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert found.public_key == spki
    assert found.basic_constraints is not None
    assert (found.basic_constraints.authority, found.basic_constraints.path_length) == (True, 3)
    assert found.key_usage == frozenset({5, 6})
    assert found.ext_key_usage is not None
    assert (found.ext_key_usage.purposes, found.ext_key_usage.critical) == (("1.3.6.1.5.5.7.3.8",), True)
    assert (
        found.subject_key_id
        == found.authority_key_id
        == x509.SubjectKeyIdentifier.from_public_key(key).digest
    )
    assert found.key_period is not None
    assert found.key_period.not_before == int((NOW - DAY).timestamp()) * 1_000_000
    assert found.key_period.not_after == int((NOW + DAY).timestamp()) * 1_000_000


def test_the_last_second_of_the_validity_counts() -> None:
    found = pki().unit.certificate
    assert found.valid_at(found.not_before)
    assert found.valid_at(found.not_after + 999_999)
    assert not found.valid_at(found.not_before - 1)
    assert not found.valid_at(found.not_after + 1_000_000)


def test_algorithms_that_differ_inside_and_outside_are_refused() -> None:
    """Whoever trusts the outer one could be told a weaker algorithm than was signed."""
    der = pki().unit.der
    algorithm = encode.oid("1.2.840.10045.4.3.2")
    at = der.rindex(algorithm)
    assert at != der.index(algorithm)
    changed = der[:at] + encode.oid("1.2.840.10045.4.3.3") + der[at + len(algorithm) :]
    with pytest.raises(WireError):
        read_certificate(changed)


@pytest.mark.parametrize("version", [b"\xa0\x00", b"\xa0\x06\x02\x01\x02\x02\x01\x02"], ids=["none", "two"])
def test_a_version_that_is_empty_or_double_is_refused(version: bytes) -> None:
    whole = (parse(pki().unit.der) or [])[0]
    fields = ((whole.children or [])[0]).children or []
    assert fields[0].tag == 0xA0
    fields[:1] = parse(version) or []
    with pytest.raises(WireError):
        read_certificate(whole.encode())


def test_changed_certificates_are_read_or_refused_and_nothing_else() -> None:
    dice = random.Random(7)  # noqa: S311  # a seed, to see the same again
    der = pki().authority.der
    for _ in range(2_000):
        octets = bytearray(der)
        for _ in range(dice.randrange(1, 4)):
            octets[dice.randrange(len(octets))] = dice.randrange(256)
        try:
            found = read_certificate(bytes(octets))
        except WireError:
            continue
        display(found.subject)
        same_name(found.subject, found.issuer)


def test_a_certificate_larger_than_any_scheme_needs_is_refused() -> None:
    with pytest.raises(WireError):
        read_certificate(encode.sequence(encode.octet_string(bytes(200_000))))


def test_names_for_people_hold_no_control_characters_and_have_an_end() -> None:
    hostile = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "\x1b[31m" + "a" * 59)])
    assert "\x1b" not in display(hostile.public_bytes())
    assert display(name("刻印").public_bytes()) == "CN=刻印, O=Test, C=JP"
    assert len(display(encode.sequence(*[encode.set_of()] * 5_000))) < 1_000
    assert len(display(b"\x00" * 50_000)) < 1_000


def test_a_name_that_cannot_be_read_equals_only_itself() -> None:
    broken = encode.sequence(encode.NULL)
    assert same_name(broken, broken)
    assert not same_name(broken, name("a").public_bytes())
    with pytest.raises(WireError):
        canonical(bytes(20_000))


@pytest.mark.parametrize("text", ["Example", "株式会社 刻印", "a" * 64])
def test_a_name_is_written_as_an_independent_writer_does(text: str) -> None:
    written = distinguished_name("Test", text)
    assert written == name(text).public_bytes()
    assert attribute_types(written) == {"2.5.4.3", "2.5.4.6", "2.5.4.10"}


@pytest.mark.parametrize(
    ("organisation", "common_name", "country"),
    [
        ("", "x", "JP"),
        ("x", "", "JP"),
        ("x" * 65, "x", "JP"),
        ("x", "x" * 65, "JP"),
        ("x", "x", "JPN"),
        ("x", "x", "日本"),
        ("x", "x", "J1"),
    ],
)
def test_a_name_that_x_509_has_no_room_for_is_not_written(
    organisation: str, common_name: str, country: str
) -> None:
    with pytest.raises(ValueError, match=r"."):
        distinguished_name(organisation, common_name, country)


@pytest.mark.parametrize("value", [b"", b"\x05\x00", b"\x30\x00", b"\x30\x03\x02\x01\x00"])
def test_a_binding_to_another_certificate_that_cannot_be_read_is_refused(value: bytes) -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.36"), value)
    with pytest.raises(WireError):
        read_certificate(issue("Twin", pki().authority, (*UNIT, (extension, False))).der)
