"""Seals: other hashes over the same leaves, new keys for the next epoch; any crash on the way is taken up."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.published import newest_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store_check import check_store
from kokuin.ledger.tile_proofs import consistency_proof, root_at
from kokuin.ledger.tree import verify_consistency
from kokuin.service import ledger_desk, publishing, sealing
from kokuin.service.datafolder import DataFolder
from kokuin.service.epochs import Before
from kokuin.service.log_signing import open_log_signer, published_keys
from kokuin.service.seal_roots import RootsError, roots_of
from kokuin.trust.records import Record
from tests.ledger import rfc6962
from tests.ledger.samples import issued
from tests.ledger.test_epoch_roots import naive
from tests.service.epochs import Desked
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service.running import Prepared

OWN = Record("a.b", {"id": "own"}, self_caused=True)


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture
def desked(folder: DataFolder) -> Iterator[Desked]:
    desked = Desked(folder)
    yield desked
    desked.end()


def octets_of(folder: DataFolder) -> list[bytes]:
    with LedgerReader(folder.ledger) as reader:
        return [stored.leaf for stored in reader.walk()]


def check_sealed(desked: Desked, epoch: int) -> None:
    """The seal's roots are those of the definition, the next epoch is open, and both checkpoints verify."""
    octets = octets_of(desked.folder)
    first = 0
    for number, seal in enumerate(desked.leaves("epoch.sealed"), 1):
        size = seal["size"]
        assert (seal["epoch"], seal["first"], seal["self"]) == (number, first, True)
        assert bytes.fromhex(seal["root"]) == rfc6962.mth([leaf_hash(leaf) for leaf in octets[:size]])
        for name in ("sha512", "sha3_512"):
            assert bytes.fromhex(seal[name]) == naive(name, octets[first:size])
        first = size
    opened = desked.leaves("epoch.opened")
    assert [leaf["epoch"] for leaf in opened] == list(range(1, epoch + 1))
    assert [leaf["why"] for leaf in opened] == ["begun", *["sealed"] * (epoch - 1)]
    with LedgerReader(desked.folder.ledger) as reader:
        verdict = check_store(reader, None, None)
    assert (verdict.passed, verdict.seals, verdict.seals_open) == (True, epoch - 1, 0)
    keys = published_keys(desked.folder)
    for leaf in opened:
        assert [key.encode() for key in keys.keys(leaf["origin"])] == leaf["vkeys"]
    last = opened[-1]
    with LedgerReader(desked.folder.ledger) as reader:
        assert reader.head().epoch == epoch
        before, sealed = last["before_size"], desked.leaves().index(desked.leaves("epoch.sealed")[-1])
        kept = newest_checkpoint(reader, before)
        assert kept is not None
        checked = keys.check(kept.note).checkpoint
        assert (checked.origin, checked.size, checked.root.hex()) == (
            last["before_origin"],
            before,
            last["before_root"],
        )
        assert checked.size > sealed
        shown = desked.shown()
        assert shown.origin == last["origin"]
        proof = consistency_proof(reader, before, shown.size)
        assert root_at(reader, shown.size) == shown.root
    assert verify_consistency(before, shown.size, checked.root, shown.root, proof)


def test_a_seal_holds_the_roots_of_three_hashes_and_opens_the_next_epoch(desked: Desked) -> None:
    desked.append(*[issued(each) for each in range(300)])
    answer = desked.ask("ledger.seal")
    assert answer == {"ok": True, "index": 301, "epoch": 1, "size": 301}
    check_sealed(desked, 2)
    desked.append(issued(900))
    assert desked.ask("ledger.seal")["ok"]
    check_sealed(desked, 3)
    desked.append(issued(901))
    desked.publish()
    assert desked.shown().origin == f"{desked.config.ledger.origin}/3"


def test_nothing_is_sealed_twice_and_an_idle_log_does_not_grow(desked: Desked) -> None:
    assert desked.ask("ledger.seal")["code"] == "NOTHING_TO_SEAL"
    desked.append(issued(1))
    assert desked.ask("ledger.seal")["ok"]
    size = desked.journal.size
    desked.append(OWN)
    far = time.time_ns() // 1_000 + 10**15
    assert not desked.desk._sealer.is_due(far)
    assert desked.ask("ledger.seal")["code"] == "NOTHING_TO_SEAL"
    assert desked.journal.size == size + 1


def test_age_and_length_make_a_seal_due(desked: Desked, monkeypatch: pytest.MonkeyPatch) -> None:
    sealer, now = desked.desk._sealer, time.time_ns() // 1_000
    days = 30 * 86_400 * 10**6
    assert not sealer.is_due(now + days)
    desked.append(issued(1))
    assert not sealer.is_due(now)
    assert sealer.is_due(now + days + 10**9)
    monkeypatch.setattr(sealing, "MOST_LEAVES", 3)
    assert not sealer.is_due(now)
    desked.append(issued(2))
    assert sealer.is_due(now)


def keep_until_sealed(desked: Desked) -> None:
    """Let the keeper's task run until the epoch was sealed."""

    async def run() -> None:
        task = asyncio.create_task(desked.desk.run())
        async with asyncio.timeout(PATIENCE_S):
            while desked.journal.head.epoch == 1:  # noqa: ASYNC110  # another thread's doing
                await asyncio.sleep(0.02)
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_a_keeper_seals_by_itself_what_is_due(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MOST_LEAVES", 3)
    desked = Desked(folder)
    desked.append(issued(1), issued(2))

    keep_until_sealed(desked)
    desked.publish()
    assert desked.leaves("epoch.sealed")[0]["actor"] == "keeper"
    desked.end()


def test_appends_go_on_while_the_leaves_are_hashed(desked: Desked, monkeypatch: pytest.MonkeyPatch) -> None:
    desked.append(issued(1))

    async def slow(*arguments: object) -> dict[str, str]:
        desked.append(issued(2), issued(3))
        return await roots_of(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(sealing, "roots_of", slow)
        assert desked.ask("ledger.seal")["size"] == 2
    check_sealed(desked, 2)
    assert desked.ask("ledger.seal")["ok"], "what came meanwhile is sealed by the next"
    check_sealed(desked, 3)


class PowerLossError(BaseException):
    """The process is gone; nothing is handled."""


STEPS = ("roots", "seal", "covering", "keys", "opened", "published")


def break_at(desked: Desked, step: str, monkeypatch: pytest.MonkeyPatch, *, done: bool) -> None:
    """Let a step of sealing stop the process, before or after it was done."""
    places: dict[str, tuple[object, str]] = {
        "roots": (sealing, "roots_of"),
        "seal": (desked.journal, "append"),
        "covering": (desked.desk.publisher, "publish"),
        "keys": (sealing, "make_log_keys"),
        "opened": (desked.journal, "open_epoch"),
        "published": (publishing, "write_durably"),
    }
    owner, name = places[step]
    real = getattr(owner, name)

    def broken(*arguments: object, **named: object) -> object:
        if step == "published" and desked.journal.head.epoch == 1:
            return real(*arguments, **named)
        if done:
            result = real(*arguments, **named)
            if step in {"seal", "opened"}:
                result.result(PATIENCE_S)
            if step in {"roots", "covering"}:
                return finish(result)
        raise PowerLossError

    async def finish(result: object) -> None:
        await result  # type: ignore[misc]
        raise PowerLossError

    monkeypatch.setattr(owner, name, broken)


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_is_taken_up_by_the_next_start(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, step: str, *, done: bool
) -> None:
    desked = Desked(folder)
    desked.append(issued(1), issued(2))
    desked.publish()
    with monkeypatch.context() as patch:
        break_at(desked, step, patch, done=done)
        with pytest.raises(PowerLossError):
            desked.ask("ledger.seal")
    desked.journal.close(drain=False)
    again = Desked(folder)
    begun = bool(again.leaves("epoch.sealed")) and again.journal.head.epoch == 1
    assert again.desk._sealer.is_due(time.time_ns() // 1_000) == begun, "a begun seal is finished at once"
    if again.journal.head.epoch == 1:
        assert again.ask("ledger.seal")["ok"]
    else:
        assert again.ask("ledger.seal")["code"] == "NOTHING_TO_SEAL"
        asyncio.run(again.desk._publisher().publish(covering=again.journal.size))
    assert len(again.leaves("epoch.sealed")) == 1
    check_sealed(again, 2)
    again.end()


def test_a_disk_that_refuses_the_checkpoint_leaves_a_seal_that_is_finished_later(
    desked: Desked, monkeypatch: pytest.MonkeyPatch
) -> None:
    desked.append(issued(1))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LogFolder, "publish", refuse)
        assert desked.ask("ledger.seal")["code"] == "SEAL_UNFINISHED"
    assert desked.journal.head.epoch == 1
    assert desked.ask("ledger.seal")["ok"]
    assert len(desked.leaves("epoch.sealed")) == 1
    check_sealed(desked, 2)


def test_no_checkpoint_is_signed_with_the_keys_of_another_epoch(
    desked: Desked, monkeypatch: pytest.MonkeyPatch
) -> None:
    desked.append(issued(1))
    assert desked.ask("ledger.seal")["ok"]
    (desked.config.keys / "log-2-ed25519.pem").rename(desked.config.keys / "away")
    publisher = desked.desk._new_publisher(open_log_signer(desked.folder, desked.config, 1, None))
    desked.append(issued(2))
    before = desked.shown()
    asyncio.run(publisher.publish())
    assert publisher.problem == publishing.CHECKPOINT_UNPUBLISHED
    assert desked.shown() == before
    (desked.config.keys / "away").rename(desked.config.keys / "log-2-ed25519.pem")
    asyncio.run(publisher.publish())
    assert publisher.problem == ""
    assert desked.shown().origin.endswith("/2")


def test_a_child_that_cannot_read_the_leaves_is_an_error_that_says_why(desked: Desked) -> None:
    desked.append(issued(1))
    with pytest.raises(RootsError, match="LEDGER_UNREADABLE"):
        asyncio.run(roots_of(DataFolder(desked.folder.root / "nowhere"), desked.config, 0, 1))


def test_the_leaf_of_the_first_epoch_follows_nothing(desked: Desked) -> None:
    (leaf,) = desked.leaves("epoch.opened")
    assert Before(leaf["why"], leaf["before_origin"], leaf["before_size"]) == Before("begun")
    assert leaf["self"] is True


def test_a_keeper_that_cannot_read_the_ledger_tries_the_seal_again(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "MOST_LEAVES", 3)
    monkeypatch.setattr(ledger_desk, "SEAL_SECONDS", 0.05)
    desked = Desked(folder)
    desked.append(issued(1), issued(2))
    real = sealing.Sealer.is_due
    failed: list[int] = []

    def is_due(sealer: sealing.Sealer, now_us: int) -> bool:
        if not failed:
            failed.append(now_us)
            raise sqlite3.OperationalError("disk I/O error")
        return real(sealer, now_us)

    monkeypatch.setattr(sealing.Sealer, "is_due", is_due)
    keep_until_sealed(desked)
    assert failed
    desked.end()
