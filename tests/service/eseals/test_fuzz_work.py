"""What a child does with damaged documents and bombs: a seal that holds, or a refusal with a code."""

from __future__ import annotations

import pytest

from eseal.profile import Format
from eseal.values import Level, Material
from kokuin.service.eseals import work
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.stamping import DIGEST
from kokuin.service.eseals.tasks import Act
from tests.eseal.pdf.plain import pages, stream
from tests.eseal.pki import seal_key, seal_pki
from tests.service.eseals.fuzz_work import WORKS, run_work

CPU_S = 10.0
"""Processor time that no document takes on a busy machine, seconds."""


@pytest.mark.parametrize(("act", "form"), WORKS)
def test_250_damaged_documents_are_sealed_so_that_it_holds_or_refused(act: Act, form: Format) -> None:
    run = run_work(act, form, 3161, 250)
    assert not run.violations, [what for what, _ in run.violations]
    assert any(verdict.startswith(("sealed", "extended")) for verdict in run.verdicts)
    assert run.slowest[0] < CPU_S


def test_a_pdf_that_a_verifier_reads_otherwise_is_not_sealed() -> None:
    """Attack: whoever prepares a file that readers understand differently gets a seal on it."""
    pki, form_in_a_stream = seal_pki(), pages(catalog=b"/AcroForm 5 0 R", more=[stream(b"", b"/Fields[]")])
    order = work.Order(form_in_a_stream, None, (seal_key(),), {})
    with pytest.raises(SealRefusedError) as error:
        work.make(
            work.work_of(Format.PDF),
            Act.SEAL,
            order,
            (Level.B_B, Level.B_B),
            work.Counting(pki.stamper("ed25519").stamp, DIGEST),
            lambda _: Material((), pki.revocation()),
        )
    assert (error.value.code, error.value.reason) == (SealCode.DOCUMENT_UNFIT, "PDF_BROKEN")
