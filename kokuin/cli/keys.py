"""`tsa keys`: keys and certificates of the units, their rotation while serving, back-up and restoring."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.acts import add_acts
from kokuin.cli.keys_files import read_input, refuse_existing, write_output
from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import Exit
from kokuin.cli.owner import ask
from kokuin.cli.profile import tell_change
from kokuin.cli.recipient import PASSPHRASE_VARIABLE, make_recipient, restore_folder
from kokuin.cli.values import moment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

ACTS = ("list", "generate", "csr", "import", "rotate", "backup", "restore", "recipient")
DEFAULT_SUITE = "ml-kem-768-cms"
"""What a recipient's key is made for unless another suite is named."""


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "keys", ACTS):
        _ADD.get(act, _nothing)(command, lang)
        if act != "recipient":
            command.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
        command.add_argument("--json", action="store_true", help=text(lang, "cli.json"))
        command.add_argument("--lang", choices=("en", "ja"), help=text(lang, "cli.lang"))


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0 when it is done, proposed or scheduled, 1 when it was refused.

    Raises:
        CommandError: a file cannot be read or written, or nobody serves the folder and it cannot be opened.
    """
    answer = _DO.get(arguments.act, _operate)(arguments)
    if arguments.json:
        write_json(answer)
    elif arguments.act == "rotate" or not answer["ok"]:
        tell_change(answer, arguments.lang)
    else:
        write(_sentences(answer, arguments))
    return Exit.PASSED if answer["ok"] else Exit.FAILED


def _nothing(command: argparse.ArgumentParser, lang: str) -> None:
    del command, lang


def _add_generate(command: argparse.ArgumentParser, lang: str) -> None:
    _add_profile(command, lang)
    command.add_argument("--next", action="store_true", help=text(lang, "keys.next_help"))


def _add_csr(command: argparse.ArgumentParser, lang: str) -> None:
    _add_profile(command, lang)
    command.add_argument("--key", metavar="NAME", help=text(lang, "keys.key_help"))
    _add_out(command, lang, "FILE", "keys.csr_out_help", required=False)


def _add_import(command: argparse.ArgumentParser, lang: str) -> None:
    _add_profile(command, lang)
    command.add_argument("certificate", metavar="CERT", type=Path, help=text(lang, "keys.certificate_help"))
    command.add_argument("chain", metavar="CHAIN", type=Path, nargs="*", help=text(lang, "keys.chain_help"))
    command.add_argument("--anchor", metavar="FILE", type=Path, help=text(lang, "keys.anchor_help"))


def _add_rotate(command: argparse.ArgumentParser, lang: str) -> None:
    _add_profile(command, lang)
    command.add_argument("--at", type=moment(lang), metavar="TIME", help=text(lang, "keys.at_help"))


def _add_backup(command: argparse.ArgumentParser, lang: str) -> None:
    recipient_help = text(lang, "keys.recipient_option_help")
    command.add_argument("--recipient", metavar="FILE", type=Path, required=True, help=recipient_help)
    _add_out(command, lang, "FILE", "keys.backup_out_help", required=True)
    command.add_argument("--suite", metavar="ID", help=text(lang, "keys.suite_help"))


def _add_restore(command: argparse.ArgumentParser, lang: str) -> None:
    command.add_argument("file", metavar="FILE", type=Path, help=text(lang, "keys.file_help"))
    private_help = text(lang, "keys.private_help")
    command.add_argument("--key", metavar="FILE", type=Path, required=True, help=private_help)


def _add_recipient(command: argparse.ArgumentParser, lang: str) -> None:
    _add_out(command, lang, "PREFIX", "keys.prefix_help", required=True)
    suite_help = text(lang, "keys.suite_help")
    command.add_argument("--suite", metavar="ID", default=DEFAULT_SUITE, help=suite_help)


def _add_profile(command: argparse.ArgumentParser, lang: str) -> None:
    command.add_argument("name", metavar="PROFILE", help=text(lang, "profile.name_help"))


def _add_out(command: argparse.ArgumentParser, lang: str, metavar: str, key: str, *, required: bool) -> None:
    command.add_argument(
        "-o", dest="out", metavar=metavar, type=Path, required=required, help=text(lang, key)
    )


def _operate(arguments: argparse.Namespace) -> dict[str, Any]:
    at: dt.datetime | None = getattr(arguments, "at", None)
    question = {
        "name": getattr(arguments, "name", ""),
        "next": getattr(arguments, "next", False),
        "key": getattr(arguments, "key", None),
        "at_us": None if at is None else int(at.timestamp() * 1e6),
    }
    return ask(arguments, f"keys.{arguments.act}", question)


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.out is not None:
        refuse_existing(arguments.out)
    answer = _operate(arguments)
    if answer["ok"] and arguments.out is not None:
        write_output(arguments.out, answer.pop("pem").encode("ascii"))
        answer["file"] = str(arguments.out)
    return answer


def _import(arguments: argparse.Namespace) -> dict[str, Any]:
    given = b"\n".join(read_input(path) for path in (arguments.certificate, *arguments.chain))
    anchors = b"" if arguments.anchor is None else read_input(arguments.anchor)
    question = {
        "name": arguments.name,
        "certificates": given.decode("ascii", "replace"),
        "anchors": anchors.decode("ascii", "replace"),
    }
    return ask(arguments, f"keys.{arguments.act}", question)


def _backup(arguments: argparse.Namespace) -> dict[str, Any]:
    refuse_existing(arguments.out)
    recipient = read_input(arguments.recipient).decode("ascii", "replace")
    answer = ask(arguments, f"keys.{arguments.act}", {"recipient": recipient, "suite": arguments.suite})
    if answer["ok"]:
        write_output(arguments.out, base64.b64decode(answer.pop("sealed")))
        answer["file"] = str(arguments.out)
    return answer


def _sentences(answer: dict[str, Any], arguments: argparse.Namespace) -> Iterator[str]:
    act, lang = arguments.act, arguments.lang
    if act == "list":
        for row in answer["keys"]:
            yield from _key(row, lang)
    elif act == "csr" and "pem" in answer:
        yield answer["pem"].rstrip("\n")
    else:
        yield text(lang, f"keys.{act}_done", **{**answer, "keys": ", ".join(answer.get("keys", ()))})
        for item in answer.get("absent", ()):
            yield text(lang, f"keys.absent_{item['reason']}", key=item["key"])
        if act == "recipient" and not answer["encrypted"]:
            yield text(lang, "keys.recipient_clear", variable=PASSPHRASE_VARIABLE)


def _key(row: dict[str, Any], lang: str) -> Iterator[str]:
    use = text(lang, f"keys.use_{row['use']}")
    provider = row["provider"] + (f" {text(lang, 'keys.experimental')}" if row["experimental"] else "")
    yield f"{row['profile']:14} {row['key']:22} {row['suite']:26} {provider:10} {use}"
    if row["problem"]:
        yield "  " + row["problem"]
    elif row["certificate"]:
        begins, ends = (_day(row[name]) for name in ("begins_us", "ends_us"))
        yield "  " + text(lang, "keys.certified", digest=row["certificate"], begins=begins, ends=ends)
    else:
        yield "  " + text(lang, "keys.uncertified", profile=row["profile"], key=row["key"])


def _day(at_us: int) -> str:
    return dt.datetime.fromtimestamp(at_us / 1e6, dt.UTC).isoformat(timespec="seconds")


_ADD: dict[str, Callable[[argparse.ArgumentParser, str], None]] = {
    "generate": _add_generate,
    "csr": _add_csr,
    "import": _add_import,
    "rotate": _add_rotate,
    "backup": _add_backup,
    "restore": _add_restore,
    "recipient": _add_recipient,
}
_DO: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "csr": _request,
    "import": _import,
    "backup": _backup,
    "restore": restore_folder,
    "recipient": make_recipient,
}
