"""`tsa ledger seal`: end the epoch with roots of other hashes, and begin the next with new keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.ledger_operate import add_common, ask, tell

if TYPE_CHECKING:
    import argparse

add_arguments = add_common


def run(arguments: argparse.Namespace) -> int:
    """Seal; exit 0 when the next epoch is open, 1 when nothing is to be sealed or it was not finished."""
    return tell(arguments, ask(arguments, {}))
