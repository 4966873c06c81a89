"""`tsa ledger reenter`: enter a token again that a recovery had lost, with the proof that its holder kept."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.ledger_operate import add_common, ask, tell
from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    parser.add_argument("token", type=Path, metavar="TOKEN", help=text(lang, "ledger.reenter.token_help"))
    proof_help = text(lang, "ledger.reenter.proof_help")
    parser.add_argument("--proof", type=Path, required=True, metavar="FILE", help=proof_help)
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Enter it again; exit 0 when it is in the ledger, 1 when it was refused.

    Raises:
        CommandError: a file cannot be read, or holds no token.
    """
    from kokuin.ledger.tlog_proof import MAX_PROOF
    from kokuin.trust.report import Check
    from kokuin.verify.verifying import MAX_OCTETS, take_token

    taken = take_token(_read(arguments.token, MAX_OCTETS))
    if isinstance(taken, Check):
        raise CommandError("ledger.reenter.no_token", path=arguments.token)
    question = {
        "token": base64.b64encode(taken.octets).decode(),
        "proof": base64.b64encode(_read(arguments.proof, MAX_PROOF)).decode(),
    }
    return tell(arguments, ask(arguments, question))


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise CommandError("ledger.reenter.cannot_read", path=path, reason=error.strerror) from None
