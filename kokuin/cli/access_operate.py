"""What the commands about access have in common: their options, and telling the answer of the folder's owner.

An act that makes something prints that alone on standard output, for scripts, and the sentence about it on
standard error, as it does a refusal: `TENANT=$(tsa tenant add ...)` holds a tenant or nothing. Where a second
person must approve first, what is made is known already, and counts from then on; of an act that makes
nothing the proposal's id is printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import sentence_or, text, write, write_aside, write_json
from kokuin.cli.outcome import Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

PROPOSED = "proposed"
"""The state of what waits for a second person."""


def add_common(command: argparse.ArgumentParser, lang: str) -> None:
    """Add the options that each act has."""
    command.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
    command.add_argument("--json", action="store_true", help=text(lang, "cli.json"))
    command.add_argument("--lang", choices=("en", "ja"), help=text(lang, "cli.lang"))


def tell(arguments: argparse.Namespace, answer: dict[str, Any], lines: Iterable[str]) -> Exit:
    """Print an answer, as `lines` when it was done; exit 0 when it was done or proposed, 1 when refused."""
    if arguments.json:
        write_json(answer)
    elif not answer["ok"]:
        write_aside(refusal(answer, arguments.lang))
    elif answer.get("state") == PROPOSED:
        write([str(answer["approval"])])
        write_aside([text(arguments.lang, "access.proposed", **answer)])
    else:
        write(lines)
    return Exit.PASSED if answer["ok"] else Exit.FAILED


def tell_made(arguments: argparse.Namespace, answer: dict[str, Any], made: str, sentence: str) -> Exit:
    """Print what an act made, alone; exit 0 when it was done or proposed, 1 when it was refused.

    Args:
        arguments: the command's.
        answer: the owner's.
        made: the field of the answer that holds what was made.
        sentence: key of the sentence that goes to standard error.
    """
    if arguments.json or not answer["ok"]:
        return tell(arguments, answer, ())
    write([str(answer[made])])
    write_aside([text(arguments.lang, sentence, **answer)])
    if answer.get("state") == PROPOSED:
        write_aside([text(arguments.lang, "access.proposed", **answer)])
    return Exit.PASSED


def refusal(answer: dict[str, Any], lang: str) -> Iterator[str]:
    """Yield why nothing was changed: the code, a sentence, and what the owner adds to it."""
    sentence = sentence_or(lang, f"access.code.{answer['code']}", "")
    yield text(lang, "access.refused", code=answer["code"], sentence=sentence).rstrip()
    more = " ".join(str(answer[name]) for name in ("field", "detail") if answer.get(name))
    if more:
        yield f"  {more}"
