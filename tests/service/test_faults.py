"""What a worker answers when clock, key or ledger fail, with each of them at the test's command."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from kokuin.ledger.committer import Committer
from kokuin.ledger.store import SqliteStore
from kokuin.service import responder
from kokuin.service.issuing import ActiveConfiguration
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import CFG_ACTIVATED, Record
from tests.clock.fakes import lost
from tests.service.asking import granted, query, refusal, serial_of
from tests.service.rig import Rig, ScriptedJournal, rigged
from tests.service.running import PATIENCE_S, leaves
from tsa import unit as tsa_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    import httpx

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.issuing import Issuer
    from kokuin.trust.journal import AppendOutcome, Journal
    from tests.service.running import Prepared

GOOD = query()
CURED = {AppendRefusal.STALE_EPOCH, AppendRefusal.DUPLICATE_SERIAL, AppendRefusal.LEAF_TOO_LARGE}
"""What a fresh token in an append of its own may escape; everything else would only come again."""
SLOW = pytest.mark.parametrize("slow", [False, True], ids=["in the loop", "in threads"])


@pytest.fixture(scope="module")
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


async def bits(rig: Rig) -> set[str]:
    """Send a good request; return the failInfo bits of its refusal."""
    return bits_of(await rig.post(GOOD))


def bits_of(answer: httpx.Response) -> set[str]:
    """Return the failInfo bits of a refusal."""
    assert answer.status_code == 200
    status, found, text = refusal(answer.content)
    assert (status, bool(text)) == ("rejection", True)
    return found


@SLOW
@pytest.mark.parametrize("step", [2, -2])
def test_a_clock_that_was_set_is_noticed_by_the_very_next_token(
    folder: DataFolder, step: int, *, slow: bool
) -> None:
    async def run() -> None:
        journal = ScriptedJournal()
        async with rigged(folder, journal, slow=slow) as rig:
            granted((await rig.post(GOOD)).content)
            signed = rig.signer.calls
            rig.clock.machine.step(step)
            assert await bits(rig) == {"time_not_available"}
            rig.clock.machine.step(-step)
            assert await bits(rig) == {"time_not_available"}, "a step stays one until the monitor has looked"
            assert (rig.signer.calls, len(journal.records)) == (signed, 1)
            rig.clock.polls()
            granted((await rig.post(GOOD)).content)

    asyncio.run(run())


def test_lost_sources_and_a_silent_monitor_stop_issuing(folder: DataFolder) -> None:
    async def run() -> None:
        async with rigged(folder, ScriptedJournal()) as rig:
            rig.clock.source.reports = (lost(),)
            rig.clock.polls()
            assert await bits(rig) == {"time_not_available"}
        async with rigged(folder, ScriptedJournal()) as rig:
            granted((await rig.post(GOOD)).content)
            rig.clock.machine.run(3_600)
            assert await bits(rig) == {"time_not_available"}

    asyncio.run(run())


def end_of_key(folder: DataFolder) -> float:
    """Return the end of the unit's key, seconds since 1970 UTC: before that of its certificate."""
    certificate = x509.load_pem_x509_certificate(folder.units.read_bytes())
    period = certificate.extensions.get_extension_for_class(x509.PrivateKeyUsagePeriod).value
    assert period.not_after is not None
    assert period.not_after.replace(tzinfo=UTC) < certificate.not_valid_after_utc
    return period.not_after.replace(tzinfo=UTC).timestamp()


def test_a_key_outside_its_period_is_not_even_called(folder: DataFolder) -> None:
    left = end_of_key(folder) - time.time()

    async def at(seconds: float) -> None:
        journal = ScriptedJournal()
        async with rigged(folder, journal, ahead_s=seconds) as rig:
            assert await bits(rig) == {"system_failure"}
            assert (rig.signer.calls, journal.records) == (0, [])

    asyncio.run(at(left + 60))
    asyncio.run(at(-3_600))


def test_a_key_at_the_end_of_its_period_still_signs(folder: DataFolder) -> None:
    left = end_of_key(folder) - time.time()

    async def run() -> None:
        async with rigged(folder, ScriptedJournal(), ahead_s=left - 60) as rig:
            granted((await rig.post(GOOD)).content)

    asyncio.run(run())


@SLOW
def test_a_broken_key_device_is_a_system_failure(folder: DataFolder, *, slow: bool) -> None:
    async def run() -> None:
        journal = ScriptedJournal()
        async with rigged(folder, journal, slow=slow) as rig:
            rig.signer.broken = True
            assert await bits(rig) == {"system_failure"}
            assert journal.records == []
            rig.signer.broken = False
            granted((await rig.post(GOOD)).content)

    asyncio.run(run())


@SLOW
@pytest.mark.parametrize(
    "reason",
    sorted(set(AppendRefusal) - CURED),
)
def test_what_the_ledger_refuses_is_no_token(
    folder: DataFolder, reason: AppendRefusal, *, slow: bool
) -> None:
    async def run() -> None:
        journal = ScriptedJournal(deque([Refused(reason)]))
        async with rigged(folder, journal, slow=slow) as rig:
            assert await bits(rig) == {"system_failure"}
            assert len(journal.records) == 1, "asking again would not help"
            granted((await rig.post(GOOD)).content)

    asyncio.run(run())


@pytest.mark.parametrize("reason", sorted(CURED))
def test_a_refusal_that_a_fresh_token_cures_is_tried_once_more(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, reason: AppendRefusal
) -> None:
    monkeypatch.setattr(responder, "SWEEP_SECONDS", 0.05)

    # But for a stale epoch: however often the configuration changes, a request must not fail for it.
    async def run() -> None:
        journal = ScriptedJournal(deque([Refused(reason)]))
        async with rigged(folder, journal) as rig:
            body = (await rig.post(GOOD)).content
            first, second = journal.records
            assert first.serial != second.serial
            assert serial_of(body) == second.serial, "the refused token is never seen"
            journal.script.extend([Refused(reason), Refused(reason)])
            if reason is AppendRefusal.STALE_EPOCH:
                assert serial_of((await rig.post(GOOD)).content) == journal.records[4].serial
            else:
                assert await bits(rig) == {"system_failure"}
                assert len(journal.records) == 4

    asyncio.run(run())


@SLOW
def test_no_token_leaves_before_its_record_is_durable(folder: DataFolder, *, slow: bool) -> None:
    async def run() -> None:
        journal = ScriptedJournal(deque([None]))
        async with rigged(folder, journal, slow=slow) as rig:
            asked = asyncio.ensure_future(rig.post(GOOD))
            assert await asyncio.to_thread(journal.asked.wait, PATIENCE_S)
            done, _ = await asyncio.wait({asked}, timeout=0.1)
            assert not done
            journal.futures[0].set_result(())
            assert serial_of((await asked).content) == journal.records[0].serial

    asyncio.run(run())


@SLOW
def test_a_stalled_ledger_ends_in_a_refusal_and_its_late_record_releases_nothing(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, *, slow: bool
) -> None:
    monkeypatch.setattr(responder, "SWEEP_SECONDS", 0.02)

    async def run() -> None:
        journal = ScriptedJournal(deque([None]))
        async with rigged(folder, journal, slow=slow) as rig:
            asked = asyncio.ensure_future(rig.post(GOOD))
            assert await asyncio.to_thread(journal.asked.wait, PATIENCE_S)
            # Of this request alone: the next one may take its time on a busy machine.
            with monkeypatch.context() as patch:
                patch.setattr(responder, "PATIENCE_SECONDS", 0.0)
                assert bits_of(await asked) == {"system_failure"}
            journal.futures[0].set_result(())
            assert serial_of((await rig.post(GOOD)).content) == journal.records[1].serial

    asyncio.run(run())


def test_a_request_is_not_read_while_the_ledger_is_behind(folder: DataFolder) -> None:
    async def run() -> None:
        journal = ScriptedJournal()
        async with rigged(folder, journal) as rig:
            rig.keeper.behind_s = 60.0
            answer = await rig.post(GOOD)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert (rig.signer.calls, journal.records) == (0, [])

    asyncio.run(run())


@contextlib.contextmanager
def committing(folder: DataFolder) -> Iterator[Committer]:
    """Open the real ledger."""
    committer = Committer(
        SqliteStore(folder.ledger), capacity=100, clock_ns=time.time_ns, on_fatal=pytest.fail
    )
    try:
        yield committer
    finally:
        committer.close()


def test_a_serial_that_the_ledger_has_is_made_again(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("classical").folder
    first, second = (bytes((0x40, *bytes(14), number)) for number in (7, 8))
    serials = iter([first, first, second, second, second])
    monkeypatch.setattr(tsa_unit, "new_serial", lambda: next(serials))

    async def run(journal: Journal) -> list[str]:
        async with rigged(folder, journal) as rig:
            bodies = [(await rig.post(GOOD)).content for _ in range(2)]
            assert await bits(rig) == {"system_failure"}
            return [serial_of(body) for body in bodies]

    with committing(folder) as committer:
        given = asyncio.run(run(committer))
    assert given == [first.hex(), second.hex()]
    assert [leaf["serial"] for leaf in leaves(folder)] == given


class Pushing:
    """The ledger, beside a keeper whose push of the new configuration comes with the first refusal."""

    def __init__(self, committer: Committer, issuer: Issuer) -> None:
        self._committer, self._issuer = committer, issuer

    def append(self, *records: Record) -> Future[AppendOutcome]:
        future = self._committer.append(*records)
        future.add_done_callback(lambda done: self._push(done.result()))
        return future

    def _push(self, outcome: AppendOutcome) -> None:
        if isinstance(outcome, Refused):
            self._issuer.activate(ActiveConfiguration(1, "new"))


def test_a_token_of_an_older_configuration_is_made_again_under_the_new_one(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("classical").folder
    monkeypatch.setattr(responder, "SWEEP_SECONDS", 0.1)

    async def run(committer: Committer) -> None:
        async with rigged(folder, committer) as rig:
            granted((await rig.post(GOOD)).content)
            committer.append_epoch(Record(CFG_ACTIVATED, {"cfg": "new"}), 1).result()
            with monkeypatch.context() as patch:
                patch.setattr(responder, "PATIENCE_SECONDS", 0.5)
                assert await bits(rig) == {"system_failure"}, "this worker has not heard of the new one"
            rig.keeper.journal = Pushing(committer, rig.issuer)
            granted((await rig.post(GOOD)).content)

    with committing(folder) as committer:
        asyncio.run(run(committer))
    first, activated, second = leaves(folder)
    assert activated["kind"] == CFG_ACTIVATED
    assert (first["cfg"] != "new", second["cfg"]) == (True, "new")
