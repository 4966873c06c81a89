"""`docs/operations.md` says what each reason means for which a document is not sealed or extended."""

from __future__ import annotations

from eseal.cades_refusal import CadesRefusal
from eseal.jades_refusal import JadesRefusal
from eseal.pdf.refusals import PdfRefusal
from tests.docs.markdown import literals, read, tables


def test_every_reason_is_explained_and_no_other() -> None:
    (reasons,) = [table for table in tables(read("docs/operations.md")) if table.header[0] == "reason"]
    told = [reason for row in reasons.rows for reason in literals(row[0])]
    assert sorted(told) == sorted(
        each.value for kind in (PdfRefusal, JadesRefusal, CadesRefusal) for each in kind
    )
