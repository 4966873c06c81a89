"""`tsa ledger status`: how long the ledger is, what is published of it, who vouches, what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.ledger_operate import add_common, ask, tell
from kokuin.cli.messages import text, write
from kokuin.cli.outcome import Exit
from kokuin.cli.values import moment_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Show it; exit 0 when no problem is known, 1 when there is one.

    Raises:
        CommandError: the folder cannot be used.
    """
    answer = ask(arguments, {})
    if arguments.json or not answer["ok"]:
        code = tell(arguments, answer)
    else:
        write(_lines(answer, arguments.lang))
        code = Exit.PASSED
    return Exit.FAILED if answer.get("problems") else code


def _lines(answer: dict[str, Any], lang: str) -> Iterator[str]:
    yield _say(lang, "log", **answer)
    published = answer["published"]
    if published is None:
        yield _say(lang, "unpublished")
    else:
        yield _say(lang, "published", size=published["size"], at=moment_text(published["at"]))
    for each in answer.get("witnesses", ()):
        yield _say(lang, "witness", **each).rstrip()
    if answer.get("unwitnessed_since") is not None:
        yield _say(lang, "unwitnessed", at=moment_text(answer["unwitnessed_since"]))
    for each in answer.get("stamps", ()):
        yield _say(lang, "stamp", **each).rstrip()
    for code in answer.get("problems", ()):
        yield _say(lang, "problem", code=code)
    if not answer["served"]:
        yield _say(lang, "stopped")
    elif not answer["problems"]:
        yield _say(lang, "fine")


def _say(lang: str, key: str, **params: object) -> str:
    return text(lang, f"ledger.status.{key}", **params)
