"""`tsa ledger check --dir`: the ledger of a data folder, whether or not its service is running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.progress import bar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from kokuin.ledger.checkpoint import Checkpoint
    from kokuin.ledger.findings import Finding
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.store_check import StoreVerdict
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

SCHEMA_VERSION = 1
"""`schema` of the JSON form; it rises when a field changes its meaning or goes."""

SHOWN = 20
"""Findings that are printed; JSON has more."""

_MAX_FILE = 1 << 20


def run_store(arguments: argparse.Namespace) -> int:
    """Check the store of the folder `dir`; exit 0 when nothing is wrong, else 1.

    Args:
        arguments: with `dir`; `log_key` and `since`, paths or None; `json`; `lang`.

    Raises:
        CommandError: the folder, the keys or the earlier checkpoint cannot be used.
    """
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS

    folder = DataFolder(arguments.dir)
    try:
        folder.check_format()
        config = load_config(folder.root)
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    logs = _keys(arguments.log_key or folder.log_keys, named=arguments.log_key is not None)
    verdict = _check(folder, config, logs, _since(arguments.since, logs), arguments.lang)
    if arguments.json:
        write_json(document(verdict))
    else:
        write(lines(verdict, arguments.lang))
    return Exit.PASSED if verdict.passed else Exit.FAILED


def document(verdict: StoreVerdict) -> dict[str, Any]:
    """Return the JSON form of a verdict; it depends on no language."""
    undone = (
        ("RECORDS", verdict.opened),
        ("SIGNATURES", verdict.signatures),
        ("PUBLISHED", verdict.published),
        ("HIGH_WATER", verdict.remembered),
    )
    return {
        "schema": SCHEMA_VERSION,
        "kind": "ledger-store",
        "indication": "PASSED" if verdict.passed else "FAILED",
        "size": verdict.size,
        "root": None if verdict.root is None else verdict.root.hex(),
        "records": verdict.records,
        "gone": verdict.gone,
        "tokens": verdict.tokens,
        "checkpoints": verdict.checkpoints,
        "seals": verdict.seals,
        "seals_open": verdict.seals_open,
        "first": next((each.index for each in verdict.findings if each.index is not None), None),
        "count": verdict.count,
        "findings": [
            {"code": str(each.code), "index": each.index, "detail": each.detail} for each in verdict.findings
        ],
        "not_checked": [name for name, done in undone if not done],
    }


def lines(verdict: StoreVerdict, lang: str) -> Iterator[str]:
    """Yield a verdict for people: the first wrong record first."""
    if not verdict.opened:
        yield _say(lang, "unreadable")
        yield from ("  " + _line(finding, lang) for finding in verdict.findings)
        yield _say(lang, "not_opened")
        return
    key = "passed" if verdict.passed else "failed"
    yield _say(lang, key, count=verdict.count, size=verdict.size)
    for finding in verdict.findings[:SHOWN]:
        yield "  " + _line(finding, lang)
    if verdict.count > SHOWN:
        yield "  " + _say(lang, "more", count=verdict.count - SHOWN)
    root = _say(lang, "no_root") if verdict.root is None else verdict.root.hex()
    yield _say(lang, "root", root=root)
    yield _say(
        lang, "looked_at", records=verdict.records, tokens=verdict.tokens, checkpoints=verdict.checkpoints
    )
    if verdict.seals or verdict.seals_open:
        yield _say(lang, "seals", count=verdict.seals, open=verdict.seals_open)
    if verdict.gone:
        yield _say(lang, "gone", count=verdict.gone)
    if not verdict.signatures:
        yield _say(lang, "no_signatures")
    if not verdict.published:
        yield _say(lang, "no_published")
    if not verdict.remembered:
        yield _say(lang, "no_high_water")


def _line(finding: Finding, lang: str) -> str:
    sentence = text(lang, f"ledger.fault.{finding.code}")
    detail = f" ({finding.detail})" if finding.detail else ""
    if finding.index is None:
        return f"{finding.code}: {sentence}{detail}"
    return f"{_say(lang, 'record', index=finding.index)} {finding.code}: {sentence}{detail}"


def _say(lang: str, key: str, **params: object) -> str:
    return text(lang, f"ledger.check_store.{key}", **params)


def _check(
    folder: DataFolder, config: Config, logs: LogVerifier | None, since: Checkpoint | None, lang: str
) -> StoreVerdict:
    from kokuin.ledger.faults import OpenRefusedError
    from kokuin.ledger.store_check import check_store, unreadable
    from kokuin.service.ledger_store import open_reader

    published = folder.log if folder.log.is_dir() else None
    try:
        with open_reader(folder, config) as reader:
            return check_store(
                reader,
                logs,
                published,
                on_progress=bar(_say(lang, "phase")),
                since=since,
                memory=config.ledger.high_water,
            )
    except OpenRefusedError as error:
        if config.ledger.postgres is not None or not folder.ledger.exists():
            raise CommandError("cli.folder", reason=error) from None
        # The folder is of this release, so that a store that is not was damaged, not made by another.
        return unreadable(str(error))


def _keys(path: Path, *, named: bool) -> LogVerifier | None:
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.note_faults import NoteError

    if not named and not path.exists():
        return None
    try:
        return LogVerifier.parse(_read(path).decode())
    except (NoteError, UnicodeDecodeError) as error:
        raise CommandError("ledger.check_store.cannot_read", path=path, reason=error) from None


def _since(path: Path | None, logs: LogVerifier | None) -> Checkpoint | None:
    """Return the checkpoint that was kept by whoever asks; one that the log did not sign proves nothing."""
    from kokuin.ledger.checkpoint import read_checkpoint
    from kokuin.ledger.note_faults import NoteError

    if path is None:
        return None
    octets = _read(path)
    try:
        signed = read_checkpoint(octets) if logs is None else logs.check(octets)
    except NoteError as error:
        raise CommandError("ledger.check_store.cannot_read", path=path, reason=error) from None
    return signed.checkpoint


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE)
    except OSError as error:
        raise CommandError("ledger.check_store.cannot_read", path=path, reason=error.strerror) from None
