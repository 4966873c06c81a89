"""Seals over the fields of an HTTP message (ETSI TS 119 182-1 §5.2.8.2); the message as a file (RFC 9112)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.jades_form import JadesError, encode_base64
from eseal.jades_payload import MAX_DOCUMENTS, Mechanism
from eseal.rules import JWS_DETACHED, SEAL_CONTENT, SealReason
from kokuin.trust.report import SubIndication
from kokuin.trust.rules import Reason
from kokuin.wire.algorithms import DIGEST_BY_NAME

if TYPE_CHECKING:
    from eseal.jades_form import JsonObject
    from kokuin.trust.report import Check

REQUEST_TARGET = "(request-target)"
_HTTP_NAMES = {"sha256": "SHA-256", "sha512": "SHA-512"}
_HTTP_DIGESTS = {theirs.lower(): ours for ours, theirs in _HTTP_NAMES.items()}
"""Digests of the field `Digest`, in lower case, and ours."""
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_REQUEST = re.compile(rf"({_TOKEN.pattern}) ([!-~]+) HTTP/\d(?:\.\d)?")
_RESPONSE = re.compile(r"HTTP/\d(?:\.\d)? \d{3}(?: [\t -~]*)?")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """Fields of an HTTP message, and by `digest` its body (§5.2.8.2).

    Attributes:
        fields: names and values in the order of the message, each name as often as it is there;
            `(request-target)` is the method in lower case, a space and the path.
        body: the message's body; None: it is not covered.
        digest: our name of the digest of the body.
    """

    fields: tuple[tuple[str, str], ...]
    body: bytes | None = None
    digest: str = "sha256"
    encoded: bool = False

    def members(self) -> JsonObject:
        """`sigD` with the names of the fields."""
        return {"sigD": {"mId": Mechanism.HTTP_HEADERS.value, "pars": list(self._names())}}

    def signed(self) -> bytes:
        """The fields in their canonical form."""
        return canonical_fields(self._fields(), self._names())

    def written(self) -> str | None:
        """Nothing is inside."""
        return None

    def archived(self) -> bytes:
        """The fields, the body in the place of its digest."""
        return canonical_fields(self._fields(), self._names(), self.body)

    def digest_field(self) -> str | None:
        """Return the value of the field `Digest` that the message must be sent with (RFC 3230 §4.3.2)."""
        if self.body is None:
            return None
        digest = DIGEST_BY_NAME[self.digest]
        return f"{_HTTP_NAMES[self.digest]}={encode_base64(digest.of(self.body))}"

    def _fields(self) -> tuple[tuple[str, str], ...]:
        digest = self.digest_field()
        return self.fields if digest is None else (*self.fields, ("digest", digest))

    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.lower() for name, _ in self._fields()))


def canonical_fields(
    fields: tuple[tuple[str, str], ...], names: tuple[str, ...], body: bytes | None = None
) -> bytes:
    """Return the fields of these names as draft-cavage-http-signatures-10 §2.3 writes them.

    Args:
        fields: of the message, in its order.
        names: in lower case, in the order of the seal; each is in the message.
        body: stands in the place of the line of `digest`; None: the line itself.
    """
    lines = []
    for name in names:
        if name == "digest" and body is not None:
            lines.append(body)
            continue
        values = (value.strip(" \t") for found, value in fields if found.lower() == name)
        lines.append(f"{name}: {', '.join(values)}".encode())
    return b"\n".join(lines)


def read_message(octets: bytes) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Take a message apart: fields in order, that of the request's target first, and the body.

    Raises:
        JadesError: SYNTAX: it is no HTTP message, or a field goes over several lines, or an empty line is
            among them, where another reader would take the body to begin.
    """
    head, ended, body = octets.partition(b"\r\n\r\n")
    if not ended:
        head, ended, body = octets.partition(b"\n\n")
    try:
        first, *lines = head.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        raise JadesError(SealReason.SYNTAX, "message") from None
    if len(lines) > MAX_DOCUMENTS:
        raise JadesError(SealReason.SYNTAX, "message")
    return (*_read_start(first), *map(_read_field, lines)), body


def _read_start(line: str) -> tuple[tuple[str, str], ...]:
    """RFC 9112 §3, §4: a request's method and target as a field; of a response nothing."""
    request, response = _REQUEST.fullmatch(line), _RESPONSE.fullmatch(line)
    if request is None and response is None:
        raise JadesError(SealReason.SYNTAX, "message")
    return () if request is None else ((REQUEST_TARGET, f"{request[1].lower()} {request[2]}"),)


def _read_field(line: str) -> tuple[str, str]:
    """RFC 9110 §5.1, §5.5. Attack: a field, or its end, that only one of two readers sees.

    One named `(request-target)` would make a request of a response.
    """
    name, _, value = line.partition(":")
    if _TOKEN.fullmatch(name) is None or ":" not in line or _CONTROL.search(value):
        raise JadesError(SealReason.SYNTAX, "message")
    return name, value.strip(" \t")


def check_body(fields: tuple[tuple[str, str], ...], body: bytes) -> Check:
    """Check that the field `Digest` (RFC 3230 §4.3.2) is of the body.

    Without it the seal covers the fields and whatever body somebody put behind them.
    """
    values = [value for name, value in fields if name.lower() == "digest"]
    found = [item.strip().partition("=") for value in values for item in value.split(",")]
    known = [(_HTTP_DIGESTS[name.lower()], text) for name, _, text in found if name.lower() in _HTTP_DIGESTS]
    if not known:
        means = SubIndication.SIGNED_DATA_NOT_FOUND
        return JWS_DETACHED.indeterminate(
            Reason.DIGEST_UNKNOWN, means, algorithm=ascii(", ".join(values))[:64]
        )
    for digest, text in known:
        try:
            claimed = b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            claimed = b""
        if claimed != DIGEST_BY_NAME[digest].of(body):
            return SEAL_CONTENT.failed(SealReason.SEALED_DATA_CHANGED, SubIndication.HASH_FAILURE)
    return SEAL_CONTENT.ok(algorithm=known[0][0])
