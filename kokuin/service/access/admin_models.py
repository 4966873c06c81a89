"""What administration is asked with, as OpenAPI describes it; each value is judged where it is used."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

_CLIENT = "c-k5pq2vd3xw7yzma4"
_Moment = Annotated[int | None, Field(description="Microseconds since 1970 UTC.")]


def _like(example: dict[str, Any]) -> ConfigDict:
    # A member that nobody knows was meant to do something: it is refused, not dropped.
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [example]})


class NewTenant(BaseModel):
    """An organisation."""

    model_config: ClassVar = _like({"name": "Murasaki K.K."})

    name: str


class ClientChange(BaseModel):
    """What of a client is to change; what is absent stays."""

    model_config: ClassVar = _like({"roles": ["stamp"], "per_day": 20_000})

    name: str | None = None
    roles: list[str] | None = None
    person: bool | None = None
    profiles: list[str] | None = None
    classes: list[str] | None = None
    networks: list[str] | None = None
    begins_us: _Moment = None
    ends_us: _Moment = None
    rate: float | None = None
    burst: int | None = None
    per_day: int | None = None
    activated: bool | None = None


class NewClient(ClientChange):
    """A person or a machine, and what it may."""

    model_config: ClassVar = _like(
        {
            "tenant": "t-b2jx6qk4mzv5c7da",
            "name": "archive",
            "roles": ["stamp"],
            "networks": ["192.0.2.0/24"],
            "rate": 50.0,
            "burst": 100,
            "per_day": 10_000,
        }
    )

    tenant: str


class NewKey(BaseModel):
    """An API key, whose text is shown once."""

    model_config: ClassVar = _like({"client": _CLIENT})

    client: str
    begins_us: _Moment = None
    ends_us: _Moment = None


class Rotation(BaseModel):
    """How long an API key that was replaced is still taken."""

    model_config: ClassVar = _like({"grace_seconds": 86_400})

    grace_seconds: int


class NewBinding(BaseModel):
    """A certificate (PEM), or issuer and subject of a JWT, that stands for a client."""

    model_config: ClassVar = _like(
        {
            "client": _CLIENT,
            "issuer": "https://login.example",
            "subject": "murasaki",
        }
    )

    client: str
    certificate: str | None = None
    issuer: str | None = None
    subject: str | None = None


class NewActivation(BaseModel):
    """So many acts of one client, until a moment."""

    model_config: ClassVar = _like(
        {
            "client": _CLIENT,
            "kind": "stamp",
            "count": 5_000,
            "until_us": 1_798_761_600_000_000,
        }
    )

    client: str
    kind: Literal["stamp", "seal"]
    count: int
    until_us: int


class NewStop(BaseModel):
    """Why nothing is to be issued; the words stay in the ledger."""

    model_config: ClassVar = _like({"reason": "a unit's key may be known to others"})

    reason: str
