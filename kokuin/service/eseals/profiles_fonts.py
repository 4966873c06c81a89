"""What a visible seal is drawn with: a font cut to what it will ever show, and a drawing for trial."""

from __future__ import annotations

import string
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.service.eseals.profiles_acts import SealProfileRefusedError
from kokuin.service.eseals.profiles_folder import MAX_FONT

if TYPE_CHECKING:
    from eseal.profile import SealProfile

MAX_FILE = 32 * 1024 * 1024
"""Octets of a font file; those for Japanese have some six million."""


def font_of(profile: SealProfile, given: object) -> bytes | None:
    """Return the font of a profile's visible seal; None: it wants none, and its text needs none.

    Args:
        profile: the profile.
        given: path of the font file, as whoever added the profile named it; None: they named none.

    Raises:
        SealProfileRefusedError: SEAL_FONT_UNFIT.
        OSError: the file cannot be read.
    """
    shown = profile.appearance
    wanted = shown is not None and shown.font
    if shown is not None and not wanted and not shown.shown(profile.person, "").isascii():
        raise _unfit("text beyond ASCII needs a font: font = true, and its file")
    if wanted != (given is not None):
        raise _unfit("a font file goes with font = true")
    if shown is None or given is None:
        return None
    with Path(str(given)).open("rb") as file:
        octets = file.read(MAX_FILE + 1)
    if len(octets) > MAX_FILE:
        raise _unfit(f"longer than {MAX_FILE} octets")
    # A time has digits and a few signs, wherever it stands in the text.
    return _cut(octets, shown.shown(profile.person, "") + string.digits + "-: Z")


def require_drawable(profile: SealProfile, image: bytes | None, font: bytes | None) -> None:
    """Have a visible seal drawn for trial: what cannot be drawn would fail at every document.

    Raises:
        SealProfileRefusedError: SEAL_IMAGE_UNFIT.
    """
    shown = profile.appearance
    if shown is None:
        return
    try:
        from eseal.pdf.appearance import drawn  # noqa: PLC0415  # an extra that need not be installed
        from eseal.pdf.orders import VisibleSeal  # noqa: PLC0415  # as above
        from eseal.pdf.refusals import PdfRefusedError  # noqa: PLC0415  # as above
    except ImportError:
        detail = "install kokuin with the extra pdf"
        raise SealProfileRefusedError("SEAL_IMAGE_UNFIT", detail, "appearance") from None
    try:
        drawn(VisibleSeal(shown.page, shown.box, shown.shown(profile.person, ""), shown.link, image, font))
    except PdfRefusedError as error:
        raise SealProfileRefusedError("SEAL_IMAGE_UNFIT", str(error), "appearance") from None


def _cut(octets: bytes, text: str) -> bytes:
    try:
        from eseal.pdf.appearance import cut_font  # noqa: PLC0415  # an extra that need not be installed
        from eseal.pdf.refusals import PdfRefusedError  # noqa: PLC0415  # as above
    except ImportError:
        raise _unfit("install kokuin with the extra pdf") from None
    try:
        cut = cut_font(octets, text)
    except PdfRefusedError as error:
        raise _unfit(str(error)) from None
    if len(cut) > MAX_FONT:
        raise _unfit(f"longer than {MAX_FONT} octets when it is cut")
    return cut


def _unfit(detail: str) -> SealProfileRefusedError:
    return SealProfileRefusedError("SEAL_FONT_UNFIT", detail, "appearance.font")
