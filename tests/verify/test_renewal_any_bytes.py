"""Hostile tokens and records in an archive: each is named or passed over, and none stops the renewal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from kokuin.verify.renewal.planning import Act
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tests.trust.evidences import DATA, PQ, moment, unit
from tests.trust.forge import verdict
from tests.verify.record_bombs import BY, HARMLESS, record_bombs
from tests.verify.renewals import Stage
from tests.verify.token_bombs import token_bombs

if TYPE_CHECKING:
    from pathlib import Path

NOW, DUE = moment(2033), moment(2040)
NEXT = unit(PQ, 2033)
RECORDS = ("many lists", "a long list", "an empty list", "many chains", "much material", "deep")
TOKENS = 6
"""Of the bombs that are tokens: `make fuzz` tries all with the judgement that stands behind this."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    for name in ("archive", "home"):
        (tmp_path / name).mkdir()
    return Stage(tmp_path / "archive", tmp_path / "home", (BY,), NEXT)


def token(data: bytes) -> bytes:
    return BY.stamp("sha256", DIGEST_BY_NAME["sha256"].of(data), moment(2026, 6, 1))


def test_bombs_beside_documents_and_tokens_stop_nobody(stage: Stage) -> None:
    for number, name in enumerate(RECORDS):
        octets = record_bombs()[name]()
        named = f"{number:02} {name}"
        (stage.folder / named).write_bytes(DATA)
        (stage.folder / f"{named}.er").write_bytes(octets)
        (stage.folder / f"beside {named}.tsr").write_bytes(token(DATA))
        (stage.folder / f"beside {named}.tsr.er").write_bytes(octets)
    (stage.folder / "sound.tsr").write_bytes(token(b"sound"))
    outcomes, entries = stage.renew(NOW, DUE)
    renewed = {each.token for each in entries if each.act.stamps}
    assert outcomes == {"renewed": len(renewed)}
    assert renewed <= {"sound.tsr", *(each.token for each in entries if each.token[3:-3] in HARMLESS)}
    assert "sound.tsr" in renewed
    assert verdict(stage.judge("sound.tsr", moment(2039), b"sound")) == ("PASSED", None)
    # Of what is not renewed, each has its reason.
    assert all(each.reason for each in entries if each.act is Act.TOO_LATE)


def test_bombs_that_are_tokens_stop_nobody(stage: Stage) -> None:
    for number, make in enumerate(list(token_bombs().values())[:TOKENS]):
        (stage.folder / f"{number:02}.tsr").write_bytes(make())
    (stage.folder / "sound.tsr").write_bytes(token(b"sound"))
    outcomes, entries = stage.renew(NOW, DUE)
    assert outcomes == {"renewed": 1}
    assert Counter(each.act for each in entries) == {Act.TOO_LATE: TOKENS, Act.NEW_RECORD: 1}
