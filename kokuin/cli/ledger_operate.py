"""What acts of `tsa ledger` that the folder's owner does have in common: asking, and telling the answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli import owner
from kokuin.cli.messages import sentence_or, text, write, write_aside, write_json
from kokuin.cli.outcome import Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping


def add_common(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options that each of these acts has."""
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))


def ask(arguments: argparse.Namespace, question: dict[str, Any]) -> dict[str, Any]:
    """Have the owner do the act, or do it as the owner.

    Raises:
        CommandError: nobody serves the folder and it cannot be opened.
    """
    return owner.ask(arguments, f"ledger.{arguments.act}", question)


def tell(arguments: argparse.Namespace, answer: dict[str, Any], sentence: str = "done") -> int:
    """Print an answer; exit 0 when it was done, 1 when it was refused."""
    if arguments.json:
        write_json(answer)
    elif answer["ok"]:
        write([text(arguments.lang, f"ledger.{arguments.act}.{sentence}", **answer)])
    else:
        write_aside(refusal(answer, arguments.lang))
    return Exit.PASSED if answer["ok"] else Exit.FAILED


def refusal(answer: Mapping[str, object], lang: str) -> Iterator[str]:
    """Yield why nothing was done: the code, what it means and what to do, and what the owner adds to it."""
    sentence = sentence_or(lang, f"ledger.code.{answer['code']}", "")
    yield text(lang, "ledger.refused", code=answer["code"], sentence=sentence).rstrip()
    if answer.get("detail"):
        yield f"  {answer['detail']}"
