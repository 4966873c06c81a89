"""Objects of PDF read where they stand (ISO 32000-2 §7.3): tolerant of sloppy writers, bounded always.

The reader has no recursion and knows where each object began, which no library tells: what a signature
covers is a matter of octets, not of objects. Every token costs one of a budget, so a hostile file ends in
an error and never in an hour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.pdf.objects import Array, Chars, Dictionary, Name, Odd, PdfError, Reference, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.pdf.objects import Value

MAX_DEPTH = 128
"""Arrays and dictionaries within one another; real files have some ten."""
MAX_TOKENS = 500_000
"""Tokens of one document that are read, over all its objects."""

_WS = rb"\x00\t\n\x0c\r "
_DELIMITER = rb"()<>\[\]{}/%"
GAP = rb"(?:[" + _WS + rb"]|%[^\r\n]*+(?:[\r\n]|\Z))"
"""White space or a comment: what may stand between two tokens (§7.2.3)."""
_SPACE = re.compile(GAP + rb"*+")
_WHITE = rb"[" + _WS + rb"]"
_COMMON = re.compile(
    _WHITE
    + rb"*+(?:(\d{1,10})" + _WHITE + rb"++(\d{1,5})" + _WHITE + rb"++R"  # a reference,
    + rb"|(-?\d{1,18})"  # an integer that begins none,
    + rb"|/([^" + _WS + _DELIMITER + rb"#]++))"  # or a name
    + rb"(?=[" + _WS + _DELIMITER + rb"])(?!" + GAP + rb"{1,8}\d{1,5}" + GAP + rb"{1,8}R)"
)  # fmt: skip
"""A reference, an integer or a name with nothing uncommon about it."""
_HEADER = re.compile(GAP + rb"*+(\d{1,10})" + GAP + rb"++(\d{1,5})" + GAP + rb"++obj")
_REFERENCE = re.compile(
    rb"(\d{1,10})" + GAP + rb"++(\d{1,5})" + GAP + rb"++R(?![^" + _WS + _DELIMITER + rb"])"
)
_REGULAR = re.compile(rb"[^" + _WS + _DELIMITER + rb"]++")
_INTEGER = re.compile(rb"[+-]?\d{1,32}")
_REAL = re.compile(rb"[+-]?(?:\d+\.\d*|\.\d+)")
_PARENTHESES = re.compile(rb"[()\\]")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(GAP + rb"*+stream(?:[ \t]*+(\r\n|\n|\r))?")


class Budget:
    """What may still be spent on one document.

    Attributes:
        tokens: to be read.
        decoded: octets that filters may put out.
    """

    __slots__ = ("decoded", "tokens")

    def __init__(self, tokens: int = MAX_TOKENS, decoded: int = 64 * 1024 * 1024) -> None:
        self.tokens = tokens
        self.decoded = decoded

    def spend(self, count: int = 1) -> None:
        """Take tokens.

        Raises:
            PdfError: none are left.
        """
        self.tokens -= count
        if self.tokens < 0:
            raise PdfError("size", bounded=True)


@dataclass(frozen=True, slots=True)
class Indirect:
    """An indirect object where it stands: number, generation, value, and where its value ends."""

    number: int
    generation: int
    value: Value
    end: int


def read_indirect(data: bytes, position: int, budget: Budget) -> Indirect:
    """Read `N G obj value` at a position.

    Raises:
        PdfError: none begins there, or it cannot be read.
    """
    header = _HEADER.match(data, position)
    if header is None:
        raise PdfError("object")
    value, end = read_value(data, header.end(), budget)
    if isinstance(value, Dictionary):
        stream = _STREAM.match(data, end)
        if stream is not None:
            if stream[1] is None:
                raise PdfError("stream")  # where its data begins is another place to each reader
            value = Stream(value, stream.end())
    return Indirect(int(header[1]), int(header[2]), value, end)


class _Open:
    """A container that is being filled."""

    __slots__ = ("found", "is_dictionary")

    def __init__(self, *, is_dictionary: bool) -> None:
        self.is_dictionary = is_dictionary
        self.found: list[Value] = []


_STRUCTURE = frozenset({b"endobj", b"endstream", b"xref", b"trailer", b"startxref"})
_END_ARRAY = object()
_END_DICTIONARY = object()
_KEYWORDS: dict[bytes, bool | None] = {b"true": True, b"false": False, b"null": None}


def read_value(data: bytes, position: int, budget: Budget) -> tuple[Value, int]:
    """Read one object.

    Returns:
        the value, and where it ends.

    Raises:
        PdfError: the file ends within it, it is nested too deep, or the budget is spent.
    """
    stack: list[_Open] = []
    while True:
        budget.spend()
        match = _COMMON.match(data, position)
        if match is not None:  # what nearly all of a file is
            position = match.end()
            found: object = _common(match)
        else:
            position = _SPACE.match(data, position).end()  # type: ignore[union-attr]  # nothing at least
            found, position = _read_token(data, position)
        if isinstance(found, _Open):
            if len(stack) >= MAX_DEPTH:
                raise PdfError("nesting", bounded=True)
            stack.append(found)
            continue
        value: Value
        if found is _END_ARRAY or found is _END_DICTIONARY:
            if not stack or stack[-1].is_dictionary != (found is _END_DICTIONARY):
                raise PdfError("object")
            value = _closed(stack.pop())
        else:
            value = found  # type: ignore[assignment]  # the two ends are ruled out
        if not stack:
            return value, position
        stack[-1].found.append(value)


def _common(match: re.Match[bytes]) -> Value:
    number, generation, alone, name = match.groups()
    if name is not None:
        return Name(name.decode("latin-1"))
    return int(alone) if alone is not None else Reference(int(number), int(generation))


def _closed(opened: _Open) -> Value:
    if not opened.is_dictionary:
        return Array(opened.found)
    made = Dictionary()
    items = iter(opened.found)
    twice = []
    for key in items:
        if not isinstance(key, Name):
            made.stray = True
            continue  # what follows may be a key
        if key in made:
            twice.append(str(key))
        made[key] = next(items, None)
    made.twice = tuple(twice)
    return made


def _read_token(data: bytes, position: int) -> tuple[object, int]:
    first = data[position : position + 1]
    reader = _READERS.get(first)
    if reader is not None:
        return reader(data, position)
    match = _REGULAR.match(data, position)
    if match is None:
        raise PdfError("object" if first else "end-of-file")  # a stray brace or parenthesis, or nothing
    word = match[0]
    if word in _STRUCTURE:
        raise PdfError("object")  # what was open is never closed
    return _KEYWORDS[word] if word in _KEYWORDS else Odd(word), match.end()


def _slashed(data: bytes, position: int) -> tuple[Name, int]:
    match = _REGULAR.match(data, position + 1)
    end = match.end() if match else position + 1
    return _name(data[position + 1 : end]), end


def _name(raw: bytes) -> Name:
    if b"#" in raw:
        raw = _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), raw)
    return Name(raw.decode("latin-1"))


def _number(data: bytes, position: int) -> tuple[Value, int]:
    reference = _REFERENCE.match(data, position)
    if reference is not None:
        return Reference(int(reference[1]), int(reference[2])), reference.end()
    match = _REGULAR.match(data, position)
    word = match[0] if match else b""
    end = position + len(word)
    if len(word) > 32:
        return Odd(word), end  # no number, and no time is spent on one
    if _INTEGER.fullmatch(word):
        return int(word), end
    return (float(word), end) if _REAL.fullmatch(word) else (Odd(word), end)


def _literal(data: bytes, position: int) -> tuple[Chars, int]:
    depth = 0
    at = position
    while True:
        match = _PARENTHESES.search(data, at)
        if match is None:
            raise PdfError("string")
        at = match.end()
        if match[0] == b"\\":
            at += 1
        elif match[0] == b"(":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return Chars(data[position:at], position), at


def _angled(data: bytes, position: int) -> tuple[object, int]:
    two = data[position : position + 2]
    if two == b"<<":
        return _Open(is_dictionary=True), position + 2
    if two == b">>":
        return _END_DICTIONARY, position + 2
    if two[:1] == b">":
        raise PdfError("object")
    end = data.find(b">", position)
    if end < 0:
        raise PdfError("string")
    return Chars(data[position : end + 1], position), end + 1


_READERS: dict[bytes, Callable[[bytes, int], tuple[object, int]]] = {
    b"/": _slashed,
    b"[": lambda _, position: (_Open(is_dictionary=False), position + 1),
    b"]": lambda _, position: (_END_ARRAY, position + 1),
    b"(": _literal,
    b"<": _angled,
    b">": _angled,
    **{bytes((each,)): _number for each in b"0123456789+-."},
}
"""By the first octet of a token."""
