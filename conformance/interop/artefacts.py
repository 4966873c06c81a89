"""What kokuin makes with one suite, as files for foreign programs: certificates, lists, answers, tokens."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.certification_request import unit_request
from kokuin.trust.ocsp import CertId, Plain, SingleResponse
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.encode import NULL
from kokuin.wire.pem import read_blocks, write_block
from kokuin.wire.tsp import TimeStampReq
from pqc.keyinfo import private_info
from pqc.suites import SUITES, Suite
from tests.pqc.keys import key_of, signer_of
from tests.trust.authorities import NOW, NOW_US, pki
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from pathlib import Path

    from pqc.signing import Signer

CONTENT = b"what is stamped\n" * 64
_HOUR = dt.timedelta(hours=1)
_SERIAL_REVOKED = 4711


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Files of one suite.

    `root`, `authority`, `unit` (certificates), `request`, `crl` and `ocsp` end in `.der`; the certificates
    and `chain` (authority and unit) also in `.pem`. `ocsp` says good of the unit, and is signed by the
    authority. `key.der` is the private key of all of them (PKCS#8). `token.der` holds the chain, `bare.der`
    no certificate; both stamp `content`.
    """

    suite: Suite
    folder: Path

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def damaged(self, name: str) -> tuple[Path, Path]:
        """Return two copies with one bit changed: in the last octet, and 200 octets before the end.

        In all files here a signature is last. Of a composite one, these are its two halves.
        """
        octets = (self / name).read_bytes()
        copies = []
        for at in (-1, -200):
            changed = bytearray(octets)
            changed[at] ^= 1
            path = self / f"{name}{at}"
            path.write_bytes(changed)
            copies.append(path)
        return copies[0], copies[1]


def make(base: Path, suite_id: str) -> Artefacts:
    """Return the files of a suite below `base`, made at the first call."""
    made = Artefacts(SUITES[suite_id], base / suite_id)
    if not made.folder.exists():
        made.folder.mkdir()
        _write_certificates(made)
        _write_statements(made)
        (made / "content").write_bytes(CONTENT)
        (made / "key.der").write_bytes(private_info(key_of(made.suite)))
        unit = unit_of(
            signer_of(made.suite), pki(suite_id).unit.der, (pki(suite_id).authority.certificate.der,)
        )
        for name, certificates in (("token.der", True), ("bare.der", False)):
            (made / name).write_bytes(unit.issue(stamp_request(certificates=certificates), NOW_US).token)
    return made


def unit_of(signer: Signer, certificate: bytes, chain: tuple[bytes, ...]) -> TimeStampUnit:
    """Return a unit of `signer` with its certificate (DER) and those above it."""
    read = pki(signer.suite.id).unit_certificate
    return TimeStampUnit(
        unit_id="unit",
        signer=signer,
        identity=SignerIdentity(certificate, read.issuer, read.serial, read.subject, chain),
        policy="1.3.6.1.4.1.32473.1",
        accuracy_us=1_000_000,
        period=KeyPeriod(NOW_US, NOW_US + 1),
        name_in_token=True,
    )


def stamp_request(*, certificates: bool) -> TimeStampReq:
    """Return a request for a stamp on `CONTENT`."""
    imprint = hashlib.sha512(CONTENT).digest()
    nonce = (7, b"\x02\x01\x07")
    return TimeStampReq(1, DIGEST_BY_NAME["sha512"].oid, NULL, imprint, None, *nonce, certificates, ())


def _write_certificates(made: Artefacts) -> None:
    own = pki(made.suite.id)
    certificates = {
        "root": own.root.certificate.der,
        "authority": own.authority.certificate.der,
        "unit": own.unit.der,
    }
    for name, der in certificates.items():
        (made / f"{name}.der").write_bytes(der)
        (made / f"{name}.pem").write_bytes(write_block("CERTIFICATE", der))
    (made / "chain.pem").write_bytes((made / "authority.pem").read_bytes() + (made / "unit.pem").read_bytes())
    ((_, request),) = read_blocks(unit_request(signer_of(made.suite), "試験 Test"), 1)
    (made / "request.der").write_bytes(request)


def _write_statements(made: Artefacts) -> None:
    own = pki(made.suite.id)
    revoked = {_SERIAL_REVOKED: Revocation(NOW - _HOUR, RevocationReason.KEY_COMPROMISE)}
    crl = own.authority.crl(revoked, this_update=NOW, next_update=NOW + _HOUR, number=1)
    (made / "crl.der").write_bytes(crl)
    named = CertId.of(own.authority.certificate, own.unit_certificate.serial, "sha1")
    answer = SingleResponse(named, Plain.GOOD, NOW, NOW + _HOUR)
    responder = own.authority.ocsp_responder()
    (made / "ocsp.der").write_bytes(responder.respond([answer], produced_at=NOW))
