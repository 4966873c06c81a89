"""What an operator may do over HTTP; the keeper does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Body, Query, Request  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import JSONResponse, Response

from kokuin.service.described import answers, refusals
from kokuin.service.keeper_routes import asking, problem_of
from kokuin.service.ledger_status import STATUS
from kokuin.service.migration.desk import INVENTORY_BUSY, INVENTORY_FAILED, INVENTORY_TOO_LONG, POLICY_UNKNOWN
from kokuin.service.migration.dryrun_codes import DRY_RUN_MALFORMED, DRY_RUN_UNKNOWN
from kokuin.service.ports import KEEPER_UNAVAILABLE

if TYPE_CHECKING:
    from fastapi import FastAPI

    from kokuin.service.keeper_routes import Operate
    from kokuin.service.migration.desk import InventoryDesk
    from kokuin.service.ports import KeeperPort

_STATUS = {
    KEEPER_UNAVAILABLE: 503,
    "PROFILE_UNKNOWN": 404,
    POLICY_UNKNOWN: 404,
    INVENTORY_BUSY: 503,
    INVENTORY_TOO_LONG: 503,
    INVENTORY_FAILED: 500,
    DRY_RUN_MALFORMED: 422,
    DRY_RUN_UNKNOWN: 404,
}
"""Of answers that say no for another reason than the present state."""
_NO = refusals({**_STATUS, "REQUEST_INVALID": 422, "SWITCH_BLOCKED": 409})
_MEDIA_TYPES = {"json": "application/json", "cbom": "application/vnd.cyclonedx+json"}


def add(app: FastAPI, keeper: KeeperPort, desk: InventoryDesk) -> None:
    """Add the operator's routes."""
    operate = asking(keeper, _STATUS)

    @app.get("/api/v1/inventory", tags=["inventory"], responses=answers(*_MEDIA_TYPES.values()) | _NO)
    async def inventory(
        format: Literal["json", "cbom"] = "json",  # noqa: A002  # the query's word
        policy: str | None = None,
        years: Annotated[float | None, Query(gt=0, le=200)] = None,
    ) -> Response:
        """What cryptography is in use and how long it serves, or its CBOM."""
        answer = await desk.take(format, policy, years)
        if not answer.pop("ok"):
            return problem_of(answer, _STATUS)
        return JSONResponse(answer["document"], media_type=_MEDIA_TYPES[format])

    _add_state(app, operate)
    _add_profiles(app, operate)
    _add_switches(app, operate)
    _add_dry_runs(app, operate)


def _add_state(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/status", tags=["operator"], responses=_NO)
    async def status(request: Request) -> Response:
        """State of clock, ledger and workers."""
        return await operate(request, "status")

    @app.get("/api/v1/ledger/status", tags=["operator"], responses=_NO)
    async def ledger_status(request: Request) -> Response:
        """How the ledger stands: size, checkpoint, witnesses, stamps."""
        return await operate(request, STATUS)

    @app.post("/api/v1/clock/resume", tags=["operator"], responses=_NO)
    async def resume(request: Request) -> Response:
        """Let issuing go on after a clock fault that was cured."""
        return await operate(request, "clock.resume")


def _add_profiles(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/profiles", tags=["profiles"], responses=_NO)
    async def profiles(request: Request) -> Response:
        """Every profile, its state, policy OID and suites."""
        return await operate(request, "profile.list")

    @app.get("/api/v1/profiles/{name}", tags=["profiles"], responses=_NO)
    async def profile(request: Request, name: str) -> Response:
        """One profile with its TOML."""
        return await operate(request, "profile.show", {"name": name})

    @app.post("/api/v1/profiles/{name}/use", tags=["profiles"], responses=_NO)
    async def use(request: Request, name: str, at_us: int | None = None) -> Response:
        """Make a profile the default, now or at a time (microseconds since 1970 UTC); 409 names blockers."""
        return await operate(request, "profile.use", {"name": name, "at_us": at_us})

    @app.post("/api/v1/profiles/{name}/disable", tags=["profiles"], responses=_NO)
    async def disable(request: Request, name: str) -> Response:
        """Turn a profile off."""
        return await operate(request, "profile.disable", {"name": name})


def _add_switches(app: FastAPI, operate: Operate) -> None:
    @app.post("/api/v1/switches/{act}", tags=["profiles"], responses=_NO)
    async def switches(request: Request, act: Literal["rollback", "unschedule"]) -> Response:
        """Undo the last switch, or drop the scheduled one."""
        return await operate(request, f"profile.{act}")


def _add_dry_runs(app: FastAPI, operate: Operate) -> None:
    @app.post("/api/v1/dry-runs", tags=["profiles"], status_code=202, responses=_NO)
    async def start(
        request: Request,
        profile: Annotated[str, Body()],
        requests: Annotated[int | None, Body()] = None,
        from_ledger: Annotated[str | None, Body()] = None,
        policy: Annotated[str | None, Body()] = None,
    ) -> Response:
        """Rehearse a switch in a child process; the answer holds an id."""
        asked = {"profile": profile, "requests": requests, "from_ledger": from_ledger, "policy": policy}
        return await operate(request, "dryrun.start", asked, 202)

    @app.get("/api/v1/dry-runs/{run_id}", tags=["profiles"], responses=_NO)
    async def show(request: Request, run_id: str) -> Response:
        """State of a rehearsal, its progress while it runs, then its report."""
        return await operate(request, "dryrun.show", {"id": run_id})
