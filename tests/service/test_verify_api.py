"""`POST /api/v1/verify` as its callers meet it: the report of the command, whoever asks, whatever is sent."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli.main import main
from kokuin.service import verify_openapi
from kokuin.service.verify_api import MOST_OPEN
from kokuin.service.verify_codes import STATUS
from kokuin.service.verify_openapi import PATH
from kokuin.service.verify_reception import MAX_CONTENT, MAX_TOKEN
from tests.der import tlv
from tests.docs.markdown import READMES, read
from tests.peers import need
from tests.reportschema import validator
from tests.service.asking import DATA, granted, imprint, query
from tests.service.running import serving
from tests.service.survival import wait_until
from tests.service.test_http_errors import problem
from tests.trust.forge import DAY, NOW, order, pki
from tests.trust.revoking import Reason, Taken, crl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.service.running import Prepared, Service

AT = "2027-06-01T00:00:00Z"
OCTETS = {"content-type": "application/octet-stream"}
HALF = (
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
    "Content-Length: 9\r\n\r\nhalf"
).encode()
"""A question whose rest never comes."""


@pytest.fixture(scope="module", autouse=True)
def _warm(single: Service) -> None:
    """See that a child is there: to start one may take longer than a caller is let wait."""
    wait_until("a child", lambda: single.client.post(PATH, content=b"x", headers=OCTETS).status_code == 200)


@pytest.fixture(scope="module")
def answered(single: Service) -> bytes:
    """A response with a token over `DATA`."""
    return single.post(query()).content


def ask(service: Service, files: dict[str, bytes] | list[tuple[str, bytes]], **fields: str) -> httpx.Response:
    """Send a form."""
    return service.client.post(PATH, files=files, data=fields)


def told(service: Service, capfd: pytest.CaptureFixture[bytes], folder: Path, *words: str | bytes) -> bytes:
    """Return what `tsa verify --json` prints; octets among the words are files."""
    named = []
    for number, word in enumerate(words):
        if isinstance(word, bytes):
            (folder / str(number)).write_bytes(word)
        named.append(str(folder / str(number)) if isinstance(word, bytes) else word)
    main(["verify", *named, "--trust", str(service.folder.root / "trust"), "--json"])
    return capfd.readouterr().out


def verdict(answer: httpx.Response) -> tuple[str, str | None]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    report = answer.json()
    validator().validate(report)
    return report["indication"], report["sub_indication"]


@pytest.mark.parametrize("service", ["single", "double", "rsa", "pq"], indirect=True)
def test_the_report_is_that_of_the_command_octet_for_octet(
    service: Service, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    response = service.post(query()).content
    token, other = granted(response).dump(), service.post(query(nonce=1)).content
    digest = hashlib.sha256(DATA).hexdigest()
    cases: list[tuple[dict[str, bytes], dict[str, str], list[str | bytes]]] = [
        ({"token": response}, {}, []),
        ({"token": token, "data": DATA}, {}, ["--data", DATA]),
        ({"token": token, "data": b"other"}, {}, ["--data", b"other"]),
        ({"token": token}, {"digest": digest}, ["--digest", digest]),
        ({"token": response, "request": query()}, {}, ["--request", query()]),
        ({"token": other, "request": query()}, {}, ["--request", query()]),
        (
            {"token": response, "data": DATA},
            {"policy": "jp-cryptrec"},
            ["--policy", "jp-cryptrec", "--data", DATA],
        ),
        ({"token": response}, {"revocation": "required"}, ["--revocation", "required"]),
        ({"token": response[:-1]}, {}, []),
        ({"token": b""}, {}, []),
    ]
    for number, (files, fields, words) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        answer = ask(service, files, at=AT, **fields)
        verdict(answer)
        assert answer.content == told(service, capfdbinary, folder, files["token"], "--at", AT, *words)


def test_a_token_with_its_data_passes_and_with_other_data_fails(single: Service, answered: bytes) -> None:
    assert verdict(ask(single, {"token": answered, "data": DATA})) == ("PASSED", None)
    assert verdict(ask(single, {"token": answered, "data": b"other"})) == ("FAILED", "HASH_FAILURE")
    assert verdict(ask(single, {"data": DATA, "token": answered})) == ("PASSED", None)


@pytest.mark.parametrize(
    "media_type",
    [*sorted(verify_openapi.CONTENT["requestBody"]["content"].keys() - {"multipart/form-data"}), None],
)
def test_the_content_may_be_the_time_stamp_itself(
    single: Service, answered: bytes, media_type: str | None
) -> None:
    headers = {} if media_type is None else {"content-type": media_type}
    params = {"digest": hashlib.sha256(DATA).hexdigest()}
    answer = single.client.post(PATH, content=answered, headers=headers, params=params)
    assert verdict(answer) == ("PASSED", None)


@pytest.mark.parametrize("readme", READMES)
def test_the_line_that_the_readme_shows_works(
    single: Service, answered: bytes, tmp_path: Path, readme: str
) -> None:
    need("curl")
    (line,) = (line for line in read(readme).splitlines() if line.startswith("curl ") and PATH in line)
    (tmp_path / "data.tsr").write_bytes(answered)
    (tmp_path / "data").write_bytes(DATA)
    command = line.replace(":3161/", f":{single.port}/").replace("curl ", "curl -sS --noproxy '*' ")
    environment = {**os.environ, "F": str(tmp_path / "data")}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout)["indication"] == "PASSED"


def test_a_proof_of_the_ledger_counts_by_the_services_own_keys(
    single: Service, answered: bytes, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    token = granted(answered).dump()
    asked = {"token": hashlib.sha256(token).hexdigest(), "wait": "true"}

    def proven() -> httpx.Response | None:
        found = single.client.get("/api/v1/ledger/proofs/inclusion", params=asked)
        return found if found.status_code == 200 else None

    proof = wait_until("a checkpoint", proven)  # for which one request waits only so long
    answer = ask(single, {"token": token, "proof": proof.content}, at=AT)
    assert verdict(answer) == ("PASSED", None)
    assert answer.content == told(single, capfdbinary, tmp_path, token, "--proof", proof.content, "--at", AT)
    assert {check["id"]: check["status"] for check in answer.json()["checks"]}["in-ledger"] == "ok"
    other = single.post(query(nonce=1)).content
    assert verdict(ask(single, {"token": other, "proof": proof.content}))[0] == "FAILED"


def test_nobody_brings_trust_along(single: Service) -> None:
    """A token of whoever asks, with the whole of its chain: trust is the operator's alone."""
    token = order(certificates=[*pki().chain, pki().root.der]).make()
    assert verdict(ask(single, {"token": token}, at="2026-06-01")) == (
        "INDETERMINATE",
        "NO_CERTIFICATE_CHAIN_FOUND",
    )
    problem(ask(single, {"token": token, "trust": pki().root.pem}), 422, "REQUEST_INVALID")
    answer = single.client.post(PATH, content=token, headers=OCTETS, params={"trust": "/"})
    problem(answer, 422, "REQUEST_INVALID")
    assert answer.json()["field"] == "trust"


def test_whom_the_operator_names_is_trusted(
    folder_of: Callable[[str], Prepared], at_once: str, tmp_path: Path
) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    settings = {"TSA_VERIFY__TRUST": str(tmp_path / "root.pem"), "PYTHONPATH": at_once}
    with serving(folder_of("classical"), settings) as service:
        assert verdict(ask(service, {"token": order().make()}, at="2026-06-01")) == ("PASSED", None)
        listed = crl(pki().authority, Taken(pki().unit, NOW - DAY, Reason.key_compromise))
        answer = ask(service, {"token": order().make(), "crl": listed}, at="2026-06-01")
        assert verdict(answer) == ("FAILED", "REVOKED")
        own = service.post(query()).content
        assert verdict(ask(service, {"token": own})) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
        (tmp_path / "root.pem").write_bytes(b"no certificate")
        answer = ask(service, {"token": own})
        problem(answer, 503, "VERIFY_TRUST_UNREADABLE")
        assert answer.headers["retry-after"] == "1"


def test_a_closed_route_wants_the_operator_key(folder_of: Callable[[str], Prepared], at_once: str) -> None:
    settings = {"TSA_VERIFY__OPEN": "false", "PYTHONPATH": at_once}
    with serving(folder_of("classical"), settings) as service:
        for shown in (None, "Bearer wrong", service.operator_key):
            headers = {} if shown is None else {"authorization": shown}
            answer = service.client.post(PATH, content=b"x", headers={**OCTETS, **headers})
            problem(answer, 401, "CREDENTIAL_WANTED" if shown is None else "CREDENTIAL_WRONG")
            assert answer.headers["www-authenticate"] == 'Bearer realm="kokuin"'
            assert answer.headers["connection"] == "close", "the content was not read"
        key = {**OCTETS, "authorization": f"Bearer {service.operator_key}"}
        assert verdict(service.client.post(PATH, content=b"x", headers=key)) == ("FAILED", "FORMAT_FAILURE")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_post_verifies(single: Service, method: str) -> None:
    assert single.client.request(method, PATH).status_code == 405


def test_refusals_are_problems_with_a_code(single: Service, answered: bytes) -> None:
    post = single.client.post
    problem(post(PATH, content=bytes(MAX_TOKEN + 1), headers=OCTETS), 413, "HTTP_BODY_TOO_LARGE")
    problem(post(PATH, content=b"token=x", headers={"content-type": "text/plain"}), 415, "VERIFY_MEDIA_TYPE")
    problem(post(PATH, content=b"x", headers={"content-type": "multipart/form-data"}), 422, "REQUEST_INVALID")
    for name, value in (("at", "yesterday"), ("digest", "xyz"), ("revocation", "no"), ("data", "x")):
        answer = post(PATH, content=answered, headers=OCTETS, params={name: value})
        problem(answer, 422, "REQUEST_INVALID")
        assert answer.json()["field"] == name
    twice = post(f"{PATH}?at=2026-06-01&at=2027-06-01", content=answered, headers=OCTETS)
    problem(twice, 422, "REQUEST_INVALID")
    problem(ask(single, {"token": answered}, policy="/etc/passwd"), 404, "POLICY_UNKNOWN")
    both = single.client.post(PATH, files={"token": answered}, data={"at": AT}, params={"at": AT})
    problem(both, 422, "REQUEST_INVALID")


def test_a_connection_whose_content_was_not_read_is_not_used_again(single: Service) -> None:
    """The answer may be there before the content is: whoever is not told sends the next request to nobody."""
    head = f"POST {PATH}?trust=x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", single.port), timeout=60) as connection:
        connection.sendall(head)
        answer = connection.recv(65536).lower()
        assert answer.startswith(b"http/1.1 422 ")
        assert b"\r\nconnection: close\r\n" in answer


def test_a_length_beyond_all_bounds_is_refused_before_anything_is_received(single: Service) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=e\r\n"
    for length in (MAX_CONTENT + 1, 10**18):
        with socket.create_connection(("127.0.0.1", single.port), timeout=60) as connection:
            connection.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n".encode())
            assert connection.recv(64).startswith(b"HTTP/1.1 413 ")


def test_a_content_that_does_not_say_how_long_it_is_has_the_same_bounds(single: Service) -> None:
    def pieces(size: int) -> Iterator[bytes]:
        for _ in range(size // 1000):
            yield bytes(1000)

    answer = single.client.post(PATH, content=pieces(500_000), headers=OCTETS)
    assert verdict(answer) == ("FAILED", "FORMAT_FAILURE")
    problem(single.client.post(PATH, content=pieces(2_000_000), headers=OCTETS), 413, "HTTP_BODY_TOO_LARGE")


def test_no_child_outlives_a_service_that_stops(folder_of: Callable[[str], Prepared], at_once: str) -> None:
    with serving(folder_of("classical"), {"PYTHONPATH": at_once}) as service:
        assert verdict(service.client.post(PATH, content=b"x", headers=OCTETS))[0] == "FAILED"
        (child,) = _children(service)
        assert service.stop() == 0
        assert not child.exists()


@pytest.mark.parametrize("service", ["single", "double"], indirect=True)
def test_a_child_of_a_service_holds_none_of_its_files_and_sockets(service: Service) -> None:
    """The listening socket, the ledger and the links between processes stay where they are."""
    for _ in range(4):
        assert verdict(service.client.post(PATH, content=b"x", headers=OCTETS))[0] == "FAILED"
    children = _children(service)
    assert children
    for child in children:
        assert {path.name for path in (child / "fd").iterdir()} == {"0", "1", "2", "3"}


def _children(service: Service) -> list[Path]:
    """Return where the kernel shows the children that judge."""
    return [
        path.parent
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"kokuin.service.verify_child" in _read(path) and _descends(path.parent, service.process.pid)
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended


def _descends(process: Path, ancestor: int) -> bool:
    while process.name not in {"0", "1"}:
        if int(process.name) == ancestor:
            return True
        stat = _read(process / "stat").rpartition(b")")[2].split()
        process = process.with_name(stat[1].decode() if stat else "0")
    return False


def test_data_of_many_megabytes_is_hashed_as_it_comes(single: Service) -> None:
    """More than any other route takes, and more than a worker keeps."""
    data = bytes(range(256)) * 4096 * 24
    token = single.post(query(message_imprint=imprint("sha512", hashlib.sha512(data).digest()))).content
    assert verdict(ask(single, {"token": token, "data": data})) == ("PASSED", None)
    assert verdict(ask(single, {"token": token, "data": data + b"x"})) == ("FAILED", "HASH_FAILURE")


def _nested(depth: int) -> bytes:
    octets = b""
    for _ in range(depth):
        octets = tlv(0x30, octets)
    return octets


BOMBS = [
    b"\x30\x80" * 100_000,
    _nested(3000),
    tlv(0x31, b"\x05\x00" * 400_000),
    b"\x24\x80" * 200_000 + b"\x00\x00" * 200_000,
    b"-----BEGIN PKCS7-----\n" + b"A" * 900_000,
    b"-----BEGIN X-----\n-----END X-----\n" * 25_000,
    tlv(0x06, b"\x81" * 1_000_000),
    b"\x30\x84\xff\xff\xff\xff",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_gets_a_report(single: Service, bomb: bytes) -> None:
    answer = single.client.post(PATH, content=bomb, headers=OCTETS)
    assert verdict(answer) == ("FAILED", "FORMAT_FAILURE")


def test_stamping_goes_on_beside_judging_and_every_caller_is_answered(double: Service) -> None:
    token = double.post(query()).content

    def one(number: int) -> str:
        if number % 2:
            granted(double.post(query()).content)
            return "PASSED"
        while True:
            answer = double.client.post(PATH, files={"token": token, "data": DATA})
            if answer.headers.get("retry-after") is None:
                break
            time.sleep(0.1)  # all children may be judging, or starting
        return str(answer.json().get("indication", answer.json().get("code")))

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(one, range(80))) == {"PASSED"}


def test_as_many_as_a_worker_takes_wait_and_more_are_told_to_come_again(single: Service) -> None:
    def half() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", single.port), timeout=60)
        connection.sendall(HALF)
        return connection

    waiting = [half() for _ in range(MOST_OPEN)]
    try:
        while (answer := single.client.post(PATH, content=b"x", headers=OCTETS)).status_code == 200:
            waiting.append(half())  # one of them may have come later than this question, and been refused
        problem(answer, 503, "VERIFY_BUSY")
        assert answer.headers["retry-after"] == "1"
        granted(single.post(query()).content)
    finally:
        for connection in waiting:
            connection.close()
    while (answer := single.client.post(PATH, content=b"x", headers=OCTETS)).status_code == 503:
        pass
    assert verdict(answer) == ("FAILED", "FORMAT_FAILURE")


def test_a_caller_who_leaves_in_the_middle_is_no_fault(single: Service) -> None:
    before = len(single.events())
    with socket.create_connection(("127.0.0.1", single.port), timeout=60) as connection:
        connection.sendall(HALF)
        single.client.get("/healthz")
    assert verdict(single.client.post(PATH, content=b"x", headers=OCTETS))[0] == "FAILED"
    assert not [event for event in single.events()[before:] if event["level"] == "error"]


def test_no_log_holds_what_was_sent(single: Service) -> None:
    marker = "5345435245542d4d41524b4552"
    single.client.post(PATH, content=bytes.fromhex(marker), headers=OCTETS)
    single.event(event="verify.answer")
    text = single.log.read_text()
    assert marker not in text
    assert "SECRET-MARKER" not in text


@pytest.fixture(scope="module")
def described(single: Service) -> dict[str, Any]:
    found: dict[str, Any] = single.client.get("/openapi.json").json()["paths"][PATH]["post"]
    return found


def test_the_description_has_every_problem_and_the_schema_of_reports(described: dict[str, Any]) -> None:
    told = {
        (int(status), code)
        for status, answer in described["responses"].items()
        for code in answer["content"].get("application/problem+json", {}).get("examples", {})
    }
    assert told == {(status, code.value) for code, status in STATUS.items()}
    report = described["responses"]["200"]["content"]["application/json"]
    assert report["schema"] == validator().schema
    validator().validate(report["example"])


def test_the_example_is_true(single: Service, described: dict[str, Any]) -> None:
    contents = described["requestBody"]["content"]
    example = contents["multipart/form-data"]["example"]
    answer = ask(single, {"token": example["token"].encode()}, at=example["at"])
    assert answer.json() == described["responses"]["200"]["content"]["application/json"]["example"]
    properties = contents["multipart/form-data"]["schema"]["properties"]
    assert {name for name in properties if properties[name].get("format") != "binary"} >= {"at", "policy"}


def test_a_worker_that_was_never_asked_loads_no_verifier(folder_of: Callable[[str], Prepared]) -> None:
    script = (
        "import sys, pathlib\n"
        "from kokuin.service.app import make_app\n"
        "from kokuin.service.config import load_config\n"
        "from kokuin.service.datafolder import DataFolder\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "make_app(DataFolder(folder), load_config(folder), None, None, None, None).openapi()\n"
        "print(*sorted(name for name in sys.modules if name.startswith('kokuin.verify.')))\n"
    )
    command = [sys.executable, "-c", script, str(folder_of("classical").folder.root)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert loaded == ["kokuin.verify.schema"]


def test_the_report_is_one_line_of_json(single: Service, answered: bytes) -> None:
    content = ask(single, {"token": answered}).content
    assert content.endswith(b"}\n")
    assert json.loads(content)["schema"] == 1
