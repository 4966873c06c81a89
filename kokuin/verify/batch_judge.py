"""One file of a batch: whether it counts, and the judgement of it."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

from kokuin.trust.judge import make_report
from kokuin.trust.report import Check, Report, SubIndication, extend
from kokuin.trust.rules import FORMAT, IMPRINT, Reason
from kokuin.trust.token import read_token
from kokuin.verify.batch_items import read_regular
from kokuin.verify.batch_line import Question, path_of, write_line
from kokuin.verify.batch_others import is_something_else
from kokuin.verify.beside import EVIDENCE_SUFFIX
from kokuin.verify.content import of_digest
from kokuin.verify.enclosed import enclosed_tokens
from kokuin.verify.evidence_alone import evidence_times
from kokuin.verify.verifying import MAX_OCTETS, take_record, take_token
from kokuin.wire.ers import RECORD_LIMITS
from kokuin.wire.pem import is_armoured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.trust.context import Context
    from kokuin.verify.batch_items import Item

_HEAD = 512
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
"""The content type of CMS SignedData, which stands near the front of every token and response."""


class PassedOver(StrEnum):
    """Why a file has no line."""

    OUTSIDE = "outside"
    """A token whose genTime is not in the period."""
    DATA = "data"
    """What a token beside it was made for."""
    PROOF = "proof"
    """The proof of a token beside it, looked at with the token."""
    EVIDENCE = "evidence"
    """The evidence record of a token beside it, likewise."""
    OTHER = "other"
    """None of these."""


Outcome: TypeAlias = "bytes | PassedOver"
"""A line of JSON in ASCII, or why there is none."""


class FaultError(RuntimeError):
    """A file for which the verifier itself is at fault; the message names it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By what a whole batch is judged.

    Attributes:
        root: the folder that paths begin from.
        context: what is the same for every token; nobody's data.
        begins: tokens of an earlier genTime are passed over, microseconds since 1970 UTC; None: none is.
        ends: those of a later one, likewise.
        judge: judges a file's octets, with the file of a proof beside it; it raises OSError when data or
            proof cannot be read, and nothing else. It can be sent to another process.
    """

    root: Path
    context: Context
    begins: int | None
    ends: int | None
    judge: Callable[[bytes, Context, Path | None], Report]

    def has(self, gen_us: int) -> bool:
        """Say whether a genTime is in the period, both ends included."""
        return (self.begins is None or self.begins <= gen_us) and (self.ends is None or gen_us <= self.ends)


def judge_item(item: Item, terms: Terms) -> Outcome:
    """Judge one file, whatever it holds.

    Raises:
        FaultError: there is a fault of ours in the way.
    """
    try:
        return _outcome(item, terms)
    except Exception as error:
        raise FaultError(f"{item.token}: {type(error).__name__}: {error}") from error


def _outcome(item: Item, terms: Terms) -> Outcome:
    if _goes_with_a_token(item, terms.root):
        return PassedOver.EVIDENCE
    try:
        data = read_item(item, terms.root)
    except OSError as error:
        if item.named:
            return write_line(Question(item, terms.root), None, _unreadable(error, terms.context))
        data = None
    if data is None:
        return uncounted(item)
    passed_over = _passed_over(item, data, terms)
    if passed_over is not None:
        return passed_over
    asked = Question(item, terms.root)
    return write_line(asked, sha256(data).hexdigest(), _judge(asked, data, terms))


def pass_over(item: Item, terms: Terms) -> PassedOver | None:
    """Say whether a file has no line, without judging it."""
    if _goes_with_a_token(item, terms.root):
        return PassedOver.EVIDENCE
    try:
        data = read_item(item, terms.root)
    except OSError:
        return None if item.named else uncounted(item)
    return uncounted(item) if data is None else _passed_over(item, data, terms)


def read_item(item: Item, root: Path) -> bytes | None:
    """Return a file's octets; None of one that is no token by its name or by its head.

    Raises:
        OSError: it cannot be read.
    """
    if item.evidence:
        return None
    path = path_of(root, item.token)
    if not item.named:
        head = read_regular(path, _HEAD)
        if not (head.startswith(b"\x30") and _SIGNED_DATA in head) and not is_armoured(head):
            return None
    return read_regular(path, MAX_OCTETS)


def is_token(data: bytes) -> bool:
    """Say whether octets are a token, or a response with one; maybe not a good one."""
    taken = take_token(data)
    return not isinstance(taken, Check) and not isinstance(read_token(taken.octets), Check)


def _goes_with_a_token(item: Item, root: Path) -> bool:
    """Say whether a file is by its name the evidence record of one that turns out to be a token.

    A token's file may have any name; with its record it is judged by itself.
    """
    if not item.met or item.data is None or not item.token.endswith(EVIDENCE_SUFFIX):
        return False
    try:
        data = read_item(replace(item, token=item.data, named=False), root)
    except OSError:
        return False
    return data is not None and is_token(data)


def _passed_over(item: Item, data: bytes, terms: Terms) -> PassedOver | None:
    every = terms.begins is None and terms.ends is None
    if item.named and every and not item.token.lower().endswith(".der"):
        return None
    times = _gen_times(data, terms.context)
    if times is None:
        # A name that much else has, too; a token that was damaged is none of that.
        return None if item.named and not is_something_else(data) else uncounted(item)
    return None if not times or any(map(terms.has, times)) else PassedOver.OUTSIDE


def _gen_times(data: bytes, context: Context) -> list[int] | None:
    """Return the times in a token, or in those within a signature; None where there is no token at all."""
    taken = take_token(data)
    if isinstance(taken, Check):
        record = take_record(data)
        return None if record is None else evidence_times(record)
    facts = read_token(taken.octets)
    if not isinstance(facts, Check):
        return [facts.tst_info.gen_time.microseconds]
    enclosed = enclosed_tokens(taken.octets, context)
    found = [facts for each in enclosed if not isinstance(facts := read_token(each), Check)]
    return [facts.tst_info.gen_time.microseconds for facts in found] if enclosed else None


def uncounted(item: Item) -> PassedOver:
    """Return what a file is that is no token."""
    if item.stamped:
        return PassedOver.DATA
    if item.evidence:
        return PassedOver.EVIDENCE
    return PassedOver.PROOF if item.proof else PassedOver.OTHER


def _judge(asked: Question, data: bytes, terms: Terms) -> Report:
    proof = asked.proof
    try:
        common = _with_evidence(asked.evidence, terms.context)
    except OSError as error:
        return _unreadable(error, terms.context)
    context = common
    if asked.item.digest is not None:
        context = context.with_content(of_digest(asked.item.digest))
    elif asked.data is not None:
        context = context.with_content(asked.data.digest)
    try:
        return terms.judge(data, context, proof)
    except OSError as error:
        unread = {"error": _name(error)}
    # What does not deserve to pass without its data fails as it would have with them.
    try:
        report = terms.judge(data, common, proof)
    except OSError as error:
        return _unreadable(error, terms.context)
    check = IMPRINT.indeterminate(Reason.CONTENT_UNREADABLE, SubIndication.SIGNED_DATA_NOT_FOUND, **unread)
    return extend(report, (check,), ())


def _with_evidence(path: Path | None, context: Context) -> Context:
    if path is None:
        return context
    return replace(context, evidence=(read_regular(str(path), RECORD_LIMITS.size),))


def _unreadable(error: OSError, context: Context) -> Report:
    check = FORMAT.failed(Reason.FILE_UNREADABLE, SubIndication.FORMAT_FAILURE, error=_name(error))
    return make_report({}, context, (check,))


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO")
