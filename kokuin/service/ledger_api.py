"""What auditors may ask of the ledger over HTTP: the operator's everything, a tenant's their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Query, Request  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from kokuin.ledger import search_query
from kokuin.ledger.faults import OpenFault
from kokuin.ledger.search import Progress
from kokuin.ledger.search_query import Order, QueryError, QueryFault
from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.gate import principal_of
from kokuin.service.access.principal import OPERATOR_TENANT
from kokuin.service.access.refusing import DeniedError
from kokuin.service.described import refusals
from kokuin.service.ledger_search import REFUSALS
from kokuin.service.problems import problem_response

if TYPE_CHECKING:
    from fastapi import FastAPI

    from kokuin.service.access.principal import Principal
    from kokuin.service.ledger_search import SearchDesk

SEARCH_BUILDING = "SEARCH_BUILDING"
"""The index is being built; `leaves` of `size` are read."""
RECORD_UNKNOWN = "RECORD_UNKNOWN"

_SOON = {"Retry-After": "1"}
_SEARCH: dict[str, int] = {
    **dict.fromkeys(QueryFault, 422),
    "REQUEST_INVALID": 422,
    SEARCH_BUILDING: 503,
    OpenFault.UNREADABLE: 503,
}
_SEVERAL = frozenset({"imprint", "kind"})


class Conditions(BaseModel):
    """Conditions of a search as a query string names them; they must all hold."""

    # A misspelt condition that went unheard would show what was not asked for.
    model_config = ConfigDict(extra="forbid")

    serial: str | None = None
    imprint: list[str] = []
    request: str | None = None
    token: str | None = None
    tenant: str | None = None
    kind: list[str] = []
    since_us: int | None = None
    until_us: int | None = None
    order: Order = Order.NEWEST
    limit: int = 100
    cursor: str = ""

    def query(self) -> search_query.Query:
        """Return the query.

        Raises:
            QueryError: a value that no leaf could have, or a cursor that is not this query's.
        """
        return search_query.Query(
            serial=self.serial,
            imprints=tuple(self.imprint),
            request=self.request,
            token=self.token,
            tenant=self.tenant,
            kinds=tuple(self.kind),
            since_us=self.since_us,
            until_us=self.until_us,
            order=self.order,
            limit=self.limit,
            cursor=self.cursor,
        )


def add(app: FastAPI, desk: SearchDesk) -> None:
    """Add the ledger's routes."""

    @app.get("/api/v1/ledger/records", tags=["ledger"], responses=refusals(_SEARCH))
    async def records(request: Request, conditions: Annotated[Conditions, Query()]) -> Response:
        """Search the ledger: a page of records that fit all conditions, of the caller's tenant alone."""
        names = [name for name, _ in request.query_params.multi_items() if name not in _SEVERAL]
        if len(names) != len(set(names)):
            # Two values of one condition: whoever filters before us may have read the other one.
            return problem_response(422, "REQUEST_INVALID")
        try:
            found = await desk.find(_scoped(conditions, principal_of(request)).query())
        except QueryError as error:
            return problem_response(422, error.fault, more={"field": error.field})
        except REFUSALS as error:
            return problem_response(503, error.fault, headers=_SOON)
        if isinstance(found, Progress):
            far = {"leaves": found.leaves, "size": found.size}
            return problem_response(503, SEARCH_BUILDING, headers=_SOON, more=far)
        return JSONResponse(found)

    @app.get(
        "/api/v1/ledger/records/{index}",
        tags=["ledger"],
        responses=refusals({RECORD_UNKNOWN: 404, OpenFault.UNREADABLE: 503}),
    )
    async def record(request: Request, index: Annotated[int, Path(ge=0, lt=2**63)]) -> Response:
        """One record by its index in the ledger; of another tenant's only its hash."""
        try:
            found = await desk.record(index, principal_of(request).sees)
        except REFUSALS as error:
            return problem_response(503, error.fault, headers=_SOON)
        return problem_response(404, RECORD_UNKNOWN) if found is None else JSONResponse(found)


def _scoped(conditions: Conditions, principal: Principal) -> Conditions:
    """Return conditions under which only the caller's records are found.

    Raises:
        DeniedError: they name a tenant that is not the caller's, whether or not there is one of that name.
    """
    if principal.tenant == OPERATOR_TENANT:
        return conditions
    if conditions.tenant not in {None, principal.tenant}:
        raise DeniedError(Denial(DenialCode.TENANT_WRONG, principal.tenant))
    return conditions.model_copy(update={"tenant": principal.tenant})
