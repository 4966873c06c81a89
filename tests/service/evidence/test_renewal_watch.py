"""The watch over stored evidence: what ends first, when, why, and that it came nearer."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from kokuin.service import provisioning
from kokuin.service.config import load_config
from kokuin.service.evidence import ages, standing
from kokuin.service.evidence.renewal_watch import ENDS_SOONER, RENEWAL_DUE, RenewalWatch
from kokuin.trust.hierarchy import make_development_hierarchy
from pqc.policies import parse_policy
from tests.ownpolicy import policy_text, row
from tests.service.evidence.evidencing import living

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.datafolder import DataFolder
    from pqc.policies import Policy
    from tests.service.running import Prepared

DAY_US = 86_400_000_000
TODAY = dt.datetime.now(dt.UTC).date()
LATE, SOON, GONE = (str(TODAY + dt.timedelta(days)) for days in (1_500, 70, -2_000))
HASHES = ("imprint", "tree", "signature-digest", "certificate-id")


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("hybrid").folder


def falling(until: str) -> Policy:
    """Make a policy by which ML-DSA is relied on until then."""
    rows = (
        row("signature", ["ecdsa"], ["verify"]),
        row("signature", ["ml-dsa"], ["verify"], until=until),
        row(HASHES, ["sha256", "sha384", "sha512"], ["verify"]),
    )
    return parse_policy("falling", policy_text(*rows))


def watched(folder: DataFolder) -> tuple[RenewalWatch, list[Any]]:
    """Start a watch, as a start of the service does, and let it look once."""
    watch = RenewalWatch(folder, load_config(folder.root))
    with capture_logs() as logs:
        asyncio.run(watch.look())
    return watch, logs


async def cover(folder: DataFolder, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    async with living(folder, monkeypatch) as life:
        for _ in range(count):
            await life.issue(2)
            await life.batcher.look()


def test_what_ends_first_is_known_and_nothing_is_due_for_ten_years(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watched(folder)[0].first is None, "there is no evidence yet"
    asyncio.run(cover(folder, monkeypatch, 3))
    watch, logs = watched(folder)
    assert watch.first is not None
    years = (watch.first.until - time.time_ns() // 1_000) / DAY_US / 365.25
    assert 10.9 < years < 11.1
    assert (watch.first.batches, watch.first.tokens, watch.first.cause) == (3, 6, "UNIT_EXPIRES")
    assert (watch.warnings, logs) == ((), [])


def test_a_policy_that_shortens_the_date_is_told_once_and_what_is_due_at_every_look(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(cover(folder, monkeypatch, 1))
    watched(folder)
    monkeypatch.setattr(standing, "load_policy", lambda _: falling(LATE))
    _, logs = watched(folder)
    (sooner,) = logs
    assert sooner["event"] == ENDS_SOONER
    assert (sooner["until"][:10], sooner["cause"]) == (LATE, "ALGORITHM_ENDS")
    assert sooner["before"] > sooner["until"]
    assert "falling" in sooner["policy"]
    assert watched(folder)[1] == [], "it is told once"
    monkeypatch.setattr(standing, "load_policy", lambda _: falling(SOON))
    watch, logs = watched(folder)
    assert {each["event"] for each in logs} == {RENEWAL_DUE, ENDS_SOONER}
    assert watch.warnings == (RENEWAL_DUE,)
    assert [each["event"] for each in watched(folder)[1]] == [RENEWAL_DUE]
    monkeypatch.setattr(standing, "load_policy", lambda _: falling(GONE))
    watch, _ = watched(folder)
    assert watch.first is not None
    assert (watch.first.act, watch.first.until) == ("too-late", 0)
    assert watch.first.document()["until"] is None


def test_what_was_renewed_counts_where_it_ends_now(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ages, "STEP", 2)

    def longer(*words: Any, days: int, **more: Any) -> Any:
        # Else it would end when the former one does, should both be made within a second.
        return make_development_hierarchy(*words, days=days + 1, **more)

    monkeypatch.setattr(provisioning, "make_development_hierarchy", longer)

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            watch = RenewalWatch(folder, load_config(folder.root))
            for _ in range(3):
                await life.issue()
                await life.batcher.look()
            await watch.look()
            assert watch.first is None, "not all is read yet"
            await watch.look()
            assert watch.first is not None
            before = watch.first.until
            assert (await life.keeper.ask("keys.rotate", {"name": "evidence", "actor": "owner"}))["ok"]
            assert (await life.renew())["batches"] == 3
            watch._judged = 0.0
            for _ in range(2):
                await watch.look()
            assert watch.first.until > before
            assert watch.first.batches == 3

    asyncio.run(live())


def test_status_and_metrics_tell_it(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "load_policy", lambda _: falling(SOON))

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            await life.issue()
            await life.batcher.look()
            await life.keeper._ends.look()
            status = await life.keeper.ask("status", {"actor": "owner"})
            assert status["warnings"] == [RENEWAL_DUE]
            assert status["evidence_ends"]["until"].startswith(SOON)
            assert RENEWAL_DUE not in status["problems"]
            text = (await life.keeper.ask("metrics", {"actor": "owner"}))["text"]
            assert "kokuin_evidence_renewal_due 1.0" in text
            (end,) = (line for line in text.splitlines() if line.startswith("kokuin_evidence_end_seconds "))
            assert float(end.split()[1]) > time.time()

    asyncio.run(live())
