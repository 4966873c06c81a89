"""A seal that is seen, made by a real child: the profile's font, image and code are drawn."""

from __future__ import annotations

import asyncio
import io
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from eseal.profile import Format
from eseal.values import Level
from kokuin.service.eseals.profiles_fonts import font_of
from kokuin.service.eseals.tasks import Act, Task
from tests.eseal.pdf.plain import pages
from tests.peers import absent, need
from tests.service.eseals.benches import PROFILE, benched, tenant_seal

FONT = Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf")
SEEN = (
    PROFILE
    + """
[appearance]
page = -1
box = [300, 40, 560, 140]
text = "{{organisation}}\\n電子印 {{time}}"
link = "https://example.jp/verify"
image = true
font = true
"""
)


@pytest.fixture(autouse=True)
def _at_once(at_once: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", at_once)


def test_japanese_text_an_image_and_a_code_are_drawn_by_a_child(tmp_path: Path) -> None:
    """Attack: a stranger's document must not have the child open a file: all it draws with is loaded."""
    if not FONT.exists():
        absent("peer fonts-ipaexfont-gothic is not installed")
    image = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(image, "PNG")
    seen = tenant_seal("seen", text=SEEN)
    seen = replace(seen, image=image.getvalue(), font=font_of(seen.profile, str(FONT)))

    async def run() -> bytes:
        async with benched() as bench:
            bench.keyring.seals["seen"] = seen
            sealed, octets = await bench.make(
                Task(Act.SEAL, Format.PDF, profile="seen", level=Level.B_T), pages(3)
            )
            assert sealed.level is Level.B_T
            return octets

    (tmp_path / "sealed.pdf").write_bytes(asyncio.run(run()))
    read = [need("pdftotext"), "-f", "3", "sealed.pdf", "-"]
    text = subprocess.run(read, cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True).stdout
    assert "株式会社むらさき" in text
    assert "電子印 20" in text
    listed = [need("pdfimages"), "-list", "sealed.pdf"]
    images = subprocess.run(
        listed, cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True
    ).stdout
    assert "image      40    40" in images
