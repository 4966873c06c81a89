"""What operators do with the ledger while it is open: one operation a row, each in a module of its own."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.service.activation_error import ActivationError
from kokuin.service.long_operations import SEAL
from kokuin.service.noting import annotate, redact
from kokuin.service.pruning import prune
from kokuin.service.reentering import REENTER, reenter
from kokuin.service.sealing import SEAL_ERRORS
from kokuin.service.unit_errors import UnitError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kokuin.service.ledger_scene import Scene


async def act(scene: Scene, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do one thing; `ok` is False with `code`."""
    do = _ACTS.get(operation)
    if do is None:
        return {"ok": False, "code": "OPERATION_UNKNOWN"}
    try:
        return await do(scene, arguments)
    except OpenRefusedError as error:
        return {"ok": False, "code": error.fault.value, "detail": str(error)}
    except (sqlite3.Error, ActivationError, UnitError) as error:
        return {"ok": False, "code": OpenFault.UNREADABLE.value, "detail": str(error)}


async def _seal(scene: Scene, arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        seal = await scene.sealer.seal(str(arguments["actor"]))
    except SEAL_ERRORS as error:
        return {"ok": False, "code": "SEAL_UNFINISHED", "detail": str(error)}
    if seal is None:
        return {"ok": False, "code": "NOTHING_TO_SEAL"}
    return {"ok": True, "index": seal.index, "epoch": seal.epoch, "size": seal.size}


_ACTS: dict[str, Callable[[Scene, Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
    SEAL: _seal,
    "ledger.prune": prune,
    "ledger.annotate": annotate,
    "ledger.redact": redact,
    REENTER: reenter,
}
