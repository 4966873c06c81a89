from __future__ import annotations

import hashlib

import pytest
from cryptography import x509

from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.hierarchy import make_development_hierarchy
from kokuin.trust.name import display
from kokuin.trust.path import find_path
from kokuin.trust.related import is_related
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGESTS, AlgorithmIdentifier
from pqc.suites import SUITES
from tests.pqc.keys import signer_of
from tests.trust.authorities import EVERY, NOW, NOW_US, name, pki
from tests.trust.forge import UNIT, Party, issue
from tests.trust.forge import pki as forged_pki

P256 = "ecdsa-p256-sha256"
AUTHORITIES = tuple(each for each in EVERY if not each.startswith("rsa4096"))
"""An RSA-4096 key for every run is a matter of seconds and shows nothing that RSA-3072 does not."""


@pytest.mark.parametrize("suite_id", AUTHORITIES)
def test_a_development_unit_leads_to_its_anchor(suite_id: str) -> None:
    suite = SUITES[suite_id]
    key = signer_of(SUITES[P256]).public_key
    made = make_development_hierarchy(suite, key, now=NOW, days=4_015, key_days=365)
    unit, anchor = read_certificate(made.unit.der), read_certificate(made.anchor.der)
    between = [read_certificate(each.der) for each in made.intermediates]
    verdict = find_path(unit, TrustStore((anchor,)), between, NOW_US)
    assert verdict.fault is None
    assert verdict.path == (unit, *between, anchor)
    assert unit.signature_algorithm == suite.algorithm
    assert unit.public_key == key
    for certificate in verdict.path:
        assert "O=kokuin development" in display(certificate.subject)
        assert "CN=kokuin development " in display(certificate.subject)
    assert len({certificate.subject for certificate in verdict.path}) == len(verdict.path)
    for pem, certificates in (
        (made.anchor_pem, [anchor]),
        (made.unit_pem + made.intermediates_pem, [unit, *between]),
    ):
        read = x509.load_pem_x509_certificates(pem)
        assert read == [x509.load_der_x509_certificate(each.der) for each in certificates]


@pytest.mark.parametrize(
    ("suite_id", "above"),
    [
        (P256, [P256]),
        ("ml-dsa-65", ["ml-dsa-65", "ml-dsa-87"]),
        ("ml-dsa-44", ["ml-dsa-44", "ml-dsa-87"]),
        ("ml-dsa-87", ["ml-dsa-87"]),
    ],
)
def test_post_quantum_units_stand_below_the_strongest_root(suite_id: str, above: list[str]) -> None:
    key = signer_of(SUITES["ml-dsa-65"]).public_key
    made = make_development_hierarchy(SUITES[suite_id], key, now=NOW, days=30, key_days=10)
    signatures = [
        read_certificate(each.der).signature_algorithm
        for each in (made.unit, *made.intermediates, made.anchor)
    ]
    # Each certificate is signed by the one above, the root by itself.
    assert signatures == [SUITES[each].algorithm for each in (*above, above[-1])]


def test_every_hierarchy_has_keys_and_names_of_its_own() -> None:
    key = signer_of(SUITES[P256]).public_key
    made = [
        make_development_hierarchy(SUITES["ml-dsa-65"], key, now=NOW, days=30, key_days=10) for _ in range(2)
    ]
    certificates = [
        read_certificate(issued.der)
        for each in made
        for issued in (each.anchor, *each.intermediates, each.unit)
    ]
    assert len({certificate.subject for certificate in certificates}) == 6
    assert len({certificate.public_key for certificate in certificates}) == 5
    assert len({certificate.serial for certificate in certificates}) == 6


def test_a_unit_is_bound_to_its_other_certificate() -> None:
    """A post-quantum certificate names the classical one, so that nobody can pair it with his own."""
    classical = pki(P256).unit_certificate
    made = make_development_hierarchy(
        SUITES["ml-dsa-65"],
        signer_of(SUITES["ml-dsa-65"]).public_key,
        now=NOW,
        days=30,
        key_days=10,
        related=classical.der,
    )
    twin = read_certificate(made.unit.der)
    assert twin.related is not None
    assert (twin.related.digest_oid, twin.related.value) == (
        "2.16.840.1.101.3.4.2.3",
        hashlib.sha512(classical.der).digest(),
    )
    assert not twin.extensions[oids.ID_PE_RELATED_CERT].critical
    assert is_related(twin, classical)
    assert not is_related(classical, twin)
    assert not is_related(twin, twin)
    stranger = pki(P256).root.issue_unit(classical.public_key, name("stranger"), now=NOW, days=1, key_days=1)
    assert not is_related(twin, read_certificate(stranger.der))


def test_the_binding_is_written_as_rfc_9763_gives_it() -> None:
    """RelatedCertificate ::= SEQUENCE { hashAlgorithm DigestAlgorithmIdentifier, hashValue OCTET STRING }."""
    unit = pki(P256).root.issue_unit(
        signer_of(SUITES[P256]).public_key, name("x"), now=NOW, days=1, key_days=1, related=b"certificate"
    )
    found = x509.load_der_x509_certificate(unit.der).extensions.get_extension_for_oid(
        x509.ObjectIdentifier("1.3.6.1.5.5.7.1.36")
    )
    assert isinstance(found.value, x509.UnrecognizedExtension)
    digest = hashlib.sha512(b"certificate").hexdigest()
    assert found.value.value.hex() == f"304f300b06096086480165030402030440{digest}"


@pytest.mark.parametrize("digest", [each.name for each in DIGESTS])
def test_a_binding_under_a_broken_digest_binds_nothing(digest: str) -> None:
    """Who can make two certificates of one digest could give a unit a second twin."""
    other = forged_pki().unit
    algorithm = encode.algorithm(AlgorithmIdentifier(DIGEST_BY_NAME[digest].oid))
    value = encode.sequence(algorithm, encode.octet_string(DIGEST_BY_NAME[digest].of(other.der)))
    assert is_related(bound(value).certificate, other.certificate) is (
        digest not in {"md5", "sha1", "sha224"}
    )


def test_a_binding_to_an_authority_or_under_an_unknown_digest_binds_nothing() -> None:
    authority, unit = forged_pki().authority, forged_pki().unit
    algorithm = encode.algorithm(AlgorithmIdentifier(DIGEST_BY_NAME["sha512"].oid))
    to_authority = encode.sequence(algorithm, encode.octet_string(hashlib.sha512(authority.der).digest()))
    assert not is_related(bound(to_authority).certificate, authority.certificate)
    unknown = encode.algorithm(AlgorithmIdentifier("1.3.6.1.4.1.32473.9"))
    digest = encode.octet_string(hashlib.sha512(unit.der).digest())
    assert not is_related(bound(encode.sequence(unknown, digest)).certificate, unit.certificate)


def bound(value: bytes) -> Party:
    """Forge a unit whose relatedCert extension holds `value`."""
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oids.ID_PE_RELATED_CERT), value)
    return issue("Twin", forged_pki().authority, (*UNIT, (extension, False)))
