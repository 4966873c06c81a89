"""Children that read and judge: ended whatever they are doing."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from kokuin.service.child_start import end_child, start_child
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_FLOODS = "import sys\nwhile True:\n    sys.stdout.write('x' * 65536)\n"
_PAUSED = 2 * 65_536
"""Octets that a reader holds before it takes no more."""


def test_a_child_that_writes_more_than_anybody_reads_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end of its output that nobody reaches must not be waited for: whoever asked has gone."""
    (tmp_path / "floods.py").write_text(_FLOODS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def act() -> int | None:
        child = await start_child("floods")
        assert child.stdout is not None
        while len(child.stdout._buffer) <= _PAUSED:  # type: ignore[attr-defined]  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.01)
        async with asyncio.timeout(PATIENCE_S):
            await end_child(child)
        return child.returncode

    assert asyncio.run(act()) == -signal.SIGKILL


def test_a_child_is_given_no_word_that_opens_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tells.py").write_text(
        "import os\nprint(sorted(name for name in os.environ if name[:4] == 'TSA_'))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in ("TSA_PASSPHRASE", "TSA_PIN", "TSA_RECIPIENT_PASSPHRASE", "TSA_LANG"):
        monkeypatch.setenv(name, "en")

    async def act() -> bytes:
        child = await start_child("tells")
        return (await child.communicate())[0]

    assert asyncio.run(act()) == b"['TSA_LANG']\n"
