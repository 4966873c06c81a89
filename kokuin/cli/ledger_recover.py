"""`tsa ledger recover`: go on after leaves were lost, in an epoch that says what is there and what was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.ledger_operate import add_common, refusal
from kokuin.cli.messages import text, write, write_aside, write_json
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    known_help = text(lang, "ledger.recover.known_help")
    parser.add_argument(
        "--known", type=Path, action="append", default=[], metavar="CHECKPOINT", help=known_help
    )
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Recover a folder that nobody serves; exit 0 when the epoch is open, 1 when nothing is lost.

    Raises:
        CommandError: a checkpoint or the folder cannot be read or used.
    """
    from kokuin.ledger.note import MAX_NOTE
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder, FolderServedError
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.recovering import RecoverError, recover

    folder, lang = DataFolder(arguments.dir), arguments.lang
    try:
        known = [(str(path), path.read_bytes()[: MAX_NOTE + 1]) for path in arguments.known]
        folder.check_format()
        done = recover(folder, load_config(folder.root, dict(os.environ)), known)
    except RecoverError as error:
        answer: dict[str, object] = {"ok": False, "code": error.code, "detail": error.detail}
        sentence = ""
    except FolderServedError:
        raise CommandError("ledger.served", folder=arguments.dir) from None
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    except OSError as error:
        raise CommandError("ledger.recover.file", path=error.filename, reason=error.strerror) from None
    else:
        answer = {"ok": True, "epoch": done.epoch, "size": done.size, "known": done.known.size}
        answer["source"] = done.known.source
        sentence = text(lang, "ledger.recover.done", **answer)
    if arguments.json:
        write_json(answer)
    elif answer["ok"]:
        write([sentence])
    else:
        write_aside(refusal(answer, lang))
    return Exit.PASSED if answer["ok"] else Exit.FAILED
