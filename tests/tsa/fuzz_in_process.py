"""Mutated requests through all of issuing in one process: reader, decision, signature, leaf, response."""

from __future__ import annotations

import array
import asyncio
import re
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.ledger.leaf import make_leaf
from kokuin.service.access.principal import Principal
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.initialising import InitRequest, initialise
from kokuin.service.installation import issuing_rules
from kokuin.service.issuing import ActiveConfiguration, Issuer
from kokuin.service.responder import Responder
from kokuin.trust.records import Receipt
from pqc.profiles import load_shipped
from tests.requests import ACCEPTED_EXTENSION
from tests.responses import check_response, check_with_peer
from tests.units import load_configured_unit
from tsa.clock.machine import boot_ns, read_pair
from tsa.clock.reader import ClockReader
from tsa.clock.verdict import ClockVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.service.stamping import Answer
    from kokuin.trust.journal import AppendOutcome
    from kokuin.trust.records import Record

PEER_SAMPLE = 100
"""One answer in so many is also read by asn1crypto, which takes forty times as long as the rest."""
WARM_UP = 0.1
"""Part of the inputs after which memory is taken as the level that must hold."""
SUSPECT_S = 0.01
"""Processor time of an answer above which its input is tried again, seconds."""
HOUR_NS = 3_600 * 1_000_000_000

ANYBODY = Principal("public", "anonymous", frozenset())


class LeafCounter:
    """A journal that makes every leaf as the ledger would, and keeps none."""

    def __init__(self) -> None:
        self.leaves = 0

    def append(self, *records: Record) -> Future[AppendOutcome]:
        """See `Journal.append`."""
        at = time.time_ns() // 1_000
        for record in records:
            make_leaf(record, at)
        receipts = tuple(Receipt(self.leaves + number, at) for number in range(len(records)))
        self.leaves += len(records)
        done: Future[AppendOutcome] = Future()
        done.set_result(receipts)
        return done


@dataclass(slots=True)
class InProcessRun:
    """What a run found.

    Attributes:
        outcomes: answers by code, `GRANTED` for tokens.
        wall_s: time of each answer, seconds.
        cpu_s: processor time of each input in the loop's thread, seconds: what a busy machine does not blur.
        leaves: records that the journal was given.
        rss_kib: resident memory after the warm-up and at the end.
        violations: what was wrong, each with its input.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    wall_s: array.array[float] = field(default_factory=lambda: array.array("d"))
    cpu_s: array.array[float] = field(default_factory=lambda: array.array("d"))
    leaves: int = 0
    rss_kib: tuple[int, int] = (0, 0)
    violations: list[str] = field(default_factory=list)


def make_issuer(root: Path) -> Issuer:
    """Make a data folder in `root` and return its issuer (P-256), whose clock is fit for an hour from now."""
    initialise(InitRequest(root, profile="classical"))
    config = load_config(root, {"TSA_REQUESTS__EXTENSIONS": f'["{ACCEPTED_EXTENSION}"]'})
    profile = load_shipped(config.profile)
    loaded = load_configured_unit(DataFolder(root), config)
    clock = ClockReader(config.clock_settings(profile.accuracy_us))
    issuer = Issuer(profile.name, issuing_rules(config, profile), loaded.unit, clock)
    issuer.activate(ActiveConfiguration(1, config.digest()))
    make_fit(issuer)
    return issuer


def make_fit(issuer: Issuer) -> None:
    """Let an issuer's clock be fit for an hour from now, whatever came of the machine's until now."""
    wall, boot = read_pair(time.time_ns, boot_ns)
    verdict = ClockVerdict(None, "", "system", 0, 1_000, wall, boot, boot + HOUR_NS)
    issuer.update_clock(verdict, load_shipped(issuer.profile).accuracy_us)


def run_in_process(issuer: Issuer, inputs: Iterator[bytes], count: int) -> InProcessRun:
    """Answer `count` inputs one after the other and check every answer."""
    return asyncio.run(_run(issuer, inputs, count))


async def _run(issuer: Issuer, inputs: Iterator[bytes], count: int) -> InProcessRun:
    journal, run = LeafCounter(), InProcessRun()
    responder = Responder({issuer.profile: issuer}, issuer.profile, journal, frozenset())
    level = 0
    for number in range(count):
        body = next(inputs)
        try:
            await _one(responder, body, run, with_peer=number % PEER_SAMPLE == 0)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what fuzzing looks for
            run.violations.append(f"input {number} {body[:200].hex()}: {type(error).__name__}: {error}")
        if number == int(count * WARM_UP):
            level = rss_kib()
    responder.close()
    run.leaves = journal.leaves
    if run.leaves != run.outcomes["GRANTED"]:
        run.violations.append(f"{run.leaves} records for {run.outcomes['GRANTED']} tokens")
    run.rss_kib = (level, rss_kib())
    return run


async def _one(responder: Responder, body: bytes, run: InProcessRun, *, with_peer: bool) -> None:
    wall = time.perf_counter()
    answer, cost = await _timed(responder, body, run)
    run.wall_s.append(time.perf_counter() - wall)
    for _ in range(3 if cost > SUSPECT_S else 0):
        # A slow input is slow every time; a collection of garbage, which any input may meet, is not.
        cost = min(cost, (await _timed(responder, body, run))[1])
    run.cpu_s.append(cost)
    granted = check_response(answer.body, body)
    assert granted == (answer.refusal is None), "the answer says otherwise than its octets"
    assert not answer.refusal or answer.refusal.code != "SIGNING_FAILED", "issuing raised an exception"
    if with_peer:
        check_with_peer(answer.body)


async def _timed(responder: Responder, body: bytes, run: InProcessRun) -> tuple[Answer, float]:
    """Answer once and count the outcome; return the answer and its processor time, seconds."""
    started = time.thread_time()
    answer = await responder.answer(body, ANYBODY)
    cost = time.thread_time() - started
    run.outcomes[answer.refusal.code if answer.refusal else "GRANTED"] += 1
    return answer, cost


def rss_kib(pid: str = "self") -> int:
    """Return the resident memory of a process, KiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])  # type: ignore[index]  # Linux always has the line
