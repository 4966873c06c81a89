"""The largest PDF over real HTTP: sealed, raised, judged; one octet more is refused; memory is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from tests.eseal.pdf.plain import pages, stream
from tests.service.eseals.test_sealing_http import Sealing, code_of
from tests.service.fuzz_http import tree_peak_kib
from tests.service.running import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.running import Prepared

LARGEST = 100 << 20
MOST_KIB = 1_200 * 1024
"""Of all processes together: a child holds the document a few times, a worker hardly any of it."""


def large_pdf(size: int) -> bytes:
    """A PDF of so many octets."""
    spare = 1_000
    document = pages(more=[stream(bytes(size - spare))])
    return document[:-1] + b" " * (size - len(document)) + b"\n"


@pytest.mark.timeout(300)
def test_a_pdf_of_100_mib_is_sealed_and_raised_and_passes_and_one_octet_more_is_refused(
    folder_of: Callable[[str], Prepared], at_once: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(folder_of("classical"), {"PYTHONPATH": at_once}, workers=2) as service:
        sealing = Sealing(service)
        sealing.post("/seals/pdf?level=B-T", pages())
        before = tree_peak_kib(service.process.pid)
        document = large_pdf(LARGEST)
        assert len(document) == LARGEST
        sealed = sealing.post("/seals/pdf?level=B-T", document)
        assert sealed.status_code == 200, sealed.text
        raised = sealing.post("/extend?level=B-LTA", sealed.content)
        assert raised.status_code == 200, raised.text
        assert tree_peak_kib(service.process.pid) - before < MOST_KIB
        assert code_of(sealing.post("/seals/pdf", large_pdf(LARGEST + 1)), 413) == "HTTP_BODY_TOO_LARGE"
        (tmp_path / "sealed.pdf").write_bytes(raised.content)
        words = ["verify", str(tmp_path / "sealed.pdf"), "--trust", str(service.folder.root / "trust")]
        assert main([*words, "--json"]) == 0, capsys.readouterr()
