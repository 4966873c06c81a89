"""Where a page shows text and pictures: whether a further visible seal lies over what was sealed before.

A sneaky signature covers the amount with its own look. Its rectangle is known, so what matters is where the
sealed page draws. Straight lines and areas do not count: a page may have a coloured ground, and a place to
sign is a line. Curves do, since letters may be drawn as outlines. Text is taken a little wider than it is:
fonts are not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from eseal.pdf.objects import Array, Chars, Dictionary, Name, Odd, PdfError, Stream
from eseal.pdf.syntax import read_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eseal.pdf.document import Document
    from eseal.pdf.objects import Value

Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top."""
Matrix: TypeAlias = tuple[float, float, float, float, float, float]

_MAX_FORMS = 8
"""Form XObjects within one another."""
_MAX_STATES = 64
"""Graphics states on the stack."""
_WIDTH = 0.75
"""Of a character, in its size."""
_FAR = 1e9
"""A coordinate beyond it is none."""
_IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_UNIT: Box = (0.0, 0.0, 1.0, 1.0)
_OPERATOR = re.compile(rb"[\x00\t\n\x0c\r ]*+([A-Za-z'\"][A-Za-z0-9*]*)")
_INLINE_END = re.compile(rb"[\x00\t\n\x0c\r ]EI(?=[\x00\t\n\x0c\r ]|\Z)")
_VALUES = frozenset({b"true", b"false", b"null"})


def box_of(document: Document, value: Value) -> Box | None:
    """Return a rectangle (§7.9.5) in order; None of anything else.

    Raises:
        PdfError: it cannot be read.
    """
    numbers = [document.resolve(each) for each in document.array(value)]
    if len(numbers) != 4 or not all(map(_is_number, numbers)):
        return None
    one, two, three, four = (_float(each) for each in numbers)
    return min(one, three), min(two, four), max(one, three), max(two, four)


def overlaps(one: Box, other: Box) -> bool:
    """Whether two boxes share some area or touch."""
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def drawn_boxes(document: Document, page: Dictionary) -> Iterator[Box]:
    """Yield where a page shows text or a picture, annotations included.

    Raises:
        PdfError: something of it cannot be read.
    """
    for value in document.array(page.get("Annots")):
        annotation = document.dictionary(value)
        box = box_of(document, annotation.get("Rect")) if annotation is not None else None
        if box is not None and box[0] < box[2] and box[1] < box[3]:
            yield box
    contents = document.resolve(page.get("Contents"))
    parts = contents if isinstance(contents, Array) else [contents]
    streams = [each for each in map(document.resolve, parts) if isinstance(each, Stream)]
    octets = b"\n".join(document.decoded(each) for each in streams)
    yield from _Drawing(document, 0).boxes(octets, _resources(document, page), _IDENTITY)


def _resources(document: Document, page: Dictionary) -> Dictionary:
    """Its own or its parents' (§7.7.3.4)."""
    node: Dictionary | None = page
    for _ in range(_MAX_STATES):
        if node is None:
            break
        if "Resources" in node:
            return document.dictionary(node["Resources"]) or Dictionary()
        node = document.dictionary(node.get("Parent"))
    return Dictionary()


@dataclass(slots=True)
class _State:
    """The part of the graphics state that says where things are."""

    matrix: Matrix = _IDENTITY
    size: float = 1.0
    leading: float = 0.0


class _Drawing:
    """Follows a content stream (§8.4, §9.4)."""

    def __init__(self, document: Document, depth: int) -> None:
        if depth > _MAX_FORMS:
            raise PdfError("nesting", bounded=True)
        self._document = document
        self._depth = depth
        self._state = _State()
        self._stack: list[_State] = []
        self._text = self._line = _IDENTITY

    def boxes(self, octets: bytes, resources: Dictionary, matrix: Matrix) -> Iterator[Box]:
        """Yield what is drawn in the coordinates of `matrix`."""
        self._state = _State(matrix)
        operands: list[Value] = []
        at = 0
        while True:
            found = _OPERATOR.match(octets, at)
            if found is None or found[1] in _VALUES:
                try:
                    value, at = read_value(octets, at, self._document.source.budget)
                except PdfError as error:
                    if error.bounded or error.what != "end-of-file":
                        raise
                    return
                if isinstance(value, Odd):
                    raise PdfError("operand")
                operands.append(value)
                continue
            at = found.end()
            self._document.source.budget.spend()
            if found[1] == b"BI":
                end = _INLINE_END.search(octets, at)
                at = len(octets) if end is None else end.end()
                yield _moved(self._state.matrix, _UNIT)
            elif found[1] == b"Do":
                yield from self._object(operands, resources)
            else:
                self._operate(found[1], operands)
                yield from self._paint(found[1], operands)
            operands = []

    def _object(self, operands: list[Value], resources: Dictionary) -> Iterator[Box]:
        name = operands[-1] if operands else None
        objects = self._document.dictionary(resources.get("XObject")) or Dictionary()
        drawn = self._document.resolve(objects.get(name)) if isinstance(name, Name) else None
        if not isinstance(drawn, Stream):
            return
        if self._document.resolve(drawn.dictionary.get("Subtype")) != "Form":
            yield _moved(self._state.matrix, _UNIT)
            return
        own = [
            _float(self._document.resolve(each))
            for each in self._document.array(drawn.dictionary.get("Matrix"))
        ]
        matrix = _times(_matrix(own), self._state.matrix)
        inner = self._document.dictionary(drawn.dictionary.get("Resources")) or resources
        yield from _Drawing(self._document, self._depth + 1).boxes(
            self._document.decoded(drawn), inner, matrix
        )

    def _operate(self, operator: bytes, operands: list[Value]) -> None:
        numbers = [_float(each) for each in operands if _is_number(each)]
        state = self._state
        if operator == b"q" and len(self._stack) < _MAX_STATES:
            self._stack.append(_State(state.matrix, state.size, state.leading))
        elif operator == b"Q" and self._stack:
            self._state = self._stack.pop()
        elif operator == b"cm":
            state.matrix = _times(_matrix(numbers), state.matrix)
        elif operator == b"Tf" and numbers:
            state.size = abs(numbers[-1])
        elif operator == b"TL" and numbers:
            state.leading = numbers[-1]
        elif operator in {b"BT", b"Tm"}:
            self._text = self._line = _matrix(numbers)
        elif operator in {b"Td", b"TD"} and len(numbers) == 2:
            state.leading = -numbers[1] if operator == b"TD" else state.leading
            self._move(numbers[0], numbers[1])
        elif operator in {b"T*", b"'", b'"'}:
            self._move(0.0, -state.leading)

    def _paint(self, operator: bytes, operands: list[Value]) -> Iterator[Box]:
        numbers = [_float(each) for each in operands if _is_number(each)]
        if operator in {b"Tj", b"TJ", b"'", b'"'} and operands:
            yield self._show(operands[-1])
        elif operator in {b"c", b"v", b"y"} and len(numbers) >= 4:
            across, upward = numbers[: len(numbers) & ~1 : 2], numbers[1::2]
            yield _moved(self._state.matrix, (min(across), min(upward), max(across), max(upward)))

    def _move(self, right: float, up: float) -> None:
        self._text = self._line = _times((1.0, 0.0, 0.0, 1.0, right, up), self._line)

    def _show(self, value: Value) -> Box:
        parts = value if isinstance(value, Array) else [value]
        count = sum(len(each.octets) for each in parts if isinstance(each, Chars))
        back = sum(_float(each) for each in parts if _is_number(each)) / 1000
        width = max(0.0, count * _WIDTH - min(0.0, back)) * self._state.size
        box = (0.0, -0.25 * self._state.size, width, self._state.size)
        shown = _moved(_times(self._text, self._state.matrix), box)
        self._text = _times((1.0, 0.0, 0.0, 1.0, width, 0.0), self._text)
        return shown


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: Value) -> float:
    """As a number that can be counted with."""
    return float(value) if isinstance(value, int | float) and abs(value) < _FAR else 0.0


def _matrix(numbers: list[float]) -> Matrix:
    return (
        (numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
        if len(numbers) == 6
        else _IDENTITY
    )


def _times(one: Matrix, other: Matrix) -> Matrix:
    a, b, c, d, e, f = other
    return (
        one[0] * a + one[1] * c,
        one[0] * b + one[1] * d,
        one[2] * a + one[3] * c,
        one[2] * b + one[3] * d,
        one[4] * a + one[5] * c + e,
        one[4] * b + one[5] * d + f,
    )


def _moved(matrix: Matrix, box: Box) -> Box:
    """Return the box around a box that a matrix moved and turned."""
    a, b, c, d, e, f = matrix
    corners = [(x, y) for x in (box[0], box[2]) for y in (box[1], box[3])]
    across = [x * a + y * c + e for x, y in corners]
    upward = [x * b + y * d + f for x, y in corners]
    return min(across), min(upward), max(across), max(upward)
