"""The configuration of the audit ledger: `[ledger]`, `[ledger.retention]` and `[ledger.stamps]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from kokuin.service.config_types import (  # pydantic reads the annotations
    Count,
    Database,
    LeafKind,
    Named,
    Origin,
    PlainPath,
    Seconds,
    Table,
    WebAddress,
    Years,
)


class Stamps(Table):
    """Time-stamps over the log's checkpoints: by an outside authority, by a second unit of this service."""

    every_seconds: Annotated[float, Field(gt=0, le=86_400)] = 3600.0
    url: WebAddress | None = None
    trust: PlainPath | None = None
    unit: Named | None = None

    @model_validator(mode="after")
    def _is_trusted(self) -> Self:
        if (self.url is None) != (self.trust is None):
            raise ValueError("url and trust, a file with the authority's root, go together")
        return self


class Retention(Table):
    """For how many years the octets of records are kept, by kind; hash and place stay for ever."""

    default_years: Years = 15
    kinds: dict[LeafKind, Years] = Field(default_factory=dict)

    def years(self, kind: str) -> int:
        """Return the years of a kind of record."""
        return self.kinds.get(kind, self.default_years)


class Ledger(Table):
    """The audit ledger: what its log is called, where its length is remembered, who may read its entries."""

    queue: Count = 8192
    behind_seconds: Seconds = 2.0
    origin: Origin = "kokuin.invalid/log"
    high_water: PlainPath = Path("ledger/high-water")
    public_entries: bool = False
    witnesses: PlainPath | None = None
    witness_seconds: Seconds = 10.0
    witness_strict: bool = False
    stamps: Stamps = Stamps()
    seal_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = 30
    retention: Retention = Retention()
    postgres: Database | None = None
    node: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = "main"
