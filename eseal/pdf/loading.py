"""What sealing a PDF loads and reads only when it comes to it, loaded at once.

For a process that gives up opening files before it reads a stranger's document.
"""

from __future__ import annotations

import importlib
import pkgutil

import tzlocal
from fontTools.ttLib import tables  # type: ignore[import-untyped]
from PIL import Image

_LATE = (
    "encodings.ascii",
    "encodings.utf_16_be",
    "encodings.utf_32_be",
    "fontTools.agl",
    "fontTools.cffLib",
    "PIL.ImageDraw",
    "PIL.ImageFont",
    "PIL.ImageSequence",
    "pyhanko.pdf_utils.filters",
    "pyhanko.pdf_utils.qr",
    "qrcode.image.pure",
    "qrcode.image.styles.moduledrawers",
)


def load_late() -> None:
    """Load it.

    Raises:
        ImportError: the extra `pdf` is not installed, or not the one that this release was made with.
    """
    # Whichever of them a font has: each is a module.
    kinds = (each.name for each in pkgutil.iter_modules(tables.__path__, "fontTools.ttLib.tables."))
    for name in (*_LATE, *kinds):
        importlib.import_module(name)
    Image.init()
    # It remembers what it read of the machine's settings.
    tzlocal.get_localzone()
