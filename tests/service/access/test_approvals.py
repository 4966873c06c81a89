"""What two people must want: nobody does it alone, no machine does, and nothing is done twice or later."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service.access import approvals
from tests.service.access.desks import (
    KEY,
    OWNER,
    TWO,
    leaves_of,
    person,
    proposed,
    switching,
    tenant,
    until_us,
)
from tests.service.keepers import keeping

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from tests.service.keepers import Ask
    from tests.service.running import Prepared

ACCESS_TWO = {"TSA_ACCESS__APPROVALS": "2"}


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


def default(ask: Ask) -> str:
    (found,) = (each["name"] for each in ask("profile.list", OWNER)["profiles"] if each["state"] == "default")
    return str(found)


def test_one_alone_changes_nothing_and_both_stand_in_the_leaves(folder: DataFolder) -> None:
    with switching(folder) as ask:
        waiting = proposed(ask("profile.use", OWNER, name="pq"))
        assert ask("approval.approve", OWNER, approval=waiting)["code"] == "SELF_APPROVAL"
        assert default(ask) == "classical"
        assert ask("approval.approve", KEY, approval=waiting)["default"] == "pq"
        assert ask("approval.approve", KEY, approval=waiting)["code"] == "APPROVAL_UNKNOWN", "twice"
    asked, given, done = leaves_of(folder, "approval.proposed", "approval.given", "cfg.activated")[1:]
    assert (asked["actor"], asked["act"], asked["about"]) == (OWNER, "profile.use", "pq")
    assert (given["actor"], given["proposer"], given["proposal"]) == (KEY, OWNER, waiting)
    assert done["actor"] == f"{OWNER}+{KEY}"


def test_a_machine_and_whoever_lacks_the_role_are_no_second_person(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        program = person(ask, "program", "approve", person=False)
        clerk = person(ask, "clerk", "operate", "audit")
        second = person(ask, "second")
        off = person(ask, "off")
        assert ask("access.client.disable", OWNER, client=off)["ok"]
    with switching(folder) as ask:
        waiting = proposed(ask("profile.use", KEY, name="pq"))
        for actor, code in (
            (program, "PERSON_WANTED"),
            (clerk, "ROLE_WANTED"),
            (off, "ROLE_WANTED"),
            ("c-aaaaaaaaaaaaaaaa", "APPROVAL_UNKNOWN"),
            ("", "APPROVAL_UNKNOWN"),
        ):
            assert ask("approval.approve", actor, approval=waiting)["code"] == code, actor
        claims = {"actor": program, "person": True, "roles": ["approve"]}
        answer = ask("approval.approve", program, approval=waiting, by=claims)
        assert answer["code"] == "PERSON_WANTED", "what a worker claims is not asked"
        assert default(ask) == "classical"
        assert ask("approval.approve", second, approval=waiting)["default"] == "pq"


def test_a_person_made_after_the_proposal_cannot_approve_it(folder: DataFolder) -> None:
    with switching(folder) as ask:
        waiting = proposed(ask("profile.use", OWNER, name="pq"))
        accomplice = person(ask, "accomplice")
        assert ask("approval.approve", accomplice, approval=waiting)["code"] == "APPROVER_TOO_NEW"
        assert default(ask) == "classical"


@pytest.mark.parametrize(
    "change", [{"roles": ["approve"]}, {"ends_us": 1}, None], ids=["role", "validity", "disabled"]
)
def test_what_somebody_proposed_who_may_not_any_more_is_over(
    folder: DataFolder, change: dict[str, object] | None
) -> None:
    # Attack: a stolen key proposes; its client is shut out, and the proposal still waits for a yes.
    with keeping(folder) as ask:
        thief = person(ask, "thief", "operate", "approve")
    with switching(folder) as ask:
        waiting = proposed(ask("profile.use", thief, name="pq"))
        if change is None:
            assert ask("access.client.disable", OWNER, client=thief)["ok"]
        else:
            assert ask("access.client.change", OWNER, client=thief, **change)["ok"]
        assert ask("approval.approve", KEY, approval=waiting)["code"] == "APPROVAL_UNKNOWN"
        assert default(ask) == "classical"
    assert leaves_of(folder, "approval.ended")[-1]["why"] == "lapsed"


def test_a_tenants_person_sees_and_approves_nothing_of_the_service_or_of_others(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        ours, theirs = tenant(ask, "ours"), tenant(ask, "theirs")
        client = person(ask, "stamper", "stamp", tenant=ours, person=False)
        our_person, their_person = person(ask, "a", tenant=ours), person(ask, "b", tenant=theirs)
    with switching(folder) as ask:
        switch = proposed(ask("profile.use", OWNER, name="pq"))
        asked = {"client": client, "kind": "stamp", "count": 1, "until_us": until_us()}
        grant = proposed(ask("activation.propose", OWNER, **asked))
        for actor, visible in ((our_person, [grant]), (their_person, []), (OWNER, [switch, grant])):
            listed = ask("approval.list", actor)["approvals"]
            assert [each["approval"] for each in listed] == visible
        for waiting in (switch, grant):
            for act in ("approve", "deny"):
                answer = ask(f"approval.{act}", their_person, approval=waiting)
                assert answer["code"] == "APPROVAL_UNKNOWN"
        assert ask("approval.approve", our_person, approval=switch)["code"] == "APPROVAL_UNKNOWN"
        assert ask("approval.approve", our_person, approval=grant)["ok"]
        assert ask("activation.propose", their_person, **asked)["code"] == "CLIENT_UNKNOWN"


def test_a_proposal_survives_a_restart(folder: DataFolder) -> None:
    with switching(folder) as ask:
        waiting = proposed(ask("profile.use", OWNER, name="pq"))
    with switching(folder) as ask:
        (listed,) = ask("approval.list", KEY)["approvals"]
        assert (listed["approval"], listed["operation"], listed["proposer"]) == (
            waiting,
            "profile.use",
            OWNER,
        )
        assert listed["arguments"] == {"name": "pq"}
        assert ask("approval.approve", KEY, approval=waiting)["default"] == "pq"
    with switching(folder) as ask:
        assert ask("approval.approve", KEY, approval=waiting)["code"] == "APPROVAL_UNKNOWN"


def test_a_proposal_expires_and_that_is_on_record(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with switching(folder) as ask:
        waiting = proposed(ask("profile.use", OWNER, name="pq"))
        monkeypatch.setattr(approvals, "APPROVAL_SECONDS", 0)
        assert ask("approval.approve", KEY, approval=waiting)["code"] == "APPROVAL_UNKNOWN"
        assert ask("approval.list", KEY)["approvals"] == []
        assert default(ask) == "classical"
    (ended,) = leaves_of(folder, "approval.ended")
    assert (ended["proposal"], ended["why"]) == (waiting, "expired")


def test_a_proposal_lapses_with_the_configuration_that_it_was_made_in(folder: DataFolder) -> None:
    with switching(folder) as ask:
        stale = [proposed(ask(act, OWNER, name="classical")) for act in ("profile.rollback", "keys.rotate")]
        stale.append(proposed(ask("profile.use", OWNER, name="cnsa2")))
        other = proposed(ask("profile.use", OWNER, name="pq"))
        assert ask("approval.approve", KEY, approval=other)["ok"]
        for waiting in stale:
            assert ask("approval.approve", KEY, approval=waiting)["code"] == "APPROVAL_UNKNOWN"
        assert default(ask) == "pq"
    assert [leaf["why"] for leaf in leaves_of(folder, "approval.ended")] == ["lapsed"] * 3


def test_a_proposal_lapses_when_the_settings_were_changed_before_a_restart(folder: DataFolder) -> None:
    with switching(folder) as ask:
        waiting = proposed(ask("profile.use", OWNER, name="pq"))
    with switching(folder, TSA_RETENTION_YEARS="7") as ask:
        assert ask("approval.approve", KEY, approval=waiting)["code"] == "APPROVAL_UNKNOWN"


def test_what_was_denied_or_taken_back_is_over(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        clerk, other = person(ask, "clerk", "operate"), person(ask, "other", "operate")
        second = person(ask, "second")
    with switching(folder) as ask:
        first = proposed(ask("profile.use", clerk, name="pq"))
        assert ask("approval.deny", other, approval=first)["code"] == "ROLE_WANTED"
        assert ask("approval.deny", second, approval=first) == {"ok": True}
        assert ask("approval.deny", second, approval=first)["code"] == "APPROVAL_UNKNOWN"
        again = proposed(ask("profile.use", clerk, name="pq"))
        assert ask("approval.deny", clerk, approval=again)["ok"], "who proposed may take it back"
        for waiting in (first, again):
            assert ask("approval.approve", second, approval=waiting)["code"] == "APPROVAL_UNKNOWN"
    ended = leaves_of(folder, "approval.ended")
    assert [(leaf["actor"], leaf["why"]) for leaf in ended] == [(second, "denied"), (clerk, "denied")]


def test_an_old_copy_of_the_state_lets_nothing_happen_twice(folder: DataFolder, tmp_path: Path) -> None:
    with switching(folder) as ask:
        waiting = proposed(ask("profile.use", OWNER, name="pq"))
        denied = proposed(ask("profile.use", OWNER, name="cnsa2"))
    shutil.copy(folder.state, tmp_path / "old")
    with switching(folder) as ask:
        assert ask("approval.deny", KEY, approval=denied)["ok"]
        assert ask("approval.approve", KEY, approval=waiting)["ok"]
    with keeping(folder) as ask:
        assert ask("profile.rollback", OWNER)["default"] == "classical"
    # The configuration in force is the one that it was proposed in, so nothing but the ledger says no.
    put_back(folder, tmp_path / "old")
    with switching(folder) as ask:
        assert len(ask("approval.list", KEY)["approvals"]) == 2
        for each in (waiting, denied):
            assert ask("approval.approve", KEY, approval=each)["code"] == "APPROVAL_UNKNOWN"
        assert default(ask) == "classical"


def put_back(folder: DataFolder, old: Path) -> None:
    for left in ("-wal", "-shm"):
        folder.state.with_name(folder.state.name + left).unlink(missing_ok=True)
    shutil.copy(old, folder.state)


def test_a_row_that_nobody_proposed_cannot_be_approved(folder: DataFolder, tmp_path: Path) -> None:
    with switching(folder) as ask:
        proposed(ask("profile.use", OWNER, name="pq"))
    shutil.copy(folder.state, tmp_path / "other")
    forged = forge(tmp_path / "other")
    put_back(folder, tmp_path / "other")
    with switching(folder) as ask:
        assert ask("approval.approve", OWNER, approval=forged)["code"] == "APPROVAL_UNKNOWN"
        assert default(ask) == "classical"


def forge(state: Path) -> str:
    """Put another id on the one row there is, and say that another one proposed it."""
    import sqlite3  # noqa: PLC0415  # a stranger's tool, not ours

    with sqlite3.connect(state) as rows:
        rows.execute("UPDATE approval SET id = 'p-forged', proposer = 'operator-key'")
        assert rows.execute("SELECT count(*) FROM approval").fetchone() == (1,)
    rows.close()
    return "p-forged"


def test_proposals_are_bounded_and_only_of_what_can_be(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "MAX_APPROVALS", 3)
    with switching(folder) as ask:
        for name in ("nonsense", "x" * 50_000):
            assert ask("profile.use", OWNER, name=name)["code"] == "SWITCH_BLOCKED"
        assert ask("profile.disable", OWNER, name="pq")["code"] == "SWITCH_BLOCKED"
        for _ in range(3):
            proposed(ask("profile.use", OWNER, name="pq"))
        assert ask("profile.use", OWNER, name="pq")["code"] == "APPROVALS_TOO_MANY"
        assert ask("profile.rollback", OWNER, name="x" * 50_000)["code"] == "APPROVALS_TOO_MANY"


def test_with_two_approvals_nobody_changes_access_alone_and_no_key_waits_in_the_open(
    folder: DataFolder,
) -> None:
    with keeping(folder) as ask:
        client = person(ask, "stamper", "stamp", person=False)
    with keeping(folder, ACCESS_TWO) as ask:
        acts: dict[str, dict[str, Any]] = {
            "access.tenant.add": {"name": "acme"},
            "access.client.change": {"client": client, "roles": ["stamp", "audit"]},
            "access.client.disable": {"client": client},
        }
        for operation, arguments in acts.items():
            waiting = proposed(ask(operation, OWNER, **arguments))
            assert ask("approval.approve", OWNER, approval=waiting)["code"] == "SELF_APPROVAL"
        assert ask("access.key.create", OWNER, client="c-aaaaaaaaaaaaaaaa")["code"] == "CLIENT_UNKNOWN"
        made = ask("access.key.create", OWNER, client=client)
        waiting, text = proposed(made), made["text"]
        assert not ask("access.key.list", OWNER)["keys"], "no key before two have wanted it"
        assert text not in str(ask("approval.list", OWNER))
        assert text not in str(ask("approval.approve", KEY, approval=waiting))
        (key,) = ask("access.key.list", OWNER)["keys"]
        assert key["key"] == made["key"]
    for path in folder.root.rglob("*"):
        assert not path.is_file() or text.encode() not in path.read_bytes(), path
    changed = leaves_of(folder, "access.changed")[-1]
    assert (changed["act"], changed["actor"], changed["approver"]) == ("key.created", OWNER, KEY)


def test_what_was_approved_and_cannot_be_done_any_more_says_so_and_is_over(folder: DataFolder) -> None:
    with keeping(folder, ACCESS_TWO) as ask:
        first, second = (proposed(ask("access.tenant.add", OWNER, name="acme")) for _ in range(2))
        assert ask("approval.approve", KEY, approval=first)["ok"]
        answer = ask("approval.approve", KEY, approval=second)
        assert (answer["code"], answer["field"]) == ("VALUE_UNFIT", "name")
        assert ask("approval.list", OWNER)["approvals"] == []


def test_a_proposal_needs_no_running_service(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    from kokuin.service.operating import operate  # noqa: PLC0415  # as the command loads it

    monkeypatch.setenv("TSA_SWITCH__APPROVALS", "2")
    waiting = proposed(operate(folder, "profile.use", {"name": "pq"}))
    assert operate(folder, "approval.approve", {"approval": waiting})["code"] == "SELF_APPROVAL"
    with keeping(folder, TWO) as ask:
        assert ask("approval.approve", KEY, approval=waiting)["default"] == "pq"


def test_of_two_that_approve_at_once_one_does_it(folder: DataFolder) -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # for this test alone

    with keeping(folder) as ask:
        people = [person(ask, str(number)) for number in range(4)]
        time.sleep(0.001)
    with keeping(folder, ACCESS_TWO) as ask, ThreadPoolExecutor(4) as threads:
        waiting = proposed(ask("access.tenant.add", OWNER, name="acme"))
        answers = list(threads.map(lambda actor: ask("approval.approve", actor, approval=waiting), people))
        assert sorted(answer.get("code", "") for answer in answers) == ["", *["APPROVAL_UNKNOWN"] * 3]
    assert len(leaves_of(folder, "approval.given")) == 1
