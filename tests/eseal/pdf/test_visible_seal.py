"""What is seen of a seal is what poppler reads and paints, and a visible seal is accepted like any other."""

from __future__ import annotations

import io
import struct
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import qrcode  # type: ignore[import-untyped]
from PIL import Image

from eseal.pdf.orders import PdfSealOrder, VisibleSeal
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.pdf.sealing import PdfSealer
from eseal.values import Level
from tests.eseal.pdf.peers_of_pdf import pdfsig_says, pyhanko_says, qpdf_says
from tests.eseal.pdf.plain import compressed_pages, pages
from tests.eseal.pki import NOW_US, ORGANISATION, seal_key, seal_pki
from tests.peers import absent, need

FONT = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")
LINK = "https://verify.example.jp/s/7f3a"
TEXT = f"{ORGANISATION}\n2026-11-21 100%"
BOX = (300, 60, 540, 140)


def font() -> bytes:
    if not FONT.exists():
        absent("peer fonts-ipaexfont-gothic is not installed")
    return FONT.read_bytes()


def png(size: tuple[int, int] = (40, 40)) -> bytes:
    octets = io.BytesIO()
    Image.new("RGBA", size, (200, 0, 0, 128)).save(octets, "PNG")
    return octets.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A picture whose header says another size: making one of that size takes half a minute."""
    octets = png()
    header = b"IHDR" + struct.pack(">II", width, height) + octets[24:29]
    return octets[:12] + header + struct.pack(">I", zlib.crc32(header)) + octets[33:]


def sealed(visible: VisibleSeal, document: bytes | None = None, *, keys: int = 1) -> bytes:
    stream = io.BytesIO(pages(3) if document is None else document)
    sealer = PdfSealer((seal_key(), seal_key("ml-dsa-44"))[:keys])
    sealer.seal(stream, PdfSealOrder(Level.B_B, NOW_US, visible=visible))
    return stream.getvalue()


def painted(document: bytes, page: int, folder: Path, mode: str, dpi: int) -> tuple[int, bytes]:
    """A page as poppler paints it: its width in pixels and its samples, `mode` L or RGB."""
    (folder / "painted.pdf").write_bytes(document)
    number = str(page)
    options = ["-f", number, "-l", number, "-singlefile", "-r", str(dpi)]
    subprocess.run([need("pdftoppm"), *options, "painted.pdf", "page"], cwd=folder, check=True)
    image = Image.open(folder / "page.ppm").convert(mode)
    return image.width, image.tobytes()


def text_of(document: bytes, folder: Path) -> str:
    (folder / "read.pdf").write_bytes(document)
    ran = subprocess.run(
        [need("pdftotext"), "read.pdf", "-"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return ran.stdout


@pytest.mark.parametrize("document", [pages(3), compressed_pages()], ids=["table", "stream"])
def test_japanese_text_is_embedded_as_a_subset_and_can_be_read(document: bytes, tmp_path: Path) -> None:
    octets = sealed(VisibleSeal(1, BOX, TEXT, LINK, png(), font()), document)
    assert ORGANISATION in text_of(octets, tmp_path)
    assert "100%" in text_of(octets, tmp_path)
    assert len(octets) < 200_000  # the font has six million octets
    listed = subprocess.run(
        [need("pdffonts"), "read.pdf"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.splitlines()[2:]
    assert len(listed) == 1
    assert listed[0].split()[-5:-2] == ["yes", "yes", "yes"]  # embedded, subset, to Unicode


@pytest.mark.parametrize("keys", [1, 2])
def test_a_visible_seal_is_accepted(keys: int, tmp_path: Path) -> None:
    octets = sealed(VisibleSeal(1, BOX, TEXT, LINK, png(), font()), keys=keys)
    for status in pyhanko_says(octets, seal_pki()):
        assert status.bottom_line, status.summary()
    assert pdfsig_says(octets, tmp_path)[0]["Signature Validation"] == "Signature is Valid."
    assert qpdf_says(octets, tmp_path) == ""


def test_the_code_on_the_page_leads_to_where_the_seal_is_verified(tmp_path: Path) -> None:
    width, grey = painted(sealed(VisibleSeal(1, BOX, "Sealed", LINK)), 1, tmp_path, "L", 144)
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M)
    code.add_data(LINK)
    code.make()
    modules = [row[code.border : -code.border] for row in code.get_matrix()[code.border : -code.border]]
    # Within the border of the box, and left of the text.
    rows, columns = range(2 * (842 - 140) + 8, 2 * (842 - 60) - 8), range(608, 760)
    dark = [(row, column) for row in rows for column in columns if grey[row * width + column] < 128]
    top, left = min(row for row, _ in dark), min(column for _, column in dark)
    size = (max(row for row, _ in dark) + 1 - top) / len(modules)
    places = [int((place + 0.5) * size) for place in range(len(modules))]
    read = [[grey[(top + down) * width + left + right] < 128 for right in places] for down in places]
    assert read == modules


@pytest.mark.parametrize(("page", "seen"), [(1, 1), (3, 3), (-1, 3)])
def test_the_seal_is_on_the_page_that_was_asked_for(page: int, seen: int, tmp_path: Path) -> None:
    octets = sealed(VisibleSeal(page, BOX, "Sealed", image=png()))
    for number in (1, 3):
        _, colours = painted(octets, number, tmp_path, "RGB", 36)
        red = sum(r > g + 30 for r, g in zip(colours[::3], colours[1::3], strict=True))
        assert (red > 50) is (number == seen)


@pytest.mark.parametrize("page", [4, -4, 0, 10**9])
def test_a_page_that_is_not_there_is_refused(page: int) -> None:
    with pytest.raises(PdfRefusedError, match=PdfRefusal.PAGE_MISSING):
        sealed(VisibleSeal(page, BOX, "Sealed"))


def test_characters_without_a_glyph_are_refused_instead_of_shown_as_boxes() -> None:
    plain = VisibleSeal(1, BOX, TEXT)
    for visible in (plain, replace(plain, text="\U0001f984", font=font())):
        with pytest.raises(PdfRefusedError, match=PdfRefusal.GLYPH_MISSING):
            sealed(visible)


@pytest.mark.parametrize(
    "image",
    [b"", b"GIF89a", png()[:40], png((2_000, 1_001)), claiming(20_000, 20_000), bytes(1024 * 1024 + 1)],
    ids=["empty", "other kind", "cut", "pixels", "bomb", "octets"],
)
def test_images_that_cannot_be_read_or_unpack_to_too_much_are_refused(image: bytes) -> None:
    with pytest.raises(PdfRefusedError, match=PdfRefusal.APPEARANCE):
        sealed(VisibleSeal(1, BOX, "Sealed", image=image))


@pytest.mark.parametrize("octets", [b"", b"\x00\x01\x00\x00" + bytes(60), b"no font at all"])
def test_a_font_that_cannot_be_read_is_refused(octets: bytes) -> None:
    with pytest.raises(PdfRefusedError, match=PdfRefusal.APPEARANCE):
        sealed(VisibleSeal(1, BOX, "Sealed", font=octets))
