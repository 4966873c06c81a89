"""A ledger's writer to be killed: a program that tells every acknowledged record on its standard output.

Usage: `writer.py STORE FIRST CALLERS COUNT [when-told] [die-before-acknowledging]`. STORE is
a ledger's file, or NODE@DSN of one in PostgreSQL. A line
`+INDEX SERIAL` is written by the caller who was told so; `-REASON` by one who
was refused. It begins at once, or when it is told to by a line on its standard
input, and then goes on until that ends. Ends with 70 when the store is lost, as
the keeper does, but only when every caller has told what became of his.
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
    fatal: list[str] = []
    journal = committer.Committer(opened(store), capacity=1000, clock_ns=time.time_ns, on_fatal=fatal.append)
    tell("ready")
    enough = threading.Event()
    if "when-told" in faults:
        os.read(0, 1)
        threading.Thread(target=listen, args=(enough,), daemon=True).start()

    def caller(number: int) -> None:
        for turn in range(int(count)):
            if enough.is_set():
                return
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
    if fatal:
        # Nothing is closed in order: that would write pages whose fate is unknown.
        os._exit(FATAL)


def listen(enough: threading.Event) -> None:
    while os.read(0, 64):
        pass
    enough.set()


def tell(line: str) -> None:
    os.write(1, line.encode() + b"\n")  # one write a line, so that a kill never leaves half of one


main(*sys.argv[1:])
