"""What sealing a PDF loads and reads only when it comes to it, loaded at once.

For a process that gives up opening files before it reads a stranger's document.
"""

from __future__ import annotations

import importlib

import tzlocal
from PIL import Image

_LATE = (
    "encodings.ascii",
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
    for name in _LATE:
        importlib.import_module(name)
    Image.init()
    # It remembers what it read of the machine's settings.
    tzlocal.get_localzone()
