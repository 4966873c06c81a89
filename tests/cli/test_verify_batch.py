"""`tsa verify DIR` as an archivist meets it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kokuin
from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES, text
from kokuin.cli.verify_batch import RESULTS, SUMMARY, TABLE
from kokuin.trust.report import Ending
from kokuin.verify.verifying import verify_bytes
from tests.gate import Gate
from tests.ledger.notes import log, verifier
from tests.verify.batches import AT, DAY_US, authority, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.trust.context import Context
    from kokuin.trust.report import Report

ROOT = Path(kokuin.__file__).parents[1]
TSA = (sys.executable, "-m", "kokuin.cli.main", "verify")
WORDS = ("archive", "--trust", "root.pem", "--at", AT)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
TOKENS, HELD = 600, 400
"""More than the processes are given at a time; and the one before which they wait to be killed."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with an archive of ten days, and whom to trust."""
    fill(tmp_path / "archive", 10, DAY_US)
    (tmp_path / "root.pem").write_bytes(authority().pem)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")
    return tmp_path


@pytest.fixture
def tsa(files: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `tsa verify WORDS`; return exit code, output and errors."""

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = main(["verify", *words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        return (code, *capsys.readouterr())

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_folder_passes_when_every_token_does(tsa: Callable[..., tuple[int, str, str]]) -> None:
    code, said, _ = tsa(*WORDS)
    assert code == 0
    assert said.splitlines()[0] == "PASSED: of 10 time-stamps PASSED 10, FAILED 0, INDETERMINATE 0"
    assert "10 files that time-stamps belong to" in said
    assert "2027-03" in said
    assert "the unit's certificate expires" in said


def test_the_exit_code_is_the_worst_verdict(files: Path, tsa: Callable[..., tuple[int, str, str]]) -> None:
    assert tsa("archive", "--at", AT)[0] == 2
    (files / "archive" / "000" / "00004.txt").write_bytes(b"changed")
    code, said, _ = tsa(*WORDS)
    assert code == 1
    assert said.startswith("FAILED: of 10 time-stamps PASSED 9, FAILED 1")
    assert "000/00004.txt.tsr: FAILED / HASH_FAILURE (imprint, CONTENT_DIFFERS)" in said


def test_a_folder_without_tokens_does_not_pass(files: Path, tsa: Callable[..., tuple[int, str, str]]) -> None:
    (files / "empty").mkdir()
    code, said, _ = tsa("empty", "--trust", "root.pem")
    assert code == 2
    assert said.startswith("INDETERMINATE: no time-stamp was found")
    assert tsa(*WORDS, "--to", "2020-01-01")[0] == 2


@pytest.mark.parametrize(
    ("begins", "ends", "count"),
    [
        ("2026-06-01", "2026-06-01", 1),
        ("2026-06-02", "2026-06-04", 3),
        ("2026-06-02T00:00:00Z", "2026-06-04T00:00:00Z", 3),
        ("2026-06-02T00:00:00.000001Z", "2026-06-03T23:59:59.999999Z", 1),
        ("2026-06-02T09:00:00+09:00", "2026-06-04T08:59:59+09:00", 2),
        # In Japan the days begin nine hours earlier.
        ("2026-06-02+09:00", "2026-06-04+09:00", 3),
        ("2026-06-02-09:00", "2026-06-04Z", 2),
        ("0001-01-01Z", "9999-12-31-14:00", 10),
    ],
)
def test_a_period_is_in_utc_unless_it_says_otherwise_and_its_days_are_whole(
    tsa: Callable[..., tuple[int, str, str]], begins: str, ends: str, count: int
) -> None:
    code, said, _ = tsa(*WORDS, "--from", begins, "--to", ends, "--json")
    summary = json.loads(said)
    assert (code, summary["tokens"], summary["passed_over"]["outside"]) == (0, count, 10 - count)


def test_every_file_gets_the_verdict_that_it_gets_alone(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    (files / "archive" / "000" / "00004.txt").write_bytes(b"changed")
    (files / "archive" / "alone.tsr").write_bytes(authority(200).stamp(b""))
    (files / "archive" / "bad.tsr").write_bytes(b"bad")
    tsa(*WORDS, "-o", "out")
    lines = [json.loads(each) for each in (files / "out" / RESULTS).read_bytes().splitlines()[1:]]
    assert len(lines) == 12
    for line in lines:
        data = [] if line["data"] is None else ["--data", f"archive/{line['data']}"]
        report = json.loads(tsa(f"archive/{line['token']}", *WORDS[1:], *data, "--json")[1])
        for name in ("indication", "sub_indication", "kind", "verifiable_until", "limits"):
            assert line[name] == report[name], line["token"]


def test_a_proof_beside_a_token_counts_as_it_does_alone(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    proof = files / "archive" / "000" / "00004.txt.tsr.tlog-proof"
    proof.write_bytes(b"no proof")
    (files / "log.vkey").write_text(verifier(log()).encode())
    words = (*WORDS[1:], "--log-key", "log.vkey", "--json")
    alone = json.loads(tsa("archive/000/00004.txt.tsr", *words)[1])
    batch = json.loads(tsa("archive", *words)[1])
    assert alone["indication"] == batch["indication"] != "PASSED"
    (cause,) = batch["causes"]
    assert cause["check"] == "in-ledger"
    assert json.loads(tsa(*WORDS, "--json")[1])["limits"]["LEDGER_PROOF_NOT_CHECKED"] == 1


def test_of_a_listed_file_that_is_absent_nobody_says_that_it_is_no_time_stamp(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    (files / "list.csv").write_text("token\nabsent.tsr\n")
    code, said, _ = tsa(*WORDS, "--manifest", "list.csv")
    assert code == 1
    assert "the file is absent or cannot be read" in said
    assert "this is not a time-stamp" not in said


def test_a_token_with_the_longest_name_is_judged_alone_and_among_others(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    name = f"archive/{'x' * 251}.tsr"
    (files / name).write_bytes(authority().stamp(b""))
    assert tsa(name, *WORDS[1:])[0] == 0
    assert tsa(*WORDS)[0] == 0


def test_results_are_written_once_and_nothing_is_overwritten(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    code, said, _ = tsa(*WORDS, "-o", "new/out")
    assert code == 0
    assert "The results are in new/out." in said
    out = files / "new" / "out"
    written = contents(out)
    assert set(written) == {RESULTS, TABLE, SUMMARY}
    assert json.loads(written[SUMMARY]) == json.loads(tsa(*WORDS, "--json")[1])
    for words in (("-o", "new/out"), ("-o", "new/out", "--resume")):
        assert tsa(*WORDS, *words)[0] == 3
    assert contents(out) == written


@pytest.mark.parametrize("name", [RESULTS, TABLE, SUMMARY])
def test_a_file_that_is_named_like_results_is_not_overwritten(
    files: Path, tsa: Callable[..., tuple[int, str, str]], name: str
) -> None:
    (files / "out").mkdir()
    (files / "out" / name).write_bytes(b"mine")
    assert tsa(*WORDS, "-o", "out")[0] == 3
    assert contents(files / "out") == {name: b"mine"}


def test_results_within_the_archive_are_no_part_of_it(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    assert tsa(*WORDS, "-o", "archive/out")[0] == 0
    (files / "archive" / "out").rename(files / "inside")
    assert tsa(*WORDS, "-o", "outside")[0] == 0
    assert contents(files / "inside") == contents(files / "outside")
    assert tsa(*WORDS, "-o", "archive")[0] == 3


def broken_off(files: Path) -> None:
    """Leave what a crash in the middle of a batch leaves."""
    out = files / "out"
    lines = (out / RESULTS).read_bytes().splitlines(keepends=True)
    (out / f"{RESULTS}.part").write_bytes(b"".join(lines[:5]) + lines[5][:20])
    for name in (RESULTS, TABLE, SUMMARY):
        (out / name).unlink()


def test_a_batch_that_broke_off_goes_on_for_the_time_it_was_begun_for(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    now = WORDS[:3]
    tsa(*now, "-o", "out")
    whole = contents(files / "out")
    broken_off(files)
    code, _, told = tsa(*now, "-o", "out")
    assert code == 3
    assert "--resume goes on with it" in told
    code, said, _ = tsa(*now, "-o", "out", "--resume")
    assert code in {0, 2}
    assert "4 judgements were taken over" in said
    assert contents(files / "out") == whole


@pytest.mark.parametrize("left", [(TABLE,), (SUMMARY,), (TABLE, SUMMARY)])
def test_a_crash_after_the_last_judgement_is_mended(
    files: Path, tsa: Callable[..., tuple[int, str, str]], left: tuple[str, ...]
) -> None:
    tsa(*WORDS, "-o", "out")
    whole, out = contents(files / "out"), files / "out"
    (out / RESULTS).rename(out / f"{RESULTS}.part")
    for name in {TABLE, SUMMARY} - set(left):
        (out / name).unlink()
    assert tsa(*WORDS, "-o", "out", "--resume")[0] == 0
    assert contents(out) == whole


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--at", "2026-09-10"), "at"),
        (("--from", "2026-06-02"), "from"),
        (("--to", "2026-06-02"), "to"),
        (("--policy", "us"), "policy"),
        (("--trust", "other.pem"), "trust"),
        (("--manifest", "list"), "manifest"),
        (("--log-key", "log.vkey"), "log_keys"),
        (("--witness-policy", "witnesses"), "witness_policy"),
        (("--revocation", "required"), "revocation_mode"),
        (("--policy", "us", "--to", "2026-06-02"), "policy, to"),
    ],
)
def test_a_batch_does_not_go_on_by_other_terms(
    files: Path, tsa: Callable[..., tuple[int, str, str]], words: tuple[str, ...], named: str
) -> None:
    tsa(*WORDS, "-o", "out")
    broken_off(files)
    (files / "other.pem").write_bytes(authority(200).pem)
    (files / "list").write_text("token\n000/00001.txt.tsr\n")
    (files / "log.vkey").write_text(verifier(log()).encode())
    (files / "witnesses").write_text("quorum none\n")
    before = contents(files / "out")
    code, _, told = tsa(*WORDS, *words, "-o", "out", "--resume")
    assert code == 3
    assert f" {named}" in told
    assert contents(files / "out") == before


def test_a_list_says_which_data_belongs_to_which_token(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    (files / "list.csv").write_text(
        "token,data,expected\n000/00001.txt.tsr,000/00001.txt,PASSED\n000/00002.txt.tsr,000/00001.txt,FAILED\n"
    )
    code, said, _ = tsa(*WORDS, "--manifest", "list.csv", "--json")
    summary = json.loads(said)
    assert code == 1
    assert summary["verdicts"] == {"PASSED": 1, "INDETERMINATE": 0, "FAILED": 1}
    assert summary["unexpected_total"] == 0
    (files / "list.csv").write_text("token\n\n,\n")
    code, _, told = tsa(*WORDS, "--manifest", "list.csv")
    assert (code, told) == (2, "")
    (files / "list.csv").write_text("token,expected\nx,maybe\n")
    code, _, told = tsa(*WORDS, "--manifest", "list.csv")
    assert code == 3
    assert "list.csv cannot be used (MANIFEST_EXPECTED, line 2)" in told


@pytest.mark.parametrize(("lang", "words"), [("en", "is no field of a list"), ("ja", "は一覧の項目ではない")])
def test_a_misspelt_field_of_a_list_is_told_by_name_and_harmlessly(
    files: Path, tsa: Callable[..., tuple[int, str, str]], lang: str, words: str
) -> None:
    (files / "list.csv").write_text("token,expc\x1b[2Jted\nx,PASSED\n")
    code, _, told = tsa(*WORDS, "--manifest", "list.csv", "--lang", lang)
    assert code == 3
    assert f"expc\\u{{1b}}[2jted {words}" in told
    assert "token, data, digest, expected" in told


TOKEN = "archive/000/00001.txt.tsr"


@pytest.mark.parametrize(
    "words",
    [
        ("archive", "--data", "root.pem"),
        ("archive", "--digest", "00"),
        ("archive", "--request", "root.pem"),
        ("archive", "--proof", "root.pem"),
        ("archive", "--require-ledger", "root.pem"),
        ("archive", "--resume"),
        ("archive", "--resume", "-o", "absent"),
        ("archive", "--manifest", "absent"),
        ("archive", "--manifest", "archive"),
        ("archive", "--trust", "absent"),
        ("archive", "--log-key", "root.pem"),
        ("archive", "--witness-policy", "root.pem"),
        ("archive", "--from", "yesterday"),
        ("archive", "--to", "2026-02-30"),
        ("archive", "--to", "9999-12-31T23:00-14:00"),
        ("archive", "--from", "2026-06-02", "--to", "2026-06-01"),
        ("archive", "--jobs", "0"),
        ("archive", "--jobs", "many"),
        ("archive", "-o", "root.pem"),
        (TOKEN, "--from", "2026-06-02"),
        (TOKEN, "--to", "2026-06-02"),
        (TOKEN, "--manifest", "root.pem"),
        (TOKEN, "--out", "out"),
        (TOKEN, "--jobs", "2"),
        (TOKEN, "--resume"),
        ("absent", "--jobs", "2"),
    ],
)
def test_wrong_usage_is_told_from_verdicts(
    tsa: Callable[..., tuple[int, str, str]], words: tuple[str, ...]
) -> None:
    code, said, told = tsa(*words)
    assert (code, said) == (3, "")
    assert told
    assert "Traceback" not in told


def test_json_and_results_do_not_depend_on_the_language(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    spoken = [tsa(*WORDS, "--json", "-o", lang, "--lang", lang)[1] for lang in LANGUAGES]
    assert spoken[0] == spoken[1]
    assert contents(files / "en") == contents(files / "ja")


def test_japanese_is_spoken_when_asked_for(tsa: Callable[..., tuple[int, str, str]]) -> None:
    said = tsa(*WORDS, "--lang", "ja")[1]
    assert said.startswith("PASSED: タイムスタンプ 10 件のうち PASSED 10 件")
    assert "ユニットの証明書の期限切れ" in said


@pytest.mark.parametrize("lang", LANGUAGES)
def test_whatever_ends_has_a_name_in_the_calendar(lang: str) -> None:
    assert all(text(lang, f"verify.batch.{ending}") for ending in Ending)


def test_the_name_of_a_file_does_nothing_to_a_terminal(
    files: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    for name in ("\x1b]0;x\x07.tsr", "a\nPASSED.tsr", "\u202egnp.tsr", os.fsdecode(b"\xff.tsr")):
        (files / "archive" / name).touch()
    said = tsa(*WORDS)[1]
    assert not [each for each in said if not each.isprintable() and each != "\n"]
    assert "a\\nPASSED.tsr: FAILED" in said


def test_long_lists_are_cut_in_text(files: Path, tsa: Callable[..., tuple[int, str, str]]) -> None:
    for number in range(30):
        (files / "archive" / f"{number:02}.tsr").touch()
    said = tsa(*WORDS)[1]
    assert "and 10 more" in said
    assert "19.tsr" in said
    assert "20.tsr" not in said


def run(files: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*TSA, *words],
        cwd=files,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TSA_LANG": "en", **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp932"])
def test_output_survives_an_encoding_that_lacks_the_characters(files: Path, encoding: str) -> None:
    (files / "archive" / "請求書🎌.tsr").touch()
    ended = run(files, *WORDS, "--lang", "ja", PYTHONIOENCODING=encoding)
    assert ended.returncode == 1
    assert ended.stdout.decode(encoding).startswith("FAILED: ")
    assert ended.stderr == b""


def test_a_fault_of_ours_names_the_file_and_what_was_judged_is_kept(
    files: Path, tsa: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = (files / "archive" / "000" / "00004.txt.tsr").read_bytes()

    def fail(data: bytes, context: Context) -> Report:
        return verify_bytes(data, context) if data != bad else 1 // 0  # type: ignore[return-value]

    with monkeypatch.context() as patched:
        patched.setattr("kokuin.verify.verifying.verify_bytes", fail)
        code, said, told = tsa(*WORDS, "-o", "out")
    assert (code, said) == (4, "")
    assert "000/00004.txt.tsr: ZeroDivisionError" in told
    assert tsa(*WORDS, "-o", "out", "--resume")[0] == 0


def _children(parent: int) -> set[int]:
    """Return the processes that a process has started, and theirs."""
    found = {int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}
    return found.union(*map(_children, found))


def _judges(process: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _judges_begun(process: subprocess.Popen[bytes]) -> int:
    return sum(map(_judges, _children(process.pid)))


def _lines(files: Path) -> int:
    """Return how many judgements are written, of a batch that is not through."""
    part = files / "out" / f"{RESULTS}.part"
    return part.read_bytes().count(b"\n") - 1 if part.exists() else 0


@contextlib.contextmanager
def begun(
    files: Path, until: Callable[[subprocess.Popen[bytes]], bool] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Gate]]:
    """Begin a batch in two processes, and give it when it has judged something, or is so far.

    It cannot come to its end: before one of the tokens stands a gate.
    """
    fill(files / "archive", TOKENS)
    gate = Gate(files / "gate", f"{HELD:05}.txt.tsr")
    until = until or (lambda process: _lines(files) > 0 and _judges_begun(process) == 2)
    with (files / "told").open("wb") as told:
        process = subprocess.Popen(
            [*TSA, *WORDS, "--jobs", "2", "-o", "out"],
            cwd=files,
            env={**os.environ, "TSA_LANG": "en", **gate.environment},
            stderr=told,
            start_new_session=True,
        )
    try:
        while not until(process):
            assert process.poll() is None
            time.sleep(0.005)
        yield process, gate
    finally:
        process.kill()
        process.wait()


def _interrupt(process: subprocess.Popen[bytes], gate: Gate) -> None:
    """Type Ctrl-C, and wait for the end; whoever judges a chunk finishes it."""
    os.killpg(process.pid, signal.SIGINT)
    gate.open()
    process.wait()


@LINUX
def test_a_batch_killed_in_its_middle_leaves_no_process_and_goes_on_to_the_same_results(
    files: Path,
) -> None:
    with begun(files) as (process, _):
        children = _children(process.pid)
        process.kill()
    while any(map(_runs, children)):
        time.sleep(0.02)
    kept = _lines(files)
    assert 0 < kept < TOKENS
    ended = run(files, *WORDS, "-o", "out", "--resume")
    assert ended.returncode == 0, ended.stderr
    assert f"{kept} judgements were taken over".encode() in ended.stdout
    assert run(files, *WORDS, "--jobs", "1", "-o", "whole").returncode == 0
    assert contents(files / "out") == contents(files / "whole")


@LINUX
def test_ctrl_c_ends_all_processes_quietly_and_the_batch_can_go_on(files: Path) -> None:
    with begun(files) as (process, gate):
        _interrupt(process, gate)
    assert (process.returncode, (files / "told").read_bytes()) == (130, b"")
    assert run(files, *WORDS, "-o", "out", "--resume").returncode == 0


@LINUX
def test_ctrl_c_while_the_processes_start_is_as_quiet(files: Path) -> None:
    with begun(files, lambda process: _judges_begun(process) > 0) as (process, gate):
        time.sleep(0.05)  # most often the interpreter is up, and imports
        _interrupt(process, gate)
    assert (process.returncode, (files / "told").read_bytes()) == (130, b"")


@LINUX
def test_the_death_of_a_process_that_judges_ends_the_batch_and_loses_nothing(files: Path) -> None:
    with begun(files) as (process, _):
        os.kill(next(filter(_judges, _children(process.pid))), signal.SIGKILL)
        process.wait()
    assert process.returncode == 3
    assert len((files / "told").read_bytes().splitlines()) == 1
    kept = _lines(files)
    ended = run(files, *WORDS, "-o", "out", "--resume")
    assert ended.returncode == 0
    assert f"{kept} judgements were taken over".encode() in ended.stdout


def test_a_progress_bar_is_shown_to_a_terminal_and_to_nobody_else(files: Path) -> None:
    assert run(files, *WORDS).stderr == b""
    ours, theirs = os.openpty()
    with contextlib.closing(os.fdopen(ours, "rb", buffering=0)) as terminal:
        ended = subprocess.run(
            [*TSA, *WORDS],
            cwd=files,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TSA_LANG": "en"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            check=False,
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the end, as Linux says it of a terminal
            while more := terminal.read(4096):
                shown += more
    assert ended.returncode == 0
    assert b"100 % time-stamps judged" in shown
    assert ended.stdout.startswith(b"PASSED")
