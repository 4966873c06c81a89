"""CAdES in a child: any file sealed, and seals of files raised (ETSI EN 319 122-1)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from eseal.cades_create import create
from eseal.cades_extend import extend as extend_cades
from eseal.cades_find import find
from eseal.cades_refusal import CadesRefusal, CadesRefusedError
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.work import Data
from pqc.scheme import KeyMismatchError

if TYPE_CHECKING:
    from eseal.values import Level, Material, TimeStamper
    from kokuin.service.eseals.work import Order

__all__ = ["extend", "find", "seal"]

_FORMS = ("detached", "enveloping")


def seal(order: Order, level: Level, stamper: TimeStamper, material: Material) -> bytes:
    """See `SealWork.seal`."""
    form = order.options.get("form", _FORMS[0])
    if form not in _FORMS:
        raise SealRefusedError(SealCode.REQUEST_INVALID, "form")
    try:
        return create(
            Data(order.document),
            order.keys,
            time.time_ns() // 1_000,
            enveloping=form == _FORMS[1],
            level=level,
            stamper=stamper,
            material=material,
        )
    except CadesRefusedError as error:
        raise _refusal(error) from None
    except KeyMismatchError:
        raise SealRefusedError(SealCode.KEY_UNFIT) from None


def extend(order: Order, level: Level, stamper: TimeStamper, material: Material) -> bytes:
    """See `SealWork.extend`."""
    content = None if order.data is None else Data(order.data)
    try:
        return extend_cades(order.document, level, content=content, stamper=stamper, material=material)
    except CadesRefusedError as error:
        raise _refusal(error) from None


def _refusal(error: CadesRefusedError) -> SealRefusedError:
    if error.code is CadesRefusal.LEVEL_REACHED:
        return SealRefusedError(SealCode.LEVEL_NOT_ALLOWED, "level", error.code)
    if error.code is CadesRefusal.NO_MATERIAL:
        return SealRefusedError(SealCode.MATERIAL_MISSING, reason=error.code)
    return SealRefusedError(SealCode.DOCUMENT_UNFIT, reason=error.code)
