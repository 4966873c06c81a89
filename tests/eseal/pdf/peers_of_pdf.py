"""What pyHanko, poppler and qpdf say of a sealed PDF."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
from typing import TYPE_CHECKING

from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec, SignatureValidationSpec
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from tests.peers import need

if TYPE_CHECKING:
    from pathlib import Path

    from pyhanko.sign.validation.status import PdfSignatureStatus

    from tests.eseal.pki import SealPki


def pyhanko_says(document: bytes, pki: SealPki) -> list[PdfSignatureStatus]:
    """Statuses of all seals of a document by pyHanko, today, with the root alone to trust."""
    reader = PdfFileReader(io.BytesIO(document))
    return [
        validate_pdf_signature(each, _trust(pki), _trust(pki)) for each in reader.embedded_regular_signatures
    ]


def pyhanko_says_of_stamps(document: bytes, pki: SealPki) -> list[bool]:
    """Whether pyHanko finds each document time-stamp good."""
    reader = PdfFileReader(io.BytesIO(document))
    statuses = [validate_pdf_timestamp(each, _trust(pki)) for each in reader.embedded_timestamp_signatures]
    return [status.valid and status.trusted and status.intact for status in statuses]


def pyhanko_says_of_archive(document: bytes, pki: SealPki) -> list[str]:
    """What pyHanko's process for long-term validation (EN 319 102-1 §5.6.3) says of each seal, offline.

    Revocation data is required for every certificate, and there is none but in the document.
    """
    trust = SimpleTrustManager.build(trust_roots=_roots(pki))
    policy = CertValidationPolicySpec(trust, CertRevTrustPolicy(REQUIRE_REVINFO))
    spec = PdfSignatureValidationSpec(SignatureValidationSpec(policy))
    reader = PdfFileReader(io.BytesIO(document))
    return [
        asyncio.run(ades_lta_validation(each, spec)).ades_subindic.status.name
        for each in reader.embedded_regular_signatures
    ]


def _trust(pki: SealPki) -> ValidationContext:
    return ValidationContext(trust_roots=_roots(pki), allow_fetching=False)


def _roots(pki: SealPki) -> list[object]:
    return list(load_certs_from_pemder_data(pki.root.certificate.der))


def pdfsig_says(document: bytes, folder: Path) -> list[dict[str, str]]:
    """What poppler's pdfsig prints of every signature, by its labels; trust is not its business here."""
    path = folder / "sealed.pdf"
    path.write_bytes(document)
    ran = subprocess.run([need("pdfsig"), "-nocert", str(path)], capture_output=True, text=True, check=False)
    parts = re.split(r"^Signature #\d+:$", ran.stdout, flags=re.MULTILINE)[1:]
    return [
        {
            label.strip(" -"): value.strip()
            for label, colon, value in (line.partition(":") for line in part.splitlines())
            if colon
        }
        for part in parts
    ]


def qpdf_says(document: bytes, folder: Path) -> str:
    """What qpdf's check finds wrong; empty: nothing."""
    path = folder / "checked.pdf"
    path.write_bytes(document)
    ran = subprocess.run([need("qpdf"), "--check", str(path)], capture_output=True, text=True, check=False)
    return ran.stderr + (ran.stdout if ran.returncode else "")
