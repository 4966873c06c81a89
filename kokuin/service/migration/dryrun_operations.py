"""Dry runs that operators ask of a running service: one at a time, in a child, told by an id.

They are kept in memory: a report is about the moment at which it was made.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.service.migration import dryrun_codes as codes
from kokuin.service.migration.dryrun import MOST_REQUESTS, REQUESTS, DryRunRequest, read_period
from kokuin.service.migration.dryrun_process import DryRunChild, DryRunError
from pqc.policies import shipped_policies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

KEPT = 8
"""Dry runs that are remembered, the last ones."""
RUNNING, DONE, FAILED = "running", "done", "failed"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(slots=True)
class _Run:
    child: DryRunChild
    profile: str
    state: str = RUNNING
    phase: str = ""
    done: int = 0
    total: int = 0
    report: dict[str, Any] | None = None
    code: str = ""
    detail: str = ""

    def progress(self, phase: str, done: int, total: int) -> None:
        self.phase, self.done, self.total = phase, done, total


class DryRuns:
    """The operations `dryrun.*` of the keeper; on its loop."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder that is served, and the configuration in force."""
        self._folder, self._config = folder, config
        self._runs: dict[str, _Run] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Start one, or say how far it is; `ok` is False with `code`."""
        match operation:
            case "dryrun.start":
                return self._start(arguments)
            case "dryrun.show":
                return self._show(str(arguments.get("id", "")))
        return {"ok": False, "code": "OPERATION_UNKNOWN"}

    async def close(self) -> None:
        """End the one that runs; its scratch folder is gone when this returns."""
        if self._task is not None and not self._task.done():
            for run in self._runs.values():
                run.child.stop()
            await asyncio.wait([self._task])

    def _start(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            request = _read_request(arguments)
        except (TypeError, ValueError) as error:
            return {"ok": False, "code": codes.DRY_RUN_MALFORMED, "detail": f"{error} cannot be used"}
        if self._task is not None and not self._task.done():
            return {"ok": False, "code": codes.DRY_RUN_BUSY}
        run_id = secrets.token_hex(8)
        run = _Run(DryRunChild(self._folder, self._config, request), request.profile)
        while len(self._runs) >= KEPT:
            del self._runs[next(iter(self._runs))]
        self._runs[run_id] = run
        self._task = asyncio.create_task(self._run(run), name="dry-run")
        return {"ok": True, "id": run_id, "state": RUNNING}

    async def _run(self, run: _Run) -> None:
        try:
            report = await asyncio.to_thread(run.child.run, run.progress)
        except DryRunError as error:
            run.state, run.code, run.detail = FAILED, error.code, error.detail
        except OSError as error:
            # No process could be started.
            run.state, run.code, run.detail = FAILED, codes.DRY_RUN_ENDED, error.strerror or ""
        else:
            run.state, run.report = DONE, report.to_dict()

    def _show(self, run_id: str) -> dict[str, Any]:
        run = self._runs.get(run_id)
        if run is None:
            return {"ok": False, "code": codes.DRY_RUN_UNKNOWN}
        found: dict[str, Any] = {"ok": True, "id": run_id, "state": run.state, "profile": run.profile}
        if run.state == RUNNING:
            found["progress"] = {"phase": run.phase, "done": run.done, "total": run.total}
        elif run.state == DONE:
            found["report"] = run.report
        else:
            found["failure"] = {"code": run.code, "detail": run.detail}
        return found


def _read_request(arguments: Mapping[str, Any]) -> DryRunRequest:
    """Read what a caller asked for.

    Raises:
        TypeError, ValueError: with the name of what cannot be used.
    """
    name, requests = arguments.get("profile"), arguments.get("requests")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("profile")
    if requests is None:
        requests = REQUESTS
    if type(requests) is not int or not 0 < requests <= MOST_REQUESTS:
        raise ValueError("requests")
    policy = arguments.get("policy") or ""
    # Attack: elsewhere a policy may be named by its path, and a refusal would tell what lies there.
    if policy and policy not in shipped_policies():
        raise ValueError("policy")
    period = arguments.get("from_ledger")
    try:
        seconds = None if period is None else read_period(str(period))
    except ValueError:
        raise ValueError("from_ledger") from None
    return DryRunRequest(name, requests, seconds, str(policy))
