"""Catalogues of ETSI TS 119 322 (JSON form, after RFC 5698) read as policies.

A catalogue is somebody else's table: every OID in it is checked against ours,
by its name too, because published catalogues have had wrong ones. An evaluation
that cannot be taken as it stands is refused with its place and never guessed
at; what is refused is then simply not in the policy.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.wire import strictjson
from pqc.catalogue_rows import Evaluation, rows_of
from pqc.catalogue_table import BY_NAME, BY_OID, Entry, Kind, plain_name
from pqc.policies import Policy, Suitability, Usage
from pqc.policy_rows import MAX_BITS, MAX_ROWS, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.wire.strictjson import JsonValue
    from pqc.catalogue_rows import Evaluated

MAX_OCTETS = 1 << 20
MAX_DEPTH = 12
MAX_ALGORITHMS = 500
MAX_EVALUATIONS = 64

ISSUE_URI = "http://uri.etsi.org/19322/sign_data"
VERIFY_URI = "http://uri.etsi.org/19322/sign_data/validate_data"
"""TS 119 322: usages that an evaluation may be limited to."""
_USAGES = {
    ISSUE_URI: Usage.ISSUE,
    f"{ISSUE_URI}/sign_timestamps": Usage.ISSUE,
    VERIFY_URI: Usage.VERIFY,
    f"{VERIFY_URI}/validate_timestamps": Usage.VERIFY,
}
_STATUS = {"R": Suitability.RECOMMENDED, "L": Suitability.LEGACY}
_LENGTHS = {
    Kind.RSA: frozenset({"moduluslength"}),
    Kind.ECDSA: frozenset({"plength", "qlength"}),
    Kind.CURVE: frozenset({"plength", "qlength"}),
}


class CatalogueError(ValueError):
    """The document is no catalogue, or nothing of it can be taken."""


class RefusalCode(StrEnum):
    """Why a part of a catalogue was not taken."""

    OID_UNKNOWN = "OID_UNKNOWN"
    """Our table does not have the OID."""
    OID_MISMATCH = "OID_MISMATCH"
    """Our table knows the name under another OID."""
    TWICE = "TWICE"
    """An algorithm that was evaluated before."""
    USAGE_UNKNOWN = "USAGE_UNKNOWN"
    """An evaluation for a usage that we do not judge."""
    PARAMETER_UNKNOWN = "PARAMETER_UNKNOWN"
    """An evaluation under a condition that we cannot check."""
    START_UNSUPPORTED = "START_UNSUPPORTED"
    """An evaluation that begins on a day: our rows only end."""
    MALFORMED = "MALFORMED"
    """A field is missing or of another type than TS 119 322 wants."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A part that was not taken: why, where (JSON Pointer, RFC 6901), and what it calls itself."""

    code: RefusalCode
    place: str
    name: str
    oid: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The policy made of a catalogue, and what of it was refused."""

    policy: Policy
    refused: tuple[Refused, ...]


class _RefusedError(Exception):
    """Ends the reading of one part."""

    def __init__(self, code: RefusalCode) -> None:
        super().__init__(code)
        self.code = code


def read_catalogue(name: str, octets: bytes) -> Imported:
    """Read a catalogue as the policy `name`.

    The day named as the end of a validity is the first on which the evaluation no longer holds: catalogues
    write 2029-01-01 for "until the end of 2028".

    Raises:
        CatalogueError: the document is no catalogue, or nothing of it can be taken.
    """
    try:
        document = strictjson.loads(octets, max_octets=MAX_OCTETS, max_depth=MAX_DEPTH)
        head = _object(_object(document)["SecuritySuitabilityPolicy"])
        title = _object(head["PolicyName"])
        edition = f"{title.get('ObjectIdentifier', '')} ({read_text(head['PolicyIssueDate'])[:10]})".strip()
        source = read_text(title["Name"])
        publisher = read_text(_object(head["Publisher"])["Name"])
        algorithms = _list(head["Algorithm"], MAX_ALGORITHMS)
        read_text(edition)
    except strictjson.JsonError as error:
        raise CatalogueError(str(error)) from None
    except _RefusedError:
        raise CatalogueError("an object or a list is missing, or a list is too long") from None
    except KeyError as error:
        raise CatalogueError(f"{error} is missing") from None
    except ValueError as error:
        raise CatalogueError(str(error)) from None
    evaluated: Evaluated = {}
    refused = [
        part
        for number, algorithm in enumerate(algorithms)
        for part in _read_algorithm(algorithm, f"/SecuritySuitabilityPolicy/Algorithm/{number}", evaluated)
    ]
    rows = tuple(rows_of(evaluated, source, edition))
    if not rows:
        raise CatalogueError("no algorithm of it is in our table")
    if len(rows) > MAX_ROWS:
        raise CatalogueError(f"it makes more than {MAX_ROWS} rows")
    return Imported(Policy(name, edition, publisher, rows), tuple(refused))


def _read_algorithm(value: JsonValue, place: str, evaluated: Evaluated) -> Iterator[Refused]:
    """Add the evaluations of one algorithm to `evaluated`; yield what was refused."""
    name = oid = ""
    try:
        algorithm = _object(value)
        identifier = _object(algorithm.get("AlgorithmIdentifier"))
        name, oid = _string(identifier.get("Name")), _string(identifier.get("ObjectIdentifier"))
        entry = _entry(name, oid, evaluated)
        evaluations = _list(algorithm.get("Evaluation"), MAX_EVALUATIONS)
    except _RefusedError as error:
        yield Refused(error.code, place, name, oid)
        return
    evaluated[entry] = []
    for number, evaluation in enumerate(evaluations):
        try:
            evaluated[entry].append(_read_evaluation(_object(evaluation), entry))
        except _RefusedError as error:
            yield Refused(error.code, f"{place}/Evaluation/{number}", name, oid)


def _entry(name: str, oid: str, evaluated: Evaluated) -> Entry:
    entry, named = BY_OID.get(oid), BY_NAME.get(plain_name(name))
    if named is not None and named is not entry:
        # An OID that belongs to nothing, or to something else, would move the dates of another algorithm.
        raise _RefusedError(RefusalCode.OID_MISMATCH)
    if entry is None:
        raise _RefusedError(RefusalCode.OID_UNKNOWN)
    if entry in evaluated:
        raise _RefusedError(RefusalCode.TWICE)
    return entry


def _read_evaluation(evaluation: dict[str, JsonValue], entry: Entry) -> Evaluation:
    uri, mark = evaluation.get("AlgorithmUsage"), evaluation.get("Recommendation")
    if uri is not None and uri not in _USAGES:
        raise _RefusedError(RefusalCode.USAGE_UNKNOWN)
    if mark is not None and mark not in _STATUS:
        raise _RefusedError(RefusalCode.MALFORMED)
    validity = _object(evaluation.get("Validity"))
    if "Start" in validity:
        raise _RefusedError(RefusalCode.START_UNSUPPORTED)
    until = None
    if "End" in validity:
        try:
            until = dt.date.fromisoformat(_string(validity["End"])) - dt.timedelta(days=1)
        except (ValueError, OverflowError):
            raise _RefusedError(RefusalCode.MALFORMED) from None
    least, most = _lengths(evaluation.get("Parameter", []), entry)
    status = Suitability.ALLOWED if mark is None else _STATUS[_string(mark)]
    return Evaluation(None if uri is None else _USAGES[_string(uri)], status, until, least, most)


def _lengths(parameters: JsonValue, entry: Entry) -> tuple[int, int]:
    least, most = 0, MAX_BITS
    for value in _list(parameters, MAX_EVALUATIONS, least=0):
        parameter = _object(value)
        if parameter.get("name") not in _LENGTHS.get(entry.kind, frozenset()) or parameter.keys() - {
            "name",
            "Min",
            "Max",
        }:
            raise _RefusedError(RefusalCode.PARAMETER_UNKNOWN)
        low, high = parameter.get("Min", 0), parameter.get("Max", MAX_BITS)
        if type(low) is not int or type(high) is not int or not 0 <= low <= high <= MAX_BITS:
            raise _RefusedError(RefusalCode.MALFORMED)
        least, most = max(least, low), min(most, high)
    return least, most


def _object(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise _RefusedError(RefusalCode.MALFORMED)
    return value


def _list(value: JsonValue, most: int, *, least: int = 1) -> list[JsonValue]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise _RefusedError(RefusalCode.MALFORMED)
    return value


def _string(value: JsonValue) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise _RefusedError(RefusalCode.MALFORMED)
    return value
