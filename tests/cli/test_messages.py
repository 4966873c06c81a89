"""What commands print: sentences fit the terminal, data is the same everywhere."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

from kokuin.cli.messages import write, write_json, write_octets

if TYPE_CHECKING:
    import pytest


def test_json_is_utf_8_and_sentences_fit_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    beneath = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(beneath, encoding="cp932"))
    write(["é first"])
    write_json({"name": "Café \udc80"})
    write_octets("—\n".encode())
    write(["時刻"])
    sys.stdout.flush()
    sentence, *data, dash, last = beneath.getvalue().splitlines()
    assert sentence == b"\\xe9 first"
    assert json.loads(b"".join(data)) == {"name": "Café \udc80"}
    assert (dash, last) == ("—".encode(), "時刻".encode("cp932"))
