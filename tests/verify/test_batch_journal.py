"""A batch that broke off goes on as if it had not, and takes over nothing that no longer holds."""

from __future__ import annotations

import dataclasses
import json
import os
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.verify.batch import describe, judge_batch
from kokuin.verify.batch_items import walk
from kokuin.verify.batch_journal import Journal, JournalError, UnbegunError
from kokuin.verify.verifying import verify_bytes
from pqc.policies import load_policy
from tests.verify.batches import NOW_US, authority, fill, terms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.trust.report import Report
    from kokuin.verify.batch_judge import Terms
    from kokuin.verify.batch_summary import Tally

TOKENS = 12


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


class Counting:
    """Judges, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, data: bytes, context: Context, _: Path | None) -> Report:
        self.asked.append(sha256(data).hexdigest())
        return verify_bytes(data, context)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with tokens, one that has failed, one outside of the period, and other files."""
    made = tmp_path / "archive"
    fill(made, TOKENS)
    (made / "000" / "00003.txt").write_bytes(b"changed")
    (made / "bad.tsr").touch()
    (made / "early.tsr").write_bytes(authority().stamp(b"", NOW_US - 1))
    (made / "gone.tsr").symlink_to("nowhere")
    (made / "unnamed").write_bytes(authority().stamp(b""))
    (made / "text").touch()
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results"


def counted(folder: Path) -> tuple[Terms, Counting]:
    judge = Counting()
    return dataclasses.replace(terms(folder, begins=NOW_US), judge=judge), judge


def run(folder: Path, path: Path) -> tuple[Tally, list[str]]:
    """Begin a batch, or go on with it; return what it came to, and the files that were judged."""
    by, judge = counted(folder)
    opened = Journal.resume(path) if path.exists() else Journal.begin(path, {"at": 0})
    with opened as journal:
        return judge_batch(walk(folder), by, 1, journal), judge.asked


def test_a_batch_that_broke_off_anywhere_goes_on_to_the_same_results(folder: Path, path: Path) -> None:
    tally, asked = run(folder, path)
    whole, summary = path.read_bytes(), tally.summary()
    assert len(asked) == TOKENS + 2
    ends = [at + 1 for at, octet in enumerate(whole) if octet == ord("\n")]
    assert len(ends) == TOKENS + 4
    for end in range(ends[0], len(whole) + 1, 401):
        path.write_bytes(whole[:end])
        again, asked = run(folder, path)
        assert path.read_bytes() == whole
        assert again.summary() == summary
        kept = sum(each <= end for each in ends) - 1
        assert again.kept == kept
        # The file that cannot be read is never judged, and comes in no count.
        assert len(asked) in {TOKENS + 3 - kept, TOKENS + 2 - kept}


def test_a_finished_journal_is_taken_over_whole(folder: Path, path: Path) -> None:
    run(folder, path)
    tally, asked = run(folder, path)
    assert asked == []
    assert tally.kept == TOKENS + 3


@pytest.mark.parametrize(
    "damage", [b'{"token":"000/', b"\0" * 4096, b"[" * 100_000 + b"\n", b"[]\n", b"null\n"]
)
def test_what_a_crash_left_of_a_line_is_cut_off(folder: Path, path: Path, damage: bytes) -> None:
    run(folder, path)
    whole = path.read_bytes()
    middle = whole.index(b"\n", len(whole) // 2) + 1
    path.write_bytes(whole[:middle] + damage)
    run(folder, path)
    assert path.read_bytes() == whole


def _change_token(folder: Path) -> None:
    (folder / "000" / "00005.txt.tsr").write_bytes(authority().stamp(b"another"))


def _change_data(folder: Path) -> None:
    (folder / "000" / "00005.txt").write_bytes(b"longer than it was before")


def _touch_data(folder: Path) -> None:
    os.utime(folder / "000" / "00005.txt", ns=(1, 1))


def _remove_data(folder: Path) -> None:
    (folder / "000" / "00005.txt").unlink()


def _remove_token(folder: Path) -> None:
    (folder / "000" / "00005.txt.tsr").unlink()


def _add_token(folder: Path) -> None:
    (folder / "000" / "00004.txt.tst").write_bytes(authority().stamp(b"new"))


def _add_unnamed_token(folder: Path) -> None:
    (folder / "000" / "00004.zip").write_bytes(authority().stamp(b"new"))


def _add_proof(folder: Path) -> None:
    (folder / "000" / "00005.txt.tsr.tlog-proof").touch()


CHANGES = (
    _add_proof,
    _change_token,
    _change_data,
    _touch_data,
    _remove_data,
    _remove_token,
    _add_token,
    _add_unnamed_token,
)


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_taken_over_from_where_the_folder_has_changed(
    folder: Path, path: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    run(folder, path)
    change(folder)
    tally, asked = run(folder, path)
    run(folder, fresh := tmp_path / "fresh")
    assert path.read_bytes() == fresh.read_bytes()
    changed, before = (folder / "000" / f"0000{number}.txt.tsr" for number in (5, 3))
    assert not changed.exists() or _digest(changed) in asked
    assert _digest(before) not in asked
    assert tally.kept > 0


def test_files_that_are_no_tokens_may_come_and_go(folder: Path, path: Path) -> None:
    run(folder, path)
    (folder / "000" / "note").touch()
    (folder / "text").unlink()
    (folder / "000" / "early.tsr").write_bytes(authority().stamp(b"", NOW_US - 1))
    tally, asked = run(folder, path)
    assert asked == []
    assert tally.summary()["passed_over"] == {
        "outside": 2,
        "data": TOKENS,
        "proof": 0,
        "evidence": 0,
        "other": 1,
    }


def test_two_do_not_write_one_journal(path: Path) -> None:
    with Journal.begin(path, {}), pytest.raises(BlockingIOError):
        Journal.resume(path)
    Journal.resume(path).__exit__(None, None, None)


def test_no_journal_is_overwritten(path: Path) -> None:
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        Journal.begin(path, {})
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "octets", [b"", b'{"bat', b'{"batch":1,"terms":{"at":1', b'{"batch"' + bytes(30), bytes(50)]
)
def test_a_journal_whose_first_line_never_came_to_the_disk_is_begun_anew(path: Path, octets: bytes) -> None:
    # Crash point: killed between the file's name and the end of its first line.
    path.write_bytes(octets)
    with pytest.raises(UnbegunError):
        Journal.resume(path)
    assert path.read_bytes() == octets
    with Journal.begin(path, {"at": 1}) as journal:
        journal.write(b'{"seen":1}\n')
    assert path.read_bytes() == b'{"batch":1,"terms":{"at":1}}\n{"seen":1}\n'
    with Journal.resume(path) as journal:
        assert [line for _, line in journal.lines()] == [{"seen": 1}]


@pytest.mark.parametrize("kind", ["link", "link to nothing", "folder", "pipe"])
def test_what_is_no_file_is_no_journal_and_leads_nowhere(path: Path, kind: str) -> None:
    # Attack: an archive that was unpacked holds a link of that name, to a file of whoever works on it.
    victim = path.with_name("victim")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(victim)
        if kind == "link":
            victim.touch()
    for act in (Journal.resume, lambda path: Journal.begin(path, {})):
        with pytest.raises(JournalError):
            act(path)
    assert not victim.exists() or not victim.read_bytes()
    assert victim.exists() == (kind == "link")


@pytest.mark.parametrize(
    "octets",
    [
        b"mine",
        b"\0mine",
        b'{"batch":' + bytes(1 << 20),
        b"\n",
        b"{}\n",
        b'{"batch":2,"terms":{}}\n',
        b'{"batch":1,"terms":[]}\n',
    ],
)
def test_what_is_no_journal_is_not_gone_on_with(path: Path, octets: bytes) -> None:
    path.write_bytes(octets)
    with pytest.raises(JournalError):
        Journal.resume(path)
    assert path.read_bytes() == octets


def test_everything_that_decides_a_verdict_is_among_the_terms(tmp_path: Path) -> None:
    base = terms(tmp_path)
    context = base.context
    changed = {
        "at": dataclasses.replace(context, at=1),
        "trust": dataclasses.replace(context, trust=authority(200).trust),
        "policy": dataclasses.replace(context, policy=load_policy("us")),
        "revocation": dataclasses.replace(context, revocation=RevocationData((b"list",))),
        "revocation_mode": dataclasses.replace(context, revocation_mode=RevocationMode.REQUIRED),
    }
    told = describe(base, {})
    others = {name: dataclasses.replace(base, context=each) for name, each in changed.items()}
    others |= {"from": dataclasses.replace(base, begins=0), "to": dataclasses.replace(base, ends=0)}
    for name, other in others.items():
        found = describe(other, {})
        assert {each for each in told if told[each] != found[each]} == {name}
    asked = {each.name for each in dataclasses.fields(Context)} - {"content", "proven", "request"}
    assert asked <= told.keys()
    assert describe(base, {"manifest": "a"})["manifest"] != describe(base, {"manifest": None})["manifest"]
    assert json.loads(json.dumps(told)) == told
