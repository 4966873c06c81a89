"""`tsa ledger backup`: a copy of the ledger as it is at one moment, and a drill that it can be restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.ledger_copies import doing, show
from kokuin.cli.ledger_operate import add_common
from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    out_help = text(lang, "ledger.backup.out_help")
    parser.add_argument("-o", dest="out", type=Path, metavar="FILE", help=out_help)
    parser.add_argument("--drill", action="store_true", help=text(lang, "ledger.backup.drill_help"))
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Copy the ledger, served or not; exit 0 when the copy is whole, 1 when it was refused or is not.

    Raises:
        CommandError: neither a file nor a drill is wanted, or folder or file cannot be used.
    """
    if arguments.out is None and not arguments.drill:
        raise CommandError("ledger.backup.nothing")
    return doing(arguments, _drill if arguments.drill else _backup)


def _backup(arguments: argparse.Namespace, folder: DataFolder, config: Config) -> int:
    from kokuin.service.ledger_backup import backup

    manifest = backup(folder, config, arguments.out)
    return show(
        arguments, "done", Exit.PASSED, size=manifest.size, root=manifest.root, file=str(arguments.out)
    )


def _drill(arguments: argparse.Namespace, folder: DataFolder, config: Config) -> int:
    from kokuin.service.ledger_backup import drill

    done = drill(folder, config, arguments.out)
    findings = [f"{finding.code} {finding.index}" for finding in done.verdict.findings]
    code = Exit.PASSED if done.verdict.passed else Exit.FAILED
    times = {name: round(getattr(done, name), 3) for name in ("copy_s", "restore_s", "check_s")}
    shown = {"size": done.manifest.size, "root": done.manifest.root, "findings": findings, **times}
    return show(arguments, "drilled" if done.verdict.passed else "damaged", code, **shown)
