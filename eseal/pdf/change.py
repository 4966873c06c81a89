"""Kinds of changes that a later revision makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

VISIBLE = "visible"
"""What a further signature is called that is seen on a page,"""
COVERING = "covers the page"
"""one that lies over text, a picture or an annotation of the sealed page,"""
UNSHOWN = "value not shown"
"""and a field whose value is another under the look that it had,"""
FONTS = "fonts of fields"
"""and a font that fields of the sealed form asked for, and that it did not have."""


class Kind(IntEnum):
    """What a change is, the graver the higher."""

    VALIDATION = 0
    """Validation data, a document time-stamp, the file's own description."""
    SIGNING = 1
    """A signature field is made or filled."""
    FILLING = 2
    """A field of the form has another value."""
    DESCRIBING = 3
    """What is drawn nowhere and yet says something: logical structure, private data, how to open the file."""
    ANNOTATING = 4
    """An annotation is added or altered."""
    CONTENT = 5
    """Anything else: what the sealed document shows or does is another."""
    HIDDEN = 6
    """What the sealed revision held without showing it comes to light: a shadow attack."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `what` names where, `field` the form field when it is one's value."""

    kind: Kind
    what: str
    field: str | None = None
