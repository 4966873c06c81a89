"""Requests that are kept: one wins, work that was lost is known as such, and room has an end."""

from __future__ import annotations

import fcntl
import io
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service.eseals import entries
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.entries import Entries, Entry, Seen
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


def head(**more: Any) -> dict[str, Any]:
    return {"tenant": "t-acme", "request": "0" * 64, "since": time.time(), **more}


def claimed(kept: Entries, name: str) -> Entry:
    found = kept.claim(name, head())
    assert isinstance(found, Entry)
    return found


def test_of_two_requests_of_one_name_one_wins_and_the_other_sees_it_running(tmp_path: Path) -> None:
    kept = Entries(tmp_path / "jobs")
    first = claimed(kept, "j-1")
    second = Entries(tmp_path / "jobs").claim("j-1", head())
    assert isinstance(second, Seen)
    assert (second.running, second.outcome, second.made) == (True, None, None)
    first.close()
    lost = kept.look("j-1")
    assert lost is not None
    assert not lost.running


def test_what_was_made_is_there_for_others_and_after_the_process(tmp_path: Path) -> None:
    kept = Entries(tmp_path / "jobs")
    entry = claimed(kept, "j-1")
    entry.keep({"level": "B-B"}, io.BytesIO(b"sealed"))
    entry.end({"ok": True})
    entry.close()
    seen = Entries(tmp_path / "jobs").look("j-1")
    assert seen is not None
    assert (seen.made, seen.outcome) == ({"level": "B-B"}, {"ok": True})
    with kept.open_sealed("j-1") as file:
        assert file.read() == b"sealed"
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "jobs").rglob("*")} == {0}


def test_what_is_old_is_forgotten_and_room_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Entries(tmp_path / "jobs")
    old = kept.claim("j-old", head(since=time.time() - entries.KEPT_SECONDS - 1))
    assert isinstance(old, Entry)
    old.close()
    assert kept.look("j-old") is None
    claimed(Entries(tmp_path / "jobs"), "j-1").close()
    assert not (tmp_path / "jobs" / "j-old").exists()
    monkeypatch.setattr(entries, "MAX_ENTRIES", 1)
    with pytest.raises(SealRefusedError) as error:
        kept.claim("j-2", head())
    assert error.value.code is SealCode.STORE_FULL


def test_whoever_wants_a_request_no_more_is_heard_by_its_worker(tmp_path: Path) -> None:
    kept = Entries(tmp_path / "jobs")
    entry = claimed(kept, "j-1")
    assert not entry.cancelled
    kept.cancel("j-1")
    assert entry.cancelled
    entry.close(drop=True)
    assert kept.look("j-1") is None


def is_free(kept: Entries, name: str) -> bool:
    """Whether a name can be claimed; a claim that never comes back is one that failed."""
    found: list[Entry | Seen] = []
    asking = threading.Thread(target=lambda: found.append(kept.claim(name, head())), daemon=True)
    asking.start()
    asking.join(PATIENCE_S)
    assert found, "it is asked for without end"
    if isinstance(found[0], Entry):
        found[0].close()
    return isinstance(found[0], Entry)


def test_a_key_of_which_the_day_has_just_ended_is_free_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Entries(tmp_path / "jobs")
    claimed(kept, "j-1").close()
    monkeypatch.setattr(entries, "KEPT_SECONDS", -1)
    assert is_free(kept, "j-1")


@pytest.mark.parametrize("left", ["lock", "sealed"])
def test_what_a_crash_left_half_forgotten_holds_no_key(tmp_path: Path, left: str) -> None:
    kept = Entries(tmp_path / "jobs")
    claimed(kept, "j-1").close()
    (tmp_path / "jobs" / "j-1" / "head.json").unlink()
    (tmp_path / "jobs" / "j-1" / left).touch()
    assert is_free(kept, "j-1")


def test_what_is_forgotten_is_gone_at_once_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Entries(tmp_path / "jobs")
    claimed(kept, "j-1").close()
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # the process ends here
    kept.drop("j-1")
    assert kept.look("j-1") is None
    assert not (tmp_path / "jobs" / "j-1").exists()


def test_whoever_looks_is_not_taken_for_whoever_works(tmp_path: Path) -> None:
    kept = Entries(tmp_path / "jobs")
    claimed(kept, "j-1").close()
    with (tmp_path / "jobs" / "j-1" / "lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        seen = kept.look("j-1")
    assert seen is not None
    assert not seen.running


def test_what_has_ended_does_not_run_though_its_worker_holds_it_still(tmp_path: Path) -> None:
    kept = Entries(tmp_path / "jobs")
    entry = claimed(kept, "j-1")
    entry.end({"ok": True})
    seen = kept.look("j-1")
    assert seen is not None
    assert not seen.running
    entry.close()


def test_what_another_worker_forgets_meanwhile_does_not_break_a_claim(tmp_path: Path) -> None:
    kept = Entries(tmp_path / "jobs")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "j-gone").symlink_to(tmp_path / "nowhere")  # listed, and not there
    assert is_free(kept, "j-1")
