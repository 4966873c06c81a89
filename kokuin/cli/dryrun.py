"""`tsa profile dry-run`: a switch rehearsed in a child process, told as text, JSON or a page."""

from __future__ import annotations

import json
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write_json
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from kokuin.service.migration.dryrun import DryRunRequest
    from kokuin.service.migration.report import DryRunReport


MOST_CHANGES = 12
"""Changes in the summary; the report has all."""


def add_arguments(command: argparse.ArgumentParser, lang: str) -> None:
    """Add what only this act knows."""
    amount = command.add_mutually_exclusive_group()
    amount.add_argument("--requests", type=int, metavar="N", help=text(lang, "dryrun.requests_help"))
    amount.add_argument("--from-ledger", metavar="PERIOD", help=text(lang, "dryrun.from_ledger_help"))
    command.add_argument("--report", type=Path, metavar="FILE", help=text(lang, "dryrun.report_help"))
    command.add_argument("--policy", metavar="NAME|FILE", help=text(lang, "dryrun.policy_help"))


def run(arguments: argparse.Namespace) -> int:
    """Rehearse; exit 0 when the switch can be made, 1 when blockers stand against it.

    Raises:
        CommandError: an option, the folder or the report's file cannot be used, or another one is under way.
    """
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.migration import dryrun_codes as codes
    from kokuin.service.migration.dryrun_process import DryRunChild, DryRunError

    request = _request(arguments)
    try:
        folder = DataFolder(arguments.dir)
        folder.check_format()
        child = DryRunChild(folder, load_config(folder.root), request)
        report = child.run(_progress(arguments.lang))
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    except DryRunError as error:
        if arguments.json:
            write_json({"ok": False, "code": error.code, "detail": error.detail})
        if error.code not in {codes.DRY_RUN_ENDED, codes.DRY_RUN_TOO_LONG}:
            raise CommandError("dryrun.refused", code=error.code, detail=error.detail) from None
        print(text(arguments.lang, "dryrun.ended", code=error.code, detail=error.detail), file=sys.stderr)
        return Exit.OUR_FAULT
    if arguments.report is not None:
        _write(arguments.report, report, arguments.lang)
    if arguments.json:
        write_json({"ok": True, "report": report.to_dict()})
    else:
        print(*_lines(report, arguments.lang), sep="\n")
    return Exit.PASSED if report.possible else Exit.FAILED


def _request(arguments: argparse.Namespace) -> DryRunRequest:
    from kokuin.service.migration.dryrun import MOST_REQUESTS, REQUESTS, DryRunRequest, read_period
    from pqc.policies import shipped_policies

    requests = REQUESTS if arguments.requests is None else arguments.requests
    if not 0 < requests <= MOST_REQUESTS:
        raise CommandError("dryrun.bad_requests", most=MOST_REQUESTS)
    if arguments.report is not None and arguments.report.suffix.lower() not in {".html", ".json"}:
        raise CommandError("dryrun.bad_report", path=arguments.report)
    policy: str = arguments.policy or ""
    if policy and policy not in shipped_policies():
        policy = str(Path(policy).absolute())
    try:
        period = None if arguments.from_ledger is None else read_period(arguments.from_ledger)
    except ValueError:
        raise CommandError("dryrun.bad_period", period=arguments.from_ledger) from None
    return DryRunRequest(arguments.name, requests, period, policy)


def _progress(lang: str) -> Callable[[str, int, int], None]:
    """Show one line on a terminal, and nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        return lambda *_: None

    def show(phase: str, done: int, total: int) -> None:
        share = done / total if total else 1.0
        bar = "#" * round(30 * share)
        end = "\n" if done >= total else ""
        print(f"\r[{bar:<30}] {text(lang, f'dryrun.phase_{phase}')}", end=end, file=sys.stderr, flush=True)

    return show


def _write(path: Path, report: DryRunReport, lang: str) -> None:
    if path.suffix.lower() == ".json":
        written = json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n"
    else:
        from kokuin.service.migration.html import page

        written = page(report, lang, partial(say, lang))
    try:
        path.write_text(written, encoding="utf-8")
    except OSError as error:
        raise CommandError("dryrun.cannot_write", path=path, reason=error.strerror) from None


def say(lang: str, key: str, **params: object) -> str:
    """Return a sentence of the report; a code or check without one stands for itself."""
    check = key.removeprefix("check_")
    try:
        return text(lang, f"dryrun.{key}" if check == key else f"check.{check}", **params)
    except KeyError:
        if check != key:
            return check
        if not key.startswith("code_"):
            raise
        return ""


def _lines(report: DryRunReport, lang: str) -> Iterator[str]:
    """Yield the summary."""
    here = partial(say, lang)
    found = report.consequences
    yield here("title", profile=report.profile)
    yield here("possible" if report.possible else "blocked", count=len(found.blockers))
    for name in ("blockers", "irreversible", "rollback"):
        if getattr(found, name):
            yield f"{here(name)}:"
        for each in getattr(found, name):
            sentence = here(f"code_{each.code}", subject=each.subject)
            yield f"  {each.code} {sentence} {each.detail}".rstrip()
    yield here("tokens_held", tokens=f"{report.inventory.tokens:,}", octets=_octets(report.inventory.octets))
    changes: Counter[tuple[str, str]] = Counter()
    for change in report.artefacts.changes:
        changes[change.at[:10], change.after] += change.tokens
    for (day, state), tokens in sorted(changes.items())[:MOST_CHANGES]:
        yield f"  {day} {tokens:,}: {here(f'state_{state}')}"
    plan = report.renewal
    yield here("renewal", tokens=f"{plan.tokens:,}", lost=f"{plan.lost:,}", batch=f"{plan.batch:,}")
    for cost in dict.fromkeys((report.measured.in_force, report.measured.candidate)):
        if cost is not None:
            yield here(
                "cost",
                profile=cost.profile,
                rate=f"{cost.per_second:,.0f}",
                p50=f"{cost.p50_ms:.2f}",
                p99=f"{cost.p99_ms:.2f}",
                octets=f"{cost.token_octets:,.0f}",
            )
    yield here("fallback", ways=here("or").join(report.clients.fallbacks))


def _octets(count: int) -> str:
    from kokuin.service.migration.html_parts import octets

    return octets(count)
