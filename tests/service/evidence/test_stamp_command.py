"""`tsa stamp --evidence`: the token and its evidence record beside it, where `tsa verify` finds it."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from kokuin.cli import stamp_evidence
from kokuin.cli.main import main
from kokuin.service.owner import ask_owner
from tests.service.asking import granted
from tests.service.evidence.evidencing import see
from tests.service.running import PATIENCE_S, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.service.running import Prepared, Service

DOCUMENT = b"a letter\n"
LATER = ("--at", "2033-01-01", "--policy", "eu-ts119312")


@pytest.fixture(scope="module")
def hybrid(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """One worker; anybody may stamp."""
    with serving(folder_of("hybrid")) as service:
        yield service


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for each in ("TSA_LANG", "LANG", "LC_ALL"):
        monkeypatch.delenv(each, raising=False)
    path = tmp_path / "letter"
    path.write_bytes(DOCUMENT)
    return path


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_the_record_lies_beside_the_token_and_covers_the_document(
    hybrid: Service, document: Path, capsys: pytest.CaptureFixture[str], digest: str
) -> None:
    words = ["stamp", str(document), "--url", hybrid.url, "--hash", digest, "--evidence"]
    assert main(words) == 0
    token, record = (document.with_name(f"letter{suffix}") for suffix in (".tsr", ".tsr.er"))
    assert capsys.readouterr().out.splitlines()[1] == f"{record}: evidence record"
    group = see(record.read_bytes()).group
    covered = (granted(token.read_bytes()).dump(), DOCUMENT)
    assert {hashlib.sha512(each).digest() for each in covered} <= group
    judged = ["verify", str(token), "--data", str(document), "--trust", str(hybrid.folder.anchors), *LATER]
    assert main(judged) == 0
    record.unlink()
    assert main(judged) == 2


def test_without_the_option_no_digest_of_the_document_is_sent(hybrid: Service, document: Path) -> None:
    assert main(["stamp", str(document), "--url", hybrid.url, "--hash", "sha256"]) == 0
    assert not document.with_name("letter.tsr.er").exists()
    issued = [leaf for leaf in hybrid.leaves() if leaf["kind"] == "tst.issued" and not leaf["self"]]
    assert "doc512" not in issued[-1]


def test_an_older_record_is_not_overwritten_and_nothing_is_asked_for(
    hybrid: Service, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = document.with_name("letter.tsr.er")
    older.write_bytes(b"older")
    before = len(hybrid.leaves())
    assert main(["stamp", str(document), "--url", hybrid.url, "--evidence"]) == 3
    assert "nothing is overwritten" in capsys.readouterr().err
    assert older.read_bytes() == b"older"
    assert not document.with_name("letter.tsr").exists()
    # The archive token over what was stamped before may come meanwhile.
    later = hybrid.leaves()[before:]
    assert not [leaf for leaf in later if leaf["kind"] == "tst.issued" and not leaf["self"]]


def test_of_a_profile_without_evidence_the_token_is_kept_and_the_rest_is_said(
    single: Service, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stamp", str(document), "--url", single.url, "--evidence"]) == 2
    said = capsys.readouterr().out
    assert "EVIDENCE_NONE" in said
    token = document.with_name("letter.tsr")
    assert f"curl -fo {token}.er http" in said
    assert token.exists()
    assert not document.with_name("letter.tsr.er").exists()


def test_of_an_authority_elsewhere_no_evidence_can_be_asked(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stamp", str(document), "--url", "http://127.0.0.1:1/stamp", "--evidence"]) == 3
    assert "--evidence: http://127.0.0.1:1/stamp does not end in /tsa" in capsys.readouterr().err


class _Liar(http.server.BaseHTTPRequestHandler):
    """Stamps by a service, and answers what it likes about evidence."""

    service: Service
    evidence: tuple[int, bytes]
    asked = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self._answer(200, self.service.post(body).content)

    def do_GET(self) -> None:
        type(self).asked += 1
        self._answer(*self.evidence)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("retry-after", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def liar(hybrid: Service) -> Iterator[tuple[type[_Liar], str]]:
    handler = type("Liar", (_Liar,), {"service": hybrid})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_address[1]}/tsa"
    server.shutdown()
    server.server_close()


def test_a_record_of_another_token_is_not_written(
    hybrid: Service, liar: tuple[type[_Liar], str], document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stamp", str(document), "--url", hybrid.url, "--evidence", "-o", f"{document}.other"]) == 0
    other = document.with_name("letter.other.er").read_bytes()
    handler, url = liar
    for octets in (other, b"", b"0\x80", other[:-1]):
        handler.evidence = (200, octets)
        out = document.with_name(f"letter.{len(octets)}")
        assert main(["stamp", str(document), "--url", url, "--evidence", "-o", str(out)]) == 2
        assert "EVIDENCE_WRONG" in capsys.readouterr().out
        assert out.exists()
        assert not out.with_name(out.name + ".er").exists()


def test_a_record_that_does_not_cover_the_document_is_not_written(
    liar: tuple[type[_Liar], str], hybrid: Service, document: Path
) -> None:
    """The digest of the document was lost on the way: the token has SHA-256 alone, and so has its record."""
    handler, url = liar
    handler.do_GET = lambda self: self._answer(*_true(hybrid, self.path))  # type: ignore[method-assign]
    assert main(["stamp", str(document), "--url", url, "--evidence", "--hash", "sha256"]) == 2
    assert not document.with_name("letter.tsr.er").exists()
    # Of an imprint that is SHA-512 nothing can be lost.
    out = f"{document}.512"
    assert main(["stamp", str(document), "--url", url, "--evidence", "-o", out]) == 0


def _true(service: Service, path: str) -> tuple[int, bytes]:
    answer = service.client.get(path)
    return answer.status_code, answer.content


def test_a_record_that_does_not_come_is_waited_for_and_then_said(
    liar: tuple[type[_Liar], str],
    document: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler, url = liar
    handler.evidence = (409, b'{"code": "EVIDENCE_PENDING"}')
    # Time passes by the questions alone.
    clock = SimpleNamespace(monotonic=lambda: 40 * handler.asked, sleep=lambda _: None)
    monkeypatch.setattr(stamp_evidence, "time", clock)
    assert main(["stamp", str(document), "--url", url, "--evidence"]) == 2
    assert "EVIDENCE_PENDING" in capsys.readouterr().out
    assert handler.asked == 2
    assert document.with_name("letter.tsr").exists()


def test_of_evidence_within_the_token_no_file_is_written(
    embedding: Service, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stamp", str(document), "--url", embedding.url, "--evidence"]) == 0
    assert "within the time-stamp" in capsys.readouterr().out
    assert not document.with_name("letter.tsr.er").exists()
    words = ["--data", str(document), "--trust", str(embedding.folder.anchors), *LATER]
    assert main(["verify", f"{document}.tsr", *words]) == 0


def test_with_a_key_the_record_is_asked_for_as_the_token_was(
    folder_of: Callable[[str], Prepared], document: Path
) -> None:
    """The record of a tenant's token is shown to that tenant alone."""
    with serving(folder_of("hybrid"), {"TSA_ACCESS__TIMESTAMPS": "keyed"}) as service:
        socket = service.folder.owner_socket
        tenant = ask_owner(socket, "access.tenant.add", {"name": "acme"})["tenant"]
        asked = {"tenant": tenant, "name": "mail", "roles": ["stamp"]}
        client = ask_owner(socket, "access.client.add", asked)["client"]
        key = document.with_name("key")
        key.write_text(ask_owner(socket, "access.key.create", {"client": client})["text"])
        words = ["stamp", str(document), "--url", service.url, "--evidence"]
        assert main(words) == 3
        deadline = time.monotonic() + PATIENCE_S
        while main([*words, "--key-file", str(key)]) != 0:  # the worker has not heard yet of the client
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert document.with_name("letter.tsr.er").exists()
        folder = document.with_name("folder")
        folder.mkdir()
        (folder / "one").write_bytes(b"one")
        batch = ["stamp", str(folder), "--batch", "--url", service.url, "--evidence"]
        assert main(batch) == 3
        assert main([*batch, "--key-file", str(key)]) == 0
        judged = ["verify", str(folder / "one"), "--trust", str(service.folder.anchors), *LATER]
        assert main(judged) == 0
