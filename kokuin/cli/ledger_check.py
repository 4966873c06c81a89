"""`tsa ledger check`: judge an export bundle offline, or a data folder; the exit code is the verdict."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin import __version__
from kokuin.cli.files import read_bounded
from kokuin.cli.ledger_opening import open_bundle
from kokuin.cli.messages import plain, text, write, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.progress import bar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from kokuin.ledger.bundle_verdict import BundleVerdict
    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.findings import Finding
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.witness_policy import Cosigner, WitnessPolicy

SCHEMA_VERSION = 1
"""`schema` of the JSON form; it rises when a field changes its meaning or goes."""
SHOWN = 20
"""Findings, runs and earlier checkpoints that are printed; JSON has more."""
_EXITS = {"PASSED": Exit.PASSED, "FAILED": Exit.FAILED, "INDETERMINATE": Exit.INDETERMINATE}


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    names = ("bundle", "dir", "log_key", "witness_policy", "since", "save", "recipient_key")
    about = {name: text(lang, f"ledger.check.{name}_help") for name in names}
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("bundle", type=Path, nargs="?", metavar="BUNDLE", help=about["bundle"])
    what.add_argument("--dir", type=Path, metavar="DIR", help=about["dir"])
    parser.add_argument("--log-key", type=Path, metavar="FILE", help=about["log_key"])
    parser.add_argument("--witness-policy", type=Path, metavar="FILE", help=about["witness_policy"])
    parser.add_argument("--since", type=Path, metavar="CHECKPOINT", help=about["since"])
    parser.add_argument("--save", type=Path, metavar="CHECKPOINT", help=about["save"])
    parser.add_argument("--recipient-key", type=Path, metavar="KEY", help=about["recipient_key"])
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))


def run(arguments: argparse.Namespace) -> int:
    """Check; exit 0 when all is genuine, 1 when something is wrong, 2 when something cannot be known.

    Raises:
        CommandError: options or files cannot be used.
    """
    if arguments.dir is not None:
        # The service's side: a data folder is checked where the service is installed.
        from kokuin.cli.ledger_check_store import run_store

        if any((arguments.witness_policy, arguments.save, arguments.recipient_key)):
            raise CommandError("ledger.check.bundle_only")
        return run_store(arguments)
    try:
        verdict = _check(arguments)
        saved = _save(arguments.save, verdict)
        checked = () if arguments.json else tuple(_checked(arguments))
    except OSError as error:
        path = error.filename or arguments.bundle
        raise CommandError("ledger.check.cannot_read", path=path, reason=error.strerror or error) from None
    if arguments.json:
        write_json(document(verdict))
    else:
        write([*lines(verdict, arguments.bundle, arguments.lang), *checked])
        if arguments.save is not None:
            key = "saved" if saved else "not_saved"
            write([_say(arguments.lang, key, path=arguments.save)])
    return _EXITS[verdict.indication.value]


def document(verdict: BundleVerdict) -> dict[str, Any]:
    """Return the JSON form of a verdict; it depends on no language."""
    signed = verdict.checkpoint
    return {
        "schema": SCHEMA_VERSION,
        "kind": "ledger-bundle",
        "indication": verdict.indication.value,
        "complete": verdict.complete,
        "origin": None if signed is None else signed.checkpoint.origin,
        "size": None if signed is None else signed.checkpoint.size,
        "root": None if signed is None else signed.checkpoint.root.hex(),
        "scope": None if verdict.manifest is None else verdict.manifest.scope.document(),
        "records": verdict.records,
        "runs": [list(run) for run in verdict.runs],
        "more_runs": verdict.more_runs,
        "hidden": verdict.hidden,
        "seals": verdict.seals,
        "seals_open": verdict.seals_open,
        "since": verdict.since,
        "recovered": [
            {
                "epoch": each.epoch,
                "index": each.index,
                "known_origin": each.known_origin,
                "known_size": each.known_size,
                "known_root": each.known_root,
                "since": each == verdict.lost,
            }
            for each in verdict.recoveries
        ],
        "cosigners": _cosigners(verdict.cosigners),
        "history": [
            {"size": each.signed.checkpoint.size, "cosigners": _cosigners(each.cosigners)}
            for each in verdict.history
        ],
        "stamps": [stamp.size for stamp in verdict.stamps],
        "count": len(verdict.findings) + verdict.more_findings,
        "findings": [
            {"code": str(each.code), "index": each.index, "detail": each.detail} for each in verdict.findings
        ],
        "unauthenticated": list(verdict.unauthenticated),
    }


def lines(verdict: BundleVerdict, path: Path, lang: str) -> Iterator[str]:
    """Yield a verdict for people: what it means first, then what is wrong, then who vouches."""
    yield f"{verdict.indication.value}: {_meaning(verdict, path, lang)}"
    for finding in verdict.findings[:SHOWN]:
        yield "  " + _finding(finding, lang)
    more = len(verdict.findings) - SHOWN + verdict.more_findings
    if more > 0:
        yield "  " + _say(lang, "more", count=more)
    signed = verdict.checkpoint
    if signed is None:
        return
    checkpoint = signed.checkpoint
    yield _say(lang, "log", origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root.hex())
    for each in verdict.recoveries[-SHOWN:]:
        yield _say(lang, "recovered", epoch=each.epoch, index=each.index, known=each.known_size)
    if verdict.lost is not None:
        yield _say(lang, "lost", index=verdict.lost.index)
    if verdict.indication.value != "FAILED":
        # Beside what is wrong, nothing is called complete, and nobody is said to vouch for it.
        yield from _shown(verdict, lang)
    yield _say(lang, "unauthenticated", members=", ".join(verdict.unauthenticated))


def _checked(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield what was checked, by whose keys, with what and when: an auditor may keep nothing but the text."""
    if arguments.bundle.is_file():  # a pipe was read already
        with arguments.bundle.open("rb") as file:
            yield _say(arguments.lang, "file", digest=hashlib.file_digest(file, "sha256").hexdigest())
    keys = hashlib.sha256(arguments.log_key.read_bytes()).hexdigest()
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    yield _say(arguments.lang, "keys", path=plain(arguments.log_key), digest=keys)
    yield _say(arguments.lang, "at", at=at, version=__version__)


def _shown(verdict: BundleVerdict, lang: str) -> Iterator[str]:
    """Yield what a bundle shows in which nothing is wrong."""
    for run in verdict.runs[:SHOWN]:
        yield _say(lang, "run", first=run.start, last=run.stop - 1, count=run.stop - run.start)
    further = max(len(verdict.runs) - SHOWN, 0) + verdict.more_runs
    if further:
        yield _say(lang, "more_runs", count=further)
    for cosigner in verdict.cosigners:
        yield _say(lang, "cosigner", name=cosigner.witness.name, at=_moment(cosigner.timestamp))
    yield from _vouched(verdict, lang)


def _vouched(verdict: BundleVerdict, lang: str) -> Iterator[str]:
    """Yield what stands for the records beside the checkpoint's signatures."""
    if verdict.history:
        sizes = ", ".join(str(each.signed.checkpoint.size) for each in verdict.history[-SHOWN:])
        yield _say(lang, "history", count=len(verdict.history), sizes=sizes)
    if verdict.seals or verdict.seals_open:
        yield _say(lang, "seals", count=verdict.seals, open=verdict.seals_open)
    if verdict.since:
        yield _say(lang, "since")
    if verdict.stamps:
        yield _say(lang, "stamps", count=len(verdict.stamps))


def _meaning(verdict: BundleVerdict, path: Path, lang: str) -> str:
    from kokuin.ledger.bundle_form import BundleFault

    indication = verdict.indication.value
    if any(finding.code is BundleFault.STRANGE for finding in verdict.findings):
        return _say(lang, "strange", path=path)
    if indication != "PASSED":
        return _say(lang, indication, count=len(verdict.findings) + verdict.more_findings)
    if verdict.complete:
        return _say(lang, "complete", count=verdict.records)
    if len(verdict.runs) == 1 and verdict.runs[0].stop - verdict.runs[0].start > 1:
        run = verdict.runs[0]
        return _say(lang, "range", first=run.start, last=run.stop - 1, count=verdict.records)
    return _say(lang, "selection_one" if verdict.records == 1 else "selection", count=verdict.records)


def _finding(finding: Finding, lang: str) -> str:
    from kokuin.ledger.bundle_form import BundleFault
    from kokuin.ledger.findings import LedgerFault

    table = "fault" if isinstance(finding.code, LedgerFault) else "bundle_fault"
    sentence = text(lang, f"ledger.{table}.{finding.code}", detail=finding.detail)
    within = finding.code is BundleFault.ORIGIN_UNKNOWN
    detail = f" ({finding.detail})" if finding.detail and not within else ""
    place = "" if finding.index is None else _say(lang, "record", index=finding.index) + " "
    return f"{place}{finding.code}: {sentence}{detail}"


def _say(lang: str, key: str, **params: object) -> str:
    return text(lang, f"ledger.check.{key}", **params)


def _moment(seconds: int) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _cosigners(cosigners: tuple[Cosigner, ...]) -> list[dict[str, Any]]:
    return [{"name": each.witness.name, "at": each.timestamp} for each in cosigners]


def _check(arguments: argparse.Namespace) -> BundleVerdict:
    from kokuin.ledger.bundle_check import check_bundle

    if arguments.log_key is None:
        raise CommandError("ledger.check.log_key_wanted")
    logs = _logs(arguments.log_key)
    witnesses, since = _policy(arguments.witness_policy), _since(arguments.since, logs)
    show = bar(_say(arguments.lang, "phase"))
    with open_bundle(arguments.bundle, arguments.recipient_key) as stream:
        return check_bundle(stream, logs, witnesses=witnesses, since=since, on_progress=show)


def _logs(path: Path) -> LogVerifier:
    from kokuin.ledger.log_keys import MAX_FILE, LogVerifier
    from kokuin.ledger.note_faults import NoteError

    try:
        return LogVerifier.parse(read_bounded(path, MAX_FILE).decode())
    except NoteError as error:
        raise CommandError("verify.bad_log_key", path=path, code=error.fault.value) from None
    except UnicodeDecodeError:
        raise CommandError("verify.bad_log_key", path=path, code="NOTE_ENCODING") from None


def _policy(path: Path | None) -> WitnessPolicy | None:
    from kokuin.ledger.witness_policy import MAX_FILE, WitnessPolicyError, read_policy

    if path is None:
        return None
    try:
        return read_policy(read_bounded(path, MAX_FILE))
    except WitnessPolicyError as error:
        raise CommandError("ledger.check.cannot_read", path=path, reason=error) from None


def _since(path: Path | None, logs: LogVerifier) -> SignedCheckpoint | None:
    from kokuin.ledger.note import MAX_NOTE
    from kokuin.ledger.note_faults import NoteError

    if path is None:
        return None
    try:
        return logs.check(read_bounded(path, MAX_NOTE))
    except NoteError as error:
        raise CommandError("ledger.check.cannot_read", path=path, reason=error) from None


def _save(path: Path | None, verdict: BundleVerdict) -> bool:
    """Keep the checkpoint for the next check, unless it is none that follows the one that was kept."""
    from pqc.newfile import write_durably

    if path is None or verdict.checkpoint is None or verdict.since is False:
        return False
    if verdict.indication.value == "FAILED":
        return False
    write_durably(path, verdict.checkpoint.octets)
    return True
