"""A rehearsal in a child: beside a running service, killed, orphaned, one at a time, over REST."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service.config import load_config
from kokuin.service.migration import dryrun_process
from kokuin.service.migration.dryrun import DryRunRequest
from kokuin.service.migration.dryrun_process import DryRunChild, DryRunError
from kokuin.service.migration.report import read_report
from tests.service.asking import granted, query
from tests.service.dryruns import issue_tokens, tree
from tests.service.running import PATIENCE_S, Service, serving
from tests.service.survival import is_alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

LONG = 10_000
"""Requests of a rehearsal that nobody waits for."""


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared], at_once: str, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.setenv("PYTHONPATH", at_once)
    return folder_of("classical").folder


def child(folder: DataFolder, profile: str = "pq", requests: int = 12, **fields: Any) -> DryRunChild:
    return DryRunChild(folder, load_config(folder.root, {}), DryRunRequest(profile, requests, **fields))


def scratch(folder: DataFolder) -> Path:
    return folder.ledger.parent / "dry-run"


def nothing(*_: object) -> None:
    pass


def test_a_child_reports_and_leaves_nothing_behind(folder: DataFolder) -> None:
    issue_tokens(folder, 24)
    before = tree(folder.root)
    told: list[tuple[str, int, int]] = []
    report = child(folder).run(lambda *at: told.append(at))
    assert report.possible
    assert report.inventory.tokens == 24
    assert report.measured.candidate is not None
    assert report.measured.candidate.granted == 12
    assert [phase for phase, _, _ in told] == sorted(
        (phase for phase, _, _ in told), key=["ledger", "trial", "verdicts"].index
    )
    assert all(0 <= done <= total for _, done, total in told)
    assert tree(folder.root) == before
    assert not scratch(folder).exists()


def test_the_child_gives_way_to_everybody_else(folder_of: Callable[[str], Prepared]) -> None:
    nices: list[int] = []
    limits: list[str] = []
    run = child(folder_of("classical").folder)

    def look(phase: str, done: int, total: int) -> None:
        assert run.pid is not None
        nices.append(os.getpriority(os.PRIO_PROCESS, run.pid))
        with open(f"/proc/{run.pid}/limits", encoding="ascii") as file:  # noqa: PTH123  # no path of ours
            limits.extend(line for line in file if line.startswith("Max address space"))
        run.stop()

    with pytest.raises(DryRunError, match="DRY_RUN_STOPPED"):
        run.run(look)
    assert set(nices) == {min(19, os.getpriority(os.PRIO_PROCESS, 0) + dryrun_process.NICENESS)}
    assert all(str(dryrun_process.MEMORY_OCTETS) in line for line in limits)


def test_a_killed_child_is_an_answer_with_a_code(folder: DataFolder) -> None:
    run = child(folder, requests=LONG)

    def kill(phase: str, done: int, total: int) -> None:
        if phase == "trial":
            assert run.pid is not None
            os.kill(run.pid, signal.SIGKILL)

    with pytest.raises(DryRunError) as caught:
        run.run(kill)
    assert (caught.value.code, caught.value.detail) == ("DRY_RUN_ENDED", "signal SIGKILL")
    assert not scratch(folder).exists()


def test_a_rehearsal_that_takes_too_long_is_ended(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dryrun_process, "SECONDS", 0.05)
    with pytest.raises(DryRunError, match="DRY_RUN_TOO_LONG"):
        child(folder, requests=LONG).run(nothing)
    assert not scratch(folder).exists()


def test_a_stop_ends_it_before_and_while_it_runs(folder: DataFolder) -> None:
    run = child(folder)
    run.stop()
    with pytest.raises(DryRunError, match="DRY_RUN_STOPPED"):
        run.run(nothing)
    run = child(folder, requests=LONG)
    with pytest.raises(DryRunError, match="DRY_RUN_STOPPED"):
        run.run(lambda *_: run.stop())


def test_one_at_a_time_and_the_next_one_afterwards(folder: DataFolder) -> None:
    first = child(folder, requests=LONG)
    refused: list[str] = []

    def second(phase: str, done: int, total: int) -> None:
        if not refused and phase == "trial":
            with pytest.raises(DryRunError) as caught:
                child(folder).run(nothing)
            refused.append(caught.value.code)
            first.stop()

    with pytest.raises(DryRunError, match="DRY_RUN_STOPPED"):
        first.run(second)
    assert refused == ["DRY_RUN_BUSY"]
    assert not child(folder, "nobody").run(nothing).possible


def test_what_a_killed_rehearsal_left_is_removed_by_the_next(folder: DataFolder) -> None:
    left = scratch(folder) / "keys"
    left.mkdir(parents=True)
    (left / "unit-pq.pem").write_text("a trial key", encoding="ascii")
    assert child(folder, requests=1).run(nothing).possible
    assert not scratch(folder).exists()


def test_a_child_does_not_outlive_its_parent(folder: DataFolder) -> None:
    code = (
        "import sys; from pathlib import Path; from kokuin.service.config import load_config;"
        "from kokuin.service.datafolder import DataFolder;"
        "from kokuin.service.migration.dryrun import DryRunRequest;"
        "from kokuin.service.migration.dryrun_process import DryRunChild;"
        "root = Path(sys.argv[1]);"
        f"run = DryRunChild(DataFolder(root), load_config(root, {{}}), DryRunRequest('pq', {LONG}));"
        "run.run(lambda *at: print(run.pid, flush=True))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(folder.root)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait(PATIENCE_S)
    wait_until("the child ends", lambda: not is_alive(pid))
    # A process whose first thread has ended may have others that still close its files.
    wait_until("the lock goes with it", lambda: is_free(folder))


def is_free(folder: DataFolder) -> bool:
    try:
        with dryrun_process._locked(folder):
            return True
    except DryRunError:
        return False


def test_a_policy_and_a_ledger_that_cannot_be_read_have_codes(folder: DataFolder) -> None:
    with pytest.raises(DryRunError, match="DRY_RUN_POLICY_UNUSABLE"):
        child(folder, policy="/nowhere.toml").run(nothing)
    folder.ledger.write_bytes(b"no database" * 100)
    with pytest.raises(DryRunError, match="DRY_RUN_FOLDER_UNUSABLE"):
        child(folder).run(nothing)


@pytest.fixture(scope="module", params=[1, 2])
def service(
    request: pytest.FixtureRequest, folder_of: Callable[[str], Prepared], at_once: str
) -> Iterator[Service]:
    with serving(folder_of("classical"), {"PYTHONPATH": at_once}, workers=request.param) as running:
        yield running


def ask(service: Service, method: str, path: str, **fields: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {service.operator_key}"}
    return service.client.request(method, f"/api/v1/dry-runs{path}", headers=headers, **fields)


def finished(service: Service, run_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = ask(service, "GET", f"/{run_id}").json()
        if found["state"] != "running":
            return found
        assert set(found["progress"]) == {"phase", "done", "total"}
        return None

    # It starts a program, makes keys and judges what it signed, while others keep the machine busy.
    return wait_until("the rehearsal ends", look, 2 * PATIENCE_S)


def is_ready(service: Service) -> bool:
    return service.client.get("/readyz").status_code == 200


def test_a_running_service_rehearses_while_it_issues(service: Service) -> None:
    for _ in range(20):
        granted(service.post(query()).content)
    started = ask(service, "POST", "", json={"profile": "pq", "requests": 20, "policy": "us"})
    assert started.status_code == 202, started.text
    served: list[int] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.wait(0.02):  # the rehearsal is to have its share of a small machine
            granted(service.post(query()).content)
            served.append(1)

    caller = threading.Thread(target=load)
    caller.start()
    try:
        found = finished(service, started.json()["id"])
    finally:
        stop.set()
        caller.join()
    assert found["state"] == "done", found
    report = read_report(found["report"])
    assert report.possible
    assert report.inventory.tokens >= 20
    assert report.diff.judged_by == "us"
    assert served
    wait_until("ready, as soon as nothing else is to be done", lambda: is_ready(service))
    assert not any(leaf.get("profile") == "pq" for leaf in service.leaves())
    assert not scratch(service.folder).exists()


def test_the_operator_key_is_wanted(service: Service) -> None:
    for method, path in (("POST", ""), ("GET", "/0000")):
        answer = service.client.request(method, f"/api/v1/dry-runs{path}", json={"profile": "pq"})
        assert answer.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"profile": "../../etc/passwd"},
        {"profile": "pq", "requests": 0},
        {"profile": "pq", "requests": LONG + 1},
        {"profile": "pq", "policy": "/etc/passwd"},
        {"profile": "pq", "from_ledger": "for ever"},
        {"requests": 5},
        [],
    ],
)
def test_what_cannot_be_rehearsed_is_refused(body: object, service: Service) -> None:
    answer = ask(service, "POST", "", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_id_is_not_found(service: Service) -> None:
    answer = ask(service, "GET", "/0123456789abcdef")
    assert (answer.status_code, answer.json()["code"]) == (404, "DRY_RUN_UNKNOWN")


def test_a_second_one_is_refused_and_blockers_are_a_report(service: Service) -> None:
    # Who reads the profile waits until somebody writes it: the first is under way for as long as we want.
    held = service.folder.profiles / "nobody.toml"
    held.parent.mkdir(exist_ok=True)
    os.mkfifo(held)
    started = ask(service, "POST", "", json={"profile": "nobody", "requests": 1})
    assert started.status_code == 202
    second = ask(service, "POST", "", json={"profile": "pq"})
    assert (second.status_code, second.json()["code"]) == (409, "DRY_RUN_BUSY")
    with held.open("wb"):
        held.unlink()
    found = finished(service, started.json()["id"])
    assert found["report"]["consequences"]["blockers"][0]["code"] == "PROFILE_UNKNOWN"


def test_a_service_that_stops_takes_its_rehearsal_along(folder_of: Callable[[str], Prepared]) -> None:
    with serving(folder_of("classical")) as running:
        started = ask(running, "POST", "", json={"profile": "pq", "requests": LONG})
        assert started.status_code == 202
        assert running.stop() == 0
        assert not scratch(running.folder).exists()
