"""Damaged seals of every format given to finder and judge: a verdict each, never our reader's own fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal import cades_find, jades_find
from eseal.cades_find import CMS_LIMITS
from eseal.jades_form import read_jws
from eseal.jades_refusal import JadesRefusedError
from eseal.judging import judge_document, refuse_document
from eseal.pdf import find as pdf_find
from eseal.profile import Format
from eseal.rules import SealReason
from eseal.values import Found
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from kokuin.wire.ber import definite
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from tests.eseal.cms_forge import DATA as CMS_DATA
from tests.eseal.json_mutator import JsonMutator
from tests.eseal.pdf.mutations import PdfMutator
from tests.eseal.pdf.mutations import seeds as pdf_seeds
from tests.eseal.pki import NOW_US, seal_pki
from tests.eseal.sealed_data import Data
from tests.eseal.seeds import BESIDE, cades_seeds, jades_seeds
from tests.measured import take_all
from tests.mutators import Mutator

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.values import Content
    from kokuin.trust.report import Check, Report
    from tests.measured import Run

LATER_US = NOW_US + 3_600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """A format, and what is thrown at it.

    Attributes:
        find: its finder.
        content: what detached seals are about.
        source: returns what makes damaged seals, by a seed.
        genuine: whether what passed is what somebody sealed.
    """

    find: Callable[[bytes, Content | None], Found | Check]
    content: Content | None
    source: Callable[[int], Callable[[], bytes]]
    genuine: Callable[[bytes], bool]

    def judge(self, form: Format, document: bytes, at_us: int = LATER_US) -> Report:
        """Judge a document by the tests' PKI."""
        context = Context(at_us, seal_pki().trust)
        found = self.find(document, self.content)
        if isinstance(found, Found):
            return judge_document(found, context)
        return refuse_document(form, found, context)


def _signed_json(octets: bytes) -> set[tuple[str | None, str, str]]:
    """Payload, protected header and signature of every signature, as texts."""
    try:
        jws = read_jws(octets)
    except JadesRefusedError:
        return set()
    return {(jws.payload, each.protected, each.signature) for each in jws.signatures}


def _signed_cms(octets: bytes) -> set[tuple[bytes, bytes | None, bytes]]:
    """Content, its signed digest and the signature of every signature: signed attributes are read as BER.

    What was taken out of a seal and lies beside it is the same content.
    """
    try:
        signed = read_signed_data(definite(octets, CMS_LIMITS))
    except WireError:
        return set()
    content = CMS_DATA if signed.content is None else signed.content
    return {(content, each.message_digest(), each.signature) for each in signed.signer_infos}


TARGETS = {
    Format.PDF: Target(
        pdf_find.find,
        None,
        lambda seed: PdfMutator(pdf_seeds(), seed).next,
        # What is added behind a seal is judged by itself.
        lambda octets: any(octets.startswith(each) for each in pdf_seeds()),
    ),
    Format.JSON: Target(
        jades_find.find,
        BESIDE,
        lambda seed: JsonMutator(jades_seeds(), seed).next,
        lambda octets: _signed_json(octets) <= set().union(*map(_signed_json, jades_seeds())),
    ),
    Format.CADES: Target(
        cades_find.find,
        Data(CMS_DATA),
        lambda seed: Mutator(cades_seeds(), seed).next,
        lambda octets: _signed_cms(octets) <= set().union(*map(_signed_cms, cades_seeds())),
    ),
}


def judge_pdf(document: bytes) -> Report:
    """Judge a PDF."""
    return TARGETS[Format.PDF].judge(Format.PDF, document)


def run_judging(form: Format, seed: int, count: int) -> Run:
    """Judge so many damaged seals of a format."""
    target = TARGETS[form]

    def work(octets: bytes) -> Callable[[], str]:
        report = target.judge(form, octets)
        return lambda: _examine(target, octets, report)

    return take_all(count, target.source(seed), work)


def _examine(target: Target, octets: bytes, report: Report) -> str:
    """Return the verdict.

    Raises:
        AssertionError: it is none, or not one that is due.
    """
    assert f'"{SealReason.READER_FAILED}"' not in report.to_json(), "our own reader failed"
    assert (report.indication is Indication.PASSED) == (report.sub_indication is None)
    if report.indication is Indication.PASSED:
        assert target.genuine(octets), "passed"
    return f"{report.indication} {report.sub_indication or ''}".rstrip()
