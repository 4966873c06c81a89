"""What a proof costs in a long ledger: found by its serial number, made from the published tiles.

Usage: `PYTHONPATH=. python conformance/benchmark/ledger_proof.py FOLDER [RECORDS]`.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.ledger import schema
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.log_keys import LogSigner
from kokuin.ledger.proving import Prover, find_record
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.tree import Builder, grow
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS = 1_000_000
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class ProofTimes:
    """Milliseconds, the median and the 99th percentile.

    Attributes:
        records: in the ledger.
        first: with nothing remembered, each by a prover of its own.
        inclusion: by one prover, over records anywhere in the ledger.
        consistency: by one prover, between sizes anywhere.
    """

    records: int
    first: tuple[float, float]
    inclusion: tuple[float, float]
    consistency: tuple[float, float]


def measure(folder: Path, records: int = RECORDS, proofs: int = 2000) -> ProofTimes:
    """Make a ledger and its published log in an empty folder, and prove records of it."""
    path, root = folder / "ledger.db", folder / "log"
    make_log(path, root, records)
    chosen = random.Random(1)  # noqa: S311  # the same records in every run
    indices = [chosen.randrange(records) for _ in range(proofs)]

    def include(prover: Prover, index: int) -> None:
        with LedgerReader(path) as reader:
            stored = find_record(reader, serial=_serial(index))
        assert prover.inclusion(stored).index == index

    def prover() -> Prover:
        return Prover(root, lambda: LedgerReader(path))

    one = prover()
    return ProofTimes(
        records,
        _times(lambda index: include(prover(), index), indices[: proofs // 10]),
        _times(lambda index: include(one, index), indices),
        _times(one.consistency, indices),
    )


def make_log(path: Path, root: Path, records: int) -> None:
    """Write a ledger of small records, without going through its writer, and publish it."""
    schema.create(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        tree = Builder()
        peaks: tuple[bytes, ...] = ()
        for start in range(0, records, _CHUNK):
            leaves = [_leaf(index) for index in range(start, min(start + _CHUNK, records))]
            hashes = [leaf_hash(leaf) for leaf in leaves]
            grown = grow(start, peaks, hashes)
            peaks = grown.peaks
            rows = enumerate(zip(leaves, hashes, strict=True), start)
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", ((at, *row) for at, row in rows))
            connection.executemany("INSERT INTO node VALUES (?, ?, ?)", grown.nodes)
            connection.executemany(
                "INSERT INTO ix (idx, serial, kind, at) VALUES (?, ?, 'tst.issued', 1)",
                ((at, _serial(at)) for at in range(start, start + len(leaves))),
            )
            connection.execute("COMMIT")
            for each in hashes:
                tree.push(each)
        connection.execute("UPDATE head SET size = ?, root = ?", (records, tree.root()))
    signer = LogSigner("example.org/log/1", _key("ed25519"), _key("ml-dsa-44"))
    files = LogFolder(root)
    with LedgerReader(path) as reader:
        files.write_tiles(reader, 0, records)
    files.publish(signer.sign(records, tree.root(), 1_800_000_000))


def _leaf(index: int) -> bytes:
    return b'{"at":1,"kind":"tst.issued","serial":"%s","v":1}' % _serial(index).encode()


def _serial(index: int) -> str:
    # Spread over the index as random serials are.
    return f"{index * 0x9E3779B97F4A7C15 % 2**64:032x}"


def _key(suite_id: str) -> SoftwareSigner:
    return SoftwareSigner(suite(suite_id), generate_key(suite(suite_id)))


def _times(act: Callable[[int], object], indices: list[int]) -> tuple[float, float]:
    times = []
    for index in indices:
        started = time.perf_counter()
        act(index)
        times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


if __name__ == "__main__":
    print(measure(Path(sys.argv[1]), *map(int, sys.argv[2:])))
