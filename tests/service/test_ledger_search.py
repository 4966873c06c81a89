"""`GET /api/v1/ledger/records`, as whoever holds the operator key meets it, and everybody else."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import pytest

from kokuin.ledger import search
from kokuin.ledger.search import Progress
from kokuin.ledger.search_query import Query
from kokuin.service import ledger_search
from kokuin.service.access.doorkeeper import Doorkeeper
from kokuin.service.app import make_app
from kokuin.service.config import Config
from kokuin.service.datafolder import DataFolder
from kokuin.service.ledger_search import SearchDesk
from tests.ledger.searches import KINDS, Leaves, leaf
from tests.service.asking import DATA, query

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.running import Service

RECORDS = "/api/v1/ledger/records"
KEY = "operator"


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Leaves:
    """Put a ledger in memory in the place of the folder's."""
    made = Leaves([leaf(number) for number in range(200)])
    monkeypatch.setattr(ledger_search, "open_reader", lambda *_: made)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    (tmp_path / "ledger").mkdir()
    return DataFolder(tmp_path)


class Asking(Protocol):
    """Asks one worker's application; without a key where it is None."""

    def __call__(self, path: str, key: str | None = KEY) -> httpx.Response: ...


@pytest.fixture
def ask(folder: DataFolder, ledger: Leaves) -> Asking:
    nothing: Any = None
    doorkeeper = Doorkeeper(Config().access, hashlib.sha256(KEY.encode()).hexdigest())
    app = make_app(folder, Config(), nothing, doorkeeper, nothing, nothing)

    def get(path: str, key: str | None = KEY) -> httpx.Response:
        async def send() -> httpx.Response:
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(send())

    return get


def indices(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [record["index"] for record in answer.json()["records"]]


def test_records_are_found_by_each_condition_and_by_all_together(ask: Asking) -> None:
    fields = leaf(77)
    for condition in (
        f"serial={fields['serial']}",
        f"request={fields['req']}",
        f"token={fields['tok']}",
        f"token={fields['tok512'].upper()}",
        f"imprint={fields['imp']}&since_us=38&until_us=39",
        f"imprint={fields['imp']}&imprint=00&tenant=public&kind=tst.issued&kind=x&since_us=38&until_us=39",
    ):
        assert indices(ask(f"{RECORDS}?{condition}")) == [77]
    assert indices(ask(f"{RECORDS}?limit=2")) == [199, 198]
    assert indices(ask(f"{RECORDS}?limit=2&order=oldest&kind={KINDS[2]}")) == [0, 10]
    assert indices(ask(f"{RECORDS}?serial=00")) == []


def test_a_record_is_the_leaf_with_its_hash(ask: Asking, ledger: Leaves) -> None:
    record = ask(f"{RECORDS}/77").json()
    digest = ledger.stored[77].leaf_hash.hex()
    assert record == {"index": 77, "leaf": leaf(77), "leaf_hash": digest, "token": False}
    assert ask(f"{RECORDS}?serial={leaf(77)['serial']}").json()["records"] == [record]
    ledger.grow([b""])
    assert ask(f"{RECORDS}/200").json()["leaf"] is None


def test_pages_follow_each_other_to_the_end(ask: Asking) -> None:
    found, path = [], f"{RECORDS}?tenant=acme&limit=30"
    page = ask(path).json()
    while page["next"] is not None:
        found += page["records"]
        page = ask(f"{path}&cursor={page['next']}").json()
    found += page["records"]
    assert [record["index"] for record in found] == list(range(198, -1, -2))


@pytest.mark.parametrize("path", [RECORDS, f"{RECORDS}?serial=00", f"{RECORDS}/0", f"{RECORDS}/999"])
def test_nobody_without_the_key_reads_the_ledger(path: str, ask: Asking, folder: DataFolder) -> None:
    for key in (None, "wrong", ""):
        answer = ask(path, key)
        code = "CREDENTIAL_WANTED" if key is None else "CREDENTIAL_WRONG"
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert not list(folder.ledger.parent.iterdir())


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("?serial=' OR 1=1 --", 422, "SEARCH_VALUE"),
        ("?serial=../../etc/passwd", 422, "SEARCH_VALUE"),
        ("?imprint=" + "ab" * 5000, 422, "SEARCH_VALUE"),
        ("?imprint=00" * 1 + "&imprint=00" * 16, 422, "SEARCH_VALUE"),
        ("?tenant=" + "a" * 5000, 422, "SEARCH_VALUE"),
        ("?tenant=", 422, "SEARCH_VALUE"),
        ("?kind=%00", 422, "SEARCH_VALUE"),
        ("?limit=1001", 422, "SEARCH_VALUE"),
        ("?limit=-1", 422, "SEARCH_VALUE"),
        ("?since_us=-1", 422, "SEARCH_VALUE"),
        ("?since_us=99999999999999999999", 422, "SEARCH_VALUE"),
        ("?cursor=../../etc/passwd", 422, "SEARCH_CURSOR"),
        ("?cursor=AAAAAAAAAAAAAAAAAAAAAA", 422, "SEARCH_CURSOR"),
        ("?limit=many", 422, "REQUEST_INVALID"),
        ("?order=random", 422, "REQUEST_INVALID"),
        ("?serail=00", 422, "REQUEST_INVALID"),
        ("?tenant=acme&tenant=public", 422, "REQUEST_INVALID"),
        ("/-1", 422, "REQUEST_INVALID"),
        ("/9223372036854775808", 422, "REQUEST_INVALID"),
        ("/ledger.db", 422, "REQUEST_INVALID"),
        ("/999", 404, "RECORD_UNKNOWN"),
        ("/9223372036854775807", 404, "RECORD_UNKNOWN"),
    ],
)
def test_what_cannot_be_asked_is_a_problem(asked: str, status: int, code: str, ask: Asking) -> None:
    answer = ask(RECORDS + asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "passwd" not in answer.text


def test_an_injected_value_is_a_value(ask: Asking, ledger: Leaves) -> None:
    ledger.grow([leaf(200, tenant="x' OR '1'='1")])
    assert indices(ask(f"{RECORDS}?tenant=x%27%20OR%20%271%27=%271")) == [200]
    assert indices(ask(f"{RECORDS}?tenant=x%27%20OR%20%271%27=%272")) == []


def test_a_damaged_index_is_nobody_s_problem(ask: Asking, folder: DataFolder) -> None:
    assert indices(ask(f"{RECORDS}?limit=1")) == [199]
    folder.ledger.with_name("search.db").write_bytes(b"no database" * 1000)
    assert indices(ask(f"{RECORDS}?limit=1")) == [199]


def test_an_index_that_is_being_built_says_how_far_and_is_built_in_the_background(
    folder: DataFolder, ledger: Leaves, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    catch_up = search.SearchIndex.catch_up

    def slow(self: search.SearchIndex, reader: search.LeafReader, most: int = 0) -> Progress:
        steps.append(most)
        return catch_up(self, reader, 50)

    monkeypatch.setattr(search.SearchIndex, "catch_up", slow)
    asked = Query(limit=1)

    async def go() -> tuple[object, object]:
        desk = SearchDesk(folder, Config())
        first = await asyncio.gather(desk.find(asked), desk.find(asked))
        assert desk._building is not None
        await desk._building
        return first, await desk.find(asked)

    first, last = asyncio.run(go())
    assert first == [Progress(50, 200), Progress(100, 200)]
    assert isinstance(last, dict)
    assert [record["index"] for record in last["records"]] == [199]
    # Two for those who asked first, two in the background (one build, not two), one for the last.
    assert len(steps) == 5


def test_an_index_that_is_being_built_is_a_problem_with_its_progress(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_search, "find", lambda *_: Progress(50, 200))
    answer = ask(RECORDS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() | {"code": "SEARCH_BUILDING", "leaves": 50, "size": 200} == answer.json()


def test_a_ledger_or_an_index_that_cannot_be_read_is_a_problem(
    ask: Asking, folder: DataFolder, ledger: Leaves, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.ledger.with_name("search.db").mkdir()
    answer = ask(RECORDS)
    assert (answer.status_code, answer.json()["code"]) == (503, "SEARCH_UNUSABLE")

    def broken(*_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(ledger, "by_index", broken)
    answer = ask(f"{RECORDS}/0")
    assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_UNREADABLE")
    assert "malformed" not in answer.text


@pytest.mark.parametrize("service", ["single", "double"], indirect=True)
def test_a_token_that_a_running_service_gave_is_found(service: Service) -> None:
    sent = query(nonce=0x5EA2C4)
    answer = service.post(sent)
    assert answer.status_code == 200
    key = {"Authorization": f"Bearer {service.operator_key}"}
    found = service.client.get(
        RECORDS, params={"request": hashlib.sha256(sent).hexdigest()}, headers=key
    ).json()
    (record,) = found["records"]
    assert record["token"]
    assert record["leaf"]["imp"] == hashlib.sha256(DATA).hexdigest()
    more = {"imprint": record["leaf"]["imp"], "kind": "tst.issued", "limit": "1000"}
    assert record in service.client.get(RECORDS, params=more, headers=key).json()["records"]
    assert service.client.get(f"{RECORDS}/{record['index']}", headers=key).json() == record
    assert service.client.get(RECORDS).status_code == 401
