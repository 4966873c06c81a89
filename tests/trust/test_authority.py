from __future__ import annotations

import datetime as dt
import itertools
import subprocess
from typing import TYPE_CHECKING

import pytest
from asn1crypto import x509 as peer_x509  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority, IssuingCode, IssuingError
from kokuin.trust.certificate import read_certificate
from kokuin.trust.path import PathVerdict, find_path
from kokuin.trust.rules import Reason
from kokuin.trust.tbs import Issued
from kokuin.wire.errors import WireError
from pqc.suites import SUITES, Family
from tests.peers import need
from tests.pqc.keys import signer_of
from tests.trust.authorities import (
    CRYPTOGRAPHY,
    DAY_US,
    EVERY,
    NOW,
    NOW_US,
    ONE_A_FAMILY,
    OPENSSL,
    Pki,
    flipped,
    name,
    pki,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.trust.certificate import Certificate

P256 = "ecdsa-p256-sha256"
ED25519 = "ed25519"
NAMES = {"key_usage", "extended_key_usage", "basic_constraints"}


def search(leaf: Certificate, *others: Certificate, root: Certificate) -> PathVerdict:
    return find_path(leaf, TrustStore((root,)), others, NOW_US)


def search_in(each: Pki) -> PathVerdict:
    return search(each.unit_certificate, each.authority.certificate, root=each.root.certificate)


@pytest.mark.parametrize("suite_id", EVERY)
def test_certificates_of_every_suite_make_a_path(suite_id: str) -> None:
    verdict = search_in(pki(suite_id))
    assert verdict.fault is None
    assert verdict.path is not None
    assert len(verdict.path) == 3


@pytest.mark.parametrize("suite_id", EVERY)
@pytest.mark.parametrize("place", ["first", "last"])
def test_one_bit_of_either_end_of_a_signature_breaks_the_path(suite_id: str, place: str) -> None:
    """The ends of a composite signature belong to its two halves: both must hold."""
    each = pki(suite_id)
    unit = each.unit_certificate
    at = len(unit.der) - (len(unit.signature) if place == "first" else 1)
    forged = read_certificate(flipped(unit.der, at))
    assert forged.tbs == unit.tbs
    verdict = search(forged, each.authority.certificate, root=each.root.certificate)
    assert verdict == PathVerdict()


def pairs() -> list[tuple[str, str]]:
    """Every authority with every unit; an SLH-DSA authority, slow to sign, with itself and one other."""
    return [
        (upper, lower)
        for upper, lower in itertools.product(ONE_A_FAMILY, ONE_A_FAMILY)
        if SUITES[upper].family is not Family.SLH_DSA or lower in {upper, ONE_A_FAMILY[0]}
    ]


@pytest.mark.parametrize(("upper", "lower"), pairs())
def test_an_authority_of_any_suite_vouches_for_a_unit_of_any_other(upper: str, lower: str) -> None:
    root = pki(upper).root
    key = signer_of(SUITES[lower]).public_key
    unit = root.issue_unit(key, name("unit"), now=NOW, days=30, key_days=10)
    verdict = search(read_certificate(unit.der), root=root.certificate)
    assert verdict.fault is None
    assert verdict.path is not None
    assert [each.signature_algorithm for each in verdict.path] == [SUITES[upper].algorithm] * 2


@pytest.mark.parametrize("suite_id", EVERY)
def test_a_units_certificate_has_every_field_as_an_independent_reader_finds_it(suite_id: str) -> None:
    each = pki(suite_id)
    authority = each.authority.certificate
    found = peer_x509.Certificate.load(each.unit.der, strict=True)
    tbs = found["tbs_certificate"]
    assert tbs["version"].native == "v3"
    assert tbs["serial_number"].native.bit_length() > 64
    assert len(tbs["serial_number"].contents) <= 20
    assert tbs["issuer"].dump() == authority.subject == name("authority")
    assert tbs["subject"].native == {
        "country_name": "JP",
        "organization_name": "試験 Test",
        "common_name": "unit",
    }
    validity = tbs["validity"]
    assert validity["not_before"].native == NOW - dt.timedelta(minutes=5)
    assert validity["not_after"].native == NOW + dt.timedelta(days=4_000)
    assert tbs["subject_public_key_info"].dump() == signer_of(SUITES[suite_id]).public_key
    assert tbs["signature"].dump() == found["signature_algorithm"].dump()
    assert found["signature_algorithm"]["algorithm"].dotted == SUITES[suite_id].algorithm.oid
    extensions = {item["extn_id"].native: item for item in tbs["extensions"]}
    assert {key for key, item in extensions.items() if item["critical"].native} == NAMES
    parsed = {key: item["extn_value"].parsed.native for key, item in extensions.items()}
    assert parsed["basic_constraints"] == {"ca": False, "path_len_constraint": None}
    assert parsed["key_usage"] == {"digital_signature"}
    assert parsed["extended_key_usage"] == ["time_stamping"]
    assert parsed["private_key_usage_period"]["not_before"] == NOW - dt.timedelta(minutes=5)
    assert parsed["private_key_usage_period"]["not_after"] == NOW + dt.timedelta(days=365)
    assert parsed["authority_key_identifier"]["key_identifier"] == authority.subject_key_id
    assert parsed["key_identifier"] == each.unit_certificate.subject_key_id
    assert set(extensions) == NAMES | {
        "private_key_usage_period",
        "authority_key_identifier",
        "key_identifier",
    }


@pytest.mark.parametrize("suite_id", EVERY)
def test_an_authoritys_certificate_says_what_it_may(suite_id: str) -> None:
    for authority, length in ((pki(suite_id).root, 1), (pki(suite_id).authority, 0)):
        found = peer_x509.Certificate.load(authority.certificate.der, strict=True)
        assert found.basic_constraints_value.native == {"ca": True, "path_len_constraint": length}
        assert found.key_usage_value.native == {"digital_signature", "key_cert_sign", "crl_sign"}
        assert {"basic_constraints", "key_usage"} == found.critical_extensions
        assert found.key_identifier == authority.certificate.subject_key_id
        assert found.extended_key_usage_value is None


@pytest.mark.parametrize("suite_id", EVERY)
def test_cryptography_reads_the_certificates_of_every_suite(suite_id: str) -> None:
    each = pki(suite_id)
    unit = x509.load_der_x509_certificate(each.unit.der)
    assert x509.load_pem_x509_certificate(each.unit.pem) == unit
    assert len(unit.extensions) == 6
    issuer = x509.load_der_x509_certificate(each.authority.certificate.der)
    if suite_id in CRYPTOGRAPHY:
        unit.verify_directly_issued_by(issuer)
    else:
        with pytest.raises((UnsupportedAlgorithm, ValueError)):
            unit.public_key()


@pytest.mark.parametrize("suite_id", [each for each in CRYPTOGRAPHY if not each.startswith("ed")])
def test_cryptography_validates_the_path(suite_id: str) -> None:
    """Its verifier takes no EdDSA; its rules for web servers are kept but for the names of hosts."""
    each = pki(suite_id)
    authority, root = (
        x509.load_der_x509_certificate(ca.certificate.der) for ca in (each.authority, each.root)
    )
    end_entity = ExtensionPolicy.permit_all().require_present(
        x509.ExtendedKeyUsage, Criticality.CRITICAL, None
    )
    policy = PolicyBuilder().store(Store([root])).time(NOW)
    verifier = policy.extension_policies(
        ee_policy=end_entity, ca_policy=ExtensionPolicy.webpki_defaults_ca()
    ).build_client_verifier()
    unit = x509.load_der_x509_certificate(each.unit.der)
    assert verifier.verify(unit, [authority]).chain == [unit, authority, root]


@pytest.mark.parametrize("suite_id", OPENSSL)
def test_openssl_validates_the_path_strictly(suite_id: str, tmp_path: Path) -> None:
    each = pki(suite_id)
    (tmp_path / "root.pem").write_bytes(Issued(each.root.certificate.der).pem)
    (tmp_path / "authority.pem").write_bytes(Issued(each.authority.certificate.der).pem)
    (tmp_path / "unit.pem").write_bytes(each.unit.pem)
    openssl = need("openssl")
    chain = ("-CAfile", "root.pem", "-untrusted", "authority.pem")
    done = subprocess.run(
        [openssl, "verify", "-x509_strict", "-purpose", "timestampsign", *chain, "unit.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "unit.pem: OK\n"), done.stderr
    shown = subprocess.run(
        [openssl, "x509", "-in", "unit.pem", "-noout", "-text"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Private Key Usage Period" in shown
    assert "X509v3 Extended Key Usage: critical\n                Time Stamping\n" in shown


def test_years_from_2050_are_generalized_time() -> None:
    signer = signer_of(SUITES[P256])
    root = CertificateAuthority.root(
        signer, name("root"), now=dt.datetime(2049, 1, 1, tzinfo=dt.UTC), days=3_650, path_length=None
    )
    validity = peer_x509.Certificate.load(root.certificate.der)["tbs_certificate"]["validity"]
    assert (validity["not_before"].name, validity["not_after"].name) == ("utc_time", "general_time")
    assert validity["not_before"].native == dt.datetime(2048, 12, 31, 23, 55, tzinfo=dt.UTC)
    assert validity["not_after"].native == dt.datetime(2058, 12, 30, tzinfo=dt.UTC)


def test_nothing_outlives_its_issuer() -> None:
    signer = signer_of(SUITES[P256])
    root = CertificateAuthority.root(signer, name("root"), now=NOW, days=10, path_length=None)
    unit = read_certificate(
        root.issue_unit(signer.public_key, name("unit"), now=NOW, days=20, key_days=15).der
    )
    assert unit.not_after == root.certificate.not_after == NOW_US + 10 * DAY_US
    assert unit.key_period is not None
    assert unit.key_period.not_after == unit.not_after
    later = NOW + dt.timedelta(days=2)
    unit = read_certificate(
        root.issue_unit(signer.public_key, name("unit"), now=later, days=1, key_days=1).der
    )
    assert unit.not_after == NOW_US + 3 * DAY_US
    earlier = NOW - dt.timedelta(minutes=3)
    unit = read_certificate(
        root.issue_unit(signer.public_key, name("unit"), now=earlier, days=1, key_days=1).der
    )
    assert unit.not_before == root.certificate.not_before


@pytest.mark.parametrize("days", [-1, 11])
def test_an_authority_that_is_not_valid_issues_nothing(days: int) -> None:
    signer = signer_of(SUITES[P256])
    root = CertificateAuthority.root(signer, name("root"), now=NOW, days=10, path_length=None)
    moment = NOW + dt.timedelta(days=days)
    with pytest.raises(IssuingError) as refused:
        root.issue_unit(signer.public_key, name("unit"), now=moment, days=1, key_days=1)
    assert refused.value.code is IssuingCode.NOT_VALID


@pytest.mark.parametrize(("own", "wanted"), [(0, 0), (1, 1), (1, None)])
def test_an_authority_issues_none_that_a_path_may_not_hold(own: int, wanted: int | None) -> None:
    signer = signer_of(SUITES[P256])
    root = CertificateAuthority.root(signer, name("root"), now=NOW, days=10, path_length=own)
    with pytest.raises(IssuingError) as refused:
        root.issue_ca(signer.public_key, name("below"), now=NOW, days=1, path_length=wanted)
    assert refused.value.code is IssuingCode.PATH_LENGTH


def test_a_unit_is_no_authority_and_a_key_issues_only_under_its_own_certificate() -> None:
    each = pki(P256)
    with pytest.raises(IssuingError) as refused:
        CertificateAuthority(signer_of(SUITES[P256]), each.unit.der)
    assert refused.value.code is IssuingCode.NO_AUTHORITY
    with pytest.raises(IssuingError) as refused:
        CertificateAuthority(signer_of(SUITES[ED25519]), each.root.certificate.der)
    assert refused.value.code is IssuingCode.KEY_MISMATCH


def test_no_two_serial_numbers_are_alike() -> None:
    root = pki(P256).root
    key = signer_of(SUITES[P256]).public_key
    serials = {
        read_certificate(root.issue_unit(key, name("unit"), now=NOW, days=1, key_days=1).der).serial
        for _ in range(50)
    }
    assert len(serials) == 50
    assert all(0 < serial < 2**159 for serial in serials)


def test_what_is_no_public_key_gets_no_certificate() -> None:
    for octets in (b"", b"\x30\x00", b"\x02\x01\x01", pki(P256).unit.der):
        with pytest.raises(WireError):
            pki(P256).root.issue_unit(octets, name("unit"), now=NOW, days=1, key_days=1)


def test_a_moment_without_its_zone_is_refused() -> None:
    """On a machine in Tokyo it would mean nine hours earlier than on one in London."""
    with pytest.raises(ValueError, match="2025-12-31"):
        CertificateAuthority.root(
            signer_of(SUITES[P256]),
            name("root"),
            now=dt.datetime(2026, 1, 1),  # noqa: DTZ001  # the point of the test
            days=1,
            path_length=None,
        )


def test_a_unit_cannot_stand_in_for_an_authority_in_a_path() -> None:
    """The key is an authority's; the certificate that the path shows is the unit's."""
    each = pki(P256)
    thief = each.authority.issue_unit(
        signer_of(SUITES[ED25519]).public_key, name("authority"), now=NOW, days=9, key_days=9
    )
    signer = signer_of(SUITES[ED25519])
    root = CertificateAuthority.root(signer, name("authority"), now=NOW, days=9, path_length=None)
    unit = root.issue_unit(signer.public_key, name("unit"), now=NOW, days=9, key_days=9)
    verdict = search(
        read_certificate(unit.der),
        read_certificate(thief.der),
        each.authority.certificate,
        root=each.root.certificate,
    )
    assert verdict.fault is not None
    assert verdict.fault.reason is Reason.NO_AUTHORITY
