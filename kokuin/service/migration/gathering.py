"""The inventory of a data folder, whether or not its service is running; also as a child of the service.

`python -m kokuin.service.migration.gathering` reads its task as JSON from
standard input and answers on standard output. It is niced, so that a long
ledger holds up no time-stamp.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.ledger.reader import LedgerReader
from kokuin.service.activation import activations, first_snapshot
from kokuin.service.config import Config
from kokuin.service.datafolder import DataFolder
from kokuin.service.errors import START_ERRORS
from kokuin.service.migration.cbom import cbom
from kokuin.service.migration.inventory import document, inventory
from kokuin.service.snapshot import SnapshotFolder
from pqc.policies import PolicyError, load_policy, shipped_policies

if TYPE_CHECKING:
    from kokuin.service.migration.inventory import Inventory
    from kokuin.service.snapshot import Snapshot

FORMATS = ("json", "cbom")
CHILD_SECONDS = 300.0
"""How long a child may count; a ledger of ten million tokens takes about half of it."""
NICENESS = 15
GATHERING_FAILED = "INVENTORY_FAILED"
GATHERING_TOO_LONG = "INVENTORY_TOO_LONG"
GATHERING_BUSY = "INVENTORY_BUSY"


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
    with LedgerReader(folder.ledger) as reader:
        return inventory(
            folder,
            config,
            snapshot_in_force(folder, config, reader),
            reader,
            policies,
            dt.datetime.now(dt.UTC),
            config.retention_years if years is None else years,
        )


def snapshot_in_force(folder: DataFolder, config: Config, reader: LedgerReader) -> Snapshot:
    """Return what was last activated; of a ledger that never served, what would be.

    Raises:
        ActivationError, SnapshotError, ProfileError: it cannot be read.
    """
    last = next(activations(reader), None)
    if last is None:
        return first_snapshot(folder, config)
    return SnapshotFolder(folder.active).load(str(last["cfg"]))


class InventoryDesk:
    """Takes inventories in children of this process, one at a time."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder that is served, and the configuration in force."""
        self._folder, self._config = folder, config
        self._busy = False

    async def take(self, form: str, policy: str | None = None, years: float | None = None) -> dict[str, Any]:
        """Return `{"ok": True, "document": ...}` in one of `FORMATS`, else `ok` False and `code`."""
        if self._busy:
            return {"ok": False, "code": GATHERING_BUSY}
        self._busy = True
        try:
            return await self._ask({"form": form, "policy": policy, "years": years})
        finally:
            self._busy = False

    async def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        question = {**task, "folder": str(self._folder.root), "config": self._config.model_dump(mode="json")}
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(CHILD_SECONDS):
                answer, _ = await child.communicate(orjson.dumps(question))
        except TimeoutError:
            return {"ok": False, "code": GATHERING_TOO_LONG}
        finally:
            # Also when the one who asked has gone: nobody would read what the child still counts.
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        try:
            found: dict[str, Any] = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return {"ok": False, "code": GATHERING_FAILED}
        return found


def main() -> int:
    """Be the child of an `InventoryDesk`."""
    os.nice(NICENESS)
    task = orjson.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(orjson.dumps(_answer(task)))
    return 0


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    folder, config = DataFolder(Path(task["folder"])), Config.model_validate(task["config"])
    try:
        made = gather(folder, config, task["policy"], task["years"])
    except PolicyError as error:
        return {"ok": False, "code": "POLICY_UNKNOWN", "detail": str(error)}
    except START_ERRORS as error:
        return {"ok": False, "code": GATHERING_FAILED, "detail": str(error)}
    return {"ok": True, "document": cbom(made) if task["form"] == "cbom" else document(made)}


if __name__ == "__main__":
    sys.exit(main())
