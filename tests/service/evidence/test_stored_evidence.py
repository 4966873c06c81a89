"""Stored evidence in inventory and roadmap: on whose signatures it rests, by when it is to be renewed."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.inventory import lines
from kokuin.cli.messages import LANGUAGES
from kokuin.service.config import load_config
from kokuin.service.migration.gathering import gather
from kokuin.service.migration.inventory import document
from kokuin.service.migration.roadmap import Act, roadmap
from tests.service.evidence.evidencing import issuer_of, living

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("hybrid").folder


async def cover(folder: DataFolder, monkeypatch: pytest.MonkeyPatch, *, renewed: bool = False) -> None:
    async with living(folder, monkeypatch) as life:
        for _ in range(2):
            await life.issue(3)
            await life.batcher.look()
        if renewed:
            assert (await life.keeper.ask("keys.rotate", {"name": "evidence", "actor": "owner"}))["ok"]
            assert (await life.renew())["batches"] == 2
            life.issuer = issuer_of(folder, life.keeper)
            await life.issue(1)
            await life.batcher.look()


def test_evidence_is_listed_by_the_signer_that_it_rests_on_and_planned_for(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(folder.root)
    assert gather(folder, config).evidence == ()
    asyncio.run(cover(folder, monkeypatch))
    made = gather(folder, config, "baseline", 12.0)
    (held,) = made.evidence
    assert (held.unit, held.suites, held.batches, held.tokens, held.stamps) == (
        "evidence",
        ("ml-dsa-65",),
        2,
        6,
        1,
    )
    assert held.cause == "UNIT_EXPIRES"
    (told,) = document(made)["evidence"]
    years = dt.datetime.fromisoformat(told["until"]) - made.made
    assert 10.9 < years.days / 365.25 < 11.1
    (step,) = (each for each in roadmap(made).milestones if each.act is Act.RENEW_EVIDENCE)
    assert (step.last.isoformat(), step.names, step.tokens) == (told["until"][:10], ("evidence",), 6)
    soon = roadmap(gather(folder, config, "baseline", 5.0))
    assert not [each for each in soon.milestones if each.act is Act.RENEW_EVIDENCE], "nobody needs them then"
    for lang in LANGUAGES:
        assert any(line.startswith("        2         6  evidence  ml-dsa-65") for line in lines(made, lang))


def test_what_was_renewed_rests_on_the_newer_certificate_beside_what_needed_no_renewal(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(cover(folder, monkeypatch, renewed=True))
    found = gather(folder, load_config(folder.root), "baseline").evidence
    assert sorted((each.batches, each.tokens, each.stamps) for each in found) == [(1, 1, 1), (2, 6, 2)]
    assert len({each.signer for each in found}) == 1


def test_a_strict_policy_decides_and_what_holds_no_more_stands_first(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asyncio.run(cover(folder, monkeypatch))
    own = tmp_path / "own.toml"
    own.write_text(
        'edition = "1"\nsource = "house"\n[sources.house]\ntitle = "house"\nedition = "1"\n'
        '[[rows]]\nroles = ["signature"]\nalgorithms = ["ml-dsa"]\nusages = ["verify"]\nstatus = "allowed"\n'
        'until = 2020-01-01\nsource = "house"\n'
    )
    (held,) = gather(folder, load_config(folder.root), str(own)).evidence
    assert held.until is None
    assert (held.cause != "", held.policy) == (True, "own")
