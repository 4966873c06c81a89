"""Tables of `state.db`: who there is, what they hold, what they wait for.

Nothing here proves anything: what happened stands in the ledger, under the
pseudonyms that stand here beside the names.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import REAL, CheckConstraint, Integer, Text, UniqueConstraint
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

if TYPE_CHECKING:
    from sqlalchemy import Dialect

_STRICT = {"sqlite_strict": True}


class Flag(TypeDecorator[bool]):
    """A truth value as 0 or 1; strict tables of SQLite know no other."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:  # noqa: ARG002, FBT001  # SQLAlchemy's signature
        """See `TypeDecorator`."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> bool | None:  # noqa: ARG002  # SQLAlchemy's signature
        """See `TypeDecorator`."""
        return None if value is None else bool(value)


class JsonText(TypeDecorator[Any]):
    """JSON as text with sorted keys; None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002  # SQLAlchemy's signature
        """See `TypeDecorator`."""
        return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002  # SQLAlchemy's signature
        """See `TypeDecorator`."""
        return None if value is None else json.loads(value)


class StateTable(SQLModel, registry=registry()):
    """Base of the tables, apart from every other database of the service. Moments are µs since 1970 UTC."""


class Tenant(StateTable, table=True):
    """An organisation; `operator` is there from the beginning and is never disabled."""

    __table_args__: ClassVar = (_STRICT,)

    id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    enabled: bool = Field(default=True, sa_type=Flag)
    created_us: int


class Client(StateTable, table=True):
    """A person or a machine; the columns are those of `table.Client`, and `name`, which stays here."""

    __table_args__: ClassVar = (_STRICT,)

    id: str = Field(primary_key=True, sa_type=Text)
    tenant: str = Field(foreign_key="tenant.id", sa_type=Text)
    name: str = Field(sa_type=Text)
    enabled: bool = Field(default=True, sa_type=Flag)
    created_us: int
    roles: list[str] = Field(sa_type=JsonText)
    person: bool = Field(default=False, sa_type=Flag)
    profiles: list[str] | None = Field(default=None, sa_type=JsonText)
    classes: list[str] | None = Field(default=None, sa_type=JsonText)
    networks: list[str] = Field(sa_type=JsonText)
    begins_us: int | None = None
    ends_us: int | None = None
    rate: float | None = Field(default=None, sa_type=REAL)
    burst: int = 1
    per_day: int | None = None
    activated: bool = Field(default=False, sa_type=Flag)


class Key(StateTable, table=True):
    """An API key: its visible id, and SHA-256 (lower-case hex) of the whole text, which nobody keeps."""

    __table_args__: ClassVar = (CheckConstraint("length(digest) = 64", name="digest_size"), _STRICT)

    id: str = Field(primary_key=True, sa_type=Text)
    client: str = Field(foreign_key="client.id", sa_type=Text)
    digest: str = Field(sa_type=Text)
    created_us: int
    begins_us: int | None = None
    ends_us: int | None = None
    revoked: bool = Field(default=False, sa_type=Flag)
    replaced: bool = Field(default=False, sa_type=Flag)


class Binding(StateTable, table=True):
    """A certificate (SHA-256 of its DER, hex) or the subject of an issuer's JWT that stands for a client."""

    __table_args__: ClassVar = (
        CheckConstraint(
            "(certificate IS NULL) = (issuer IS NOT NULL) AND (issuer IS NULL) = (subject IS NULL)",
            name="one_kind",
        ),
        UniqueConstraint("issuer", "subject", name="one_subject"),
        _STRICT,
    )

    id: str = Field(primary_key=True, sa_type=Text)
    client: str = Field(foreign_key="client.id", sa_type=Text)
    certificate: str | None = Field(default=None, sa_type=Text, unique=True)
    issuer: str | None = Field(default=None, sa_type=Text)
    subject: str | None = Field(default=None, sa_type=Text)
    created_us: int


class Usage(StateTable, table=True):
    """Acts of a client on a day, counted in days since 1970 UTC."""

    __table_args__: ClassVar = ({**_STRICT, "sqlite_with_rowid": False},)

    client: str = Field(primary_key=True, foreign_key="client.id", sa_type=Text)
    day: int = Field(primary_key=True)
    count: int


class Activation(StateTable, table=True):
    """An approved grant: so many acts of one kind, until a moment, for one client; `spent` are gone."""

    __table_args__: ClassVar = (CheckConstraint("spent BETWEEN 0 AND count", name="not_overspent"), _STRICT)

    id: str = Field(primary_key=True, sa_type=Text)
    client: str = Field(foreign_key="client.id", sa_type=Text)
    kind: str = Field(sa_type=Text)
    count: int
    spent: int = 0
    created_us: int
    until_us: int


class Approval(StateTable, table=True):
    """A proposal that waits for a second actor: an operation of the keeper, and with what it is called.

    `about` and `tenant` say in pseudonyms, or by a profile's name, what and whom it concerns. `context` is
    what it was proposed in, and lapses with. Never a key's text.
    """

    __table_args__: ClassVar = (_STRICT,)

    id: str = Field(primary_key=True, sa_type=Text)
    operation: str = Field(sa_type=Text)
    arguments: dict[str, Any] = Field(sa_type=JsonText)
    about: str = Field(sa_type=Text)
    tenant: str = Field(sa_type=Text)
    context: str = Field(sa_type=Text)
    proposer: str = Field(sa_type=Text)
    since_us: int


class Stop(StateTable, table=True):
    """The emergency stop that stands, beside its leaf: there is one row, or none.

    `people` are the persons with role approve there were then.
    """

    __table_args__: ClassVar = (CheckConstraint("id = 1", name="one_stop"), _STRICT)

    id: int = Field(default=1, primary_key=True)
    actor: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    since_us: int
    people: list[str] = Field(sa_type=JsonText)
