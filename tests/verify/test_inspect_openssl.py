"""What `tsa inspect` shows is what OpenSSL and pyca/cryptography read in the same octets."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import subprocess
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from kokuin.verify.inspecting.generic import show_octets
from kokuin.verify.inspecting.oid_names import OID_NAMES
from kokuin.verify.inspecting.walk import Walk
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.tsp import Extension
from pqc.suites import SUITES, Family
from tests import peers
from tests.trust import authorities
from tests.trust.authorities import EVERY
from tests.trust.forge import DATA, DAY, NOW, POLICY, UNIT, Party, issue, key_usage, name, order, pki
from tests.verify.inspections import inspected, under, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kokuin.verify.inspecting.tree import Entry

SLOW = Family.SLH_DSA
QUICK = tuple({SUITES[each].family: each for each in EVERY if SUITES[each].family is not SLOW}.values())
"""A suite of each family that signs within a test's time."""
RICH: tuple[tuple[x509.ExtensionType, bool], ...] = (
    *UNIT,
    (x509.BasicConstraints(ca=False, path_length=None), True),
    (x509.SubjectKeyIdentifier(bytes(range(20))), False),
    (x509.AuthorityKeyIdentifier(b"\x01" * 20, [x509.DirectoryName(name("Authority"))], 4711), False),
    (
        x509.SubjectAlternativeName(
            [
                x509.DNSName("tsa.example"),
                x509.UniformResourceIdentifier("https://tsa.example/"),
                x509.IPAddress(IPv6Address("2001:db8::1")),
                x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
                x509.RFC822Name("tsa@tsa.example"),
            ]
        ),
        False,
    ),
    (
        x509.CertificatePolicies(
            [x509.PolicyInformation(x509.ObjectIdentifier(POLICY), ["https://tsa.example/cps"])]
        ),
        False,
    ),
    (
        x509.AuthorityInformationAccess(
            [
                x509.AccessDescription(
                    AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.example/")
                )
            ]
        ),
        False,
    ),
    (
        x509.CRLDistributionPoints(
            [
                x509.DistributionPoint(
                    [x509.UniformResourceIdentifier("http://crl.example/")], None, None, None
                )
            ]
        ),
        False,
    ),
    (x509.PrivateKeyUsagePeriod(NOW.replace(tzinfo=None), (NOW + DAY).replace(tzinfo=None)), False),
)
"""Extensions of every kind that pyca/cryptography writes and a unit may have."""


def openssl(*words: str, data: bytes = b"") -> str:
    done = subprocess.run([peers.need("openssl"), *words], input=data, check=True, capture_output=True)
    return done.stdout.decode()


def elements(entries: Sequence[Entry], depth: int = 0) -> Iterator[tuple[int, int, str]]:
    """Offset, depth and type of every element, as `openssl asn1parse` tells them: none within strings."""
    for entry in entries:
        assert entry.at is not None
        yield entry.at, depth, _TYPES.get(entry.name, entry.name.upper().replace(" ", ""))
        if not entry.name.endswith(" STRING"):
            yield from elements(entry.children, depth + 1)


_TYPES = {"OBJECT IDENTIFIER": "OBJECT"}


def parsed(octets: bytes) -> list[tuple[int, int, str]]:
    lines = openssl("asn1parse", "-inform", "DER", data=octets).splitlines()
    found = [re.match(r" *(\d+):d=(\d+) +hl= *\d+ l= *\d+ (?:prim|cons): ([^:]*)", line) for line in lines]
    return [
        (
            int(match[1]),
            int(match[2]),
            re.sub(r"^cont|\s|\[HEX DUMP\]", "", match[3]).replace("appl[", "[APPLICATION"),
        )
        for match in found
        if match
    ]


def der_objects() -> list[bytes]:
    return [
        order(certificates=pki().chain, nonce=2**64, tst_extensions=encode.explicit(0, b"")).make(),
        issue("Rich", pki().authority, RICH).der,
        encode.sequence(
            encode.tlv(0x61, encode.NULL),
            encode.set_of(encode.integer(-1)),
            encode.utf8_string("é"),
            encode.printable_string("p"),
            encode.enumerated(3),
            encode.TRUE,
            encode.implicit(30, b"\x01"),
            encode.generalized_time(1_000_000),
            encode.x509_time(1_000_000),
            encode.tlv(0x1E, b"\x00a"),
            encode.tlv(0x16, b"ia5"),
        ),
    ]


@pytest.mark.parametrize("number", range(3))
def test_the_tree_of_any_asn1_is_that_of_openssl_asn1parse(number: int) -> None:
    octets = der_objects()[number]
    assert list(elements(show_octets(Walk(), octets))) == parsed(octets)


def test_the_trees_of_foreign_tokens_are_those_of_openssl_asn1parse() -> None:
    folder = peers.corpus()
    files = [
        path for path in (folder / "tokens").rglob("*") if path.suffix in {".tsr", ".tst", ".tsq", ".p7s"}
    ]
    assert files
    for path in files:
        octets = path.read_bytes()
        assert list(elements(show_octets(Walk(), octets))) == parsed(octets), path


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
)
def test_a_certificate_has_the_serial_times_and_names_that_openssl_reads(
    key: ec.EllipticCurvePrivateKey,
) -> None:
    certificate = issue("Rich", pki().authority, RICH, key=key)
    found = inspected(certificate.pem, "certificate")
    words = (
        "-noout",
        "-serial",
        "-dates",
        "-dateopt",
        "iso_8601",
        "-fingerprint",
        "-sha256",
        "-nameopt",
        "RFC2253",
    )
    said = dict(
        line.split("=", 1)
        for line in openssl("x509", *words, "-subject", "-issuer", data=certificate.pem).splitlines()
    )
    (serial,) = under(found, "tbsCertificate", "serialNumber")
    assert int(serial.value or "") == int(said["serial"], 16) == int(serial.note or "", 16)
    for field in ("notBefore", "notAfter"):
        assert value(found, "validity", field) == said[field].replace(" ", "T")
    for field in ("subject", "issuer"):
        assert value(found, "tbsCertificate", field) == said[field].replace(",", ", ")
    assert value(found, "SHA-256") == said["sha256 Fingerprint"].replace(":", "").lower()
    (public,) = under(found, "subjectPublicKeyInfo")
    assert public.value == {"EC": "P-384", "RS": "RSA-2048"}[type(key).__name__[:2]]


def test_the_extensions_of_a_certificate_are_those_that_pyca_reads() -> None:
    certificate = issue("Rich", pki().authority, RICH)
    found = inspected(certificate.der, "certificate")
    shown = [
        (entry.value, "critical" in (entry.note or "").split(", "))
        for entry in under(found, "extensions", "Extension")
    ]
    assert shown == [(each.oid.dotted_string, each.critical) for each in certificate.x509.extensions]
    extensions = {entry.value: entry.children[0] for entry in under(found, "extensions", "Extension")}
    assert extensions[oids.ID_CE_KEY_USAGE].value == "digitalSignature"
    assert [each.value for each in extensions[oids.ID_CE_EXT_KEY_USAGE].children] == [
        ExtendedKeyUsageOID.TIME_STAMPING.dotted_string
    ]
    assert extensions[oids.ID_CE_SUBJECT_KEY_IDENTIFIER].value == bytes(range(20)).hex()
    assert value(found, "authorityCertSerialNumber") == "4711"
    names = {entry.name: entry.value for each in extensions["2.5.29.17"].children for entry in each.children}
    assert names == {
        "dNSName": "tsa.example",
        "uniformResourceIdentifier": "https://tsa.example/",
        "iPAddress": "2001:db8::1",
        "registeredID": "1.2.3.4",
        "rfc822Name": "tsa@tsa.example",
    }
    assert value(found, "policyIdentifier") == POLICY
    assert value(found, "qualifier") == "https://tsa.example/cps"
    assert value(found, "accessLocation", "uniformResourceIdentifier") == "http://ocsp.example/"
    assert value(found, "fullName", "GeneralName", "uniformResourceIdentifier") == "http://crl.example/"
    assert value(found, "extnValue", "notAfter") == (NOW + DAY).isoformat().replace("+00:00", "Z")


def _said_time(text: str) -> str:
    moment = dt.datetime.strptime(text.strip(), "%b %d %H:%M:%S %Y GMT").replace(tzinfo=dt.UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _said(text: str) -> dict[str, str]:
    """The lines `name: value` of a text that OpenSSL prints; of equal names the first."""
    pairs = [line.strip().partition(": ") for line in text.splitlines()]
    return {name: said for name, _, said in reversed(pairs) if said}


@pytest.mark.parametrize("bare", [False, True])
def test_a_response_and_a_token_say_what_openssl_ts_says(tmp_path: Path, *, bare: bool) -> None:
    token = order(certificates=pki().chain, nonce=0xF79EA48773749B0A).make()
    response = encode.sequence(encode.sequence(encode.integer(0)), token)
    (tmp_path / "in").write_bytes(token if bare else response)
    words = ["-token_in"] if bare else []
    said = _said(openssl("ts", "-reply", "-text", "-in", str(tmp_path / "in"), *words))
    found = inspected(token if bare else response, "timestamp-token" if bare else "timestamp-response")
    assert value(found, "eContent", "policy") == said["Policy OID"]
    assert value(found, "eContent", "genTime") == _said_time(said["Time stamp"])
    (serial,) = under(found, "eContent", "serialNumber")
    assert int(serial.value or "") == int(said["Serial number"], 16)
    (nonce,) = under(found, "eContent", "nonce")
    assert int(nonce.note or "", 16) == int(said["Nonce"], 16)
    (algorithm,) = under(found, "messageImprint", "hashAlgorithm")
    assert (algorithm.note or "").removeprefix("id-") == said["Hash Algorithm"].lower()
    assert value(found, "messageImprint", "hashedMessage") == hashlib.sha256(DATA).hexdigest()
    assert value(found, "accuracy", "seconds") == said["Accuracy"].split()[0].removeprefix("0x0").lstrip("0x")
    if not bare:
        assert under(found, "status", "status")[0].note == said["Status"].rstrip(".").lower()


def test_a_refusal_says_what_openssl_ts_says(tmp_path: Path) -> None:
    info = encode.sequence(
        encode.integer(2), encode.sequence(encode.utf8_string("no such hash")), encode.named_bits(0)
    )
    (tmp_path / "in").write_bytes(encode.sequence(info))
    said = openssl("ts", "-reply", "-text", "-in", str(tmp_path / "in"))
    found = inspected(encode.sequence(info), "timestamp-response")
    assert "Status: Rejected." in said
    assert (under(found, "status", "status")[0].note, value(found, "failInfo")) == ("rejection", "badAlg")
    assert value(found, "statusString", "UTF8String") == "no such hash"
    assert "no such hash" in said
    assert "unrecognized or unsupported algorithm identifier" in said


def test_a_request_says_what_openssl_wrote(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    words = ("-data", "data", "-sha512", "-tspolicy", POLICY, "-cert", "-out", "query")
    subprocess.run(
        [peers.need("openssl"), "ts", "-query", *words], cwd=tmp_path, check=True, capture_output=True
    )
    said = _said(openssl("ts", "-query", "-text", "-in", str(tmp_path / "query")))
    found = inspected((tmp_path / "query").read_bytes(), "timestamp-request")
    assert value(found, "version") == said["Version"] == "1"
    assert value(found, "reqPolicy") == said["Policy OID"] == POLICY
    assert value(found, "hashAlgorithm") == DIGEST_BY_NAME["sha512"].oid
    assert value(found, "hashedMessage") == hashlib.sha512(DATA).hexdigest()
    assert value(found, "certReq") == "TRUE"
    (nonce,) = under(found, "nonce")
    assert int(nonce.note or "", 16) == int(said["Nonce"], 16)


def revoked(serial: int, reason: x509.ReasonFlags | None) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY)
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_extension(x509.InvalidityDate(NOW - 2 * DAY), critical=False)
    return builder.build()


def crl(issuer: Party, *entries: x509.RevokedCertificate) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.x509.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .add_extension(x509.CRLNumber(77), critical=False)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_revocation_list_says_what_openssl_crl_says() -> None:
    octets = crl(pki().authority, revoked(0xABCDEF, x509.ReasonFlags.key_compromise), revoked(5, None))
    found = inspected(octets, "certificate-list")
    said = openssl("crl", "-inform", "DER", "-text", "-noout", data=octets)
    assert [int(entry.value or "") for entry in under(found, "userCertificate")] == [
        int(each, 16) for each in re.findall(r"Serial Number: (\w+)", said)
    ]
    assert [entry.value for entry in under(found, "revocationDate")] == [
        _said_time(each) for each in re.findall(r"Revocation Date: (.*)", said)
    ]
    assert value(found, "thisUpdate") == _said_time(re.findall(r"Last Update: (.*)", said)[0])
    assert value(found, "nextUpdate") == _said_time(re.findall(r"Next Update: (.*)", said)[0])
    values = [entry.children[0] for entry in under(found, "Extension")]
    assert [(each.value, each.note) for each in values] == [
        ("1", "keyCompromise"),
        ((NOW - 2 * DAY).isoformat().replace("+00:00", "Z"), None),
        ("77", None),
    ]


@pytest.mark.parametrize("status", [ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED])
def test_an_ocsp_answer_says_what_openssl_ocsp_says(tmp_path: Path, status: ocsp.OCSPCertStatus) -> None:
    is_revoked = status is ocsp.OCSPCertStatus.REVOKED
    answer = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=pki().unit.x509,
            issuer=pki().authority.x509,
            algorithm=hashes.SHA256(),
            cert_status=status,
            this_update=NOW,
            next_update=NOW + DAY,
            revocation_time=NOW - DAY if is_revoked else None,
            revocation_reason=x509.ReasonFlags.superseded if is_revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, pki().authority.x509)
        .certificates([pki().authority.x509])
        .add_extension(x509.OCSPNonce(b"nonce" * 4), critical=False)
        .sign(pki().authority.key, hashes.SHA256())
    )
    octets = answer.public_bytes(Encoding.DER)
    (tmp_path / "answer").write_bytes(octets)
    said = _said(openssl("ocsp", "-respin", str(tmp_path / "answer"), "-resp_text", "-noverify"))
    found = inspected(octets, "ocsp-response")
    assert under(found, "responseStatus")[0].note == said["OCSP Response Status"].split()[0]
    assert int(value(found, "certID", "serialNumber") or "") == int(said["Serial Number"], 16)
    assert value(found, "certID", "issuerKeyHash") == said["Issuer Key Hash"].lower()
    assert under(found, "certStatus")[0].children[0].name == said["Cert Status"]
    for field, theirs in (
        ("producedAt", "Produced At"),
        ("thisUpdate", "This Update"),
        ("nextUpdate", "Next Update"),
    ):
        assert value(found, field) == _said_time(said[theirs])
    if is_revoked:
        assert value(found, "revocationTime") == _said_time(said["Revocation Time"])
        assert said["Revocation Reason"].startswith(under(found, "revocationReason")[0].note or "-")
    assert value(found, "responseExtensions", "Extension") == oids.ID_PKIX_OCSP_NONCE
    assert value(found, "responseExtensions", "Extension", "extnValue") == (b"nonce" * 4).hex()
    assert value(found, "certs", "Certificate", "SHA-256") == hashlib.sha256(pki().authority.der).hexdigest()


def test_a_certificate_request_says_what_openssl_req_says() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(name("wanted"))
    builder = builder.add_extension(key_usage("digital_signature"), critical=True)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    found = inspected(pem, "certification-request")
    said = openssl("req", "-noout", "-subject", "-nameopt", "RFC2253", data=pem)
    assert value(found, "subject") == said.strip().removeprefix("subject=").replace(",", ", ")
    assert value(found, "attributes", "Attribute") == oids.ID_EXTENSION_REQUEST
    assert value(found, "Extension", "extnValue") == "digitalSignature"


def test_a_public_key_is_named() -> None:
    key = ec.generate_private_key(ec.SECP521R1()).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert inspected(pem, "public-key").entries[0].value == "P-521"


@pytest.mark.parametrize("suite", QUICK)
def test_certificates_of_every_family_of_suites_are_shown_with_their_key_and_algorithm(suite: str) -> None:
    found = inspected(authorities.pki(suite).unit.der, "certificate")
    assert found.entries[1].name == "tbsCertificate"
    (key,) = under(found, "subjectPublicKeyInfo")
    assert key.value == SUITES[suite].key
    (algorithm,) = [entry for entry in found.entries if entry.name == "signatureAlgorithm"]
    assert algorithm.value == SUITES[suite].algorithm.oid
    assert algorithm.note


def test_a_signed_message_that_is_no_token_is_cms(tmp_path: Path) -> None:
    (tmp_path / "unit.pem").write_bytes(pki().unit.pem)
    found = inspected(order(content_type=oids.ID_DATA).make(), "cms")
    assert value(found, "eContentType") == oids.ID_DATA


def test_extensions_of_a_token_and_what_stands_in_unsigned_attributes_are_shown() -> None:
    qc = encode.sequence(encode.sequence(encode.oid("0.4.0.19422.1.1")))
    extension = Extension(oids.ID_PE_QC_STATEMENTS, critical=False, value=qc).encode()
    found = inspected(order(tst_extensions=encode.explicit(1, extension)).make(), "timestamp-token")
    (statement,) = under(found, "QCStatement", "statementId")
    assert (statement.value, statement.note) == ("0.4.0.19422.1.1", "id-etsi-tsts-EuQCompliance")


SPELT_OTHERWISE = {
    "1.2.840.10045.3.1.7": "prime256v1",
    "1.2.840.113549.1.7.1": "pkcs7-data",
    "1.2.840.113549.1.7.2": "pkcs7-signedData",
    "1.2.840.113549.1.7.3": "pkcs7-envelopedData",
    "1.2.840.113549.1.7.5": "pkcs7-digestData",
    "1.2.840.113549.1.7.6": "pkcs7-encryptedData",
    "1.3.6.1.4.1.11129.2.4.2": "CT Precertificate SCTs",
    "1.3.6.1.5.5.7.48.1.1": "Basic OCSP Response",
    "1.3.6.1.5.5.7.48.1.2": "OCSP Nonce",
    "1.3.6.1.5.5.7.48.1.3": "OCSP CRL ID",
    "1.3.6.1.5.5.7.48.1.4": "Acceptable OCSP Responses",
    "1.3.6.1.5.5.7.48.1.5": "OCSP No Check",
    "1.3.6.1.5.5.7.48.1.6": "OCSP Archive Cutoff",
    "1.3.6.1.5.5.7.48.1.9": "valid",  # the draft's; RFC 6960 §4.4.8 has extended-revoke
    "1.3.6.1.5.5.7.48.3": "AD Time Stamping",
    "1.3.14.3.2.29": "sha1WithRSA",
    "2.5.29.21": "CRLReason",
    "2.5.29.27": "deltaCRL",
    "2.5.29.37": "extendedKeyUsage",
}
"""What OpenSSL calls those that the standards spell in another way."""


def test_names_of_object_identifiers_are_those_of_openssl_where_it_has_them() -> None:
    """The two spell alike but for case, dashes and prefixes; what differs otherwise is listed."""
    theirs: dict[str, set[str]] = {}
    for line in openssl("list", "-objects").splitlines():
        words = re.split(" = |, ", line)
        theirs.setdefault(words[-1], set()).update(words[:-1])
    plain = {dotted: {_plain(each) for each in names} for dotted, names in theirs.items()}
    known = {dotted: name for dotted, name in OID_NAMES.items() if dotted in plain}
    assert len(known) > 150
    odd = {dotted: ours for dotted, ours in known.items() if _plain(ours) not in plain[dotted]}
    assert {dotted: name in theirs[dotted] for dotted, name in SPELT_OTHERWISE.items()} == dict.fromkeys(
        odd, True
    )


def _plain(name: str) -> str:
    bare = re.sub(
        r"^(id-)?(ce|pe|kp|ad|aa|at|ct|qt|alg|smime-aa|smime-ct|smime-alg|aa-ets|smime-aa-ets)-", "", name
    )
    return re.sub(r"[^a-z0-9]|^id-", "", bare.lower())
