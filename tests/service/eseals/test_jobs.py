"""Jobs: they wait for their turn, in a queue with an end, and leave room for whoever waits for an answer."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

import pytest
import structlog

from eseal.profile import Format
from eseal.values import Level
from kokuin.service.eseals import jobs as jobs_module
from kokuin.service.eseals import pool, turns
from kokuin.service.eseals.asked import Asked
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.entries import Entries, Entry, Seen
from kokuin.service.eseals.jobs import Jobs
from kokuin.service.eseals.pool import SealPool
from kokuin.service.eseals.sealed import Sealed
from kokuin.service.eseals.tasks import Act, Document, Task
from pqc import newfile
from tests.service.eseals.benches import SEALER
from tests.service.eseals.test_sealing_children import HEADER, NoKeys
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.eseals.desk import SealDesk

CADES = Task(Act.SEAL, Format.CADES)


def document(octets: bytes) -> Document:
    return Document(io.BytesIO(octets), len(octets), hashlib.sha256(octets).hexdigest())


class SlowDesk:
    """Makes seals when it is told to; knows how many at most were made at a time."""

    def __init__(self) -> None:
        self.going = asyncio.Event()
        self.at_work = self.most = self.made = 0

    async def open(self, _task: Task, _principal: object) -> None:
        return None

    async def make(self, *_: object, keep: Callable[[Sealed], Any] | None, **__: object) -> Sealed:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            await self.going.wait()
        finally:
            self.at_work -= 1
        self.made += 1
        sealed = Sealed(document(b"sealed"), Level.B_B, Level.B_B, "", "invoices", "r-1")
        if keep is not None:
            await keep(sealed)
        return sealed

    async def close(self) -> None:
        """Hold nothing."""


def nobody() -> StoreReader:
    raise AssertionError


def jobs_of(root: Path, desk: SlowDesk) -> Jobs:
    return Jobs(cast("SealDesk", desk), Entries(root / "jobs"), nobody)


def request() -> Asked:
    return Asked(CADES, document(b"a letter"), None, SEALER)


async def begin(jobs: Jobs) -> tuple[str, Entry]:
    asked = request()
    name, entry = await jobs.claim(asked, anew=True)
    assert isinstance(entry, Entry)
    with jobs.turns.place(SEALER.tenant):
        jobs.start(asked, entry)
    return name, entry


async def ended(jobs: Jobs, name: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while (seen := await jobs.look(name, SEALER)).running:  # noqa: ASYNC110  # as below
            await asyncio.sleep(0.01)
    assert seen.outcome is not None
    return dict(seen.outcome)


def test_a_burst_of_jobs_waits_for_its_turn_and_all_are_done(tmp_path: Path) -> None:
    async def act() -> None:
        desk = SlowDesk()
        jobs = jobs_of(tmp_path, desk)
        names = [(await begin(jobs))[0] for _ in range(5)]
        waited_for = asyncio.create_task(jobs.run(request(), None))
        while desk.at_work < 2:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0)
        desk.going.set()
        await waited_for
        assert [await ended(jobs, name) for name in names] == [{"ok": True}] * 5
        assert (desk.most, desk.made) == (2, 6)  # a job, and whoever waits for an answer

    asyncio.run(act())


def test_a_queue_has_an_end_for_each_tenant_and_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_OF_TENANT", 2)
    monkeypatch.setattr(turns, "MOST_QUEUED", 3)

    async def act() -> None:
        desk = SlowDesk()
        jobs = jobs_of(tmp_path, desk)
        names = [(await begin(jobs))[0] for _ in range(2)]
        with pytest.raises(SealRefusedError) as error, jobs.turns.place(SEALER.tenant):
            raise AssertionError
        assert error.value.code is SealCode.QUEUE_FULL
        with jobs.turns.place("t-two"), pytest.raises(SealRefusedError), jobs.turns.place("t-three"):
            raise AssertionError
        jobs.turns.leave("t-two")
        desk.going.set()
        for name in names:
            await ended(jobs, name)
        name, _ = await begin(jobs)
        await ended(jobs, name)

    asyncio.run(act())


def test_a_job_that_is_deleted_while_it_waits_is_never_begun(tmp_path: Path) -> None:
    async def act() -> None:
        desk = SlowDesk()
        jobs = jobs_of(tmp_path, desk)
        (first, _), (second, _) = await begin(jobs), await begin(jobs)
        await jobs.end(second, await jobs.look(second, SEALER))
        desk.going.set()
        assert (await ended(jobs, second))["code"] == SealCode.JOB_CANCELLED
        assert await ended(jobs, first) == {"ok": True}
        assert desk.made == 1

    asyncio.run(act())


def test_a_job_waits_for_a_child_as_long_as_others_keep_it(
    at_once: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", at_once)
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.01)

    async def read(children: SealPool, *, patient: bool) -> SealCode:
        with pytest.raises(SealRefusedError) as error:
            await children.run("t-one", HEADER, {"document": b"no seal"}, NoKeys(), patient=patient)
        return error.value.code

    async def act() -> list[SealCode]:
        children = SealPool(1)
        try:
            return await asyncio.gather(*(read(children, patient=each) for each in (False, False, True)))
        finally:
            await children.close()

    assert asyncio.run(act()) == [SealCode.DOCUMENT_UNFIT, SealCode.BUSY, SealCode.DOCUMENT_UNFIT]


class FullDisk(io.BytesIO):
    def read(self, _size: int | None = -1) -> bytes:
        raise OSError(errno.ENOSPC, "full")


def test_of_a_seal_that_does_not_fit_on_the_disk_nothing_is_left(tmp_path: Path) -> None:
    async def act() -> None:
        desk = SlowDesk()
        desk.going.set()
        jobs = jobs_of(tmp_path, desk)
        whole = Sealed(document(b"sealed"), Level.B_B, Level.B_B, "", "invoices", "r-1")
        broken = Document(FullDisk(), 6, "0" * 64)

        async def make(*_: object, keep: Callable[[Sealed], Any], **__: object) -> Sealed:
            await keep(Sealed(broken, whole.level, whole.asked, "", "invoices", "r-1"))
            return whole

        asked = Asked(CADES, document(b"a letter"), None, SEALER, "one")
        _, entry = await jobs.claim(asked, anew=True)
        assert isinstance(entry, Entry)
        desk.make = make  # type: ignore[assignment,method-assign]  # of one whose disk is full
        with pytest.raises(SealRefusedError) as error:
            await jobs.run(asked, entry)
        assert error.value.code is SealCode.UNWRITTEN
        assert list((tmp_path / "jobs").iterdir()) == []
        entry.path.mkdir()
        with pytest.raises(OSError, match="full"):
            entry.keep({}, broken.file)
        assert list(entry.path.iterdir()) == []

    asyncio.run(act())


def test_a_seal_whose_outcome_cannot_be_written_is_released_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on record: what is asked again must not be sealed again."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    async def act() -> None:
        desk = SlowDesk()
        desk.going.set()
        jobs = jobs_of(tmp_path, desk)
        asked = Asked(CADES, document(b"a letter"), None, SEALER, "one")
        name, entry = await jobs.claim(asked, anew=True)
        assert isinstance(entry, Entry)
        monkeypatch.setattr(Entry, "end", full)
        await jobs.run(asked, entry)
        seen = Entries(tmp_path / "jobs").look(name)
        assert seen is not None
        assert (seen.running, seen.outcome) == (False, None)
        assert seen.made is not None

    asyncio.run(act())


def test_a_job_that_is_forgotten_as_soon_as_it_is_seen_to_have_ended_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outcome is seen before the disk has the name for good; on a slow disk there is time between."""
    sync = newfile.sync_folder

    async def act() -> None:
        desk = SlowDesk()
        desk.going.set()
        jobs = jobs_of(tmp_path, desk)

        def late(folder: Path) -> None:
            if (folder / "outcome").exists():
                Entries(tmp_path / "jobs").drop(folder.name)
            sync(folder)

        monkeypatch.setattr(newfile, "sync_folder", late)
        with structlog.testing.capture_logs() as logs:
            name, _ = await begin(jobs)
            while jobs._running:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0)
            with pytest.raises(SealRefusedError) as error:
                await jobs.look(name, SEALER)
        assert error.value.code is SealCode.JOB_UNKNOWN
        assert desk.made == 1
        assert not logs

    asyncio.run(act())


class Recorded:
    """A ledger that has the record of the seal."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Hold nothing."""

    def backwards(self, _kind: str) -> list[object]:
        return [object()]


def test_a_seal_that_another_worker_is_about_to_release_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash, two ask at once for what is on record: one writes that it counts, the other waits."""
    monkeypatch.setattr(jobs_module, "read_act", lambda _: {"id": "r-1", "at": 0})

    async def act() -> None:
        desk = SlowDesk()
        desk.going.set()
        jobs = Jobs(
            cast("SealDesk", desk), Entries(tmp_path / "jobs"), lambda: cast("StoreReader", Recorded())
        )
        asked = replace(request(), key="once")
        name, entry = await jobs.claim(asked, anew=True)
        assert isinstance(entry, Entry)
        made = {"level": "B-B", "asked": "B-B", "lowered": "", "profile": "p", "record": "r-1"}
        entry.keep(made, io.BytesIO(b"sealed"))
        entry.close()  # here the process was killed
        other = Entries(tmp_path / "jobs").take_over(name)
        assert other is not None
        look = Entries.look
        looks: list[bool] = []

        def early(self: Entries, name: str) -> Seen | None:
            """The first look comes before the other one has taken it over."""
            seen = look(self, name)
            looks.append(True)
            return replace(seen, running=False) if seen is not None and len(looks) == 1 else seen

        monkeypatch.setattr(Entries, "look", early)
        _, found = await jobs.claim(asked, anew=True)
        assert isinstance(found, Seen)
        assert found.running
        other.end({"ok": True})
        other.close()
        _, found = await jobs.claim(asked, anew=True)
        assert isinstance(found, Seen)
        assert found.outcome == {"ok": True}
        assert desk.made == 0

    asyncio.run(act())
