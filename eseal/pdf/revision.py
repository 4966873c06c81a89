"""One incremental update of a PDF (ISO 32000-2 §7.5.6): what was there is not touched.

The update is appended to the stream that holds the document, so that a large file is never copied. A field is
signed in three steps: the update is written with a gap for the value of /Contents, what surrounds the gap is
digested, and the gap is filled (§12.8.1).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1

from eseal.pdf.guard import refusing
from eseal.pdf.opening import open_pdf
from kokuin.wire.algorithms import hasher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pyhanko.sign.fields import SigFieldSpec
    from pyhanko.sign.signers.cms_embedder import SigObjSetup
    from pyhanko.sign.signers.pdf_byterange import PdfSignedData

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gap:
    """Where the value of /Contents stands: octets from `start` to `end`, with its angle brackets."""

    start: int
    end: int

    @property
    def room(self) -> int:
        """Octets that the value may have; each takes two digits."""
        return (self.end - self.start - 2) // 2


class UpdateWriter(IncrementalPdfFileWriter):
    """pyHanko's writer, which leaves the document's own metadata alone.

    A seal is no edit: producer and date of change stay those of who made it, and hostile XMP is not read.
    """

    def _update_meta(self) -> None:
        """Do nothing, where pyHanko names itself the producer."""


def begin_update(document: BinaryIO) -> UpdateWriter:
    """Open a document for one update.

    Raises:
        PdfRefusedError: as of `open_pdf`.
        OSError: from the stream.
    """
    reader = open_pdf(document)
    with refusing():
        return UpdateWriter(document, prev=reader)


def sign_field(writer: UpdateWriter, spec: SigFieldSpec, setup: SigObjSetup) -> None:
    """Put a signature or time-stamp into a field, which is made where there is none of its name.

    Raises:
        PdfRefusedError: the form or the page cannot be updated.
    """
    with refusing():
        writer.register_extension(ESIC_EXTENSION_1)
        steps = PdfCMSEmbedder(spec).write_cms(spec.sig_field_name, writer)
        next(steps)
        steps.send(setup)
        steps.close()


def append_update(writer: UpdateWriter) -> None:
    """Append the update to the document that it was begun for.

    Raises:
        PdfRefusedError: an object of the document cannot be written again.
        OSError: from the stream.
    """
    with refusing():
        writer.write_in_place()


def append_signed(document: BinaryIO, writer: UpdateWriter, signed: PdfSignedData) -> Gap:
    """Append the update in which a field is signed, and return its gap.

    Raises:
        PdfRefusedError: an object of the document cannot be written again.
        OSError: from the stream.
    """
    append_update(writer)
    with refusing():
        start, end = signed.contents.offsets
        signed.byte_range.fill_offsets(document, start, end, document.seek(0, os.SEEK_END))
    return Gap(start, end)


def digest_around(document: BinaryIO, gap: Gap, algorithm: str) -> bytes:
    """Return the digest of the document but for the gap, by the name of a digest.

    Raises:
        OSError: from the stream.
    """
    state = hasher(algorithm)
    if isinstance(document, BytesIO):
        with document.getbuffer() as octets:
            state.update(octets[: gap.start])
            state.update(octets[gap.end :])
        return state.digest()
    document.seek(0)
    rest = gap.start
    while rest and (chunk := document.read(min(rest, _CHUNK))):
        state.update(chunk)
        rest -= len(chunk)
    document.seek(gap.end)
    while chunk := document.read(_CHUNK):
        state.update(chunk)
    return state.digest()


def fill(document: BinaryIO, gap: Gap, value: bytes) -> None:
    """Write the value of /Contents; what it leaves of the gap are zeros (§12.8.1).

    Args:
        document: as it was digested.
        gap: which has room for the value.
        value: octets.

    Raises:
        OSError: from the stream.
    """
    document.seek(gap.start + 1)
    document.write(value.hex().encode("ascii"))
    document.seek(0)


@contextmanager
def whole_or_nothing(document: BinaryIO) -> Iterator[None]:
    """Cut the stream back to what it was when anything fails: nobody shall find half a seal.

    Raises:
        OSError: from the stream.
    """
    size = document.seek(0, os.SEEK_END)
    try:
        yield
    except BaseException:
        document.truncate(size)
        raise
