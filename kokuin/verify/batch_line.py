"""The line of one file in the results of a batch: the question, and what came of it."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import TYPE_CHECKING

from kokuin.trust.report import Indication, Status
from kokuin.verify.batch_data import StampedData, state_of
from kokuin.verify.batch_items import read_regular
from kokuin.verify.beside import evidence_beside, proof_beside
from kokuin.verify.verifying import MAX_OCTETS

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.trust.report import Check, Report
    from kokuin.verify.batch_items import Item

_DECIDING = {Indication.FAILED: Status.FAILED, Indication.INDETERMINATE: Status.INDETERMINATE}
_SHORT = 4_096
"""Characters of what a token says that a line shows at most: a serial number may have millions."""
_FINDINGS = 65_536
_JSON = json.JSONEncoder(separators=(",", ":"))
_SUBJECT = ("gen_time", "serial", "policy", "imprint_algorithm", "imprint")


class Question:
    """The question about one file: looked up once, since every look costs."""

    __slots__ = ("data", "evidence", "item", "proof")

    def __init__(self, item: Item, root: Path) -> None:
        self.item = item
        self.proof = proof_beside(path_of(root, item.token))
        self.evidence = evidence_beside(path_of(root, item.token))
        self.data = None if item.data is None else StampedData(path_of(root, item.data))

    def shown(self) -> dict[str, object]:
        """Return what a line says about the question: the same now and later when it is the same question."""
        item = self.item
        return {
            "token": item.token,
            "data": item.data,
            "data_state": None if self.data is None else self.data.state(),
            "proof_state": None if self.proof is None else state_of(self.proof),
            "evidence_state": None if self.evidence is None else state_of(self.evidence),
            "digest": item.digest and item.digest.hex(),
            "expected": item.expected and item.expected.value,
        }


def still_holds(line: dict[str, object], item: Item, root: Path) -> bool:
    """Say whether a line is about this file as it is now, and about the same data.

    The token's octets are compared. Data and proof are taken for unchanged while size and time are: of data
    there may be too much to be read again.
    """
    try:
        digest = sha256(read_regular(path_of(root, item.token), MAX_OCTETS)).hexdigest()
    except OSError:
        digest = None
    now = {**Question(item, root).shown(), "sha256": digest}
    return all(line.get(name) == value for name, value in now.items())


def write_line(asked: Question, digest: str | None, report: Report) -> bytes:
    """Return the line, JSON in ASCII.

    Args:
        asked: about which file.
        digest: SHA-256 (hex) of its octets; None: it cannot be read.
        report: the judgement of it.
    """
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


def _parts(report: Report) -> tuple[Report, ...]:
    """Return the judgements in a report, those first that made it what it is."""
    if not report.parts:
        return (report,)
    deciding = sorted(report.parts, key=lambda part: part.indication is not report.indication)
    return (report, *(each for part in deciding for each in _parts(part)))


def path_of(root: Path, name: str) -> str:
    """Return the path of a file: as `root / name` does, which takes ten times as long for every one."""
    return os.path.join(root, name)  # noqa: PTH118  # said above
