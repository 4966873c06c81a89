"""Mutated tokens through the whole of a judgement: a verdict each, within bounds of time and memory."""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from typing import TYPE_CHECKING

from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.context import Context, RevocationMode
from kokuin.trust.report import Indication, Report, Status, conclude
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import take_token, verify_bytes
from kokuin.wire import encode, prescan
from kokuin.wire.cms import read_signed_data
from tests.measured import WARM_UP, Run, forget_peak, memory_kib
from tests.mutators import Mutator
from tests.trust import forge
from tests.trust.forge import YEAR_US
from tests.verify.token_seeds import DATA, JUDGED_AT, REQUEST, current_unit

if TYPE_CHECKING:
    from tests.verify.token_seeds import Seeds

STATEMENT = ("policy", "serial", "gen_time", "accuracy_us", "imprint_algorithm", "imprint", "nonce")
"""Fields of a report that a signature covers."""
LIMIT = 262_144
"""Octets of the longest input: tokens of the largest suites have some 90,000."""
SIGNED = 0.1
"""Part of the inputs whose mutated statement is signed: what a signature stops, they carry further."""
SAMPLE = 50
"""One report in so many is also made anew, and told in every language."""
PEAK_KIB = 64 * 1024
"""Memory that one judgement may take above what was taken before, KiB."""
SUSPECT_S = 0.025
"""Processor time of a judgement above which its input is tried again, seconds."""


class Inputs:
    """An endless source of mutated tokens: of the seeds, and of statements signed after they were mutated."""

    def __init__(self, seeds: Seeds, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # inputs that can be made again, no secrets
        self._tokens = Mutator(seeds.octets, seed, LIMIT)
        self._statements = Mutator([_statement(octets) for octets in seeds.octets[:3]], seed)
        self._attributes = Mutator([forge.attribute("1.2.3", forge.ess_v2(current_unit().der))], seed)

    def next(self) -> tuple[bytes, bool]:
        """Return the next input, and whether the unit signed it as it is."""
        if self._random.random() >= SIGNED:
            return self._tokens.next(), False
        more = (self._attributes.next(),) if self._random.random() < 0.5 else ()
        statement = self._statements.next() or encode.sequence()
        made = forge.order(signer=current_unit(), tst_info=statement, more_attributes=more)
        return made.make(), True


def _statement(octets: bytes) -> bytes:
    """Return the TSTInfo of a token or response."""
    return read_signed_data(getattr(take_token(octets), "octets", b"")).content or b""


def run_tokens(seeds: Seeds, seed: int, count: int) -> Run:
    """Judge `count` mutated tokens one after the other and examine every report."""
    run, inputs, judges = Run(), Inputs(seeds, seed), contexts(seeds)
    genuine = {_statements(verify_bytes(octets, judges[0])) for octets in seeds.octets}
    level = 0
    gc.collect()
    gc.freeze()  # a collection that walks what was there before would be counted as an input's cost
    try:
        for number in range(count):
            context, (octets, signed) = judges[number % len(judges)], inputs.next()
            try:
                report = _judge(octets, context, run)
                examine(report)
                if number % SAMPLE == 0:
                    examine_closely(report, octets, context)
                if report.indication is Indication.PASSED and not signed:
                    assert _statements(report) in genuine, "passed with a statement that nobody signed"
            except Exception as error:  # noqa: BLE001  # whatever it is, it is what fuzzing looks for
                run.violations.append((f"input {number}: {type(error).__name__}: {error}", octets))
            if number == int(count * WARM_UP):
                level = memory_kib("VmRSS")
    finally:
        gc.unfreeze()
    run.rss_kib = (level, memory_kib("VmRSS"))
    return run


def contexts(seeds: Seeds) -> tuple[Context, ...]:
    """Return by what tokens are judged, each in its turn."""
    content = of_octets(DATA)
    return (
        Context(JUDGED_AT, seeds.trust, content),
        Context(JUDGED_AT, seeds.trust, content, revocation_mode=RevocationMode.REQUIRED),
        Context(JUDGED_AT, seeds.trust, request=REQUEST, proven=JUDGED_AT - 1_000_000),
        Context(JUDGED_AT + 20 * YEAR_US, seeds.trust, content),
    )


def _judge(octets: bytes, context: Context, run: Run) -> Report:
    report, cost, peak = judge_measured(octets, context)
    run.add(f"{report.indication} {report.sub_indication or ''}".rstrip(), octets, cost, peak)
    return report


def judge_measured(octets: bytes, context: Context) -> tuple[Report, float, int]:
    """Judge; return the report, processor time (seconds) and the memory taken above that before (KiB)."""
    forget_peak()
    before = memory_kib("VmRSS")
    report, cost = _timed(octets, context)
    peak = memory_kib("VmHWM") - before
    for _ in range(3 if cost > SUSPECT_S else 0):
        # A slow input is slow every time when nothing remembers it; a disturbance is not.
        _forget()
        cost = min(cost, _timed(octets, context)[1])
    return report, cost, peak


def _timed(octets: bytes, context: Context) -> tuple[Report, float]:
    started = time.thread_time()
    report = verify_bytes(octets, context)
    return report, time.thread_time() - started


def _forget() -> None:
    """Empty every cache of the rooms that judge, so that what is judged again costs what it did."""
    prescan._SCANNED.clear()
    for name, module in list(sys.modules.items()):
        if name.startswith(("kokuin.trust", "kokuin.wire", "kokuin.verify", "pqc")):
            for each in vars(module).values():
                if hasattr(each, "cache_clear"):
                    each.cache_clear()


def examine(report: Report) -> None:
    """A report is whole: what follows from its checks, a reason for each that does not hold, a JSON form.

    Raises:
        AssertionError: what is missing.
    """
    assert (report.indication is Indication.PASSED) == (report.sub_indication is None)
    for check in report.checks:
        held = check.status in {Status.OK, Status.WEAK, Status.NOT_DONE}
        assert (check.reason is None) == (check.status is Status.OK), f"{check.id} has no reason"
        assert held == (check.sub_indication is None), f"{check.id} means nothing"
    for part in report.parts:
        examine(part)
    if not report.parts:
        assert conclude(report.checks) == (report.indication, report.sub_indication)
    assert json.loads(report.to_json())["indication"] == report.indication


def examine_closely(report: Report, octets: bytes, context: Context) -> None:
    """The same input gives the same octets again, and every check has a sentence in every language.

    Raises:
        AssertionError: it does not, or one has none.
    """
    assert verify_bytes(octets, context).to_json() == report.to_json(), "another report for the same input"
    for lang in LANGUAGES:
        assert list(sentences(report, lang))


def _statements(report: Report) -> tuple[object, ...]:
    """Return what the report says was stamped and when."""
    own = tuple(report.subject.get(name) for name in STATEMENT)
    return (own, *(_statements(part) for part in report.parts))
