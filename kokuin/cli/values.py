"""Values of options that people write in more than one way: moments, and serial numbers of tokens."""

from __future__ import annotations

import datetime as dt
import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SERIAL = re.compile(r"(?:0x)?([0-9a-f]{1,64})|([0-9a-f]{1,2}(?::[0-9a-f]{2}){0,31})")


def moment(lang: str) -> Callable[[str], dt.datetime]:
    """Return what reads a moment of ISO 8601; without an offset it is of this machine's zone."""

    def read(word: str) -> dt.datetime:
        try:
            return dt.datetime.fromisoformat(word).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            raise ArgumentTypeError(text(lang, "value.moment")) from None

    return read


def utc_microseconds(word: str) -> int:
    """Return a moment of ISO 8601 in microseconds since 1970 UTC; without an offset it is UTC.

    Raises:
        ValueError: it is no moment.
        OverflowError: its offset carries it out of the calendar.
    """
    found = dt.datetime.fromisoformat(word)
    if found.tzinfo is None:
        found = found.replace(tzinfo=dt.UTC)
    return (found.astimezone(dt.UTC) - _EPOCH) // dt.timedelta(microseconds=1)


def serial_number(lang: str) -> Callable[[str], str]:
    """Return what reads a serial number in hex as OpenSSL prints it: 0x5F7E, 5F:7E, 5F7E.

    What it reads, it returns as leaves have it: small letters, no zeros before the number.
    """

    def read(word: str) -> str:
        found = _SERIAL.fullmatch(word.strip().lower())
        if found is None:
            raise ArgumentTypeError(text(lang, "value.serial"))
        return f"{int((found[1] or found[2]).replace(':', ''), 16):x}"

    return read


def check_period(begins: dt.datetime | None, ends: dt.datetime | None) -> None:
    """Refuse a period that ends before it begins.

    Raises:
        CommandError: it does.
    """
    if begins is not None and ends is not None and begins > ends:
        raise CommandError("value.period")


def moment_text(at_us: int) -> str:
    """Return a moment, in microseconds since 1970 UTC, for people."""
    try:
        return (_EPOCH + dt.timedelta(microseconds=at_us)).isoformat(timespec="microseconds")
    except OverflowError:  # in a leaf that no committer of ours wrote
        return str(at_us)


def microseconds(at: dt.datetime | None) -> int | None:
    """Return a moment in microseconds since 1970 UTC."""
    return None if at is None else (at - _EPOCH) // dt.timedelta(microseconds=1)
