"""What is seen of a seal on a page: text, an image, and a QR code that leads to where it can be verified.

Text beyond ASCII needs a font, which the operator names; of it, only the glyphs of the text are embedded. The
picture proves nothing: whoever can edit a PDF can paint it. It says where to look.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]
from fontTools.ttLib.scaleUpem import scale_upem  # type: ignore[import-untyped]
from PIL import Image
from pyhanko.pdf_utils.font.api import FontEngineFactory
from pyhanko.pdf_utils.font.opentype import GlyphAccumulator
from pyhanko.pdf_utils.images import PdfImage
from pyhanko.pdf_utils.layout import AxisAlignment, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.text import TextBoxStyle
from pyhanko.sign.signers.cms_embedder import SigAppearanceSetup
from pyhanko.stamp import QRStampStyle, TextStampStyle

from eseal.pdf.guard import refusing
from eseal.pdf.opening import entry
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError

if TYPE_CHECKING:
    from pyhanko.pdf_utils.font.api import FontEngine
    from pyhanko.pdf_utils.writer import BasePdfFileWriter

    from eseal.pdf.orders import VisibleSeal
    from eseal.pdf.revision import UpdateWriter

MAX_IMAGE = 1024 * 1024
MAX_PIXELS = 2_000_000
"""An image's octets, and what it unpacks to."""
MAX_FONT = 32 * 1024 * 1024
MAX_PAGES = 100_000
"""Pages of a document that has a visible seal: they are gone through until the one that is wanted."""
_FONT_SIZE = 10
_OPACITY = 0.6
_BORDER = 1
_UNITS = 1_000
_FONTS = 16
"""Cut fonts that are kept."""


@dataclass(frozen=True, slots=True)
class _EmbeddedFont(FontEngineFactory):
    """Fonts out of octets; pyHanko's own factory opens a file, and who parses a stranger's PDF opens none."""

    octets: bytes

    def create_font_engine(self, writer: BasePdfFileWriter, obj_stream: None = None) -> FontEngine:
        """Return what collects the glyphs for one document."""
        return GlyphAccumulator(writer, io.BytesIO(self.octets), _FONT_SIZE, obj_stream=obj_stream)


@functools.lru_cache(maxsize=_FONTS)
def _cut_font(font: bytes, letters: frozenset[str]) -> bytes:
    """Return a font with the glyphs of some letters alone, and a thousand units to the em.

    Fonts for Japanese have millions of octets, of which a seal needs some thousand. PDF counts the widths of
    glyphs in thousandths (§9.2.4), where pyHanko writes them in the units of the font.

    Raises:
        PdfRefusedError: GLYPH_MISSING; APPEARANCE, when the font cannot be read.
    """
    if len(font) > MAX_FONT:
        raise PdfRefusedError(PdfRefusal.APPEARANCE, "font")
    with refusing(PdfRefusal.APPEARANCE):
        try:
            cut = TTFont(io.BytesIO(font))
            if any(ord(letter) not in cut.getBestCmap() for letter in letters):
                raise PdfRefusedError(PdfRefusal.GLYPH_MISSING)
            subsetter = Subsetter(Options(hinting=False))
            subsetter.populate(text="".join(letters))
            subsetter.subset(cut)
            scale_upem(cut, _UNITS)
            octets = io.BytesIO()
            cut.save(octets)
        except TTLibError as error:
            raise PdfRefusedError(PdfRefusal.APPEARANCE, "font") from error
    return octets.getvalue()


def cut_font(font: bytes, text: str) -> bytes:
    """Return a font with the glyphs of a text alone, for whoever keeps it: see `_cut_font`.

    Raises:
        PdfRefusedError: GLYPH_MISSING; APPEARANCE, when the font cannot be read.
    """
    return _cut_font(font, frozenset(text) - {"\n"})


def page_index(page: int, writer: UpdateWriter) -> int:
    """Return pyHanko's index of a page.

    Args:
        page: 1 for the first, -1 for the last.
        writer: the document.

    Raises:
        PdfRefusedError: PAGE_MISSING; LIMITS.
    """
    with refusing(PdfRefusal.PAGE_MISSING):
        if int(entry(writer.root["/Pages"], "/Count")) > MAX_PAGES:
            raise PdfRefusedError(PdfRefusal.LIMITS, "pages")
        if page == 0:
            raise PdfRefusedError(PdfRefusal.PAGE_MISSING)
        index = page - 1 if page > 0 else page
        writer.find_page_for_modification(index)
    return index


def drawn(seal: VisibleSeal) -> SigAppearanceSetup:
    """Return how pyHanko is to draw a seal.

    Raises:
        PdfRefusedError: APPEARANCE; GLYPH_MISSING.
    """
    if seal.font is None and not seal.text.isascii():
        raise PdfRefusedError(PdfRefusal.GLYPH_MISSING, "no font")
    box = TextBoxStyle(font_size=_FONT_SIZE)
    if seal.font is not None:
        # A text with the time of day has other digits each time; the font for it is cut once.
        letters = frozenset(seal.text).union(string.digits) - {"\n"}
        box = TextBoxStyle(font_size=_FONT_SIZE, font=_EmbeddedFont(_cut_font(seal.font, letters)))
    # A percent sign would begin one of pyHanko's own parameters.
    text = seal.text.replace("%", "%%")
    style = TextStampStyle if seal.link is None else QRStampStyle
    drawing = style(
        border_width=_BORDER,
        background=None if seal.image is None else _picture(seal.image),
        background_layout=_BEHIND,
        background_opacity=_OPACITY,
        text_box_style=box,
        stamp_text=text,
    )
    # The time that pyHanko would show is not asked for by the text, which is ready.
    epoch = dt.datetime.fromtimestamp(0, dt.UTC)
    return SigAppearanceSetup(drawing, epoch, None, {} if seal.link is None else {"url": seal.link})


_BEHIND = SimpleBoxLayoutRule(
    x_align=AxisAlignment.ALIGN_MAX, y_align=AxisAlignment.ALIGN_MID, margins=Margins.uniform(2)
)


def _picture(octets: bytes) -> PdfImage:
    """Read an image; its size is looked at before it is unpacked.

    Raises:
        PdfRefusedError: APPEARANCE.
    """
    if len(octets) > MAX_IMAGE:
        raise PdfRefusedError(PdfRefusal.APPEARANCE, "image")
    try:
        image = Image.open(io.BytesIO(octets), formats=("PNG", "JPEG"))
        if image.width * image.height > MAX_PIXELS:
            raise PdfRefusedError(PdfRefusal.APPEARANCE, "pixels")
        return PdfImage(image.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise PdfRefusedError(PdfRefusal.APPEARANCE, type(error).__name__) from error
