"""By what `tsa verify` judges: what its options say of all tokens alike, of one or of a batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kokuin.cli import verify_revocation
from kokuin.cli.outcome import CommandError
from kokuin.cli.trust_reading import read_trust
from kokuin.cli.values import utc_microseconds

if TYPE_CHECKING:
    import argparse

    from kokuin.trust.context import Context


def make_context(arguments: argparse.Namespace) -> Context:
    """Return by what tokens are judged: what the options say of all of them alike.

    Raises:
        CommandError: a file cannot be opened, or an option cannot be read.
    """
    from kokuin.cli.policy import read_policy
    from kokuin.trust.context import Context, RevocationMode
    from pqc.policies import BASELINE

    return Context(
        _moment(arguments.at),
        read_trust(arguments.trust, arguments.lang),
        policy=read_policy(arguments.policy or BASELINE),
        revocation=verify_revocation.read_revocation(arguments),
        revocation_mode=RevocationMode(arguments.revocation or RevocationMode.IF_AVAILABLE),
    )


def _moment(option: str | None) -> int:
    """Return `--at` (ISO 8601; UTC where it names no offset), default now, in microseconds since 1970 UTC."""
    if option is None:
        return time.time_ns() // 1_000
    try:
        return utc_microseconds(option)
    except (ValueError, OverflowError):
        raise CommandError("verify.bad_time", time=option) from None
