"""`tsa activation`: grants of so many acts until a day, for clients that may act within one alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.access_operate import add_common, tell
from kokuin.cli.access_values import add_validity, amount, label, time_text, validity
from kokuin.cli.acts import add_acts
from kokuin.cli.messages import text
from kokuin.cli.owner import ask
from kokuin.cli.table import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ACTS = ("propose", "list")
KINDS = ("stamp", "seal")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "activation", ACTS):
        if act == "propose":
            command.add_argument(
                "client", type=label(lang), metavar="CLIENT", help=text(lang, "client.id_help")
            )
            command.add_argument(
                "kind", choices=KINDS, metavar="KIND", help=text(lang, "activation.kind_help")
            )
            count_help = text(lang, "activation.count_help")
            command.add_argument("--count", type=amount(lang), required=True, metavar="N", help=count_help)
            add_validity(command, lang, begins=False)
        add_common(command, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is listed or proposed, 1 when it was refused.

    Raises:
        CommandError: the time is no such, or nobody serves the folder, and it cannot be opened.
    """
    if arguments.act == "list":
        answer = ask(arguments, "activation.list", {})
        return tell(arguments, answer, _activations(answer.get("activations", ()), arguments.lang))
    question = {
        "client": arguments.client,
        "kind": arguments.kind,
        "count": arguments.count,
        "until_us": validity(arguments)["ends_us"],
    }
    return tell(arguments, ask(arguments, "activation.propose", question), ())


def _activations(activations: list[dict[str, Any]], lang: str) -> Iterator[str]:
    columns = ("activation", "client", "kind", "left", "until")
    rows = [
        (
            each["activation"],
            each["client"],
            each["kind"],
            f"{each['left']}/{each['count']}",
            time_text(each["until_us"]),
        )
        for each in activations
    ]
    yield from table([text(lang, f"activation.head_{name}") for name in columns], rows)
