"""A policy written as a catalogue of ETSI TS 119 322 (JSON form), for programs that read those.

The format knows no roles, no weak algorithms and nothing without an OID: what
it cannot say is named. What is not fit is not listed, which is how a catalogue
forbids.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pqc.catalogue import ISSUE_URI, VERIFY_URI
from pqc.catalogue_table import ENTRIES, Entry, Kind
from pqc.policies import Role, Subject, Suitability, Usage
from pqc.policy_rows import MAX_BITS
from pqc.subjects import HASH_ROLES, KEY_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pqc.policies import Policy, Row

_MARKS = {Suitability.RECOMMENDED: "R", Suitability.LEGACY: "L", Suitability.WEAK: "L"}
_URIS = {Usage.ISSUE: ISSUE_URI, Usage.VERIFY: VERIFY_URI}
_PUBLISHER = "kokuin"


@dataclass(frozen=True, slots=True)
class Exported:
    """The catalogue (JSON, UTF-8), and names of what the policy speaks of and the format cannot say."""

    octets: bytes
    left_out: tuple[str, ...]


def write_catalogue(policy: Policy, issued: dt.datetime) -> Exported:
    """Write `policy` as a catalogue.

    Args:
        policy: what to write.
        issued: its PolicyIssueDate, with a time zone.
    """
    written: list[dict[str, object]] = []
    left_out = {
        algorithm
        for row in policy.rows
        if row.subject.roles & KEY_ROLES
        for algorithm in row.subject.algorithms - {entry.algorithm for entry in ENTRIES}
    }
    for entry in ENTRIES:
        if not _expressible(policy, entry):
            left_out.add(entry.name)
            continue
        evaluations = list(_evaluations(policy, entry))
        if evaluations:
            identifier = {"Name": entry.name, "ObjectIdentifier": entry.oid}
            written.append({"AlgorithmIdentifier": identifier, "Evaluation": evaluations})
    document = {
        "SecuritySuitabilityPolicy": {
            "PolicyName": {"Name": f"{policy.name} {policy.edition}"},
            "Publisher": {"Name": _PUBLISHER},
            "PolicyIssueDate": issued.isoformat(timespec="seconds"),
            "Usage": policy.source,
            "Algorithm": written,
            "version": "1",
            "lang": "en-GB",
        }
    }
    octets = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    return Exported(octets, tuple(sorted(left_out)))


def _expressible(policy: Policy, entry: Entry) -> bool:
    """A hash or a KEM is judged alike in every role: the format has one place for it."""
    return all(
        len({_said(policy.spoken(subject, usage)) for subject in _subjects(entry)}) == 1 for usage in Usage
    )


def _said(rows: tuple[Row, ...]) -> tuple[tuple[Suitability, dt.date | None], ...]:
    return tuple((row.status, row.until) for row in rows if row.status.fit)


def _subjects(entry: Entry) -> list[Subject]:
    roles = {Kind.HASH: HASH_ROLES, Kind.KEM: KEY_ROLES}.get(entry.kind, frozenset({Role.SIGNATURE}))
    return [Subject(role, entry.algorithm, entry.key, entry.bits) for role in sorted(roles)]


def _evaluations(policy: Policy, entry: Entry) -> Iterator[dict[str, object]]:
    for usage in Usage:
        if entry.kind is Kind.RSA:
            yield from _of_rsa(policy, entry, usage)
        elif entry.kind is Kind.ECDSA:
            yield from _of_ecdsa(policy, usage)
        else:
            for status, until in _said(policy.spoken(_subjects(entry)[0], usage)):
                yield _evaluation(usage, status, until)


def _of_rsa(policy: Policy, entry: Entry, usage: Usage) -> Iterator[dict[str, object]]:
    """Yield an evaluation for each span of lengths between the bounds that any row has."""
    bounds = {0, MAX_BITS + 1}
    for row in policy.rows:
        bounds |= {row.subject.least, row.subject.most + 1}
    ordered = sorted(bounds)
    for least, above in itertools.pairwise(ordered):
        subject = Subject(Role.SIGNATURE, entry.algorithm, "", least)
        length: dict[str, object] = {"name": "moduluslength", "Min": least}
        if above <= MAX_BITS:
            length["Max"] = above - 1
        for status, until in _said(policy.spoken(subject, usage)):
            yield {**_evaluation(usage, status, until), "Parameter": [length]}


def _of_ecdsa(policy: Policy, usage: Usage) -> Iterator[dict[str, object]]:
    """ECDSA with a hash ends with the last of its curves; curves and hashes have entries of their own."""
    ends = [
        policy.last_fit(subject, usage) or dt.date.max
        for curve in ENTRIES
        if curve.kind is Kind.CURVE
        for subject in _subjects(curve)
        if _said(policy.spoken(subject, usage))
    ]
    if ends:
        last = max(ends)
        yield _evaluation(usage, Suitability.RECOMMENDED, None if last == dt.date.max else last)


def _evaluation(usage: Usage, status: Suitability, until: dt.date | None) -> dict[str, object]:
    # The end is the first day on which it no longer holds; `pqc.catalogue` reads it so.
    end = {} if until is None else {"End": str(until + dt.timedelta(days=1))}
    mark = {"Recommendation": _MARKS[status]} if status in _MARKS else {}
    return {"Validity": end, "AlgorithmUsage": _URIS[usage], **mark}
