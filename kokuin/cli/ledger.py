"""`tsa ledger`: what is done with the audit ledger; each act is a module of its own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from kokuin.cli.acts import add_acts
from kokuin.cli.messages import text

if TYPE_CHECKING:
    import argparse

ACTS = {
    "annotate": "kokuin.cli.ledger_annotate",
    "backup": "kokuin.cli.ledger_backup",
    "check": "kokuin.cli.ledger_check",
    "create": "kokuin.cli.ledger_create",
    "export": "kokuin.cli.ledger_export",
    "fetch": "kokuin.cli.ledger_fetch",
    "join": "kokuin.cli.ledger_join",
    "prove": "kokuin.cli.ledger_prove",
    "prune": "kokuin.cli.ledger_prune",
    "recover": "kokuin.cli.ledger_recover",
    "redact": "kokuin.cli.ledger_redact",
    "reenter": "kokuin.cli.ledger_reenter",
    "restore": "kokuin.cli.ledger_restore",
    "seal": "kokuin.cli.ledger_seal",
    "search": "kokuin.cli.ledger_search",
    "status": "kokuin.cli.ledger_status",
    "witness": "kokuin.cli.ledger_witness",
}
"""Act -> module with `add_arguments(parser, lang)` and `run(arguments) -> int`; its help is the sentence
`ledger.ACT_help`, its other sentences stand in the table `["ledger.ACT"]`. On its top level a module imports
nothing but `kokuin.cli` and what every platform has: `check` and `fetch` run where no service does.
"""


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the acts and their options."""
    for act, command in add_acts(parser, lang, "ledger", ACTS):
        importlib.import_module(ACTS[act]).add_arguments(command, lang)
        command.add_argument("--lang", choices=("en", "ja"), help=text(lang, "cli.lang"))


def run(arguments: argparse.Namespace) -> int:
    """Do it; the act says which exit codes it has."""
    code: int = importlib.import_module(ACTS[arguments.act]).run(arguments)
    return code
