"""What an owner reads of access in a folder that nobody serves: from ledger and `state.db`, as they lie."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kokuin.service.access.activations import list_activations
from kokuin.service.access.approvals import list_waiting
from kokuin.service.access.approvers import people_of
from kokuin.service.access.people import open_state
from kokuin.service.access.stop_views import kept_stop, newest_stop, show_stop
from kokuin.service.access.withdrawals import read_recorded, withdrawn_table
from kokuin.service.owner import OWNER
from kokuin.service.published_log import reading

if TYPE_CHECKING:
    from kokuin.service.access.state import StateStore
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

_APPROVALS, _ACTIVATIONS, _STOP = "approval.list", "activation.list", "stop.show"
ACCESS_READS = frozenset({_APPROVALS, _ACTIVATIONS, _STOP})
"""Operations that change nothing."""


def read_access(folder: DataFolder, config: Config, operation: str) -> dict[str, Any]:
    """Answer one of `ACCESS_READS` as the keeper would, without the records of a start and a stop.

    Raises:
        OpenRefusedError, ActivationError: the ledger cannot be read.
        StateRefusedError: `state.db` cannot be read.
    """
    store = open_state(folder.state)
    try:
        if operation == _APPROVALS:
            return {"ok": True, "approvals": store.read(lambda session: list_waiting(session, OWNER))}
        if operation == _ACTIVATIONS:
            return {"ok": True, "activations": store.read(lambda session: list_activations(session, OWNER))}
        return {"ok": True, **_stop(folder, config, store)}
    finally:
        store.close()


def _stop(folder: DataFolder, config: Config, store: StateStore) -> dict[str, Any]:
    """See `Emergency.begin`: of what the ledger says and what `state.db` says the newer one counts."""
    stop = store.read(kept_stop)
    with reading(folder, config) as reader:
        found, withdrawn = newest_stop(reader), read_recorded(reader)
    if found is not None and found.outranks(stop):
        stop = found.stop
    # An older copy of `state.db` gives nobody back what would let them release it: see `withdraw_recorded`.
    table = store.read(lambda session: withdrawn_table(session, withdrawn))
    return show_stop(stop, people_of(table, time.time_ns() // 1_000))
