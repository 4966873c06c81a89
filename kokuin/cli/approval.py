"""`tsa approval`: what one person proposed, and another one approves or denies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.access_operate import add_common, ask, tell
from kokuin.cli.access_values import label, time_text
from kokuin.cli.messages import text
from kokuin.cli.table import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ACTS = ("list", "approve", "deny")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT", parser_class=type(parser))
    for act in ACTS:
        about = text(lang, f"approval.{act}_help")
        command = acts.add_parser(act, help=about, description=about)
        if act != "list":
            command.add_argument(
                "approval", type=label(lang), metavar="ID", help=text(lang, "approval.id_help")
            )
        add_common(command, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is done, 1 when it was refused, also by what was approved.

    Raises:
        CommandError: nobody serves the folder, and it cannot be opened.
    """
    act, lang = arguments.act, arguments.lang
    if act == "list":
        answer = ask(arguments, "approval.list", {})
        return tell(arguments, answer, _approvals(answer.get("approvals", ()), lang))
    answer = ask(arguments, f"approval.{act}", {"approval": arguments.approval})
    return tell(arguments, answer, [text(lang, f"approval.{act}_done", approval=arguments.approval)])


def _approvals(approvals: list[dict[str, Any]], lang: str) -> Iterator[str]:
    headings = [text(lang, f"approval.head_{name}") for name in ("approval", "act", "by", "until", "what")]
    rows = [
        (
            each["approval"],
            each["operation"],
            each["proposer"],
            time_text(each["ends_us"]),
            " ".join(f"{name}={value}" for name, value in each["arguments"].items()),
        )
        for each in approvals
    ]
    yield from table(headings, rows)
