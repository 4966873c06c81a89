"""`tsa ledger prove`: that a record is in the published log, or that the log only grew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.ledger_proofs import Refused, Wish, prove, read_token, sidecar_of, write_proof
from kokuin.cli.messages import text, write, write_aside, write_octets
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.values import serial_number

if TYPE_CHECKING:
    import argparse

    from kokuin.cli.ledger_proofs import ProofSource

_MOST = 2**63
_LATER = frozenset({"PROOF_PENDING", "SEARCH_BUILDING"})
_NEVER = frozenset({"RECORD_UNKNOWN", "CHECKPOINT_UNKNOWN", "PROOF_SIZES", "LOG_INCONSISTENT"})


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    about = {
        name: text(lang, f"ledger.prove.{name}_help")
        for name in ("token", "serial", "index", "from", "to", "url", "key_file", "out")
    }
    record = parser.add_mutually_exclusive_group(required=True)
    record.add_argument("--token", type=Path, metavar="FILE", help=about["token"])
    record.add_argument("--serial", type=serial_number(lang), metavar="HEX", help=about["serial"])
    record.add_argument("--index", type=int, metavar="N", help=about["index"])
    record.add_argument("--from", dest="old", type=int, metavar="N", help=about["from"])
    parser.add_argument("--to", dest="new", type=int, metavar="N", help=about["to"])
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
    parser.add_argument("--url", metavar="URL", help=about["url"])
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=about["key_file"])
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help=about["out"])


def run(arguments: argparse.Namespace) -> int:
    """Prove; exit 0 with a proof, 1 when there can be none, 2 when there is none yet.

    Raises:
        CommandError: a file, folder or service cannot be used.
    """
    if arguments.new is not None and arguments.old is None:
        raise CommandError("ledger.prove.to_alone")
    numbers = (arguments.index, arguments.old, arguments.new)
    if any(number is not None and not 0 <= number < _MOST for number in numbers):
        raise CommandError("ledger.prove.number")
    wish = None if arguments.old is not None else _wish(arguments)
    source = _source(arguments)
    made = source.consistency(arguments.old, arguments.new) if wish is None else prove(source, wish)
    if isinstance(made, Refused):
        return say_refusal(made, arguments.lang)
    out = arguments.out
    if out is None and arguments.token is not None:
        out = sidecar_of(arguments.token)
    if out is None:
        write_octets(made if made.endswith(b"\n") else made + b"\n")
    else:
        write_proof(out, made)
        write([text(arguments.lang, "ledger.prove.done", path=out)])
    return Exit.PASSED


def say_refusal(refused: Refused, lang: str) -> int:
    """Say why there is no proof, and return the exit code.

    Raises:
        CommandError: the ledger could not be asked.
    """
    if refused.code not in _LATER | _NEVER:
        raise CommandError("ledger.prove.refused", code=refused.code)
    write_aside([text(lang, f"ledger.prove.{refused.code}")])
    return Exit.INDETERMINATE if refused.code in _LATER else Exit.FAILED


def _wish(arguments: argparse.Namespace) -> Wish:
    if arguments.token is not None:
        return Wish(sought=read_token(arguments.token))
    return Wish(serial=arguments.serial, index=arguments.index)


def _source(arguments: argparse.Namespace) -> ProofSource:
    from kokuin.cli.ledger_proofs import FolderProofs, RemoteProofs

    if arguments.url is not None:
        from kokuin.cli.ledger_remote import open_remote

        return RemoteProofs(open_remote(arguments.url, arguments.key_file))
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.proofs import Proofs

    folder = DataFolder(arguments.dir)
    try:
        folder.check_format()
        return FolderProofs(Proofs(folder, load_config(folder.root)))
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
