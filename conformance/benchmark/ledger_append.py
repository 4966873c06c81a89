"""Appends with tree and checkpoints beside the same rows without: what proof costs whoever writes.

Both sides make the same leaves from the same records and write them through the same store; the plain one
has no tree and no checkpoint. They take turns in short rounds, each in a ledger of its own.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from kokuin.ledger import plan, schema
from kokuin.ledger.log_keys import LogSigner
from kokuin.ledger.plan import Append
from kokuin.ledger.published import KeptCheckpoint, keep_checkpoint
from kokuin.ledger.store import SqliteStore
from kokuin.ledger.tree import EMPTY_ROOT, Grown
from kokuin.trust.records import TST_ISSUED, Record
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.ledger.port import LedgerStore

TOKEN_OCTETS = 750
BATCHES = (1, 64, 512)
"""Records of one transaction: one caller alone, 64 callers, and a burst."""
CHECKPOINT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Appends:
    """What was measured for one store and one size of batch.

    Attributes:
        store: `SQLite` or `PostgreSQL`.
        batch: records of one transaction.
        rate: records a second with tree and checkpoints, the median of the rounds.
        plain: without.
        ratios: of each round, sorted.
    """

    store: str
    batch: int
    rate: float
    plain: float
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(self.ratios)


def measure(
    name: str, make_store: Callable[[], LedgerStore], rounds: int, seconds: float
) -> Iterator[Appends]:
    """Measure one kind of store; `make_store` opens a new and empty ledger of it at every call."""
    signers = [SoftwareSigner(suite(each), generate_key(suite(each))) for each in ("ed25519", "ml-dsa-44")]
    signer = LogSigner("bench.invalid/log/1", *signers)
    with_tree, without = make_store(), make_store()
    numbers = iter(range(1 << 40))
    for batch in BATCHES:
        rates: list[tuple[float, float]] = []
        for turn in range(rounds + 1):
            full = _rate(with_tree, numbers, batch, seconds, signer)
            with patch.object(plan, "grow", _no_tree), patch.object(plan, "root_of", lambda _: EMPTY_ROOT):
                plain = _rate(without, numbers, batch, seconds, None)
            if turn:  # the first turn fills caches
                rates.append((full, plain))
        yield Appends(
            name,
            batch,
            statistics.median(full for full, _ in rates),
            statistics.median(plain for _, plain in rates),
            tuple(sorted(full / plain for full, plain in rates)),
        )
    with_tree.close()


def sqlite_stores(folder: Path) -> Callable[[], SqliteStore]:
    """Return what makes empty ledgers in files of a folder."""
    numbers = iter(range(1 << 20))

    def make() -> SqliteStore:
        path = folder / f"append-{next(numbers)}.db"
        schema.create(path)
        return SqliteStore(path)

    return make


def _no_tree(size: int, _peaks: tuple[bytes, ...], hashes: list[bytes]) -> Grown:
    return Grown(size + len(hashes), (), ())


def _rate(
    store: LedgerStore, numbers: Iterator[int], batch: int, seconds: float, signer: LogSigner | None
) -> float:
    """Return records a second; with a signer, a checkpoint is signed and kept once a second."""
    done, begun = 0, time.perf_counter()
    due = begun
    while (now := time.perf_counter()) < begun + seconds:
        appends = [Append((_record(next(numbers)),)) for _ in range(batch)]
        outcomes = store.commit(appends, time.time_ns() // 1000)
        if not all(isinstance(outcome, tuple) for outcome in outcomes):
            raise RuntimeError(str(outcomes[0]))
        done += batch
        if store.wal_octets > 1 << 26:
            store.tidy()
        if signer is not None and now >= due:
            due = now + CHECKPOINT_SECONDS
            head = store.head
            note = signer.sign(head.size, head.root, time.time_ns() // 1_000_000_000)
            kept = KeptCheckpoint(head.size, head.root, note, 0)
            store.transact(lambda rows, kept=kept: keep_checkpoint(rows, kept))  # type: ignore[misc]
    return done / (time.perf_counter() - begun)


def _record(number: int) -> Record:
    """Return a record as the service writes it for a token."""
    serial = hashlib.sha256(number.to_bytes(8, "big")).hexdigest()[:32]
    digest = hashlib.sha256(serial.encode()).hexdigest()
    token = bytes.fromhex(digest) * (TOKEN_OCTETS // 32)
    fields = {
        "id": serial,
        "tenant": "public",
        "actor": "anonymous",
        "cfg": digest,
        "profile": "classical",
        "policy": "1.3.6.1.4.1.32473.1.1",
        "suites": ["ecdsa-p256"],
        "acc": 1_000_000,
        "clock": "chrony",
        "clk_off": 12,
        "clk_unc": 345,
        "req": digest,
        "imp": digest,
        "imp_alg": "sha256",
        "tok": digest,
        "tok512": digest + digest,
        "tst": digest,
        "tst512": digest + digest,
        "signer": digest,
        "res": "granted",
        "salt": serial,
    }
    return Record(TST_ISSUED, fields, serial, token, "unit", 1_700_000_000_000_000 + number)  # type: ignore[arg-type]


if __name__ == "__main__":
    for appends in measure("SQLite", sqlite_stores(Path(sys.argv[1])), rounds=5, seconds=0.6):
        print(appends, f"ratio {appends.ratio:.2f}")
