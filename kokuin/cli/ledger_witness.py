"""`tsa ledger witness`: cosign the checkpoints of other logs, each only when it follows the last."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write, write_octets
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    parser.add_argument(
        "--dir",
        type=Path,
        required=True,
        metavar="WDIR",
        help=text(lang, "ledger.witness.dir_help"),
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", required=True, help=text(lang, "ledger.witness.listen_help")
    )
    parser.add_argument("--name", metavar="NAME", required=True, help=text(lang, "ledger.witness.name_help"))
    parser.add_argument(
        "--log",
        type=Path,
        nargs="+",
        required=True,
        metavar="LOG.vkey",
        help=text(lang, "ledger.witness.log_help"),
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer until SIGTERM or SIGINT.

    Raises:
        CommandError: a file or the address cannot be used.
    """
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.witness_server import VKEYS, open_witness, serve_witness

    host, _, port = arguments.listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise CommandError("ledger.witness.address", address=arguments.listen)
    try:
        opened = open_witness(arguments.dir, arguments.name, arguments.log)
        told = text(arguments.lang, "ledger.witness.keys", path=arguments.dir / VKEYS)
        write([told])
        write_octets("".join(f"{vkey}\n" for vkey in opened.vkeys).encode())
        sys.stdout.flush()  # whoever reads it through a pipe does not wait for the end
        return serve_witness(opened, host.strip("[]"), int(port))
    except START_ERRORS as error:
        raise CommandError("ledger.witness.cannot_start", reason=error) from None
