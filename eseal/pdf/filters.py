"""Data of streams that hold structure: cross-reference streams, object streams, validation data (§7.4).

Only what such streams use is undone; pictures are never decoded. What comes out is counted before it is
kept, so a compression bomb ends in an error.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import TYPE_CHECKING

from eseal.pdf.objects import Array, Dictionary, Name, PdfError

if TYPE_CHECKING:
    from eseal.pdf.objects import Value
    from eseal.pdf.syntax import Budget

MAX_FILTERS = 4
"""Filters over one stream."""
MAX_DECODED = 16 * 1024 * 1024
"""Octets that come out of one filter."""
_WHITE = re.compile(rb"[\x00\t\n\x0c\r ]+")


def decode(raw: bytes, dictionary: Dictionary, budget: Budget) -> bytes:
    """Undo the filters of a stream; those must be direct objects, as the caller resolved them.

    Raises:
        PdfError: a filter is unknown, the data is broken, or the budget is spent.
    """
    filters = _listed(dictionary.get("Filter", dictionary.get("F")))
    parameters = _listed(dictionary.get("DecodeParms", dictionary.get("DP")))
    if len(filters) > MAX_FILTERS:
        raise PdfError("filter", bounded=True)
    for index, name in enumerate(filters):
        found = parameters[index] if index < len(parameters) else None
        raw = _undo(name, found if isinstance(found, Dictionary) else Dictionary(), raw, budget)
    return raw


def _listed(value: Value) -> list[Value]:
    if value is None:
        return []
    return list(value) if isinstance(value, Array) else [value]


def _undo(name: Value, parameters: Dictionary, raw: bytes, budget: Budget) -> bytes:
    if name in {"FlateDecode", "Fl"}:
        return _predicted(_inflate(raw, budget), parameters, budget)
    try:
        if name in {"ASCIIHexDecode", "AHx"}:
            digits = _WHITE.sub(b"", raw).partition(b">")[0]
            return binascii.unhexlify(digits + b"0" * (len(digits) % 2))
        if name in {"ASCII85Decode", "A85"}:
            text = _WHITE.sub(b"", raw).partition(b"~")[0]
            return base64.a85decode(text)
    except ValueError as error:
        raise PdfError("filter") from error
    if name == "Crypt" and parameters.get("Name", Name("Identity")) == "Identity":
        return raw
    raise PdfError("filter")


def _inflate(raw: bytes, budget: Budget) -> bytes:
    """As much as is there: writers cut the checksum off, and readers do not mind."""
    engine = zlib.decompressobj()
    most = min(MAX_DECODED, budget.decoded)
    try:
        found = engine.decompress(raw, most + 1)
    except zlib.error as error:
        raise PdfError("filter") from error
    if len(found) > most:
        budget.decoded -= most
        raise PdfError("compression", bounded=True)
    budget.decoded -= len(found)
    return found


def _predicted(found: bytes, parameters: Dictionary, budget: Budget) -> bytes:
    predictor = _number(parameters, "Predictor", 1)
    if predictor < 2:
        return found
    columns, colours = _number(parameters, "Columns", 1), _number(parameters, "Colors", 1)
    bits = _number(parameters, "BitsPerComponent", 8)
    if predictor < 10 or bits != 8 or not 0 < columns * colours <= 65_536:
        raise PdfError("filter")
    width = columns * colours
    budget.spend(len(found) // (width + 1) + len(found) // 32)
    return _unfiltered(found, width, colours)


def _number(parameters: Dictionary, key: str, default: int) -> int:
    value = parameters.get(key, default)
    return value if isinstance(value, int) else default


def _unfiltered(found: bytes, width: int, step: int) -> bytes:
    """PNG filters (RFC 2083 §6), a row at a time."""
    before = bytearray(width)
    rows = []
    for start in range(0, len(found), width + 1):
        kind = found[start]
        row = bytearray(found[start + 1 : start + 1 + width])
        if kind == 2:
            row = bytearray((one + two) & 0xFF for one, two in zip(row, before, strict=False))
        elif kind:
            _filtered_row(kind, row, before, step)
        rows.append(row)
        before = row + bytes(width - len(row))
    return b"".join(rows)


def _filtered_row(kind: int, row: bytearray, before: bytearray, step: int) -> None:
    for index in range(len(row)):
        left = row[index - step] if index >= step else 0
        above = before[index]
        if kind == 1:
            guess = left
        elif kind == 3:
            guess = (left + above) // 2
        elif kind == 4:
            guess = _paeth(left, above, before[index - step] if index >= step else 0)
        else:
            raise PdfError("filter")
        row[index] = (row[index] + guess) & 0xFF


def _paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    return min((left, above, corner), key=lambda each: abs(estimate - each))
