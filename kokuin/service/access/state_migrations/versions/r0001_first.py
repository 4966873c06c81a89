"""Tenants, clients, what they show, what they used, what is approved or waits, the emergency stop."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, and the tenant of those who run the service."""
    _people()
    _credentials()
    _counts()
    _waiting()


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=null)


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Text, primary_key=True, nullable=False)


def _client() -> sa.Column[str]:
    return sa.Column("client", sa.Text, sa.ForeignKey("client.id"), nullable=False)


def _people() -> None:
    tenant = op.create_table(
        "tenant", _id(), _text("name"), _number("enabled"), _number("created_us"), sqlite_strict=True
    )
    now_us = time.time_ns() // 1_000
    op.bulk_insert(tenant, [{"id": "operator", "name": "operator", "enabled": 1, "created_us": now_us}])
    op.create_table(
        "client",
        _id(),
        sa.Column("tenant", sa.Text, sa.ForeignKey("tenant.id"), nullable=False),
        _text("name"),
        _number("enabled"),
        _number("created_us"),
        _text("roles"),
        _number("person"),
        _text("profiles", null=True),
        _text("classes", null=True),
        _text("networks"),
        _number("begins_us", null=True),
        _number("ends_us", null=True),
        sa.Column("rate", sa.REAL),
        _number("burst"),
        _number("per_day", null=True),
        _number("activated"),
        sqlite_strict=True,
    )


def _credentials() -> None:
    op.create_table(
        "key",
        _id(),
        _client(),
        _text("digest"),
        _number("created_us"),
        _number("begins_us", null=True),
        _number("ends_us", null=True),
        _number("revoked"),
        _number("replaced"),
        sa.CheckConstraint("length(digest) = 64", name="digest_size"),
        sqlite_strict=True,
    )
    op.create_table(
        "binding",
        _id(),
        _client(),
        sa.Column("certificate", sa.Text, unique=True),
        _text("issuer", null=True),
        _text("subject", null=True),
        _number("created_us"),
        sa.UniqueConstraint("issuer", "subject", name="one_subject"),
        sa.CheckConstraint(
            "(certificate IS NULL) = (issuer IS NOT NULL) AND (issuer IS NULL) = (subject IS NULL)",
            name="one_kind",
        ),
        sqlite_strict=True,
    )


def _counts() -> None:
    op.create_table(
        "usage",
        sa.Column("client", sa.Text, sa.ForeignKey("client.id"), primary_key=True, nullable=False),
        sa.Column("day", sa.Integer, primary_key=True, nullable=False),
        _number("count"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activation",
        _id(),
        _client(),
        _text("kind"),
        _number("count"),
        _number("spent"),
        _number("created_us"),
        _number("until_us"),
        sa.CheckConstraint("spent BETWEEN 0 AND count", name="not_overspent"),
        sqlite_strict=True,
    )


def _waiting() -> None:
    op.create_table(
        "approval",
        _id(),
        _text("operation"),
        _text("arguments"),
        _text("about"),
        _text("tenant"),
        _text("context"),
        _text("proposer"),
        _number("since_us"),
        sqlite_strict=True,
    )
    op.create_table(
        "stop",
        sa.Column("id", sa.Integer, primary_key=True, nullable=False),
        _text("actor"),
        _text("reason"),
        _number("since_us"),
        _text("people"),
        sa.CheckConstraint("id = 1", name="one_stop"),
        sqlite_strict=True,
    )
