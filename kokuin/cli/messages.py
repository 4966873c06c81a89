"""Sentences for people, in English and Japanese, keyed by code; what they say is never parsed by anybody."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LANGUAGES = ("en", "ja")
_USERINFO = re.compile(r"(?<=://)[^/?#]*@")
"""RFC 3986 §3.2.1."""


def choose_language(option: str | None) -> str:
    """Return `en` or `ja`: from `--lang`, else `TSA_LANG`, else `LANG`; English when none of them says."""
    for wish in (option, os.environ.get("TSA_LANG"), os.environ.get("LANG")):
        if wish:
            return "ja" if wish.lower().startswith("ja") else "en"
    return "en"


def language_of(words: Sequence[str]) -> str:
    """Choose before the grammar is built: help itself is in the language that `--lang` names."""
    for at, word in enumerate(words):
        if word == "--lang" and at + 1 < len(words):
            return choose_language(words[at + 1])
        if word.startswith("--lang="):
            return choose_language(word.partition("=")[2])
    return choose_language(None)


def text(lang: str, key: str, /, **params: object) -> str:
    """Return the sentence `section.code` with its parameters filled in, a `url` without user and password.

    Raises:
        KeyError: there is no such sentence.
    """
    section, _, code = key.rpartition(".")
    if "url" in params:
        # An API key as password: what commands complain of ends in logs of jobs, which many read.
        params = {**params, "url": _USERINFO.sub("", str(params["url"]))}
    return _sentences(lang)[section][code].format(**params)


def sentence_or(lang: str, key: str, otherwise: str) -> str:
    """Return the sentence `section.code`, or `otherwise` where there is none: a code of another release."""
    section, _, code = key.rpartition(".")
    return _sentences(lang)[section].get(code, otherwise)


def plain(name: object) -> str:
    """Return a name as it may be told.

    Attack: the name of a file that would move a terminal's cursor, colour it, or end the line; octets that
    are no text stop the sentence.
    """
    return "".join(
        each if each.isprintable() or each == "\u3000" else ascii(each)[1:-1] for each in str(name)
    )


def write(lines: Iterable[str]) -> None:
    """Print; characters that the terminal's encoding lacks (a name out of a certificate) are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def write_aside(lines: Iterable[str]) -> None:
    """Print on standard error: no script is to take it for what it asked for."""
    for line in lines:
        print(line, file=sys.stderr)


def write_octets(octets: bytes) -> None:
    """Write data, such as a proof: it is the same whatever encoding the terminal has."""
    sys.stdout.flush()
    sys.stdout.buffer.write(octets)


def write_json(value: object) -> None:
    """Write JSON as `json_octets` makes it."""
    write_octets(json_octets(value))


def json_octets(value: object) -> bytes:
    """Return JSON (RFC 8259 §8.1: UTF-8); a lone surrogate, out of a file's name, is escaped."""
    words = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return words.encode("utf-8", "backslashreplace")


@cache
def _sentences(lang: str) -> dict[str, dict[str, str]]:
    source = Path(__file__).with_name("messages") / f"{lang}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))
