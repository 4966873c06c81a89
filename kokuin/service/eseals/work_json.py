"""JAdES in a child: JSON sealed, and its seals raised (ETSI TS 119 182-1)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from eseal.jades_create import create
from eseal.jades_extend import extend as extend_jades
from eseal.jades_find import find
from eseal.jades_form import Serialization
from eseal.jades_payload import Attached, ByUriHash, Document, canonical_json, check_json
from eseal.jades_refusal import JadesRefusal, JadesRefusedError
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.work import Data

if TYPE_CHECKING:
    from eseal.jades_payload import Payload
    from eseal.values import Level, Material, TimeStamper
    from kokuin.service.eseals.work import Order

__all__ = ["extend", "find", "seal"]

_TYPE = "application/json"
_CANONICAL = "rfc8785"
_MAX_URI = 1024


def seal(order: Order, level: Level, stamper: TimeStamper, material: Material) -> bytes:
    """See `SealWork.seal`."""
    options = order.options
    serialization = _serialization(options.get("serialization"))
    try:
        return create(
            _payload(order),
            order.keys,
            time.time_ns() // 1_000,
            serialization=serialization,
            level=level,
            stamper=stamper,
            material=material,
        )
    except JadesRefusedError as error:
        raise _refusal(error) from None


def extend(order: Order, level: Level, stamper: TimeStamper, material: Material) -> bytes:
    """See `SealWork.extend`."""
    content = None if order.data is None else Data(order.data)
    try:
        return extend_jades(order.document, level, content=content, stamper=stamper, material=material)
    except JadesRefusedError as error:
        raise _refusal(error) from None


def _payload(order: Order) -> Payload:
    """Return what is sealed: the document inside, or beside under the name that the request gives it."""
    form, uri = order.options.get("form", "attached"), order.options.get("uri", "")
    canonical = order.options.get("canonical", "")
    if form not in {"attached", "detached"} or (form == "detached") != bool(uri):
        raise SealRefusedError(SealCode.REQUEST_INVALID, "uri" if form == "detached" else "form")
    if not (uri.isascii() and uri.isprintable() and len(uri) <= _MAX_URI):
        raise SealRefusedError(SealCode.REQUEST_INVALID, "uri")
    if canonical not in {"", _CANONICAL}:
        raise SealRefusedError(SealCode.REQUEST_INVALID, "canonical")
    octets = order.document
    check_json(octets)
    if canonical:
        octets = canonical_json(octets)
    return ByUriHash((Document(uri, octets, _TYPE),)) if uri else Attached(octets)


def _serialization(name: str | None) -> Serialization | None:
    try:
        return None if name is None else Serialization(name)
    except ValueError:
        raise SealRefusedError(SealCode.REQUEST_INVALID, "serialization") from None


def _refusal(error: JadesRefusedError) -> SealRefusedError:
    if error.code is JadesRefusal.LEVEL_REACHED:
        return SealRefusedError(SealCode.LEVEL_NOT_ALLOWED, "level", error.code)
    if error.code is JadesRefusal.NO_MATERIAL:
        return SealRefusedError(SealCode.MATERIAL_MISSING, reason=error.code)
    return SealRefusedError(SealCode.DOCUMENT_UNFIT, reason=error.code)
