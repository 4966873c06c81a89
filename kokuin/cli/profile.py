"""`tsa profile`: which algorithms issue, which answer by default, and moving from one to another and back."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli import dryrun
from kokuin.cli.access_operate import PROPOSED
from kokuin.cli.acts import add_acts
from kokuin.cli.messages import sentence_or, text, write, write_aside, write_json, write_octets
from kokuin.cli.owner import ask
from kokuin.cli.values import moment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

ACTS = ("list", "show", "dry-run", "use", "disable", "rollback", "unschedule")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "profile", ACTS):
        if act in {"show", "dry-run", "use", "disable"}:
            command.add_argument("name", metavar="NAME", help=text(lang, "profile.name_help"))
        if act == "use":
            command.add_argument(
                "--at", type=moment(lang), metavar="TIME", help=text(lang, "profile.at_help")
            )
        if act == "dry-run":
            dryrun.add_arguments(command, lang)
        command.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
        command.add_argument("--json", action="store_true", help=text(lang, "cli.json"))
        command.add_argument("--lang", choices=("en", "ja"), help=text(lang, "cli.lang"))


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is done, proposed or scheduled, 1 when blockers stood against it.

    Raises:
        CommandError: nobody serves the folder, and it cannot be opened.
    """
    if arguments.act == "dry-run":
        return dryrun.run(arguments)
    at: dt.datetime | None = getattr(arguments, "at", None)
    question = {
        "name": getattr(arguments, "name", ""),
        "at_us": None if at is None else int(at.timestamp() * 1e6),
    }
    answer = ask(arguments, f"profile.{arguments.act}", question)
    if arguments.json:
        write_json(answer)
    else:
        _show(answer, arguments.act, arguments.lang)
    return 0 if answer["ok"] else 1


def show_change(answer: dict[str, Any], lang: str) -> Iterator[str]:
    """Yield what a change of what is in force came to."""
    if not answer["ok"]:
        yield text(
            lang, "profile.refused", code=answer["code"], sentence=_sentence(lang, answer["code"])
        ).rstrip()
        if answer.get("detail"):
            yield f"  {answer['detail']}"
        for blocker in answer.get("blockers", ()):
            yield text(lang, "profile.blocker", **blocker).rstrip()
            if _sentence(lang, blocker["code"]):
                yield f"    {_sentence(lang, blocker['code'])}"
    elif answer["state"] == "scheduled":
        yield _due(lang, answer)
    else:
        params = {**answer, "enabled": ", ".join(answer.get("enabled", ()))}
        yield text(lang, f"profile.{answer['state']}", **params)


def _sentence(lang: str, code: str) -> str:
    return sentence_or(lang, f"profile.code.{code}", "")


def tell_change(answer: dict[str, Any], lang: str) -> None:
    """Print what a change came to; of a proposal its id alone on standard output, for whoever approves it."""
    if not answer["ok"]:
        write_aside(show_change(answer, lang))
    elif answer["state"] == PROPOSED:
        write([str(answer["approval"])])
        write_aside(show_change(answer, lang))
    else:
        write(show_change(answer, lang))


def _show(answer: dict[str, Any], act: str, lang: str) -> None:
    if not answer["ok"]:
        tell_change(answer, lang)
    elif act == "list":
        for profile in answer["profiles"]:
            _show_profile(profile, lang)
        if answer["scheduled"]:
            print(_due(lang, answer["scheduled"]))
    elif act == "show":
        _show_profile(answer["profile"], lang)
        write_octets(answer["toml"].encode())
    else:
        tell_change(answer, lang)


def _show_profile(profile: dict[str, Any], lang: str) -> None:
    state = text(lang, f"profile.state_{profile['state']}")
    if "unfit" in profile:
        print(f"{profile['name']:14} {state:10} {profile['unfit']}")
    else:
        print(f"{profile['name']:14} {state:10} {profile['policy']:28} {' + '.join(profile['suites'])}")


def _due(lang: str, scheduled: dict[str, Any]) -> str:
    at = dt.datetime.fromtimestamp(scheduled["at_us"] / 1e6, dt.UTC).isoformat(timespec="seconds")
    return text(lang, f"profile.scheduled_{scheduled['act']}", profile=scheduled["profile"], moment=at)
