"""The forms of a JSON seal: names, bounds, base64url, and the three serialisations of a JWS (RFC 7515 §7).

A JWS is read once, strictly, and everything that was signed is kept as the text that was signed: nothing is
encoded again before it is verified.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from eseal.rules import SealReason
from eseal.values import MAX_JSON_DEPTH, MAX_JWS
from kokuin.wire import strictjson
from kokuin.wire.strictjson import JsonError, JsonFault

if TYPE_CHECKING:
    from kokuin.wire.strictjson import JsonValue

MAX_HEADER = 2 * 1024 * 1024
"""Octets of a protected header, decoded: chains of the largest post-quantum suites are some 300 kB."""
MAX_HEADER_DEPTH = 16

JsonObject: TypeAlias = "dict[str, JsonValue]"

_URL_SAFE = re.compile(r"[A-Za-z0-9_-]*")
_JSON_BEGIN = (b"{", b"[")
_FLATTENED = frozenset({"payload", "protected", "header", "signature"})
_GENERAL = frozenset({"payload", "signatures"})
_ONE = frozenset({"protected", "header", "signature"})


class Serialization(StrEnum):
    """RFC 7515 §7: how a JWS is written."""

    COMPACT = "compact"
    FLATTENED = "flattened"
    GENERAL = "general"


class JadesError(ValueError):
    """A JSON document that is no JWS to read, or a part of one.

    Attributes:
        reason: the stable code.
        what: the place or the name.
    """

    def __init__(self, reason: SealReason, what: str) -> None:
        super().__init__(f"{reason}: {what}")
        self.reason = reason
        self.what = what


@dataclass(frozen=True, slots=True)
class JwsSignature:
    """One signature of a JWS, nothing of it judged.

    Attributes:
        protected: the protected header in base64url, as it was signed.
        signature: the signature value in base64url, as it stands there.
        header: the unprotected header; None when absent.
        ignored: names of further members, which RFC 7515 §7.2 has readers ignore.
    """

    protected: str
    signature: str
    header: JsonObject | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Jws:
    """A JWS as it was read.

    Attributes:
        serialization: how it was written.
        payload: the text of the payload member, or between the points; None when there is none.
        signatures: in the order of the document; at least one.
        ignored: names of further members at the top.
        document: of a JSON serialisation, the whole of it.
    """

    serialization: Serialization
    payload: str | None
    signatures: tuple[JwsSignature, ...]
    ignored: tuple[str, ...] = ()
    document: JsonObject = field(default_factory=dict)


def encode_base64url(octets: bytes) -> str:
    """Return base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def decode_base64url(text: str, what: str) -> bytes:
    """Return the octets of base64url in its one form: no padding, no other characters, no bits left over.

    Raises:
        JadesError: SYNTAX, with `what` as its place. Attack: of a reader that skips what it does not know,
            two texts are one.
    """
    if _URL_SAFE.fullmatch(text) is None or len(text) % 4 == 1:
        raise JadesError(SealReason.SYNTAX, what)
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(text) % 4 and encode_base64url(octets[-(len(octets) % 3) :]) != text[-(len(text) % 4) :]:
        raise JadesError(SealReason.SYNTAX, what)
    return octets


def decode_base64(value: JsonValue, what: str) -> bytes:
    """Return the octets that standard base64 writes (RFC 4648 §4), as x5c and `val` have them.

    Raises:
        JadesError: SYNTAX, with `what` as its place.
    """
    if not isinstance(value, str):
        raise JadesError(SealReason.SYNTAX, what)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise JadesError(SealReason.SYNTAX, what) from None


def encode_base64(octets: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(octets).decode("ascii")


def write_json(value: JsonValue) -> bytes:
    """Return a JSON text without white space, in UTF-8; names keep their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def read_json(
    octets: bytes, what: str, *, most: int = MAX_HEADER, depth: int = MAX_HEADER_DEPTH
) -> JsonValue:
    """Read strict JSON.

    Raises:
        JadesError: it is none; `what` is its place. Names stand in an object once.
    """
    try:
        return strictjson.loads(octets, max_octets=most, max_depth=depth, floats=True)
    except JsonError as error:
        raise JadesError(_REASONS.get(error.fault, SealReason.SYNTAX), what) from None


def read_object(
    octets: bytes, what: str, *, most: int = MAX_HEADER, depth: int = MAX_HEADER_DEPTH
) -> JsonObject:
    """Read a strict JSON object; args and errors as of `read_json`."""
    value = read_json(octets, what, most=most, depth=depth)
    if not isinstance(value, dict):
        raise JadesError(SealReason.SYNTAX, what)
    return value


_REASONS = {
    JsonFault.DUPLICATE_NAME: SealReason.DUPLICATE_NAME,
    JsonFault.TOO_LARGE: SealReason.TOO_LARGE,
    JsonFault.TOO_DEEP: SealReason.TOO_DEEP,
}


def read_jws(data: bytes) -> Jws:
    """Read a JWS in any serialisation.

    Args:
        data: a file's octets; white space around them is no part of it.

    Raises:
        JadesError: they are no JWS.
    """
    if len(data) > MAX_JWS:
        raise JadesError(SealReason.TOO_LARGE, "document")
    stripped = data.strip()
    if stripped.startswith(_JSON_BEGIN):
        return _read_json(read_object(stripped, "document", most=MAX_JWS, depth=MAX_JSON_DEPTH))
    return _read_compact(stripped)


def _read_compact(data: bytes) -> Jws:
    """RFC 7515 §7.1: three parts; an unencoded payload has no point in it (RFC 7797 §5.2)."""
    try:
        parts = data.decode("ascii").split(".", 3)
    except UnicodeDecodeError:
        raise JadesError(SealReason.SYNTAX, "document") from None
    if len(parts) != 3 or not parts[0] or not parts[2]:
        raise JadesError(SealReason.SYNTAX, "document")
    protected, payload, signature = parts
    return Jws(Serialization.COMPACT, payload or None, (JwsSignature(protected, signature),))


def _read_json(document: JsonObject) -> Jws:
    payload = document.get("payload")
    if payload is not None and not isinstance(payload, str):
        raise JadesError(SealReason.SYNTAX, "payload")
    if "signatures" not in document:
        found = _read_signature(document, _FLATTENED)
        return Jws(Serialization.FLATTENED, payload, (found,), document=document)
    if document.keys() & _ONE:
        # RFC 7515 §7.2.2: a reader of either form would see another signature.
        raise JadesError(SealReason.SYNTAX, "signatures")
    several = document["signatures"]
    if not isinstance(several, list) or not several:
        raise JadesError(SealReason.SYNTAX, "signatures")
    signatures = tuple(_read_signature(each, _ONE) for each in several)
    ignored = tuple(name for name in document if name not in _GENERAL)
    return Jws(Serialization.GENERAL, payload, signatures, ignored, document)


def _read_signature(value: JsonValue, known: frozenset[str]) -> JwsSignature:
    if not isinstance(value, dict):
        raise JadesError(SealReason.SYNTAX, "signatures")
    protected, signature, header = value.get("protected"), value.get("signature"), value.get("header")
    if not isinstance(protected, str) or not protected:
        raise JadesError(SealReason.SYNTAX, "protected")
    if not isinstance(signature, str) or not signature:
        raise JadesError(SealReason.SYNTAX, "signature")
    if "header" in value and not isinstance(header, dict):
        raise JadesError(SealReason.SYNTAX, "header")
    ignored = tuple(name for name in value if name not in known)
    return JwsSignature(protected, signature, header if isinstance(header, dict) else None, ignored)


def write_jws(jws: Jws) -> bytes:
    """Return the octets of a JWS; what its document has beside signatures and payload is kept."""
    if jws.serialization is Serialization.COMPACT:
        (only,) = jws.signatures
        return f"{only.protected}.{jws.payload or ''}.{only.signature}".encode()
    document: JsonObject = dict(jws.document)
    if jws.payload is not None:
        document["payload"] = jws.payload
    if jws.serialization is Serialization.FLATTENED:
        (only,) = jws.signatures
        return write_json(document | _members(only))
    kept = document.get("signatures")
    before = kept if isinstance(kept, list) else [{}] * len(jws.signatures)
    document["signatures"] = [
        (old if isinstance(old, dict) else {}) | _members(each)
        for old, each in zip(before, jws.signatures, strict=True)
    ]
    return write_json(document)


def _members(signature: JwsSignature) -> JsonObject:
    found: JsonObject = {"protected": signature.protected}
    if signature.header is not None:
        found["header"] = signature.header
    found["signature"] = signature.signature
    return found
