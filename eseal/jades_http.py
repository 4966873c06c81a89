"""An HTTP message as a file (RFC 9112), for seals over its fields (ETSI TS 119 182-1 §5.2.8.2)."""

from __future__ import annotations

import binascii
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


def read_message(octets: bytes) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Take a message apart: fields in order, that of the request's target first, and the body.

    Raises:
        JadesError: SYNTAX: it is no HTTP message, or a field goes over several lines.
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
    fields = [_read_field(line) for line in lines if line]
    parts = first.split(" ")
    if len(parts) != 3:
        raise JadesError(SealReason.SYNTAX, "message")
    if not parts[0].startswith("HTTP/"):
        fields.insert(0, (REQUEST_TARGET, f"{parts[0].lower()} {parts[1]}"))
    return tuple(fields), body


def _read_field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
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
