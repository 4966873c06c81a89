"""Data that lies beside a time-stamp or a seal: its digest, once the object has said by which algorithm.

A seal over JSON may want the data itself: what holds it here is an `eseal.values.Content` as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.wire.algorithms import DIGEST_BY_NAME, hasher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK = 1 << 20


class Octets:
    """Data in memory."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, algorithm: str, /) -> bytes:
        """Return the digest by the name of the algorithm."""
        return DIGEST_BY_NAME[algorithm].of(self._data)

    def octets(self, most: int) -> bytes | None:
        """Return the data; None where there is more of it than `most`."""
        return self._data if len(self._data) <= most else None


class File:
    """Data in a file, read when it is asked for; each method raises OSError when it cannot be read."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, algorithm: str, /) -> bytes:
        """Return the digest by the name of the algorithm; the file is read in blocks."""
        state = hasher(algorithm)
        with self._path.open("rb") as file:
            while block := file.read(_BLOCK):
                state.update(block)
        return state.digest()

    def octets(self, most: int) -> bytes | None:
        """Return the data; None where there is more of it than `most`."""
        with self._path.open("rb") as file:
            data = file.read(most + 1)
        return data if len(data) <= most else None


def of_octets(data: bytes) -> Octets:
    """Return data in memory."""
    return Octets(data)


def of_digest(digest: bytes) -> Callable[[str], bytes]:
    """Return a digest that was made elsewhere; it fits a token only when the algorithms are the same."""
    return lambda _: digest


def of_file(path: Path) -> File:
    """Return a file of data."""
    return File(path)
