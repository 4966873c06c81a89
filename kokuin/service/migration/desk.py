"""Where a worker has inventories taken: in a niced child, one at a time; no time-stamp waits for one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.service.child_start import end_child, start_child
from pqc.policies import shipped_policies

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

CHILD = "kokuin.service.migration.gathering"
CHILD_SECONDS = 300.0
"""How long a child may count; longer ledgers are counted by `tsa inventory`."""

INVENTORY_BUSY = "INVENTORY_BUSY"
"""Another one is being taken."""
INVENTORY_TOO_LONG = "INVENTORY_TOO_LONG"
INVENTORY_FAILED = "INVENTORY_FAILED"
"""The folder, the ledger or a profile in force could not be read."""
POLICY_UNKNOWN = "POLICY_UNKNOWN"


class InventoryDesk:
    """Takes inventories of one folder; nothing is kept between two of them."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder that is served, and the configuration in force."""
        self._folder, self._config = folder, config
        self._busy = False

    async def take(self, form: str, policy: str | None = None, years: float | None = None) -> dict[str, Any]:
        """Have an inventory taken.

        Args:
            form: `json` or `cbom`.
            policy: name of a shipped policy; None: all of them.
            years: how long tokens must stay verifiable; None: as configured.

        Returns:
            `ok` and `document`; where `ok` is False, `code` and perhaps `detail`.
        """
        if policy is not None and policy not in shipped_policies():
            # Attack: elsewhere a policy may be named by its path, and a refusal would tell what lies there.
            return {"ok": False, "code": POLICY_UNKNOWN}
        if self._busy:
            return {"ok": False, "code": INVENTORY_BUSY}
        self._busy = True
        try:
            return await self._ask({"form": form, "policy": policy, "years": years})
        finally:
            self._busy = False

    async def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        question = {**task, "folder": str(self._folder.root), "config": self._config.model_dump(mode="json")}
        child = await start_child(CHILD)
        try:
            async with asyncio.timeout(CHILD_SECONDS):
                answer, _ = await child.communicate(orjson.dumps(question))
        except TimeoutError:
            return {"ok": False, "code": INVENTORY_TOO_LONG}
        finally:
            # Also when the one who asked has gone: nobody would read what the child still counts.
            await end_child(child)
        try:
            found: dict[str, Any] = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return {"ok": False, "code": INVENTORY_FAILED}
        return found
