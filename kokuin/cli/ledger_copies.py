"""What making and restoring copies of the ledger have in common."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kokuin.cli.ledger_operate import refusal
from kokuin.cli.messages import text, write, write_aside, write_json
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder


def doing(arguments: argparse.Namespace, do: Callable[[argparse.Namespace, DataFolder, Config], int]) -> int:
    """Do it with the folder of `--dir`; a refusal is printed, exit 1.

    Raises:
        CommandError: folder or file cannot be used.
    """
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder, FolderServedError
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.ledger_manifest import BackupError

    folder = DataFolder(arguments.dir)
    try:
        folder.check_format()
        return do(arguments, folder, load_config(folder.root, dict(os.environ)))
    except BackupError as error:
        answer = {"ok": False, "code": error.code, "detail": error.detail}
        if arguments.json:
            write_json(answer)
        else:
            write_aside(refusal(answer, arguments.lang))
        return Exit.FAILED
    except FolderServedError:
        raise CommandError("ledger.served", folder=arguments.dir) from None
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    except OSError as error:
        raise CommandError("ledger.recover.file", path=error.filename, reason=error.strerror) from None


def show(arguments: argparse.Namespace, sentence: str, code: Exit, **shown: object) -> int:
    """Print what came of it, and return the exit code."""
    if arguments.json:
        write_json({"ok": code is Exit.PASSED, **shown})
    else:
        write([text(arguments.lang, f"ledger.{arguments.act}.{sentence}", **shown)])
    return code
