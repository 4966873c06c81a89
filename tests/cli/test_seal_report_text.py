"""What people read of a sealed PDF: what was changed afterwards, each check once, and nothing but text."""

from __future__ import annotations

import pytest

from kokuin.cli.report_text import sentences
from tests.eseal.pdf.handmade import EMPTY_PLACE, PAGE, PAGE_OF, PLACE, contract, seal, sealed, update
from tests.eseal.pdf.test_attacks import extended, judged

NOTE = b"<</Type/Annot/Subtype/Text/Rect[1 1 9 9]/Contents(seen)>>"


def said(document: bytes, lang: str) -> list[str]:
    return list(sentences(judged(document), lang))


@pytest.mark.parametrize(("lang", "words"), [("en", "found: Text"), ("ja", "検出された変更: Text")])
def test_a_later_change_is_named(lang: str, words: str) -> None:
    document = update(sealed(), {PAGE: PAGE_OF % (b"6 0 R 7 0 R 20 0 R", b""), 20: NOTE})
    assert [line for line in said(document, lang) if words in line]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_permitted_change_is_named_too(lang: str) -> None:
    assert [line for line in said(extended(sealed()), lang) if "DSS" in line]
    assert not [line for line in said(sealed(), lang) if "DSS" in line]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_no_check_of_a_seal_is_said_twice(lang: str) -> None:
    lines = said(sealed(), lang)
    assert len(lines) == len(set(lines))


def test_the_name_of_a_field_does_not_move_the_cursor() -> None:
    place = EMPTY_PLACE.replace(b"(seal)", b"(\x1b[2Jseal\r)") % b"/V 15 0 R"
    lines = said(seal(contract(), {PLACE: place}), "en")
    (named,) = [line for line in lines if line.startswith("    Signature field: ")]
    assert named.endswith("[2Jseal\\r")
    assert all(line.isprintable() for line in lines)
