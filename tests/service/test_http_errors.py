"""HTTP errors (RFC 9457) come only where no request was read; what was read is answered by RFC 3161."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.service.asking import granted, query, serial_of
from tests.service.running import PATIENCE_S, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    import httpx

    from tests.service.running import Prepared, Service

BODY_LIMIT = 65_536


def problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/tsa", "/tsa/classical"])
def test_only_post_stamps(single: Service, method: str, path: str) -> None:
    answer = single.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_body_above_the_limit_is_not_read(single: Service) -> None:
    problem(single.post(bytes(BODY_LIMIT + 1)), 413, "HTTP_BODY_TOO_LARGE")
    assert single.post(bytes(BODY_LIMIT)).status_code == 200


@pytest.mark.parametrize("credentials", ["Bearer wrong", "Basic b3BlcmF0b3I6", "Bearer", ""])
def test_wrong_credentials_are_nobodys_and_may_not_stamp(single: Service, credentials: str) -> None:
    problem(single.post(query(), authorization=credentials), 401, "CREDENTIAL_WRONG")


@pytest.mark.parametrize("service", ["single", "double"], indirect=True)
def test_only_the_operator_key_opens_the_operators_routes(service: Service) -> None:
    for shown in (None, "Bearer wrong", service.operator_key):
        headers = {} if shown is None else {"authorization": shown}
        answer = service.client.get("/api/v1/status", headers=headers)
        problem(answer, 401, "CREDENTIAL_WANTED" if shown is None else "CREDENTIAL_WRONG")
        assert answer.headers["www-authenticate"] == 'Bearer realm="kokuin"'
    headers = {"authorization": f"Bearer {service.operator_key}"}
    state = service.client.get("/api/v1/status", headers=headers).json()
    assert state["ready"] is True
    assert {"worker-1", "worker-2"} & set(state["workers"])
    problem(service.client.post("/api/v1/clock/resume", headers=headers), 409, "CLOCK_NOT_HELD")


def test_a_path_that_is_nobodys_is_not_found(single: Service) -> None:
    for path in ("/", "/tsax", "/trust/../keys/unit-classical.pem", "/trust/unit.csr"):
        problem(single.client.get(path), 404, "NOT_FOUND")


@pytest.fixture
def soon_behind(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """Return a service of its own: any other test could meet such a patience on a busy machine."""
    with serving(folder_of("classical"), {"TSA_LEDGER__BEHIND_SECONDS": "0.3"}, workers=2) as service:
        yield service


def test_requests_are_turned_away_while_the_ledger_is_behind_and_no_token_leaves(
    soon_behind: Service,
) -> None:
    """A keeper that stands still makes nothing durable: no token, and soon 503 instead of more waiting."""
    keeper: int = soon_behind.event(role="keeper")["pid"]
    waiting: list[Future[httpx.Response]] = []
    refused: list[httpx.Response] = []
    with ThreadPoolExecutor(64) as pool:
        os.kill(keeper, signal.SIGSTOP)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not refused and time.monotonic() < deadline:
                waiting.append(pool.submit(soon_behind.post, query()))
                time.sleep(0.05)
                refused = [call.result() for call in waiting if call.done()]
        finally:
            os.kill(keeper, signal.SIGCONT)
        for answer in refused:
            problem(answer, 503, "LEDGER_BEHIND")
            assert answer.headers["retry-after"] == "1"
        assert refused, "nobody was turned away"
        served = [call.result() for call in waiting if call.result().status_code == 200]
    assert served, "those that were let in are answered once the ledger goes on"
    for answer in served:
        granted(answer.content)
        stored = soon_behind.stored(serial_of(answer.content))
        assert stored is not None
        assert json.loads(stored.leaf)["res"] == "granted"
