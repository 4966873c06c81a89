from __future__ import annotations

import datetime as dt
import functools
import subprocess
from typing import TYPE_CHECKING

import pytest
from asn1crypto import core  # type: ignore[import-untyped]
from asn1crypto import crl as peer_crl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.trust.revocation_reader import read_revocation_list
from kokuin.trust.tbs import Issued
from kokuin.wire import encode, oids
from kokuin.wire.errors import WireError
from kokuin.wire.pem import write_block
from pqc.verifying import SignatureOutcome
from tests.peers import need
from tests.trust.authorities import CRYPTOGRAPHY, EVERY, NOW, OPENSSL, flipped, outcome, pki

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DAY = dt.timedelta(days=1)
REVOKED = {
    2**158 + 1: Revocation(NOW - DAY),
    7: Revocation(NOW - 2 * DAY, RevocationReason.KEY_COMPROMISE),
    8: Revocation(dt.datetime(2051, 1, 1, tzinfo=dt.UTC), RevocationReason.AA_COMPROMISE),
    9: Revocation(NOW, RevocationReason.UNSPECIFIED),
    10: Revocation(NOW, RevocationReason.KEY_COMPROMISE, NOW - 30 * DAY),
}


def crl(suite_id: str, revoked: Mapping[int, Revocation]) -> bytes:
    return pki(suite_id).authority.crl(revoked, this_update=NOW, next_update=NOW + 7 * DAY, number=300)


@functools.cache
def full(suite_id: str) -> bytes:
    """Return the list with all entries; some suites take a second to sign one."""
    return crl(suite_id, REVOKED)


@pytest.mark.parametrize("suite_id", EVERY)
def test_a_list_of_every_suite_is_signed_by_its_authority(suite_id: str) -> None:
    der = full(suite_id)
    key = pki(suite_id).authority.certificate.public_key
    assert outcome(der, key) is SignatureOutcome.VALID
    signature = peer_crl.CertificateList.load(der)["signature"].native
    for at in (der.index(b"\x02\x01\x07") + 2, len(der) - len(signature), len(der) - 1):
        assert outcome(flipped(der, at), key) is not SignatureOutcome.VALID


@pytest.mark.parametrize("suite_id", EVERY)
def test_an_independent_reader_finds_every_field(suite_id: str) -> None:
    authority = pki(suite_id).authority.certificate
    found = peer_crl.CertificateList.load(full(suite_id), strict=True)
    tbs = found["tbs_cert_list"]
    assert tbs["version"].native == "v2"
    assert tbs["signature"].dump() == found["signature_algorithm"].dump()
    assert tbs["issuer"].dump() == authority.subject
    assert tbs["this_update"].native == NOW
    assert tbs["next_update"].native == NOW + 7 * DAY
    entries = {
        entry["user_certificate"].native: (
            entry["revocation_date"].native,
            entry["revocation_date"].name,
            None if entry.crl_reason_value is None else entry.crl_reason_value.native,
            None if entry.invalidity_date_value is None else entry.invalidity_date_value.native,
        )
        for entry in tbs["revoked_certificates"]
    }
    assert entries == {
        7: (NOW - 2 * DAY, "utc_time", "key_compromise", None),
        8: (REVOKED[8].at, "general_time", "aa_compromise", None),
        9: (NOW, "utc_time", "unspecified", None),
        10: (NOW, "utc_time", "key_compromise", NOW - 30 * DAY),
        2**158 + 1: (NOW - DAY, "utc_time", None, None),
    }
    assert found.critical_extensions == set()
    assert found.crl_number_value.native == 300
    assert found.authority_key_identifier == authority.subject_key_id


@pytest.mark.parametrize("suite_id", EVERY)
def test_our_own_reader_finds_every_entry_and_no_other(suite_id: str) -> None:
    authority = pki(suite_id).authority.certificate
    found = read_revocation_list(full(suite_id))
    assert found.signed_by(authority.public_key).outcome is SignatureOutcome.VALID
    assert {serial: found.find(serial, authority.subject) for serial in REVOKED} == REVOKED
    for serial in (0, 1, 6, 11, 2**158, -1):
        assert found.find(serial, authority.subject) is None
    assert found.find(7, pki(suite_id).root.certificate.subject) is None


@pytest.mark.parametrize("suite_id", EVERY)
def test_an_empty_list_is_left_out(suite_id: str) -> None:
    """RFC 5280 §5.1.2.6: strict readers refuse an empty revokedCertificates."""
    der = crl(suite_id, {})
    assert len(x509.load_der_x509_crl(der)) == 0
    # Not looked for as octets: the name of a key may hold any two.
    revoked = peer_crl.CertificateList.load(der)["tbs_cert_list"]["revoked_certificates"]
    assert isinstance(revoked, core.Void)


@pytest.mark.parametrize("suite_id", CRYPTOGRAPHY)
def test_cryptography_verifies_the_list(suite_id: str) -> None:
    found = x509.load_der_x509_crl(full(suite_id))
    key = load_der_public_key(pki(suite_id).authority.certificate.public_key)
    assert found.is_signature_valid(key)  # type: ignore[arg-type]  # whatever key the suite has
    entry = found.get_revoked_certificate_by_serial_number(7)
    assert entry is not None
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise


@pytest.mark.parametrize("suite_id", OPENSSL)
def test_openssl_verifies_the_list_and_finds_the_unit_in_it(suite_id: str, tmp_path: Path) -> None:
    each = pki(suite_id)
    revoked = {each.unit_certificate.serial: Revocation(NOW - DAY, RevocationReason.SUPERSEDED)}
    files = {
        "root.pem": Issued(each.root.certificate.der).pem,
        "authority.pem": Issued(each.authority.certificate.der).pem,
        "unit.pem": each.unit.pem,
        "clean.pem": write_block("X509 CRL", crl(suite_id, {})),
        "revoked.pem": write_block("X509 CRL", crl(suite_id, revoked)),
    }
    for file, octets in files.items():
        (tmp_path / file).write_bytes(octets)
    openssl = need("openssl")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [openssl, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    assert "verify OK" in run("crl", "-in", "revoked.pem", "-CAfile", "authority.pem", "-noout")
    chain = ("-CAfile", "root.pem", "-untrusted", "authority.pem", "-crl_check", "-x509_strict")
    assert "unit.pem: OK" in run("verify", *chain, "-CRLfile", "clean.pem", "unit.pem")
    assert "certificate revoked" in run("verify", *chain, "-CRLfile", "revoked.pem", "unit.pem")


def test_a_list_whose_extensions_are_an_empty_tag_is_refused() -> None:
    algorithm = encode.sequence(encode.oid(oids.ID_ED25519))
    issuer = pki("ed25519").authority.certificate.subject
    version, date = encode.integer(1), encode.x509_time(0)
    for extensions in (b"", encode.sequence() + encode.sequence()):
        tbs = encode.sequence(version, algorithm, issuer, date, encode.explicit(0, extensions))
        with pytest.raises(WireError):
            read_revocation_list(encode.sequence(tbs, algorithm, encode.bit_string(bytes(64))))
