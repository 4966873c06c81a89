"""Every step of a commit and of a publication broken twice: before its effect is there, and after.

An error that says nothing of what it left, and a death, on either side of each
step. Whatever was broken, the next start goes on without a hand: no record
that was told is lost, no size has two roots, and nothing that was not kept is
shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import multiprocessing
import os
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.ledger.committer import Committer
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.service.config import load_config
from kokuin.service.log_signing import open_log_signer
from kokuin.service.publishing import Publisher
from kokuin.service.standing import require_not_behind
from tests.ledger.samples import error, inject, issued
from tests.service.running import PATIENCE_S
from tests.service.survival_log import LogBooks, Seen, Shown, check_log, read_note

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

BROKEN, WHOLE = 9, 0
"""How a life ended: a step was broken, or there was none left to break."""
NURSERY = multiprocessing.get_context("forkserver")
"""Children of a process without threads: a lock that another's thread holds is never let go in a copy."""
NURSERY.set_forkserver_preload([__name__])
MODES = ("fails", "fails after its effect", "killed before", "killed after")


@dataclass(slots=True)
class Fault:
    """Breaks the n-th durable step: a transaction's COMMIT, an fsync, or a rename."""

    number: int
    mode: str
    steps: int = 0

    @property
    def reached(self) -> bool:
        return self.steps >= self.number

    def step(self, do: Callable[[], Any], failure: Exception) -> Any:
        self.steps += 1
        if self.steps != self.number:
            return do()
        if "after" in self.mode:
            do()
        if self.mode.startswith("killed"):
            os._exit(BROKEN)
        raise failure

    def install(self, store: SqliteStore) -> None:
        driver, fsync, replace = store._connection, os.fsync, os.replace
        failure = OSError(errno.EIO, "injected")

        def commit(statement: str) -> None:
            if statement == "COMMIT":
                self.step(lambda: driver.execute("COMMIT"), error(sqlite3.SQLITE_IOERR_FSYNC))
                if not driver.in_transaction:
                    driver.execute("BEGIN")  # for the COMMIT that follows

        inject(store, commit)
        os.fsync = lambda fd: self.step(lambda: fsync(fd), failure)
        os.replace = lambda *names: self.step(lambda: replace(*names), failure)


def live(folder: DataFolder, first: int, tell: Callable[[str], None], fault: Fault | None = None) -> None:
    """Open ledger and log as a keeper does, append two records one by one, and publish after each."""
    config, fatal = load_config(folder.root, {}), list[str]()
    store = SqliteStore(folder.ledger)
    with LedgerReader(folder.ledger) as reader:
        require_not_behind(folder, config, reader)
    if fault is not None:
        fault.install(store)
    journal = Committer(store, capacity=9, clock_ns=time.time_ns, on_fatal=fatal.append)
    signer = open_log_signer(folder, config, 1, None)
    publisher = Publisher(folder, config, journal, signer, on_problem=lambda: None, on_fatal=fatal.append)
    asyncio.run(publisher.publish())
    for number in range(first, first + 2):
        record = issued(number)
        if isinstance(journal.append(record).result(PATIENCE_S), tuple):
            tell(str(record.serial))
        asyncio.run(publisher.publish())
    journal.close()


def live_in_a_child(folder: DataFolder, first: int, fault: Fault) -> tuple[int, list[str]]:
    """Return how a life ended, and the serial numbers of the records that were told to be durable."""
    listening, speaking = NURSERY.Pipe(duplex=False)
    child = NURSERY.Process(target=_live_and_end, args=(folder, first, fault, speaking))
    child.start()
    speaking.close()
    serials: list[str] = []
    with listening, contextlib.suppress(EOFError):
        while True:
            serials.append(listening.recv())
    child.join()
    assert child.exitcode is not None
    return child.exitcode, serials


def _live_and_end(folder: DataFolder, first: int, fault: Fault, speaking: Connection) -> None:
    live(folder, first, speaking.send, fault)
    os._exit(BROKEN if fault.reached else WHOLE)


def check(folder: DataFolder, shown: Shown, told: list[str]) -> None:
    violations: list[str] = []
    seen = Seen.look(folder.root)
    with LedgerReader(folder.ledger) as reader:
        head = reader.head()
        hashes = [one.leaf_hash for one in reader.walk(tokens=False)]
        kept = [
            (size, root) for size, root in reader.execute("SELECT size, root FROM checkpoint ORDER BY size")
        ]
        violations += [f"{serial} was told and is lost" for serial in told if not reader.by_serial(serial)]
    books = LogBooks(hashes, head.size, head.root, kept)
    check_log(lambda fact, line: None if fact else violations.append(line), seen, books, shown)
    assert violations == []


@pytest.mark.timeout(300)  # some thirty lives for each mode
@pytest.mark.parametrize("mode", MODES)
def test_a_step_that_breaks_loses_nothing_and_forks_nothing(
    folder_of: Callable[[str], Prepared], mode: str
) -> None:
    folder = folder_of("classical").folder
    shown, number = Shown(), 1
    while True:
        code, told = live_in_a_child(folder, 1000 * number, Fault(number, mode))
        check(folder, shown, told)
        if code == WHOLE:
            break
        assert code == BROKEN
        again: list[str] = []
        live(folder, 1000 * number + 500, again.append)
        assert len(again) == 2
        check(folder, shown, again)
        with LedgerReader(folder.ledger) as reader:
            head = reader.head()
        assert read_note(folder.log / "checkpoint") == (head.size, head.root), "it went on without a hand"
        number += 1
    assert number > 20, "every commit, every file and every name was a step"
