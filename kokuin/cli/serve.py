"""`tsa serve`: run the authority in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
    parser.add_argument("--host", help=text(lang, "serve.host_help"))
    parser.add_argument("--port", type=int, help=text(lang, "serve.port_help"))
    parser.add_argument("--workers", type=int, help=text(lang, "serve.workers_help"))


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    from kokuin.service.serving import START_ERRORS, serve

    options = {"HOST": arguments.host, "PORT": arguments.port, "WORKERS": arguments.workers}
    settings = {f"TSA_SERVER__{name}": str(value) for name, value in options.items() if value is not None}
    try:
        return serve(arguments.dir, settings)
    except START_ERRORS as error:
        raise CommandError("serve.cannot_start", reason=error) from None
