"""Keepers whose desks of access are asked, and people that they know."""

from __future__ import annotations

import contextlib
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kokuin.service.access import access_desk, activations, approvals, unserved
from tests.service.keepers import keeping
from tests.service.running import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest

    from kokuin.service.datafolder import DataFolder
    from tests.service.keepers import Ask

TWO = {"TSA_SWITCH__APPROVALS": "2"}
OWNER, KEY = "owner", "operator-key"
SOON_US = 3_600_000_000
AFTERWARDS_S = 7_200
"""When what ends soon has ended."""


def person(ask: Ask, name: str, *roles: str, tenant: str = "operator", person: bool = True) -> str:
    """Add a client and return its pseudonym."""
    added = ask(
        "access.client.add", OWNER, tenant=tenant, name=name, roles=list(roles or ("approve",)), person=person
    )
    assert added["ok"], added
    return str(added["client"])


def tenant(ask: Ask, name: str) -> str:
    """Add a tenant and return its pseudonym."""
    return str(ask("access.tenant.add", OWNER, name=name)["tenant"])


def proposed(answer: Mapping[str, Any]) -> str:
    """Return the id of what was proposed."""
    assert (answer["ok"], answer["state"]) == (True, "proposed"), answer
    return str(answer["approval"])


def until_us(ahead_us: int = SOON_US) -> int:
    """Return a moment that is to come."""
    return time.time_ns() // 1_000 + ahead_us


def later(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Have those who judge by the time believe that it is later: nobody knows how long a step takes."""
    moved = SimpleNamespace(time_ns=lambda: time.time_ns() + seconds * 1_000_000_000)
    for module in (access_desk, activations, approvals, unserved):
        monkeypatch.setattr(module, "time", moved)


def leaves_of(folder: DataFolder, *kinds: str) -> list[Mapping[str, Any]]:
    """Return the leaves of some kinds."""
    return [leaf for leaf in leaves(folder) if leaf["kind"] in kinds]


@contextlib.contextmanager
def switching(folder: DataFolder, **settings: str) -> Iterator[Ask]:
    """Run a keeper where two must want a switch."""
    with keeping(folder, {**TWO, **settings}) as ask:
        yield ask
