"""`tsa ledger prove` and `tsa stamp --proof`: proofs of a service and of a folder, for `tsa verify`."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.ledger_remote import Answer, RemoteLedger
from kokuin.cli.main import main
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.tlog_proof import read_proof
from tests.ledger.rfc6962 import mth, path, proof
from tests.service.asking import serial_of
from tests.service.running import PATIENCE_S, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.service.running import Service


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSA_LANG", "en")
    # On a busy machine the checkpoint may come later than a user would wait.
    monkeypatch.setattr("kokuin.cli.ledger_proofs.PATIENCE_SECONDS", PATIENCE_S)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(prepare(tmp_path_factory.mktemp("prove") / "data", "classical")) as running:
        yield running


@pytest.fixture
def tsa(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def document(tmp_path: Path) -> Path:
    made = tmp_path / "document"
    made.write_bytes(b"to be proven\n")
    return made


@pytest.fixture
def token(service: Service, document: Path, tsa: Callable[..., tuple[int, str, str]]) -> Path:
    """A token whose record a checkpoint covers."""
    assert tsa("stamp", document, "--url", service.url, "--proof")[0] == 0
    made = document.with_name("document.tsr")
    made.with_name("document.tsr.tlog-proof").unlink()
    return made


def url(service: Service) -> str:
    return service.url.removesuffix("/tsa")


def check(service: Service, octets: bytes) -> bytes:
    """Check a proof by RFC 6962 over the ledger's own leaves; return the leaf."""
    found = read_proof(octets)
    logs = LogVerifier.parse(service.folder.log_keys.read_text())
    checkpoint = logs.check(found.checkpoint_octets).checkpoint
    with LedgerReader(service.folder.ledger) as reader:
        leaves = [sha256(b"\0" + each.leaf).digest() for each in reader.walk(0, checkpoint.size)]
    assert checkpoint.root == mth(leaves)
    assert sha256(b"\0" + found.extra).digest() == leaves[found.index]
    assert list(found.hashes) == path(found.index, leaves)
    return found.extra


def test_a_stamp_with_proof_passes_with_the_logs_keys(
    service: Service, document: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    code, printed, _ = tsa(
        "stamp", document, "--url", service.url, "--proof", "-o", document.with_suffix(".tst")
    )
    beside = document.with_name("document.tst.tlog-proof")
    assert code == 0
    assert printed.endswith(f"Proof: {beside}\n")
    check(service, beside.read_bytes())
    verified = ("verify", document.with_suffix(".tst"), "--data", document, "--json")
    code, printed, _ = tsa(*verified, "--trust", service.folder.root / "trust")
    assert code == 0
    assert [each["status"] for each in json.loads(printed)["checks"] if each["id"] == "in-ledger"] == ["ok"]
    beside.write_bytes(beside.read_bytes().replace(b"index ", b"index 1", 1))
    assert tsa(*verified, "--trust", service.folder.root / "trust")[0] == 1


@pytest.mark.parametrize("way", ["folder", "service"])
def test_a_tokens_proof_is_written_where_verify_finds_it(
    service: Service, token: Path, tsa: Callable[..., tuple[int, str, str]], way: str
) -> None:
    where = ("--dir", service.folder.root) if way == "folder" else ("--url", url(service) + "/")
    beside = token.with_name("document.tsr.tlog-proof")
    assert tsa("ledger", "prove", "--token", token, *where) == (0, f"Proof: {beside}\n", "")
    leaf = json.loads(check(service, beside.read_bytes()))
    assert leaf["serial"] == serial_of(token.read_bytes())
    older = token.with_name("named")
    assert tsa("ledger", "prove", "--token", token, *where, "-o", older)[0] == 0
    assert read_proof(older.read_bytes()).index == read_proof(beside.read_bytes()).index


@pytest.mark.parametrize("way", ["folder", "service"])
def test_records_by_serial_and_index_are_printed(
    service: Service, token: Path, tsa: Callable[..., tuple[int, str, str]], way: str, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(service.operator_key + "\n")
    where = ("--dir", service.folder.root) if way == "folder" else ("--url", url(service), "--key-file", key)
    serial = serial_of(token.read_bytes())
    code, by_serial, _ = tsa("ledger", "prove", "--serial", serial.upper(), *where)
    assert code == 0
    assert json.loads(check(service, by_serial.encode()))["serial"] == serial
    code, by_index, _ = tsa("ledger", "prove", "--index", read_proof(by_serial.encode()).index, *where)
    assert code == 0
    assert check(service, by_index.encode()) == check(service, by_serial.encode())
    assert tsa("ledger", "prove", "--serial", "ab", *where) == (1, "", "The ledger has no such record.\n")
    assert tsa("ledger", "prove", "--index", 10**9, *where) == (1, "", "The ledger has no such record.\n")


@pytest.mark.parametrize("way", ["folder", "service"])
def test_the_log_is_proven_to_have_only_grown(
    service: Service, token: Path, tsa: Callable[..., tuple[int, str, str]], way: str, tmp_path: Path
) -> None:
    where = ("--dir", service.folder.root) if way == "folder" else ("--url", url(service))
    code, printed, _ = tsa("ledger", "prove", "--from", 3, *where)
    found = json.loads(printed)
    with LedgerReader(service.folder.ledger) as reader:
        leaves = [sha256(b"\0" + each.leaf).digest() for each in reader.walk(0, found["to"])]
    assert (code, found["from"]) == (0, 3)
    assert base64.b64decode(found["from_root"]) == mth(leaves[:3])
    assert base64.b64decode(found["to_root"]) == mth(leaves)
    assert [base64.b64decode(each) for each in found["hashes"]] == proof(3, leaves)
    out = tmp_path / "consistency"
    assert tsa("ledger", "prove", "--from", 1, "--to", 4, *where, "-o", out)[0] == 0
    assert json.loads(out.read_text())["to"] == 4
    code, printed, said = tsa("ledger", "prove", "--from", 5, "--to", 4, *where)
    assert (code, printed, said.startswith("There is no such proof")) == (1, "", True)


def test_a_token_of_another_authority_has_no_record(
    service: Service, token: Path, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    with serving(prepare(tmp_path / "other", "classical")) as other:
        assert tsa("stamp", token, "--url", other.url)[0] == 0
    foreign = token.with_name("document.tsr.tsr")
    for where in (("--dir", service.folder.root), ("--url", url(service))):
        assert tsa("ledger", "prove", "--token", foreign, *where) == (
            1,
            "",
            "The ledger has no such record.\n",
        )
    assert not foreign.with_name("document.tsr.tsr.tlog-proof").exists()


def test_without_the_key_a_service_proves_nothing_by_serial_or_index(
    service: Service, token: Path, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    wrong = tmp_path / "key"
    wrong.write_text("wrong")
    wanting = {(): "needs --key-file", ("--key-file", wrong): "the service refuses the key"}
    for more, complains in wanting.items():
        code, printed, complaint = tsa("ledger", "prove", "--index", 0, "--url", url(service), *more)
        assert (code, printed) == (3, "")
        assert complains in complaint


def test_a_folder_without_a_checkpoint_has_the_proof_later(
    document: Path,
    tsa: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(prepare(tmp_path / "data", "classical")) as stopped:
        assert tsa("stamp", document, "--url", stopped.url)[0] == 0
    shutil.rmtree(stopped.folder.log)
    monkeypatch.setattr("kokuin.cli.ledger_proofs.PATIENCE_SECONDS", 0.0)
    token, folder = document.with_name("document.tsr"), stopped.folder.root
    code, printed, said = tsa("ledger", "prove", "--token", token, "--dir", folder)
    assert (code, printed, said.startswith("The record is durable")) == (2, "", True)
    said = "The log has published no checkpoint yet.\n"
    assert tsa("ledger", "prove", "--from", 0, "--dir", folder) == (1, "", said)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--index", "-1"), "a number from 0"),
        (("--index", str(2**63)), "a number from 0"),
        (("--index", "0", "--to", "3"), "--to belongs to --from"),
        (("--token", "/nonexistent"), "No such file"),
        (("--token", "/dev/null"), "holds no time-stamp token"),
        (("--index", "0", "--url", "http://127.0.0.1:1"), "http://127.0.0.1:1: "),
        (("--index", "0", "--url", "no url"), "no url: "),
        (("--index", "0", "--url", "http://127.0.0.1:1", "--key-file", "/nonexistent"), "No such file"),
        (("--index", "0", "--url", "http://127.0.0.1:1", "--key-file", "/dev/null"), "holds no key"),
        (("--index", "0", "--dir", "/nonexistent"), "is no data folder"),
    ],
)
def test_what_cannot_be_used_is_said(
    tsa: Callable[..., tuple[int, str, str]], words: tuple[str, ...], complaint: str
) -> None:
    code, printed, said = tsa("ledger", "prove", *words)
    assert (code, printed, complaint in said, said.count("\n")) == (3, "", True, 1), said


def test_a_stamp_whose_ledger_cannot_be_found_asks_nobody(
    document: Path, tsa: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, said = tsa("stamp", document, "--url", "http://127.0.0.1:1/other", "--proof")
    assert (code, "does not end in /tsa" in said) == (3, True)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Serve one answer to everything; give the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_proof_of_something_else_is_not_written(
    service: Service, token: Path, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    assert tsa("ledger", "prove", "--index", 1, "--dir", service.folder.root, "-o", other)[0] == 0
    assert (
        tsa("ledger", "prove", "--token", token, "--dir", service.folder.root, "-o", tmp_path / "own")[0] == 0
    )
    own = (tmp_path / "own").read_bytes()
    lies = [other.read_bytes(), own.replace(b"index ", b"index 1", 1), own[:-40], b"", b"<html>"]
    for lie in lies:
        with answering(200, lie) as there:
            code, _, said = tsa("ledger", "prove", "--token", token, "--url", there)
            assert (code, "no proof of this record" in said) == (3, True)
            assert tsa("ledger", "prove", "--serial", "abcd", "--url", there)[0] == 3
            assert tsa("ledger", "prove", "--index", 77777, "--url", there)[0] == 3
    assert not token.with_name("document.tsr.tlog-proof").exists()


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (302, b"", "answered HTTP 302"),
        (500, b"<html>", "answered HTTP 500"),
        (404, b"[]", "answered HTTP 404"),
        (404, b'{"code": 5}', "not as a time-stamp service"),
        (503, b'{"code": "NEW_CODE"}', "NEW_CODE"),
        (200, bytes(5 << 20), "not as a time-stamp service"),
    ],
)
def test_what_is_no_service_is_said_so(
    tsa: Callable[..., tuple[int, str, str]], status: int, body: bytes, complaint: str
) -> None:
    with answering(status, body) as there:
        code, printed, said = tsa("ledger", "prove", "--index", 0, "--url", there)
    assert (code, printed, complaint in said) == (3, "", True), said


def test_a_stamp_without_its_proof_is_written_all_the_same(
    service: Service,
    document: Path,
    tsa: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as pending:
        pending.setattr("kokuin.cli.ledger_proofs.PATIENCE_SECONDS", 0.0)
        pending.setattr(RemoteLedger, "get", lambda *_: Answer(b"", "PROOF_PENDING"))
        code, printed, _ = tsa("stamp", document, "--url", service.url, "--proof")
    assert (code, "PROOF_PENDING" in printed) == (2, True)
    token = document.with_name("document.tsr")
    # The command that it names works.
    assert tsa("ledger", "prove", "--token", token, "--url", url(service))[0] == 0


@pytest.mark.parametrize("encoding", ["cp932", "ascii", "utf-8"])
def test_a_printed_proof_holds_whatever_encoding_the_terminal_has(
    service: Service, token: Path, encoding: str
) -> None:
    words = ("ledger", "prove", "--serial", serial_of(token.read_bytes()), "--dir", service.folder.root)
    ended = subprocess.run(
        [sys.executable, "-m", "kokuin.cli.main", *map(str, words)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        timeout=60,
    )
    assert json.loads(check(service, ended.stdout))["serial"] == serial_of(token.read_bytes())
