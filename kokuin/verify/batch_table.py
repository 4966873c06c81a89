"""The judgements of a batch as a table for spreadsheets."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

COLUMNS = (
    "token",
    "indication",
    "sub_indication",
    "check",
    "reason",
    "gen_time",
    "verifiable_until",
    "ends",
    "expected",
    "data",
    "digest",
    "serial",
    "policy",
    "signer",
    "imprint_algorithm",
    "imprint",
    "sha256",
    "limits",
)

_BOM = "\ufeff"
"""Without it some spreadsheets take UTF-8 for the encoding of their country."""
_ACTIVE = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(lines: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield a table in UTF-8 (RFC 4180) of the lines of a journal, its head first."""
    yield (_BOM + _row(COLUMNS)).encode()
    for line in lines:
        end = line["verifiable_until"] or {}
        shown = {
            **line,
            "verifiable_until": end.get("time"),
            "ends": end.get("cause"),
            "limits": " ".join(line["limits"]),
        }
        # A lone surrogate stands for an octet of a file's name that is no UTF-8.
        yield _row([_cell(shown[name]) for name in COLUMNS]).encode("utf-8", "backslashreplace")


def _cell(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    # Attack: a file's name, or one in a certificate, that a spreadsheet would take for a formula.
    return f"'{text}" if text.startswith(_ACTIVE) else text


class _Line:
    """A file for the library's writer, which returns what it is given to write."""

    @staticmethod
    def write(line: str) -> str:
        return line


_WRITER = csv.writer(_Line())


def _row(cells: Iterable[str]) -> str:
    return str(_WRITER.writerow(cells))
