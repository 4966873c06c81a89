"""`Document-Digest`: what the client says is SHA-512 of the document, in the syntax of RFC 9530.

The imprint of a request may be by another hash, which may fall before the evidence does. A client that knows
the document sends its SHA-512 beside it, and the evidence covers both. It is the client's word: who verifies
compares it with the document.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELD = b"document-digest"

_MEMBER = re.compile(rb"[ \t]*([a-z][a-z0-9*_.-]{0,63})=:([A-Za-z0-9+/]{0,128}={0,2}):[ \t]*")
_SHA512 = b"sha-512"
_OCTETS = 64
_MOST = 1024


class DocumentDigestError(ValueError):
    """The field cannot be read."""


def read_document_digest(headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    """Return SHA-512 of the document; None where the field is absent, or has other algorithms alone.

    Args:
        headers: of a request, names in lower case.

    Raises:
        DocumentDigestError: no Dictionary of Byte Sequences (RFC 9651 §3.2), or of another length.
    """
    values = [value for name, value in headers if name == FIELD]
    if not values:
        return None
    joined = b",".join(values)
    if len(joined) > _MOST:
        raise DocumentDigestError(FIELD)
    found = None
    for member in joined.split(b","):
        match = _MEMBER.fullmatch(member)
        if match is None:
            raise DocumentDigestError(FIELD)
        if match[1] == _SHA512:
            found = _decoded(match[2])
    return found


def _decoded(text: bytes) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise DocumentDigestError(FIELD) from None
    if len(octets) != _OCTETS:
        raise DocumentDigestError(FIELD)
    return octets
