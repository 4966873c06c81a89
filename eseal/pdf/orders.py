"""What is asked for of a seal of a PDF: values that need no library of PDF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eseal.values import Level, Material


@dataclass(frozen=True, slots=True)
class VisibleSeal:
    """What is drawn, and where; made once for many documents.

    Attributes:
        page: 1 for the first, -1 for the last.
        box: left, bottom, right, top in points, in the page's own coordinates. A field that is there already
            keeps its own place.
        text: lines.
        link: what the QR code left of the text says; None: there is none.
        image: PNG or JPEG, drawn behind the text at its right end; None: there is none.
        font: octets of an OpenType or TrueType font; None: Courier, which is not embedded, for ASCII alone.
    """

    page: int
    box: tuple[int, int, int, int]
    text: str
    link: str | None = None
    image: bytes | None = None
    font: bytes | None = None


@dataclass(frozen=True, slots=True)
class PdfSealOrder:
    """How one document is to be sealed.

    Attributes:
        level: that it shall reach.
        claimed_us: the time in the signature dictionary, microseconds since 1970 UTC, cut to seconds.
        field: name of the field, a signature field that waits or a new one; None: a new one with a free name.
        reason: shown by readers; empty: none.
        location: likewise.
        material: what B-LT adds.
        visible: what is seen of the (first) seal; None: nothing.
    """

    level: Level
    claimed_us: int
    field: str | None = None
    reason: str = ""
    location: str = ""
    material: Material | None = None
    visible: VisibleSeal | None = None
