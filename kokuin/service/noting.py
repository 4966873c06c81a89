"""Texts about people and customers stand beside the ledger and can be erased; a leaf only commits to them."""

from __future__ import annotations

import asyncio
import unicodedata
from functools import partial
from typing import TYPE_CHECKING, Any

from kokuin.ledger.faults import WorkRefusedError
from kokuin.ledger.plan import MAX_PERSONAL
from kokuin.service.erasing import erase
from kokuin.service.ledger_store import open_reader
from kokuin.trust.journal import Refused
from kokuin.trust.records import NOTE_ADDED, REDACT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.published import Rows
    from kokuin.service.ledger_scene import Scene
    from kokuin.trust.records import LeafValue, Record

_HAS_TEXT = "SELECT 1 FROM side WHERE idx = ?"

MAX_REASON = 500
"""Characters of the longest reason, which stays in the ledger."""


async def annotate(scene: Scene, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Add a text about a record; `ok` is False with `code`."""
    about, words = arguments.get("index"), arguments.get("text")
    if not isinstance(about, int) or not 0 <= about < scene.journal.size:
        return {"ok": False, "code": "RECORD_UNKNOWN"}
    if not isinstance(words, str) or not 0 < len(words.encode("utf-8", "replace")) <= MAX_PERSONAL:
        return {"ok": False, "code": "TEXT_UNFIT", "detail": f"1 to {MAX_PERSONAL} octets"}
    record = scene.records.make(NOTE_ADDED, {"about": about, "actor": str(arguments["actor"])})
    return await _append(scene, record._replace(personal=words))


async def redact(scene: Scene, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Erase the text that a record commits to, and put on record that it was; `ok` is False with `code`."""
    about, reason = arguments.get("index"), arguments.get("reason")
    if scene.config.ledger.postgres is not None:
        return {"ok": False, "code": "LEDGER_IN_POSTGRESQL", "detail": "the ledger's role may only insert"}
    if not isinstance(reason, str) or not 0 < len(reason) <= MAX_REASON:
        return {"ok": False, "code": "TEXT_UNFIT", "detail": f"a reason has 1 to {MAX_REASON} characters"}
    with open_reader(scene.folder, scene.config) as reader:
        present = isinstance(about, int) and bool(reader.execute(_HAS_TEXT, (about,)))
    answer: dict[str, Any] = {"ok": False, "code": "NOTHING_TO_REDACT"}
    if present:
        fields: dict[str, LeafValue] = {"about": about, "reason": unicodedata.normalize("NFC", reason)}
        record = scene.records.make(REDACT, {**fields, "actor": str(arguments["actor"])})
        # A crash after this leaf leaves the text: whoever asked heard of no success, and asks again.
        answer = await _append(scene, record)
    if present and not answer["ok"]:
        return answer
    try:
        # Also where there is none any more: an attempt before may have left it in the write-ahead log.
        await erase(scene.journal, partial(_delete, about if present else None))
    except WorkRefusedError as error:
        return {"ok": False, "code": "ERASE_UNFINISHED", "detail": str(error)}
    return answer


def _delete(index: int | None, rows: Rows) -> None:
    if index is not None:
        rows.execute("DELETE FROM side WHERE idx = ?", (index,))


async def _append(scene: Scene, record: Record) -> dict[str, Any]:
    outcome = await asyncio.wrap_future(scene.journal.append(record))
    if isinstance(outcome, Refused):
        return {"ok": False, "code": outcome.reason.value, "detail": outcome.detail}
    return {"ok": True, "index": outcome[0].index}
