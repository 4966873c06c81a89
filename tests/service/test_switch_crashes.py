"""`kill -9` around a switch: in force afterwards is what the last `cfg.activated` leaf names."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from kokuin.service.datafolder import FolderError
from tests.service.survival import Part, Service, is_alive, make_folder, wait_until
from tests.service.switching_load import (
    MixedClients,
    Wish,
    activations,
    check_books,
    do,
    entries,
    snapshot_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.service.snapshot import Snapshot

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("patient")]

# Python runs this in every process of the service; only the one that is named is changed, and once.
PATCHER = """
import os, signal, sys
from pathlib import Path
words, here, once = sys.orig_argv, Path(__file__).parent, Path(__file__).with_name("once")
def die():
    once.touch()
    os.kill(os.getpid(), signal.SIGKILL)
if {role!r} in words and not once.exists():
    os.environ["KOKUIN_TEST_PATCHED"] = "yes"
    {patch}
"""
BEFORE_THE_LEAF = """
    from kokuin.service import switching
    async def activate(*_):
        die()
    switching.activate = activate
"""
AFTER_THE_LEAF = """
    from kokuin.service import switching
    original = switching.activate
    async def activate(*arguments):
        await original(*arguments)
        die()
    switching.activate = activate
"""
WHILE_PREPARING = """
    from kokuin.service import installer
    original = installer.Installer.prepare
    async def prepare(*_):
        die()
    installer.Installer.prepare = prepare
"""
CANNOT_LOAD = """
    from kokuin.service import installer
    from kokuin.service.unit_errors import UnitError
    original = installer.Installer._load
    def load(self, digest):
        if self._installed is not None:
            raise UnitError("its key was replaced")
        return original(self, digest)
    installer.Installer._load = load
"""
RAISES = """
    from kokuin.service import installer
    original = installer.Installer._load
    def load(self, digest):
        if self._installed is not None:
            raise RuntimeError("the device is upset")
        return original(self, digest)
    installer.Installer._load = load
"""


def patch(monkeypatch: pytest.MonkeyPatch, folder: Path, role: str, text: str) -> Path:
    """Change a part of every service that is started from now on; return what marks its death."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PATCHER.format(role=role, patch=text.strip()))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder / "once"


def in_force(root: Path) -> Snapshot:
    """Return what the ledger says; nothing else may lie in the folder than what its leaves name."""
    leaves = activations(entries(root))
    assert {path.stem for path in (root / "active").iterdir()} == {leaf["cfg"] for leaf in leaves}
    return snapshot_of(root, str(leaves[-1]["cfg"]))


def try_use(root: Path, name: str) -> None:
    """Ask for a switch of somebody who dies of it: the answer does not come, or another owner gives one."""
    with contextlib.suppress(FolderError):
        do(root, "use", name=name)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("text", "default"), [(BEFORE_THE_LEAF, "classical"), (AFTER_THE_LEAF, "pq")], ids=["before", "after"]
)
def test_a_death_beside_the_leaf_leaves_exactly_what_the_ledger_names_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, text: str, default: str
) -> None:
    root = make_folder(tmp_path)
    once = patch(monkeypatch, tmp_path / "site", "keeper" if workers > 1 else "serve", text)
    with Service(root, workers) as service:
        service.start()
        keeper = service.pids(Part.KEEPER)[-1]
        asking = threading.Thread(target=try_use, args=(root, "pq"), daemon=True)
        asking.start()
        wait_until("the keeper dies", lambda: not is_alive(keeper))
        assert once.exists()
        if workers == 1:
            service.outlived([])
            service.start()
        else:
            service.wait_ready()
        asking.join(60)
        assert in_force(root).default == default
        with MixedClients(service.port, [Wish()] * 4) as clients:
            clients.wait_for(20)
        assert clients.failures == []
        # And the way is free.
        assert do(root, "use", name="pq")["ok"]
        assert in_force(root).default == "pq"
        assert service.stop() == 0
    check_books(root, clients.received)


def test_a_worker_that_dies_while_it_prepares_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder(tmp_path)
    once = patch(monkeypatch, tmp_path / "site", "worker-2", WHILE_PREPARING)
    with Service(root, 2) as service:
        service.start()
        answer = do(root, "use", name="pq")
        assert answer["ok"], answer
        assert once.exists()
        service.wait_ready()
        with MixedClients(service.port, [Wish()] * 4) as clients:
            clients.wait_for(40)
        assert clients.failures == []
        assert service.stop() == 0
    assert in_force(root).default == "pq"
    check_books(root, clients.received)


@pytest.mark.parametrize(
    ("text", "reason"), [(CANNOT_LOAD, "its key was replaced"), (RAISES, "the device is upset")]
)
def test_one_worker_that_is_not_ready_stops_the_switch_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    root = make_folder(tmp_path)
    patch(monkeypatch, tmp_path / "site", "worker-2", text)
    with Service(root, 2) as service:
        service.start()
        before = in_force(root)
        with MixedClients(service.port, [Wish()] * 4) as clients:
            answer = do(root, "use", name="pq")
            clients.wait_for(20)
        (blocker,) = answer["blockers"]
        assert blocker["code"] == "WORKER_NOT_READY"
        assert blocker["subject"] == "worker-2"
        assert reason in blocker["detail"]
        assert in_force(root) == before
        assert clients.failures == []
        assert service.stop() == 0
    check_books(root, clients.received)


def test_a_refused_way_back_leaves_the_snapshot_that_an_older_leaf_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder(tmp_path)
    assert do(root, "use", name="pq")["ok"]
    patch(monkeypatch, tmp_path / "site", "worker-2", CANNOT_LOAD)
    with Service(root, 2) as service:
        service.start()
        assert do(root, "rollback")["blockers"][0]["code"] == "WORKER_NOT_READY"
        assert service.stop() == 0
    in_force(root)
    assert do(root, "rollback")["default"] == "classical"


def test_a_worker_that_starts_during_a_switch_issues_with_what_came_of_it(tmp_path: Path) -> None:
    root = make_folder(tmp_path)
    with Service(root, 2) as service:
        service.start()
        answers = []
        asking = threading.Thread(target=lambda: answers.append(do(root, "use", name="bundle")), daemon=True)
        asking.start()
        os.kill(service.pids(Part.WORKER)[-1], signal.SIGKILL)
        asking.join(60)
        assert answers[0]["ok"], answers
        service.wait_ready()
        with MixedClients(service.port, [Wish()] * 8) as clients:
            clients.wait_for(60)
        assert clients.failures == []
        assert all(item.link for item in clients.received)
        assert service.stop() == 0
    check_books(root, clients.received)
