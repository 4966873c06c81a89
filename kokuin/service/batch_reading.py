"""The content of `POST /api/v1/batches`: what is to be stamped together."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from kokuin.service.batch_codes import BatchCode, BatchRefusedError
from kokuin.wire import strictjson
from kokuin.wire.strictjson import JsonError, JsonValue

MAX_CONTENT = 8 << 20
"""Octets of a request."""
MAX_ITEMS = 10_000
MAX_ITEMS_WITH_EVIDENCE = 1_000
"""The evidence adds some 30 kB to each record, so that the answer has some 50 MB in base64."""
MAX_ID = 128
"""Characters."""
PROFILE = r"[a-z0-9-]{1,64}"

_SHA512_OCTETS = 64
_MEMBERS = frozenset({"items", "profile", "evidence"})
_ITEM = frozenset({"id", "digest", "data"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be stamped.

    Attributes:
        ids: the client's names of the items, each once, in the client's order.
        hashes: SHA-512 of each.
        profile: that is named; None: the default.
        evidence: whether each record is to have the evidence for the time-stamp in it.
    """

    ids: tuple[str, ...]
    hashes: tuple[bytes, ...]
    profile: str | None
    evidence: bool


def read_batch(content: bytes) -> Batch:
    """Read a request.

    Raises:
        BatchRefusedError: REQUEST_INVALID, with the first member that cannot be.
    """
    try:
        found = strictjson.loads(content, max_octets=MAX_CONTENT, max_depth=4)
    except JsonError:
        raise _invalid("") from None
    if not isinstance(found, dict):
        raise _invalid("")
    for name in found:
        if name not in _MEMBERS:
            # Attack: a name of megabytes, to have as much sent back.
            raise _invalid(name[:MAX_ID])
    items, profile, evidence = found.get("items"), found.get("profile"), found.get("evidence", False)
    if not isinstance(evidence, bool):
        raise _invalid("evidence")
    most = MAX_ITEMS_WITH_EVIDENCE if evidence else MAX_ITEMS
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        raise _invalid("items")
    if profile is not None and not (isinstance(profile, str) and re.fullmatch(PROFILE, profile)):
        raise _invalid("profile")
    hashes: dict[str, bytes] = {}
    for place, item in enumerate(items):
        name, value = _item(item, f"items[{place}]")
        if name in hashes:
            # The answer tells its records apart by them.
            raise _invalid(f"items[{place}].id")
        hashes[name] = value
    return Batch(tuple(hashes), tuple(hashes.values()), profile, evidence)


def _item(item: JsonValue, place: str) -> tuple[str, bytes]:
    if not isinstance(item, dict) or item.keys() - _ITEM:
        raise _invalid(place)
    name, digest, data = item.get("id"), item.get("digest"), item.get("data")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_ID:
        raise _invalid(f"{place}.id")
    if (digest is None) is (data is None):
        raise _invalid(place)
    if digest is None:
        return name, hashlib.sha512(_octets(data, f"{place}.data")).digest()
    value = _octets(digest, f"{place}.digest")
    if len(value) != _SHA512_OCTETS:
        raise _invalid(f"{place}.digest")
    return name, value


def _octets(value: JsonValue, place: str) -> bytes:
    if not isinstance(value, str):
        raise _invalid(place)
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:  # of what is not ASCII, and of what is no base64 (`binascii.Error`)
        raise _invalid(place) from None


def _invalid(field: str) -> BatchRefusedError:
    return BatchRefusedError(BatchCode.REQUEST_INVALID, field=field)
