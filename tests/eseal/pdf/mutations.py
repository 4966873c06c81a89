"""Seeded damage to PDFs: octets, tokens, references, ranges, revisions; the same seed, the same files.

Most mutations keep a file readable, so that what is wrong lies behind the first look at it.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from tests.eseal.pdf.attacks import ATTACKS
from tests.eseal.pdf.handmade import certified, contract, last_xref, seal, sealed, update, update_packed

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_PLACE = 0.8
"""Of the mutations of tokens that move nothing, so that the table still leads to every object."""
_NUMBER = re.compile(rb"\d+")
_NAME = re.compile(rb"/[A-Za-z]+")
_REFERENCE = re.compile(rb"\d+ 0 R")
_NUMBERS = (b"0", b"1", b"-1", b"4294967296", b"99999999999999999999", b"1e9", b"3.7", b"", b"00012")
_TOKENS = (
    *(
        b"<<",
        b">>",
        b"[",
        b"]",
        b"(",
        b")",
        b"<",
        b">",
        b"<00>",
        b"null",
        b"true",
        b"0 0 R",
        b"3 0 R",
        b"15 0 R",
    ),
    *(
        b"endobj",
        b"obj",
        b"stream",
        b"endstream",
        b"xref",
        b"trailer",
        b"startxref 0 %%EOF",
        b"%%EOF",
        b"%",
        b"\x00",
    ),
    *(
        b"/Contents<00>",
        b"/ByteRange[0 1 2 3]",
        b"/Type/XRef",
        b"/Kids[2 0 R]",
        b"/Prev 9",
        b"/V 15 0 R",
        b"[" * 300,
    ),
)


def seeds() -> tuple[bytes, ...]:
    """Sealed, certified and attacked files."""
    twice = seal(
        sealed(),
        {14: b"[6 0 R 7 0 R 20 0 R]", 20: b"<</FT/Sig/T(second)/Rect[0 0 0 0]/V 22 0 R>>"},
        number=22,
    )
    packed = update_packed(sealed(), {20: b"<</A 21 0 R>>", 21: b"[1]"})
    shown = (
        "isa_in_an_object_stream",
        "hybrid_section_hides_another_content",
        "shadow_replace_look_of_a_field",
    )
    return (sealed(), certified(2), twice, packed, contract(), *(ATTACKS[name]() for name in shown))


class PdfMutator:
    """Makes one damaged file after the other."""

    def __init__(self, files: tuple[bytes, ...], seed: int) -> None:
        self._files = files
        self._random = random.Random(seed)  # noqa: S311  # test input, reproducible by its seed
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._octets,
            self._cut,
            self._repeat,
            self._number,
            self._name,
            self._reference,
            self._token,
            self._join,
            self._update,
        )

    def next(self) -> bytes:
        """Return a file with one to four mutations."""
        octets = self._random.choice(self._files)
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            octets = self._random.choice(self._ways)(octets)
        return octets

    def _place(self, octets: bytes) -> int:
        return self._random.randrange(len(octets) + 1)

    def _octets(self, octets: bytes) -> bytes:
        changed = bytearray(octets)
        for _ in range(self._random.choice((1, 2, 8))):
            if changed:
                changed[self._random.randrange(len(changed))] = self._random.randrange(256)
        return bytes(changed)

    def _cut(self, octets: bytes) -> bytes:
        at = self._place(octets)
        return octets[:at] + octets[at + self._random.choice((1, 7, 100, len(octets))) :]

    def _repeat(self, octets: bytes) -> bytes:
        at = self._place(octets)
        return octets[:at] + octets[max(0, at - self._random.choice((1, 20, 300))) :]

    def _replaced(self, octets: bytes, what: re.Pattern[bytes], by: tuple[bytes, ...]) -> bytes:
        found = list(what.finditer(octets))
        if not found:
            return octets
        match = self._random.choice(found)
        other = self._random.choice(by)
        if self._random.random() < _IN_PLACE:
            other = other[: len(match[0])].ljust(len(match[0]))
        return octets[: match.start()] + other + octets[match.end() :]

    def _number(self, octets: bytes) -> bytes:
        near = b"%d" % self._random.randrange(len(octets) + 10)
        return self._replaced(octets, _NUMBER, (*_NUMBERS, near, near))

    def _name(self, octets: bytes) -> bytes:
        names = tuple(set(_NAME.findall(octets))) or (b"/Type",)
        return self._replaced(octets, _NAME, tuple(sorted(names)))

    def _reference(self, octets: bytes) -> bytes:
        other = b"%d 0 R" % self._random.randrange(32)
        return self._replaced(octets, _REFERENCE, (other, other, b"null", b"<<>>", b"[1 0 R 1 0 R]"))

    def _token(self, octets: bytes) -> bytes:
        at = self._place(octets)
        token = self._random.choice(_TOKENS)
        over = len(token) if self._random.random() < _IN_PLACE else 0
        return octets[:at] + token + octets[at + over :]

    def _join(self, octets: bytes) -> bytes:
        other = self._random.choice(self._files)
        return octets[: self._place(octets)] + other[self._place(other) :]

    def _update(self, octets: bytes) -> bytes:
        """A revision that redefines an object by what another object of the file says."""
        try:
            previous = last_xref(octets)
        except (ValueError, IndexError):
            return octets
        taken = self._random.choice(self._files)
        at = taken.find(b" 0 obj\n", self._place(taken))
        body = taken[at + 7 : taken.find(b"\nendobj", at)] if at >= 0 else b"null"
        return update(octets, {self._random.randrange(1, 30): body}, previous=previous)
