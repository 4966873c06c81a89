"""Going on after leaves were lost: a new epoch that says what is there and what is known to have been.

A store that is behind must not be appended to under its old name: two records
would stand at one place, each with its proof. So the next epoch has a name and
keys that no history before has used, and its first leaf commits to both trees.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.checked import stored_root
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.plan import Append
from kokuin.ledger.published import newest_checkpoint
from kokuin.ledger.recoveries import RECOVERED
from kokuin.service.datafolder import FolderLock
from kokuin.service.epochs import Before, epoch_record, newest_of_any_node
from kokuin.service.ledger_scene import ActRefusedError
from kokuin.service.ledger_store import open_reader, open_store
from kokuin.service.log_signing import make_log_keys, origin_of, published_keys
from kokuin.service.setting_aside import set_aside
from kokuin.service.standing import Known, remembered
from kokuin.service.units import read_passphrase
from kokuin.trust.journal import Refused
from kokuin.trust.records import EPOCH_OPENED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.port import LedgerStore
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.records import LeafValue


class RecoverError(ActRefusedError):
    """Nothing was recovered."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery came to: the epoch that was opened, the leaves that are there, and what is known."""

    epoch: int
    size: int
    known: Known


def recover(folder: DataFolder, config: Config, given: Sequence[tuple[str, bytes]] = ()) -> Recovered:
    """Open an epoch on what is left of a ledger, in a folder that nobody serves.

    Of nodes that share a ledger one recovers; the others take its keys over (`joining.join`).

    Args:
        folder: the data folder.
        config: its settings.
        given: checkpoints of witnesses, auditors or clients, each with where it is from.

    Raises:
        RecoverError: nothing is lost, or a given checkpoint is not the log's.
        FolderError: the folder is in use.
        OpenRefusedError, ActivationError: the store cannot be read, or what remembers it cannot be believed.
        UnitError, OSError: keys or files cannot be read or written.
    """
    with FolderLock(folder):
        logs = published_keys(folder)
        known = [*remembered(folder, config, logs), *(_checked(logs, *each) for each in given)]
        store = open_store(folder, config)
        try:
            recovered = _recover(folder, config, store, known)
        finally:
            store.close()
        # A crash between these lines: the next attempt finds the epoch open, and goes on here.
        set_aside(folder.log)
        set_aside(config.ledger.high_water)
    return recovered


def _recover(folder: DataFolder, config: Config, store: LedgerStore, known: Sequence[Known]) -> Recovered:
    with open_reader(folder, config) as reader:
        head = store.head
        lost = [
            each for each in known if each.size > head.size or stored_root(reader, each.size) != each.root
        ]
        if not lost:
            raise RecoverError("NOTHING_LOST", f"all that is known is within the {head.size} records")
        # Of two histories of one length the first that is named counts; both are kept.
        highest = max(lost, key=lambda each: each.size)
        opened = newest_of_any_node(reader, EPOCH_OPENED)
        newest = newest_checkpoint(reader)
    if opened is not None and _commits_to(opened[1], highest):
        if newest is not None and newest.size > opened[0]:
            raise RecoverError("NOTHING_LOST", f"epoch {opened[1]['epoch']} was opened for it already")
        return Recovered(int(str(opened[1]["epoch"])), int(str(opened[1]["before_size"])), highest)
    epoch = _unused_epoch(folder, config, store)
    # A crash after this line leaves keys that no leaf names; the next attempt takes another number.
    signer = make_log_keys(folder, config, epoch, read_passphrase(config, dict(os.environ)))
    before = Before(
        RECOVERED,
        origin_of(config, head.epoch),
        head.size,
        head.root,
        highest.origin,
        highest.size,
        highest.root,
    )
    # The ledger's epochs follow each other; those that the lost history may have used stay empty.
    skipped = [Append((), new_epoch=number) for number in range(head.epoch + 1, epoch)]
    opening = Append((epoch_record(epoch, signer, before),), new_epoch=epoch)
    outcomes = store.commit([*skipped, opening], time.time_ns() // 1_000)
    if isinstance(outcomes[-1], Refused):
        raise RecoverError(outcomes[-1].reason, outcomes[-1].detail)
    return Recovered(epoch, head.size, highest)


def _commits_to(leaf: Mapping[str, LeafValue], known: Known) -> bool:
    """Say whether an epoch was opened for what is known: a crash came before the old files were moved."""
    said = (leaf["why"], leaf["known_origin"], leaf["known_size"], leaf["known_root"])
    return said == (RECOVERED, known.origin, known.size, known.root.hex())


def _checked(logs: LogVerifier, source: str, octets: bytes) -> Known:
    try:
        checkpoint = logs.check(octets).checkpoint
    except NoteError as error:
        raise RecoverError("CHECKPOINT_NOT_OURS", f"{source}: {error}") from None
    return Known(source, checkpoint.origin, checkpoint.size, checkpoint.root)


def _unused_epoch(folder: DataFolder, config: Config, store: LedgerStore) -> int:
    """Return the first number that no history has used, as far as names and keys say it.

    Attack: an epoch that the lost history had opened must not be opened again, or its keys would have signed
    two roots for one size.
    """
    used = {store.head.epoch}
    for origin in published_keys(folder).origins:
        base, _, number = origin.rpartition("/")
        if base == config.ledger.origin and number.isdecimal():
            used.add(int(number))
    for path in config.keys.glob("log-*-*.pem"):
        number = path.name.split("-")[1]
        if number.isdecimal():
            used.add(int(number))
    return max(used) + 1
