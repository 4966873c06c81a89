"""The emergency stop over nodes that share a ledger: set on one, it stands on all, and is released on any."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.ledger.postgres import PostgresStore
from kokuin.ledger.postgres_schema import create
from kokuin.service.access import emergency
from kokuin.service.datafolder import DataFolder
from kokuin.service.initialising import InitRequest, initialise
from tests.postgres import make_postgres
from tests.service.access.desks import KEY, OWNER, proposed
from tests.service.keepers import keeping
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.keepers import Ask

pytestmark = pytest.mark.timeout(300)
ROLE = "kokuin_append"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the leaf of a stop, however slow the disk is just now."""
    monkeypatch.setattr(emergency, "WRITE_SECONDS", PATIENCE_S)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[DataFolder]]:
    """Give the folders of two nodes of one ledger."""
    server = make_postgres()
    server.start()
    try:
        database = server.database()
        server.do(f"CREATE ROLE {ROLE} LOGIN")
        create(server.dsn(database), ROLE)
        dsn, first = server.dsn(database, ROLE), tmp_path / "a"
        initialise(InitRequest(first, profile="classical", postgres=dsn, node="a"))
        initialise(InitRequest(tmp_path / "b", profile="classical", postgres=dsn, node="b", join=first))
        yield [DataFolder(first), DataFolder(tmp_path / "b")]
    finally:
        server.stop()
        server.remove()


def becomes(ask: Ask, *, stopped: bool) -> None:
    """Wait until a node has heard of it."""
    deadline = time.monotonic() + PATIENCE_S
    while ask("stop.show", OWNER)["stopped"] is not stopped:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_stop_of_one_node_stops_the_other_and_either_releases_it(nodes: list[DataFolder]) -> None:
    one, two = nodes
    with keeping(one) as first:
        with keeping(two) as second:
            assert first("stop.set", OWNER, reason="a drill")["recorded"]
            becomes(second, stopped=True)
            assert second("stop.show", OWNER)["reason"] == "a drill"
        with keeping(two) as second:
            assert second("stop.show", OWNER)["stopped"], "a node that starts knows it before it answers"
            waiting = proposed(second("stop.release", KEY))
            assert second("approval.approve", OWNER, approval=waiting)["ok"]
            becomes(first, stopped=False)
        assert first("stop.set", OWNER, reason="again")["recorded"]
    with keeping(two) as second:
        assert second("stop.show", OWNER)["reason"] == "again"


@pytest.mark.parametrize("before", [True, False])
def test_a_stop_in_the_same_moment_of_the_ledger_as_the_release_before_it_is_heard_of(
    nodes: list[DataFolder], monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    # A clock that was ahead and was put back: the ledger's time stands still until that moment comes again.
    ahead = commit_at(time.time_ns() // 1_000 + 600_000_000)
    one, two = nodes
    with keeping(one) as first, keeping(two) as second:
        if before:
            monkeypatch.setattr(PostgresStore, "commit", ahead)
        assert first("stop.set", OWNER, reason="a false clock")["recorded"]
        becomes(second, stopped=True)
        monkeypatch.setattr(PostgresStore, "commit", ahead)
        waiting = proposed(first("stop.release", KEY))
        assert first("approval.approve", OWNER, approval=waiting)["ok"]
        becomes(second, stopped=False)
        assert first("stop.set", OWNER, reason="still false")["recorded"]
        becomes(second, stopped=True)
        assert second("stop.show", OWNER)["reason"] == "still false"


def commit_at(now_us: int) -> Any:
    """Return what commits at one moment, whatever the clock says."""
    real = PostgresStore.commit

    def commit(store: PostgresStore, batch: Any, _: int) -> Any:
        return real(store, batch, now_us)

    return commit
