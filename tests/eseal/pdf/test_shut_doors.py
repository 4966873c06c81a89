"""A process that has given up opening files seals whatever one that may open them seals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.eseal.pdf.test_visible_seal import font

SEALING = """
import io, os, resource, sys
from eseal.pdf.extending import extend_pdf
from eseal.pdf.loading import load_late
from eseal.pdf.orders import PdfSealOrder, VisibleSeal
from eseal.pdf.sealing import PdfSealer
from eseal.values import Level
from tests.eseal.pdf.plain import compressed_pages, pages
from tests.eseal.pdf.test_sealing import material, stamping
from tests.eseal.pdf.test_visible_seal import BOX, LINK, TEXT, png
from tests.eseal.pki import NOW_US, seal_key

octets, picture, added, stamps = sys.stdin.buffer.read(), png(), material(), stamping()
keys = seal_key(), seal_key("ml-dsa-44")
stamps.stamp(bytes(32))
load_late()
os.closerange(3, 4096)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
seen = VisibleSeal(1, BOX, "Sealed", None, picture), VisibleSeal(1, BOX, TEXT, LINK, None, octets)
for visible in (None, *seen):
    for document in (pages(2), compressed_pages()):
        stream = io.BytesIO(document)
        PdfSealer(keys, stamps).seal(stream, PdfSealOrder(Level.B_T, NOW_US, visible=visible))
        extend_pdf(stream, Level.B_LTA, stamps, added)
        print("sealed")
"""


def test_all_that_is_loaded_late_is_loaded_before_the_doors_are_shut() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SEALING],
        input=font(),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=False,
    )
    assert ran.stdout.split() == [b"sealed"] * 6, ran.stderr.decode()
