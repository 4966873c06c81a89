from __future__ import annotations

import datetime as dt
import functools
import hashlib

import pytest
from asn1crypto import cms, core, tsp, x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.name import distinguished_name
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGESTS, DigestAlgorithm
from kokuin.wire.prescan import TOKEN_LIMITS, prescan
from kokuin.wire.tsp import Extension, TimeStampReq
from pqc.suites import Suite, suite
from pqc.verifying import SignatureOutcome, verify_signature
from tests.pqc.keys import ISSUING, signer_of
from tsa.template import SignerIdentity, encode_accuracy
from tsa.unit import IssuedToken, KeyPeriod, TimeStampUnit, new_serial

POLICY = "1.3.6.1.4.1.32473.1"
GEN_US = 1_795_000_000_120_000
EACH = pytest.mark.parametrize("each", ISSUING, ids=[each.id for each in ISSUING])
P256 = suite("ecdsa-p256-sha256")


def digest_of(each: Suite, octets: bytes) -> bytes:
    """Digest of a suite, by the standard library alone."""
    if each.digest.startswith("shake256"):
        return hashlib.shake_256(octets).digest(64)
    return hashlib.new(each.digest, octets).digest()


@functools.cache
def identity(each: Suite) -> SignerIdentity:
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    root, unit = (distinguished_name("Test", name) for name in ("root", "unit"))
    authority = CertificateAuthority.root(signer_of(P256), root, now=now, days=5_000, path_length=0)
    key = signer_of(each).public_key
    der = authority.issue_unit(key, unit, now=now, days=4_000, key_days=365).der
    read = x509.Certificate.load(der)
    return SignerIdentity(
        certificate=der,
        issuer=read.issuer.dump(),
        serial=read.serial_number,
        subject=read.subject.dump(),
        chain=(authority.certificate.der,),
    )


@functools.cache
def unit(each: Suite, *, name_in_token: bool = False, accuracy_us: int = 1_000_000) -> TimeStampUnit:
    return TimeStampUnit(
        unit_id="unit",
        signer=signer_of(each),
        identity=identity(each),
        policy=POLICY,
        accuracy_us=accuracy_us,
        period=KeyPeriod(0, 2 * GEN_US),
        name_in_token=name_in_token,
    )


def request(
    digest: str = "sha256",
    parameters: bytes | None = encode.NULL,
    nonce: int | None = None,
    *,
    cert_req: bool = True,
    extensions: tuple[Extension, ...] = (),
) -> TimeStampReq:
    algorithm = DIGEST_BY_NAME[digest]
    nonce_der = None if nonce is None else encode.integer(nonce)
    imprint = bytes(range(algorithm.size))
    return TimeStampReq(1, algorithm.oid, parameters, imprint, None, nonce, nonce_der, cert_req, extensions)


def signed_data(issued: IssuedToken) -> cms.SignedData:
    return cms.ContentInfo.load(issued.token, strict=True)["content"]


def attributes(signer: cms.SignerInfo) -> dict[str, core.Asn1Value]:
    return {each["type"].dotted: each["values"] for each in signer["signed_attrs"]}


@EACH
def test_a_token_is_der_to_an_independent_writer_and_its_signature_holds(each: Suite) -> None:
    # asn1crypto cannot write a certificate again whose key it does not know.
    issued = unit(each).issue(request(nonce=-128, cert_req=each.quantum_category == 0), GEN_US)
    assert prescan(issued.token, TOKEN_LIMITS).der
    assert cms.ContentInfo.load(issued.token, strict=True).dump(force=True) == issued.token
    data = signed_data(issued)
    (signer,) = data["signer_infos"]
    signed = b"\x31" + signer["signed_attrs"].dump()[1:]
    assert signed == signer["signed_attrs"].untag().dump(force=True)
    assert data["encap_content_info"]["content"].contents[-len(issued.tst_info) :] == issued.tst_info
    verdict = verify_signature(
        public_key_der=signer_of(each).public_key,
        algorithm=each.algorithm,
        digest=each.digest,
        message=signed,
        signature=signer["signature"].native,
    )
    assert verdict.outcome is SignatureOutcome.VALID


@EACH
def test_the_signed_attributes_bind_content_certificate_and_algorithms(each: Suite) -> None:
    issued = unit(each).issue(request(), GEN_US)
    data = signed_data(issued)
    (signer,) = data["signer_infos"]
    found = attributes(signer)
    assert set(found) == {
        oids.ID_CONTENT_TYPE,
        oids.ID_MESSAGE_DIGEST,
        oids.ID_CMS_ALGORITHM_PROTECT,
        oids.ID_AA_SIGNING_CERTIFICATE_V2,
    }
    assert found[oids.ID_CONTENT_TYPE].native == ["tst_info"]
    assert found[oids.ID_MESSAGE_DIGEST].native == [digest_of(each, issued.tst_info)]
    (protection,) = found[oids.ID_CMS_ALGORITHM_PROTECT]
    assert protection["digest_algorithm"].dump() == signer["digest_algorithm"].dump()
    assert protection["signature_algorithm"].untag().dump() == signer["signature_algorithm"].dump()
    (signing,) = found[oids.ID_AA_SIGNING_CERTIFICATE_V2]
    (certificate,) = signing["certs"]
    assert certificate["hash_algorithm"]["algorithm"].dotted == each.digest_algorithm.oid
    assert certificate["cert_hash"].native == digest_of(each, identity(each).certificate)
    assert certificate["issuer_serial"]["serial_number"].native == identity(each).serial
    assert certificate["issuer_serial"]["issuer"][0].chosen.untag().dump() == identity(each).issuer


@pytest.mark.parametrize("number", [44, 65, 87])
def test_ml_dsa_tokens_follow_rfc_9882(number: int) -> None:
    """Parameters absent, SHA-512 as digest, signature over the DER of signedAttrs, pure, no context."""
    each = suite(f"ml-dsa-{number}")
    data = signed_data(unit(each).issue(request(), GEN_US))
    (signer,) = data["signer_infos"]
    assert signer["signature_algorithm"].dump() == encode.sequence(encode.oid(each.algorithm.oid))
    assert signer["digest_algorithm"]["algorithm"].native == "sha512"
    assert data["digest_algorithms"].native[0]["algorithm"] == "sha512"
    signed = b"\x31" + signer["signed_attrs"].dump()[1:]
    key = load_der_public_key(signer_of(each).public_key)
    key.verify(signer["signature"].native, signed)  # type: ignore[union-attr, call-arg]  # an ML-DSA key


@given(
    digest=st.sampled_from(DIGESTS),
    bare=st.booleans(),
    nonce=st.none() | st.integers(-(2**500), 2**500),
    gen_us=st.integers(GEN_US, GEN_US + 10**12),
    values=st.lists(st.binary(max_size=20), max_size=3),
)
def test_whatever_varies_stands_where_an_independent_reader_looks_for_it(
    digest: DigestAlgorithm,
    bare: bool,  # noqa: FBT001  # Hypothesis passes it by name
    nonce: int | None,
    gen_us: int,
    values: list[bytes],
) -> None:
    extensions = tuple(
        Extension(f"1.3.6.1.4.1.32473.99.{number}", critical=False, value=encode.octet_string(value))
        for number, value in enumerate(values)
    )
    asked = request(digest.name, None if bare else encode.NULL, nonce, extensions=extensions)
    issued = unit(P256).issue(asked, gen_us)
    info = tsp.TSTInfo.load(issued.tst_info, strict=True)
    assert info.dump(force=True) == issued.tst_info
    assert info["version"].native == "v1"
    assert info["policy"].native == POLICY
    assert info["message_imprint"]["hash_algorithm"]["algorithm"].dotted == digest.oid
    assert info["message_imprint"]["hashed_message"].native == asked.imprint
    assert f"{info['serial_number'].native:032x}" == issued.serial
    assert info["gen_time"].native == dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=gen_us)
    assert (info["nonce"].native, info["ordering"].native) == (nonce, False)
    assert info["tsa"].native is None
    found = [(each["extn_id"].dotted, each["extn_value"].native) for each in info["extensions"] or ()]
    assert found == [(each.oid, each.value) for each in extensions]
    assert prescan(issued.token, TOKEN_LIMITS).der
    content = signed_data(issued)["encap_content_info"]["content"]
    assert content.parsed.dump() == issued.tst_info


def test_certificates_are_there_only_when_asked_for_and_the_name_only_when_configured() -> None:
    with_chain = signed_data(unit(P256).issue(request(), GEN_US))
    assert {each.chosen.dump() for each in with_chain["certificates"]} == {
        identity(P256).certificate,
        *identity(P256).chain,
    }
    assert not signed_data(unit(P256).issue(request(cert_req=False), GEN_US))["certificates"]
    named = tsp.TSTInfo.load(unit(P256, name_in_token=True).issue(request(), GEN_US).tst_info, strict=True)
    assert named["tsa"].chosen.untag().dump() == identity(P256).subject


@given(microseconds=st.integers(1, 10_000_000))
def test_an_accuracy_is_whole_without_zeros_and_says_the_same_to_an_independent_reader(
    microseconds: int,
) -> None:
    octets = encode_accuracy(microseconds)
    read = tsp.Accuracy.load(octets, strict=True)
    seconds, millis, micros = (read[name].native for name in ("seconds", "millis", "micros"))
    assert (seconds or 0) * 1_000_000 + (millis or 0) * 1_000 + (micros or 0) == microseconds
    for part, most in ((millis, 999), (micros, 999)):  # RFC 3161 §2.4.2: INTEGER (1..999)
        assert part is None or 1 <= part <= most
    assert read.dump(force=True) == octets


def test_serial_numbers_are_positive_short_and_random() -> None:
    serials = [int.from_bytes(new_serial(), "big", signed=True) for _ in range(2_000)]
    assert len(set(serials)) == len(serials)
    for serial in serials:
        assert 2**126 <= serial < 2**127  # RFC 3161 §2.4.2: up to 160 bits
        assert len(encode.integer(serial)) == 18
    assert all(len({serial >> bit & 1 for serial in serials}) == 2 for bit in range(126))


@EACH
def test_only_messages_differ_between_two_tokens_of_a_unit(each: Suite) -> None:
    first, second = (unit(each).issue(request(), GEN_US) for _ in range(2))
    assert first.serial != second.serial
    if "ecdsa" not in each.id:  # its signatures, in composites too, are DER of two integers
        assert len(first.token) == len(second.token)


def test_a_key_signs_within_its_period_and_at_both_ends() -> None:
    fitness = TimeStampUnit.fitness
    period = KeyPeriod(100, 200)
    limited = TimeStampUnit(
        unit_id="unit",
        signer=signer_of(P256),
        identity=identity(P256),
        policy=POLICY,
        accuracy_us=1,
        period=period,
        name_in_token=False,
    )
    found = {at: fitness(limited, at) for at in (99, 100, 150, 200, 201)}
    assert {at: refusal and refusal.code for at, refusal in found.items()} == {
        99: "KEY_NOT_YET",
        100: None,
        150: None,
        200: None,
        201: "KEY_PERIOD_OVER",
    }
