"""`tsa ledger create`: make an empty ledger in a PostgreSQL database that several nodes will share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse

_ROLE = "kokuin_append"


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    parser.add_argument("dsn", metavar="DSN", help=text(lang, "ledger.create.dsn_help"))
    parser.add_argument("--role", default=_ROLE, help=text(lang, "ledger.create.role_help"))


def run(arguments: argparse.Namespace) -> int:
    """Make the tables; refuses a database that has a ledger.

    Raises:
        CommandError: it has one, or cannot be reached or used.
    """
    from kokuin.ledger.faults import OpenRefusedError

    try:
        from kokuin.ledger.postgres_schema import create
    except ImportError:
        raise CommandError("ledger.create.missing") from None
    try:
        create(arguments.dsn, arguments.role)
    except FileExistsError:
        raise CommandError("ledger.create.exists") from None
    except OpenRefusedError as error:
        raise CommandError("ledger.create.refused", reason=error) from None
    write([text(arguments.lang, "ledger.create.made", role=arguments.role)])
    return 0
