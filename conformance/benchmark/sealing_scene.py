"""What seals are measured with: a development PKI in memory, documents, and pyHanko with the same key.

Run as `python -m conformance.benchmark.sealing_scene FILE PAGES OCTETS`, it writes a document.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from asn1crypto import cms  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from eseal.pdf.orders import PdfSealOrder
from eseal.pdf.sealing import PdfSealer
from eseal.pdf.stamping import Stamping
from eseal.values import Level, SealKey
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.name import distinguished_name
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.tsp import TimeStampReq
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    import io
    from collections.abc import Callable

SUITE = "ecdsa-p256-sha256"
_SECOND_US = 1_000_000


def make_document(pages: int = 1, ballast: int = 0) -> bytes:
    """Return a document of that many pages, whose content streams have `ballast` octets more together."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d/MediaBox[0 0 595 842]>>" % (kids, pages),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number in range(pages):
        text = b"BT /F1 12 Tf 72 720 Td (Page %d) Tj ET\n%s" % (number + 1, b" " * (ballast // pages))
        resources = b"/Resources<</Font<</F1 3 0 R>>>>"
        objects.append(b"<</Type/Page/Parent 2 0 R%s/Contents %d 0 R>>" % (resources, 5 + 2 * number))
        objects.append(b"<</Length %d>>\nstream\n%s\nendstream" % (len(text), text))
    parts, offsets, at = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"], [], 15
    for number, each in enumerate(objects, 1):
        offsets.append(at)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, each))
        at += len(parts[-1])
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table))
    parts.append(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, at))
    return b"".join(parts)


class Scene:
    """A seal key below an authority, and a time-stamp unit beside it, which answers in this process."""

    digest = "sha256"

    def __init__(self) -> None:
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        names = [distinguished_name("Benchmark", name) for name in ("root", "authority", "unit", "seal")]
        ca, unit = (SoftwareSigner(suite(SUITE), generate_key(suite(SUITE))) for _ in range(2))
        private = generate_key(suite(SUITE))
        signer = SoftwareSigner(suite(SUITE), private)
        root = CertificateAuthority.root(ca, names[0], now=now, days=3_650, path_length=1)
        below = root.issue_ca(ca.public_key, names[1], now=now, days=3_600, path_length=0)
        authority = CertificateAuthority(ca, below.der)
        stamps = authority.issue_unit(unit.public_key, names[2], now=now, days=365, key_days=300).der
        seal = authority.issue_seal(signer.public_key, names[3], now=now, days=365, statements=None).der
        self.key = SealKey(signer, seal, (below.der,))
        self._unit = _unit(unit, stamps, below.der)
        self._pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def stamp(self, imprint: bytes) -> bytes:
        """Return a token over an imprint."""
        algorithm = DIGEST_BY_NAME[self.digest]
        request = TimeStampReq(1, algorithm.oid, algorithm.parameters, imprint, None, None, None, True, ())
        return self._unit.issue(request, time.time_ns() // 1_000).token

    def ours(self, level: Level) -> Callable[[io.BytesIO], None]:
        """Return what seals a document as we do."""
        sealer = PdfSealer((self.key,), Stamping(self))

        def seal(document: io.BytesIO) -> None:
            sealer.seal(document, PdfSealOrder(level, time.time_ns() // 1_000))

        return seal

    def pyhanko(self, level: Level) -> Callable[[io.BytesIO], None]:
        """Return what seals a document as pyHanko's documentation shows, without an estimate of its size."""
        certificate, authority = (
            next(iter(load_certs_from_pemder_data(der))) for der in (self.key.certificate, *self.key.chain)
        )
        store = SimpleCertificateStore.from_certs([authority])
        signer = SimpleSigner(
            signing_cert=certificate,
            signing_key=load_private_key_from_pemder_data(self._pkcs8, None),
            cert_registry=store,
        )
        how = PdfSignatureMetadata("Seal1", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
        stamper = None if level is Level.B_B else _PyhankoStamper(self.stamp)
        sealer = PdfSigner(how, signer, timestamper=stamper)

        def seal(document: io.BytesIO) -> None:
            asyncio.run(sealer.async_sign_pdf(IncrementalPdfFileWriter(document), in_place=True))

        return seal


class _PyhankoStamper(TimeStamper):
    """The same unit, as pyHanko asks one; request and response are not encoded, which is to its advantage."""

    def __init__(self, stamp: Callable[[bytes], bytes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stamp = stamp

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """Return a token."""
        if md_algorithm != Scene.digest:
            raise ValueError(md_algorithm)
        return cms.ContentInfo.load(self._stamp(message_digest))


def _unit(signer: SoftwareSigner, certificate: bytes, authority: bytes) -> TimeStampUnit:
    read = read_certificate(certificate)
    return TimeStampUnit(
        unit_id="unit",
        signer=signer,
        identity=SignerIdentity(certificate, read.issuer, read.serial, read.subject, (authority,)),
        policy="1.3.6.1.4.1.32473.1",
        accuracy_us=_SECOND_US,
        period=KeyPeriod(read.not_before, read.not_after),
        name_in_token=False,
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(make_document(int(sys.argv[2]), int(sys.argv[3])))
