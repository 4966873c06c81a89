from __future__ import annotations

import datetime as dt
import functools
import subprocess
from typing import TYPE_CHECKING

import pytest
from asn1crypto import ocsp as peer_ocsp  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp as cryptography_ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.ocsp import (
    CertId,
    OcspResponder,
    Plain,
    ResponderCode,
    ResponderError,
    SingleResponse,
)
from kokuin.trust.ocsp_reader import read_answer
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.trust.tbs import Issued
from pqc.signing import SoftwareSigner
from pqc.suites import SUITES
from pqc.verifying import SignatureOutcome
from tests.peers import need
from tests.pqc.keys import signer_of
from tests.trust.authorities import EVERY, NOW, OPENSSL, flipped, name, outcome, pki
from tests.trust.forge import AUTHORITY, issue

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.ocsp import CertStatus

HOUR = dt.timedelta(hours=1)
P256 = "ecdsa-p256-sha256"
REVOKED = Revocation(NOW - 24 * HOUR, RevocationReason.KEY_COMPROMISE)
STOLEN = Revocation(NOW, RevocationReason.KEY_COMPROMISE, NOW - 3 * HOUR)
STATUSES: tuple[CertStatus, ...] = (Plain.GOOD, Plain.UNKNOWN, REVOKED, Revocation(NOW - 2 * HOUR), STOLEN)


def single(suite_id: str, status: CertStatus, digest: str = "sha256") -> SingleResponse:
    each = pki(suite_id)
    certificate = CertId.of(each.authority.certificate, each.unit_certificate.serial, digest)
    return SingleResponse(certificate, status, NOW - HOUR, NOW + HOUR)


def own_answer(suite_id: str, status: CertStatus, nonce: bytes | None = None) -> bytes:
    responder = pki(suite_id).authority.ocsp_responder()
    return responder.respond([single(suite_id, status)], produced_at=NOW, nonce=nonce)


@functools.cache
def full(suite_id: str) -> bytes:
    """Return an answer with every status and a nonce; some suites take a second to sign one."""
    statuses = [single(suite_id, status) for status in STATUSES]
    responder = pki(suite_id).authority.ocsp_responder()
    return responder.respond(statuses, produced_at=NOW, nonce=b"n" * 32)


def delegated(suite_id: str) -> tuple[OcspResponder, Certificate]:
    authority = pki(suite_id).authority
    signer = signer_of(SUITES[P256])
    issued = authority.issue_responder(signer.public_key, name("responder"), now=NOW, days=7)
    certificate = read_certificate(issued.der)
    return OcspResponder(signer, certificate, authority.certificate), certificate


def basic(answer: bytes) -> bytes:
    body = peer_ocsp.OCSPResponse.load(answer, strict=True)["response_bytes"]
    assert body["response_type"].native == "basic_ocsp_response"
    octets: bytes = body["response"].contents
    return octets


@pytest.mark.parametrize("suite_id", EVERY)
def test_an_answer_of_every_suite_is_signed_by_its_authority(suite_id: str) -> None:
    octets = basic(own_answer(suite_id, REVOKED))
    key = pki(suite_id).authority.certificate.public_key
    assert outcome(octets, key) is SignatureOutcome.VALID
    signature = peer_ocsp.BasicOCSPResponse.load(octets)["signature"].native
    for at in (len(octets) - len(signature), len(octets) - 1):
        assert outcome(flipped(octets, at), key) is not SignatureOutcome.VALID


@pytest.mark.parametrize("suite_id", EVERY)
def test_an_independent_reader_finds_every_field(suite_id: str) -> None:
    each = pki(suite_id)
    answer = full(suite_id)
    found = peer_ocsp.OCSPResponse.load(answer, strict=True)
    assert found["response_status"].native == "successful"
    response = found.basic_ocsp_response
    data = response["tbs_response_data"]
    assert data["version"].native == "v1"
    assert data["responder_id"].name == "by_name"
    assert data["responder_id"].chosen.untag().dump() == each.authority.certificate.subject
    assert data["produced_at"].native == NOW
    assert found.nonce_value.native == b"n" * 32
    assert response["signature_algorithm"]["algorithm"].dotted == SUITES[suite_id].algorithm.oid
    assert response["certs"].native is None
    kinds = []
    for item in data["responses"]:
        issuer = x509.load_der_x509_certificate(each.authority.certificate.der)
        assert item["cert_id"]["serial_number"].native == each.unit_certificate.serial
        assert item["cert_id"]["issuer_name_hash"].native == _sha256(issuer.subject.public_bytes())
        assert (item["this_update"].native, item["next_update"].native) == (NOW - HOUR, NOW + HOUR)
        kinds.append((item["cert_status"].name, item["cert_status"].native))
    assert kinds == [
        ("good", "good"),
        ("unknown", "unknown"),
        ("revoked", {"revocation_time": REVOKED.at, "revocation_reason": "key_compromise"}),
        ("revoked", {"revocation_time": NOW - 2 * HOUR, "revocation_reason": None}),
        ("revoked", {"revocation_time": NOW, "revocation_reason": "key_compromise"}),
    ]
    (*before, last) = (item["single_extensions"].native for item in data["responses"])
    assert before == [None] * 4
    assert [(each["extn_id"], each["extn_value"]) for each in last] == [("invalidity_date", NOW - 3 * HOUR)]


@pytest.mark.parametrize("suite_id", EVERY)
def test_our_own_reader_finds_every_status(suite_id: str) -> None:
    each = pki(suite_id)
    authority, unit = each.authority.certificate, each.unit_certificate
    answer = full(suite_id)
    for octets in (answer, basic(answer)):
        found = read_answer(octets)
        assert found.signed_by(authority.public_key).outcome is SignatureOutcome.VALID
        assert found.names(authority)
        assert not found.names(unit)
        assert tuple(item.status for item in found.statuses) == STATUSES
        assert all(item.is_about(unit, authority) for item in found.statuses)
        assert not any(item.is_about(authority, authority) for item in found.statuses)


def _sha256(octets: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(octets)
    return digest.finalize()


@pytest.mark.parametrize("suite_id", EVERY)
def test_cryptography_reads_the_answer_about_its_own_question(suite_id: str) -> None:
    each = pki(suite_id)
    unit = x509.load_der_x509_certificate(each.unit.der)
    issuer = x509.load_der_x509_certificate(each.authority.certificate.der)
    for digest, algorithm in (("sha1", hashes.SHA1()), ("sha256", hashes.SHA256())):  # noqa: S303  # as clients ask
        try:
            builder = cryptography_ocsp.OCSPRequestBuilder().add_certificate(unit, issuer, algorithm)
        except ValueError:  # it must load the key, which it does not know
            assert suite_id not in OPENSSL
            continue
        asked = builder.build()
        responder = each.authority.ocsp_responder()
        answer = responder.respond([single(suite_id, REVOKED, digest)], produced_at=NOW)
        found = cryptography_ocsp.load_der_ocsp_response(answer)
        assert found.response_status is cryptography_ocsp.OCSPResponseStatus.SUCCESSFUL
        assert found.certificate_status is cryptography_ocsp.OCSPCertStatus.REVOKED
        assert found.revocation_reason is x509.ReasonFlags.key_compromise
        assert found.revocation_time_utc == REVOKED.at
        assert found.serial_number == asked.serial_number
        assert found.issuer_key_hash == asked.issuer_key_hash
        assert found.issuer_name_hash == asked.issuer_name_hash
        assert found.certificates == []


@pytest.mark.parametrize("suite_id", EVERY)
def test_a_delegated_responder_answers_with_its_certificate(suite_id: str) -> None:
    responder, certificate = delegated(suite_id)
    answer = responder.respond([single(suite_id, Plain.GOOD)], produced_at=NOW)
    found = cryptography_ocsp.load_der_ocsp_response(answer)
    (carried,) = found.certificates
    assert carried == x509.load_der_x509_certificate(certificate.der)
    assert found.responder_name == carried.subject
    assert outcome(basic(answer), certificate.public_key) is SignatureOutcome.VALID
    usage = carried.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    assert carried.extensions.get_extension_for_class(x509.OCSPNoCheck)


@pytest.mark.parametrize("suite_id", OPENSSL)
@pytest.mark.parametrize("who", ["authority", "responder"])
@pytest.mark.parametrize(("status", "said"), [(Plain.GOOD, "good"), (REVOKED, "revoked")])
def test_openssl_accepts_the_answer(
    suite_id: str, who: str, status: CertStatus, said: str, tmp_path: Path
) -> None:
    each = pki(suite_id)
    responder = each.authority.ocsp_responder() if who == "authority" else delegated(suite_id)[0]
    answer = responder.respond([single(suite_id, status, "sha1")], produced_at=NOW)
    (tmp_path / "root.pem").write_bytes(Issued(each.root.certificate.der).pem)
    (tmp_path / "authority.pem").write_bytes(Issued(each.authority.certificate.der).pem)
    (tmp_path / "unit.pem").write_bytes(each.unit.pem)
    (tmp_path / "answer.der").write_bytes(answer)
    question = ("-issuer", "authority.pem", "-cert", "unit.pem", "-no_nonce", "-respin", "answer.der")
    trust = ("-CAfile", "root.pem", "-verify_other", "authority.pem")
    done = subprocess.run(
        [need("openssl"), "ocsp", *question, *trust],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Response verify OK" in done.stderr, done.stderr
    assert f"unit.pem: {said}\n" in done.stdout


def test_openssl_finds_its_nonce_again(tmp_path: Path) -> None:
    each = pki(P256)
    (tmp_path / "authority.pem").write_bytes(Issued(each.authority.certificate.der).pem)
    (tmp_path / "unit.pem").write_bytes(each.unit.pem)
    openssl, question = need("openssl"), ("-issuer", "authority.pem", "-cert", "unit.pem", "-nonce")
    subprocess.run(
        [openssl, "ocsp", *question, "-reqout", "question.der"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    asked = peer_ocsp.OCSPRequest.load((tmp_path / "question.der").read_bytes())
    nonce = asked.nonce_value.native
    responder = each.authority.ocsp_responder()
    for echoed, complaint in ((nonce, ""), (flipped(nonce, 0), "Nonce Verify error")):
        answer = responder.respond([single(P256, Plain.GOOD, "sha1")], produced_at=NOW, nonce=echoed)
        (tmp_path / "answer.der").write_bytes(answer)
        trust = ("-CAfile", "authority.pem", "-partial_chain", "-reqin", "question.der")
        done = subprocess.run(
            [openssl, "ocsp", *trust, "-issuer", "authority.pem", "-respin", "answer.der"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (complaint or "Response verify OK") in said, said


@pytest.mark.parametrize("nonce", [b"", b"n" * 129])
def test_a_nonce_out_of_bounds_is_not_echoed(nonce: bytes) -> None:
    with pytest.raises(ResponderError) as refused:
        own_answer(P256, Plain.GOOD, nonce)
    assert refused.value.code is ResponderCode.NONCE_LENGTH


def test_nobody_answers_without_the_authoritys_word() -> None:
    each = pki(P256)
    authority, signer = each.authority.certificate, signer_of(SUITES[P256])
    other = SUITES["ecdsa-p384-sha384"]
    responder = each.root.issue_responder(signer.public_key, name("responder"), now=NOW, days=7)
    refusals = {
        ResponderCode.KEY_MISMATCH: (signer_of(other), authority),
        # A unit's certificate is not for OCSP; a responder of the authority above speaks for that one.
        ResponderCode.NOT_NAMED: (signer, each.unit_certificate),
    }
    for code, (holder, certificate) in refusals.items():
        with pytest.raises(ResponderError) as refused:
            OcspResponder(holder, certificate, authority)
        assert refused.value.code is code
    impostor = CertificateAuthority.root(signer_of(other), authority.subject, now=NOW, days=7, path_length=0)
    forged = impostor.issue_responder(signer.public_key, name("responder"), now=NOW, days=7)
    for issued in (responder, forged):
        with pytest.raises(ResponderError) as refused:
            OcspResponder(signer, read_certificate(issued.der), authority)
        assert refused.value.code is ResponderCode.NOT_NAMED


def test_an_authority_that_may_only_sign_certificates_answers_nothing() -> None:
    root = issue("Root", None, AUTHORITY)
    signer = SoftwareSigner(SUITES[P256], root.key)
    with pytest.raises(ResponderError) as refused:
        CertificateAuthority(signer, root.der).ocsp_responder()
    assert refused.value.code is ResponderCode.KEY_USAGE
