"""The parts of sealing in one worker, joined at one place."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from kokuin.service.eseals.api import SealFace
from kokuin.service.eseals.desk import SealDesk
from kokuin.service.eseals.entries import Entries
from kokuin.service.eseals.jobs import Jobs
from kokuin.service.eseals.keys_ring import SealKeyring
from kokuin.service.eseals.pool import SealPool
from kokuin.service.eseals.stamping import stamper
from kokuin.service.ledger_store import open_reader
from kokuin.service.units import read_passphrase

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.access.doorkeeper import Doorkeeper
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.eseals.stamping import NoUnits
    from kokuin.service.ports import KeeperPort
    from kokuin.service.responder import Responder
    from kokuin.trust.journal import Journal

CHILDREN = 2
"""Children of a worker that seal at a time."""


def make_jobs(
    folder: DataFolder,
    config: Config,
    journal: Journal,
    responder: Callable[[], Responder | NoUnits],
    *,
    warm: bool = False,
) -> Jobs:
    """Return what seals with the keys of a folder.

    Args:
        folder: the data folder.
        config: its settings.
        journal: where records become durable.
        responder: returns what stamps; asked when a time-stamp is wanted.
        warm: there will be documents soon.
    """

    @functools.cache
    def keyring() -> SealKeyring:
        return SealKeyring(folder, config, read_passphrase(config, dict(os.environ)))

    desk = SealDesk(
        keyring,
        SealPool(CHILDREN, warm=warm),
        journal,
        stamper(responder),
        lambda: responder().configuration,
        lambda: responder().certificate,
    )
    return Jobs(desk, Entries(folder.jobs), lambda: open_reader(folder, config))


def make_face(
    folder: DataFolder,
    config: Config,
    keeper: KeeperPort,
    doorkeeper: Doorkeeper,
    responder: Callable[[], Responder],
) -> SealFace:
    """Return what the routes of a worker ask."""
    jobs = make_jobs(folder, config, keeper, responder, warm=any(folder.seals.glob("*/*.toml")))
    return SealFace(jobs, doorkeeper, keeper, lambda: responder().stopped)
