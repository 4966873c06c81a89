"""`tsa ledger join`: a node of a shared ledger takes over the keys of an epoch that another node opened."""

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
    parser.add_argument("other", type=Path, metavar="OTHER", help=text(lang, "ledger.join.other_help"))
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Join; exit 0 when the node can go on, 1 when it must not.

    Raises:
        CommandError: a folder cannot be read or used.
    """
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.joining import JoinError, join

    folder, other, lang = DataFolder(arguments.dir), DataFolder(arguments.other), arguments.lang
    try:
        folder.check_format()
        other.check_format()
        configs = (load_config(each.root, dict(os.environ)) for each in (folder, other))
        joined = join(folder, next(configs), other, next(configs))
    except JoinError as error:
        answer: dict[str, object] = {"ok": False, "code": error.code, "detail": error.detail}
        sentence = ""
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    except OSError as error:
        raise CommandError("ledger.recover.file", path=error.filename, reason=error.strerror) from None
    else:
        given_up = max((each.size for each in joined.given_up), default=None)
        answer = {"ok": True, "keys": joined.keys, "given_up": given_up}
        sentence = text(lang, "ledger.join.done" if given_up is None else "ledger.join.given_up", **answer)
    if arguments.json:
        write_json(answer)
    elif answer["ok"]:
        write([sentence])
    else:
        write_aside(refusal(answer, lang))
    return Exit.PASSED if answer["ok"] else Exit.FAILED
