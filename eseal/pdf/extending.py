"""Sealed PDFs raised to a higher level, and renewed (ETSI EN 319 142-1 §5.4, §5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.pdf.revision import append_update, begin_update, whole_or_nothing
from eseal.pdf.security_store import add_material

if TYPE_CHECKING:
    from typing import BinaryIO

    from eseal.values import Material


def add_store(document: BinaryIO, material: Material) -> None:
    """Add validation material in an update of its own (B-LT).

    Raises:
        PdfRefusedError: the document cannot be updated.
        OSError: from the stream.
    """
    with whole_or_nothing(document):
        writer = begin_update(document)
        if add_material(writer, material):
            append_update(writer)
