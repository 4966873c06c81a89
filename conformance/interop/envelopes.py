"""Envelopes to an ML-KEM recipient: Bouncy Castle and OpenSSL open ours, and we open theirs.

Bouncy Castle comes through Maven. OpenSSL is tried when `KOKUIN_OPENSSL` is the path of one from 3.6
on; older ones know no KEMRecipientInfo.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from conformance.interop.bouncycastle.java import AbsentError, BouncyCastle, bouncy_castle
from kokuin.wire import oids
from pqc.envelope import open_envelope, seal_envelope
from pqc.envelope_suites import ENVELOPE_SUITES, Container, EnvelopeSuite
from pqc.kem import RecipientKey, generate_kem_key, recipient_key
from pqc.kem_files import read_recipient

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = bytes(range(256)) * 40
TYPES = (oids.ID_DATA, "1.3.6.1.4.1.32473.5")


@dataclass(frozen=True, slots=True)
class Case:
    """A fresh key with its certificate, and the folder where the programs meet.

    Attributes:
        suite: one in CMS.
        key: with the identifiers of `certificate`.
        certificate: names the key by the usual key identifier.
        folder: holds `key.der`, `key.pem`, `public.der`, `certificate.der`, `certificate.pem`, `content`.
    """

    suite: EnvelopeSuite
    key: RecipientKey
    certificate: x509.Certificate
    folder: Path


def main() -> int:
    """Run every pair; 1 when one fails. An absent peer is said, and fails too under `REQUIRE_PEERS=1`."""
    missing = False
    with tempfile.TemporaryDirectory() as name:
        cases = [
            _case(suite, Path(name)) for suite in ENVELOPE_SUITES.values() if suite.container is Container.CMS
        ]
        checks: list[tuple[str, Callable[[], None]]] = []
        for peer in (_bouncy_castle_checks, _openssl_checks):
            try:
                checks += peer(cases, Path(name))
            except AbsentError as absent:
                print(f"absent   {absent}")
                missing = True
        failed = [label for label, check in checks if not _passes(label, check)]
    return 1 if failed or (missing and os.environ.get("REQUIRE_PEERS") == "1") else 0


def _passes(label: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except (AssertionError, ValueError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or ""
        print(f"FAILED   {label}: {error!r}\n{said if isinstance(said, str) else said.decode()}")
        return False
    print(f"ok       {label}")
    return True


def _case(suite: EnvelopeSuite, base: Path) -> Case:
    fresh = generate_kem_key(suite.kem)
    public = fresh.ml_kem.public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Recovery")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(
            name, name, public, x509.random_serial_number(), start, start + dt.timedelta(30)
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    folder = base / suite.id
    folder.mkdir()
    for encoding in (Encoding.DER, Encoding.PEM):
        end = "der" if encoding is Encoding.DER else "pem"
        (folder / f"key.{end}").write_bytes(
            fresh.ml_kem.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / f"certificate.{end}").write_bytes(certificate.public_bytes(encoding))
    (folder / "public.der").write_bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    (folder / "content").write_bytes(CONTENT)
    named = read_recipient(certificate.public_bytes(Encoding.DER))
    return Case(suite, recipient_key(fresh.ml_kem, None, named.identifiers), certificate, folder)


def _bouncy_castle_checks(cases: list[Case], base: Path) -> list[tuple[str, Callable[[], None]]]:
    classes = base / "classes"
    classes.mkdir()
    peer = bouncy_castle(classes)
    checks: list[tuple[str, Callable[[], None]]] = []
    for case in cases:
        for kind in TYPES:
            label = f"{case.suite.id} {kind}"
            checks += [
                (f"Bouncy Castle opens ours, {label}", partial(_castle_opens, peer, case, kind)),
                (f"we open Bouncy Castle's, {label}", partial(_castle_seals, peer, case, kind)),
            ]
        checks.append(
            (f"Bouncy Castle refuses a damaged one, {case.suite.id}", partial(_castle_refuses, peer, case))
        )
    return checks


def _castle_opens(peer: BouncyCastle, case: Case, kind: str) -> None:
    path = case.folder / "ours"
    path.write_bytes(seal_envelope(case.suite, case.key.recipient, CONTENT, content_type_oid=kind))
    assert peer.run("Envelope", "open", case.folder / "key.der", path).strip() == kind
    assert (case.folder / "ours.opened").read_bytes() == CONTENT


def _castle_seals(peer: BouncyCastle, case: Case, kind: str) -> None:
    content, sealed = case.folder / "content", case.folder / "content.sealed"
    identifier = x509.SubjectKeyIdentifier.from_public_key(case.key.ml_kem.public_key()).digest.hex()
    peer.run("Envelope", "seal", "key", case.folder / "public.der", identifier, content, kind)
    # The key alone is enough for what names it by its identifier.
    assert (
        open_envelope(recipient_key(case.key.ml_kem), sealed.read_bytes(), content_type_oid=kind) == CONTENT
    )
    peer.run("Envelope", "seal", "certificate", case.folder / "certificate.der", content, kind)
    assert open_envelope(case.key, sealed.read_bytes(), content_type_oid=kind) == CONTENT


def _castle_refuses(peer: BouncyCastle, case: Case) -> None:
    path = case.folder / "damaged"
    envelope = seal_envelope(case.suite, case.key.recipient, CONTENT)
    path.write_bytes(envelope[:-1] + bytes((envelope[-1] ^ 1,)))
    try:
        peer.run("Envelope", "open", case.folder / "key.der", path)
    except subprocess.CalledProcessError:
        return
    raise AssertionError("it was opened")


def _openssl_checks(cases: list[Case], base: Path) -> list[tuple[str, Callable[[], None]]]:
    program = os.environ.get("KOKUIN_OPENSSL")
    if program is None:
        raise AbsentError("KOKUIN_OPENSSL names no OpenSSL from 3.6 on")
    said = subprocess.run([program, "version"], check=True, capture_output=True, text=True, cwd=base).stdout
    version = re.match(r"OpenSSL (\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < (3, 6):
        raise AbsentError(f"KOKUIN_OPENSSL is {said.strip()}: CMS knows KEM recipients from 3.6 on")
    checks: list[tuple[str, Callable[[], None]]] = []
    for case in cases:
        for kind in TYPES:
            label = f"OpenSSL opens ours, {case.suite.id} {kind}"
            checks.append((label, partial(_openssl_opens, program, case, kind)))
        for words in ((), ("-keyid",), ("-stream", "-indef")):
            label = f"we open OpenSSL's, {case.suite.id} {' '.join(words)}"
            checks.append((label, partial(_openssl_seals, program, case, words)))
    return checks


def _openssl_opens(program: str, case: Case, kind: str) -> None:
    path = case.folder / "ours"
    path.write_bytes(seal_envelope(case.suite, case.key.recipient, CONTENT, content_type_oid=kind))
    words = [program, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(path)]
    words += ["-inkey", str(case.folder / "key.pem"), "-recip", str(case.folder / "certificate.pem")]
    assert subprocess.run(words, check=True, capture_output=True).stdout == CONTENT


def _openssl_seals(program: str, case: Case, options: tuple[str, ...]) -> None:
    words = [program, "cms", "-encrypt", "-binary", "-aes-256-gcm", "-in", str(case.folder / "content")]
    words += ["-outform", "DER", "-recip", str(case.folder / "certificate.pem"), *options]
    sealed = subprocess.run(words, check=True, capture_output=True).stdout
    assert open_envelope(case.key, sealed) == CONTENT


if __name__ == "__main__":
    sys.exit(main())
