"""`kill -9` of every part under load; `make soak` does more of the same."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.service.survival import (
    AFRESH,
    START_SECONDS,
    Part,
    Service,
    children,
    command_line,
    is_alive,
    listens,
    make_folder,
    wait_until,
)
from tests.service.survival_audit import audit
from tests.service.survival_clients import Clients, Outcome, finish_half, start_half
from tests.service.survival_log import tile_name
from tests.service.survival_rounds import rounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Several starts, and the machine may be busy.
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("patient")]


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(make_folder(tmp_path_factory.mktemp("two")), 2) as service:
        yield service


@pytest.fixture
def two(one_folder: Service) -> Service:
    """Parent, keeper and two workers; started again only after a test that ended them."""
    if not one_folder.runs():
        one_folder.start()
    return one_folder


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_that_a_client_received_is_lost_by_kill_9_of_any_part(tmp_path: Path, workers: int) -> None:
    blows = list(rounds(make_folder(tmp_path), workers, 3, random.Random(workers)))  # noqa: S311  # no secrets
    assert [violation for blow in blows for violation in blow.violations] == []
    assert all(blow.outcomes[Outcome.GRANTED] for blow in blows)
    assert {blow.part for blow in blows} == set(Part)


def test_without_a_keeper_workers_say_system_failure_and_are_not_ready_until_it_is_back(two: Service) -> None:
    # A parent that sleeps restarts nothing, so the time without a keeper is as long as the test wants it.
    os.kill(two.process.pid, signal.SIGSTOP)
    two.kill(Part.KEEPER)
    wait_until("not ready", lambda: two.readiness() == (503, ("KEEPER_UNAVAILABLE",)))
    assert [two.stamp().outcome for _ in range(6)] == [Outcome.SYSTEM_FAILURE] * 6
    os.kill(two.process.pid, signal.SIGCONT)
    two.wait_ready()
    # What was refused for want of a keeper is counted by the next one, and written when that stops.
    assert two.stop() == 0
    found = audit(two.folder, {}, workers=2)
    assert found.violations == []
    assert "tst.refused" in found.kinds


def test_while_a_worker_is_dead_the_other_goes_on(two: Service) -> None:
    os.kill(two.process.pid, signal.SIGSTOP)
    two.kill(Part.WORKER)
    assert {two.stamp().outcome for _ in range(10)} == {Outcome.GRANTED}
    os.kill(two.process.pid, signal.SIGCONT)
    two.wait_ready()


def test_children_started_later_get_the_configuration_in_force_and_not_what_the_file_says_by_then(
    two: Service,
) -> None:
    file = two.folder / "config.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text('profile = "nonsense"\n', encoding="utf-8")
    try:
        for part in (Part.WORKER, Part.KEEPER):
            two.recover(part, two.kill(part), [])
    finally:
        file.write_text(text, encoding="utf-8")
    assert two.stamp().outcome is Outcome.GRANTED


def test_children_that_still_load_their_libraries_do_not_outlive_their_parent(tmp_path: Path) -> None:
    with Service(make_folder(tmp_path), 2, program=AFRESH) as two:
        two.start()
        two.kill(Part.WORKER)
        two.kill(Part.KEEPER)
        wait_until("new children", lambda: len(children(two.process.pid)) == 3)
        orphans = children(two.process.pid)
        two.kill(Part.PARENT)
        two.outlived(orphans)


def test_a_child_that_dies_again_and_again_ends_the_service_and_frees_the_port(one_folder: Service) -> None:
    two = one_folder
    killed: set[int] = set()

    def strike() -> bool:
        for pid in set(two.pids(Part.WORKER)) - killed:
            if is_alive(pid) and "worker" in command_line(pid):
                with contextlib.suppress(ProcessLookupError):  # a parent that gives up ends the rest itself
                    os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        return two.process.poll() is not None

    if two.runs():
        two.stop()  # a new parent: the old one remembers the deaths of the tests before
    two.start()
    orphans = children(two.process.pid)
    wait_until("the parent gives up", strike)
    assert two.process.returncode not in {0, -signal.SIGKILL}
    assert 10 <= len(killed) <= 13
    assert not any(map(is_alive, orphans))
    assert not listens(two.port)


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_leaves_no_token_that_no_client_received(tmp_path: Path, workers: int) -> None:
    with Service(make_folder(tmp_path), workers) as service:
        service.start()
        known = audit(service.folder, {}, workers=workers).tokens
        with Clients(service.port, 8) as clients:
            clients.wait_granted(50)
            connection, rest = start_half(service.port)
            clients.wait_granted(20)
            service.process.terminate()
            wait_until("nobody new is let in", lambda: not listens(service.port))
            late = finish_half(connection, rest)
            assert service.process.wait(START_SECONDS) == 0
        assert (late.outcome, late.detail) == (Outcome.GRANTED, "")
        received = {**known, **clients.received, late.serial: late.token}
        found = audit(service.folder, received, workers=workers)
        assert found.violations + clients.wrong == []
        # The other way round: whatever was recorded also reached its client.
        assert found.tokens.keys() == received.keys()
        # The keeper stopped last, after every worker's last record.
        assert found.kinds[-1] == "service.stopped"


def test_the_audit_finds_the_tiles_of_long_logs_too() -> None:
    assert [tile_name(index) for index in (0, 999, 1000, 1_234_067)] == [
        "000",
        "999",
        "x001/000",
        "x001/x234/067",
    ]
