"""Processes that share a ledger in PostgreSQL, and are killed, as is the server under them."""

from __future__ import annotations

import os
import random
import signal
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
    from collections.abc import Iterable, Iterator

    from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
WRITER = Path(__file__).with_name("writer.py")


class Writers:
    """Starts writers, and leaves none behind."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def start(self, kit: PostgresKit, *firsts: int, callers: int, count: int) -> list[subprocess.Popen[str]]:
        """Start writers that all begin when all have opened the ledger; `firsts` are their first numbers."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        words = [str(callers), str(count), "when-told"]
        writers = [
            subprocess.Popen(
                [sys.executable, str(WRITER), f"n{number}@{kit.dsn}", str(first), *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for number, first in enumerate(firsts)
        ]
        self._started += writers
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n", "opens without repair"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("\n")
            writer.stdin.flush()
        return writers

    def close(self) -> None:
        """Kill whoever still runs."""
        for writer in self._started:
            writer.kill()
            with writer:
                pass


@pytest.fixture
def writers() -> Iterator[Writers]:
    made = Writers()
    yield made
    made.close()


def lines(process: subprocess.Popen[str]) -> list[str]:
    """What a writer has told until its end."""
    assert process.stdout is not None
    with process:
        return process.stdout.read().splitlines()


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
    both = writers.start(shared, 0, 1_000_000, callers=8, count=40)
    first, second = (acknowledged(lines(writer)) for writer in both)
    assert not first.keys() & second.keys()
    assert sorted(first | second) == list(range(640))
    assert check(shared, first | second) == 640
    turns = sum((index in first) != (index + 1 in first) for index in range(639))
    assert turns > 1, "they took turns"


def test_of_two_processes_that_want_the_same_serials_each_gets_what_the_other_did_not(
    shared: PostgresKit, writers: Writers
) -> None:
    told = [lines(writer) for writer in writers.start(shared, 0, 0, callers=4, count=40)]
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
        for process in writers.start(shared, first, first + 1_000_000, callers=4, count=100_000):
            time.sleep(random.uniform(0.0, 0.3))  # noqa: S311 - the moment of the crash
            process.send_signal(signal.SIGKILL)
            news = acknowledged(lines(process))
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
        # Nobody had to help the writers: they go on. Eight calls are open at a time; one of the ninth
        # record's callers has heard of a record behind `size`.
        while reader.size() <= size + 8:
            time.sleep(0.1)
    for writer in both:
        writer.kill()
    first, second = (acknowledged(lines(writer)) for writer in both)
    assert not first.keys() & second.keys()
    assert first
    assert second
    assert max(*first, *second) >= size
    check(kit, first | second)
    kit.hang_up()
