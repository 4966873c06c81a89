"""Sentences for people, in English and Japanese, keyed by code; what they say is never parsed by anybody."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "ja")


def choose_language(option: str | None) -> str:
    """Return `en` or `ja`: from `--lang`, else `TSA_LANG`, else `LANG`; English when none of them says."""
    for wish in (option, os.environ.get("TSA_LANG"), os.environ.get("LANG")):
        if wish:
            return "ja" if wish.lower().startswith("ja") else "en"
    return "en"


def text(lang: str, key: str, /, **params: object) -> str:
    """Return the sentence `section.code` with its parameters filled in.

    Raises:
        KeyError: there is no such sentence.
    """
    section, _, code = key.partition(".")
    return _sentences(lang)[section][code].format(**params)


@cache
def _sentences(lang: str) -> dict[str, dict[str, str]]:
    source = Path(__file__).with_name("messages") / f"{lang}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))
