"""Damage to what was published of a store, to who vouches for it, and to the very file of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.ledger.store_faults import StoreFault
from tests.ledger.notes import log
from tests.ledger.sound_store import START_US, cosign, stamp_over
from tests.ledger.store_hand import ANY, Expected, must
from tests.trust.forge import pki

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.store_hand import Hand

# What was published, and who vouches for it

_CHECKPOINT = (
    StoreFault.CHECKPOINT_CHANGED,
    StoreFault.CHECKPOINT_SIGNATURE,
    StoreFault.CHECKPOINT_MISSING,  # of the size that it had
    StoreFault.PUBLISHED_CHANGED,
)


def checkpoint_flip(hand: Hand) -> Expected:
    size = hand.chance.choice((hand.store.published, *hand.some("checkpoint")))
    column = hand.chance.choice(("root", "note", "note", "at"))
    value = hand.get("checkpoint", column, "size", size)
    hand.set("checkpoint", column, value ^ 1 << 30 if column == "at" else hand.flip(value), "size", size)
    return must(*_CHECKPOINT)


def checkpoint_delete(hand: Hand) -> Expected:
    """One that is vouched for or published: the loss of another changes nothing that anybody saw."""
    vouched = hand.rows("SELECT size FROM cosignature UNION SELECT size FROM stamp")
    (size,) = hand.chance.choice(((hand.store.published,), *vouched))
    hand.rows("DELETE FROM checkpoint WHERE size = ?", size)
    return must(StoreFault.CHECKPOINT_MISSING)


def checkpoint_insert(hand: Hand) -> Expected:
    size = hand.chance.randrange(1, hand.store.published)
    if hand.chance.random() < 0.3:
        size = hand.store.size + hand.chance.choice((1, 1 << 40))
    root = hand.chance.randbytes(32)
    foreign = hand.chance.random() < 0.5
    note = log(label="thief" if foreign else "").sign(size, root, START_US // 1_000_000)
    hand.rows("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)", size, root, note, START_US)
    if size > hand.store.size:
        # The thief's key is not asked for what the ledger has not reached.
        return must(StoreFault.CHECKPOINT_BEYOND)
    return must(StoreFault.CHECKPOINT_SIGNATURE if foreign else StoreFault.CHECKPOINT_ROOT)


def checkpoint_swap(hand: Hand) -> Expected:
    hand.exchange("checkpoint", "size", ("root", "note", "at"), *hand.some("checkpoint"))
    return must(*_CHECKPOINT)


def checkpoint_truncate(hand: Hand) -> Expected:
    size = hand.some("checkpoint")[0]
    hand.set("checkpoint", "note", hand.cut(hand.get("checkpoint", "note", "size", size)), "size", size)
    return must(*_CHECKPOINT)


_SIGNATURE = 64
"""Last octets of a stamp, all of its signature."""
_COSIGNED = (StoreFault.COSIGNATURE_WRONG, StoreFault.COSIGNATURE_MISSING)


def cosignature_flip(hand: Hand) -> Expected:
    size = hand.some("cosignature")[0]
    column = hand.chance.choice(("line", "signer"))
    hand.set(
        "cosignature", column, hand.other_text(hand.get("cosignature", column, "size", size)), "size", size
    )
    return must(*_COSIGNED)


def cosignature_delete(hand: Hand) -> Expected:
    hand.rows("DELETE FROM cosignature WHERE size = ?", hand.some("cosignature")[0])
    return must(StoreFault.COSIGNATURE_MISSING)


def cosignature_insert(hand: Hand) -> Expected:
    one, two = hand.some("checkpoint")
    vkey, line = cosign(hand.get("checkpoint", "note", "size", one), START_US // 1_000_000)
    hand.rows("INSERT OR REPLACE INTO cosignature VALUES (?, ?, ?, 1)", two, vkey, line)
    return must(*_COSIGNED)


def cosignature_swap(hand: Hand) -> Expected:
    hand.exchange("cosignature", "size", ("line",), *hand.some("cosignature"))
    return must(*_COSIGNED)


def cosignature_truncate(hand: Hand) -> Expected:
    size = hand.some("cosignature")[0]
    line = hand.get("cosignature", "line", "size", size)
    hand.set("cosignature", "line", line[: hand.chance.randrange(len(line))], "size", size)
    return must(*_COSIGNED)


def stamp_flip(hand: Hand) -> Expected:
    """In the certificate or the signature: some octets of a CMS object say nothing, whoever changes them."""
    size = hand.some("stamp")[0]
    der = hand.get("stamp", "der", "size", size)
    start = der.index(pki().unit.der)
    parts = (der[:start], pki().unit.der, der[start + len(pki().unit.der) : -_SIGNATURE], der[-_SIGNATURE:])
    flipped = hand.chance.choice((1, 3))
    octets = b"".join(hand.flip(part) if at == flipped else part for at, part in enumerate(parts))
    hand.set("stamp", "der", octets, "size", size)
    return must(StoreFault.STAMP_WRONG)


def stamp_insert(hand: Hand) -> Expected:
    one, two = hand.some("checkpoint")
    der = stamp_over(hand.get("checkpoint", "note", "size", one), START_US)
    hand.rows("INSERT INTO stamp VALUES (?, 'another', ?, ?)", two, der, START_US)
    return must(StoreFault.STAMP_WRONG)


def stamp_swap(hand: Hand) -> Expected:
    hand.exchange("stamp", "size", ("der",), *hand.some("stamp"))
    return must(StoreFault.STAMP_WRONG)


def stamp_truncate(hand: Hand) -> Expected:
    size = hand.some("stamp")[0]
    hand.set("stamp", "der", hand.cut(hand.get("stamp", "der", "size", size)), "size", size)
    return must(StoreFault.STAMP_WRONG)


# Published files


def _tiles(hand: Hand) -> list[Path]:
    return sorted(path for path in (hand.store.log / "tile").rglob("*") if path.is_file())


def tile_flip(hand: Hand) -> Expected:
    path = hand.chance.choice(_tiles(hand))
    path.write_bytes(hand.flip(path.read_bytes()))
    return must(StoreFault.TILE_CHANGED)


def tile_delete(hand: Hand) -> Expected:
    full = [path for path in _tiles(hand) if ".p" not in str(path)]
    hand.chance.choice(full).unlink()
    return must(StoreFault.TILE_MISSING)


def tile_insert(hand: Hand) -> Expected:
    name = hand.chance.choice(("0/040", "0/039.p/200", "1/001.p/1", "2/000.p/1", "0/x001/000"))
    path = hand.store.log / "tile" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"t" * 32)
    return must(StoreFault.TILE_INSERTED)


def tile_swap(hand: Hand) -> Expected:
    one, two = hand.chance.sample(_tiles(hand), 2)
    octets = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(octets)
    return must(StoreFault.TILE_CHANGED)


def tile_truncate(hand: Hand) -> Expected:
    path = hand.chance.choice(_tiles(hand))
    path.write_bytes(path.read_bytes()[: hand.chance.randrange(path.stat().st_size)])
    return must(StoreFault.TILE_CHANGED)


def file_insert(hand: Hand) -> Expected:
    (hand.store.log / "tile" / "0" / "readme").write_text("not a tile")
    return must(StoreFault.FILE_STRANGE)


def published_flip(hand: Hand) -> Expected:
    path = hand.store.log / "checkpoint"
    path.write_bytes(hand.flip(path.read_bytes()))
    return must(StoreFault.PUBLISHED_CHANGED, StoreFault.COSIGNATURE_MISSING)


def published_delete(hand: Hand) -> Expected:
    (hand.store.log / "checkpoint").unlink()
    return must(StoreFault.PUBLISHED_MISSING)


def published_insert(hand: Hand) -> Expected:
    path = hand.store.log / "checkpoint"
    _vkey, line = cosign(path.read_bytes(), START_US // 1_000_000 + 1)
    path.write_bytes(path.read_bytes() + line.encode() + b"\n")
    return must(StoreFault.COSIGNATURE_MISSING)


def published_swap(hand: Hand) -> Expected:
    """An older one: what was seen since is denied."""
    kept = hand.rows("SELECT note FROM checkpoint ORDER BY size DESC LIMIT -1 OFFSET 2")
    (hand.store.log / "checkpoint").write_bytes(hand.chance.choice(kept)[0])
    return must(StoreFault.PUBLISHED_BEHIND)


def published_truncate(hand: Hand) -> Expected:
    path = hand.store.log / "checkpoint"
    note = hand.get("checkpoint", "note", "size", hand.store.published)
    path.write_bytes(path.read_bytes()[: hand.chance.randrange(len(note))])
    return must(StoreFault.PUBLISHED_CHANGED)


# The database file itself


def file_flip(hand: Hand) -> Expected:
    """Some bits anywhere; in a page's unused part they change nothing."""
    octets = bytearray(hand.store.path.read_bytes())
    for _ in range(hand.chance.choice((1, 1, 8))):
        octets[hand.chance.randrange(len(octets))] ^= 1 << hand.chance.randrange(8)
    hand.store.path.write_bytes(octets)
    return Expected(ANY, harmless=True)


def file_overwrite(hand: Hand) -> Expected:
    """Whole pages, as a failing device leaves them."""
    octets = bytearray(hand.store.path.read_bytes())
    start = hand.chance.randrange(len(octets) // 4096) * 4096
    octets[start : start + 4096] = hand.chance.choice((bytes(4096), hand.chance.randbytes(4096)))
    hand.store.path.write_bytes(octets)
    return Expected(ANY, harmless=True)


def file_truncate(hand: Hand) -> Expected:
    octets = hand.store.path.read_bytes()
    hand.store.path.write_bytes(octets[: hand.chance.randrange(len(octets))])
    return Expected(ANY)


MUTATIONS = (
    *(checkpoint_flip, checkpoint_delete, checkpoint_insert, checkpoint_swap, checkpoint_truncate),
    *(cosignature_flip, cosignature_delete, cosignature_insert, cosignature_swap, cosignature_truncate),
    *(stamp_flip, stamp_insert, stamp_swap, stamp_truncate),
    *(tile_flip, tile_delete, tile_insert, tile_swap, tile_truncate, file_insert),
    *(published_flip, published_delete, published_insert, published_swap, published_truncate),
    *(file_flip, file_overwrite, file_truncate),
)
