"""A renewal killed at any line goes on from there: each token covered once, no tree stamped twice."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.context import Context, RevocationData
from kokuin.verify.batch_items import walk
from kokuin.verify.batch_journal import JournalError
from kokuin.verify.batch_judge import read_item
from kokuin.verify.renewal import renewing, writing
from kokuin.verify.renewal.archiving import ArchiveError, ArchiveFault, complete
from kokuin.verify.renewal.book import Book
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.token_form import with_evidence
from tests.trust.evidences import P256, PQ, first, moment, trust, unit, us
from tests.verify.renewals import JOURNAL, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.verify.batch_items import Item

STAMPING, ARCHIVE, OTHER = unit(P256, 2026, 1_800), unit(PQ, 2027), unit(PQ, 2028)
TOKENS = 20
NOW, DUE = moment(2028, 6, 1), moment(2032)


class Killed(BaseException):
    """As a process that is gone: nothing of ours catches it."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    folder, home = tmp_path / "archive", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    for number in range(TOKENS):
        digest = DIGEST_BY_NAME["sha256"].of(b"%d" % number)
        (folder / f"{number:02}.tsr").write_bytes(STAMPING.stamp("sha256", digest, moment(2026, 6, 1)))
    return Stage(folder, home, (STAMPING, OTHER), ARCHIVE)


def check_whole(stage: Stage, trees: int = 1) -> None:
    """Each token has one record of one archive time-stamp, and all of those are of as many trees."""
    records = {each.name: read_evidence_record(each.read_bytes()) for each in stage.folder.glob("*.er")}
    assert sorted(records) == [f"{number:02}.tsr.er" for number in range(TOKENS)]
    assert [len(each.stamps) for one in records.values() for each in one.chains] == [1] * TOKENS
    assert len({one.chains[0].stamps[0].time_stamp for one in records.values()}) == trees
    for number in range(TOKENS):
        assert stage.judge(f"{number:02}.tsr", moment(2033), b"%d" % number).indication == "PASSED"
    assert not [each.name for each in stage.folder.iterdir() if each.name.startswith(".")]


@pytest.mark.parametrize("line", range(1, 30, 3))
def test_killed_while_the_plan_is_written(stage: Stage, line: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokuin.verify.batch_run.CHUNK", 4)
    written = itertools.count(1)
    add = Book._add

    def die(self: Book, octets: bytes) -> None:
        if next(written) == line:
            # Half of a line may be there.
            add(self, octets[: len(octets) // 2])
            raise Killed
        add(self, octets)

    with monkeypatch.context() as patched:
        patched.setattr(Book, "_add", die)
        with pytest.raises(Killed):
            stage.renew(NOW, DUE)
    assert stage.renew(NOW, DUE)[0].total() == TOKENS
    assert len(stage.asked) == (2 if line > 26 else 1)  # from where on the tree was asked for
    check_whole(stage)


@pytest.mark.parametrize("record", [0, 1, 7, TOKENS - 1])
@pytest.mark.parametrize("moved", [False, True])
def test_killed_while_records_are_written_asks_nobody_again(
    stage: Stage, record: int, monkeypatch: pytest.MonkeyPatch, *, moved: bool
) -> None:
    monkeypatch.setattr(renewing, "_THREADS", 1)
    monkeypatch.setattr(renewing, "_CHUNK", 1)
    written = itertools.count()
    replace = writing._replace

    def die(path: str, place: int, octets: bytes) -> None:
        if next(written) == record:
            if moved:
                replace(path, place, octets)
            else:
                folder, _, name = path.rpartition("/")
                with open(f"{folder}/.{name}.{place}.renewing", "wb") as file:  # noqa: PTH123  # as it is left behind
                    file.write(octets[:100])
            raise Killed
        replace(path, place, octets)

    with monkeypatch.context() as patched:
        patched.setattr(writing, "_replace", die)
        with pytest.raises(Killed):
            stage.renew(NOW, DUE)
    outcomes = stage.renew(NOW, DUE)[0]
    kept = record + moved
    assert {**outcomes} == {
        name: count for name, count in (("kept", kept), ("renewed", TOKENS - kept)) if count
    }
    assert len(stage.asked) == 1
    check_whole(stage)


def test_killed_between_the_answer_and_its_line_leaves_nothing_that_rests_on_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Book, "add_tree", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            stage.renew(NOW, DUE)
    assert not list(stage.folder.glob("*.er"))
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS}
    check_whole(stage)


def attempt(stage: Stage, step: int) -> bool:
    """Renew in a process of its own that is killed at a step of its way to the disk; say whether it was."""
    child = os.fork()
    if not child:
        steps = itertools.count(1)

        def dying(act: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **more: object) -> object:
                if next(steps) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return act(*args, **more)

            return call

        for name in ("open", "fsync", "replace", "unlink", "pwrite", "makedirs"):
            setattr(os, name, dying(getattr(os, name)))
        code = 1
        try:
            stage.renew(NOW, DUE)
            code = 0
        except BaseException:  # noqa: BLE001  # nobody else would ever tell of it
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) in {0, -signal.SIGKILL}
    return bool(status)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_steps_again_and_again_each_token_is_covered_once(
    stage: Stage, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kokuin.verify.batch_run.CHUNK", 4)
    monkeypatch.setattr(renewing, "_CHUNK", 4)
    chance, kills = random.Random(seed), 0  # noqa: S311  # steps, no secrets
    while attempt(stage, chance.randint(1, 8 + 16 * kills)):
        kills += 1
    assert kills
    check_whole(stage)


def test_of_several_trees_those_that_are_done_stay_done(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "MOST_GROUPS", 6)
    done = itertools.count()
    add_done = Book.add_done

    def die(self: Book, number: int, outcomes: dict[str, int]) -> None:
        if next(done) == 2:
            raise Killed
        add_done(self, number, outcomes)

    with monkeypatch.context() as patched:
        patched.setattr(Book, "add_done", die)
        with pytest.raises(Killed):
            stage.renew(NOW, DUE)
    # The authority's unit is another one meanwhile: what it stamped before stays.
    stage.by = OTHER
    stage.units = (*stage.units, ARCHIVE)
    assert stage.renew(NOW, DUE)[0] == {"renewed": 14, "kept": 6}
    assert len(stage.asked) == 4
    check_whole(stage, trees=4)


def test_files_that_came_meanwhile_are_planned_anew(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokuin.verify.batch_run.CHUNK", 4)
    with monkeypatch.context() as patched:
        patched.setattr(Book, "end_plan", lambda _: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            stage.renew(NOW, DUE)
    token = stage.folder / "00.tsr"
    (stage.folder / "-first.tsr").write_bytes(token.read_bytes())
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS + 1}


@pytest.mark.parametrize("change", ["token", "record"])
def test_what_changes_after_it_was_judged_is_left_as_it_is(
    stage: Stage, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Attack: a record that was judged is exchanged before it is renewed.
    end_plan = Book.end_plan

    def meddle(self: Book) -> None:
        end_plan(self)
        path = stage.folder / ("03.tsr" if change == "token" else "03.tsr.er")
        path.write_bytes(b"something else")

    monkeypatch.setattr(Book, "end_plan", meddle)
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS - 1, "changed": 1}
    assert (stage.folder / "03.tsr.er").exists() == (change == "record")
    if change == "record":
        assert (stage.folder / "03.tsr.er").read_bytes() == b"something else"


def test_a_file_that_cannot_be_written_is_counted_and_the_others_go_on(stage: Stage) -> None:
    (stage.folder / "05.tsr.er").mkdir()
    outcomes, entries = stage.renew(NOW, DUE)
    assert outcomes == {"renewed": TOKENS - 1}
    assert [each.token for each in entries if each.reason == "FILE_UNREADABLE"] == ["05.tsr"]


def test_a_disk_that_is_full_stops_all_and_nobody_is_asked_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == ".07.tsr.er.7.renewing":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"07\.tsr") as error:
            stage.renew(NOW, DUE)
    assert error.value.errno == errno.ENOSPC
    assert not [each for each in stage.folder.iterdir() if each.name.startswith(".")]
    outcomes = stage.renew(NOW, DUE)[0]
    assert outcomes["kept"] + outcomes["renewed"] == outcomes.total() == TOKENS
    assert outcomes["renewed"] > 0
    assert len(stage.asked) == 1
    check_whole(stage)


def test_on_a_full_disk_no_time_stamp_is_asked_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its line would find no room, and each attempt would cost one more.
    def full(descriptor: int, octets: bytes, offset: int) -> int:
        if len(octets) <= 1_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, octets[1_000:], offset)

    pwrite = os.pwrite
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space"):
            stage.renew(NOW, DUE)
    assert not stage.asked
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS}


def test_killed_while_it_waits_for_the_answer_leaves_a_journal_that_goes_on(stage: Stage) -> None:
    terms = stage.terms(NOW, DUE)

    def die(*_: object) -> bytes:
        raise Killed

    with stage.open() as journal:
        book = Book(journal)
        stage.plan(book, terms)
        with pytest.raises(Killed):
            renewing.Renewing(book, terms, die, lambda: us(NOW)).run(lambda _: None)
    # The room that was made is there, and no line.
    assert (stage.home / JOURNAL).read_bytes().endswith(bytes(1 << 20))
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS}
    check_whole(stage)


def test_a_link_in_the_place_of_an_unfinished_record_leads_nowhere(stage: Stage, tmp_path: Path) -> None:
    # Attack: an archive that was unpacked holds links to files of whoever renews it.
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (stage.folder / ".03.tsr.er.3.renewing").symlink_to(victim)
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS}
    assert victim.read_bytes() == b"precious"
    assert not (stage.folder / "03.tsr.er").is_symlink()


def test_a_folder_that_is_gone_keeps_no_other_from_its_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage.folder / "sub").mkdir()
    (stage.folder / "03.tsr").rename(stage.folder / "sub/03.tsr")
    end_plan = Book.end_plan

    def meddle(self: Book) -> None:
        end_plan(self)
        (stage.folder / "sub").rename(stage.home / "elsewhere")

    monkeypatch.setattr(Book, "end_plan", meddle)
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS - 1, "changed": 1}


def test_new_folders_are_durable_before_a_tree_is_done(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Crash point: power that is lost after the line `done` takes folders whose names are not on the disk.
    (stage.folder / "a/b").mkdir(parents=True)
    (stage.folder / "03.tsr").rename(stage.folder / "a/b/03.tsr")
    stage.out = tmp_path / "out"
    synced: set[Path] = set()
    monkeypatch.setattr(renewing, "sync_folder", synced.add)
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS}
    assert synced == {stage.out, stage.out / "a", stage.out / "a/b"}


def test_a_token_that_changes_while_it_is_read_gets_no_record(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(item: Item, root: Path) -> bytes | None:
        octets = read_item(item, root)
        if item.token == "03.tsr":
            (stage.folder / item.token).write_bytes(b"another one")
        return octets

    monkeypatch.setattr("kokuin.verify.renewal.surveying.read_item", read)
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS - 1, "changed": 1}


def test_a_tree_stamped_too_late_renews_nothing(stage: Stage) -> None:
    terms = stage.terms(NOW, DUE)
    with stage.open() as journal:
        book = Book(journal)
        stage.plan(book, terms)
        late = moment(2031, 6, 1)
        run = renewing.Renewing(book, terms, stage.ask(late), lambda: int(late.timestamp()) * 1_000_000)
        assert run.run(lambda _: None) == {"late": TOKENS}


def test_a_time_stamp_from_before_what_it_would_cover_ends_no_record(stage: Stage) -> None:
    # Attack: an authority whose clock is behind. A record whose times fall passes no more.
    stage.by = unit(PQ, 2026, 2_000)
    assert stage.renew(NOW, DUE)[0] == {"renewed": TOKENS}
    (stage.folder / "other.tsr").write_bytes(STAMPING.stamp("sha256", bytes(32), moment(2028, 5, 15)))
    whole = {each: each.read_bytes() for each in stage.folder.glob("*.er")}
    stage.units, stage.by = (*stage.units, stage.by), ARCHIVE
    for day, renewed in ((moment(2028, 5, 1), 0), (moment(2028, 5, 20), 1)):
        terms = stage.terms(NOW, DUE)
        with stage.open() as journal:
            book = Book(journal)
            stage.plan(book, terms)
            run = renewing.Renewing(book, terms, stage.ask(day), lambda: us(NOW))
            assert run.run(lambda _: None) == Counter(earlier=TOKENS + 1 - renewed, renewed=renewed)
        (stage.home / JOURNAL).unlink()
    assert {each: each.read_bytes() for each in whole} == whole
    assert (stage.folder / "other.tsr.er").exists()
    assert stage.renew(NOW, DUE)[0]["renewed"] == TOKENS
    check = {stage.judge(f"{number:02}.tsr", moment(2033), b"%d" % number).indication for number in range(3)}
    assert check == {"PASSED"}


def test_a_time_stamp_that_does_not_pass_covers_nothing(stage: Stage) -> None:
    # Attack: whoever answers instead of the authority.
    terms = stage.terms(NOW, DUE)
    with stage.open() as journal:
        book = Book(journal)
        stage.plan(book, terms)
        stranger = unit(PQ, 2028, 3_000)
        for answer in (lambda name, root: stranger.stamp(name, root, NOW), lambda *_: b"\x30\x00"):
            with pytest.raises(ArchiveError) as refused:
                renewing.Renewing(book, terms, answer, lambda: int(NOW.timestamp()) * 1_000_000).run(
                    lambda _: None
                )
            assert refused.value.fault is ArchiveFault.REFUSED
    assert not list(stage.folder.glob("*.er"))


def test_evidence_within_a_time_stamp_that_gets_lists_is_left_behind() -> None:
    # It covers the octets that the time-stamp had; who adds to them keeps junk in every record.
    token = ARCHIVE.stamp("sha512", bytes(64), NOW, crl=False)
    by = Context(us(NOW), trust(ARCHIVE), revocation=RevocationData((ARCHIVE.crl,)))
    within = with_evidence(token, first(OTHER, NOW, token))
    assert complete(within, by) == complete(token, by) != token


def test_two_at_once_are_kept_apart(stage: Stage) -> None:
    with stage.open(), pytest.raises(BlockingIOError):
        stage.open()


def test_a_journal_that_says_other_than_was_stamped_is_refused(stage: Stage) -> None:
    terms = stage.terms(NOW, DUE)
    with stage.open() as journal:
        book = Book(journal)
        stage.plan(book, terms)
        book.add_tree(0, "00", ARCHIVE.stamp("sha512", bytes(64), NOW))
        with pytest.raises(JournalError):
            renewing.Renewing(book, terms, stage.ask(NOW), lambda: 0).run(lambda _: None)
    text = (stage.home / JOURNAL).read_text(encoding="ascii")
    (stage.home / JOURNAL).write_text(text + '{"odd":1}\n', encoding="ascii")
    with stage.open() as journal, pytest.raises(JournalError):
        Book(journal)


def test_the_plan_is_the_same_by_one_process_and_by_two(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kokuin.verify.batch_run.CHUNK", 4)
    terms = stage.terms(NOW, DUE)

    def items() -> Iterator[Item]:
        return walk(stage.folder)

    plans = []
    for jobs in (1, 2):
        with stage.open() as journal:
            book = Book(journal)
            renewing.plan(items, terms, jobs, book, lambda _: None)
            plans.append([each.line() for each in book.entries()])
        (stage.home / JOURNAL).unlink()
    assert plans[0] == plans[1]
