"""`tsa stamp DIR --batch`: one time-stamp for a folder, a record beside each file; `tsa verify` finds it."""

from __future__ import annotations

import fcntl
import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from kokuin.cli import stamp_batch
from kokuin.cli.main import main
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.token_form import bare_token, with_evidence
from tests.service.running import TSA, serving
from tests.stampinghttp import stamping
from tests.trust.evidences import P256, moment, unit
from tests.tsa.evidence_made import read, top
from tests.verify.test_openssl_tokens import KEYS, make_authority
from tsa.evidence.records import make_record
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kokuin.wire.tsp import TimeStampReq
    from tests.service.running import Prepared, Service
    from tests.verify.test_openssl_tokens import Authority

FILES = {
    "contract.pdf": b"%PDF-1.4 no seal in it",
    "log.json": b'{"device": 1}',
    "notes": b"plain",
    "sub/same": b"plain",
    "sub/.hidden": b"",
    "sub/deep/契約": b"\x30\x82",
}
LATER = ("--at", "2033-01-01", "--policy", "eu-ts119312")


@pytest.fixture(scope="module")
def hybrid(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """One worker; anybody may stamp."""
    with serving(folder_of("hybrid")) as service:
        yield service


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for each in ("TSA_LANG", "LANG", "LC_ALL"):
        monkeypatch.delenv(each, raising=False)
    root = tmp_path / "archive"
    for name, octets in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
    return root


def stamp(service: Service, folder: Path, *words: str) -> int:
    return main(["stamp", str(folder), "--batch", "--url", service.url, *words])


def issued(service: Service) -> int:
    return sum(leaf["kind"] == "tst.issued" and not leaf["self"] for leaf in service.leaves())


def judged(service: Service, path: Path, *words: str) -> int:
    return main(["verify", str(path), "--trust", str(service.folder.anchors), *words])


def records(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*.er")}


def test_one_time_stamp_covers_all_files_and_each_has_its_record(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = issued(single)
    assert stamp(single, folder) == 0
    said = capsys.readouterr().out
    assert "6 files by one time-stamp" in said
    assert "Records written: 6." in said
    assert issued(single) == before + 1
    assert records(folder) == {f"{name}.er" for name in FILES}
    imprint = next(leaf for leaf in reversed(single.leaves()) if leaf["kind"] == "tst.issued")["imp"]
    for name, octets in FILES.items():
        ((found,),) = (chain.stamps for chain in read((folder / f"{name}.er").read_bytes()).chains)
        # By hashlib alone, a group of one.
        assert top("sha512", found.reduced, [hashlib.sha512(octets).digest()]) == bytes.fromhex(imprint)


def test_each_file_and_the_whole_folder_pass_and_a_changed_file_fails(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(single, folder) == 0
    for name in FILES:
        assert judged(single, folder / name) == 0, name
        assert judged(single, folder / f"{name}.er", "--data", str(folder / name)) == 0
    capsys.readouterr()
    assert judged(single, folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["verdicts"] == {"PASSED": 6, "INDETERMINATE": 0, "FAILED": 0}
    (folder / "notes").write_bytes(b"altered")
    assert judged(single, folder / "notes") == 1
    assert judged(single, folder) == 1


def test_a_file_without_a_record_is_what_it_was_before(single: Service, folder: Path) -> None:
    assert judged(single, folder / "notes") == 1
    (folder / "notes.er").write_bytes(b"no record")
    assert judged(single, folder / "notes") == 1


def test_what_a_file_says_is_saved_as_facts_too(single: Service, folder: Path, tmp_path: Path) -> None:
    assert stamp(single, folder) == 0
    facts = tmp_path / "facts"
    assert judged(single, folder / "log.json", "--facts", str(facts)) == 0
    (folder / "log.json").unlink()
    assert main(["verify", "--from-facts", str(facts)]) == 0


def test_a_second_run_stamps_what_is_new_and_overwrites_nothing(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(single, folder) == 0
    older = {name: (folder / name).read_bytes() for name in records(folder)}
    before = issued(single)
    capsys.readouterr()
    assert stamp(single, folder) == 0
    assert "Records written: 0. Files that had one: 6." in capsys.readouterr().out
    assert issued(single) == before
    (folder / "new").write_bytes(b"new")
    assert stamp(single, folder) == 0
    assert issued(single) == before + 1
    assert {name: (folder / name).read_bytes() for name in older} == older
    assert records(folder) == {*older, "new.er"}


def test_time_stamps_and_their_proofs_are_passed_over(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stamp", str(folder / "notes"), "--url", single.url, "--proof"]) == 0
    assert stamp(single, folder) == 0
    assert "passed over: 2." in capsys.readouterr().out
    assert not (folder / "notes.tsr.er").exists()
    assert judged(single, folder / "notes.tsr", "--data", str(folder / "notes")) == 0


def test_records_may_go_elsewhere_with_a_list_that_verify_takes(
    single: Service, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, manifest = folder / "records", tmp_path / "list.jsonl"
    assert stamp(single, folder, "-o", str(out), "--manifest", str(manifest)) == 0
    assert records(out) == {f"{name}.er" for name in FILES}
    assert not records(folder) - {f"records/{name}.er" for name in FILES}
    words = ("--manifest", str(manifest), "--json")
    capsys.readouterr()
    assert judged(single, folder, *words) == 0
    assert json.loads(capsys.readouterr().out)["verdicts"]["PASSED"] == len(FILES)
    (folder / "notes").unlink()
    assert judged(single, folder, *words) == 2
    assert stamp(single, folder, "-o", str(out), "--manifest", str(manifest)) == 3
    # The folder of the records is none of what is stamped, whatever is in it.
    assert stamp(single, folder, "-o", str(out)) == 0
    assert records(out) == {f"{name}.er" for name in FILES}


def test_the_folder_itself_by_another_name_may_take_the_records(
    single: Service, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert stamp(single, folder, "-o", str(tmp_path / "link")) == 0
    assert "Records written: 6." in capsys.readouterr().out
    assert records(folder) == {f"{name}.er" for name in FILES}


def test_a_link_in_the_place_of_an_unfinished_record_leads_nowhere(
    single: Service, folder: Path, tmp_path: Path
) -> None:
    # Attack: an archive that was unpacked holds links to files of whoever stamps it.
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (folder / "notes.er.part").symlink_to(victim)
    os.mkfifo(folder / "log.json.er.part")
    assert stamp(single, folder) == 0
    assert victim.read_bytes() == b"precious"
    assert not (folder / "notes.er").is_symlink()
    assert judged(single, folder) == 0


def test_more_files_than_a_tree_takes_are_several_batches(
    single: Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamp_batch, "MAX_FILES", 4)
    before = issued(single)
    assert stamp(single, folder) == 0
    assert issued(single) == before + 2
    assert judged(single, folder) == 0


def test_the_evidence_of_the_service_goes_into_each_record(
    hybrid: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(hybrid, folder, "--evidence") == 0
    for name in FILES:
        (chain,) = read((folder / f"{name}.er").read_bytes()).chains
        assert len(chain.stamps) == 2
    capsys.readouterr()
    # By the root alone: all that is known of revocations came with the records, proven in time.
    assert hybrid.folder.anchors.name == "ca.pem"
    assert judged(hybrid, folder, *LATER, "--revocation", "required", "--json") == 0
    assert json.loads(capsys.readouterr().out)["verdicts"]["PASSED"] == len(FILES)


def test_without_it_the_records_are_as_the_time_stamp(hybrid: Service, folder: Path) -> None:
    assert stamp(hybrid, folder) == 0
    assert judged(hybrid, folder) == 0
    assert judged(hybrid, folder, *LATER) == 2


def test_evidence_that_there_is_not_is_said_and_the_records_are_written(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(single, folder, "--evidence") == 2
    assert "EVIDENCE_NONE" in capsys.readouterr().err
    assert records(folder) == {f"{name}.er" for name in FILES}


def test_a_file_that_cannot_be_read_keeps_no_other_from_its_record(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "gone").symlink_to("nowhere")
    (folder / ("x" * 253)).write_bytes(b"its record would have a name of 256 octets")
    assert stamp(single, folder) == 2
    said = capsys.readouterr().err
    assert all(f"archive/{name}" in said for name in ("pipe", "gone", "x" * 253))
    assert records(folder) == {f"{name}.er" for name in FILES}
    assert not list(folder.rglob("*.part"))


def test_names_that_are_no_text_are_stamped_and_not_listed(
    single: Service, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / os.fsdecode(b"\x80")).write_bytes(b"")
    manifest = tmp_path / "list"
    assert stamp(single, folder, "--manifest", str(manifest)) == 0
    assert "1 files are not in the list" in capsys.readouterr().err
    assert len(manifest.read_bytes().splitlines()) == len(FILES)
    assert judged(single, folder) == 0


def test_names_reach_no_terminal_as_they_are_and_keep_no_evidence_away(
    hybrid: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = folder / os.fsdecode(b"\x80 \x1b[31m")
    odd.write_bytes(b"odd")
    assert main(["stamp", str(odd), "--url", hybrid.url, "--evidence"]) == 0
    assert (folder / f"{odd.name}.tsr.er").exists()
    os.mkfifo(folder / "pipe\x1b[31m\n")
    assert stamp(hybrid, folder) == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "pipe\\x1b[31m\\n: " in said.err


def test_a_refusal_leaves_no_record(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(single, folder, "--policy", "1.2.3") == 1
    assert "policy" in capsys.readouterr().out
    assert not records(folder)


@pytest.mark.parametrize(
    "words",
    [
        ("--hash", "sha256"),
        ("--no-certificates",),
        ("--proof",),
        ("--policy", "perhaps"),
        ("--url", "http://127.0.0.1:1/tsa"),
        ("--url", "http://127.0.0.1:1/stamp", "--evidence"),
        ("-o", "{folder}/notes"),
    ],
)
def test_what_does_not_go_with_a_batch_is_refused_before_anything_is_written(
    single: Service, folder: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(single, folder, *(each.format(folder=folder) for each in words)) == 3
    assert capsys.readouterr().err.startswith("tsa stamp: ")
    assert not records(folder)


def test_a_file_is_no_batch_and_a_folder_no_file(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(single, folder / "notes") == 3
    assert stamp(single, folder / "absent") == 3
    capsys.readouterr()
    assert main(["stamp", str(folder), "--url", single.url]) == 3
    assert "--batch" in capsys.readouterr().err
    assert main(["stamp", str(folder / "notes"), "--url", single.url, "--manifest", "list"]) == 3


def test_two_do_not_write_into_one_folder_at_once(
    single: Service, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert stamp(single, folder) == 3
    finally:
        os.close(descriptor)
    assert "another tsa stamp --batch" in capsys.readouterr().err
    assert stamp(single, folder) == 0


def test_a_run_that_was_killed_is_gone_on_with(single: Service, folder: Path) -> None:
    """At whatever line: what is there is whole, what is left over is replaced, each file has one record."""
    for number in range(1_000):
        (folder / f"file-{number}").write_bytes(b"%d" % number)
    words = [str(TSA), "stamp", str(folder), "--batch", "--url", single.url]
    seen = 0
    for _ in range(3):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while len(list(folder.rglob("*.er*"))) <= seen + 100 and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        seen = len(list(folder.rglob("*.er*")))
    whole = {name: (folder / name).read_bytes() for name in records(folder)}
    assert stamp(single, folder) == 0
    assert len(records(folder)) == 1_000 + len(FILES)
    assert {name: (folder / name).read_bytes() for name in whole} == whole
    assert not list(folder.rglob("*.part"))
    assert judged(single, folder) == 0


def test_evidence_that_is_within_the_token_is_in_each_record_unasked(
    embedding: Service, folder: Path
) -> None:
    assert stamp(embedding, folder) == 0
    assert judged(embedding, folder, *LATER) == 0


@pytest.mark.parametrize("within", ["junk", "of another token", "by another hash"])
def test_what_an_authority_puts_into_its_token_is_no_evidence_because_it_stands_there(
    folder: Path, within: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stamps = unit(P256, time.gmtime().tm_year)

    def issue(request: TimeStampReq, at: int) -> SimpleNamespace:
        token = stamps.unit.issue(request, at).token
        name = "sha256" if within == "by another hash" else "sha512"
        covered = b"another token" if within == "of another token" else bare_token(token)
        tree = HashTree(name, [[DIGEST_BY_NAME[name].of(covered)]])
        record = make_record(tree, 0, stamps.stamp(name, tree.root, moment(time.gmtime().tm_year)))
        return SimpleNamespace(token=with_evidence(token, b"\x30\x00" if within == "junk" else record))

    with stamping(SimpleNamespace(unit=SimpleNamespace(issue=issue))) as server:  # type: ignore[arg-type]  # as a unit
        assert main(["stamp", str(folder), "--batch", "--url", server.url]) == 0
        assert records(folder) == {f"{name}.er" for name in FILES}
        (folder / "new").write_bytes(b"new")
        assert main(["stamp", str(folder), "--batch", "--evidence", "--url", server.url]) == 2
        assert (folder / "new.er").exists()
        capsys.readouterr()
        code = main(["stamp", str(folder / "new"), "--evidence", "--url", server.url])
        assert ("is within" in capsys.readouterr().out, code) == (
            (True, 0) if "hash" in within else (False, 2)
        )


class _OpenSSL(http.server.BaseHTTPRequestHandler):
    """An authority that is none of ours."""

    authority: Authority

    def do_POST(self) -> None:
        folder = self.authority.folder
        (folder / "asked.tsq").write_bytes(self.rfile.read(int(self.headers["content-length"])))
        section = ("-config", "tsa.cnf", "-section", "here")
        self.authority.run("ts", "-reply", *section, "-queryfile", "asked.tsq", "-out", "answer.tsr")
        body = (folder / "answer.tsr").read_bytes()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_any_authority_will_do(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "authority").mkdir()
    authority = make_authority(tmp_path / "authority", KEYS["p256"])
    authority.stamp(folder / "notes")  # which writes its configuration
    handler = type("Handler", (_OpenSSL,), {"authority": authority})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        assert main(["stamp", str(folder), "--batch", "--url", url]) == 0
    finally:
        server.shutdown()
        server.server_close()
    trust = ("--trust", str(authority.folder / "ca.pem"))
    assert main(["verify", str(folder), *trust]) == 0
    # Its token is in each record as it came; OpenSSL judges it over the root.
    record = read((folder / "notes.er").read_bytes())
    (stamped,) = record.chains[0].stamps
    (tmp_path / "authority/token").write_bytes(stamped.time_stamp)
    root = top("sha512", stamped.reduced, [hashlib.sha512(FILES["notes"]).digest()])
    assert root is not None
    token = ("-in", "token", "-token_in", "-CAfile", "ca.pem")
    authority.run("ts", "-verify", "-digest", root.hex(), *token)
