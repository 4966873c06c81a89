"""Entering again what a recovery had lost: a token that a client holds, with its proof from the lost log.

Attack: whoever stole a unit's key can sign any token, and a checkpoint of his
own over it. So the proof's checkpoint must be signed by the keys of an epoch
that the recovery ended, and where the tiles of the lost history were kept, it
must be of their tree.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.ledger.checked import stored_root
from kokuin.ledger.leaf import LeafError, leaf_hash, read_leaf
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.recoveries import RECOVERED
from kokuin.ledger.tile_files import TileFiles
from kokuin.ledger.tlog_proof import read_proof
from kokuin.service.activation import read_act
from kokuin.service.ledger_scene import ActRefusedError
from kokuin.service.log_signing import published_keys
from kokuin.service.published_log import reading
from kokuin.service.setting_aside import MARK
from kokuin.trust.journal import Refused
from kokuin.trust.records import EPOCH_OPENED, TST_ISSUED, TST_REENTERED, Record
from kokuin.verify.ledger_search import Sought, entry_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.checkpoint import Checkpoint
    from kokuin.ledger.reader import StoreReader
    from kokuin.ledger.tlog_proof import TlogProof
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.ledger_scene import Scene
    from kokuin.service.recording import Recorder
    from kokuin.trust.records import LeafValue


REENTER = "ledger.reenter"


class ReenterError(ActRefusedError):
    """A token is not entered again."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """A token that a recovery lost, and the proof of its place in the lost log."""

    token: bytes
    sought: Sought
    leaf: Mapping[str, LeafValue]
    proof: TlogProof
    checkpoint: Checkpoint


async def reenter(scene: Scene, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Enter a token again; `ok` is False with `code`."""
    lost = await asyncio.to_thread(_judged, scene.folder, scene.config, arguments)
    if not isinstance(lost, _Lost):
        return lost
    record = _record(scene.records, lost, str(arguments["actor"]))
    outcome = await asyncio.wrap_future(scene.journal.append(record))
    if isinstance(outcome, Refused):
        return {"ok": False, "code": outcome.reason.value, "detail": outcome.detail}
    return {"ok": True, "index": outcome[0].index, "old_index": record.fields["old_index"]}


def refusal(folder: DataFolder, config: Config, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return why a token would not be entered again, None when it would; nothing is written.

    Raises:
        OpenRefusedError: the ledger cannot be read.
    """
    judged = _judged(folder, config, arguments)
    return None if isinstance(judged, _Lost) else judged


def _judged(folder: DataFolder, config: Config, arguments: Mapping[str, Any]) -> _Lost | dict[str, Any]:
    try:
        token = base64.b64decode(str(arguments.get("token", "")), validate=True)
        proof = base64.b64decode(str(arguments.get("proof", "")), validate=True)
        return _find_lost(folder, config, token, proof)
    except ReenterError as error:
        return {"ok": False, "code": error.code, "detail": error.detail}
    except ValueError as error:
        return {"ok": False, "code": "TOKEN_UNREADABLE", "detail": str(error)}


def _find_lost(folder: DataFolder, config: Config, token: bytes, octets: bytes) -> _Lost:
    """Return what was lost, having seen that its proof holds."""
    sought = Sought.of(token)
    if sought is None:
        raise ReenterError("TOKEN_UNREADABLE")
    try:
        proof = read_proof(octets)
        leaf = read_leaf(proof.extra)
        checkpoint = published_keys(folder).check(proof.checkpoint_octets).checkpoint
    except (NoteError, LeafError) as error:
        raise ReenterError("PROOF_REFUSED", str(error)) from None
    if leaf["kind"] != TST_ISSUED or entry_of(sought, proof.index, leaf) is None:
        raise ReenterError("PROOF_OF_ANOTHER_TOKEN")
    if not proof.holds(leaf_hash(proof.extra), checkpoint):
        raise ReenterError("PROOF_REFUSED", "the path does not lead to the checkpoint's root")
    with reading(folder, config) as reader:
        if reader.by_serial(sought.serial) is not None:
            raise ReenterError("TOKEN_PRESENT", f"serial {sought.serial}")
        _require_lost(reader, proof, checkpoint)
    _require_of_kept_tiles(folder, checkpoint)
    return _Lost(token, sought, leaf, proof, checkpoint)


def _require_lost(reader: StoreReader, proof: TlogProof, checkpoint: Checkpoint) -> None:
    """Refuse what no recovery can have lost: a place that was restored, or a checkpoint from after it."""
    opened = [read_act(stored) for stored in reader.backwards(EPOCH_OPENED)]
    epochs = {str(leaf["origin"]): int(str(leaf["epoch"])) for leaf in opened}
    for leaf in opened:
        if leaf["why"] != RECOVERED or proof.index < int(str(leaf["before_size"])):
            continue
        # Epochs that the lost history opened are not on record: their names are, among the keys.
        epoch = epochs.get(checkpoint.origin, _number(checkpoint.origin))
        if epoch < int(str(leaf["epoch"])):
            return
    raise ReenterError("NOT_LOST", f"record {proof.index} of {checkpoint.origin} is none that was lost")


def _number(origin: str) -> int:
    number = origin.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0


def _require_of_kept_tiles(folder: DataFolder, checkpoint: Checkpoint) -> None:
    for path in sorted(folder.log.parent.glob(f"{folder.log.name}{MARK}*")):
        root = stored_root(TileFiles(path), checkpoint.size)
        if root == checkpoint.root:
            return
        if root is not None:
            raise ReenterError("PROOF_REFUSED", f"the lost log had another root at {checkpoint.size}")


def _record(records: Recorder, lost: _Lost, actor: str) -> Record:
    sought, proof, checkpoint = lost.sought, lost.proof, lost.checkpoint
    fields: dict[str, LeafValue] = {
        "tenant": str(lost.leaf["tenant"]),
        "actor": actor,
        "tok": sought.tok,
        "tok512": sought.tok512,
        "old_origin": checkpoint.origin,
        "old_index": proof.index,
        "old_size": checkpoint.size,
        "old_root": checkpoint.root.hex(),
        "old_leaf": proof.extra.decode(),
    }
    unit = lost.leaf.get("unit")
    return records.make(TST_REENTERED, fields)._replace(
        serial=sought.serial, unit=unit if isinstance(unit, str) else None, gen=sought.gen, token=lost.token
    )
