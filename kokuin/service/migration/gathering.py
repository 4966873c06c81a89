"""The inventory of a data folder, whether or not its service is running; also as a child of the service.

`python -m kokuin.service.migration.gathering` reads its task as JSON from
standard input and answers on standard output. It is niced, so that a long
ledger holds up no time-stamp.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.service.activation import activations, first_snapshot
from kokuin.service.config import Config
from kokuin.service.datafolder import DataFolder
from kokuin.service.errors import START_ERRORS
from kokuin.service.ledger_store import open_reader
from kokuin.service.migration.cbom import cbom
from kokuin.service.migration.desk import INVENTORY_FAILED, POLICY_UNKNOWN
from kokuin.service.migration.inventory import document, inventory
from kokuin.service.snapshot import SnapshotFolder
from pqc.policies import PolicyError, load_policy, shipped_policies

if TYPE_CHECKING:
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.migration.inventory import Inventory
    from kokuin.service.snapshot import Snapshot

NICENESS = 15


def gather(
    folder: DataFolder, config: Config, policy: str | None = None, years: float | None = None
) -> Inventory:
    """Take the inventory of a folder.

    Args:
        folder: the data folder.
        config: its configuration.
        policy: name or path of the one policy to judge by; None: all that are shipped.
        years: how long tokens must stay verifiable; None: as configured.

    Raises:
        PolicyError: there is no such policy.
        OpenRefusedError, ActivationError, SnapshotError, ProfileError: ledger, snapshot or profile cannot be
            read.
    """
    policies = [load_policy(name) for name in ((policy,) if policy else shipped_policies())]
    with open_reader(folder, config) as reader:
        return inventory(
            folder,
            config,
            snapshot_in_force(folder, config, reader),
            reader,
            policies,
            dt.datetime.now(dt.UTC),
            config.retention_years if years is None else years,
        )


def snapshot_in_force(folder: DataFolder, config: Config, reader: StoreReader) -> Snapshot:
    """Return what was last activated; of a ledger that never served, what would be.

    Raises:
        ActivationError, SnapshotError, ProfileError: it cannot be read.
    """
    last = next(activations(reader), None)
    if last is None:
        return first_snapshot(folder, config)
    return SnapshotFolder(folder.active).load(str(last["cfg"]))


def main() -> int:
    """Be the child of an `InventoryDesk`: a task of JSON in, an answer out."""
    os.nice(NICENESS)
    task = orjson.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(orjson.dumps(_answer(task)))
    return 0


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    folder, config = DataFolder(Path(task["folder"])), Config.model_validate(task["config"])
    try:
        made = gather(folder, config, task["policy"], task["years"])
    except PolicyError as error:
        return {"ok": False, "code": POLICY_UNKNOWN, "detail": str(error)}
    except START_ERRORS as error:
        return {"ok": False, "code": INVENTORY_FAILED, "detail": str(error)}
    return {"ok": True, "document": cbom(made) if task["form"] == "cbom" else document(made)}


if __name__ == "__main__":
    sys.exit(main())
