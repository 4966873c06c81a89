"""A ledger's writer to be killed: a program that tells every acknowledged record on its standard output.

Usage: `writer.py STORE FIRST CALLERS COUNT [when-told] [die-before-acknowledging]`. STORE is
a ledger's file, or NODE@DSN of one in PostgreSQL. A line
`+INDEX SERIAL` is written by the caller who was told so; `-REASON` by one who
was refused. It begins at once, or when it is told to by a line on its standard
input. Ends with 70 when the store is lost, as the keeper does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.ledger import committer
from kokuin.ledger.postgres import PostgresStore
from kokuin.ledger.store import SqliteStore
from kokuin.trust.journal import Refused
from tests.ledger.samples import issued

if TYPE_CHECKING:
    from kokuin.ledger.port import LedgerStore

FATAL = 70


def opened(store: str) -> LedgerStore:
    node, at, dsn = store.partition("@")
    return PostgresStore(dsn, node) if at else SqliteStore(Path(store))


def main(store: str, first: str, callers: str, count: str, *faults: str) -> None:
    if "die-before-acknowledging" in faults:
        committer._complete = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    journal = committer.Committer(
        opened(store), capacity=1000, clock_ns=time.time_ns, on_fatal=lambda _detail: end(FATAL)
    )
    tell("ready")
    if "when-told" in faults:
        sys.stdin.readline()

    def caller(number: int) -> None:
        for turn in range(int(count)):
            record = issued(int(first) + turn * int(callers) + number)
            outcome = journal.append(record).result()
            tell(
                f"-{outcome.reason}"
                if isinstance(outcome, Refused)
                else f"+{outcome[0].index} {record.serial}"
            )

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(int(callers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()


def tell(line: str) -> None:
    os.write(1, line.encode() + b"\n")  # one write a line, so that a kill never leaves half of one


def end(code: int) -> None:
    # Given a moment, so that the callers who were refused can say so.
    time.sleep(0.2)
    os._exit(code)


main(*sys.argv[1:])
