"""`make fuzz`: hostile input to issuing, in one process and over HTTP, to verifying, the ledger, the API.

Prints what was measured beside what is allowed, and exits with 1 when anything
is above it. The inputs depend on `--seed` alone; a violation names its input.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.fuzzing.records import fuzz_record_bombs, fuzz_records
from conformance.fuzzing.seals import fuzz_judging, fuzz_seal_bombs, fuzz_seal_requests, fuzz_sealing
from conformance.fuzzing.table import FLAT_KIB, Table, at
from conformance.fuzzing.tokens import fuzz_token_bombs, fuzz_tokens
from kokuin.ledger import schema
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store_check import check_store
from kokuin.service.responder import Responder
from tests.ledger import bundle_mutations, store_mutations
from tests.ledger.sound_store import fill
from tests.mutators import Mutator
from tests.requests import bombs, foreign_requests, valid_requests
from tests.responses import check_response
from tests.service import fuzz_api
from tests.service.assaults import Assault, flood, floods, halves
from tests.service.fuzz_http import SETTINGS, complaints, run_http
from tests.service.running import prepare, serving
from tests.tsa.fuzz_in_process import ANYBODY, LeafCounter, make_issuer, run_in_process

if TYPE_CHECKING:
    from kokuin.service.issuing import Issuer

CPU_MS = 50.0
"""Processor time of one answer in process, the first few apart."""
BOMB_MS = 5.0
ASSAULT_SECONDS = 15.0
FIRST = 20
"""Answers that pay for imports and caches."""


def main() -> int:
    """Run what was asked for and return the exit code."""
    options = _options()
    print(f"seed {options.seed}")
    table = Table()
    with tempfile.TemporaryDirectory(prefix="kokuin-fuzz-") as folder:
        root = Path(folder)
        if options.in_process:
            issuer = make_issuer(root / "in-process")
            _in_process(table, issuer, options)
            _bombs(table, issuer)
        _verifying(table, options)
        if options.seal_requests:
            fuzz_seal_requests(table, root / "seals", options.seal_requests, options.seed)
        if options.ledger:
            _ledger(table, root / "ledger", options)
        if options.bundles:
            _bundles(table, root / "exported.db", options)
        if options.http:
            _http(table, root / "http", options)
        if options.api:
            _api(table, root / "api", options)
        if not options.no_floods:
            _floods(table, root / "floods", options.workers)
    print(f"{table.failed} violated" if table.failed else "all held")
    return min(table.failed, 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Send hostile input, in process and over HTTP.")
    parser.add_argument("--in-process", type=int, default=200_000, help="mutated requests in one process")
    parser.add_argument("--tokens", type=int, default=500_000, help="mutated tokens to `tsa verify`")
    parser.add_argument("--evidence", type=int, default=20_000, help="mutated evidence records, likewise")
    parser.add_argument("--seals", type=int, default=20_000, help="damaged documents of each kind")
    parser.add_argument("--seal-requests", type=int, default=2_000, help="of them to `tsa serve`")
    parser.add_argument("--http", type=int, default=20_000, help="mutated bodies to `tsa serve`")
    parser.add_argument("--api", type=int, default=40, help="requests of each operation, caller and port")
    parser.add_argument("--ledger", type=int, default=1_000, help="damaged copies of a ledger")
    parser.add_argument("--bundles", type=int, default=1_000, help="damaged export bundles")
    parser.add_argument("--records", type=int, default=10_000, help="of the ledger, and of the bundles")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of the inputs")
    parser.add_argument("--workers", type=int, default=1, help="of `tsa serve`")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="write there what was judged as it should not be"
    )
    parser.add_argument("--corpus", type=Path, help="folder with *.tsq of other programs, to start from too")
    parser.add_argument(
        "--no-floods", action="store_true", help="leave the endless and half-sent messages out"
    )
    return parser.parse_args()


def _verifying(table: Table, options: argparse.Namespace) -> None:
    """What strangers give to be judged, or sealed."""
    if options.tokens:
        fuzz_tokens(table, options.tokens, options.seed, options.keep)
        fuzz_token_bombs(table)
    if options.evidence:
        fuzz_records(table, options.evidence, options.seed, options.keep)
        fuzz_record_bombs(table)
    if options.seals:
        fuzz_judging(table, options.seals, options.seed, options.keep)
        fuzz_sealing(table, options.seals, options.seed, options.keep)
        fuzz_seal_bombs(table)


def _in_process(table: Table, issuer: Issuer, options: argparse.Namespace) -> None:
    seeds = valid_requests(issuer.rules.policy)
    if options.corpus:
        seeds += foreign_requests(options.corpus)
    started = time.monotonic()
    run = run_in_process(issuer, iter(Mutator(seeds, options.seed).next, None), options.in_process)
    count = f"{options.in_process} requests in {time.monotonic() - started:.0f} s"
    outcomes = ", ".join(f"{code} {number}" for code, number in run.outcomes.most_common())
    table.line("in process: every input answered as it should", count, "", good=not run.violations)
    table.violations(run.violations)
    print(f"      {outcomes}")
    wall, cpu = sorted(run.wall_s), sorted(run.cpu_s[FIRST:]) or [0.0]
    times = f"p50 {at(wall, 0.5)}, p99 {at(wall, 0.99)}, max {at(wall, 1)} ms"
    table.line("in process: time of an answer", times, "", good=True)
    slowest = cpu[-1] * 1e3
    table.line(
        "in process: longest processor time",
        f"{slowest:.2f} ms",
        f"<= {CPU_MS:.0f} ms",
        good=slowest <= CPU_MS,
    )
    table.memory("in process", run.rss_kib)
    leaves = f"{run.leaves} for {run.outcomes['GRANTED']} tokens"
    table.line("in process: records", leaves, "equal", good=run.leaves == run.outcomes["GRANTED"])


def _bombs(table: Table, issuer: Issuer) -> None:
    for name, taken in asyncio.run(_time_bombs(issuer)).items():
        table.line(f"bomb: {name}", f"{taken:.2f} ms", f"<= {BOMB_MS:.0f} ms", good=taken <= BOMB_MS)


async def _time_bombs(issuer: Issuer) -> dict[str, float]:
    """Return the median processor time that each bomb costs from octets to response, milliseconds."""
    responder = Responder({issuer.profile: issuer}, issuer.profile, LeafCounter(), frozenset())
    medians = {}
    for name, octets in bombs().items():
        taken = []
        for _ in range(9):
            start = time.thread_time()
            answer = await responder.answer(octets, ANYBODY)
            taken.append(time.thread_time() - start)
        assert not check_response(answer.body, octets)
        medians[name] = sorted(taken)[4] * 1e3
    return medians


def _ledger(table: Table, root: Path, options: argparse.Namespace) -> None:
    """Damage copies of a ledger in every way: it must be found under its name, and where it is."""
    root.mkdir()
    sound = fill(root / "sound", options.records)
    started, cpu = time.monotonic(), time.process_time()
    with LedgerReader(sound.path) as reader:
        verdict = check_store(reader, sound.keys, sound.log)
    taken = time.process_time() - cpu
    found = f"{verdict.size} records in {taken:.2f} s, {verdict.size / taken:,.0f}/s"
    table.line("ledger: sound, and its check", found, "passes", good=verdict.passed)
    wrong = [
        f"{name}: {complaint}"
        for name, complaint in store_mutations.run(sound, root / "copy", options.ledger, options.seed)
        if complaint
    ]
    count = f"{options.ledger} in {time.monotonic() - started:.0f} s"
    table.line("ledger: damage found under its name", count, "all", good=not wrong)
    table.violations(wrong)


def _bundles(table: Table, path: Path, options: argparse.Namespace) -> None:
    """Damage export bundles, whole and in part: each must be refused for the reason that it was damaged."""
    started, wrong = time.monotonic(), []
    schema.create(path)
    made = bundle_mutations.bundles(path, options.records)
    for number, bundle in enumerate(made):
        share = options.bundles // len(made) + (number < options.bundles % len(made))
        wrong += bundle_mutations.assault(bundle, options.seed + number, share)
    count = f"{options.bundles} in {time.monotonic() - started:.0f} s"
    table.line("bundles: damage found under its name", count, "all", good=not wrong)
    table.violations(wrong)


def _http(table: Table, root: Path, options: argparse.Namespace) -> None:
    with serving(prepare(root, "classical"), SETTINGS, workers=options.workers) as service:
        run = run_http(service, options.http, options.seed)
    count = f"{options.http} bodies in {run.seconds:.0f} s"
    table.line("HTTP: answered 200, logged and recorded", count, "", good=not run.violations)
    table.violations(run.violations)
    wall = sorted(run.wall_s)
    times = f"p50 {at(wall, 0.5)}, p99 {at(wall, 0.99)}, max {at(wall, 1)} ms"
    table.line("HTTP: time of an answer", times, "", good=True)
    table.line(
        "HTTP: tokens and refusals",
        f"{run.granted} and {run.refused}",
        "",
        good=run.granted + run.refused > 0,
    )
    leaves = ", ".join(f"{kind} {number}" for kind, number in sorted(run.leaves.items()))
    print(f"      leaves: {leaves}")
    table.memory("HTTP", run.rss_kib)


def _api(table: Table, root: Path, options: argparse.Namespace) -> None:
    """Ask every operation as every caller: none may break, nor reach what the table of rules denies."""
    started = time.monotonic()
    with serving(prepare(root, "classical"), fuzz_api.SETTINGS, workers=options.workers) as service:
        run = fuzz_api.run_api(service, options.api, options.seed)
    count = f"{run.asked} of {len(run.operations)} operations in {time.monotonic() - started:.0f} s"
    table.line("API: nothing broke, a no was a no", count, "", good=not run.violations)
    table.violations(run.violations)
    print(f"      {', '.join(f'{status} {number}' for status, number in sorted(run.statuses.items()))}")


def _floods(table: Table, root: Path, workers: int) -> None:
    with serving(prepare(root, "classical"), SETTINGS, workers=workers) as service:
        for name, pieces in floods().items():
            _assault(table, flood(service, f"300 MB of {name}", pieces))
        for assault in halves(service):
            _assault(table, assault)
        found = complaints(service)
    table.line("floods: log", f"{len(found)} complaints", "none", good=not found)
    table.violations(found)


def _assault(table: Table, found: Assault) -> None:
    good = (
        found.seconds <= ASSAULT_SECONDS
        and found.grown_kib <= FLAT_KIB
        and not found.failed
        and set(found.statuses) <= {408, 413, 431}
    )
    table.line(
        found.name,
        f"{found.seconds:.1f} s, {dict(found.statuses)}, {found.sent_mb:.0f} MB taken",
        f"<= {ASSAULT_SECONDS:.0f} s",
        good=good,
    )
    others = f"{found.served - found.failed} of {found.served}, slowest {found.slowest_s * 1e3:.0f} ms"
    print(f"      memory +{found.grown_kib / 1024:.1f} MiB; other clients answered: {others}")


if __name__ == "__main__":
    sys.exit(main())
