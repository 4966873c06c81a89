"""`tsa keys`: keys and certificates of the units, their rotation while serving, back-up and restoring."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import text, write
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.profile import moment, show_change

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pqc.kem import RecipientKey

ACTS = ("list", "generate", "csr", "import", "rotate", "backup", "restore", "recipient")
PASSPHRASE_VARIABLE = "TSA_RECIPIENT_PASSPHRASE"  # noqa: S105  # its name, no secret
"""The passphrase of a recipient's private key: not that of the units' keys."""
MAX_INPUT = 512 * 1024
"""Octets of certificates and public keys that are read."""
DEFAULT_SUITE = "ml-kem-768-cms"
"""What a recipient's key is made for unless another suite is named."""


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT", parser_class=type(parser))
    for act in ACTS:
        about = text(lang, f"keys.{act}_help")
        command = acts.add_parser(act, help=about, description=about)
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
        write([json.dumps(answer, indent=2, ensure_ascii=False)])
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
    command.add_argument("--at", type=moment, metavar="TIME", help=text(lang, "keys.at_help"))


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
    return _ask(arguments, question)


def _ask(arguments: argparse.Namespace, question: dict[str, Any]) -> dict[str, Any]:
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.operating import operate

    try:
        return operate(DataFolder(arguments.dir), f"keys.{arguments.act}", question)
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.out is not None:
        _refuse_existing(arguments.out)
    answer = _operate(arguments)
    if answer["ok"] and arguments.out is not None:
        _write(arguments.out, answer.pop("pem").encode("ascii"))
        answer["file"] = str(arguments.out)
    return answer


def _import(arguments: argparse.Namespace) -> dict[str, Any]:
    given = b"\n".join(_read(path) for path in (arguments.certificate, *arguments.chain))
    anchors = b"" if arguments.anchor is None else _read(arguments.anchor)
    question = {
        "name": arguments.name,
        "certificates": given.decode("ascii", "replace"),
        "anchors": anchors.decode("ascii", "replace"),
    }
    return _ask(arguments, question)


def _backup(arguments: argparse.Namespace) -> dict[str, Any]:
    _refuse_existing(arguments.out)
    recipient = _read(arguments.recipient).decode("ascii", "replace")
    answer = _ask(arguments, {"recipient": recipient, "suite": arguments.suite})
    if answer["ok"]:
        _write(arguments.out, base64.b64decode(answer.pop("sealed")))
        answer["file"] = str(arguments.out)
    return answer


def _restore(arguments: argparse.Namespace) -> dict[str, Any]:
    from kokuin.service.backup_archive import BackupError
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.restoring import open_backup, restore
    from pqc.envelope_errors import EnvelopeError
    from pqc.keyfiles import KeyFileError

    try:
        opened = open_backup(_read(arguments.file, most=None), _private_key(arguments.key))
        restore(opened, DataFolder(arguments.dir))
    except (EnvelopeError, BackupError, KeyFileError) as error:
        detail = str(error).removeprefix(error.problem.value).removeprefix(": ")
        return {"ok": False, "code": error.problem.value, "detail": detail}
    except OSError as error:
        path = error.filename or arguments.dir
        raise CommandError("keys.cannot_write", path=path, reason=error.strerror) from None
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    return {
        "ok": True,
        "folder": str(arguments.dir),
        "backup": opened.digest,
        "made_us": opened.manifest.at,
        "keys": sorted(opened.keys),
        "absent": [{"key": item.key, "reason": item.reason} for item in opened.manifest.absent],
    }


def _recipient(arguments: argparse.Namespace) -> dict[str, Any]:
    from pqc.envelope_suites import envelope_suite
    from pqc.kem import generate_kem_key
    from pqc.kem_files import public_pem, write_kem_key
    from pqc.suites import UnknownSuiteError

    private, public = (Path(f"{arguments.out}.{end}.pem") for end in ("key", "pub"))
    _refuse_existing(public)
    try:
        suite = envelope_suite(arguments.suite)
    except UnknownSuiteError:
        return {"ok": False, "code": "SUITE_UNKNOWN", "detail": arguments.suite}
    key = generate_kem_key(suite.kem)
    passphrase = _passphrase()
    try:
        write_kem_key(private, key, passphrase)
    except OSError as error:
        raise CommandError("keys.cannot_write", path=private, reason=error.strerror) from None
    _write(public, public_pem(key.recipient))
    return {
        "ok": True,
        "kind": suite.kem.value,
        "private": str(private),
        "public": str(public),
        "encrypted": passphrase is not None,
    }


def _private_key(path: Path) -> RecipientKey:
    from pqc.kem_files import read_kem_key

    return read_kem_key(path, _passphrase())


def _passphrase() -> bytes | None:
    return os.environ.get(PASSPHRASE_VARIABLE, "").encode() or None


def _read(path: Path, most: int | None = MAX_INPUT) -> bytes:
    from pqc.envelope_syntax import MAX_ENVELOPE

    limit = most or MAX_ENVELOPE
    try:
        with path.open("rb") as file:
            octets = file.read(limit + 1)
    except OSError as error:
        raise CommandError("keys.cannot_read", path=path, reason=error.strerror) from None
    if len(octets) > limit:
        raise CommandError("keys.cannot_read", path=path, reason=f"> {limit}")
    return octets


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise CommandError("keys.exists", path=path)


def _write(path: Path, octets: bytes) -> None:
    from pqc.newfile import write_new

    try:
        write_new(path, octets)
    except OSError as error:
        raise CommandError("keys.cannot_write", path=path, reason=error.strerror) from None


def _sentences(answer: dict[str, Any], arguments: argparse.Namespace) -> Iterator[str]:
    act, lang = arguments.act, arguments.lang
    if not answer["ok"] or act == "rotate":
        yield from show_change(answer, lang)
    elif act == "list":
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
    "restore": _restore,
    "recipient": _recipient,
}
