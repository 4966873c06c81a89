"""`tsa verify DIR`: judge every time-stamp of a folder, or of a list, at once."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import json_octets, text, write, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.progress import bar
from kokuin.cli.values import utc_microseconds
from kokuin.cli.verify_context import make_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kokuin.trust.context import Context
    from kokuin.trust.report import Report
    from kokuin.verify.batch_items import Item
    from kokuin.verify.batch_journal import Journal
    from kokuin.verify.batch_judge import Terms
    from kokuin.verify.batch_manifest import Manifest, ManifestError
    from kokuin.verify.batch_summary import Tally
    from kokuin.verify.facts import LedgerFacts

RESULTS, TABLE, SUMMARY = "results.jsonl", "results.csv", "summary.json"
"""What is in the folder of `--out`."""

MAX_JOBS = 256
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?")
_DAY_US = 86_400 * 1_000_000
_LAST = 253_402_300_799_999_999
"""The end of the calendar."""
_OF_ONE = ("data", "digest", "request", "evidence", "proof", "require_ledger", "recipient_key", "facts")
_OF_MANY = ("begins", "ends", "manifest", "out", "resume", "jobs")
_OPTION = {"begins": "from", "ends": "to"}
_SHOWN = 80
"""Characters of a field's name that are told."""


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options of a batch."""
    names = ("from", "to", "manifest", "out", "resume", "jobs")
    about = {name: text(lang, f"verify.batch.{name}_help") for name in names}
    parser.add_argument("--from", dest="begins", metavar="TIME", help=about["from"])
    parser.add_argument("--to", dest="ends", metavar="TIME", help=about["to"])
    parser.add_argument("--manifest", type=Path, metavar="FILE", help=about["manifest"])
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help=about["out"])
    parser.add_argument("--resume", action="store_true", default=None, help=about["resume"])
    add_jobs(parser, lang, about["jobs"])


def add_jobs(parser: argparse.ArgumentParser, lang: str, about: str) -> None:
    """Add the option that says how many processes judge; None stands for `processors`."""
    parser.add_argument("--jobs", type=_jobs(lang), metavar="N", help=about)


def is_batch(arguments: argparse.Namespace) -> bool:
    """Say whether many tokens are to be judged.

    Raises:
        CommandError: an option of a batch stands beside a single token.
    """
    if arguments.token.is_dir():
        return True
    for name in _OF_MANY:
        if getattr(arguments, name) is not None:
            raise CommandError("verify.batch.no_folder", option=_OPTION.get(name, name), path=arguments.token)
    return False


def run(arguments: argparse.Namespace) -> int:
    """Judge the tokens of a folder and print what they came to; the exit code is the worst verdict.

    Raises:
        CommandError: an option or a file cannot be used.
    """
    from kokuin.cli.verify_ledger import read_ledger
    from kokuin.verify.batch_manifest import Manifest, ManifestError
    from kokuin.verify.batch_run import KilledError

    for name in _OF_ONE:
        if getattr(arguments, name) is not None:
            raise CommandError("verify.batch.one_token", option=name.replace("_", "-"))
    try:
        manifest = None if arguments.manifest is None else Manifest.of(arguments.manifest)
        ledger = read_ledger(None, arguments)
        terms = _terms(arguments, ledger)
        if arguments.out is None:
            if arguments.resume:
                raise CommandError("verify.batch.resume_alone")
            tally = _judge(arguments, terms, manifest, None)
        else:
            more = {
                "manifest": manifest and manifest.digest,
                "log_keys": ledger.log_keys,
                "witness_policy": ledger.witnesses,
            }
            terms, tally = _into_folder(arguments, terms, manifest, more)
    except ManifestError as error:
        raise unusable(arguments.manifest, error) from None
    except KilledError:
        kept = "" if arguments.out is None else "_kept"
        raise CommandError(f"verify.batch.killed{kept}", path=arguments.out) from None
    except OSError as error:
        raise CommandError(
            "verify.cannot_read", path=error.filename or arguments.token, reason=error.strerror or error
        ) from None
    return _show(arguments, _summary(tally, terms), tally.kept)


def unusable(path: Path, error: ManifestError) -> CommandError:
    """Return what is told of a list that cannot be used."""
    from kokuin.verify.batch_manifest import FIELDS
    from kokuin.verify.inspecting.tree import printable

    params = {"path": path, "code": error.fault.value, "line": error.line}
    if not error.field:
        return CommandError("verify.batch.bad_manifest", **params)
    field = printable(error.field[:_SHOWN])
    return CommandError("verify.batch.bad_field", **params, field=field, fields=", ".join(FIELDS))


def _terms(arguments: argparse.Namespace, ledger: LedgerFacts) -> Terms:
    from kokuin.verify.batch_judge import Terms

    begins, ends = _begins(arguments.begins), _ends(arguments.ends)
    if begins is not None and ends is not None and begins > ends:
        raise CommandError("value.period")
    return Terms(arguments.token, make_context(arguments), begins, ends, partial(_judge_file, ledger))


def _judge_file(ledger: LedgerFacts, data: bytes, context: Context, proof: Path | None) -> Report:
    """Judge a file as `tsa verify FILE` does; in whichever process."""
    from kokuin.verify.verifying import verify_bytes

    if proof is None:
        return verify_bytes(data, context)
    from kokuin.ledger.tlog_proof import MAX_PROOF
    from kokuin.verify.batch_items import read_regular
    from kokuin.verify.ledger_place import verify_with_ledger

    shown = replace(ledger, proof=read_regular(str(proof), MAX_PROOF))
    return verify_with_ledger(data, context, shown.evidence())


def _into_folder(
    arguments: argparse.Namespace, terms: Terms, manifest: Manifest | None, more: Mapping[str, object]
) -> tuple[Terms, Tally]:
    from kokuin.ledger.bundle_file import part_of, write_file
    from kokuin.verify.batch_table import csv_lines
    from pqc.newfile import sync_folder, write_durably

    results = arguments.out / RESULTS
    if arguments.out.resolve() == arguments.token.resolve():
        raise CommandError("verify.batch.same_folder", path=arguments.out)
    mine = (RESULTS,) if arguments.resume else (RESULTS, TABLE, SUMMARY)
    if any((arguments.out / name).exists() for name in mine):
        raise CommandError("verify.batch.finished", path=arguments.out)
    if not arguments.resume:
        arguments.out.mkdir(parents=True, exist_ok=True)
    journal, terms = _open(arguments, part_of(results), terms, more)
    with journal:
        tally = _judge(arguments, terms, manifest, journal)
        (arguments.out / TABLE).unlink(missing_ok=True)
        with write_file(arguments.out / TABLE) as file:
            file.writelines(csv_lines(line for _, line in journal.lines()))
        write_durably(arguments.out / SUMMARY, json_octets(_summary(tally, terms)))
        # Crash point: under this name the results are whole, and so is what was made of them.
        part_of(results).rename(results)
    sync_folder(arguments.out)
    return terms, tally


def _open(
    arguments: argparse.Namespace, path: Path, terms: Terms, more: Mapping[str, object]
) -> tuple[Journal, Terms]:
    """Begin a journal, or open the one that is to be gone on with; without `--at` its time counts."""
    from kokuin.verify.batch import describe
    from kokuin.verify.batch_journal import Journal, JournalError, UnbegunError

    try:
        if not arguments.resume:
            return Journal.begin(path, describe(terms, more)), terms
        try:
            journal = Journal.resume(path)
        except UnbegunError:
            return Journal.begin(path, describe(terms, more)), terms
    except FileExistsError:
        raise CommandError("verify.batch.begun", path=arguments.out) from None
    except FileNotFoundError:
        raise CommandError("verify.batch.nothing_begun", path=arguments.out) from None
    except BlockingIOError:
        raise CommandError("verify.batch.busy", path=arguments.out) from None
    except JournalError:
        raise CommandError("verify.batch.bad_journal", path=path) from None
    if arguments.at is None and isinstance(at := journal.terms.get("at"), int):
        terms = replace(terms, context=replace(terms.context, at=at))
    wanted = describe(terms, more)
    other = [
        name for name in wanted.keys() | journal.terms.keys() if wanted.get(name) != journal.terms.get(name)
    ]
    if other:
        journal.close()
        raise CommandError("verify.batch.other_terms", path=arguments.out, names=", ".join(sorted(other)))
    return journal, terms


def _judge(
    arguments: argparse.Namespace, terms: Terms, manifest: Manifest | None, journal: Journal | None
) -> Tally:
    from kokuin.verify.batch import judge_batch
    from kokuin.verify.batch_items import walk

    def items() -> Iterator[Item]:
        return walk(arguments.token, arguments.out) if manifest is None else manifest.items()

    show = bar(text(arguments.lang, "verify.batch.phase"))
    on_progress = None
    if show is not None:
        # Counted only when somebody looks.
        on_progress = _counting(show, sum(1 for _ in items()) if manifest is None else manifest.count)
    return judge_batch(items(), terms, arguments.jobs or processors(), journal, on_progress)


def _counting(show: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        show(min(done, total), total)

    return count


def _summary(tally: Tally, terms: Terms) -> dict[str, Any]:
    from kokuin.trust.report import iso_time

    policy, moments = terms.context.policy, {"from": terms.begins, "to": terms.ends}
    return {
        **tally.summary(),
        "validation_time": iso_time(terms.context.at),
        "policy": {"name": policy.name, "edition": policy.edition},
        "period": {name: None if at is None else iso_time(at) for name, at in moments.items()},
    }


def _show(arguments: argparse.Namespace, summary: Mapping[str, Any], kept: int) -> int:
    if arguments.json:
        write_json(summary)
    else:
        from kokuin.cli.verify_batch_text import sentences

        write(sentences(summary, kept, arguments.out, arguments.lang))
    return Exit[summary["indication"]]


def _begins(option: str | None) -> int | None:
    return None if option is None else _moment(option, "from")


def _ends(option: str | None) -> int | None:
    if option is None:
        return None
    at = _moment(option, "to")
    return min(at + _DAY_US - 1, _LAST) if _DAY.fullmatch(option) else at


def _moment(option: str, name: str) -> int:
    """Return a moment, or when a day begins, in microseconds since 1970 UTC; UTC where it says no offset."""
    day = _DAY.fullmatch(option)
    try:
        return utc_microseconds(option if day is None else f"{day[1]}T00:00:00{day[2] or 'Z'}")
    except (ValueError, OverflowError):
        raise CommandError("verify.batch.bad_time", option=name, time=option) from None


def _jobs(lang: str) -> Callable[[str], int]:
    def read(word: str) -> int:
        if word.isascii() and word.isdigit() and 1 <= int(word) <= MAX_JOBS:
            return int(word)
        raise argparse.ArgumentTypeError(text(lang, "verify.batch.bad_jobs", most=MAX_JOBS))

    return read


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
