"""`tsa seal-profile`: how tenants seal: their profiles, and the certificates of their seal keys."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.access_operate import add_common
from kokuin.cli.access_values import label, time_text
from kokuin.cli.acts import add_acts
from kokuin.cli.keys_files import read_input, refuse_existing, write_output
from kokuin.cli.messages import sentence_or, text, write, write_aside, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.owner import ask
from kokuin.cli.table import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

ACTS = ("add", "list", "show", "csr", "import", "withdraw")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "seal-profile", ACTS):
        if act != "list":
            name_help = text(lang, "seal-profile.name_help")
            command.add_argument("name", type=label(lang), metavar="PROFILE", help=name_help)
        _add_options(act, command, lang)
        tenant_help = text(lang, f"seal-profile.{'all_' if act == 'list' else ''}tenant_help")
        command.add_argument("--tenant", type=label(lang), metavar="TENANT", help=tenant_help)
        add_common(command, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is done, 1 when it was refused.

    Raises:
        CommandError: a file cannot be read or written, or nobody serves the folder and it cannot be opened.
    """
    match arguments.act:
        case "add":
            return _add(arguments)
        case "csr":
            return _request(arguments)
        case "import":
            return _import(arguments)
    answer = _operate(arguments)
    return _tell(arguments, answer, _lines(answer, arguments))


def _add_options(act: str, command: argparse.ArgumentParser, lang: str) -> None:
    def path(name: str, metavar: str, key: str, **more: Any) -> None:
        command.add_argument(name, metavar=metavar, type=Path, help=text(lang, f"seal-profile.{key}"), **more)

    match act:
        case "add":
            path("file", "FILE", "file_help")
            path("--image", "FILE", "image_help")
            path("--font", "FILE", "font_help")
        case "csr":
            command.add_argument("--suite", metavar="ID", help=text(lang, "seal-profile.suite_help"))
            path("-o", "FILE", "out_help", dest="out")
        case "import":
            path("certificate", "CERT", "certificate_help")
            path("chain", "CHAIN", "chain_help", nargs="*")
            path("--anchor", "FILE", "anchor_help")


def _operate(arguments: argparse.Namespace, **more: object) -> dict[str, Any]:
    question = {"tenant": arguments.tenant, "name": getattr(arguments, "name", ""), **more}
    return ask(arguments, f"seal-profile.{arguments.act}", question)


def _add(arguments: argparse.Namespace) -> Exit:
    try:
        toml = read_input(arguments.file).decode()
    except UnicodeDecodeError:
        raise CommandError("keys.cannot_read", path=arguments.file, reason="UTF-8") from None
    image = None if arguments.image is None else base64.b64encode(read_input(arguments.image)).decode()
    # The service reads a font itself: those for Japanese are longer than a question to it may be.
    font = None if arguments.font is None else str(arguments.font.resolve())
    answer = _operate(arguments, text=toml, image=image, font=font)
    done = "add_certified" if answer.get("certified") else "add_done"
    return _tell(arguments, answer, _done(arguments, answer, done))


def _request(arguments: argparse.Namespace) -> Exit:
    if arguments.out is not None:
        refuse_existing(arguments.out)
    answer = _operate(arguments, suite=arguments.suite)
    if not answer["ok"] or arguments.out is None:
        return _tell(arguments, answer, [answer.get("pem", "").rstrip("\n")])
    write_output(arguments.out, answer.pop("pem").encode("ascii"))
    answer["file"] = str(arguments.out)
    return _tell(arguments, answer, _done(arguments, answer, "csr_done"))


def _import(arguments: argparse.Namespace) -> Exit:
    given = b"\n".join(read_input(path) for path in (arguments.certificate, *arguments.chain))
    anchors = b"" if arguments.anchor is None else read_input(arguments.anchor)
    answer = _operate(
        arguments,
        certificates=given.decode("ascii", "replace"),
        anchors=anchors.decode("ascii", "replace"),
    )
    return _tell(arguments, answer, _done(arguments, answer, "import_done"))


def _tell(arguments: argparse.Namespace, answer: dict[str, Any], lines: Iterable[str]) -> Exit:
    if arguments.json:
        write_json(answer)
    elif answer["ok"]:
        write(lines)
    else:
        write_aside(_refusal(answer, arguments.lang))
    return Exit.PASSED if answer["ok"] else Exit.FAILED


def _done(arguments: argparse.Namespace, answer: dict[str, Any], sentence: str) -> Iterator[str]:
    # Made when it is printed: a refusal has none of the parameters.
    yield text(arguments.lang, f"seal-profile.{sentence}", **answer)


def _refusal(answer: dict[str, Any], lang: str) -> Iterator[str]:
    sentence = sentence_or(lang, f"seal-profile.code.{answer['code']}", "")
    yield text(lang, "seal-profile.refused", code=answer["code"], sentence=sentence).rstrip()
    more = " ".join(str(answer[name]) for name in ("field", "detail") if answer.get(name))
    if more:
        yield f"  {more}"


def _lines(answer: dict[str, Any], arguments: argparse.Namespace) -> Iterator[str]:
    lang = arguments.lang
    if arguments.act == "withdraw":
        yield text(lang, "seal-profile.withdraw_done", **answer)
    elif arguments.act == "list":
        yield from _profiles(answer["profiles"], lang)
    else:
        yield from _profile(answer, lang)


def _profiles(profiles: list[dict[str, Any]], lang: str) -> Iterator[str]:
    names = ("tenant", "profile", "formats", "level", "until", "suites")
    headings = [text(lang, f"seal-profile.head_{name}") for name in names]
    rows = [
        (
            each["tenant"],
            each["profile"],
            ", ".join(each["formats"]),
            each["level"],
            each["problem"] or _until(each["ends_us"], lang),
            ", ".join(each["suites"]),
        )
        for each in profiles
    ]
    yield from table(headings, rows)


def _until(ends_us: int | None, lang: str) -> str:
    return text(lang, "seal-profile.uncertified") if ends_us is None else time_text(ends_us)


def _profile(answer: dict[str, Any], lang: str) -> Iterator[str]:
    problem = answer["problem"]
    yield text(lang, "seal-profile.unfit" if problem else "seal-profile.ready", **answer)
    for each in answer["certificates"]:
        period = {name: time_text(each[f"{name}_us"]) for name in ("begins", "ends")}
        yield text(lang, "seal-profile.certificate", **{**each, **period})
        if each["states"]:
            yield text(lang, "seal-profile.states", states=", ".join(each["states"]))
    yield text(lang, "seal-profile.means")
    yield ""
    yield answer["text"].rstrip("\n")
