"""multipart/form-data (RFC 7578), piece by piece as it arrives: no part is kept here, whatever its length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PARTS = 64
MAX_HEADERS = 4096
"""Octets of one part's header section."""
_MAX_PADDING = 64
"""Octets between a delimiter and the end of its line (RFC 2046 §5.1.1)."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER = re.compile(r';[ \t]*([A-Za-z0-9_*.-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))[ \t]*')
_AS_IT_IS = frozenset({"binary", "8bit", "7bit"})


class MultipartError(ValueError):
    """The content is no multipart/form-data, or goes beyond its bounds."""


class Piece(NamedTuple):
    """Octets of a part, in the order of arrival.

    Attributes:
        name: of the form's field.
        first: whether a part begins with it.
        octets: may be empty.
    """

    name: str
    first: bool
    octets: bytes


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split a field's value into its first word, in lower case, and its parameters (RFC 9110 §5.6.6).

    Raises:
        MultipartError: the value has another form, or a parameter twice, so that readers could disagree.
    """
    word = value.partition(";")[0]
    at, found = len(word), dict[str, str]()
    while at < len(value):
        match = _PARAMETER.match(value, at)
        if match is None or match[1].lower() in found:
            raise MultipartError
        found[match[1].lower()] = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        at = match.end()
    return word.strip().lower(), found


class MultipartReader:
    """Reads one form; a part's content goes out as soon as it cannot be the delimiter."""

    def __init__(self, boundary: str) -> None:
        """Begin.

        Raises:
            MultipartError: no such boundary can be (RFC 2046 §5.1.1).
        """
        if not _BOUNDARY.fullmatch(boundary):
            raise MultipartError
        self._delimiter = b"\r\n--" + boundary.encode()
        # The first delimiter has no line before it: nothing is said before the first part.
        self._buffer = bytearray(b"\r\n")
        self._read = self._begin
        self._name = ""
        self._parts = 0

    def feed(self, octets: bytes) -> Iterator[Piece]:
        """Take further octets and return what is clear by now.

        Raises:
            MultipartError: what was read cannot be a form.
        """
        self._buffer += octets
        while (step := self._read()) is not None:
            yield from step

    def finish(self) -> None:
        """Say that nothing follows.

        Raises:
            MultipartError: the closing delimiter is missing: a part may be cut.
        """
        if self._read != self._close:
            raise MultipartError

    def _begin(self) -> tuple[Piece, ...] | None:
        if not self._buffer.startswith(self._delimiter[: len(self._buffer)]):
            raise MultipartError
        return None if len(self._buffer) < len(self._delimiter) else self._delimited()

    def _delimited(self) -> tuple[Piece, ...]:
        del self._buffer[: len(self._delimiter)]
        self._read = self._line_end
        return ()

    def _line_end(self) -> tuple[Piece, ...] | None:
        """Read what follows a delimiter: two hyphens after the last part, else the end of the line."""
        if self._buffer.startswith(b"--"):
            self._read = self._close
            return ()
        line, end, _ = self._buffer.partition(b"\r\n")
        if len(line) > _MAX_PADDING:
            raise MultipartError
        if not end:
            return None
        if line.strip(b" \t"):
            raise MultipartError
        # The line's end stays, so that a part without any header has an empty section too.
        del self._buffer[: len(line)]
        self._read = self._headers
        return ()

    def _headers(self) -> tuple[Piece, ...] | None:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEADERS)
        if end < 0:
            if len(self._buffer) >= MAX_HEADERS:
                raise MultipartError
            return None
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MultipartError
        self._name = _field(bytes(self._buffer[2:end]))
        del self._buffer[: end + 4]
        self._read = self._content
        return (Piece(self._name, first=True, octets=b""),)

    def _content(self) -> tuple[Piece, ...] | None:
        end = self._buffer.find(self._delimiter)
        if end >= 0:
            piece = Piece(self._name, first=False, octets=bytes(self._buffer[:end]))
            del self._buffer[:end]
            return (piece, *self._delimited())
        clear = len(self._buffer) - len(self._delimiter) + 1
        if clear <= 0:
            return None
        piece = Piece(self._name, first=False, octets=bytes(self._buffer[:clear]))
        del self._buffer[:clear]
        return (piece,)

    def _close(self) -> None:
        """Read past what follows the last part, which means nothing (RFC 2046 §5.1.1)."""
        self._buffer.clear()


def _field(section: bytes) -> str:
    """Return the name in a part's Content-Disposition (RFC 7578 §4.2).

    Raises:
        MultipartError: there is none, there are two, or the part's content is encoded.
    """
    names: list[str] = []
    for line in section.decode("utf-8", "replace").split("\r\n") if section else ():
        name, _, value = line.partition(":")
        if name.lower() == "content-disposition":
            word, found = parameters(value.strip())
            if word != "form-data" or "name" not in found:
                raise MultipartError
            names.append(found["name"])
        if name.lower() == "content-transfer-encoding" and value.strip().lower() not in _AS_IT_IS:
            raise MultipartError  # RFC 7578 §4.7
    if len(names) != 1:
        raise MultipartError
    return names[0]
