"""`tsa renew` over many stored tokens, killed and started again: each is covered once.

Tokens of P-256 under one authority, a document beside each tenth, are renewed by another one with ML-DSA-65
over HTTP. The process is killed with SIGKILL once while it plans, then while it writes records: each time
when it has come further than before, by chance how far. Before the last token it waits for the kill, however
busy the machine is. Linux only.

    python -m conformance.renewal --tokens 100000
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.renew_places import JOURNAL
from kokuin.trust.context import Context
from kokuin.trust.evidence_hashes import climb, stamped
from kokuin.verify.content import of_octets
from kokuin.verify.renewal.planning import trees_of
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.pem import write_block
from kokuin.wire.token_form import bare_token
from tests.gate import Gate
from tests.stampinghttp import stamping
from tests.trust.evidences import P256, PQ, moment, trust, unit, us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.stampinghttp import StampingServer

TOKENS = 100_000
KILLS = 3
_YEAR = time.gmtime().tm_year
_IN_A_FOLDER = 1_000
_WITH_DOCUMENT = 10
_SAMPLE = 200
_LOOK_S = 0.002
_PEAK_EVERY = 50


@dataclass
class Attempt:
    """One process: why it ended, after how long, and what was there then."""

    end: str
    seconds: float
    peak_kib: int
    journal: int


@dataclass
class Outcome:
    """What a renewal came to.

    Attributes:
        tokens: how many there were.
        attempts: the processes.
        asked: requests that the authority had.
        octets: of all records.
        journal: octets of what stays of the journal.
        violations: promises that were broken.
    """

    tokens: int
    attempts: list[Attempt] = field(default_factory=list)
    asked: int = 0
    octets: int = 0
    journal: int = 0
    violations: list[str] = field(default_factory=list)


def renew_killed(scratch: Path, tokens: int, kills: int, chance: random.Random) -> Outcome:
    """Make an archive, renew it with so many kills, and look whether each token is covered once.

    Args:
        scratch: an empty folder.
        tokens: how many.
        kills: how often the process is killed.
        chance: of the moments.
    """
    outcome = Outcome(tokens)
    old, new = unit(P256, _YEAR, 1_000), unit(PQ, _YEAR)
    archive = scratch / "archive"
    names = _fill(archive, tokens)
    roots = (each.root.certificate.der for each in (old, new))
    (scratch / "ca.pem").write_bytes(b"".join(write_block("CERTIFICATE", der) for der in roots))
    with stamping(new) as server:
        for number, reached in enumerate(_moments(archive, names, kills, chance)):
            # In the plan the token itself is opened, later its record under another name.
            gate = Gate(scratch / f"gate{number}", f".{names[-1].name}.er" if number else names[-1].name)
            outcome.attempts.append(_attempt(scratch, server, reached, gate.environment))
        outcome.attempts.append(_attempt(scratch, server, None, {}))
        outcome.asked = server.asked
    _check(archive, names, outcome)
    return outcome


def _fill(archive: Path, tokens: int) -> list[Path]:
    by, names = unit(P256, _YEAR, 1_000), []
    for number in range(tokens):
        if number % _IN_A_FOLDER == 0:
            folder = archive / f"{number // _IN_A_FOLDER:03}"
            folder.mkdir(parents=True)
        data = b"document %d" % number
        name = folder / f"{number:06}.tsr"
        name.write_bytes(by.stamp("sha256", DIGEST_BY_NAME["sha256"].of(data), moment(_YEAR), crl=False))
        if number % _WITH_DOCUMENT == 0:
            name.with_suffix("").write_bytes(data)
        names.append(name)
    return names


def _moments(
    archive: Path, names: list[Path], kills: int, chance: random.Random
) -> Iterator[Callable[[], bool]]:
    """Yield what says whether it is time for a kill: in the plan, then in equal parts of the writing."""
    for number in range(kills):
        part = chance.uniform(0.1, 0.9)
        if number == 0:
            yield partial(_has_seen, archive / JOURNAL, int(part * len(names)))
        else:
            at = names[int((number - 1 + part) / (kills - 1) * len(names))]
            yield at.with_name(f"{at.name}.er").exists


def _has_seen(part: Path, files: int) -> bool:
    """Whether the plan has come so far: its last line that says so is never far from the end."""
    try:
        with part.open("rb") as file:
            file.seek(max(0, part.stat().st_size - (1 << 18)))
            seen = re.findall(rb'\{"seen":(\d+)', file.read())
    except FileNotFoundError:
        return False
    return bool(seen) and int(seen[-1]) >= files


def _attempt(
    scratch: Path, server: StampingServer, reached: Callable[[], bool] | None, environment: dict[str, str]
) -> Attempt:
    """Start the command, and kill it when it has reached something; None: it may end."""
    words = ("archive", "--url", server.url, "--trust", "ca.pem", "--before", f"{_YEAR + 8}-01-01", "--json")
    begun, peak, looked = time.perf_counter(), 0, 0
    process = subprocess.Popen(
        [sys.executable, "-m", "kokuin.cli.main", "renew", *words],
        cwd=scratch,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    while process.poll() is None:
        if looked % _PEAK_EVERY == 0:
            peak = max(peak, _peak_kib(process.pid))
        looked += 1
        if reached is not None and reached():
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(_LOOK_S)
    said, _ = process.communicate()
    part = scratch / "archive" / JOURNAL
    size = part.stat().st_size if part.exists() else 0
    end = "killed" if process.returncode == -signal.SIGKILL else f"exit {process.returncode} {_told(said)}"
    return Attempt(end, time.perf_counter() - begun, peak, size)


def _told(said: bytes) -> str:
    try:
        return json.dumps(json.loads(said)["outcomes"])
    except (ValueError, KeyError):
        return said.decode()[-200:]


def _peak_kib(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _check(archive: Path, names: list[Path], outcome: Outcome) -> None:
    """Look at every record, and judge some as of a time when the tokens alone have ended."""
    found = outcome.violations
    stamps: set[bytes] = set()
    roots: dict[bytes, bytes] = {}
    for number, name in enumerate(names):
        beside = name.with_name(name.name + ".er")
        if not beside.exists():
            found.append(f"{name.name} has no record")
            continue
        octets = beside.read_bytes()
        outcome.octets += len(octets)
        record = read_evidence_record(octets)
        if [len(each.stamps) for each in record.chains] != [1]:
            found.append(f"{name.name} is covered more than once")
        stamp = record.chains[0].stamps[0]
        digest = hashlib.sha512(stamp.time_stamp).digest()
        stamps.add(digest)
        if digest not in roots:
            roots[digest] = stamped(stamp.time_stamp).imprint.value
        covered = [bare_token(name.read_bytes())]
        if number % _WITH_DOCUMENT == 0:
            covered.append(name.with_suffix("").read_bytes())
        if (
            climb("sha512", stamp.reduced, [hashlib.sha512(each).digest() for each in covered])
            != roots[digest]
        ):
            found.append(f"{name.name} is not what its record covers")
    trees = trees_of(len(names))
    if len(stamps) != trees:
        found.append(f"{len(stamps)} time-stamps where {trees} suffice")
    if not trees <= outcome.asked <= trees + len(outcome.attempts) - 1:
        found.append(f"the authority was asked {outcome.asked} times")
    found.extend(f"{each.name} was left behind" for each in archive.rglob(".*"))
    outcome.journal = sum(each.stat().st_size for each in archive.glob("tsa-renew-*.jsonl"))
    _judge(names, found)


def _judge(names: list[Path], found: list[str]) -> None:
    by = unit(P256, _YEAR, 1_000), unit(PQ, _YEAR)
    context = Context(us(moment(_YEAR + 7)), trust(*by))
    for number in range(0, len(names), max(1, len(names) // _SAMPLE)):
        name = names[number]
        data = b"document %d" % number
        evidence = (name.with_name(name.name + ".er").read_bytes(),)
        within = replace(context.with_content(of_octets(data)), evidence=evidence)
        token = name.read_bytes()
        if verify_bytes(token, within).indication != "PASSED":
            found.append(f"{name.name} does not pass by its record")
        if verify_bytes(token, replace(within, evidence=())).indication != "INDETERMINATE":
            found.append(f"{name.name} passes without it")


def main() -> int:
    """Print what came of it; return 1 when a promise was broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments of the kills")
    parser.add_argument("--dir", type=Path, help="where the archive is made")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)  # noqa: S311  # moments, no secrets
    with tempfile.TemporaryDirectory(prefix="kokuin-renewal-", dir=arguments.dir) as scratch:
        outcome = renew_killed(Path(scratch), arguments.tokens, arguments.kills, chance)
    for each in outcome.attempts:
        print(
            f"{each.seconds:8.1f} s  {each.peak_kib / 1024:6.0f} MiB  journal {each.journal:>12,}  {each.end}"
        )
    seconds = sum(each.seconds for each in outcome.attempts)
    print(
        f"{outcome.tokens:,} tokens in {seconds:.0f} s by {outcome.asked} requests; "
        f"records {outcome.octets:,} octets, journal {outcome.journal:,}"
    )
    for violation in outcome.violations[:20]:
        print(f"VIOLATION: {violation}")
    print("every promise was kept" if not outcome.violations else "PROMISES WERE BROKEN")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
