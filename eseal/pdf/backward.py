"""Keywords of indirect objects found in octets, read backwards: `N G obj` and `N G R`, and where they begin.

A pattern that reads forwards tries every digit of a file and, at each, every comment behind it: quadratic
in a hostile file, slow in a good one. The keywords are rare, and what stands before one is short.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eseal.pdf.syntax import Budget

_WS = b"\x00\t\n\x0c\r "
_QUICK = re.compile(rb"(?<![\d+.-])(\d{1,10})[\x00\t\n\x0c\r ]+(\d{1,5})[\x00\t\n\x0c\r ]+\Z")
_WINDOW = 32
_DIGITS = b"0123456789"
_NUMERIC = _DIGITS + b"+-."
_MOST_DIGITS = 10
_SLOWLY = 8
"""Tokens that it costs to look behind comments, or for numbers in an uncommon spelling."""
_MAY_PRECEDE = _NUMERIC + _WS
_REFERENCE = re.compile(rb"R(?![^\x00\t\n\x0c\r ()<>\[\]{}/%])")


def headers(data: bytes, begin: int, end: int, budget: Budget) -> Iterator[tuple[int, int]]:
    """Yield where each `N G obj` begins between two places, and its number, in order.

    Raises:
        PdfError: the budget is spent.
    """
    at = data.find(b"obj", begin, end)
    while at >= 0:
        budget.spend()
        yield from _numbers_before(data, begin, at, budget)
        at = data.find(b"obj", at + 3, end)


def references(data: bytes, begin: int, end: int, budget: Budget) -> Iterator[tuple[int, int]]:
    """Yield where each `N G R` begins between two places, and its number, in order.

    Attack: a reference in a spelling that other readers take (`7 0R`, `7 000000 R`, `7.0 0 R`) is to an
    object that nobody seems to use.

    Raises:
        PdfError: the budget is spent.
    """
    for keyword in _REFERENCE.finditer(data, begin, end):
        at = keyword.start()
        if at and data[at - 1] in _MAY_PRECEDE:
            budget.spend()
            yield from _numbers_before(data, begin, at, budget)


def words(data: bytes, word: bytes, begin: int, end: int, budget: Budget) -> Iterator[int]:
    """Yield where a word stands between two places.

    Raises:
        PdfError: the budget is spent.
    """
    at = data.find(word, begin, end)
    while at >= 0:
        budget.spend()
        yield at
        at = data.find(word, at + len(word), end)


def _numbers_before(data: bytes, begin: int, position: int, budget: Budget) -> tuple[tuple[int, int], ...]:
    """Return where the two numbers before a keyword begin, with each number that the first of them may be."""
    before = data[max(begin, position - 2) : position]
    if len(before) < 2 or before[1] not in _MAY_PRECEDE:
        return ()  # `endobj`
    if before[1] in b"\t \x00\x0c" and before[0] not in _MAY_PRECEDE:
        return ()  # most of what looks like a keyword: no number and no comment ends before it
    low = max(begin, position - _WINDOW)
    quick = _QUICK.search(data[low:position])
    if quick is not None:
        return ((low + quick.start(), int(quick[1])),)
    budget.spend(_SLOWLY)
    generation = _token_before(data, begin, position)
    if generation is None or _skip_gap(data, begin, generation[0]) == generation[0]:
        return ()
    number = _token_before(data, begin, generation[0])
    if number is None:
        return ()
    return tuple((number[0], each) for each in _readings(data[number[0] : number[1]]))


def _readings(token: bytes) -> set[int]:
    """Return the object numbers that readers find in a token: a sign within it ends it, or is passed over."""
    whole = token.lstrip(b"+-").partition(b".")[0]
    digits = {whole.replace(b"+", b"").replace(b"-", b""), re.split(rb"[+-]", whole)[0]}
    return {
        int(each or b"0") for each in (found.lstrip(b"0") for found in digits) if len(each) <= _MOST_DIGITS
    }


def _token_before(data: bytes, begin: int, position: int) -> tuple[int, int] | None:
    """Return where the number begins and ends that stands before a place, whatever gap is between."""
    end = _skip_gap(data, begin, position)
    start = _skip(data, begin, end, _NUMERIC)
    return (start, end) if start < end else None


def _skip_gap(data: bytes, begin: int, position: int) -> int:
    """Return where white space and comments before a place begin."""
    while True:
        at = _skip(data, begin, position, _WS)
        if data.find(b"\n", at, position) < 0 and data.find(b"\r", at, position) < 0:
            return at
        line = _line_start(data, begin, at)
        comment = data.find(b"%", line, at)
        if comment < 0:
            return at
        position = comment


def _skip(data: bytes, begin: int, position: int, octets: bytes) -> int:
    """Return where the run of some octets before a place begins."""
    size = 16
    while position > begin:
        low = max(begin, position - size)
        kept = len(data[low:position].rstrip(octets))
        position = low + kept
        if kept:
            break
        size *= 4
    return position


def _line_start(data: bytes, begin: int, position: int) -> int:
    """Look back in growing steps: no line is searched much farther than it is long."""
    size = 256
    while True:
        low = max(begin, position - size)
        found = max(data.rfind(b"\n", low, position), data.rfind(b"\r", low, position))
        if found >= 0 or low == begin:
            return found + 1 if found >= 0 else begin
        size *= 4
