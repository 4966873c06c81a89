"""`tsa renew --ledger`: the evidence of a data folder's ledger, planned, renewed, and written as files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli import owner
from kokuin.cli.folder_locks import FolderBusyError, held
from kokuin.cli.messages import sentence_or, text, write, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.progress import bar
from kokuin.cli.values import check_period, microseconds, moment, moment_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from kokuin.service.evidence.renewing import Wanted
    from kokuin.service.evidence.survey import Kind, Survey

_DAY_US = 86_400_000_000


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options that a ledger has and files have not."""
    about = {name: text(lang, f"renew.ledger.{name}_help") for name in ("ledger", "from", "to")}
    parser.add_argument("--ledger", action="store_true", help=about["ledger"])
    parser.add_argument("--from", dest="begins", type=moment(lang), metavar="TIME", help=about["from"])
    parser.add_argument("--to", dest="ends", type=moment(lang), metavar="TIME", help=about["to"])
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))


def run(arguments: argparse.Namespace) -> int:
    """Plan, renew or both, then write files where `--out` names a folder.

    Exit 0 when nothing is due any more, 2 when something is that no further archive time-stamp helps, 1 when
    the service refuses.

    Raises:
        CommandError: options, the folder or a file cannot be used.
    """
    if arguments.paths or arguments.manifest is not None:
        raise CommandError("renew.ledger.no_files")
    check_period(arguments.begins, arguments.ends)
    wanted = _wanted(arguments)
    if arguments.plan:
        return _tell(arguments, _survey(arguments, wanted), None)
    if arguments.out is None:
        return _renew_all(arguments, wanted)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        with held([arguments.out]):
            return _renew_all(arguments, wanted)
    except FolderBusyError as error:
        raise CommandError("renew.busy", path=error.path) from None
    except OSError as error:
        path = error.filename or arguments.out
        raise CommandError("renew.ledger.file", path=path, reason=error.strerror) from None


def _renew_all(arguments: argparse.Namespace, wanted: Wanted) -> int:
    before = _survey(arguments, wanted)
    answer = _renew(arguments, wanted, before)
    if not answer["ok"]:
        return _refused(arguments, answer)
    after = _survey(arguments, wanted)
    if arguments.out is not None:
        answer["written"] = _write_files(arguments, wanted)
    return _tell(arguments, after, answer)


def _wanted(arguments: argparse.Namespace) -> Wanted:
    from kokuin.service.evidence.renewing import Wanted

    within_us = arguments.within * _DAY_US
    if arguments.before is not None:
        within_us = (microseconds(arguments.before) or 0) - time.time_ns() // 1_000
    return Wanted(microseconds(arguments.begins), microseconds(arguments.ends), within_us)


def _survey(arguments: argparse.Namespace, wanted: Wanted) -> Survey:
    """Look through the ledger, whether or not somebody serves the folder."""
    import sqlite3

    from kokuin.ledger.leaf import LeafError
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.evidence.records import EvidenceRecords
    from kokuin.service.evidence.renewing import own_certificate
    from kokuin.service.evidence.standing import Standing, terms
    from kokuin.service.evidence.survey import survey
    from kokuin.service.ledger_store import open_reader
    from kokuin.service.migration.gathering import snapshot_in_force

    folder = DataFolder(arguments.dir)
    try:
        folder.check_format()
        config = load_config(folder.root)
        under, records = terms(folder, config, wanted.within_us), EvidenceRecords(folder, config)
        with open_reader(folder, config) as reader:
            standing = Standing(under, records, own_certificate(snapshot_in_force(folder, config, reader)))
            return survey(reader, standing, wanted.span(reader))
    except (*START_ERRORS, LeafError, sqlite3.Error) as error:
        raise CommandError("cli.folder", reason=error) from None


def _renew(arguments: argparse.Namespace, wanted: Wanted, before: Survey) -> dict[str, Any]:
    """Have the owner renew, turn by turn."""
    from kokuin.service.long_operations import RENEW

    show = bar(text(arguments.lang, "renew.ledger.phase"))
    total: dict[str, Any] = {"ok": True, "batches": 0, "tokens": 0, "stamps": 0}
    question: dict[str, Any] = {
        "from_us": wanted.begins,
        "to_us": wanted.ends,
        "within_us": wanted.within_us,
    }
    while before.stamps:
        answer = owner.ask(arguments, RENEW, question)
        if not answer["ok"]:
            return {**answer, **{name: total[name] for name in ("batches", "tokens", "stamps")}}
        for name in ("batches", "tokens", "stamps"):
            total[name] += answer[name]
        if show is not None:
            show(min(total["stamps"], before.stamps), before.stamps)
        if answer["next"] is None:
            break
        question["place"] = answer["next"]
    return total


def _write_files(arguments: argparse.Namespace, wanted: Wanted) -> int:
    from kokuin.ledger.leaf import LeafError
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.evidence.files import write_files
    from kokuin.service.evidence.records import EvidenceRefusedError

    folder = DataFolder(arguments.dir)
    show = bar(text(arguments.lang, "renew.ledger.writing"))
    try:
        return write_files(folder, load_config(folder.root), wanted, arguments.out, show)
    except (*START_ERRORS, LeafError, EvidenceRefusedError) as error:
        raise CommandError("cli.folder", reason=error) from None


def _refused(arguments: argparse.Namespace, answer: dict[str, Any]) -> int:
    if arguments.json:
        write_json(answer)
        return Exit.FAILED
    code, detail = answer["code"], answer.get("detail", "")
    lines = [text(arguments.lang, "renew.ledger.refused", code=code, detail=detail).rstrip()]
    explained = sentence_or(arguments.lang, f"renew.ledger.{code}", "")
    done = text(arguments.lang, "renew.ledger.done", **answer)
    write([*lines, *([explained] if explained else []), *([done] if answer["stamps"] else [])])
    return Exit.FAILED


def _tell(arguments: argparse.Namespace, found: Survey, answer: dict[str, Any] | None) -> int:
    if arguments.json:
        write_json({**_document(found), **({} if answer is None else {"done": answer})})
    else:
        write(_lines(found, answer, arguments.lang))
    helpless = any(kind.act in _helpless() for kind, _ in found.kinds)
    return Exit.INDETERMINATE if helpless else Exit.PASSED


def _helpless() -> frozenset[str]:
    from kokuin.verify.renewal.planning import Act

    return frozenset({Act.HASH_TREE, Act.TOO_LATE})


def _document(found: Survey) -> dict[str, Any]:
    return {
        "kinds": [
            {
                "what": _noun(kind),
                "count": count,
                "act": kind.act.value,
                "until": _day(kind),
                "cause": kind.cause,
                "of": kind.what,
            }
            for kind, count in found.kinds
        ],
        "tokens": found.tokens,
        "signatures": found.stamps,
        "octets": found.octets,
        "embedded": found.embedded,
    }


def _lines(found: Survey, answer: dict[str, Any] | None, lang: str) -> Iterator[str]:
    from kokuin.service.evidence.standing import UNIT_ENDS_TOO

    if answer is not None:
        yield text(lang, "renew.ledger.done", **answer)
        if "written" in answer:
            yield text(lang, "renew.ledger.written", count=answer["written"])
    for kind, count in found.kinds:
        day, noun = _day(kind), text(lang, f"renew.ledger.{_noun(kind)}", count=count)
        end = text(lang, "renew.ledger.no_end" if day is None else "renew.ledger.until", until=day)
        act = text(lang, f"renew.ledger.act_{kind.act.value}")
        cause = " ".join(word for word in (kind.cause, kind.what) if word)
        yield text(lang, "renew.ledger.line", noun=noun, end=end, act=act, cause=cause)
        if kind.cause == UNIT_ENDS_TOO:
            yield text(lang, f"renew.ledger.{UNIT_ENDS_TOO}")
    if not found.kinds:
        yield text(lang, "renew.ledger.nothing")
    if found.embedded:
        yield text(lang, "renew.ledger.embedded", count=found.embedded)
    if answer is None:
        octets = "?" if found.octets is None else f"{found.octets:,}"
        yield text(lang, "renew.ledger.cost", tokens=found.tokens, stamps=found.stamps, octets=octets)


def _noun(kind: Kind) -> str:
    return "batches" if kind.batched else "tokens"


def _day(kind: Kind) -> str | None:
    from kokuin.service.evidence.survey import NEVER

    return None if kind.until in {0, NEVER} else moment_text(kind.until)[:10]
