"""How a keeper begins: the ledger is opened, and what is to be in force from now on is activated."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from kokuin.ledger.committer import Committer
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.service.activation import (
    ACT_START,
    activate,
    activations,
    opening_snapshot,
    stopped_by_clock,
)
from kokuin.service.epochs import epoch_on_record, record_first_epoch
from kokuin.service.issuing import ActiveConfiguration
from kokuin.service.ledger_store import open_reader, open_store
from kokuin.service.log_signing import open_log_signer
from kokuin.service.profile_view import Schedule
from kokuin.service.snapshot import SnapshotFolder
from kokuin.service.standing import require_not_behind
from kokuin.service.units import read_passphrase
from kokuin.service.witness_client import read_witnesses
from kokuin.service.witness_standing import require_not_behind_witnesses

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.log_keys import LogSigner
    from kokuin.ledger.port import LedgerStore
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.snapshot import Snapshot
    from kokuin.service.witness_client import Witnesses


REACH_SECONDS = 30.0
"""For how long a start waits for the server of the ledger, which after a crash is busy with its own log."""

_REACH_PAUSE = 0.25
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opened:
    """An open ledger, and what it says of the time before.

    Attributes:
        journal: its writer.
        signer: keys of its epoch's checkpoints; None where nobody serves and so nothing is published.
        snapshot: what is in force; of a folder that nobody serves, what would be.
        active: its digest and epoch; the digest is empty when it could not be brought into force.
        stopped_by_clock: issuing was stopped before, and nobody let it go on.
        pending: the switch that is still to come.
        witnesses: whom the settings name.
    """

    journal: Committer
    signer: LogSigner | None
    snapshot: Snapshot
    active: ActiveConfiguration
    stopped_by_clock: bool
    pending: Schedule | None
    witnesses: Witnesses | None


async def _reached(folder: DataFolder, config: Config, seconds: float) -> LedgerStore:
    """Open the store, once its server answers."""
    deadline, told = time.monotonic() + seconds, False
    while True:
        try:
            return open_store(folder, config)
        except OpenRefusedError as error:
            if error.fault is not OpenFault.UNREACHABLE or time.monotonic() >= deadline:
                raise
            if not told:
                _log.warning("ledger.unreachable", reason=str(error), patience_s=seconds)
        told = True
        await asyncio.sleep(_REACH_PAUSE)


async def open_ledger(
    folder: DataFolder, config: Config, on_fatal: Callable[[str], None], *, serving: bool
) -> Opened:
    """Open the ledger and activate the configuration.

    Args:
        folder: the data folder, whose lock the caller holds.
        config: its settings.
        on_fatal: told, from any thread, that this process must end now.
        serving: as of `Keeper.start`.

    Raises:
        OpenRefusedError: the ledger cannot be opened.
        ConfigError: the policy that names the witnesses cannot be used.
        ActivationError: what was in force cannot be read, or the ledger refused the configuration.
        UnitError, ProfileError: a unit, or the log's keys, are unfit; nothing was activated.
    """
    store = await _reached(folder, config, REACH_SECONDS if serving else 0.0)
    snapshots = SnapshotFolder(folder.active)
    with open_reader(folder, config) as reader:
        require_not_behind(folder, config, reader)
        named = [str(leaf["cfg"]) for leaf in activations(reader)]
        stopped = stopped_by_clock(reader)
        pending = Schedule.pending(reader)
        epoch = epoch_on_record(reader)
        witnesses = None
        if config.ledger.witnesses is not None:
            # Not only before serving: a command on a copy that is behind signs, too, when it seals.
            witnesses = read_witnesses(config.ledger.witnesses)
            await require_not_behind_witnesses(folder, config, reader, witnesses)
    signer = None
    if serving:
        passphrase = read_passphrase(config, dict(os.environ))
        signer = open_log_signer(folder, config, store.head.epoch, passphrase)
    previous = named[0] if named else None
    snapshot, fit = await asyncio.to_thread(opening_snapshot, folder, config, previous, serving=serving)
    if fit:
        await asyncio.to_thread(snapshots.save, snapshot)
    journal = Committer(store, capacity=config.ledger.queue, clock_ns=time.time_ns, on_fatal=on_fatal)
    if signer is not None and epoch != journal.head.epoch:
        await record_first_epoch(journal, signer)
    active = ActiveConfiguration(journal.cfg_epoch, "")
    if fit:
        active = await activate(journal, snapshot, previous, {"act": ACT_START, "actor": "keeper"})
    snapshots.prune({*named, active.digest})
    return Opened(journal, signer, snapshot, active, stopped, pending, witnesses)
