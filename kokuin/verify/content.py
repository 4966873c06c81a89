"""The stamped data as a verifier needs it: its digest, once the token has said by which algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.wire.algorithms import DIGEST_BY_NAME, hasher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK = 1 << 20


def of_octets(data: bytes) -> Callable[[str], bytes]:
    """Return the digests of data in memory."""
    return lambda algorithm: DIGEST_BY_NAME[algorithm].of(data)


def of_digest(digest: bytes) -> Callable[[str], bytes]:
    """Return a digest that was made elsewhere; it fits a token only when the algorithms are the same."""
    return lambda _: digest


def of_file(path: Path) -> Callable[[str], bytes]:
    """Return the digests of a file, read in blocks when one is asked for.

    The function returned raises OSError when the file cannot be read.
    """

    def digest(algorithm: str) -> bytes:
        state = hasher(algorithm)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                state.update(block)
        return state.digest()

    return digest
