"""Objects of PDF as values (ISO 32000-2 §7.3): equal where they say the same, wherever they stand.

A string keeps its octets as written and its place, since what a signature leaves out is a matter of both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")
_BACKSLASH = re.compile(rb"\\([0-7]{1,3}|\r\n|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


_PDF_DOC_ENCODING = dict(enumerate("\u02d8\u02c7\u02c6\u02d9\u02dd\u02db\u02da\u02dc", 0x18)) | dict(
    enumerate(
        "\u2022\u2020\u2021\u2026\u2014\u2013\u0192\u2044\u2039\u203a\u2212"
        "\u2030\u201e\u201c\u201d\u2018\u2019\u201a\u2122\ufb01\ufb02\u0141"
        "\u0152\u0160\u0178\u017d\u0131\u0142\u0153\u0161\u017e\ufffd\u20ac",
        0x80,
    )
)
"""Where the encoding of text strings (ISO 32000-2 annex D.3) is not Latin-1."""


class PdfError(ValueError):
    """A file that cannot be read.

    Attributes:
        what: names the place or the rule that is broken; part of a report.
        bounded: a limit was met, and the file may be a good one.
    """

    def __init__(self, what: str, *, bounded: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.bounded = bounded


class Name(str):
    """A name without its solidus, escapes undone (§7.3.5)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """An indirect reference (§7.3.10)."""

    number: int
    generation: int


@dataclass(frozen=True, slots=True)
class Chars:
    """A string as it is written (§7.3.4), with its delimiters.

    Attributes:
        raw: the octets from the first delimiter to the last.
        start: where they begin in the buffer; two strings that say the same are equal wherever they are.
    """

    raw: bytes
    start: int = field(compare=False, repr=False)

    @property
    def end(self) -> int:
        """Where the next token may begin."""
        return self.start + len(self.raw)

    @property
    def hexadecimal(self) -> bool:
        """Whether it is written in digits."""
        return self.raw[:1] == b"<"

    @property
    def octets(self) -> bytes:
        """What the string says."""
        inner = self.raw[1:-1]
        if self.hexadecimal:
            digits = _NOT_HEX.sub(b"", inner)
            return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
        return _BACKSLASH.sub(_unescape, inner)


@dataclass(frozen=True, slots=True)
class Odd:
    """A token that is none of PDF's, or a number in no spelling of §7.3.3: readers differ in what it is.

    Attributes:
        word: the octets as they stand there.
    """

    word: bytes


class Array(list["Value"]):
    """An array (§7.3.6)."""

    __slots__ = ()


class Dictionary(dict[str, "Value"]):
    """A dictionary (§7.3.7); of a key that stands twice the last one counts, and `twice` names it.

    `stray`: something stands where a key should. It was passed over; other readers may make a value of it.
    """

    __slots__ = ("stray", "twice")

    def __init__(self) -> None:
        super().__init__()
        self.twice: tuple[str, ...] = ()
        self.stray = False


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream (§7.3.8).

    Attributes:
        dictionary: what describes it.
        start: where its data begins.
    """

    dictionary: Dictionary
    start: int = field(compare=False)


Value: TypeAlias = "bool | int | float | Name | Chars | Odd | Reference | Array | Dictionary | Stream | None"


def as_text(value: Value) -> str | None:
    """Return what a text string says (§7.9.2.2), at most 256 characters; None for another type."""
    if isinstance(value, Name):
        return str(value)[:256]
    if not isinstance(value, Chars):
        return None
    octets = value.octets[:1024]
    if octets.startswith(b"\xfe\xff"):
        text = octets[2:].decode("utf-16-be", "replace")
    elif octets.startswith(b"\xef\xbb\xbf"):
        text = octets[3:].decode("utf-8", "replace")
    else:
        text = octets.decode("latin-1").translate(_PDF_DOC_ENCODING)
    return text[:256]


def _unescape(found: re.Match[bytes]) -> bytes:
    what = found[1]
    if what[:1].isdigit():
        return bytes((int(what, 8) & 0xFF,)) if what[:1] in b"01234567" else what
    if what in {b"\r\n", b"\n", b"\r"}:
        return b""
    return _ESCAPES.get(what, what)
