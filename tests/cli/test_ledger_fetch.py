"""`tsa ledger fetch` and the route behind it: bundles that check, downloads that break off and go on."""

from __future__ import annotations

import io
import json
import socket
import time
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.ledger.bundle_check import check_bundle
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.plan import Append
from kokuin.ledger.store import SqliteStore
from kokuin.trust.records import TST_REFUSED, Record
from tests.service.asking import query
from tests.service.running import PATIENCE_S, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from kokuin.trust.records import LeafValue
    from tests.service.running import Service

RECORDS = 9000
"""More than two chunks."""

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
    b'content-length: 22\r\nretry-after: 10\r\n\r\n{"code":"EXPORT_BUSY"}'
)


@pytest.fixture(autouse=True)
def _quick_and_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSA_LANG", "en")
    monkeypatch.setattr("kokuin.cli.ledger_fetch.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("kokuin.cli.ledger_fetch.BUSY_PAUSE_SECONDS", 0.1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = prepare(tmp_path_factory.mktemp("fetch") / "data", "classical")
    store = SqliteStore(made.folder.ledger)
    fields: dict[str, LeafValue] = {
        "reason": "REQUEST_EMPTY",
        "profile": "classical",
        "count": 1,
        "from": 1,
        "to": 1,
    }
    for start in range(0, RECORDS, 500):
        store.commit([Append((Record(TST_REFUSED, {**fields, "count": start + n}),)) for n in range(500)], 1)
    store.close()
    with serving(made) as running:
        assert running.post(query()).status_code == 200
        published(running)
        yield running


def published(service: Service) -> None:
    """Wait until nothing is published any more, so that one question has one answer."""
    last, size = -1, 0
    while last != size or size <= RECORDS:
        time.sleep(2.5)
        last, size = size, service.client.get("/api/v1/ledger/checkpoint").json().get("size", 0)


@pytest.fixture
def tsa(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `tsa ledger fetch WORDS` with the key; the URL is the service's unless it is given."""
    key = tmp_path / "key"
    key.write_text(service.operator_key)

    def run(*words: object, url: str | None = None) -> tuple[int, str, str]:
        there = url or service.url.removesuffix("/tsa")
        code = main(["ledger", "fetch", there, "--key-file", str(key), *map(str, words)])
        return (code, *capsys.readouterr())

    return run


EXPORT = "/api/v1/ledger/export"


def key_of(service: Service) -> dict[str, str]:
    return {"authorization": f"Bearer {service.operator_key}"}


def ask(service: Service, question: str = "") -> httpx.Response:
    """Ask for a bundle once no other is made: the service may not know yet that an earlier one broke off."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = service.client.get(EXPORT + question, headers=key_of(service))
        if answer.status_code != 503 or answer.json()["code"] != "EXPORT_BUSY":
            return answer
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def whole(service: Service) -> bytes:
    """The bundle of everything, as the service makes it now. After it no other is being made."""
    answer = ask(service)
    assert answer.status_code == 200
    return answer.content


def manifest(octets: bytes) -> dict[str, object]:
    at = octets.index(b"manifest.json\0")
    size = int(octets[at + 124 : at + 135], 8)
    found: dict[str, object] = json.loads(octets[at + 512 : at + 512 + size])
    return found


def check(service: Service, octets: bytes) -> dict[str, object]:
    """Check a bundle by the log's own keys; return its manifest."""
    verdict = check_bundle(io.BytesIO(octets), LogVerifier.parse(service.folder.log_keys.read_text()))
    assert not verdict.findings
    return manifest(octets)


def test_the_whole_ledger_is_fetched_and_checks(
    service: Service, whole: bytes, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    assert tsa("-o", out) == (0, f"Fetched, not checked: {out}\n", "")
    assert out.read_bytes() == whole, "the same question has one answer"
    found = check(service, whole)
    assert found["records"] == found["size"]
    assert int(str(found["chunks"])) > 2
    assert not out.with_name("bundle.part").exists()
    assert tsa("-o", out)[0] == 3, "nothing is overwritten"


def test_a_period_and_one_record(
    service: Service, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "period"
    assert tsa("-o", out, "--from", "2100-01-01", "--to", "2101-01-01")[0] == 0
    # What it takes to judge a token of then: all from the last one on.
    last = max(index for index, leaf in enumerate(service.leaves()) if leaf["kind"] == "tst.issued")
    found = check(service, out.read_bytes())
    assert isinstance(found["scope"], dict)
    assert (found["scope"]["start"], found["scope"]["stop"]) == (last, found["size"])
    serial = next(str(leaf["serial"]) for leaf in service.leaves() if leaf["kind"] == "tst.issued")
    assert tsa("-o", tmp_path / "serial", "--serial", serial.upper())[0] == 0
    found = check(service, (tmp_path / "serial").read_bytes())
    assert (found["records"], found["scope"]) == (1, {"kind": "selection", "by": "serial", "value": serial})


@contextmanager
def breaking(service: Service, limits: list[int], *, busy: int = 0) -> Iterator[str]:
    """Stand before the service, and break each connection off after so many octets; the rest are whole.

    Before that, as many are told that another bundle is being made.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def carry() -> None:
        left, refused = list(limits), 0
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if refused < busy:
                refused += 1
                with client:
                    client.recv(65_536)
                    client.sendall(BUSY)
                continue
            with client, socket.create_connection(("127.0.0.1", service.port)) as server:
                limit = left.pop(0) if left else 1 << 40
                server.sendall(client.recv(65_536))
                while limit > 0 and (octets := server.recv(min(65_536, limit))):
                    client.sendall(octets)
                    limit -= len(octets)
                    if octets.endswith(b"0\r\n\r\n"):
                        break

    thread = Thread(target=carry)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_download_that_breaks_off_goes_on_and_is_the_same(
    service: Service, whole: bytes, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    with breaking(service, [100, len(whole) // 2, len(whole) // 3]) as there:
        code, _, said = tsa("-o", tmp_path / "broken", url=there)
    assert (code, said.count("going on")) == (0, 3)
    assert (tmp_path / "broken").read_bytes() == whole


def test_the_next_command_goes_on_where_the_last_one_ended(
    service: Service, whole: bytes, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "again.part").write_bytes(whole[: len(whole) * 3 // 4])
    with breaking(service, [len(whole) * 2 // 3] * 9) as there:
        # Had it begun anew, it would never have come to its end.
        assert tsa("-o", tmp_path / "again", url=there)[0] == 0
    assert (tmp_path / "again").read_bytes() == whole


@pytest.mark.parametrize("begin", ["other scope", "changed head", "garbage"])
def test_the_beginning_of_another_bundle_is_not_gone_on_with(
    service: Service, whole: bytes, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path, begin: str
) -> None:
    part = whole[: len(whole) * 3 // 4]
    words: tuple[str, ...] = ()
    match begin:
        case "other scope":
            words = ("--from", "2000-01-01")
        case "changed head":
            part = part.replace(b"README", b"REAPME", 2)
        case "garbage":
            part = part[:5000] + bytes(100_000)
    (tmp_path / "again.part").write_bytes(part)
    assert tsa("-o", tmp_path / "again", *words)[0] == 0
    found = check(service, (tmp_path / "again").read_bytes())
    assert ((tmp_path / "again").read_bytes() == whole) is (not words)
    assert found["scope"] == (manifest(whole)["scope"] if not words else found["scope"])


def test_a_service_that_always_breaks_off_is_given_up(
    service: Service, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    with breaking(service, [3000] * 99) as there:
        code, _, said = tsa("-o", tmp_path / "never", url=there)
    assert (code, "broken off:" in said) == (3, True)
    assert not (tmp_path / "never").exists()
    assert not list(tmp_path.glob("never*")), "nothing came that one could go on with"


def test_the_checkpoint_needs_no_key(
    service: Service,
    tsa: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "checkpoint"
    assert main(["ledger", "fetch", service.url.removesuffix("/tsa"), "--checkpoint", "-o", str(out)]) == 0
    LogVerifier.parse(service.folder.log_keys.read_text()).check(out.read_bytes())
    assert main(["ledger", "fetch", service.url.removesuffix("/tsa"), "-o", str(tmp_path / "x")]) == 3
    assert "needs --key-file" in capsys.readouterr().err
    (tmp_path / "key").write_text("wrong")
    assert tsa("-o", tmp_path / "x")[0] == 3
    assert not list(tmp_path.glob("x*")), "a refusal leaves no file behind"
    (tmp_path / "key").write_text(service.operator_key)
    assert tsa("-o", tmp_path / "x", url="http://127.0.0.1:1")[0] == 3
    assert tsa("-o", tmp_path / "none" / "x")[0] == 3


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("size=1", 404, "CHECKPOINT_UNKNOWN"),
        (f"chunk=1&head={'0' * 64}", 412, "EXPORT_CHANGED"),
        ("chunk=1", 412, "EXPORT_CHANGED"),
        ("chunk=-1", 422, "REQUEST_INVALID"),
        ("serial=XYZ", 422, "REQUEST_INVALID"),
        ("serial=ab&since_us=3", 422, "REQUEST_INVALID"),
        ("since_us=-1", 422, "REQUEST_INVALID"),
    ],
)
def test_what_cannot_be_exported_is_refused(service: Service, asked: str, status: int, code: str) -> None:
    answer = ask(service, f"?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert service.client.get(f"{EXPORT}?{asked}").status_code in {401, 422}


def test_the_command_waits_while_another_bundle_is_made(
    service: Service, whole: bytes, tsa: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    """So does one whose own download broke off, when the service has not seen yet that it did."""
    with breaking(service, [], busy=3) as there:
        waited = tsa("-o", tmp_path / "waited", url=there)
    assert (waited[0], waited[2]) == (0, "the service makes another bundle; waiting\n")
    assert (tmp_path / "waited").read_bytes() == whole


def test_the_command_does_not_wait_for_ever(
    service: Service,
    tsa: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kokuin.cli.ledger_fetch.BUSY_SECONDS", -1.0)
    with breaking(service, [], busy=3) as there:
        code, _, said = tsa("-o", tmp_path / "never", url=there)
    assert (code, "EXPORT_BUSY" in said) == (3, True)


def test_a_question_for_the_headers_alone_makes_no_bundle(service: Service, whole: bytes) -> None:
    """Programs that fetch files ask so first: the bundle that follows must not find itself in its way."""
    answer = service.client.head(EXPORT, headers=key_of(service))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-tar"
    assert "content-length" not in answer.headers
    following = service.client.get(EXPORT, headers=key_of(service))
    made = following.headers.get("x-export-head")
    assert (following.status_code, made) == (200, answer.headers["x-export-head"])
    assert following.content == whole


def test_a_bundle_that_nobody_waits_for_is_ended(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        key = key_of(service)["authorization"]
        connection.sendall(f"GET {EXPORT} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\n\r\n".encode())
        time.sleep(0.2)
    check(service, ask(service).content)
