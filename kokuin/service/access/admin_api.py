"""Administration over HTTP, by its own port: clients, what they show, what waits for somebody else, the stop.

Thin: the keeper does it. A new key's text is in the one answer that makes it, which nobody may keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi import Request  # noqa: TC002  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import Response  # noqa: TC002  # likewise

from kokuin.service.access import admin_models as said  # noqa: TC001  # likewise
from kokuin.service.keeper_routes import asking
from kokuin.service.ports import KEEPER_UNAVAILABLE
from kokuin.service.problems import MEDIA_TYPE
from kokuin.service.switch_refusals import LEDGER_REFUSED

if TYPE_CHECKING:
    from fastapi import FastAPI

    from kokuin.service.keeper_routes import Operate
    from kokuin.service.ports import KeeperPort

_STATUS = {
    KEEPER_UNAVAILABLE: 503,
    "STATE_UNREADABLE": 503,
    "STATE_UNWRITABLE": 503,
    LEDGER_REFUSED: 503,
    "STOP_NOT_KEPT": 503,
    "TENANT_UNKNOWN": 404,
    "CLIENT_UNKNOWN": 404,
    "KEY_UNKNOWN": 404,
    "BINDING_UNKNOWN": 404,
    "APPROVAL_UNKNOWN": 404,
    "VALUE_UNFIT": 422,
    "SELF_APPROVAL": 403,
    "ROLE_WANTED": 403,
    "PERSON_WANTED": 403,
    "APPROVER_TOO_NEW": 403,
    "STOP_PEOPLE_WANTED": 403,
}
"""Of answers that say no for another reason than the present state."""
_NO: dict[int | str, dict[str, Any]] = {
    status: {"description": ", ".join(sorted(code for code in _STATUS if _STATUS[code] == status))}
    | {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}}
    for status in sorted(set(_STATUS.values()))
}
_CONFLICT = {
    "description": "It stands against what is.",
    "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
}
_NO[409] = _CONFLICT


def add(app: FastAPI, keeper: KeeperPort) -> None:
    """Add the routes of administration."""
    operate = asking(keeper, _STATUS)
    _add_tenants(app, operate)
    _add_clients(app, operate)
    _add_keys(app, operate)
    _add_bindings(app, operate)
    _add_approvals(app, operate)
    _add_activations(app, operate)
    _add_stop(app, operate)


def _add_tenants(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/tenants", tags=["access"], responses=_NO)
    async def tenants(request: Request) -> Response:
        """All tenants, with their names."""
        return await operate(request, "access.tenant.list")

    @app.post("/api/v1/tenants", tags=["access"], responses=_NO)
    async def add_tenant(request: Request, tenant: said.NewTenant) -> Response:
        """Add a tenant."""
        return await operate(request, "access.tenant.add", tenant.model_dump())

    @app.post("/api/v1/tenants/{tenant}/{act}", tags=["access"], responses=_NO)
    async def set_tenant(request: Request, tenant: str, act: Literal["enable", "disable"]) -> Response:
        """Let a tenant's clients in again, or none of them."""
        return await operate(request, f"access.tenant.{act}", {"tenant": tenant})


def _add_clients(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/clients", tags=["access"], responses=_NO)
    async def clients(request: Request, tenant: str | None = None) -> Response:
        """All clients, or those of one tenant."""
        return await operate(request, "access.client.list", {"tenant": tenant})

    @app.post("/api/v1/clients", tags=["access"], responses=_NO)
    async def add_client(request: Request, client: said.NewClient) -> Response:
        """Add a person or a machine."""
        return await operate(request, "access.client.add", client.model_dump(exclude_unset=True))

    @app.get("/api/v1/clients/{client}", tags=["access"], responses=_NO)
    async def client(request: Request, client: str) -> Response:
        """One client, its keys and what else it shows."""
        return await operate(request, "access.client.show", {"client": client})

    @app.patch("/api/v1/clients/{client}", tags=["access"], responses=_NO)
    async def change_client(request: Request, client: str, change: said.ClientChange) -> Response:
        """Change what a client may."""
        asked = {**change.model_dump(exclude_unset=True), "client": client}
        return await operate(request, "access.client.change", asked)

    @app.post("/api/v1/clients/{client}/{act}", tags=["access"], responses=_NO)
    async def set_client(request: Request, client: str, act: Literal["enable", "disable"]) -> Response:
        """Let a client in again, or not any more."""
        return await operate(request, f"access.client.{act}", {"client": client})


def _add_keys(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/keys", tags=["access"], responses=_NO)
    async def keys(request: Request, tenant: str | None = None, client: str | None = None) -> Response:
        """API keys by their visible ids."""
        return await operate(request, "access.key.list", {"tenant": tenant, "client": client})

    @app.post("/api/v1/keys", tags=["access"], responses=_NO)
    async def create_key(request: Request, key: said.NewKey) -> Response:
        """Make an API key; its text is in this answer and nowhere else."""
        return _secret(await operate(request, "access.key.create", key.model_dump(exclude_unset=True)))

    @app.post("/api/v1/keys/{key}/rotate", tags=["access"], responses=_NO)
    async def rotate_key(request: Request, key: str, rotation: said.Rotation) -> Response:
        """Replace an API key; the text of the new one is in this answer and nowhere else."""
        return _secret(await operate(request, "access.key.rotate", {**rotation.model_dump(), "key": key}))

    @app.post("/api/v1/keys/{key}/revoke", tags=["access"], responses=_NO)
    async def revoke_key(request: Request, key: str) -> Response:
        """Take an API key back, at once."""
        return await operate(request, "access.key.revoke", {"key": key})


def _add_bindings(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/bindings", tags=["access"], responses=_NO)
    async def bindings(request: Request, client: str | None = None) -> Response:
        """Certificates and subjects of JWTs that stand for clients."""
        return await operate(request, "access.binding.list", {"client": client})

    @app.post("/api/v1/bindings", tags=["access"], responses=_NO)
    async def add_binding(request: Request, binding: said.NewBinding) -> Response:
        """Let a certificate, or a subject of an issuer, stand for a client."""
        return await operate(request, "access.binding.add", binding.model_dump(exclude_unset=True))

    @app.delete("/api/v1/bindings/{binding}", tags=["access"], responses=_NO)
    async def remove_binding(request: Request, binding: str) -> Response:
        """Let it stand for nobody."""
        return await operate(request, "access.binding.remove", {"binding": binding})


def _add_approvals(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/approvals", tags=["access"], responses=_NO)
    async def approvals(request: Request) -> Response:
        """What waits for a second person; of a tenant's clients what concerns their tenant."""
        return await operate(request, "approval.list")

    @app.post("/api/v1/approvals/{approval}/{act}", tags=["access"], responses=_NO)
    async def decide(request: Request, approval: str, act: Literal["approve", "deny"]) -> Response:
        """Have done what another person proposed, or end it."""
        return await operate(request, f"approval.{act}", {"approval": approval})


def _add_activations(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/activations", tags=["access"], responses=_NO)
    async def activations(request: Request) -> Response:
        """What was granted, and how much of it is left."""
        return await operate(request, "activation.list")

    @app.post("/api/v1/activations", tags=["access"], responses=_NO)
    async def propose(request: Request, activation: said.NewActivation) -> Response:
        """Propose so many acts of a client until a moment; a second person grants them."""
        return await operate(request, "activation.propose", activation.model_dump())


def _add_stop(app: FastAPI, operate: Operate) -> None:
    @app.get("/api/v1/stop", tags=["access"], responses=_NO)
    async def show_stop(request: Request) -> Response:
        """Whether issuing is stopped, by whom, and who may release it."""
        return await operate(request, "stop.show")

    @app.post("/api/v1/stop", tags=["access"], responses=_NO)
    async def stop(request: Request, stop: said.NewStop) -> Response:
        """Stop all issuing, at once; nobody needs to approve it."""
        return await operate(request, "stop.set", stop.model_dump())

    @app.post("/api/v1/stop/release", tags=["access"], responses=_NO)
    async def release_stop(request: Request) -> Response:
        """Propose that issuing goes on; a second person releases it."""
        return await operate(request, "stop.release")


def _secret(answer: Response) -> Response:
    answer.headers["cache-control"] = "no-store"
    return answer
