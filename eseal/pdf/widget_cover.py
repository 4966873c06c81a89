"""Widgets that a later revision put over a sealed page: whether they show anything, and what they hide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.pdf.change import COVERING, Kind
from eseal.pdf.drawn import box_of, drawn_boxes, overlaps
from eseal.pdf.objects import PdfError

if TYPE_CHECKING:
    from eseal.pdf.differences import Differences
    from eseal.pdf.document import Document
    from eseal.pdf.objects import Dictionary

_HIDDEN, _PRINT, _NO_ZOOM, _NO_ROTATE, _NO_VIEW, _TOGGLE_NO_VIEW = 2, 4, 8, 16, 32, 256
_BEYOND = 1024
"""Annotation flags (§12.5.3), and what is none: readers differ in what they make of it."""


def judge_cover(base: Differences, page: Dictionary, widget: Dictionary) -> None:
    """Hold a visible widget that the update made against what its page showed before."""
    if not is_visible(base.after, widget):
        return
    box, flags = box_of(base.after, widget.get("Rect")), _flags(base.after, widget)
    # Attack: one that keeps its size on the screen lies over more of a page that is shown small.
    try:
        covered = (
            box is None
            or bool(flags & (_NO_ZOOM | _NO_ROTATE))
            or any(overlaps(box, drawn) for drawn in drawn_boxes(base.before, page))
        )
    except PdfError as error:
        if error.bounded:
            raise
        covered = True
    if covered:
        base.note(Kind.SIGNING, COVERING)


def is_visible(document: Document, dictionary: Dictionary) -> bool:
    """Whether a widget shows anything, on the screen or in print."""
    if "Rect" not in dictionary or _is_unseen(_flags(document, dictionary)):
        return False
    box = box_of(document, dictionary["Rect"])
    return box is None or (box[0] < box[2] and box[1] < box[3])


def _flags(document: Document, dictionary: Dictionary) -> int:
    found = document.resolve(dictionary.get("F"))
    return found if isinstance(found, int) and 0 <= found < _BEYOND else 0


def _is_unseen(flags: int) -> bool:
    """Whether it is shown nowhere. Attack: one that the screen never shows, and every print does."""
    return bool(flags & _HIDDEN or (flags & _NO_VIEW and not flags & (_PRINT | _TOGGLE_NO_VIEW)))
