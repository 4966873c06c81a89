"""Processes that share a ledger in PostgreSQL, and are killed, as is the server under them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.leaf import read_leaf
from kokuin.trust.journal import AppendRefusal
from tests.ledger.samples import check_ledger
from tests.ledger.stores import PostgresKit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
WRITER = Path(__file__).with_name("writer.py")
PATIENCE_S = 60.0


class Writer:
    """One writer, which tells into a file: it never has to wait for whoever reads."""

    def __init__(self, kit: PostgresKit, number: int, place: Path, *words: str) -> None:
        self._told = place / f"told-{number}-{words[0]}"
        command = [sys.executable, str(WRITER), f"n{number}@{kit.dsn}", *words, "when-told"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self._told.open("wb") as told:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told, env=environment)

    def told(self) -> list[str]:
        """What it has told so far, after the first line."""
        return self._told.read_text("ascii").split("\n")[1:-1]

    def acknowledged(self) -> dict[int, str]:
        """Which records it was told are in the ledger, by index."""
        return acknowledged(self.told())

    def ready(self) -> bool:
        assert self._process.poll() is None, "opens without repair"
        return self._told.read_bytes().startswith(b"ready\n")

    def begin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def finish(self, *, now: bool = False) -> list[str]:
        """What it has told when it has ended of itself: when all is done, or at the next moment."""
        if now:
            assert self._process.stdin is not None
            self._process.stdin.close()
        assert self._process.wait(PATIENCE_S) == 0
        return self.told()

    def kill(self) -> None:
        """End it at once, if it runs; nothing of it is left."""
        self._process.kill()
        with self._process:
            pass


class Writers:
    """Starts writers, and leaves none behind."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._started: list[Writer] = []

    def start(self, kit: PostgresKit, *firsts: int, callers: int, count: int) -> list[Writer]:
        """Start writers that all begin when all have opened the ledger; `firsts` are their first numbers."""
        writers = []
        for number, first in enumerate(firsts):
            writers.append(Writer(kit, number, self._place, str(first), str(callers), str(count)))
            self._started.append(writers[-1])
        for writer in writers:
            until(writer.ready)
        for writer in writers:
            writer.begin()
        return writers

    def close(self) -> None:
        """Kill whoever still runs."""
        for writer in self._started:
            writer.kill()


def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    made = Writers(tmp_path)
    yield made
    made.close()


def acknowledged(told: Iterable[str]) -> dict[int, str]:
    pairs = (line[1:].split() for line in told if line.startswith("+"))
    return {int(index): serial for index, serial in pairs}


def check(kit: PostgresKit, told: dict[int, str]) -> int:
    # Waits for the server, which may be committing what a process sent just before it was killed.
    kit.open().close()
    with kit.reader() as reader:
        stored = check_ledger(reader)
    for index, serial in told.items():
        assert read_leaf(stored[index].leaf)["serial"] == serial
    return len(stored)


def test_two_processes_make_one_order_without_a_gap(shared: PostgresKit, writers: Writers) -> None:
    both = writers.start(shared, 0, 1_000_000, callers=8, count=100_000)

    def they_took_turns() -> bool:
        first, second = (writer.acknowledged() for writer in both)
        turns = sum(index in first and index + 1 in second for index in first)
        return len(first) + len(second) >= 640 and turns > 1

    until(they_took_turns)
    first, second = (acknowledged(writer.finish(now=True)) for writer in both)
    assert not first.keys() & second.keys()
    assert sorted(first | second) == list(range(check(shared, first | second)))


def test_of_two_processes_that_want_the_same_serials_each_gets_what_the_other_did_not(
    shared: PostgresKit, writers: Writers
) -> None:
    told = [writer.finish() for writer in writers.start(shared, 0, 0, callers=4, count=40)]
    first, second = (acknowledged(each) for each in told)
    assert sorted([*first.values(), *second.values()]) == [f"{number:032x}" for number in range(160)]
    refused = [line for each in told for line in each if line.startswith("-")]
    assert refused == [f"-{AppendRefusal.DUPLICATE_SERIAL}"] * 160
    assert check(shared, first | second) == 160


@pytest.mark.parametrize("rounds", [3])
def test_nodes_killed_in_turn_lose_nothing_that_they_acknowledged(
    shared: PostgresKit, writers: Writers, rounds: int
) -> None:
    told: dict[int, str] = {}
    for turn in range(rounds):
        first = 2_000_000 * turn
        for writer in writers.start(shared, first, first + 1_000_000, callers=4, count=100_000):
            # The moment of the crash: once perhaps before anything was acknowledged, then certainly after.
            heard = random.randrange(1, 60) if turn else 0  # noqa: S311
            until(lambda writer=writer, heard=heard: len(writer.told()) >= heard)  # type: ignore[misc]
            time.sleep(random.uniform(0.0, 0.3))  # noqa: S311
            writer.kill()
            news = writer.acknowledged()
            assert not news.keys() & told.keys(), "an index given twice"
            told |= news
        assert check(shared, told) >= len(told)
    assert told


def test_a_server_killed_under_two_nodes_loses_nothing_that_they_acknowledged(
    own_postgres: Postgres, writers: Writers
) -> None:
    kit = PostgresKit(own_postgres)
    both = writers.start(kit, 0, 1_000_000, callers=4, count=100_000)
    for _ in range(2):
        time.sleep(random.uniform(0.1, 0.4))  # noqa: S311 - the moment of the crash
        own_postgres.kill()
        own_postgres.start()
    with kit.reader() as reader:
        size = reader.size()
    # Nobody has to help the writers: they go on.
    until(lambda: all(max(writer.acknowledged(), default=-1) >= size for writer in both))
    for writer in both:
        writer.kill()
    first, second = (writer.acknowledged() for writer in both)
    assert not first.keys() & second.keys()
    check(kit, first | second)
    kit.hang_up()
