"""Mutated bodies against a real `tsa serve`, and what they leave in its ledger, log and memory."""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.trust.records import TST_ISSUED, TST_REFUSED
from tests.mutators import Mutator
from tests.requests import ACCEPTED_EXTENSION, valid_requests
from tests.responses import check_response
from tests.service.running import NEVER_BEHIND, PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.service.running import Service

SETTINGS = {**NEVER_BEHIND, "TSA_REQUESTS__EXTENSIONS": f'["{ACCEPTED_EXTENSION}"]'}
"""What a service under test is started with."""

POLICY = "1.3.6.1.4.1.32473.1"
CLIENTS = 4
WARM_UP = 0.1
PATHS = ("/tsa",) * 17 + ("/tsa/classical", "/tsa/", "/tsa/nobody-{}")
QUERY = {"content-type": "application/timestamp-query"}


@dataclass(slots=True)
class HttpRun:
    """What a run found.

    Attributes:
        statuses: HTTP answers by status.
        granted, refused: RFC 3161 answers.
        wall_s: time of each answer, seconds.
        leaves: leaves of the ledger by kind.
        rss_kib: resident memory of all processes after the warm-up and at the end.
        seconds: how long it took.
        violations: what was wrong.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    granted: int = 0
    refused: int = 0
    wall_s: list[float] = field(default_factory=list)
    leaves: Counter[str] = field(default_factory=Counter)
    rss_kib: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


def run_http(service: Service, count: int, seed: int) -> HttpRun:
    """Send `count` mutated bodies over `CLIENTS` connections, stop the service, and audit log and ledger."""
    run, started = HttpRun(), time.monotonic()
    _send_all(service, run, int(count * WARM_UP), seed)
    level = tree_rss_kib(service.process.pid)
    _send_all(service, run, count - int(count * WARM_UP), seed + CLIENTS)
    run.rss_kib = (level, tree_rss_kib(service.process.pid))
    _await_counters(service, count)
    run.seconds = time.monotonic() - started
    if service.stop() != 0:
        run.violations.append("the service did not stop as asked")
    _audit(service, run)
    return run


def _send_all(service: Service, run: HttpRun, count: int, seed: int) -> None:
    lock = threading.Lock()
    shares = [count // CLIENTS + (number < count % CLIENTS) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        futures: list[Future[None]] = [
            pool.submit(_send, service.port, run, lock, share, seed + number)
            for number, share in enumerate(shares)
        ]
        for future in futures:
            future.result()


def _send(port: int, run: HttpRun, lock: threading.Lock, count: int, seed: int) -> None:
    mutator = Mutator(valid_requests(POLICY), seed)
    paths = random.Random(seed)  # noqa: S311  # inputs that can be made again, no secrets
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for number in range(count):
        body, path = mutator.next(), paths.choice(PATHS).format(number)
        started = time.perf_counter()
        try:
            connection.request("POST", path, body, QUERY)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            with lock:
                run.violations.append(f"{path} {body[:100].hex()}: {error!r}")
            connection.close()
            continue
        with lock:
            _account(run, answer.status, content, body, time.perf_counter() - started)
    connection.close()


def _account(run: HttpRun, status: int, content: bytes, body: bytes, seconds: float) -> None:
    run.statuses[status] += 1
    run.wall_s.append(seconds)
    if status != 200:
        run.violations.append(f"{body[:100].hex()}: HTTP {status} {content[:200]!r}")
        return
    try:
        granted = check_response(content, body)
    except (AssertionError, ValueError) as error:
        run.violations.append(f"{body[:100].hex()}: {error}")
        return
    run.granted += granted
    run.refused += not granted


def _await_counters(service: Service, count: int) -> None:
    """Wait until the keeper has been told of every answer: workers report once a second."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        lines = service.client.get("/metrics").text.splitlines()
        counted = [line for line in lines if line.startswith("kokuin_tsa_answers_total{")]
        if sum(float(line.rpartition(" ")[2]) for line in counted) >= count:
            return
        time.sleep(0.1)


def _audit(service: Service, run: HttpRun) -> None:
    """Compare what clients saw with what the ledger and the log say."""
    leaves = service.leaves()
    run.leaves = Counter(str(leaf["kind"]) for leaf in leaves)
    if run.leaves[TST_ISSUED] != run.granted:
        run.violations.append(f"{run.leaves[TST_ISSUED]} tokens in the ledger, {run.granted} granted")
    refusals = [leaf for leaf in leaves if leaf["kind"] == TST_REFUSED]
    counted = sum(int(leaf["count"]) for leaf in refusals)
    if counted != run.refused:
        run.violations.append(f"{counted} refusals counted in the ledger, {run.refused} seen")
    reasons = {(leaf["reason"], leaf["profile"]) for leaf in refusals}
    if len(refusals) > len(reasons) * (run.seconds / 60 + 2):
        run.violations.append(f"{len(refusals)} leaves for {len(reasons)} reasons in {run.seconds:.0f} s")
    foreign = {str(profile) for _, profile in reasons} - {"classical", "none"}
    if foreign:
        run.violations.append(f"names that clients chose are in the ledger: {sorted(foreign)[:3]}")
    run.violations.extend(complaints(service))


def complaints(service: Service) -> list[str]:
    """Return what the log says that no client may cause: tracebacks, exceptions, errors."""
    found = ["a traceback is in the log"] * ("Traceback" in service.log.read_text())
    return found + [
        f"log: {event}"[:300]
        for event in service.events()
        if event.get("level") in {"error", "critical"} or "exception" in event
    ]


def tree_rss_kib(pid: int) -> int:
    """Return the resident memory of a process and its descendants, KiB."""
    return sum(_kib(each, "VmRSS") for each in _tree(pid))


def tree_peak_kib(pid: int) -> int:
    """Return the highest resident memory that a process and its descendants ever had, KiB."""
    return sum(_kib(each, "VmHWM") for each in _tree(pid))


def _kib(pid: int, name: str) -> int:
    """Return a line of what the system says of a process's memory; one that has ended holds none."""
    found = re.search(rf"{name}:\s+(\d+) kB", _told(Path(f"/proc/{pid}/status")))
    return int(found[1]) if found else 0


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in _told(task / "children").split():
            yield from _tree(int(child))


def _told(path: Path) -> str:
    """Read a file of /proc; empty: its process, or its thread, has just ended."""
    try:
        return path.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""
