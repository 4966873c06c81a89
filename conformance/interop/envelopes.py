"""Envelopes to an ML-KEM recipient: Bouncy Castle and OpenSSL open ours, and we open theirs."""

from __future__ import annotations

import datetime as dt
import subprocess
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from conformance.interop.checks import Check
from kokuin.wire import oids
from pqc.envelope import open_envelope, seal_envelope
from pqc.envelope_suites import ENVELOPE_SUITES, Container, EnvelopeSuite
from pqc.kem import RecipientKey, generate_kem_key, recipient_key
from pqc.kem_files import read_recipient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.interop.bouncycastle.java import BouncyCastle

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


def _cases(base: Path) -> list[Case]:
    return [_case(suite, base) for suite in ENVELOPE_SUITES.values() if suite.container is Container.CMS]


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


def bouncy_castle_checks(peer: BouncyCastle, base: Path) -> Iterator[Check]:
    """Both ways with a key identifier and with a certificate; `base` is a folder of its own."""
    for case in _cases(base):
        for kind in TYPES:
            label = f"{case.suite.id} {kind}"
            yield Check(f"{label}: it opens our envelope", partial(_castle_opens, peer, case, kind))
            yield Check(f"{label}: we open its envelope", partial(_castle_seals, peer, case, kind))
        yield Check(f"{case.suite.id}: it refuses a damaged envelope", partial(_castle_refuses, peer, case))


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


def openssl_checks(program: Path, base: Path) -> Iterator[Check]:
    """Both ways with an OpenSSL from 3.6 on; older ones know no KEMRecipientInfo. `base` as above."""
    for case in _cases(base):
        for kind in TYPES:
            label = f"{case.suite.id} {kind}: it opens our envelope"
            yield Check(label, partial(_openssl_opens, program, case, kind))
        for words in ((), ("-keyid",), ("-stream", "-indef")):
            label = f"{' '.join((case.suite.id, *words))}: we open its envelope"
            yield Check(label, partial(_openssl_seals, program, case, words))


def _openssl_opens(program: Path, case: Case, kind: str) -> None:
    path = case.folder / "ours"
    path.write_bytes(seal_envelope(case.suite, case.key.recipient, CONTENT, content_type_oid=kind))
    words = [str(program), "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(path)]
    words += ["-inkey", str(case.folder / "key.pem"), "-recip", str(case.folder / "certificate.pem")]
    assert subprocess.run(words, check=True, capture_output=True).stdout == CONTENT


def _openssl_seals(program: Path, case: Case, options: tuple[str, ...]) -> None:
    words = [str(program), "cms", "-encrypt", "-binary", "-aes-256-gcm", "-in", str(case.folder / "content")]
    words += ["-outform", "DER", "-recip", str(case.folder / "certificate.pem"), *options]
    sealed = subprocess.run(words, check=True, capture_output=True).stdout
    assert open_envelope(case.key, sealed) == CONTENT
