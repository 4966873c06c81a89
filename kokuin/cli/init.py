"""`tsa init`: make a data folder, a development PKI (or a request for a real CA), and the operator key."""

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
    parser.add_argument("--keys", type=Path, help=text(lang, "init.keys_help"))
    parser.add_argument("--profile", default="hybrid", help=text(lang, "init.profile_help"))
    parser.add_argument("--production", action="store_true", help=text(lang, "init.production_help"))
    parser.add_argument(
        "--clock", choices=("kernel", "chrony", "ntp", "system"), help=text(lang, "init.clock_help")
    )
    parser.add_argument(
        "--ntp-server", action="append", default=[], metavar="HOST", help=text(lang, "init.ntp_server_help")
    )
    parser.add_argument("--organisation", help=text(lang, "init.organisation_help"))
    parser.add_argument("--origin", help=text(lang, "init.origin_help"))
    parser.add_argument("--postgres", metavar="DSN", help=text(lang, "init.postgres_help"))
    parser.add_argument("--node", default="main", help=text(lang, "init.node_help"))
    parser.add_argument("--join", type=Path, metavar="DIR", help=text(lang, "init.join_help"))


def run(arguments: argparse.Namespace) -> int:
    """Make the folder; refuses one that holds anything."""
    from kokuin.service.initialising import InitError, InitRequest, initialise

    request = InitRequest(
        root=arguments.dir,
        keys=arguments.keys,
        profile=arguments.profile,
        production=arguments.production,
        clock=arguments.clock,
        ntp_servers=tuple(arguments.ntp_server),
        organisation=arguments.organisation,
        origin=arguments.origin,
        postgres=arguments.postgres,
        node=arguments.node,
        join=arguments.join,
    )
    try:
        done = initialise(request)
    except InitError as error:
        raise CommandError(error.key, **error.params) from None
    for key, params in done.notes:
        print(text(arguments.lang, key, **params))
    return 0
