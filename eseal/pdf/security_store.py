"""The document security store: certificates and revocation data beside the seals (ETSI EN 319 142-1 §5.4.2).

Only the store itself is written, and no VRI dictionary: it is optional, it says nothing that a verifier does
not find out by itself, and its keys are SHA-1 digests (§5.4.2.3).
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, NameObject, StreamObject
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1

from eseal.pdf.guard import refusing
from eseal.pdf.opening import entry
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.values import Level
from kokuin.wire import encode, oids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eseal.pdf.revision import UpdateWriter
    from eseal.values import Material

MAX_STORED = 4_096
"""Certificates, lists or answers in a store that are looked at before one is added."""
_ENUMERATED = 0x0A


def needed(level: Level, material: Material | None) -> Material | None:
    """Return the material that a level adds; None where it adds none.

    Raises:
        PdfRefusedError: NO_MATERIAL, where certificates are missing or all revocation data is.
    """
    if level.rank < Level.B_LT.rank:
        return None
    if material is None or not material.certificates:
        raise PdfRefusedError(PdfRefusal.NO_MATERIAL, "certificates")
    if not (material.revocation.answers or material.revocation.lists):
        raise PdfRefusedError(PdfRefusal.NO_MATERIAL, "revocation data")
    return material


def add_material(writer: UpdateWriter, material: Material) -> bool:
    """Add what the document security store has not yet, and say whether that was anything.

    Raises:
        PdfRefusedError: BROKEN; LIMITS.
    """
    answers = [_response(answer) for answer in material.revocation.answers]
    with refusing():
        store = entry(writer.root, "/DSS")
        if store is None:
            store = DictionaryObject({NameObject("/Type"): NameObject("/DSS")})
            writer.root[NameObject("/DSS")] = writer.add_object(store)
            writer.update_root()
        added = [
            _add(writer, store, "/Certs", material.certificates),
            _add(writer, store, "/CRLs", material.revocation.lists),
            _add(writer, store, "/OCSPs", answers),
        ]
        if any(added):
            writer.register_extension(ESIC_EXTENSION_1)
    return any(added)


def _add(writer: UpdateWriter, store: DictionaryObject, key: str, values: Sequence[bytes]) -> bool:
    """Add to one array of the store what is not in it."""
    array = entry(store, key)
    held = set()
    if array is not None:
        if len(array) > MAX_STORED:
            raise PdfRefusedError(PdfRefusal.LIMITS, "document security store")
        held = {entry.get_object().data for entry in islice(array, MAX_STORED)}
    new = [value for value in dict.fromkeys(values) if value not in held]
    if not new:
        return False
    if array is None:
        store[NameObject(key)] = array = ArrayObject()
        writer.update_container(store)
    array.extend(writer.add_object(StreamObject(stream_data=value)) for value in new)
    writer.update_container(array)
    return True


def _response(answer: bytes) -> bytes:
    """OCSPResponse (RFC 6960 §4.2.1), which the store wants, around a BasicOCSPResponse."""
    first = answer[2 + (answer[1] & 0x7F if answer[1] & 0x80 else 0) :][:1]
    if first == bytes((_ENUMERATED,)):
        return answer
    inner = encode.sequence(encode.oid(oids.ID_PKIX_OCSP_BASIC), encode.octet_string(answer))
    return encode.sequence(encode.enumerated(0), encode.explicit(0, inner))
