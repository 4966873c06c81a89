"""Documents on their way: in memory up to 1 MiB, beyond it in a file without a name, hashed as they come."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

import structlog

from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.tasks import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MEMORY = 1 << 20
PIECE = 1 << 20

_log = structlog.get_logger()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Write what a request brought, or what was made of it.

    Raises:
        SealRefusedError: UNWRITTEN, of an OSError.
    """
    try:
        yield
    except OSError as error:
        _log.error("seal.unwritten", error=error.strerror)  # a full disk is no mistake of ours
        raise SealRefusedError(SealCode.UNWRITTEN) from None


class Spool:
    """Takes one document."""

    def __init__(self) -> None:
        self.size = 0
        self._file: BinaryIO = cast("BinaryIO", SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  # `close` is the taker's
        self._sha256 = hashlib.sha256()
        self._waiting = bytearray()

    async def take(self, octets: bytes) -> None:
        """Take further octets.

        Raises:
            SealRefusedError: there is no room for them.
        """
        self.size += len(octets)
        self._waiting += octets
        if len(self._waiting) >= PIECE:
            block, self._waiting = bytes(self._waiting), bytearray()
            await asyncio.to_thread(self._put, block)

    def done(self) -> Document:
        """Return what was taken; whoever gets it closes its file.

        Raises:
            SealRefusedError: there is no room for it.
        """
        self._put(bytes(self._waiting))
        with writing():
            self._file.seek(0)
        return Document(self._file, self.size, self._sha256.hexdigest())

    def close(self) -> None:
        """Forget what was taken."""
        with contextlib.suppress(OSError):  # of octets that nobody wants any more
            self._file.close()

    def _put(self, block: bytes) -> None:
        self._sha256.update(block)
        with writing():
            self._file.write(block)


def pieces(document: Document) -> Iterator[bytes]:
    """Yield a document's octets."""
    document.file.seek(0)
    while piece := document.file.read(PIECE):
        yield piece
