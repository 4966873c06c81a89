"""A list of tokens, each with its data or their digest and the expected verdict: CSV or JSON Lines."""

from __future__ import annotations

import codecs
import csv
import os
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from kokuin.trust.report import Indication
from kokuin.verify.batch_items import Item
from kokuin.wire import strictjson
from kokuin.wire.strictjson import JsonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_LINE = 65_536
"""Octets of a line."""
_ENCODINGS = ("utf-8-sig", "cp932")
"""What spreadsheets save a table in; the first in which the whole file can be read."""
FIELDS = ("token", "data", "digest", "expected")
"""What a line may say; the first must be there."""


class ManifestFault(StrEnum):
    """Why a list cannot be used."""

    NO_FILE = "MANIFEST_NO_FILE"
    ENCODING = "MANIFEST_ENCODING"
    LINE_TOO_LONG = "MANIFEST_LINE_TOO_LONG"
    SYNTAX = "MANIFEST_SYNTAX"
    FIELD = "MANIFEST_FIELD"
    TOKEN_ABSENT = "MANIFEST_TOKEN_ABSENT"  # noqa: S105  # a code, no secret
    PATH = "MANIFEST_PATH"
    DIGEST = "MANIFEST_DIGEST"
    DATA_AND_DIGEST = "MANIFEST_DATA_AND_DIGEST"
    EXPECTED = "MANIFEST_EXPECTED"


class ManifestError(ValueError):
    """A list cannot be used.

    Attributes:
        fault: why.
        line: number of the line, from 1; 0 where it is about the whole file.
        field: of FIELD, which one, as the list has it.
    """

    def __init__(self, fault: ManifestFault, line: int, field: str = "") -> None:
        super().__init__(f"{fault} in line {line}")
        self.fault = fault
        self.line = line
        self.field = field


@dataclass(frozen=True, slots=True)
class Manifest:
    """A list that was read once and found right.

    Attributes:
        path: of its file.
        digest: SHA-256 of its octets.
        encoding: of its text.
        count: how many tokens it names.
    """

    path: Path
    digest: str
    encoding: str
    count: int

    @classmethod
    def of(cls, path: Path) -> Manifest:
        """Read a list from front to back.

        Fields are `token` (a path from the batch's folder), `data` (another) or `digest` (hex), and
        `expected` (a verdict); all but the first may be left out or empty. CSV has their names in its first
        line, in any order; a column without a name is passed over.

        Raises:
            ManifestError: it cannot be used.
            OSError: it cannot be read.
        """
        digest, encoding = _survey(path)
        count = sum(1 for _ in cls(path, digest, encoding, 0).items())
        return cls(path, digest, encoding, count)

    def items(self) -> Iterator[Item]:
        """Yield what it names, in its order.

        Raises:
            ManifestError: it is no longer what it was.
            OSError: it cannot be read.
        """
        for number, fields in self._rows():
            yield _item(fields, number)

    def _rows(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        lines = self._lines()
        first = next(lines, "")
        if first.lstrip().startswith("{"):
            yield 1, _object(first, 1)
            for number, line in enumerate(lines, start=2):
                if line.strip():
                    yield number, _object(line, number)
            return
        names = _columns(first)
        rows = csv.reader(lines, strict=True)
        try:
            for row in rows:
                if any(row):
                    yield rows.line_num + 1, dict(zip(names, row, strict=False))
        except csv.Error:
            raise ManifestError(ManifestFault.SYNTAX, rows.line_num + 1) from None

    def _lines(self) -> Iterator[str]:
        with self.path.open("rb") as file:
            decoder = codecs.getincrementaldecoder(self.encoding)()
            number = 0
            while octets := file.readline(MAX_LINE + 1):
                number += 1
                if len(octets) > MAX_LINE:
                    raise ManifestError(ManifestFault.LINE_TOO_LONG, number)
                try:
                    yield decoder.decode(octets)
                except UnicodeDecodeError:
                    raise ManifestError(ManifestFault.ENCODING, number) from None


def _columns(first: str) -> list[str]:
    """Return the names of a table's columns; spreadsheets leave some without."""
    names = [name.strip().lower() for name in next(csv.reader([first]), [])]
    for at, name in enumerate(names):
        if name and (name not in FIELDS or name in names[:at]):
            # A misspelt `expected` that is passed over lets every verdict be the expected one.
            raise ManifestError(ManifestFault.FIELD, 1, name)
    return names


def _survey(path: Path) -> tuple[str, str]:
    """Return the SHA-256 of a file's octets, and the encoding of its text."""
    if path.exists() and not path.is_file():
        # A list is read more than once: a pipe would be empty by then, and a device may have no end.
        raise ManifestError(ManifestFault.NO_FILE, 0)
    decoders = {name: codecs.getincrementaldecoder(name)() for name in _ENCODINGS}
    state = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
            _feed(decoders, block, final=False)
    _feed(decoders, b"", final=True)
    if not decoders:
        raise ManifestError(ManifestFault.ENCODING, 0)
    return state.hexdigest(), next(iter(decoders))


def _feed(decoders: dict[str, codecs.IncrementalDecoder], block: bytes, *, final: bool) -> None:
    for name in list(decoders):
        try:
            decoders[name].decode(block, final)
        except UnicodeDecodeError:
            del decoders[name]


def _object(line: str, number: int) -> Mapping[str, object]:
    try:
        found = strictjson.loads(line.encode(), max_octets=3 * MAX_LINE, max_depth=4, floats=True)
    except JsonError:
        raise ManifestError(ManifestFault.SYNTAX, number) from None
    if not isinstance(found, dict):
        raise ManifestError(ManifestFault.SYNTAX, number)
    for name in found:
        if name not in FIELDS:
            raise ManifestError(ManifestFault.FIELD, number, name)
    return found


def _item(fields: Mapping[str, object], number: int) -> Item:
    token, data = (
        _path(_text(fields, name, ManifestFault.PATH, number), number) for name in ("token", "data")
    )
    digest = _digest(_text(fields, "digest", ManifestFault.DIGEST, number), number)
    if token is None:
        raise ManifestError(ManifestFault.TOKEN_ABSENT, number)
    if data is not None and digest is not None:
        raise ManifestError(ManifestFault.DATA_AND_DIGEST, number)
    expected = _text(fields, "expected", ManifestFault.EXPECTED, number)
    try:
        return Item(token, data, digest, Indication(expected.strip().upper()) if expected else None)
    except ValueError:
        raise ManifestError(ManifestFault.EXPECTED, number) from None


def _text(fields: Mapping[str, object], name: str, fault: ManifestFault, number: int) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ManifestError(fault, number)
    return value or None


def _path(value: str | None, number: int) -> str | None:
    try:
        if value is None or b"\0" not in os.fsencode(value):
            return value
    except UnicodeEncodeError:
        pass
    raise ManifestError(ManifestFault.PATH, number)


def _digest(value: str | None, number: int) -> bytes | None:
    try:
        return None if value is None else bytes.fromhex(value)
    except ValueError:
        raise ManifestError(ManifestFault.DIGEST, number) from None
