"""Seal certificates and requests as OpenSSL, pyca and pyHanko read them, and which ones are refused."""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from eseal.certificate import (
    CertificateProblem,
    LegalPerson,
    SealCertificateError,
    check_certificate,
    make_development_certificate,
    seal_request,
)
from eseal.qc import Disclosure, QcStatements, read_statements
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.certification_request import read_request
from kokuin.trust.name import display
from kokuin.trust.path import find_path
from kokuin.wire import encode, oids
from kokuin.wire.errors import WireError
from kokuin.wire.pem import write_block
from kokuin.wire.tsp import Extension
from pqc.suites import SUITES
from tests.eseal import pki
from tests.peers import need
from tests.pqc.keys import signer_of
from tests.trust.forge import key_usage

if TYPE_CHECKING:
    from pathlib import Path

PERSON = LegalPerson(pki.ORGANISATION, pki.IDENTIFIER, pki.COMMON_NAME)
ALL = QcStatements(
    compliance=True,
    device=True,
    seal=True,
    legislation=("JP", "DE"),
    retention_years=15,
    disclosures=(Disclosure("https://example.jp/pds", "ja"), Disclosure("https://example.jp/pds-en", "en")),
)


def development(suite_id: str = pki.P256, statements: QcStatements | None = None) -> Any:
    signer = signer_of(SUITES[suite_id])
    return make_development_certificate(signer, PERSON, statements, now=pki.NOW, days=365)


@pytest.mark.parametrize("suite_id", pki.EVERY)
def test_a_development_certificate_leads_to_its_anchor_and_is_one_for_seals(suite_id: str) -> None:
    made = development(suite_id)
    leaf, anchor = read_certificate(made.certificate.der), read_certificate(made.anchor.der)
    between = [read_certificate(each.der) for each in made.chain]
    found = find_path(leaf, TrustStore((anchor,)), between, pki.NOW_US)
    assert (found.path, found.fault) == ((leaf, *between, anchor), None)
    check_certificate(leaf, pki.IDENTIFIER, pki.NOW_US)
    assert "kokuin development" in display(anchor.subject)
    assert read_statements(leaf) is None


def test_an_independent_reader_finds_the_legal_person_and_the_usage() -> None:
    found = x509.load_der_x509_certificate(development().certificate.der)
    assert [(each.oid, each.value) for each in found.subject] == [
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, pki.ORGANISATION),
        (NameOID.ORGANIZATION_IDENTIFIER, f"NTRJP-{pki.CORPORATE_NUMBER}"),
        (NameOID.COMMON_NAME, pki.COMMON_NAME),
    ]
    usage = found.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value == key_usage("content_commitment")
    with pytest.raises(x509.ExtensionNotFound):
        found.extensions.get_extension_for_class(x509.ExtendedKeyUsage)


@pytest.mark.parametrize("suite_id", pki.CLASSICAL)
def test_openssl_verifies_development_certificates_with_their_lists(suite_id: str, tmp_path: Path) -> None:
    made = development(suite_id)
    lists = b"".join(write_block("X509 CRL", each) for each in made.lists)
    (tmp_path / "root.pem").write_bytes(made.anchor.pem + lists)
    (tmp_path / "seal.pem").write_bytes(made.certificate.pem)
    command = [
        "verify",
        "-x509_strict",
        "-crl_check_all",
        "-purpose",
        "smimesign",
        "-CAfile",
        "root.pem",
        "seal.pem",
    ]
    done = openssl(tmp_path, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = openssl(tmp_path, "x509", "-in", "seal.pem", "-noout", "-text", "-nameopt", "utf8").stdout
    assert "X509v3 Key Usage: critical\n                Non Repudiation\n" in shown
    assert f"organizationIdentifier=NTRJP-{pki.CORPORATE_NUMBER}" in shown


def openssl(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([need("openssl"), *words], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("suite_id", pki.CLASSICAL)
def test_openssl_reads_and_signs_a_request(suite_id: str, tmp_path: Path) -> None:
    """What a real authority does: verify possession, copy the extensions asked for, sign."""
    (tmp_path / "seal.csr").write_bytes(seal_request(signer_of(SUITES[suite_id]), PERSON, ALL))
    shown = openssl(tmp_path, "req", "-in", "seal.csr", "-noout", "-text", "-verify", "-nameopt", "utf8")
    assert "verify OK" in shown.stderr
    assert f"organizationIdentifier=NTRJP-{pki.CORPORATE_NUMBER}, CN={pki.COMMON_NAME}" in shown.stdout
    assert "Non Repudiation" in shown.stdout
    ca = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ]
    assert openssl(tmp_path, "req", "-x509", *ca, "-subj", "/CN=CA", "-days", "9").returncode == 0
    sign = ["-req", "-in", "seal.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "5"]
    signed = openssl(tmp_path, "x509", *sign, "-copy_extensions", "copyall", "-out", "seal.pem")
    assert signed.returncode == 0, signed.stderr
    pem = x509.load_pem_x509_certificate((tmp_path / "seal.pem").read_bytes())
    certificate = read_certificate(pem.public_bytes(Encoding.DER))
    check_certificate(certificate, pki.IDENTIFIER, pki.NOW_US)
    assert read_statements(certificate) == ALL


@pytest.mark.parametrize("suite_id", pki.EVERY)
def test_a_request_of_every_suite_proves_possession(suite_id: str) -> None:
    found = read_request(seal_request(signer_of(SUITES[suite_id]), PERSON, None))
    assert found.subject == PERSON.name
    assert set(found.extensions) == {oids.ID_CE_KEY_USAGE}


def test_another_reader_finds_the_statements() -> None:
    from asn1crypto import x509 as peer  # type: ignore[import-untyped]  # noqa: PLC0415  # pyHanko changes its tables
    from pyhanko.sign.ades.qualified_asn1 import get_qc_statements  # noqa: PLC0415  # as above

    statements = replace(ALL, compliance=False, device=False)
    certificate = peer.Certificate.load(development(statements=statements).certificate.der)
    found = {
        each["statement_id"].native: each["statement_info"].native for each in get_qc_statements(certificate)
    }
    assert "qc_compliance" not in found
    assert "qc_sscd" not in found
    assert found["qc_type"] == ["qct_eseal"]
    assert found["qc_cc_legislation"] == ["JP", "DE"]
    assert found["qc_retention_period"] == 15
    places = [(each["url"], each["language"]) for each in found["qc_pki_disclosure_statements"]]
    assert places == [(each.url, each.language) for each in ALL.disclosures]


@pytest.mark.parametrize("statements", [QcStatements(compliance=True), QcStatements(device=True)])
def test_a_development_authority_does_not_state_what_only_a_supervised_one_may(
    statements: QcStatements,
) -> None:
    with pytest.raises(ValueError, match="supervision"):
        development(statements=statements)


def test_nothing_is_stated_unasked() -> None:
    bare = QcStatements()
    assert not bare.supervised
    assert (
        oids.ID_PE_QC_STATEMENTS in read_certificate(development(statements=bare).certificate.der).extensions
    )
    assert read_statements(read_certificate(development(statements=bare).certificate.der)) == bare


SEAL_NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, pki.ORGANISATION),
        x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, pki.IDENTIFIER),
        x509.NameAttribute(NameOID.COMMON_NAME, "seal"),
    ]
)
USAGE = (key_usage("content_commitment"), True)


def foreign(
    *extensions: tuple[x509.ExtensionType, bool], name: x509.Name = SEAL_NAME, days: int = 30
) -> CertificateProblem | None:
    """Have a certificate made by pyca/cryptography, and say why it is refused."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 4711, pki.NOW - 90 * pki.DAY, pki.NOW + days * pki.DAY
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    try:
        check_certificate(read_certificate(der), pki.IDENTIFIER, pki.NOW_US)
    except SealCertificateError as error:
        return error.problem
    return None


def without(*kinds: x509.ObjectIdentifier, more: tuple[x509.NameAttribute[str], ...] = ()) -> x509.Name:
    return x509.Name([*(each for each in SEAL_NAME if each.oid not in kinds), *more])


OTHER = x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "NTRJP-2000012020001")
ALIAS = x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"JCN{pki.CORPORATE_NUMBER}")


def test_certificates_of_real_authorities_are_taken() -> None:
    both = (key_usage("digital_signature", "content_commitment"), True)
    mail = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    assert foreign(USAGE) is None
    assert foreign(both, mail) is None
    assert foreign(USAGE, name=without(NameOID.ORGANIZATION_IDENTIFIER, more=(ALIAS,))) is None


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        ((), CertificateProblem.KEY_USAGE),
        (((key_usage("digital_signature"), True),), CertificateProblem.KEY_USAGE),
        (((x509.BasicConstraints(ca=True, path_length=None), True), USAGE), CertificateProblem.AUTHORITY),
        (
            (USAGE, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)),
            CertificateProblem.PURPOSE,
        ),
        (
            (USAGE, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)),
            CertificateProblem.PURPOSE,
        ),
    ],
)
def test_a_certificate_for_something_else_is_refused(
    extensions: tuple[tuple[x509.ExtensionType, bool], ...], problem: CertificateProblem
) -> None:
    assert foreign(*extensions) is problem


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (without(NameOID.ORGANIZATION_NAME), CertificateProblem.ORGANISATION),
        (without(NameOID.ORGANIZATION_IDENTIFIER), CertificateProblem.IDENTIFIER),
        (without(NameOID.ORGANIZATION_IDENTIFIER, more=(OTHER,)), CertificateProblem.IDENTIFIER),
        (without(more=(OTHER,)), CertificateProblem.IDENTIFIER),
    ],
)
def test_a_certificate_of_somebody_else_is_refused(name: x509.Name, problem: CertificateProblem) -> None:
    assert foreign(USAGE, name=name) is problem


def test_a_certificate_that_has_expired_is_refused_and_one_to_come_is_not() -> None:
    assert foreign(USAGE, days=-1) is CertificateProblem.EXPIRED
    certificate = read_certificate(development().certificate.der)
    check_certificate(certificate, pki.IDENTIFIER, certificate.not_after + 999_999)
    check_certificate(certificate, pki.IDENTIFIER, certificate.not_before - pki.DAY_US)
    with pytest.raises(SealCertificateError):
        check_certificate(certificate, pki.IDENTIFIER, certificate.not_after + 1_000_000)


def test_statements_that_cannot_be_read_are_no_statements() -> None:
    """Attack: an extension that says nothing in particular, to be taken for a standing."""
    signer = signer_of(SUITES[pki.P256])
    for value in (b"", b"\x30\x02\x05\x00", encode.sequence(encode.sequence())):
        statements = Extension(oids.ID_PE_QC_STATEMENTS, critical=False, value=value)
        issued = pki.seal_pki().authority.issue_seal(
            signer.public_key, PERSON.name, now=pki.BEGAN, days=9, statements=statements
        )
        with pytest.raises(ValueError, match=r"."):
            read_statements(read_certificate(issued.der))


def test_the_lists_of_a_development_authority_hold_as_long_as_its_certificate() -> None:
    made = development("ml-dsa-65")
    assert len(made.lists) == 2
    for each in made.lists:
        found = x509.load_der_x509_crl(each)
        assert found.next_update_utc == pki.NOW + dt.timedelta(days=365)
        assert len(found) == 0


@given(st.binary(max_size=60))
def test_any_statements_end_in_a_reading_or_a_refusal(octets: bytes) -> None:
    whole = ALL.extension().value
    for value in (
        octets,
        encode.sequence(octets),
        encode.sequence(encode.sequence(octets)),
        whole[: len(octets)],
    ):
        statements = Extension(oids.ID_PE_QC_STATEMENTS, critical=False, value=value)
        certificate = replace(
            read_certificate(pki.seal_key().certificate), extensions={statements.oid: statements}
        )
        with contextlib.suppress(WireError):
            read_statements(certificate)
