"""The CMS form: read by asn1crypto, opened by hand with kyber-py, and foreign forms of it opened here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asn1crypto import algos, cms, core  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder

from kokuin.wire import encode, oids
from kokuin.wire.prescan import prescan
from pqc.envelope import open_envelope, seal_envelope
from pqc.envelope_errors import EnvelopeProblem
from pqc.envelope_syntax import ENVELOPE_LIMITS
from tests.mutators import Element, parse
from tests.pqc.envelopes import CMS_SUITES, TYPE, certificate_of, decapsulate, key_of, problem

if TYPE_CHECKING:
    from typing import Any

    from pqc.envelope_suites import EnvelopeSuite

EACH = pytest.mark.parametrize("suite", CMS_SUITES, ids=[suite.id for suite in CMS_SUITES])
SUITE = CMS_SUITES[0]
KEY = key_of(SUITE)
SECRET = b"thirty-two octets of a unit key."
# CMSORIforKEMOtherInfo as octets: wrap AES-256, kekLength 32, no ukm.
OTHER_INFO = bytes.fromhex("3010300b060960864801650304012d020120")


class KemRecipientInfo(core.Sequence):  # type: ignore[misc]
    """RFC 9629 §3, which asn1crypto does not know yet."""

    _fields = [  # noqa: RUF012  # the library's way
        ("version", cms.CMSVersion),
        ("rid", cms.RecipientIdentifier),
        ("kem", algos.AlgorithmIdentifier),
        ("kemct", core.OctetString),
        ("kdf", algos.AlgorithmIdentifier),
        ("kek_length", core.Integer),
        ("ukm", core.OctetString, {"explicit": 0, "optional": True}),
        ("wrap", algos.AlgorithmIdentifier),
        ("encrypted_key", core.OctetString),
    ]


def sealed(suite: EnvelopeSuite = SUITE, kind: str = oids.ID_DATA) -> bytes:
    return seal_envelope(suite, key_of(suite).recipient, SECRET, content_type_oid=kind)


def tree(envelope: bytes) -> Element:
    """Return the envelope's elements, to be changed."""
    elements = parse(envelope)
    assert elements is not None
    return elements[0]


def inner(root: Element) -> list[Element]:
    """Return the fields of AuthEnvelopedData."""
    assert root.children is not None
    explicit = root.children[1].children
    assert explicit is not None
    assert explicit[0].children is not None
    return explicit[0].children


def recipient_fields(root: Element) -> list[Element]:
    """Return the fields of the KEMRecipientInfo."""
    infos = inner(root)[1].children
    assert infos is not None
    assert infos[0].children is not None
    assert infos[0].children[1].children is not None
    return infos[0].children[1].children


def element(octets: bytes) -> Element:
    return tree(octets)


def _structure(envelope: bytes) -> tuple[Any, Any]:
    info = cms.ContentInfo.load(envelope, strict=True)
    assert info["content_type"].native == "authenticated_enveloped_data"
    data = info["content"]
    assert data["version"].native == "v0"
    assert len(data["recipient_infos"]) == 1
    other = data["recipient_infos"][0]
    assert other.name == "ori"
    assert other.chosen["ori_type"].dotted == "1.2.840.113549.1.9.16.13.3"
    return data, other.chosen["ori_value"].parse(KemRecipientInfo)


@EACH
@pytest.mark.parametrize("kind", [oids.ID_DATA, TYPE])
def test_asn1crypto_kyber_and_the_primitives_open_it_by_hand(suite: EnvelopeSuite, kind: str) -> None:
    envelope = sealed(suite, kind)
    data, kemri = _structure(envelope)
    assert (kemri["version"].native, kemri["kek_length"].native, kemri["ukm"].native) == ("v0", 32, None)
    algorithms = [kemri[name] for name in ("kem", "kdf", "wrap")]
    assert [item["algorithm"].dotted for item in algorithms] == [
        {"ml-kem-768-cms": "2.16.840.1.101.3.4.4.2", "ml-kem-1024-cms": "2.16.840.1.101.3.4.4.3"}[suite.id],
        "1.2.840.113549.1.9.16.3.28",
        "2.16.840.1.101.3.4.1.45",
    ]
    assert all(item["parameters"].native is None for item in algorithms)
    assert encode.tlv(0x80, kemri["rid"].native) in key_of(suite).recipient.identifiers
    secret = decapsulate(key_of(suite), kemri["kemct"].native)
    kek = HKDF(SHA256(), 32, None, OTHER_INFO).derive(secret)
    content = data["auth_encrypted_content_info"]
    cipher = content["content_encryption_algorithm"]
    nonce, size = cipher["parameters"].parsed[0].native, cipher["parameters"].parsed[1].native
    assert (cipher["algorithm"].dotted, len(nonce), size) == ("2.16.840.1.101.3.4.1.46", 12, 16)
    covered = data["auth_attrs"].untag().dump() if kind != oids.ID_DATA else b""
    octets = content["encrypted_content"].native + data["mac"].native
    assert (
        AESGCM(aes_key_unwrap(kek, kemri["encrypted_key"].native)).decrypt(nonce, octets, covered) == SECRET
    )


@EACH
def test_what_is_written_is_der(suite: EnvelopeSuite) -> None:
    for kind in (oids.ID_DATA, TYPE):
        assert prescan(sealed(suite, kind), ENVELOPE_LIMITS).der


def test_content_that_is_no_data_is_named_in_authenticated_attributes() -> None:
    data, _ = _structure(sealed(kind=TYPE))
    assert [(item["type"].native, item["values"].native) for item in data["auth_attrs"]] == [
        ("content_type", [TYPE])
    ]
    plain, _ = _structure(sealed())
    assert plain["auth_attrs"].native is None


@EACH
def test_a_stream_in_indefinite_lengths_and_segments_opens(suite: EnvelopeSuite) -> None:
    root = tree(sealed(suite, TYPE))
    fields = inner(root)
    root.indefinite = True
    content = fields[2].children
    assert content is not None
    fields[2].indefinite = True
    octets = content[2].content
    segments = [Element(0x04, octets[at : at + 5]) for at in range(0, len(octets), 5)]
    nested = Element(0x24, children=segments[2:], indefinite=True)
    content[2] = Element(0xA0, children=[*segments[:2], nested], indefinite=True)
    fields[4] = Element(0x24, children=[Element(0x04, fields[4].content)], indefinite=True)
    assert open_envelope(key_of(suite), root.encode(), content_type_oid=TYPE) == SECRET


def test_a_stream_of_the_largest_content_in_small_segments_opens() -> None:
    plaintext = bytes(8 * 1024 * 1024)
    root = tree(seal_envelope(SUITE, KEY.recipient, plaintext))
    content = inner(root)[2].children
    assert content is not None
    octets = content[2].content
    segments = [Element(0x04, octets[at : at + 1_000]) for at in range(0, len(octets), 1_000)]
    content[2] = Element(0xA0, children=segments, indefinite=True)
    assert open_envelope(KEY, root.encode()) == plaintext


def test_a_promised_size_costs_nothing() -> None:
    start = sealed()[:1200]
    for length in ("84ffffffff", "88ffffffffffffffff", "8900ffffffffffffffff"):
        assert problem(KEY, b"\x30" + bytes.fromhex(length) + start) in {
            EnvelopeProblem.TRUNCATED,
            EnvelopeProblem.MALFORMED,
        }


def test_a_flood_of_empty_segments_is_refused() -> None:
    root = tree(sealed())
    content = inner(root)[2].children
    assert content is not None
    content[2] = Element(0xA0, children=[Element(0x04)] * 300_000)
    assert problem(KEY, root.encode()) is EnvelopeProblem.MALFORMED


def test_a_classical_recipient_beside_is_refused_before_anything_is_opened() -> None:
    root = tree(sealed())
    infos = inner(root)[1].children
    assert infos is not None
    rsa_key = rsa.generate_private_key(65537, 2048)
    classical = PKCS7EnvelopeBuilder().set_data(SECRET).add_recipient(certificate_of(rsa_key.public_key()))
    whole = tree(classical.encrypt(Encoding.DER, []))
    theirs = inner(whole)[1].children
    assert theirs is not None
    for recipients in ([theirs[0], infos[0]], [infos[0], theirs[0]], [theirs[0]], [], [infos[0], infos[0]]):
        inner(root)[1].children = recipients
        assert problem(KEY, root.encode()) is EnvelopeProblem.RECIPIENTS


def test_another_kind_of_other_recipient_is_refused() -> None:
    root = tree(sealed())
    infos = inner(root)[1].children
    assert infos is not None
    assert infos[0].children is not None
    infos[0].children[0] = element(encode.oid("1.2.840.113549.1.9.16.13.1"))
    assert problem(KEY, root.encode()) is EnvelopeProblem.RECIPIENTS


@pytest.mark.parametrize(
    ("field", "replacement"),
    [
        (2, encode.sequence(encode.oid("2.16.840.1.101.3.4.4.1"))),
        (2, encode.sequence(encode.oid(oids.ID_ML_KEM_768), encode.NULL)),
        (4, encode.sequence(encode.oid("1.2.840.113549.1.9.16.3.30"))),
        (5, encode.integer(16)),
        (5, encode.integer(2**31)),
        (6, encode.sequence(encode.oid("2.16.840.1.101.3.4.1.5"))),
    ],
    ids=["ml-kem-512", "parameters", "hkdf-sha512", "kek-16", "kek-2-gib", "aes128-wrap"],
)
def test_an_algorithm_outside_the_suites_is_unknown(field: int, replacement: bytes) -> None:
    root = tree(sealed())
    recipient_fields(root)[field] = element(replacement)
    assert problem(KEY, root.encode()) is EnvelopeProblem.UNKNOWN_ALGORITHM


@pytest.mark.parametrize(
    "algorithm",
    [
        encode.sequence(encode.oid("2.16.840.1.101.3.4.1.42"), encode.octet_string(bytes(16))),
        encode.sequence(
            encode.oid(oids.ID_AES256_GCM),
            encode.sequence(encode.octet_string(bytes(12)), encode.integer(4)),
        ),
        encode.sequence(
            encode.oid(oids.ID_AES256_GCM),
            encode.sequence(encode.octet_string(b"\x00"), encode.integer(16)),
        ),
    ],
    ids=["cbc", "tag-of-4", "nonce-of-1"],
)
def test_a_weaker_cipher_is_unknown(algorithm: bytes) -> None:
    root = tree(sealed())
    content = inner(root)[2].children
    assert content is not None
    content[1] = element(algorithm)
    assert problem(KEY, root.encode()) is EnvelopeProblem.UNKNOWN_ALGORITHM


def test_a_short_tag_or_key_ciphertext_is_malformed() -> None:
    for at, size in ((3, 1087), (7, 24)):
        root = tree(sealed())
        recipient_fields(root)[at].content = bytes(size)
        assert problem(KEY, root.encode()) is EnvelopeProblem.MALFORMED
    for size in (0, 4, 15, 17):
        root = tree(sealed())
        inner(root)[3].content = bytes(size)
        assert problem(KEY, root.encode()) is EnvelopeProblem.MALFORMED


def test_content_whose_type_was_relabelled_is_damaged() -> None:
    for sealed_as, shown_as in ((oids.ID_DATA, TYPE), (TYPE, oids.ID_DATA), (TYPE, TYPE + ".1")):
        root = tree(sealed(kind=sealed_as))
        content = inner(root)[2].children
        assert content is not None
        content[0] = element(encode.oid(shown_as))
        for asked in (sealed_as, shown_as):
            assert problem(KEY, root.encode(), asked) is EnvelopeProblem.DAMAGED


def test_attributes_that_were_taken_out_are_missed() -> None:
    root = tree(sealed(kind=TYPE))
    del inner(root)[3]
    assert problem(KEY, root.encode(), TYPE) is EnvelopeProblem.DAMAGED


def test_signed_data_is_no_envelope() -> None:
    content = encode.explicit(0, encode.sequence(encode.integer(1)))
    assert (
        problem(KEY, encode.sequence(encode.oid(oids.ID_SIGNED_DATA), content))
        is EnvelopeProblem.NOT_AN_ENVELOPE
    )


def test_a_kek_is_bound_to_user_keying_material() -> None:
    root = tree(sealed())
    recipient_fields(root).insert(6, element(encode.explicit(0, encode.octet_string(b"other"))))
    assert problem(KEY, root.encode()) is EnvelopeProblem.DAMAGED
