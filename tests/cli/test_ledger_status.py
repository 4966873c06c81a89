"""`tsa ledger status` and its route: what the owner says, and what the store of a stopped folder does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kokuin.cli.main import main
from kokuin.ledger.reader import LedgerReader
from tests.service.running import prepare, serving

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_state_of_the_ledger_is_shown_served_and_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = prepare(tmp_path / "data", "classical")
    words = ["ledger", "status", "--dir", str(made.folder.root), "--lang"]
    with serving(made) as service:
        assert main([*words, "en", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["ok"], said["served"], said["epoch"], said["problems"]) == (True, True, 1, [])
        assert service.client.get("/api/v1/ledger/status").status_code == 401
        headers = {"authorization": f"Bearer {service.operator_key}"}
        assert set(service.client.get("/api/v1/ledger/status", headers=headers).json()) == {*said} - {"ok"}
        assert main([*words, "en"]) == 0
        assert capsys.readouterr().out.endswith("No problem is known.\n")
    assert main([*words, "en", "--json"]) == 0
    stopped = json.loads(capsys.readouterr().out)
    with LedgerReader(made.folder.ledger) as reader:
        head = reader.head()
    assert (stopped["size"], stopped["root"], stopped["served"]) == (head.size, head.root.hex(), False)
    assert stopped["published"]["size"] == head.size
    assert stopped["origin"] == said["origin"]
    for lang, last in (("en", "Nobody serves"), ("ja", "このフォルダは運用されていません")):
        assert main([*words, lang]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert f"{head.size}" in lines[0]
        assert lines[-1].startswith(last)
