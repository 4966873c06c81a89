"""EU DSS validates our sealed PDFs at the level that they claim, and refuses changed ones."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigFieldSpec

from conformance.interop.checks import Check
from conformance.interop.dss.library import EDDSA, NO_REPORT
from eseal.pdf.extending import extend_pdf
from eseal.pdf.orders import PdfSealOrder, VisibleSeal
from eseal.pdf.sealing import PdfSealer
from eseal.pdf.stamping import Stamping
from eseal.values import Level, Material
from tests.eseal import pki
from tests.eseal.pdf.handmade import PAGES, contract, update
from tests.eseal.pdf.plain import compressed_pages, pages
from tests.eseal.pdf.test_earlier_signatures import by_another, with_field

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.interop.dss.library import Dss

SUITES = (pki.P256, pki.P384, pki.RSA, pki.PSS)
"""Those that its default policy accepts."""
POST_QUANTUM = "ml-dsa-65"
VISIBLE = VisibleSeal(-1, (300, 60, 540, 140), "Sealed", "https://verify.example.jp/s/7f3a")


def checks(judge: Dss, folder: Path) -> Iterator[Check]:
    """Yield what is held.

    Args:
        judge: EU DSS.
        folder: with the root and its lists, which it trusts.
    """
    for suite_id in SUITES:
        yield Check(f"{suite_id}: sealed PDFs pass at every level", partial(_passes, judge, folder, suite_id))
    yield Check(
        f"{pki.ED25519}: sealed PDFs are intact; its policy has no EdDSA", partial(_ed25519, judge, folder)
    )
    for name, run in {
        "with tables and object streams": _plain,
        "with a visible seal": _visible,
        "with seals of two keys, at once and one after the other": _two,
        "raised from level to level": _raised,
        "renewed at B-LTA": _renewed,
        "that another one signed or certified": _certified,
        "whose field locks the document": _locked,
    }.items():
        yield Check(f"PDFs {name} pass", partial(run, judge, folder))
    yield Check(f"PDFs with seals of {POST_QUANTUM}: no report, all intact", partial(_quantum, judge, folder))
    yield Check(f"a classical seal passes before one of {POST_QUANTUM}", partial(_hybrid, judge, folder))
    yield Check("sealed PDFs with a changed octet fail", partial(_changed, judge, folder))
    yield Check("sealed PDFs with fewer or more pages fail", partial(_other_pages, judge, folder))


def _stamping() -> Stamping:
    return Stamping(pki.seal_pki().stamper())


def _material() -> Material:
    made = pki.seal_pki()
    return Material((*made.chain, made.stamper().certificate.der), made.revocation())


def _seal(
    document: bytes,
    level: Level,
    *suites: str,
    visible: VisibleSeal | None = None,
    field: str | None = None,
) -> bytes:
    stream = io.BytesIO(document)
    sealer = PdfSealer([pki.seal_key(each) for each in suites or (pki.P256,)], _stamping())
    order = PdfSealOrder(level, pki.NOW_US, field=field, material=_material(), visible=visible)
    sealer.seal(stream, order)
    return stream.getvalue()


def _extend(document: bytes, level: Level) -> bytes:
    stream = io.BytesIO(document)
    extend_pdf(stream, level, _stamping(), _material())
    return stream.getvalue()


def _said(judge: Dss, folder: Path, *documents: bytes) -> list[str]:
    words = []
    for number, octets in enumerate(documents):
        path = folder / f"{number}.pdf"
        path.write_bytes(octets)
        words.append(str(path))
    return judge.validate(folder, *words)


def _format(level: Level) -> str:
    return f"PAdES-BASELINE-{level.removeprefix('B-')}"


def _passed(*levels: Level) -> str:
    return "; ".join(f"{_format(level)} TOTAL_PASSED null" for level in levels)


def _passes(judge: Dss, folder: Path, suite_id: str) -> None:
    said = _said(judge, folder, *(_seal(pages(), level, suite_id) for level in Level))
    assert said == [_passed(level) for level in Level], said


def _ed25519(judge: Dss, folder: Path) -> None:
    sealed = [_seal(pages(), level, pki.ED25519) for level in Level]
    *intact, changed = _said(judge, folder, *sealed, _with_changed(sealed[0], len(pages()) // 2))
    for level, each in zip(Level, intact, strict=True):
        assert each.startswith(f"{_format(level)} {EDDSA}"), each
    assert "TOTAL_FAILED HASH_FAILURE" in changed, changed


def _plain(judge: Dss, folder: Path) -> None:
    said = _said(judge, folder, *(_seal(each, Level.B_LTA) for each in (pages(3), compressed_pages())))
    assert said == [_passed(Level.B_LTA)] * 2, said


def _visible(judge: Dss, folder: Path) -> None:
    said = _said(judge, folder, *(_seal(pages(3), level, visible=VISIBLE) for level in Level))
    assert said == [_passed(level) for level in Level], said


def _two(judge: Dss, folder: Path) -> None:
    at_once = [_seal(pages(), level, pki.P256, pki.P384) for level in Level]
    after = _seal(_seal(pages(), Level.B_LTA), Level.B_LTA, pki.PSS)
    said = _said(judge, folder, *at_once, after)
    assert said == [_passed(level, level) for level in (*Level, Level.B_LTA)], said


def _raised(judge: Dss, folder: Path) -> None:
    steps = [_seal(pages(), Level.B_B)]
    for level in (Level.B_T, Level.B_LT, Level.B_LTA):
        steps.append(_extend(steps[-1], level))
    said = _said(judge, folder, *steps, _extend(steps[0], Level.B_LTA))
    assert said == [_passed(level) for level in (*Level, Level.B_LTA)], said


def _renewed(judge: Dss, folder: Path) -> None:
    document = _seal(pages(), Level.B_LTA)
    again = _extend(document, Level.B_LTA)
    said = _said(judge, folder, document, again, _extend(again, Level.B_LTA))
    assert said == [_passed(Level.B_LTA)] * 3, said


def _certified(judge: Dss, folder: Path) -> None:
    before = [by_another(pages(), certify=each) for each in (None, MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE)]
    said = _said(judge, folder, *(_seal(each, Level.B_LTA) for each in before))
    assert said == [_passed(Level.B_LTA, Level.B_LTA)] * 3, said
    none = by_another(pages(), certify=MDPPerm.NO_CHANGES)
    said = _said(judge, folder, _extend(none, Level.B_LTA))
    assert said == [_passed(Level.B_LTA)], said


def _locked(judge: Dss, folder: Path) -> None:
    lock = FieldMDPSpec(FieldMDPAction.ALL)
    spec = SigFieldSpec("Last", field_mdp_spec=lock, doc_mdp_update_value=MDPPerm.NO_CHANGES)
    said = _said(judge, folder, *(_seal(with_field(spec), level, field="Last") for level in Level))
    assert said == [_passed(level) for level in Level], said


def _quantum(judge: Dss, folder: Path) -> None:
    alone, both = (_seal(pages(), Level.B_LTA, *more, POST_QUANTUM) for more in ((), (pki.P256,)))
    said = _said(judge, folder, alone, both, _with_changed(both, len(pages()) // 2))
    assert said == [
        f"{NO_REPORT}; intact",
        f"{NO_REPORT}; intact; intact",
        f"{NO_REPORT}; not intact; not intact",
    ], said


def _hybrid(judge: Dss, folder: Path) -> None:
    """What is sealed first is a document by itself: it ends where its seal's coverage ends."""
    both = _seal(pages(), Level.B_T, pki.P256, POST_QUANTUM)
    first = both[: both.index(b"%%EOF", len(pages())) + len(b"%%EOF\n")]
    said = _said(judge, folder, first)
    assert said == [_passed(Level.B_T)], said


def _changed(judge: Dss, folder: Path) -> None:
    document, bare = _seal(pages(), Level.B_LTA), _seal(pages(), Level.B_B)
    said = _said(judge, folder, _with_changed(document, len(pages()) // 2), _with_changed_signature(bare))
    assert "TOTAL_FAILED HASH_FAILURE" in said[0], said
    assert "TOTAL_FAILED SIG_CRYPTO_FAILURE" in said[1], said


def _other_pages(judge: Dss, folder: Path) -> None:
    """Other content of a page that is there already is no more than a warning to its default policy."""
    sealed = _seal(contract(), Level.B_LTA)
    fewer, more = (
        update(sealed, {PAGES: b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, kids.count(b"R"))})
        for kids in (b"4 0 R", b"4 0 R 13 0 R 13 0 R")
    )
    before, *after = _said(judge, folder, sealed, fewer, more)
    assert before == _passed(Level.B_LTA), before
    assert all("TOTAL_FAILED FORMAT_FAILURE" in each for each in after), after


def _with_changed(document: bytes, at: int) -> bytes:
    changed = bytearray(document)
    changed[at] ^= 1
    return bytes(changed)


def _with_changed_signature(document: bytes) -> bytes:
    """Change the last digit of the value of /Contents at B-B, which the signature ends."""
    start = document.index(b"/Contents <") + len(b"/Contents <")
    end = start + 2 * (4 + int(document[start + 4 : start + 8], 16))
    digit = b"%x" % (int(document[end - 1 : end], 16) ^ 1)
    return document[: end - 1] + digit + document[end:]
