"""The desk with real children: what is released is on record, and a lower level only where it was allowed."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from eseal.material import MaterialProblem
from eseal.profile import Format
from eseal.values import Level
from kokuin.service.eseals import pool
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.tasks import Act, Task
from kokuin.trust.journal import AppendRefusal, Refused
from tests.service.eseals.benches import ACTOR, TENANT, benched

DATA = b"a letter\n"


@pytest.fixture(autouse=True)
def _at_once(at_once: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", at_once)


def cades(level: Level | None = None, min_level: Level | None = None, **options: str) -> Task:
    return Task(Act.SEAL, Format.CADES, level=level, min_level=min_level, options=options)


def refused(error: pytest.ExceptionInfo[SealRefusedError]) -> tuple[SealCode, str]:
    return error.value.code, error.value.reason


def test_a_seal_is_on_record_with_digests_of_what_came_and_what_left() -> None:
    async def run() -> None:
        async with benched() as bench:
            sealed, octets = await bench.make(cades(Level.B_T), DATA)
            (record,) = bench.journal.records
            assert (sealed.level, sealed.lowered, bench.stamped) == (Level.B_T, "", 1)
            assert record.kind == "seal.issued"
            assert record.fields["doc"] == hashlib.sha256(DATA).hexdigest()
            assert record.fields["out"] == hashlib.sha256(octets).hexdigest()
            assert (record.fields["tenant"], record.fields["actor"]) == (TENANT, ACTOR)
            assert len(record.fields["toks"]) == 1  # type: ignore[arg-type]  # a list
            assert record.fields["id"] == sealed.record

    asyncio.run(run())


def test_without_time_stamps_a_seal_is_lowered_only_where_that_was_allowed() -> None:
    async def run() -> None:
        async with benched() as bench:
            bench.stamps_down = True
            with pytest.raises(SealRefusedError) as error:
                await bench.make(cades(Level.B_T), DATA)
            assert refused(error) == (SealCode.STAMP_UNAVAILABLE, "CLOCK")
            assert bench.journal.records == []
            lowered, octets = await bench.make(cades(Level.B_LTA, Level.B_B), DATA)
            (record,) = bench.journal.records
            assert (lowered.level, lowered.asked, lowered.lowered) == (Level.B_B, Level.B_LTA, "CLOCK")
            assert (record.fields["level"], record.fields["asked"], record.fields["lowered"]) == (
                "B-B",
                "B-LTA",
                "CLOCK",
            )
            bench.stamps_down = False
            repaired, _ = await bench.make(Task(Act.EXTEND, Format.CADES, level=Level.B_T), octets)
            assert repaired.level is Level.B_T
            assert bench.journal.records[-1].fields["act"] == "extend"

    asyncio.run(run())


def test_what_the_ledger_does_not_take_is_not_released() -> None:
    async def run() -> None:
        async with benched() as bench:
            for reason, code in (
                (AppendRefusal.FULL, SealCode.NOT_RECORDED),
                (AppendRefusal.STOPPED, SealCode.STOPPED),
            ):
                bench.journal.script.append(Refused(reason))
                with pytest.raises(SealRefusedError) as error:
                    await bench.make(cades(Level.B_B), DATA)
                assert error.value.code is code

    asyncio.run(run())


@pytest.mark.parametrize(
    ("rogue", "level"),
    [
        ("signs", "B-T"),
        ("other key", "B-T"),
        ("lies", "B-T"),
        ("lies", "B-LTA"),
        ("mutters", "B-T"),
        ("dies", "B-T"),
        ("boasts", "B-T"),
        ("nests", "B-T"),
    ],
)
def test_a_child_that_a_document_took_over_gets_nothing_released(
    rogue: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused_by_rogue(rogue, level, monkeypatch) is SealCode.FAILED


def test_a_document_that_cost_too_much_is_told_so_though_its_child_takes_its_time_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert refused_by_rogue("dies slowly", "B-T", monkeypatch) is SealCode.TOO_COSTLY


def refused_by_rogue(rogue: str, level: str, monkeypatch: pytest.MonkeyPatch) -> SealCode:
    """Let such a child work on a document; return the code of the refusal."""
    monkeypatch.setenv("ROGUE", rogue)
    monkeypatch.setenv("ROGUE_LEVEL", level)
    monkeypatch.setattr(pool, "CHILD", "tests.service.eseals.rogue_child")

    async def run() -> SealCode:
        async with benched() as bench:
            with pytest.raises(SealRefusedError) as error:
                await bench.make(cades(Level.B_T), DATA)
            assert bench.journal.records == []
            return error.value.code

    return asyncio.run(run())


def test_a_level_that_lacks_revocation_data_is_lowered_only_where_that_was_allowed() -> None:
    async def run() -> None:
        async with benched() as bench:
            bench.keyring.material_at_hand = None
            with pytest.raises(SealRefusedError) as error:
                await bench.make(cades(Level.B_LTA), DATA)
            assert refused(error) == (SealCode.MATERIAL_MISSING, "MATERIAL_NO_REVOCATION")
            sealed, _ = await bench.make(cades(Level.B_LTA, Level.B_B), DATA)
            assert (sealed.level, sealed.lowered) == (Level.B_T, "MATERIAL_NO_REVOCATION")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (MaterialProblem.NO_REVOCATION, SealCode.MATERIAL_MISSING),
        (MaterialProblem.NO_PATH, SealCode.DOCUMENT_UNFIT),
    ],
)
def test_a_seal_that_cannot_be_raised_says_whether_its_own_certificate_or_we_are_why(
    problem: MaterialProblem, code: SealCode
) -> None:
    """Attack: a stranger's seal must not look like a failure of ours, nor one of the time-stamps."""

    async def run() -> None:
        async with benched() as bench:
            _, octets = await bench.make(cades(Level.B_T), DATA)
            bench.keyring.material_at_hand, bench.keyring.problem = None, problem
            for least in (Level.B_B, Level.B_LT):
                with pytest.raises(SealRefusedError) as error:
                    await bench.make(
                        Task(Act.EXTEND, Format.CADES, level=Level.B_LT, min_level=least), octets
                    )
                assert refused(error) == (code, problem)

    asyncio.run(run())
