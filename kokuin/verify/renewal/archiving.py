"""The time-stamp over a tree: judged before anything rests on it, and made to last (RFC 4998 §4.2, §7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust.judge import judge_token
from kokuin.trust.report import Check, Indication
from kokuin.trust.token import read_token
from kokuin.verify.content import of_digest
from kokuin.verify.renewal.book import MOST_TOKEN
from kokuin.verify.renewal.material import Gatherer
from kokuin.verify.renewal.planning import plan_token
from kokuin.wire.token_form import bare_token, with_values

if TYPE_CHECKING:
    from kokuin.trust.context import Context


class ArchiveFault(StrEnum):
    """Why a time-stamp cannot stand over a tree."""

    REFUSED = "ARCHIVE_NOT_PASSED"
    """It does not pass: nobody whom the verifier trusts made it, say."""
    TOO_LARGE = "ARCHIVE_TOO_LARGE"
    """It has more octets than a record should repeat."""


class ArchiveError(Exception):
    """A time-stamp that cannot stand over a tree.

    Attributes:
        fault: why.
        reason: of REFUSED, the code of the check that speaks against it.
    """

    def __init__(self, fault: ArchiveFault, reason: str | None = None) -> None:
        super().__init__(f"{fault} {reason or ''}")
        self.fault, self.reason = fault, reason


@dataclass(frozen=True, slots=True)
class Archive:
    """A time-stamp over a tree.

    Attributes:
        token: DER.
        gen_time: microseconds since 1970 UTC.
        until: the last moment at which it holds, likewise; None: no end is known.
    """

    token: bytes
    gen_time: int
    until: int | None


def complete(token: bytes, context: Context) -> bytes:
    """Return a time-stamp that carries the path of its signer to the anchor, and the lists of that path.

    Evidence within it covered the octets that it had, and is left behind.

    Args:
        token: as `kokuin.wire.ber.definite` returned it; what is no token is returned as it is.
        context: by what it is judged, for now.
    """
    facts = read_token(token)
    if isinstance(facts, Check):
        return token
    parts = Gatherer(context).parts(facts)
    return with_values(bare_token(token), parts.certificates, parts.revocation.lists)


def judge_archive(token: bytes, root: bytes, context: Context) -> Archive:
    """Judge a time-stamp over the root of a tree.

    Args:
        token: of `complete`.
        root: what it must cover.
        context: as of `complete`.

    Raises:
        ArchiveError: it cannot stand there.
    """
    report = judge_token(token, replace(context, content=of_digest(root)))
    facts = read_token(token)
    if report.indication is not Indication.PASSED or isinstance(facts, Check):
        raise ArchiveError(ArchiveFault.REFUSED, plan_token(report, context.at).reason)
    if len(token) > MOST_TOKEN:
        raise ArchiveError(ArchiveFault.TOO_LARGE)
    end = report.verifiable_until
    return Archive(token, facts.tst_info.gen_time.microseconds, None if end is None else end.time)
