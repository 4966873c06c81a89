"""The emergency stop: at once, for all, through every restart, until two people who were there release it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from kokuin.service.access import emergency
from kokuin.service.access.approvals import MAX_APPROVALS
from kokuin.service.access.emergency import MAX_PEOPLE
from kokuin.service.access.principal import Principal, Role
from kokuin.service.access.state_faults import StateFault, StateRefusedError
from kokuin.service.activation import load_installation
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.keeper_process import make_keeper
from kokuin.service.owner import ask_owner
from kokuin.service.responder import Responder
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import STOP_RELEASED, STOP_SET, TST_ISSUED, Record
from tests.requests import valid_requests
from tests.service.access.desks import (
    AFTERWARDS_S,
    KEY,
    OWNER,
    later,
    leaves_of,
    person,
    proposed,
    tenant,
    until_us,
)
from tests.service.asking import granted, query, read
from tests.service.keepers import keeping
from tests.service.running import PATIENCE_S, PLAIN, serving
from tsa.clock.reader import ClockReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.keeper import Keeper
    from kokuin.trust.journal import AppendOutcome, Journal
    from tests.service.keepers import Ask
    from tests.service.running import Prepared, Service

CONNECTIONS = 40
ANYBODY = Principal("public", "anonymous", frozenset({Role.STAMP}))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the leaf of a stop, however slow the disk is just now."""
    monkeypatch.setattr(emergency, "WRITE_SECONDS", PATIENCE_S)


@pytest.fixture
def prepared(folder_of: Callable[[str], Prepared]) -> Prepared:
    return folder_of("classical")


@pytest.fixture
def folder(prepared: Prepared) -> DataFolder:
    return prepared.folder


def refused(answer: httpx.Response) -> bool:
    """Say whether it is a rejection for the stop, in RFC 3161's words."""
    response = read(answer.content)
    status = response["status"]
    assert answer.status_code == 200
    if status["status"].native != "rejection":
        return False
    assert status["fail_info"].native == {"system_failure"}
    return "stopped" in str(status["status_string"].native)


def all_refuse(service: Service) -> bool:
    """Ask over many connections, so that each worker is asked."""
    headers = {"content-type": "application/timestamp-query"}

    def ask() -> httpx.Response:
        with httpx.Client(timeout=PATIENCE_S, trust_env=False, verify=PLAIN) as client:
            return client.post(service.url, content=query(), headers=headers)

    return all(refused(ask()) for _ in range(CONNECTIONS))


def until(fits: Callable[[], bool]) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + PATIENCE_S
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def issued(folder: DataFolder) -> int:
    return len(leaves_of(folder, "tst.issued"))


def test_a_stop_stops_all_workers_at_once_and_survives_death_and_an_older_state(
    prepared: Prepared, tmp_path: Path
) -> None:
    folder = prepared.folder
    shutil.copy(folder.state, tmp_path / "old")
    with serving(prepared, workers=2) as service:
        granted(service.post(query()).content)
        answer = ask_owner(folder.owner_socket, "stop.set", {"reason": "a key may be out"}, PATIENCE_S)
        assert (answer["ok"], answer["stopped"]) == (True, True)
        until(lambda: bool(ask_owner(folder.owner_socket, "stop.show", None, PATIENCE_S)["recorded"]))
        before = issued(folder)
        assert all_refuse(service)
        # What the ledger refuses needs no word to the workers; `/readyz` needs one.
        until(lambda: service.client.get("/readyz").status_code == 503)
        assert "EMERGENCY_STOP" in service.client.get("/readyz").json()["problems"]
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait(PATIENCE_S)
    with serving(prepared, workers=2, ready=False) as service:
        assert all_refuse(service)
        assert service.stop() == 0
    for left in ("-wal", "-shm"):
        folder.state.with_name(folder.state.name + left).unlink(missing_ok=True)
    shutil.copy(tmp_path / "old", folder.state)
    with serving(prepared, workers=2, ready=False) as service:
        assert all_refuse(service)
        assert issued(folder) == before
        waiting = proposed(ask_owner(folder.owner_socket, "stop.release", None, PATIENCE_S))
        again = ask_owner(folder.owner_socket, "approval.approve", {"approval": waiting}, PATIENCE_S)
        assert again["code"] == "SELF_APPROVAL"
        assert all_refuse(service)


def test_while_stopped_a_new_worker_refuses_from_its_first_answer(prepared: Prepared) -> None:
    with serving(prepared, workers=2) as service:
        ask_owner(prepared.folder.owner_socket, "stop.set", {"reason": "drill"}, PATIENCE_S)
        # Whoever is ready has one worker; the other may still be starting.
        until(lambda: children(service).keys() >= {"worker-1", "worker-2"})
        for name in ("worker-1", "worker-2"):
            os.kill(children(service)[name], signal.SIGKILL)
            service.event(event="child.ended", child=name)
        assert all_refuse(service)


def children(service: Service) -> dict[str, int]:
    """Return the processes below a parent by the names that it gave them."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        if parent == service.process.pid and "kokuin.service.child_program" in words:
            found[words[words.index("kokuin.service.child_program") + 2]] = int(process.name)
    return found


# What a keeper does, whatever a worker believes.


class _Held:
    """A journal to which what is appended comes late: after `let_go`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: list[tuple[tuple[Record, ...], Future[AppendOutcome]]] = []

    def append(self, *records: Record) -> Future[AppendOutcome]:
        future: Future[AppendOutcome] = Future()
        self._waiting.append((records, future))
        return future

    @property
    def signed(self) -> int:
        return sum(len(records) for records, _ in self._waiting)

    def let_go(self) -> None:
        for records, future in self._waiting:
            self._journal.append(*records).add_done_callback(
                lambda done, future=future: future.set_result(done.result())  # type: ignore[misc]  # bound at once
            )


async def _responding(folder: DataFolder, keeper: Keeper, journal: Journal) -> tuple[Responder, bytes]:
    """Make what a worker issues with, whom nobody tells of a stop; and a request that it grants."""
    config = load_config(folder.root, {})
    reader = ClockReader(config.clock_settings(1_000_000))
    snapshot = keeper.switchboard.snapshot
    installation = await asyncio.to_thread(load_installation, folder, config, snapshot, reader)
    installation.activate(keeper.active)
    verdict = keeper._clock.verdict
    assert verdict is not None
    installation.update_clock(verdict)
    policy = installation.issuers["classical"].rules.policy
    responder = Responder(installation.issuers, installation.default, journal, installation.slow)
    return responder, valid_requests(policy)[-42]


def test_a_token_that_was_signed_before_the_stop_and_appended_after_never_leaves(folder: DataFolder) -> None:
    async def run() -> None:
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        held = _Held(keeper.journal)
        responder, body = await _responding(folder, keeper, held)
        try:
            answers = [asyncio.ensure_future(responder.answer(body, ANYBODY)) for _ in range(3)]
            while held.signed < len(answers):  # noqa: ASYNC110  # it is watched from outside
                await asyncio.sleep(0.01)
            assert (await keeper.ask("stop.set", {"reason": "now", "actor": OWNER}))["ok"]
            held.let_go()
            for answer in await asyncio.gather(*answers):
                assert answer.refusal is not None
                assert (answer.refusal.code, answer.serial) == ("EMERGENCY_STOP", "")
        finally:
            responder.close()
            await keeper.stop()

    asyncio.run(run())
    assert issued(folder) == 0


def test_what_a_worker_says_is_issued_is_refused_whatever_it_looks_like(folder: DataFolder) -> None:
    async def run() -> None:
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        try:
            await keeper.ask("stop.set", {"reason": "now", "actor": OWNER})
            for record in (
                Record(TST_ISSUED),
                Record("note.added", token=b"0", serial="1"),
                Record(TST_ISSUED),
            ):
                outcome = await asyncio.wrap_future(keeper.journal.append(Record("note.added"), record))
                assert isinstance(outcome, Refused)
                assert outcome.reason is AppendRefusal.STOPPED
        finally:
            await keeper.stop()

    asyncio.run(run())
    assert issued(folder) == 0


# Who releases it.


def stop(ask: Ask) -> None:
    assert ask("stop.set", OWNER, reason="a key may be out")["ok"]


def test_owner_and_operator_key_release_it_together_where_there_are_no_people(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        assert ask("stop.release", OWNER)["code"] == "STOP_NONE"
        only = person(ask, "only")
        stop(ask)
        assert ask("stop.show", OWNER)["releasers"] == [only, KEY, OWNER]
        waiting = proposed(ask("stop.release", KEY))
        assert ask("approval.approve", KEY, approval=waiting)["code"] == "SELF_APPROVAL"
        assert ask("approval.approve", OWNER, approval=waiting) == {"ok": True}
        assert ask("stop.show", OWNER) == {"ok": True, "stopped": False}
        assert ask("approval.approve", OWNER, approval=waiting)["code"] == "APPROVAL_UNKNOWN"
    (released,) = leaves_of(folder, "stop.released")
    (stopped,) = leaves_of(folder, "stop.set")
    assert (released["actor"], released["approver"], released["since"]) == (KEY, OWNER, stopped["at"])
    assert (stopped["reason"], stopped["people"]) == ("a key may be out", [only])


def test_where_people_were_there_they_alone_release_it(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        one, two = (person(ask, name) for name in ("one", "two"))
        program = person(ask, "program", person=False)
        stop(ask)
        assert ask("stop.show", OWNER)["releasers"] == sorted([one, two])
        for nobody in (OWNER, KEY, program):
            assert ask("stop.release", nobody)["code"] == "STOP_PEOPLE_WANTED"
        waiting = proposed(ask("stop.release", one))
        assert ask("approval.approve", OWNER, approval=waiting)["code"] == "STOP_PEOPLE_WANTED"
        assert ask("approval.approve", KEY, approval=waiting)["code"] == "STOP_PEOPLE_WANTED"
        assert ask("approval.approve", program, approval=waiting)["code"] == "PERSON_WANTED"
        assert ask("approval.approve", one, approval=waiting)["code"] == "SELF_APPROVAL"
    with keeping(folder) as ask:
        assert ask("approval.approve", two, approval=waiting)["ok"], "also after a restart"
        assert not ask("stop.show", OWNER)["stopped"]


def test_nobody_becomes_a_second_person_while_stopped(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        one, two = (person(ask, name, "operate", "approve") for name in ("one", "two"))
        clerk = person(ask, "clerk", "operate")
        stop(ask)
        acts: dict[str, dict[str, Any]] = {
            "access.client.add": {"tenant": "operator", "name": "new", "roles": ["approve"], "person": True},
            "access.client.change": {"client": clerk, "roles": ["approve"], "person": True},
            "access.key.create": {"client": two},
            "access.binding.add": {"client": two, "issuer": "https://own.example", "subject": "me"},
        }
        for operation, arguments in acts.items():
            waiting = proposed(ask(operation, one, **arguments))
            for nobody in (OWNER, KEY):
                assert ask("approval.approve", nobody, approval=waiting)["code"] == "STOP_PEOPLE_WANTED"
            assert ask("approval.deny", KEY, approval=waiting)["ok"]
        assert ask("access.key.list", OWNER)["keys"] == []
        new = proposed(ask("access.client.add", two, **acts["access.client.add"]))
        assert ask("approval.approve", one, approval=new)["ok"], "two may, but whom they add does not count"
        added = [each for each in ask("access.client.list", OWNER)["clients"] if each["name"] == "new"]
        late = str(added[0]["client"])
        assert ask("stop.release", late)["code"] == "STOP_PEOPLE_WANTED"
        waiting = proposed(ask("stop.release", one))
        assert ask("approval.approve", late, approval=waiting)["code"] == "STOP_PEOPLE_WANTED"
        gone = proposed(ask("access.client.disable", OWNER, client=two))
        assert ask("approval.approve", one, approval=gone)["ok"]
        assert ask("approval.approve", two, approval=waiting)["code"] == "ROLE_WANTED"
        assert ask("stop.show", OWNER)["stopped"]


def test_no_operator_alone_shuts_out_the_people_who_can_end_a_stop(folder: DataFolder) -> None:
    # Attack: one operator sets a stop and takes away what the others hold, and nothing is ever issued again.
    with keeping(folder) as ask:
        one, two = (person(ask, name, "operate", "approve") for name in ("one", "two"))
        clerk = person(ask, "clerk", "operate")
        key = ask("access.key.create", OWNER, client=two)["key"]
        bound = ask("access.binding.add", OWNER, client=two, issuer="https://a.example", subject="two")
        spare = ask("access.key.create", OWNER, client=clerk)["key"]
        stop(ask)
        taking: tuple[tuple[str, dict[str, Any]], ...] = (
            ("access.client.disable", {"client": two}),
            ("access.key.revoke", {"key": key}),
            ("access.binding.remove", {"binding": bound["binding"]}),
        )
        for operation, arguments in taking:
            waiting = proposed(ask(operation, clerk, **arguments))
            assert ask("approval.deny", one, approval=waiting)["ok"]
        assert ask("access.key.revoke", clerk, key=spare).get("state") is None, "others at once"
        waiting = proposed(ask("stop.release", one))
        assert ask("approval.approve", two, approval=waiting)["ok"]
        assert ask("access.client.disable", clerk, client=two).get("state") is None, (
            "and all, once it is over"
        )


def test_no_stop_is_for_ever_when_the_time_of_its_people_is_over(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping(folder) as ask:
        one, two = (person(ask, name) for name in ("one", "two"))
        assert ask("access.client.change", OWNER, client=two, ends_us=until_us())["ok"]
        stop(ask)
        assert ask("stop.release", OWNER)["code"] == "STOP_PEOPLE_WANTED"
        later(monkeypatch, AFTERWARDS_S)
        assert ask("stop.show", OWNER)["releasers"] == sorted([OWNER, KEY, one, two])
        waiting = proposed(ask("stop.release", one))
        assert ask("approval.approve", two, approval=waiting)["code"] == "ROLE_WANTED"
        assert ask("approval.approve", OWNER, approval=waiting)["ok"]
        assert not ask("stop.show", OWNER)["stopped"]


@pytest.mark.parametrize("approvals", ["1", "2"])
def test_one_of_the_people_with_a_shell_does_not_get_the_key_of_the_other_while_stopped(
    folder: DataFolder, approvals: str
) -> None:
    # Attack: a shell, or a program's credential, proposes a key of somebody else and is shown its text; one
    # of the people approves it, and is two of them from then on.
    with keeping(folder) as ask:
        one, two = (person(ask, name) for name in ("one", "two"))
        program = person(ask, "program", "operate", person=False)
    with keeping(folder, {"TSA_ACCESS__APPROVALS": approvals}) as ask:
        early = [ask("access.key.create", OWNER, client=two)] if approvals == "2" else []
        stop(ask)
        for nobody in (OWNER, KEY, program):
            answer = ask("access.key.create", nobody, client=two)
            assert answer["code"] == "STOP_PEOPLE_WANTED"
            assert "text" not in answer
        for answer in early:
            assert ask("approval.approve", one, approval=proposed(answer))["code"] == "STOP_PEOPLE_WANTED"
        assert ask("access.key.list", OWNER)["keys"] == []


def test_a_release_proposed_by_somebody_who_was_shut_out_since_is_over(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        one, two = (person(ask, name) for name in ("one", "two"))
        stop(ask)
        waiting = proposed(ask("stop.release", one))
        gone = proposed(ask("access.client.disable", OWNER, client=one))
        assert ask("approval.approve", two, approval=gone)["ok"]
        assert ask("approval.approve", two, approval=waiting)["code"] == "APPROVAL_UNKNOWN"
        assert ask("stop.show", OWNER)["stopped"]


def test_a_flood_of_proposals_does_not_keep_others_from_releasing_a_stop(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        ours = tenant(ask, "ours")
        client = person(ask, "stamper", "stamp", tenant=ours, person=False)
        flooder = person(ask, "flooder", tenant=ours)
        stop(ask)
        asked = {"client": client, "kind": "stamp", "count": 1, "until_us": until_us()}
        for _ in range(MAX_APPROVALS):
            proposed(ask("activation.propose", flooder, **asked))
        assert ask("activation.propose", flooder, **asked)["code"] == "APPROVALS_TOO_MANY"
        waiting = proposed(ask("stop.release", OWNER))
        assert ask("approval.approve", KEY, approval=waiting)["ok"]


def test_a_stop_that_is_set_while_a_release_is_being_recorded_stands(folder: DataFolder) -> None:
    async def run() -> None:
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        record = keeper._records.record
        held: list[Future[Any]] = []
        recorded = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slowly(kind: str, fields: Any) -> Any:
            if kind != STOP_RELEASED:
                return record(kind, fields)
            held.append(Future())
            written.append(record(kind, fields))
            written[0].add_done_callback(lambda _: loop.call_soon_threadsafe(recorded.set))
            return held[0]

        written: list[Any] = []
        keeper._records.record = slowly  # type: ignore[method-assign]  # a ledger that takes its time
        try:
            assert (await keeper.ask("stop.set", {"reason": "now", "actor": OWNER}))["ok"]
            waiting = proposed(await keeper.ask("stop.release", {"actor": OWNER}))
            releasing = asyncio.create_task(
                keeper.ask("approval.approve", {"approval": waiting, "actor": KEY})
            )
            await recorded.wait()
            assert (await keeper.ask("stop.set", {"reason": "again", "actor": OWNER}))["stopped"]
            held[0].set_result(written[0].result())
            await releasing
            assert (await keeper.ask("stop.show", {"actor": OWNER}))["stopped"], "it was told so"
        finally:
            await keeper.stop()

    asyncio.run(run())
    with keeping(folder) as ask:
        assert ask("stop.show", OWNER)["reason"] == "again", "also after a restart"


def test_whoever_says_stop_once_more_ends_what_would_release_it(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        stop(ask)
        waiting = proposed(ask("stop.release", OWNER))
        assert ask("stop.set", KEY, reason="not yet")["ok"]
        assert ask("approval.approve", KEY, approval=waiting)["code"] == "APPROVAL_UNKNOWN"
        assert ask("stop.show", OWNER)["reason"] == "a key may be out", "the first one stands"
    assert len(leaves_of(folder, "stop.set")) == 1


def test_a_release_is_of_the_stop_that_it_was_proposed_for(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        stop(ask)
        first, second = (proposed(ask("stop.release", OWNER)) for _ in range(2))
        assert ask("approval.approve", KEY, approval=first)["ok"]
        stop(ask)
        assert ask("approval.approve", KEY, approval=second)["code"] == "APPROVAL_UNKNOWN"
        assert ask("stop.show", OWNER)["stopped"]


# When the ledger or the state cannot take it.


def asked(folder: DataFolder, spoil: Callable[[Keeper], None]) -> dict[str, Any]:
    """Stop a keeper of which something was spoiled, and let it die."""

    async def run() -> dict[str, Any]:
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        spoil(keeper)
        try:
            answer = await keeper.ask("stop.set", {"reason": "now", "actor": OWNER})
            assert keeper._access.emergency.stopped
        finally:
            await keeper.stop()
        return answer

    return asyncio.run(run())


def refuse_leaf(keeper: Keeper) -> None:
    real = keeper._records.record

    def record(kind: str, fields: Any) -> Any:
        if kind != STOP_SET:
            return real(kind, fields)
        future = keeper.journal.append()
        future.result = lambda *_: Refused(AppendRefusal.FULL)  # type: ignore[method-assign]  # as a full disk
        return future

    keeper._records.record = record  # type: ignore[method-assign]  # likewise


def test_a_stop_that_the_ledger_cannot_take_stands_all_the_same_and_is_recorded_when_it_can(
    folder: DataFolder,
) -> None:
    answer = asked(folder, refuse_leaf)
    assert (answer["ok"], answer["stopped"], answer["recorded"]) == (True, True, False)
    assert leaves_of(folder, "stop.set") == []
    with keeping(folder) as ask:
        assert ask("stop.show", OWNER)["stopped"]
        until(lambda: bool(ask("stop.show", OWNER)["recorded"]))
        waiting = proposed(ask("stop.release", OWNER))
        assert ask("approval.approve", KEY, approval=waiting)["ok"]
    assert len(leaves_of(folder, "stop.set")) == 1
    with keeping(folder) as ask:
        assert not ask("stop.show", OWNER)["stopped"]


def test_an_old_row_of_a_stop_that_was_released_since_stops_nobody(
    folder: DataFolder, tmp_path: Path
) -> None:
    assert asked(folder, refuse_leaf)["ok"]
    shutil.copy(folder.state, tmp_path / "old")
    with keeping(folder) as ask:
        waiting = proposed(ask("stop.release", OWNER))
        done = ask("approval.approve", KEY, approval=waiting)
        if not done["ok"]:  # recorded meanwhile, so that the release was of a stop without a leaf
            waiting = proposed(ask("stop.release", OWNER))
            assert ask("approval.approve", KEY, approval=waiting)["ok"]
    shutil.copy(tmp_path / "old", folder.state)
    with keeping(folder) as ask:
        assert not ask("stop.show", OWNER)["stopped"]


def test_a_ledger_that_lost_the_leaf_of_a_stop_gets_it_again(folder: DataFolder, tmp_path: Path) -> None:
    shutil.copytree(folder.root, tmp_path / "before")
    with keeping(folder) as ask:
        stop(ask)
    lossy = DataFolder(tmp_path / "before")
    shutil.copy(folder.state, lossy.state)
    assert leaves_of(lossy, "stop.set") == []
    with keeping(lossy) as ask:
        assert ask("stop.show", OWNER)["stopped"]
        waiting = proposed(ask("stop.release", KEY))
        done = ask("approval.approve", OWNER, approval=waiting)
        if not done["ok"]:  # put on record meanwhile, so that it is another stop
            waiting = proposed(ask("stop.release", KEY))
            assert ask("approval.approve", OWNER, approval=waiting)["ok"]
    with keeping(lossy) as ask:
        assert not ask("stop.show", OWNER)["stopped"]


def test_a_stop_that_nothing_can_keep_stops_this_service_and_says_so(folder: DataFolder) -> None:
    def spoil(keeper: Keeper) -> None:
        refuse_leaf(keeper)

        async def full(_: object) -> None:
            raise StateRefusedError(StateFault.UNWRITABLE, "full")

        keeper._access.emergency._store.awrite = full  # type: ignore[method-assign, assignment]  # as a full disk

    answer = asked(folder, spoil)
    assert (answer["ok"], answer["code"]) == (False, "STOP_NOT_KEPT")


@pytest.mark.parametrize("reason", [None, "", 7, "x" * 501])
def test_a_stop_has_a_reason(folder: DataFolder, reason: object) -> None:
    with keeping(folder) as ask:
        answer = ask("stop.set", OWNER, reason=reason)
        assert (answer["code"], answer["field"]) == ("VALUE_UNFIT", "reason")
        assert not ask("stop.show", OWNER)["stopped"]


def test_a_reason_made_to_write_over_the_second_person_s_terminal_is_a_line_of_text(
    folder: DataFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Attack: what the second person looks at before approving is what the first one wrote.
    monkeypatch.setenv("TSA_LANG", "en")
    with keeping(folder) as ask:
        assert ask("stop.set", OWNER, reason="\x1b[2J\u202efalse\u3000alarm\r\nnot stopped\ud800")["ok"]
        assert ask("stop.show", OWNER)["reason"] == "\ufffd[2J\ufffdfalse\u3000alarm  not stopped\ufffd"
    assert main(["stop", "show", "--dir", str(folder.root)]) == Exit.FAILED
    shown = capsys.readouterr().out
    assert all(line.replace("\u3000", " ").isprintable() for line in shown.splitlines())


@pytest.mark.parametrize("piece", ["\0", '"', "\U0001f6d1", "\U0001d160", "\ufb2c"])
def test_a_reason_that_would_not_fit_into_a_leaf_does_not_keep_a_stop_from_other_nodes(
    folder: DataFolder, piece: str
) -> None:
    with keeping(folder) as ask:
        for number in range(MAX_PEOPLE):
            person(ask, str(number))
        assert ask("stop.set", OWNER, reason=piece * 500)["recorded"]
