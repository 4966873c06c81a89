"""Options of the commands about access: names, networks, amounts, and when something holds."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError
from kokuin.cli.values import microseconds, moment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

MAX_LABEL = 200
"""Characters of a name, a reason or an id."""
_IDEOGRAPHIC_SPACE = "\u3000"
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}


def label(lang: str) -> Callable[[str], str]:
    """Return what reads a name: characters that can be printed, not only spaces, not too many."""

    def read(word: str) -> str:
        plain = word.replace(_IDEOGRAPHIC_SPACE, " ")
        # Attack: escape sequences for the next terminal that shows it; a lone surrogate fits no JSON.
        if not plain.isprintable() or not plain.strip() or len(word) > MAX_LABEL:
            raise ArgumentTypeError(text(lang, "access.bad_label", most=MAX_LABEL))
        return word

    return read


def network(lang: str) -> Callable[[str], str]:
    """Return what reads a block of addresses, IPv4 or IPv6; one with bits beyond its mask is a mistake."""

    def read(word: str) -> str:
        try:
            return str(ipaddress.ip_network(word))
        except ValueError:
            raise ArgumentTypeError(text(lang, "access.bad_network")) from None

    return read


def amount(lang: str) -> Callable[[str], int]:
    """Return what reads a whole number from 1."""

    def read(word: str) -> int:
        if not (word.isascii() and word.isdigit() and len(word) < 10 and int(word)):
            raise ArgumentTypeError(text(lang, "access.bad_amount"))
        return int(word)

    return read


def rate(lang: str) -> Callable[[str], float]:
    """Return what reads a number above 0."""

    def read(word: str) -> float:
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise ArgumentTypeError(text(lang, "access.bad_rate"))
        return number

    return read


def grace_seconds(lang: str) -> Callable[[str], int]:
    """Return what reads a period: 90m, 12h or 7d; 0 for none."""

    def read(word: str) -> int:
        found = re.fullmatch(r"(\d{1,5})([mhd])|0", word, re.ASCII)
        if found is None:
            raise ArgumentTypeError(text(lang, "access.bad_period"))
        return int(found[1] or 0) * _SECONDS.get(found[2], 0)

    return read


def add_validity(command: argparse.ArgumentParser, lang: str, *, begins: bool = True) -> None:
    """Add the options that say from when until when something holds.

    Args:
        command: takes the options.
        lang: of their help.
        begins: whether it may begin later than now.
    """
    if begins:
        command.add_argument(
            "--from", dest="begins", type=moment(lang), metavar="TIME", help=text(lang, "access.from_help")
        )
    ends = command.add_mutually_exclusive_group(required=not begins)
    ends.add_argument(
        "--until", dest="ends", type=moment(lang), metavar="TIME", help=text(lang, "access.until_help")
    )
    ends.add_argument(
        "--valid-days", type=amount(lang), metavar="N", help=text(lang, "access.valid_days_help")
    )


def validity(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return `begins_us` and `ends_us`, microseconds since 1970 UTC, as far as the options say.

    Raises:
        CommandError: it would end before it begins, or beyond the calendar.
    """
    begins: dt.datetime | None = getattr(arguments, "begins", None)
    ends: dt.datetime | None = arguments.ends
    if arguments.valid_days is not None:
        start = begins or dt.datetime.now(dt.UTC)
        try:
            ends = start + dt.timedelta(days=arguments.valid_days)
        except OverflowError:
            raise CommandError("value.moment") from None
    if begins is not None and ends is not None and begins >= ends:
        raise CommandError("access.bad_validity")
    found = {"begins_us": microseconds(begins), "ends_us": microseconds(ends)}
    return {name: at_us for name, at_us in found.items() if at_us is not None}


def time_text(at_us: int | None) -> str:
    """Return a moment, in microseconds since 1970 UTC, to the second in UTC; `-` for none."""
    if at_us is None:
        return "-"
    moment_utc = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=at_us)
    return moment_utc.isoformat(timespec="seconds")
