"""One file of a batch: whether it counts, the judgement of it, and the line that says so."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias

from kokuin.trust.judge import make_report
from kokuin.trust.report import Check, Indication, Report, Status, SubIndication, extend
from kokuin.trust.rules import FORMAT, IMPRINT, Reason
from kokuin.trust.token import read_token
from kokuin.verify.batch_data import StampedData, state_of
from kokuin.verify.batch_items import read_regular
from kokuin.verify.batch_others import is_something_else
from kokuin.verify.beside import proof_beside
from kokuin.verify.content import of_digest
from kokuin.verify.enclosed import enclosed_tokens
from kokuin.verify.verifying import MAX_OCTETS, take_token
from kokuin.wire.pem import is_armoured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.trust.context import Context
    from kokuin.verify.batch_items import Item

_HEAD = 512
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
"""The content type of CMS SignedData, which stands near the front of every token and response."""
_DECIDING = {Indication.FAILED: Status.FAILED, Indication.INDETERMINATE: Status.INDETERMINATE}
_SHORT = 4_096
"""Characters of what a token says that a line shows at most: a serial number may have millions."""
_FINDINGS = 65_536
_JSON = json.JSONEncoder(separators=(",", ":"))
_SUBJECT = ("gen_time", "serial", "policy", "imprint_algorithm", "imprint")


class PassedOver(StrEnum):
    """Why a file has no line."""

    OUTSIDE = "outside"
    """A token whose genTime is not in the period."""
    DATA = "data"
    """What a token beside it was made for."""
    PROOF = "proof"
    """The proof of a token beside it, looked at with the token."""
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
    try:
        data = _read(item, terms.root)
    except OSError as error:
        if item.named:
            return _line(_Asked(item, terms.root), None, _unreadable(error, terms.context))
        data = None
    if data is None:
        return _uncounted(item)
    passed_over = _passed_over(item, data, terms)
    if passed_over is not None:
        return passed_over
    asked = _Asked(item, terms.root)
    return _line(asked, sha256(data).hexdigest(), _judge(asked, data, terms))


def pass_over(item: Item, terms: Terms) -> PassedOver | None:
    """Say whether a file has no line, without judging it."""
    try:
        data = _read(item, terms.root)
    except OSError:
        return None if item.named else _uncounted(item)
    return _uncounted(item) if data is None else _passed_over(item, data, terms)


def still_holds(line: dict[str, object], item: Item, root: Path) -> bool:
    """Say whether a line is about this file as it is now, and about the same data.

    The token's octets are compared. Data and proof are taken for unchanged while size and time are: of data
    there may be too much to be read again.
    """
    try:
        digest = sha256(read_regular(_path(root, item.token), MAX_OCTETS)).hexdigest()
    except OSError:
        digest = None
    now = {**_Asked(item, root).shown(), "sha256": digest}
    return all(line.get(name) == value for name, value in now.items())


class _Asked:
    """The question about one file: looked up once, since every look costs."""

    __slots__ = ("data", "item", "proof")

    def __init__(self, item: Item, root: Path) -> None:
        self.item = item
        self.proof = proof_beside(_path(root, item.token))
        self.data = None if item.data is None else StampedData(_path(root, item.data))

    def shown(self) -> dict[str, object]:
        """Return what a line says about the question: the same now and later when it is the same question."""
        item = self.item
        return {
            "token": item.token,
            "data": item.data,
            "data_state": None if self.data is None else self.data.state(),
            "proof_state": None if self.proof is None else state_of(self.proof),
            "digest": item.digest and item.digest.hex(),
            "expected": item.expected and item.expected.value,
        }


def _read(item: Item, root: Path) -> bytes | None:
    """Return a file's octets; None of one that no name calls a token and whose head is none's."""
    path = _path(root, item.token)
    if not item.named:
        head = read_regular(path, _HEAD)
        if not (head.startswith(b"\x30") and _SIGNED_DATA in head) and not is_armoured(head):
            return None
    return read_regular(path, MAX_OCTETS)


def _passed_over(item: Item, data: bytes, terms: Terms) -> PassedOver | None:
    every = terms.begins is None and terms.ends is None
    if item.named and every and not item.token.lower().endswith(".der"):
        return None
    times = _gen_times(data, terms.context)
    if times is None:
        # A name that much else has, too; a token that was damaged is none of that.
        return None if item.named and not is_something_else(data) else _uncounted(item)
    return None if not times or any(map(terms.has, times)) else PassedOver.OUTSIDE


def _gen_times(data: bytes, context: Context) -> list[int] | None:
    """Return the times in a token, or in those within a signature; None where there is no token at all."""
    taken = take_token(data)
    if isinstance(taken, Check):
        return None
    facts = read_token(taken.octets)
    if not isinstance(facts, Check):
        return [facts.tst_info.gen_time.microseconds]
    enclosed = enclosed_tokens(taken.octets, context)
    found = [facts for each in enclosed if not isinstance(facts := read_token(each), Check)]
    return [facts.tst_info.gen_time.microseconds for facts in found] if enclosed else None


def _uncounted(item: Item) -> PassedOver:
    if item.stamped:
        return PassedOver.DATA
    return PassedOver.PROOF if item.proof else PassedOver.OTHER


def _judge(asked: _Asked, data: bytes, terms: Terms) -> Report:
    proof, context = asked.proof, terms.context
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
        report = terms.judge(data, terms.context, proof)
    except OSError as error:
        return _unreadable(error, terms.context)
    check = IMPRINT.indeterminate(Reason.CONTENT_UNREADABLE, SubIndication.SIGNED_DATA_NOT_FOUND, **unread)
    return extend(report, (check,), ())


def _unreadable(error: OSError, context: Context) -> Report:
    check = FORMAT.failed(Reason.FILE_UNREADABLE, SubIndication.FORMAT_FAILURE, error=_name(error))
    return make_report({}, context, (check,))


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO")


def _line(asked: _Asked, digest: str | None, report: Report) -> bytes:
    parts = _parts(report)
    checks = [check for part in parts for check in part.checks]
    decided = next((check for check in checks if check.status is _DECIDING.get(report.indication)), None)
    signer = next((check.params.get("certificate") for check in checks if check.id == "signer"), None)
    subject = next((part.subject for part in parts if "gen_time" in part.subject), {})
    found = {
        **asked.shown(),
        "sha256": digest,
        "kind": report.kind,
        "indication": report.indication.value,
        "sub_indication": report.sub_indication and report.sub_indication.value,
        "check": decided and decided.id,
        "reason": decided and decided.reason,
        **{name: _short(subject.get(name)) for name in _SUBJECT},
        "signer": _short(signer),
        "verifiable_until": _until(report),
        "limits": [limit.value for limit in report.limits],
        "findings": _findings(checks),
    }
    return _JSON.encode(found).encode("ascii") + b"\n"


def _until(report: Report) -> dict[str, object] | None:
    end = report.verifiable_until
    if end is None:
        return None
    return {**end.to_dict(), "params": {name: _short(value) for name, value in end.params.items()}}


def _short(value: object) -> object:
    return value[:_SHORT] if isinstance(value, str) else value


def _findings(checks: list[Check]) -> list[dict[str, object]]:
    """Return what did not simply hold; of hostile tokens that would fill a book, without the particulars."""
    found = [check.to_dict() for check in checks if check.status not in {Status.OK, Status.NOT_DONE}]
    if found and len(json.dumps(found)) > _FINDINGS:
        found = [{**each, "params": {}} for each in found]
    return found


def _path(root: Path, name: str) -> str:
    """Return the path of a file: as `root / name` does, which takes ten times as long for every one."""
    return os.path.join(root, name)  # noqa: PTH118  # said above


def _parts(report: Report) -> tuple[Report, ...]:
    """Return the judgements in a report, those first that made it what it is."""
    if not report.parts:
        return (report,)
    deciding = sorted(report.parts, key=lambda part: part.indication is not report.indication)
    return (report, *(each for part in deciding for each in _parts(part)))
