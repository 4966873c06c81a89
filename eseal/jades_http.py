"""An HTTP message as a file (RFC 9112), for seals over its fields (ETSI TS 119 182-1 §5.2.8.2)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import TYPE_CHECKING

from eseal.jades_form import JadesError
from eseal.jades_payload import HTTP_DIGESTS, MAX_DOCUMENTS
from eseal.rules import JWS_DETACHED, SEAL_CONTENT, SealReason
from kokuin.trust.report import SubIndication
from kokuin.trust.rules import Reason
from kokuin.wire.algorithms import DIGEST_BY_NAME

if TYPE_CHECKING:
    from kokuin.trust.report import Check

REQUEST_TARGET = "(request-target)"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_REQUEST = re.compile(rf"({_TOKEN.pattern}) ([!-~]+) HTTP/\d(?:\.\d)?")
_RESPONSE = re.compile(r"HTTP/\d(?:\.\d)? \d{3}(?: [\t -~]*)?")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


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
    known = [(HTTP_DIGESTS[name.lower()], text) for name, _, text in found if name.lower() in HTTP_DIGESTS]
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
