"""`tsa trust`: whom the verifier trusts, as what, for which times, and where it is from."""

from __future__ import annotations

import datetime as dt
import functools
import re
import time
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.acts import add_acts
from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError
from kokuin.cli.trust_reading import attempt
from kokuin.cli.values import check_period, microseconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from kokuin.cli.trust_telling import Choice
    from kokuin.trust.certificate import Certificate

ACTS = ("add", "pin", "import", "list")

_SHA256 = re.compile(r"[0-9a-f]{64}")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "trust", ACTS):
        if act == "list":
            command.add_argument("-o", "--out", type=Path, metavar="FILE", help=text(lang, "trust.out_help"))
        else:
            _add_terms(command, act, lang)
        command.add_argument(
            "--store",
            type=Path,
            default=Path("tsa-trust"),
            metavar="DIR|FILE" if act == "list" else "DIR",
            help=text(lang, "trust.store_help"),
        )
        command.add_argument("--json", action="store_true", help=text(lang, "cli.json"))
        command.add_argument("--lang", choices=("en", "ja"), help=text(lang, "cli.lang"))


def _add_terms(command: argparse.ArgumentParser, act: str, lang: str) -> None:
    if act == "import":
        command.add_argument("archive", type=Path, metavar="ZIP", help=text(lang, "trust.zip_help"))
    elif act == "pin":
        command.add_argument("file", type=Path, metavar="FILE", help=text(lang, "trust.file_help"))
        sha256 = functools.partial(_fingerprint, lang)
        command.add_argument("--sha256", type=sha256, metavar="HEX", help=text(lang, "trust.sha256_help"))
    else:
        command.add_argument(
            "files", type=Path, nargs="+", metavar="FILE", help=text(lang, "trust.file_help")
        )
    for name in ("from", "until"):
        command.add_argument(
            f"--{name}",
            dest=f"trusted_{name}",
            type=functools.partial(_moment, lang, name == "until"),
            metavar="TIME",
            help=text(lang, f"trust.{name}_help"),
        )
    command.add_argument(
        "--source",
        type=functools.partial(_source, lang),
        default="",
        metavar="TEXT",
        help=text(lang, "trust.source_help"),
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0, or 1 when something that was meant to be trusted was not taken.

    Raises:
        CommandError: a file, an archive or the store cannot be read or written.
    """
    if arguments.act == "list":
        from kokuin.cli.trust_list import show

        return show(arguments)
    check_period(arguments.trusted_from, arguments.trusted_until)
    choose = {"add": _chosen_files, "pin": _chosen_pin, "import": _chosen_archive}[arguments.act]
    return _enter(arguments, choose(arguments))


def _chosen_files(arguments: argparse.Namespace) -> Choice:
    from kokuin.cli.trust_telling import Choice
    from kokuin.trust.trust_store import role_of

    choice = Choice()
    for path in arguments.files:
        for certificate in _certificates(path):
            choice.take(certificate, role_of(certificate), str(path))
    return choice


def _chosen_pin(arguments: argparse.Namespace) -> Choice:
    from kokuin.cli.trust_telling import Choice
    from kokuin.trust.anchors import fingerprint
    from kokuin.trust.trust_store_list import Role

    found = {each.der: each for each in _certificates(arguments.file)}
    wanted = [each for each in found.values() if arguments.sha256 in {None, fingerprint(each)}]
    if len(wanted) != 1:
        key = "trust.pin_other" if arguments.sha256 else "trust.pin_which"
        raise CommandError(key, path=arguments.file, count=len(found))
    choice = Choice()
    choice.take(wanted[0], Role.PIN, str(arguments.file))
    return choice


def _chosen_archive(arguments: argparse.Namespace) -> Choice:
    from kokuin.cli.trust_telling import Choice
    from kokuin.trust.trust_store_archive import read_archive, roles_of

    path: Path = arguments.archive
    contents = attempt(path, lambda: read_archive(path))
    roles = roles_of(certificate for _, certificate in contents.certificates)
    choice = Choice(archive=contents.archive, omitted=list(contents.omitted))
    for name, certificate in contents.certificates:
        choice.take(certificate, roles[certificate.der], name)
    return choice


def _certificates(path: Path) -> Iterable[Certificate]:
    from kokuin.trust.anchors import read_certificates

    return attempt(path, lambda: read_certificates(path))


def _enter(arguments: argparse.Namespace, choice: Choice) -> int:
    from kokuin.cli.trust_telling import tell
    from kokuin.trust.trust_store import Terms, enter

    terms = Terms(
        microseconds(arguments.trusted_from),
        microseconds(arguments.trusted_until),
        arguments.source,
        choice.archive,
    )
    store: Path = arguments.store
    wanted, now = choice.wanted(), time.time_ns() // 1_000
    # Without a certificate, no folder is made.
    entered = attempt(store, lambda: enter(store, wanted, terms, now)) if wanted else ()
    return tell(arguments, entered, choice)


def _moment(lang: str, last: bool, word: str) -> dt.datetime:  # noqa: FBT001  # argparse gives the word alone
    """Read a moment, in UTC where it names no offset; of a day, its first or its last microsecond."""
    try:
        moment = dt.datetime.fromisoformat(word)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        if last and _is_day(word):
            moment = dt.datetime.combine(moment, dt.time.max, dt.UTC)
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(text(lang, "value.moment")) from None


def _is_day(word: str) -> bool:
    try:
        dt.date.fromisoformat(word)
    except ValueError:
        return False
    return True


def _source(lang: str, word: str) -> str:
    """Read where certificates are from: words, or a URL; it is shown again, and steers no terminal."""
    from kokuin.trust.trust_store_list import MAX_TEXT

    if len(word) > MAX_TEXT or not word.isprintable():
        raise ArgumentTypeError(text(lang, "trust.bad_source"))
    return word


def _fingerprint(lang: str, word: str) -> str:
    """Read a SHA-256 as OpenSSL and browsers print it: with colons or spaces, in capitals."""
    found = word.lower().replace(":", "").replace(" ", "")
    if not _SHA256.fullmatch(found):
        raise ArgumentTypeError(text(lang, "trust.bad_sha256"))
    return found
