"""`POST /api/v1/batches`: one time-stamp for many items, a record for each, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service import batch_api, batch_reading
from kokuin.service.batch_api import MOST_OPEN
from kokuin.service.batch_codes import BatchCode, BatchRefusedError
from kokuin.service.batch_reading import MAX_CONTENT, read_batch
from kokuin.service.owner import ask_owner
from kokuin.trust.anchors import load_trust
from kokuin.trust.context import Context
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import Receipt
from kokuin.trust.report import Indication
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.token_form import bare_token
from pqc.policies import load_policy
from tests.service.rig import ScriptedJournal, rigged
from tests.service.running import PATIENCE_S, serving
from tests.trust.evidences import moment, of, us
from tests.tsa.evidence_made import read, top

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    import httpx

    from kokuin.trust.report import Report
    from tests.service.running import Prepared, Service

PATH = "/api/v1/batches"
JSON = "application/json"


@pytest.fixture(scope="module")
def hybrid(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """One worker; anybody may stamp."""
    with serving(folder_of("hybrid")) as service:
        yield service


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def post(service: Service, content: object, **more: Any) -> httpx.Response:
    octets = content if isinstance(content, bytes) else json.dumps(content).encode()
    return service.client.post(PATH, content=octets, headers={"content-type": JSON}, timeout=120, **more)


def issued(service: Service) -> list[Mapping[str, Any]]:
    """Return the leaves of tokens that somebody asked for; others come whenever the service likes."""
    return [leaf for leaf in service.leaves() if leaf["kind"] == "tst.issued" and not leaf["self"]]


def receipts(count: int) -> list[bytes]:
    return [b'{"receipt": %d}' % number for number in range(count)]


def asking(octets: list[bytes], **more: object) -> dict[str, object]:
    items = [{"id": f"r-{place}", "data": text(each)} for place, each in enumerate(octets)]
    return {"items": items, **more}


def judge(service: Service, record: str, data: bytes, year: int) -> Report:
    policy = load_policy("eu-ts119312")
    at = Context(us(moment(year)), load_trust(service.folder.anchors), content=of(data), policy=policy)
    return verify_bytes(base64.b64decode(record), at)


@pytest.mark.parametrize("count", [1, 2, 3, 65, 128, 1000])
def test_each_item_has_a_record_of_its_own_under_one_token(single: Service, count: int) -> None:
    octets, before = receipts(count), len(issued(single))
    answer = post(single, asking(octets)).json()
    root = base64.b64decode(answer["root"])
    assert [each["id"] for each in answer["items"]] == [f"r-{place}" for place in range(count)]
    for data, item in zip(octets, answer["items"], strict=True):
        ((stamp,),) = (chain.stamps for chain in read(base64.b64decode(item["evidence"])).chains)
        assert top("sha512", stamp.reduced, [hashlib.sha512(data).digest()]) == root
        assert stamp.time_stamp == base64.b64decode(answer["token"])
    (leaf,) = issued(single)[before:]
    assert (leaf["imp"], leaf["serial"]) == (root.hex(), answer["serial"])
    assert leaf["tok"] == hashlib.sha256(base64.b64decode(answer["token"])).hexdigest()
    assert judge(single, answer["items"][-1]["evidence"], octets[-1], 2027).indication is Indication.PASSED
    assert judge(single, answer["items"][-1]["evidence"], b"other", 2027).indication is Indication.FAILED


def test_digests_and_data_may_stand_together(single: Service) -> None:
    items = [
        {"id": "digest", "digest": text(hashlib.sha512(b"one").digest())},
        {"id": "data", "data": text(b"two")},
        {"id": "同じ", "data": text(b"two")},
        {"id": "empty", "data": ""},
    ]
    answer = post(single, {"items": items}).json()
    for item, data in zip(answer["items"], (b"one", b"two", b"two", b""), strict=True):
        assert judge(single, item["evidence"], data, 2027).indication is Indication.PASSED


def test_the_most_that_is_taken_is_answered_whole(single: Service) -> None:
    octets = receipts(batch_reading.MAX_ITEMS)
    answer = post(single, asking(octets)).json()
    assert len(answer["items"]) == batch_reading.MAX_ITEMS
    assert judge(single, answer["items"][-1]["evidence"], octets[-1], 2027).indication is Indication.PASSED


def test_with_evidence_each_record_lasts_as_long_as_the_post_quantum_unit(hybrid: Service) -> None:
    octets = receipts(3)
    plain, lasting = (post(hybrid, asking(octets, evidence=each)).json() for each in (False, True))
    for data, short, long in zip(octets, plain["items"], lasting["items"], strict=True):
        assert judge(hybrid, short["evidence"], data, 2027).indication is Indication.PASSED
        assert judge(hybrid, short["evidence"], data, 2033).indication is Indication.INDETERMINATE
        assert judge(hybrid, long["evidence"], data, 2033).indication is Indication.PASSED
    # The token is on record as any other: without what was put into it.
    token = bare_token(base64.b64decode(lasting["token"]))
    (leaf,) = (leaf for leaf in hybrid.leaves() if leaf.get("serial") == lasting["serial"])
    assert leaf["tok"] == hashlib.sha256(token).hexdigest()


def test_records_are_short_without_it_whatever_the_time_stamp_has_within(embedding: Service) -> None:
    # Attack: 10,000 records of 30 kB each for one request.
    octets = receipts(2)
    for wanted in (False, True):
        answer = post(embedding, asking(octets, evidence=wanted)).json()
        for item in answer["items"]:
            (chain,) = read(base64.b64decode(item["evidence"])).chains
            assert len(chain.stamps) == 1 + wanted
            assert chain.stamps[0].time_stamp == bare_token(base64.b64decode(answer["token"]))


def test_evidence_at_once_of_a_profile_that_makes_none_is_refused_before_anything_is_stamped(
    single: Service,
) -> None:
    before = len(issued(single))
    answer = post(single, asking(receipts(1), evidence=True))
    assert (answer.status_code, answer.json()["code"]) == (409, "BATCH_EVIDENCE_ABSENT")
    assert len(issued(single)) == before


def test_the_profile_that_is_named_stamps_or_nobody_does(hybrid: Service) -> None:
    assert post(hybrid, asking(receipts(1), profile="hybrid")).status_code == 200
    for name in ("pq", "evidence", "nobodys"):
        answer = post(hybrid, asking(receipts(1), profile=name))
        assert (answer.status_code, answer.json()["code"]) == (409, "BATCH_PROFILE")


def test_content_of_another_type_or_length_is_refused(single: Service) -> None:
    answer = single.client.post(PATH, content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "BATCH_MEDIA_TYPE")
    long = b" " * (MAX_CONTENT + 1)
    assert post(single, long).json()["code"] == "HTTP_BODY_TOO_LARGE"

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(long), 1 << 20):
            yield long[start : start + (1 << 20)]

    answer = single.client.post(PATH, content=pieces(), headers={"content-type": JSON})
    assert (answer.status_code, answer.json()["code"]) == (413, "HTTP_BODY_TOO_LARGE")


ITEM: dict[str, object] = {"id": "a", "data": ""}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", ""),
        (b"{", ""),
        (b"[" * 100_000, ""),
        (b'{"items": [], "items": []}', ""),
        ([], ""),
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": {}}, "items"),
        ({"items": [ITEM] * 2}, "items[1].id"),
        ({"items": [ITEM], "more": 1}, "more"),
        ({"items": [ITEM], "x" * 100_000: 1}, "x" * 128),
        ({"items": [ITEM], "profile": "UPPER"}, "profile"),
        ({"items": [ITEM], "profile": 1}, "profile"),
        ({"items": [ITEM], "profile": "a\n"}, "profile"),
        ({"items": [ITEM], "evidence": 1}, "evidence"),
        ({"items": [ITEM], "evidence": None}, "evidence"),
        ({"items": ["a"]}, "items[0]"),
        ({"items": [{"id": "a"}]}, "items[0]"),
        ({"items": [{**ITEM, "digest": text(bytes(64))}]}, "items[0]"),
        ({"items": [{**ITEM, "more": 1}]}, "items[0]"),
        ({"items": [{"data": ""}]}, "items[0].id"),
        ({"items": [{"id": "", "data": ""}]}, "items[0].id"),
        ({"items": [{"id": "a" * 129, "data": ""}]}, "items[0].id"),
        ({"items": [{"id": 1, "data": ""}]}, "items[0].id"),
        ({"items": [{"id": "a", "data": "a"}]}, "items[0].data"),
        ({"items": [{"id": "a", "data": "é==="}]}, "items[0].data"),
        ({"items": [{"id": "a", "data": {}}]}, "items[0].data"),
        ({"items": [{"id": "a", "digest": text(bytes(32))}]}, "items[0].digest"),
        ({"items": [{"id": "a", "digest": "YQ==\n"}]}, "items[0].digest"),
    ],
)
def test_what_cannot_be_read_is_named(single: Service, content: object, field: str) -> None:
    answer = post(single, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST_INVALID")
    assert answer.json().get("field", "") == field


@pytest.mark.parametrize(
    ("evidence", "most"), [(False, batch_reading.MAX_ITEMS), (True, batch_reading.MAX_ITEMS_WITH_EVIDENCE)]
)
def test_more_items_than_a_batch_takes_are_refused(evidence: bool, most: int) -> None:  # noqa: FBT001  # a parameter
    items = [{"id": str(number), "data": ""} for number in range(most + 1)]
    assert len(read_batch(json.dumps({"items": items[1:], "evidence": evidence}).encode()).ids) == most
    with pytest.raises(BatchRefusedError) as refused:
        read_batch(json.dumps({"items": items, "evidence": evidence}).encode())
    assert (refused.value.code, refused.value.field) == (BatchCode.REQUEST_INVALID, "items")


def test_nobody_stamps_batches_who_may_not_stamp(folder_of: Callable[[str], Prepared]) -> None:
    with serving(folder_of("classical"), {"TSA_ACCESS__TIMESTAMPS": "keyed"}) as service:
        assert post(service, asking(receipts(1))).status_code == 401
        assert not issued(service)


def test_without_a_clock_nothing_is_stamped_and_the_client_may_come_again(clockless: Service) -> None:
    answer = post(clockless, asking(receipts(1)))
    assert (answer.status_code, answer.json()["code"]) == (503, "BATCH_NOT_STAMPED")
    assert answer.json()["reason"] == "TIME_NOT_AVAILABLE"
    assert answer.headers["retry-after"] == "1"


def client_of(service: Service, **limits: object) -> dict[str, str]:
    """Make a client with a key, and return the header that shows it."""
    words = {"tenant": "operator", "name": "logs", "roles": ["stamp"], **limits}
    client = ask_owner(service.folder.owner_socket, "access.client.add", words)["client"]
    key = ask_owner(service.folder.owner_socket, "access.key.create", {"client": client})["text"]
    header = {"authorization": f"Bearer {key}", "content-type": JSON}
    deadline = time.monotonic() + PATIENCE_S
    while send(service, header, b"{}").json()["code"] == "CREDENTIAL_WRONG":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return header


def send(service: Service, header: dict[str, str], content: bytes) -> httpx.Response:
    return service.client.post(PATH, content=content, headers=header)


def test_a_batch_is_one_act_of_the_clients_limits_whatever_is_in_it(
    folder_of: Callable[[str], Prepared],
) -> None:
    keyed = {"TSA_ACCESS__TIMESTAMPS": "keyed", "TSA_ACCESS__FAILURES_PER_MINUTE": "1000000"}
    with serving(folder_of("classical"), keyed) as service:
        header = client_of(service, rate=0.001, burst=3)  # one is spent by what looks whether it is known
        batch = json.dumps(asking(receipts(50))).encode()
        answers = [send(service, header, batch) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]


def test_who_needs_an_activation_spends_one_act_of_it(folder_of: Callable[[str], Prepared]) -> None:
    keyed = {"TSA_ACCESS__TIMESTAMPS": "keyed", "TSA_ACCESS__FAILURES_PER_MINUTE": "1000000"}
    with serving(folder_of("classical"), keyed) as service:
        header = client_of(service, activated=True)
        answer = send(service, header, json.dumps(asking(receipts(2))).encode())
        assert (answer.status_code, answer.json()["code"]) == (403, "ACTIVATION_WANTED")
        # What cannot be read costs nothing of it.
        assert send(service, header, b"{}").json()["code"] == "REQUEST_INVALID"


def test_while_an_operator_has_stopped_issuing_nothing_is_stamped(
    folder_of: Callable[[str], Prepared],
) -> None:
    with serving(folder_of("classical")) as service:
        assert ask_owner(service.folder.owner_socket, "stop.set", {"reason": "drill"})["ok"]
        answer = post(service, asking(receipts(1)))
        assert (answer.status_code, answer.json()["code"]) == (503, "EMERGENCY_STOP")


def test_no_answer_begins_before_the_token_is_on_record(folder_of: Callable[[str], Prepared]) -> None:
    async def run() -> None:
        journal = ScriptedJournal(deque([None]))
        async with rigged(folder_of("classical").folder, journal) as rig:
            asked = asyncio.create_task(rig.client.post(PATH, json=asking(receipts(2))))
            await asyncio.to_thread(journal.asked.wait)
            await asyncio.sleep(0.05)
            assert not asked.done()
            journal.futures[0].set_result((Receipt(0, 0),))
            answer = await asked
            assert answer.status_code == 200
            (record,) = journal.records
            assert record.token == base64.b64decode(answer.json()["token"])

    asyncio.run(run())


def test_a_ledger_that_refuses_or_lags_has_nothing_stamped(folder_of: Callable[[str], Prepared]) -> None:
    async def run() -> None:
        journal = ScriptedJournal(deque([Refused(AppendRefusal.FULL)]))
        async with rigged(folder_of("classical").folder, journal) as rig:
            answer = await rig.client.post(PATH, json=asking(receipts(2)))
            assert (answer.status_code, answer.json()["code"]) == (503, "BATCH_NOT_STAMPED")
            assert answer.json()["reason"] == "LEDGER_UNAVAILABLE"
            rig.keeper.behind_s = 60.0
            answer = await rig.client.post(PATH, json=asking(receipts(2)))
            assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_BEHIND")

    asyncio.run(run())


def test_a_worker_takes_a_few_batches_at_a_time_and_whoever_left_holds_no_place(
    folder_of: Callable[[str], Prepared],
) -> None:
    async def run() -> None:
        journal = ScriptedJournal(deque([None] * MOST_OPEN))
        async with rigged(folder_of("classical").folder, journal) as rig:
            body = asking(receipts(1))
            waiting = [asyncio.create_task(rig.client.post(PATH, json=body)) for _ in range(MOST_OPEN)]
            while len(journal.records) < MOST_OPEN:  # noqa: ASYNC110  # nothing tells how many there are
                await asyncio.sleep(0.01)
            answer = await rig.client.post(PATH, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "BATCH_BUSY")
            assert answer.headers["retry-after"] == "1"
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            journal.script.clear()
            assert (await rig.client.post(PATH, json=body)).status_code == 200

    asyncio.run(run())


def test_content_that_does_not_arrive_is_not_waited_for(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_api, "UPLOAD_SECONDS", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def run() -> None:
        async with rigged(folder_of("classical").folder, ScriptedJournal()) as rig:
            answer = await rig.client.post(PATH, content=never(), headers={"content-type": JSON})
            assert (answer.status_code, answer.json()["code"]) == (408, "HTTP_BODY_LATE")

    asyncio.run(run())
