"""Reports held against the schema that is published with them."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.trust.report import Report
from kokuin.verify.schema import report_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHAPES: set[object] = set()
"""What was valid before is not validated again: thousands of tokens give reports of a few hundred shapes."""


@functools.cache
def validator() -> Any:
    """The schema, ready to validate; it is itself valid."""
    kind = importlib.import_module("jsonschema").Draft202012Validator
    schema = json.loads(report_schema())
    kind.check_schema(schema)
    return kind(schema)


def valid(report: Report) -> Report:
    """Return the report, whose JSON form is valid."""
    shape = _shape(report)
    if shape not in _SHAPES:
        validator().validate(json.loads(report.to_json()))
        _SHAPES.add(shape)
    return report


@contextlib.contextmanager
def all_valid() -> Iterator[None]:
    """At its end, every report that was made meanwhile is valid."""
    made: dict[object, Report] = {}
    begin = Report.__init__

    def noted(self: Report, *args: Any, **fields: Any) -> None:
        begin(self, *args, **fields)
        made.setdefault(_shape(self), self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Report, "__init__", noted)
        yield
    for report in made.values():
        valid(report)


def _shape(report: Report) -> object:
    checks = (
        (each.id, each.clause, each.status, each.reason, each.sub_indication, _types(each.params))
        for each in report.checks
    )
    proofs = ((each.code, _types(each.params)) for each in report.proofs_of_existence)
    end = report.verifiable_until
    return (
        (report.kind, report.rule, report.indication, report.sub_indication, report.policy is None),
        _types(report.subject),
        (tuple(checks), tuple(proofs), report.limits),
        end and (end.cause, _types(end.params)),
        tuple(_shape(part) for part in report.parts),
    )


def _types(params: Any) -> tuple[tuple[str, type], ...]:
    return tuple((name, type(value)) for name, value in params.items())
