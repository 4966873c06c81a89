"""A store of many records with all that stands beside them, filled once and copied for whoever damages it."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from kokuin.ledger import schema
from kokuin.ledger.checkpoint import read_checkpoint, sign_line
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.log_keys import LogVerifier, verifier_key
from kokuin.ledger.note import SignatureType
from kokuin.ledger.plan import Append
from kokuin.ledger.published import KeptCheckpoint, KeptStamp, keep_checkpoint, keep_cosignature, keep_stamp
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.trust.records import (
    CHECKPOINT_WITNESSED,
    EPOCH_OPENED,
    SERVICE_STARTED,
    TST_ISSUED,
    TST_REFUSED,
    Record,
)
from tests.ledger.notes import log, signer, verifier
from tests.trust.forge import order, pki

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kokuin.trust.records import LeafValue

RECORDS = 10_000
START_US = 1_763_700_000_000_000
_BEYOND = 7
"""Records after the newest checkpoint."""
_WITNESS = "witness.example/w"


@dataclass(frozen=True, slots=True)
class SoundStore:
    """Where a store lies, and who signed its checkpoints."""

    root: Path
    size: int
    published: int

    @property
    def path(self) -> Path:
        return self.root / "ledger.db"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def keys(self) -> LogVerifier:
        return verifier(log())

    def copy(self, root: Path) -> SoundStore:
        """Copy it to a place, over what is there."""
        if root.exists():
            shutil.rmtree(root)
        shutil.copytree(self.root, root)
        return SoundStore(root, self.size, self.published)


def fill(root: Path, records: int = RECORDS, seed: int = 1, checkpoints: int = 60) -> SoundStore:
    """Fill a store, and publish it as the keeper does."""
    chance = random.Random(seed)  # noqa: S311  # the same store every time, no secrets
    made = SoundStore(root, records, records - _BEYOND)
    root.mkdir()
    schema.create(made.path)
    ends = sorted({*chance.sample(range(10, made.published), checkpoints), made.published, records})
    store, waiting = SqliteStore(made.path), _records(chance)
    try:
        for end in ends:
            while store.head.size < end:
                many = min(end - store.head.size, chance.randint(1, 120))
                appends = [Append((next(waiting),)) for _ in range(many)]
                store.commit(appends, START_US + 1_000 * store.head.size)
            if end != records:
                _publish(made, store, chance)
        store.tidy()
    finally:
        store.close()
    return made


def _records(chance: random.Random) -> Iterator[Record]:
    yield Record(EPOCH_OPENED, {"epoch": 1})
    number = 0
    while True:
        number += 1
        draw = chance.random()
        if draw < 0.7:
            serial = f"{chance.getrandbits(96):032x}"
            token = sha256(serial.encode()).digest() * 8
            fields: dict[str, LeafValue] = {"tok": sha256(token).hexdigest(), "acc": 1_000_000}
            unit = chance.choice(("u1", "u2"))
            yield Record(TST_ISSUED, fields, serial, token, unit, START_US + number)
        elif draw < 0.8:
            yield Record("clock.fit", {"clk_off": number}, self_caused=True)
        elif draw < 0.9:
            yield Record(TST_REFUSED, {"reason": "NO_POLICY", "count": number}, personal=f"caller {number}")
        else:
            yield Record(SERVICE_STARTED, {"profile": "classical"})


def _publish(made: SoundStore, store: SqliteStore, chance: random.Random) -> None:
    at = START_US + 1_000 * store.head.size
    size, root = store.head.size, store.head.root
    kept = KeptCheckpoint(size, root, log().sign(size, root, at // 1_000_000), at)
    store.transact(lambda rows: keep_checkpoint(rows, kept))
    note = kept.note
    # The newest has all that may vouch for one, so that its loss can be seen.
    if size == made.published or chance.random() < 0.4:
        vkey, line = cosign(note, at // 1_000_000)
        store.transact(lambda rows: keep_cosignature(rows, size, vkey, line, at))
        note += f"{line}\n".encode()
        names = [vkey.rpartition("+")[0]]
        record = Record(CHECKPOINT_WITNESSED, {"size": size, "witnesses": names}, self_caused=True)
        store.commit([Append((record,))], at)
    if size == made.published or chance.random() < 0.2:
        stamp = KeptStamp(size, "tsa.example", stamp_over(kept.note, at), at + 1_000_000)
        store.transact(lambda rows: keep_stamp(rows, stamp))
    files = LogFolder(made.log)
    with LedgerReader(made.path) as reader:
        files.write_tiles(reader, files.published_size(), size)
    files.publish(note)


def cosign(note: bytes, now_s: int) -> tuple[str, str]:
    """Return a witness's key and its signature line under a note."""
    kind = SignatureType.ML_DSA_44_COSIGNATURE
    witness = signer("ml-dsa-44", _WITNESS)
    key = verifier_key(_WITNESS, kind, witness)
    line = sign_line(key, witness, read_checkpoint(note).checkpoint, now_s)
    return key.encode(), line.encode().removesuffix("\n")


def stamp_over(note: bytes, at_us: int) -> bytes:
    """Return a time-stamp token over a note, with its signer's certificate alone."""
    return order(imprint=sha256(note).digest(), gen_us=at_us, certificates=[pki().unit.der]).make()
