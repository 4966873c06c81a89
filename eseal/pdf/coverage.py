"""What octets a signature covers (ISO 32000-2 §12.8.1): all of its revision but its own hex string.

Signature wrapping moves the second range and puts objects into the gap; universal forgery breaks /ByteRange
or /Contents so that a reader finds nothing to compare. So the gap must be, octet for octet, the string that
stands in the signature dictionary, and nothing but hex digits between its angles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.pdf.objects import Chars, Reference
from eseal.rules import PDF_COVERAGE, SealReason
from kokuin.trust.report import SubIndication
from kokuin.wire.algorithms import hasher

if TYPE_CHECKING:
    from eseal.pdf.document import Document
    from eseal.pdf.fields import Signature
    from eseal.pdf.objects import Value
    from kokuin.trust.report import Check

_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")
_WHITE = b"\x00\t\n\x0c\r "
_AROUND = 16
"""White space before and behind the string that a writer may have left out with it."""
_NEITHER = re.compile(rb"[^0-9A-Fa-f\x00\t\n\x0c\r ]")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Octets that a signature covers: from 0 to `gap_start` and from `gap_end` to `end`.

    Attributes:
        data: the file.
        gap_start: where the hex string begins, or its digits do.
        gap_end: where it ends, or they do.
        end: where the covered octets end, which is the end of the file as it was sealed.
    """

    data: bytes
    gap_start: int
    gap_end: int
    end: int

    def digest(self, algorithm: str) -> bytes:
        """Return the digest of what is covered, by the name of an algorithm.

        Raises:
            ValueError: the name is none of `kokuin.wire.algorithms.DIGEST_BY_NAME`.
        """
        view = memoryview(self.data)
        state = hasher(algorithm)
        state.update(view[: self.gap_start])
        state.update(view[self.gap_end : self.end])
        return state.digest()

    @property
    def octets(self) -> bytes:
        """What is covered, put together."""
        return self.data[: self.gap_start] + self.data[self.gap_end : self.end]

    @property
    def contents(self) -> bytes:
        """What the hex string says, padding included; behind a last digit that is alone stands a zero."""
        digits = self.data[self.gap_start : self.gap_end].strip(b"<>").decode("ascii")
        return bytes.fromhex(digits + "0" * (len(digits) % 2))


def read_coverage(document: Document, signature: Signature) -> Coverage | Check:
    """Read /ByteRange and /Contents of a signature, and hold them against the place where they stand.

    Raises:
        PdfError: one of them is an object that cannot be read.
    """
    found = signature.dictionary
    # Both are to stand in the dictionary itself (table 255); some writers put them into objects of their own.
    contents = document.resolve(found.get("Contents"))
    ranges = _ranges(document, found.get("ByteRange"))
    holder = found.get("Contents")
    number = holder.number if isinstance(holder, Reference) else signature.number
    wrong = None
    if {"ByteRange", "Contents"} & set(found.twice):
        wrong = "twice"  # readers differ in which of the two they take
    elif not isinstance(contents, Chars) or not contents.hexadecimal:
        wrong = "Contents"
    elif ranges is None:
        wrong = "ByteRange"
    elif document.entry(number).offset is None:
        wrong = "object-stream"  # its place in the file cannot be left out of anything
    else:
        wrong = _misfit(ranges, contents, document.source.data)
        if wrong is None:
            return Coverage(document.source.data, ranges[1], ranges[2], ranges[2] + ranges[3])
        if wrong == "white-space":
            return PDF_COVERAGE.indeterminate(
                SealReason.COVERAGE_WRONG, SubIndication.FORMAT_FAILURE, what=wrong
            )
    return PDF_COVERAGE.failed(SealReason.COVERAGE_WRONG, SubIndication.FORMAT_FAILURE, what=wrong)


def _ranges(document: Document, value: Value) -> list[int] | None:
    found = [document.resolve(each) for each in document.array(value)]
    numbers = [each for each in found if isinstance(each, int) and not isinstance(each, bool)]
    return numbers if len(found) == len(numbers) == 4 and min(numbers) >= 0 else None


def _misfit(ranges: list[int], contents: Chars, data: bytes) -> str | None:
    """Return what does not fit; None when the ranges leave out the string and nothing else.

    Its angles belong to what is left out (§12.8.1); where a writer signed them too, no less is covered.
    """
    zero, gap_start, gap_end, rest = ranges
    if zero != 0 or rest == 0 or gap_end + rest > len(data):
        return "gap" if zero else "end"
    whole, inner = (contents.start, contents.end), (contents.start + 1, contents.end - 1)
    if (gap_start, gap_end) not in {whole, inner}:
        near = 0 <= contents.start - gap_start < _AROUND and 0 <= gap_end - contents.end < _AROUND
        around = data[gap_start : contents.start] + data[contents.end : gap_end]
        return "white-space" if near and not around.strip(_WHITE) else "gap"
    found = _NOT_HEX.search(contents.raw, 1, len(contents.raw) - 1)
    if found is None:
        return None
    # What a string may have in it by §7.3.4.3 nobody writes into this one, and nobody notices it.
    return "Contents" if _NEITHER.search(contents.raw, 1, len(contents.raw) - 1) else "white-space"
