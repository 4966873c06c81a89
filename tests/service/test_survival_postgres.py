"""Two nodes over one PostgreSQL ledger: killed in turn, the server killed under them, and set back."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from tests.service.survival import Part, SurvivalError
from tests.service.survival_clients import Clients, Outcome
from tests.service.survival_log import Shown
from tests.service.survival_postgres import Cluster, blows, ends_refusing

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("patient")


@pytest.mark.timeout(400)  # several starts of two nodes and a server, and the machine may be busy
def test_nothing_is_lost_or_forked_when_nodes_and_server_are_killed_in_turn(tmp_path: Path) -> None:
    with Cluster(tmp_path) as cluster:
        found = list(blows(cluster, 4, random.Random(4)))  # noqa: S311  # moments, no secrets
        assert [violation for blow in found for violation in blow.violations] == []
        assert all(blow.outcomes[Outcome.GRANTED] for blow in found)
        assert "server" in {blow.part for blow in found}


@pytest.mark.timeout(400)
def test_while_the_server_is_down_nodes_refuse_and_behind_a_stale_copy_they_never_grant(
    tmp_path: Path,
) -> None:
    with Cluster(tmp_path) as cluster:
        a, b = cluster.nodes.values()
        for node in (a, b):
            assert node.stop() == 0
        cluster.server.stop()
        stale = cluster.server.copy()
        cluster.server.start()
        for node in (a, b):
            node.start()
        with Clients(a.port, 4) as clients:
            clients.wait_granted(50)
        cluster.server.kill()
        assert a.stamp().outcome in {Outcome.SYSTEM_FAILURE, Outcome.BEHIND, Outcome.BROKEN}
        newest = cluster.server.copy()
        cluster.server.put(stale)
        cluster.server.start()
        for node in (a, b):
            ends_refusing(node)
        cluster.server.stop()
        cluster.server.put(newest)
        cluster.server.start()
        cluster.wait_ready()
        assert b.pids(Part.KEEPER)
        assert cluster.audit(clients.received).violations == []


@pytest.mark.timeout(400)  # likewise
def test_a_ledger_that_was_failed_over_to_a_stale_copy_for_good_goes_on_in_a_new_epoch(
    tmp_path: Path,
) -> None:
    with Cluster(tmp_path) as cluster:
        a, b = cluster.nodes.values()
        for node in (a, b):
            assert node.stop() == 0
        cluster.server.stop()
        stale = cluster.server.copy()
        cluster.server.start()
        for node in (a, b):
            node.start()
        with Clients(a.port, 2) as clients:
            clients.wait_granted(20)
        for node in (a, b):
            assert node.stop() == 0
        cluster.server.stop()
        cluster.server.put(stale)
        cluster.server.start()
        for node in (a, b):
            with pytest.raises(SurvivalError, match="LEDGER_ROLLED_BACK"):
                node.start()
        assert main(["ledger", "join", str(a.folder), "--dir", str(b.folder)]) == Exit.FAILED
        # The second was stopped last, so it remembers more than the first.
        known = str(b.folder / "ledger" / "high-water")
        assert main(["ledger", "recover", "--dir", str(a.folder), "--known", known]) == Exit.PASSED
        a.start()
        with pytest.raises(SurvivalError, match="ended with"):
            b.start()
        assert main(["ledger", "join", str(a.folder), "--dir", str(b.folder)]) == Exit.PASSED
        b.start()
        cluster.wait_ready()
        with Clients(a.port, 2) as one, Clients(b.port, 2) as other:
            one.wait_granted(20)
            other.wait_granted(20)
        cluster.shown = Shown()  # the lost history is what the new epoch says, and no more
        assert cluster.audit({**one.received, **other.received}).violations == []
        for node in (a, b):
            assert main(["ledger", "check", "--dir", str(node.folder)]) == Exit.PASSED
