"""What is read of access where nobody serves, against what the keeper says of the same folder."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service.access import approvals
from kokuin.service.access.unserved import ACCESS_READS, read_access
from kokuin.service.config import load_config
from kokuin.service.owning import operate_alone
from tests.service.access.desks import AFTERWARDS_S, KEY, OWNER, later, person, proposed, until_us
from tests.service.keepers import keeping
from tests.service.running import leaves

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


def read_alike(folder: DataFolder) -> dict[str, dict[str, Any]]:
    """Read all without an owner and without a leaf, and hold it against what the keeper says then."""
    before, config = leaves(folder), load_config(folder.root, dict(os.environ))
    found = {name: read_access(folder, config, name) for name in sorted(ACCESS_READS)}
    assert {name: operate_alone(folder, name, {}) for name in found} == found
    assert leaves(folder) == before
    with keeping(folder) as ask:
        assert {name: ask(name, OWNER) for name in found} == found
    return found


def put_back(folder: DataFolder, copy: Path) -> None:
    for left in ("-wal", "-shm"):
        folder.state.with_name(folder.state.name + left).unlink(missing_ok=True)
    shutil.copy(copy, folder.state)


def test_a_stop_is_told_as_the_keeper_tells_it_whatever_state_is_put_back(
    folder: DataFolder, tmp_path: Path
) -> None:
    assert read_alike(folder)["stop.show"] == {"ok": True, "stopped": False}
    shutil.copy(folder.state, tmp_path / "unstopped")
    with keeping(folder) as ask:
        assert ask("stop.set", OWNER, reason="a key may be out")["ok"]
    stopped = read_alike(folder)["stop.show"]
    assert (stopped["reason"], stopped["recorded"]) == ("a key may be out", True)
    shutil.copy(folder.state, tmp_path / "stopped")
    put_back(folder, tmp_path / "unstopped")
    assert read_alike(folder)["stop.show"] == stopped, "the ledger alone knows of it"
    with keeping(folder) as ask:
        waiting = proposed(ask("stop.release", KEY))
        assert ask("approval.approve", OWNER, approval=waiting)["ok"]
    put_back(folder, tmp_path / "stopped")
    assert read_alike(folder)["stop.show"] == {"ok": True, "stopped": False}, "released since"


def test_a_stop_that_state_alone_knows_stands(folder: DataFolder, tmp_path: Path) -> None:
    shutil.copy(folder.ledger, tmp_path / "ledger")
    with keeping(folder) as ask:
        assert ask("stop.set", OWNER, reason="a key may be out")["ok"]
    for left in ("-wal", "-shm"):
        folder.ledger.with_name(folder.ledger.name + left).unlink(missing_ok=True)
    shutil.copy(tmp_path / "ledger", folder.ledger)
    found = read_access(folder, load_config(folder.root, dict(os.environ)), "stop.show")
    assert (found["stopped"], found["recorded"], found["reason"]) == (True, False, "a key may be out")


def test_an_older_state_gives_nobody_back_the_time_to_release_it(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping(folder) as ask:
        people = sorted(person(ask, name) for name in ("one", "two"))
    shutil.copy(folder.state, tmp_path / "before")
    with keeping(folder) as ask:
        assert ask("access.client.change", OWNER, client=people[0], ends_us=until_us())["ok"]
        assert ask("stop.set", OWNER, reason="a key may be out")["ok"]
        assert ask("stop.show", OWNER)["releasers"] == people
    later(monkeypatch, AFTERWARDS_S)
    assert read_alike(folder)["stop.show"]["releasers"] == sorted([*people, OWNER, KEY])
    put_back(folder, tmp_path / "before")
    assert read_alike(folder)["stop.show"]["releasers"] == sorted([*people, OWNER, KEY])


def test_proposals_and_activations_are_listed_alike(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping(folder) as ask:
        client = person(ask, "bulk")
        grant = {"client": client, "kind": "stamp", "count": 3, "until_us": until_us()}
        first = proposed(ask("activation.propose", KEY, **grant))
        assert ask("approval.approve", OWNER, approval=first)["ok"]
        waiting = proposed(ask("activation.propose", KEY, **grant))
    found = read_alike(folder)
    assert [each["approval"] for each in found["approval.list"]["approvals"]] == [waiting]
    assert [each["left"] for each in found["activation.list"]["activations"]] == [3]
    monkeypatch.setattr(approvals, "APPROVAL_SECONDS", 0)
    assert read_alike(folder)["approval.list"]["approvals"] == []
