"""Damaged documents to a real `tsa serve`, to be sealed and extended: a seal or a problem, and no 5xx."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from eseal.profile import Format
from kokuin.service.eseals.codes import STATUS, SealCode
from kokuin.service.eseals.tasks import Act
from tests.eseal.fuzz_judging import TARGETS
from tests.eseal.pdf.plain import pages
from tests.mutators import Mutator
from tests.service.eseals.fuzz_work import DOCUMENTS, WORKS, Requests, sources
from tests.service.fuzz_http import complaints, tree_rss_kib

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.eseals.test_sealing_http import Sealing

CLIENTS = 4
SECONDS = 150.0
"""How long a client waits."""
WARM_UP = 0.1
KEYED = 0.1
"""Part of the requests with an idempotency key, which are sent again: as they were, and otherwise."""
IN_A_FORM = 0.3
DAMAGED_FORM = 0.2
"""Of those in a form."""
_BOUNDARY = b"6f1c"
_KINDS = (*WORKS, (Act.SEAL, Format.CADES))
_TYPES = {
    Format.PDF: "application/pdf",
    Format.JSON: "application/json",
    Format.CADES: "application/octet-stream",
}


@dataclass(slots=True)
class SealHttpRun:
    """What a run found.

    Attributes:
        outcomes: answers by status and code.
        wall_s: time of each answer, seconds.
        made: seals that are on record.
        rss_kib: resident memory of all processes after the warm-up and at the end.
        seconds: how long it took.
        violations: what was wrong.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    wall_s: list[float] = field(default_factory=list)
    made: int = 0
    rss_kib: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


def run_seal_http(sealing: Sealing, count: int, seed: int) -> SealHttpRun:
    """Send so many damaged documents over `CLIENTS` connections; audit answers, ledger and log."""
    run, started = SealHttpRun(), time.monotonic()
    before = len(sealing.issued())
    pid = sealing.service.process.pid
    _send_all(sealing, run, int(count * WARM_UP), seed)
    level = tree_rss_kib(pid)
    _send_all(sealing, run, count - int(count * WARM_UP), seed + CLIENTS)
    run.rss_kib = (level, tree_rss_kib(pid))
    run.seconds = time.monotonic() - started
    for form, octets in ((Format.PDF, pages()), (Format.JSON, DOCUMENTS[0]), (Format.CADES, b"a letter")):
        answer = sealing.post(f"/seals/{form}?level=B-B", octets)
        run.made += answer.status_code == 200
        if answer.status_code != 200:
            run.violations.append(f"not healthy afterwards: {form} {answer.status_code} {answer.text[:200]}")
    recorded = len(sealing.issued()) - before
    if recorded != run.made:
        run.violations.append(f"{recorded} seals on record, {run.made} were answered")
    run.violations += complaints(sealing.service)
    return run


def _send_all(sealing: Sealing, run: SealHttpRun, count: int, seed: int) -> None:
    lock = threading.Lock()
    shares = [count // CLIENTS + (number < count % CLIENTS) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        senders = [_Sender(sealing, run, lock, seed + number) for number in range(CLIENTS)]
        for future in [
            pool.submit(sender.send, share) for sender, share in zip(senders, shares, strict=True)
        ]:
            future.result()


class _Sender:
    """One client."""

    def __init__(self, sealing: Sealing, run: SealHttpRun, lock: threading.Lock, seed: int) -> None:
        self._run, self._lock, self._seed = run, lock, seed
        self._random = random.Random(seed)  # noqa: S311  # inputs that can be made again, no secrets
        self._client = httpx.Client(
            base_url=sealing.service.client.base_url,
            timeout=SECONDS,
            trust_env=False,
            headers={"authorization": f"Bearer {sealing.key}"},
        )
        self._sources = {kind: _source(*kind, seed) for kind in _KINDS}
        self._requests = {kind: Requests(*kind, seed) for kind in _KINDS}

    def send(self, count: int) -> None:
        """Send so many documents."""
        with self._client:
            for number in range(count):
                act, form = kind = self._random.choice(_KINDS)
                asked = self._requests[kind].next()
                query = {"level": asked.level.value, "min_level": asked.least.value, **asked.options}
                path = "/api/v1/extend" if act is Act.EXTEND else f"/api/v1/seals/{form}"
                target = str(httpx.URL(path, params=query))
                content, headers = self._body(form, self._sources[kind]())
                key = f"{self._seed}-{number}" if self._random.random() < KEYED else ""
                answer = self._ask(target, content, headers | ({"idempotency-key": key} if key else {}))
                form_of = headers["content-type"].startswith("multipart")
                if key and not form_of and answer is not None and answer.status_code == 200:
                    self._again(target, content, headers | {"idempotency-key": key}, answer.content)

    def _body(self, form: Format, document: bytes) -> tuple[bytes, dict[str, str]]:
        if self._random.random() >= IN_A_FORM:
            return document, {"content-type": _TYPES[form]}
        head = b'--%s\r\nContent-Disposition: form-data; name="document"; filename="a"\r\n\r\n' % _BOUNDARY
        body = head + document + b"\r\n--%s--\r\n" % _BOUNDARY
        if self._random.random() < DAMAGED_FORM:
            body = Mutator([body], self._random.randrange(1 << 32), limit=1 << 20).next()
        return body, {"content-type": f"multipart/form-data; boundary={_BOUNDARY.decode()}"}

    def _again(self, target: str, content: bytes, headers: dict[str, str], made: bytes) -> None:
        """The same request gets the same octets, another one nothing."""
        same = self._ask(target, content, headers, counted=False)
        if same is not None and (same.status_code != 200 or same.content != made):
            self._complain(f"{target}: the same request got something else: {same.status_code}")
        other = self._ask(target, content + b" ", headers, counted=False)
        if other is not None and (other.status_code, _code(other)) != (422, SealCode.KEY_REUSED):
            self._complain(f"{target}: an idempotency key with other content: {other.status_code}")

    def _ask(
        self, target: str, content: bytes, headers: dict[str, str], *, counted: bool = True
    ) -> httpx.Response | None:
        started = time.perf_counter()
        try:
            # All children may be at work where all clients met one worker: it says when to come again.
            while (
                _code(answer := self._client.post(target, content=content, headers=headers)) == SealCode.BUSY
            ):
                time.sleep(int(answer.headers["retry-after"]))
        except httpx.HTTPError as error:
            self._complain(f"{target} {content[:60].hex()}: {error!r}")
            return None
        taken, code = time.perf_counter() - started, _code(answer)
        with self._lock:
            self._run.outcomes[f"{answer.status_code} {code}".rstrip()] += 1
            self._run.wall_s.append(taken)
            self._run.made += counted and answer.status_code == 200
        wrong = _wrong(answer, code)
        if wrong:
            self._complain(f"{target} {content[:60].hex()}: {answer.status_code} {wrong} {answer.text[:200]}")
        return answer

    def _complain(self, what: str) -> None:
        with self._lock:
            self._run.violations.append(what)


def _source(act: Act, form: Format, seed: int) -> Callable[[], bytes]:
    if (act, form) == (Act.SEAL, Format.CADES):
        # Any octets can be sealed.
        return TARGETS[form].source(seed)
    return sources(act, form, seed)


def _code(answer: httpx.Response) -> str:
    if answer.headers.get("content-type") != "application/problem+json":
        return ""
    return str(answer.json().get("code", ""))


def _wrong(answer: httpx.Response, code: str) -> str:
    """Say what is wrong with an answer; empty: nothing."""
    if answer.status_code == 200:
        return "" if answer.content and answer.headers.get("x-seal-record") else "without a record"
    if answer.status_code >= 500:
        return "a failure"
    if not code:
        return "no problem document"
    if code in set(SealCode) and STATUS[SealCode(code)] != answer.status_code:
        return "another status than that of its code"
    return ""
