"""What commands print: sentences fit the terminal, data is the same everywhere."""

from __future__ import annotations

import io
import json
import sys

import pytest

from kokuin.cli.messages import LANGUAGES, text, write, write_json, write_octets


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://archive:s3cret@tsa.example/tsa", "http://tsa.example/tsa"),
        ("https://s3cret@tsa.example:443/tsa", "https://tsa.example:443/tsa"),
        ("http://a:s3cret@b@tsa.example", "http://tsa.example"),
        ("http://tsa.example/a@b?c=@", "http://tsa.example/a@b?c=@"),
        ("http://tsa.example?a:b@c", "http://tsa.example?a:b@c"),
        ("no url", "no url"),
    ],
)
def test_a_key_in_a_url_is_in_no_sentence(url: str, told: str) -> None:
    for lang in LANGUAGES:
        assert text(lang, "stamp.no_answer", url=url, reason="none").startswith(f"{told}: ")


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
