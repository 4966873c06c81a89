"""`tsa stop`: the emergency stop: one person sets it, two release it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.access_operate import add_common, tell
from kokuin.cli.access_values import label, time_text
from kokuin.cli.acts import add_acts
from kokuin.cli.messages import text
from kokuin.cli.outcome import Exit
from kokuin.cli.owner import ask

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ACTS = ("set", "show", "release")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "stop", ACTS):
        if act == "set":
            reason_help = text(lang, "stop.reason_help")
            command.add_argument(
                "--reason", type=label(lang), required=True, metavar="TEXT", help=reason_help
            )
        add_common(command, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is done or proposed, 1 when it was refused; `show` 1 while stopped.

    Raises:
        CommandError: nobody serves the folder, and it cannot be opened.
    """
    act, lang = arguments.act, arguments.lang
    question = {"reason": arguments.reason} if act == "set" else {}
    answer = ask(arguments, f"stop.{act}", question)
    if act == "show":
        code = tell(arguments, answer, _state(answer, lang))
        return Exit.FAILED if answer.get("stopped") else code
    return tell(arguments, answer, [text(lang, "stop.set_done")] if act == "set" else ())


def _state(answer: dict[str, Any], lang: str) -> Iterator[str]:
    if answer["stopped"]:
        yield text(lang, "stop.stopped", since=time_text(answer["since_us"]), actor=answer["actor"])
        yield text(lang, "stop.reason", reason=answer["reason"])
        yield text(lang, "stop.releasers", who=", ".join(answer["releasers"]))
    else:
        yield text(lang, "stop.running")
