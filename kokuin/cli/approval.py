"""`tsa approval`: what one person proposed, and another one approves or denies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.access_operate import add_common, tell
from kokuin.cli.access_values import label, time_text
from kokuin.cli.acts import add_acts
from kokuin.cli.messages import text
from kokuin.cli.outcome import Exit
from kokuin.cli.owner import ask
from kokuin.cli.profile import show_change, tell_change
from kokuin.cli.table import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ACTS = ("list", "approve", "deny")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "approval", ACTS):
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
    if "blockers" in answer and not arguments.json:
        tell_change(answer, lang)
        return Exit.FAILED
    lines = [text(lang, f"approval.{act}_done", approval=arguments.approval)]
    lines += show_change(answer, lang) if "state" in answer else ()
    return tell(arguments, answer, lines)


def _approvals(approvals: list[dict[str, Any]], lang: str) -> Iterator[str]:
    headings = [text(lang, f"approval.head_{name}") for name in ("approval", "act", "by", "until", "what")]
    rows = [
        (
            each["approval"],
            each["operation"],
            each["proposer"],
            time_text(each["ends_us"]),
            _words(each["arguments"]),
        )
        for each in approvals
    ]
    yield from table(headings, rows)


def _words(arguments: dict[str, Any]) -> str:
    """Return what is proposed, as far as it says something: of a new key's hash nobody has anything."""
    flat = {**arguments, **arguments.get("said", {})}
    shown = {name: value for name, value in flat.items() if name not in {"said", "digest"}}
    return " ".join(
        f"{name}={_word(name, value)}" for name, value in shown.items() if value not in (None, [])
    )


def _word(name: str, value: object) -> str:
    if name.endswith("_us") and isinstance(value, int):
        return time_text(value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
