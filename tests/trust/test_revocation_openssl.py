"""What lists and answers say, compared with what OpenSSL makes of them; where we differ, a line says why."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from kokuin.wire.pem import write_block
from tests.peers import need
from tests.trust.forge import AUTHORITY, DAY, NOW, NOW_US, UNIT, issue, pki
from tests.trust.revoking import RESPONDER, Reason, Taken, answer, checks, crl, judge, responder

if TYPE_CHECKING:
    from pathlib import Path

STRANGER = ec.generate_private_key(ec.SECP256R1())
DELTA = (x509.DeltaCRLIndicator(1), True)
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.9"), b"\x05\x00"), True)


def scope(*, users: bool = False, authorities: bool = False) -> tuple[x509.ExtensionType, bool]:
    """IssuingDistributionPoint of a list of one kind of certificates."""
    return x509.IssuingDistributionPoint(None, None, users, authorities, None, False, False), True


def taken(reason: x509.ReasonFlags | None, days: int = -1) -> Taken:
    return Taken(pki().unit, NOW + days * DAY, reason)


LISTS: dict[str, tuple[bytes, str, str | None]] = {
    "clear": (crl(pki().authority), "OK", None),
    "revoked": (crl(pki().authority, taken(Reason.key_compromise)), "certificate revoked", "REVOKED"),
    "revoked without a reason": (crl(pki().authority, taken(None)), "certificate revoked", "REVOKED"),
    "on hold": (crl(pki().authority, taken(Reason.certificate_hold)), "certificate revoked", "ON_HOLD"),
    "another is revoked": (
        crl(pki().authority, Taken(issue("Other", pki().authority, UNIT), NOW - DAY)),
        "OK",
        None,
    ),
    "of another key under the name": (
        crl(pki().authority, key=STRANGER),
        "CRL signature failure",
        "REVOCATION_FOREIGN_SIGNER",
    ),
    "of another authority": (crl(pki().root), "unable to get certificate CRL", "REVOCATION_OF_OTHERS"),
    "stale": (crl(pki().authority, until=NOW - DAY / 2), "CRL has expired", "REVOCATION_STALE"),
    # OpenSSL ends at the first fault; what was revoked once stays so.
    "stale and revoked": (
        crl(pki().authority, taken(None), until=NOW - DAY / 2),
        "CRL has expired",
        "REVOKED",
    ),
    "users alone": (crl(pki().authority, extensions=[scope(users=True)]), "OK", None),
    "authorities alone": (
        crl(pki().authority, extensions=[scope(authorities=True)]),
        "different CRL scope",
        "REVOCATION_PARTIAL",
    ),
    "unknown critical extension": (
        crl(pki().authority, extensions=[UNKNOWN]),
        "unhandled critical CRL extension",
        "REVOCATION_UNREADABLE",
    ),
    # OpenSSL does not look at dates of entries; the token is from before this revocation.
    "revoked later": (crl(pki().authority, taken(None, 1)), "certificate revoked", "REVOKED_SINCE_PROOF"),
    # OpenSSL wants a time that is not ahead; what is newer than the time asked about tells of it too.
    "from after the time asked about": (
        crl(pki().authority, this=NOW + DAY),
        "CRL is not yet valid",
        None,
    ),
}


def openssl_says(der: bytes, folder: Path) -> str:
    """Have OpenSSL verify the unit's certificate with a list."""
    for name, octets in {
        "root.pem": pki().root.pem,
        "authority.pem": pki().authority.pem,
        "unit.pem": pki().unit.pem,
        "list.pem": write_block("X509 CRL", der),
    }.items():
        (folder / name).write_bytes(octets)
    trust = ("-CAfile", "root.pem", "-untrusted", "authority.pem", "-attime", str(NOW_US // 1_000_000))
    return run(folder, "verify", *trust, "-crl_check", "-CRLfile", "list.pem", "unit.pem")


@pytest.mark.parametrize("case", LISTS)
def test_openssl_makes_the_same_of_a_list_or_the_difference_is_known(case: str, tmp_path: Path) -> None:
    der, theirs, ours = LISTS[case]
    said = openssl_says(der, tmp_path)
    assert theirs in said
    assert (theirs == "OK") == ("unit.pem: OK" in said)
    assert checks(judge(der))[0].reason == ours


def test_a_delta_does_not_clear_also_where_openssl_takes_it_for_the_whole(tmp_path: Path) -> None:
    """It says nothing of what was revoked before; OpenSSL knows that since a release of 3.0."""
    der = crl(pki().authority, extensions=[DELTA])
    said = openssl_says(der, tmp_path)
    assert ("unit.pem: OK" in said) != ("unable to get certificate CRL" in said)
    assert checks(judge(der))[0].reason == "REVOCATION_PARTIAL"


def test_openssl_too_stops_at_a_revoked_intermediate(tmp_path: Path) -> None:
    taken_back = crl(pki().root, Taken(pki().authority, NOW - DAY, Reason.ca_compromise))
    for of_root, theirs, ours in (
        (taken_back, "certificate revoked", "AUTHORITY_REVOKED"),
        (crl(pki().root), "unit.pem: OK", None),
    ):
        lists = (crl(pki().authority), of_root)
        (tmp_path / "root.pem").write_bytes(pki().root.pem)
        (tmp_path / "authority.pem").write_bytes(pki().authority.pem)
        (tmp_path / "unit.pem").write_bytes(pki().unit.pem)
        (tmp_path / "lists.pem").write_bytes(b"".join(write_block("X509 CRL", each) for each in lists))
        trust = ("-CAfile", "root.pem", "-untrusted", "authority.pem", "-attime", str(NOW_US // 1_000_000))
        said = run(tmp_path, "verify", *trust, "-crl_check_all", "-CRLfile", "lists.pem", "unit.pem")
        assert theirs in said
        assert checks(judge(*lists))[1].reason == ours


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [need("openssl"), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


OTHER = issue("Other", pki().authority, UNIT)
WITHOUT_PURPOSE = issue("Customer", pki().authority, RESPONDER[1:])
FOREIGN = responder(issue("Authority", None, AUTHORITY))

ANSWERS: dict[str, tuple[bytes, str, str, str | None]] = {
    "good": (answer(pki().authority, pki().unit), "verify OK", "\ngood\n", None),
    "good, by a responder": (
        answer(pki().authority, pki().unit, responder=responder()),
        "verify OK",
        "\ngood\n",
        None,
    ),
    "good, by a responder's key": (
        answer(pki().authority, pki().unit, responder=responder(), by_key=True),
        "verify OK",
        "\ngood\n",
        None,
    ),
    "revoked": (
        answer(pki().authority, pki().unit, taken(Reason.superseded)),
        "verify OK",
        "\nrevoked\n",
        "REVOKED",
    ),
    "unknown": (
        answer(pki().authority, pki().unit, status="unknown"),
        "verify OK",
        "\nunknown\n",
        "REVOCATION_UNKNOWN",
    ),
    "about another certificate": (
        answer(pki().authority, OTHER),
        "verify OK",
        "No Status found",
        "REVOCATION_OF_OTHERS",
    ),
    "by a certificate without OCSP signing": (
        answer(pki().authority, pki().unit, responder=WITHOUT_PURPOSE),
        "Verify Failure",
        "\ngood\n",
        "REVOCATION_FOREIGN_SIGNER",
    ),
    "by a namesake's responder": (
        answer(pki().authority, pki().unit, responder=FOREIGN),
        "Verify Failure",
        "\ngood\n",
        "REVOCATION_FOREIGN_SIGNER",
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_openssl_makes_the_same_of_an_answer(case: str, tmp_path: Path) -> None:
    """Of the dates of an answer OpenSSL judges by its own clock alone, so they are not compared."""
    der, verified, status, ours = ANSWERS[case]
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    (tmp_path / "authority.pem").write_bytes(pki().authority.pem)
    (tmp_path / "unit.pem").write_bytes(pki().unit.pem)
    (tmp_path / "answer.der").write_bytes(der)
    question = ("-sha256", "-issuer", "authority.pem", "-cert", "unit.pem", "-no_nonce")
    trust = ("-CAfile", "root.pem", "-verify_other", "authority.pem", "-attime", str(NOW_US // 1_000_000))
    said = run(tmp_path, "ocsp", *question, *trust, "-respin", "answer.der")
    assert verified in said
    assert status in said
    assert checks(judge(answers=[der]))[0].reason == ours
