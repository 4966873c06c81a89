"""The published log as a stranger reads it (C2SP tlog-tiles), with a client that knows none of our code."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import io
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.bundle_check import check_bundle
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.tlog_proof import read_proof
from kokuin.ledger.tree import verify_consistency
from kokuin.service.config import load_config
from tests.ledger.rfc6962 import mth, path, proof
from tests.service.asking import granted, query, serial_of
from tests.service.running import NEVER_BEHIND, PATIENCE_S, serving
from tests.service.tlog_client import TreeHead, entries, fetched, leaf_hashes, tile_paths, verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.service.running import Prepared, Service

TOKENS = 270
"""More than a tile."""
STARTED = 4
"""Leaves of a start: epoch, configuration, service and clock. No checkpoint comes after theirs unasked."""


@pytest.fixture(scope="module")
def log(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """A service whose log has a full tile and a partial one."""
    with serving(folder_of("classical"), NEVER_BEHIND) as service:
        for _ in range(TOKENS):
            assert service.post(query()).status_code == 200
        head_beyond(service, TOKENS)
        yield service


def head(service: Service) -> TreeHead:
    keys = fetched(service.client, "/trust/log.vkey").decode()
    return verified(fetched(service.client, "/log/checkpoint"), keys)


def head_beyond(service: Service, size: int) -> TreeHead:
    """Wait for a checkpoint over more leaves; a service is ready before it has shown its first."""
    deadline = time.monotonic() + PATIENCE_S
    while service.client.get("/log/checkpoint").status_code == 404 or (found := head(service)).size <= size:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def key(service: Service) -> dict[str, str]:
    return {"authorization": f"Bearer {service.operator_key}"}


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_a_stranger_recomputes_the_root_from_the_tiles(log: Service) -> None:
    found = head(log)
    assert found.size > TOKENS
    assert mth(leaf_hashes(log.client, found.size)) == found.root


def test_every_level_is_made_of_the_full_tiles_below(log: Service) -> None:
    size = head(log).size
    hashes = leaf_hashes(log.client, size)
    (name,) = tile_paths(size, 1)
    assert fetched(log.client, f"/log/tile/1/{name}") == mth(hashes[:256])
    assert code(log.client.get("/log/tile/2/000.p/1")) == (404, "TILE_UNKNOWN")


def test_an_auditor_hashes_every_entry_to_its_leaf(log: Service) -> None:
    size = head(log).size
    found = entries(log.client, size, **key(log))
    assert [sha256(b"\0" + each).digest() for each in found] == leaf_hashes(log.client, size)


def test_entries_are_the_same_packed_and_plain(log: Service) -> None:
    url = "/log/tile/entries/000"
    for accepted, packed in (
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("identity", False),
        ("gzip;q=0", False),
    ):
        answer = log.client.get(url, headers={**key(log), "accept-encoding": accepted})
        assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.content == log.client.get(url, headers=key(log)).content
        if packed:
            assert int(answer.headers["content-length"]) == len(gzip.compress(answer.content, 6, mtime=0))


@pytest.mark.parametrize(
    ("authorization", "wanted"),
    [
        (None, "CREDENTIAL_WANTED"),
        ("Bearer wrong", "CREDENTIAL_WRONG"),
        ("Basic b3BlcmF0b3I6", "CREDENTIAL_NOT_HERE"),
    ],
)
def test_entries_are_for_the_audit_role(log: Service, authorization: str | None, wanted: str) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = log.client.get("/log/tile/entries/000", headers=headers)
    assert code(answer) == (401, wanted)
    assert answer.headers["www-authenticate"] == 'Bearer realm="kokuin"'


def test_caches_keep_tiles_for_ever_and_checkpoints_for_a_second(log: Service) -> None:
    tile = log.client.get("/log/tile/0/000")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    checkpoint = log.client.get("/log/checkpoint")
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["cache-control"] == "public, max-age=1"
    bundle = log.client.get("/log/tile/entries/000", headers=key(log))
    assert bundle.headers["cache-control"] == "no-store"
    assert "immutable" not in log.client.get("/log/tile/0/999").headers.get("cache-control", "")


@pytest.mark.parametrize("url", ["/log/checkpoint", "/log/tile/0/000", "/trust/log.vkey", "/log/tile/0/777"])
def test_head_says_what_get_would(log: Service, url: str) -> None:
    while True:
        wanted, answer, again = log.client.get(url), log.client.head(url), log.client.get(url)
        if again.content == wanted.content:  # else another checkpoint came between them
            break
    assert (answer.status_code, answer.content) == (wanted.status_code, b"")
    assert again.status_code == wanted.status_code  # the connection still works
    for name in ("content-length", "content-type", "cache-control"):
        assert answer.headers.get(name) == wanted.headers.get(name)


@pytest.mark.parametrize(
    "url",
    [
        "/log/tile/0/000.p/0",
        "/log/tile/0/000.p/256",
        "/log/tile/0/000.p/01",
        "/log/tile/0/0",
        "/log/tile/0/x000/000",
        "/log/tile/00/000",
        "/log/tile/64/000",
        "/log/tile/-1/000",
        "/log/tile/0/000/",
        "/log/tile/0//000",
        "/log/tile/0/000.p",
        "/log/tile/0/000.p/1/1",
        "/log/tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "/log/tile/0/x999/x999/x999/x999/999",
        "/log/tile/63/000",
        "/log/tile/0/%30%30%30",
        "/log/tile/0%2F000",
        "/log/tile/0/000%00",
        "/log/tile/0/%D9%A0%D9%A0%D9%A0",
        "/log/tile/../checkpoint",
        "/log/tile/0/../../checkpoint",
        "/log/tile/%2e%2e/%2e%2e/ledger.db",
        "/log/tile/..%2f..%2fledger.db",
        "/log/tile/entries/../0/000",
        "/log/tile/entries/",
        "/log/tile/",
        "/log/tile//etc/passwd",
        "/log/tile/0/255",
        "/log/tile/0/001",
    ],
)
def test_odd_paths_and_tiles_beyond_the_checkpoint_are_refused(log: Service, url: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", log.port, timeout=PATIENCE_S)
    connection.putrequest("GET", url, skip_host=True)
    connection.putheader("host", "localhost")
    connection.putheader("authorization", f"Bearer {log.operator_key}")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 404, body
    assert b"TILE_UNKNOWN" in body or b"NOT_FOUND" in body


@pytest.mark.parametrize("url", ["/log/", "/log", "/log/ledger.db", "/log/tile", "/log/checkpoint/"])
def test_nothing_else_lies_below_log(log: Service, url: str) -> None:
    assert code(log.client.get(url)) == (404, "NOT_FOUND")


def test_a_partial_tile_is_cut_from_the_full_one(log: Service) -> None:
    whole = fetched(log.client, "/log/tile/0/000")
    for width in (1, 200, 255):
        assert fetched(log.client, f"/log/tile/0/000.p/{width}") == whole[: 32 * width]


def test_the_log_is_there_while_the_ledger_is_not(log: Service) -> None:
    ledger = log.folder.ledger
    hidden = ledger.with_name("hidden")
    ledger.rename(hidden)
    try:
        found = head(log)
        assert mth(leaf_hashes(log.client, found.size)) == found.root
        answer = log.client.get("/log/tile/entries/000", headers=key(log))
        assert code(answer) == (503, "LEDGER_UNREADABLE")
        assert answer.headers["retry-after"] == "1"
        assert log.client.get("/api/v1/ledger/proofs/consistency?from=3&to=200").status_code == 200
        assert code(inclusion(log, index="3", **key(log))) == (503, "LEDGER_UNREADABLE")
        answer = log.client.get("/api/v1/timestamps/ab", headers=key(log))
        assert (*code(answer), answer.headers["retry-after"]) == (503, "LEDGER_UNREADABLE", "1")
    finally:
        hidden.rename(ledger)
    assert log.client.get("/log/tile/entries/000", headers=key(log)).status_code == 200


def test_old_and_new_checkpoint_are_consistent_while_tokens_are_made(log: Service) -> None:
    heads = [head(log)]

    def stamp(_: int) -> int:
        return log.post(query()).status_code

    with ThreadPoolExecutor(2) as threads:
        answers = threads.map(stamp, range(60))
        while len(heads) < 3:
            heads.append(head_beyond(log, heads[-1].size))
            threads.submit(stamp, 0)
        assert set(answers) == {200}
    hashes = leaf_hashes(log.client, head(log).size)
    for old, new in pairwise(heads):
        answer = log.client.get(f"/api/v1/ledger/proofs/consistency?from={old.size}&to={new.size}").json()
        sent = [base64.b64decode(each) for each in answer["hashes"]]
        assert (answer["from"], answer["to"]) == (old.size, new.size)
        assert base64.b64decode(answer["from_root"]) == old.root == mth(hashes[: old.size])
        assert base64.b64decode(answer["to_root"]) == new.root == mth(hashes[: new.size])
        assert sent == proof(old.size, hashes[: new.size])
        assert verify_consistency(old.size, new.size, old.root, new.root, sent)


def inclusion(service: Service, *, authorization: str | None = None, **asked: str) -> httpx.Response:
    headers = {} if authorization is None else {"authorization": authorization}
    return service.client.get("/api/v1/ledger/proofs/inclusion", params=asked, headers=headers)


def check_proof(service: Service, octets: bytes) -> bytes:
    """Check a proof with what the tiles say; return the leaf."""
    found = read_proof(octets)
    seen = verified(found.checkpoint_octets, fetched(service.client, "/trust/log.vkey").decode())
    hashes = leaf_hashes(service.client, seen.size)
    assert mth(hashes) == seen.root
    assert sha256(b"\0" + found.extra).digest() == hashes[found.index]
    assert list(found.hashes) == path(found.index, hashes)
    return found.extra


def proven(service: Service, *, authorization: str | None = None, **asked: str) -> httpx.Response:
    """Wait for a proof; the service itself waits a few seconds, which a busy machine may not keep."""
    deadline = time.monotonic() + PATIENCE_S
    asked["wait"] = "true"
    while (answer := inclusion(service, authorization=authorization, **asked)).status_code == 503:
        assert code(answer) == (503, "PROOF_PENDING")
        assert time.monotonic() < deadline
    return answer


@contextlib.contextmanager
def nothing_new_is_shown(service: Service) -> Iterator[None]:
    """Keep the log from showing another checkpoint: what must know of it first cannot be written."""
    memory = load_config(service.folder.root, {}).ledger.high_water
    aside = memory.with_name("aside")
    while not memory.is_dir():
        memory.rename(aside)
        with contextlib.suppress(FileExistsError):  # it was written just now, once more
            memory.mkdir()
    try:
        yield
    finally:
        memory.rmdir()
        with contextlib.suppress(FileExistsError):
            memory.hardlink_to(aside)
        aside.unlink()


def test_a_token_just_issued_is_proven_to_whoever_holds_it(log: Service) -> None:
    body = log.post(query()).content
    digest = sha256(granted(body).dump()).hexdigest()
    for asked in ({"token": digest}, {"token": digest.upper(), "serial": serial_of(body).upper()}):
        answer = proven(log, **asked)
        assert answer.status_code == 200, answer.text
        assert f'"tok":"{digest}"'.encode() in check_proof(log, answer.content)


def test_a_record_not_yet_under_a_checkpoint_is_pending(log: Service) -> None:
    with nothing_new_is_shown(log):
        body = log.post(query()).content
        answer = inclusion(log, serial=serial_of(body), token=sha256(granted(body).dump()).hexdigest())
    assert code(answer) == (503, "PROOF_PENDING")
    assert answer.headers["retry-after"] == "1"


def test_by_serial_or_index_records_are_for_the_audit_role(log: Service) -> None:
    body = log.post(query()).content
    serial = serial_of(body)
    for asked in ({"serial": serial}, {"index": "0"}):
        assert code(inclusion(log, **asked)) == (401, "CREDENTIAL_WANTED")
        check_proof(log, proven(log, **asked, **key(log)).content)
    # A stranger who guesses no digest learns nothing, whatever else he names.
    for asked in (
        {"serial": serial, "token": "00" * 32},
        {"token": "00" * 32},
        {"index": "1", "token": "00" * 32},
    ):
        assert code(inclusion(log, **asked)) == (404, "RECORD_UNKNOWN")


def test_a_proof_for_the_checkpoint_of_another_size(log: Service) -> None:
    with sqlite3.connect(f"file:{log.folder.ledger}?mode=ro", uri=True) as connection:
        sizes = [row[0] for row in connection.execute("SELECT size FROM checkpoint ORDER BY size")]
    connection.close()
    answer = inclusion(log, index="0", size=str(sizes[0]), **key(log))
    found = read_proof(answer.content)
    assert verified(found.checkpoint_octets, fetched(log.client, "/trust/log.vkey").decode()).size == sizes[0]
    unknown = inclusion(log, index="0", size=str(max(sizes) + 10**6), **key(log))
    assert code(unknown) == (404, "CHECKPOINT_UNKNOWN")
    assert code(inclusion(log, index=str(sizes[0]), size=str(sizes[0]), **key(log))) == (422, "PROOF_SIZES")


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"token": "00"},
        {"token": "zz" * 32},
        {"serial": "x"},
        {"serial": "0" * 65},
        {"index": "-1"},
        {"index": str(2**63)},
        {"index": "1e3"},
        {"size": "5"},
        {"index": "0", "size": "-1"},
    ],
)
def test_a_question_without_sense_is_refused(log: Service, asked: dict[str, str]) -> None:
    assert code(inclusion(log, **asked, **key(log))) == (422, "REQUEST_INVALID")


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ("from=5&to=4", "PROOF_SIZES"),
        ("from=0&to=99999999", "PROOF_SIZES"),
        ("from=99999999", "PROOF_SIZES"),
        ("from=-1", "REQUEST_INVALID"),
        ("to=3", "REQUEST_INVALID"),
        (f"from={2**63}", "REQUEST_INVALID"),
    ],
)
def test_consistency_of_sizes_that_cannot_be_is_refused(log: Service, asked: str, refusal: str) -> None:
    assert code(log.client.get(f"/api/v1/ledger/proofs/consistency?{asked}")) == (422, refusal)


def test_the_checkpoint_as_json_says_what_the_note_says(log: Service) -> None:
    found = log.client.get("/api/v1/ledger/checkpoint").json()
    seen = verified(found["note"].encode(), fetched(log.client, "/trust/log.vkey").decode())
    assert (found["origin"], found["size"]) == (seen.origin, seen.size)
    assert base64.b64decode(found["root"]) == seen.root


def test_lost_tiles_are_told_and_harm_no_proof(folder_of: Callable[[str], Prepared]) -> None:
    with serving(folder_of("classical")) as service:
        size = head_beyond(service, STARTED - 1).size
        tiles = service.folder.log / "tile"
        tiles.rename(tiles.with_name("hidden"))
        assert code(service.client.get(f"/log/tile/0/{tile_paths(size)[0]}")) == (503, "LOG_UNREADABLE")
        answer = inclusion(service, index="1", **key(service))
        tiles.with_name("hidden").rename(tiles)
        check_proof(service, answer.content)


def test_an_open_log_shows_entries_and_a_bundle_with_a_redacted_record_is_gone(
    folder_of: Callable[[str], Prepared],
) -> None:
    with serving(folder_of("classical"), {"TSA_LEDGER__PUBLIC_ENTRIES": "true"}) as service:
        size = head_beyond(service, STARTED - 1).size
        found = entries(service.client, size)
        assert [sha256(b"\0" + each).digest() for each in found] == leaf_hashes(service.client, size)
        (name,) = tile_paths(size)
        kept = service.client.get(f"/log/tile/entries/{name}").headers["cache-control"]
        assert kept == "public, max-age=31536000, immutable"
        check_proof(service, inclusion(service, index="1").content)
        bundle = service.client.get("/api/v1/ledger/export").content
        logs = LogVerifier.parse(service.folder.log_keys.read_text())
        assert check_bundle(io.BytesIO(bundle), logs).complete
        with sqlite3.connect(service.folder.ledger) as connection:
            connection.execute("UPDATE entry SET leaf = x'' WHERE idx = 1")
        connection.close()
        assert code(service.client.get(f"/log/tile/entries/{name}")) == (410, "ENTRIES_GONE")
        assert service.client.get("/log/tile/entries/000.p/1").status_code == 200
        # Its hash is still proven.
        assert read_proof(inclusion(service, index="1").content).extra == b""
