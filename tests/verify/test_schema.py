"""The published schema of a report: valid itself, complete, and strict enough to refuse what is none.

That every report is valid by it, the fixture of this folder holds for all of these tests.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli.main import main
from kokuin.trust.report import (
    Check,
    End,
    Ending,
    Existence,
    Indication,
    Limit,
    ProofOfExistence,
    Status,
    SubIndication,
    join,
)
from kokuin.trust.rules import Reason
from kokuin.verify.schema import report_schema
from tests.docs.markdown import read, tables
from tests.reportschema import validator
from tests.trust.forge import judge, order

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = json.loads(report_schema())


def whole() -> dict[str, Any]:
    """A report with everything in it, parts in parts too."""
    good, bad = judge(order().make()), judge(order(flip_signature=True).make())
    read: dict[str, Any] = json.loads(join((join((good, bad)), good)).to_json())
    proof = ProofOfExistence(Existence.LEDGER_WITNESSED, 1, {"by": "w", "size": 3})
    read["proofs_of_existence"] = [json.loads(json.dumps(proof.to_dict()))]
    return read


def test_the_schema_is_draft_2020_12_and_valid_itself() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator().validate(whole())


def test_every_field_that_is_written_is_described_and_every_described_one_is_written() -> None:
    report = judge(order().make())
    assert set(report.to_dict()) == set(SCHEMA["properties"]) == set(SCHEMA["required"])
    end = End(0, Ending.UNIT_EXPIRES).to_dict()
    assert set(end) == set(SCHEMA["$defs"]["end"]["properties"])
    failed = Check("a", "b", Status.FAILED, "C", SubIndication.NO_POE).to_dict()
    assert set(failed) == set(SCHEMA["$defs"]["check"]["properties"])
    proof = ProofOfExistence(Existence.LEDGER_STAMPED, 0).to_dict()
    assert set(proof) == set(SCHEMA["$defs"]["proof"]["properties"])


def test_every_code_that_there_is_may_be_said() -> None:
    properties = SCHEMA["properties"]
    assert {None, *SubIndication} <= set(properties["sub_indication"]["enum"])
    assert set(properties["indication"]["enum"]) == set(Indication)
    assert set(SCHEMA["$defs"]["check"]["properties"]["status"]["enum"]) == set(Status)
    code = validator().evolve(schema=SCHEMA["$defs"]["code"])
    for each in (*Limit, *Reason, *Ending, *Existence):
        code.validate(each.value)


def _set(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        place: Any = report
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def _drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        place: Any = report
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


DEEP = ("parts", 0, "parts", 1)
"""The failed part within a part."""


@pytest.mark.parametrize(
    "change",
    [
        _set("schema", value=2),
        _set("indication", value="VALID"),
        _set("indication", value="PASSED"),
        _set("sub_indication", value=None),
        _set("sub_indication", value="BECAUSE"),
        _set("rule", value="all-checks"),
        _set("validation_time", value="yesterday"),
        _set("validation_time", value=0),
        _set("limits", 0, value="in words"),
        _set("proofs_of_existence", 0, "time", value=None),
        _set("subject", "gen_time", value={"deeper": "than allowed"}),
        _set("policy", "rows", value=[]),
        _drop("policy", "edition"),
        _drop("verifiable_until"),
        _drop(*DEEP, "checks"),
        _set(*DEEP, "checks", value=[]),
        _set("kind", value="In words"),
        _set(*DEEP, "verifiable_until", value={"time": "2026-01-01T00:00:00Z", "cause": "X", "params": {}}),
        _set("parts", 1, "verifiable_until", "cause", value="then it expires"),
        _set(*DEEP, "rule", value="all-parts"),
        _set(*DEEP, "checks", 0, "status", value="failed"),
        _set(*DEEP, "checks", 0, "reason", value="NEEDLESS"),
        _drop(*DEEP, "checks", 0, "clause"),
        _set(*DEEP, "checks", 0, "clause", value=""),
        _set(*DEEP, "checks", 0, "sentence", value="in words"),
    ],
)
def test_what_is_no_report_is_refused_at_any_depth(change: Callable[[dict[str, Any]], None]) -> None:
    report = whole()
    change(report)
    assert not validator().is_valid(report)


def test_fields_that_come_later_change_nothing_for_old_readers() -> None:
    report = whole()
    report["later"] = report["parts"][0]["later"] = "a field of a later release"
    validator().validate(report)


def test_the_command_prints_the_schema_without_a_token(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--schema"])
    assert ended.value.code == 0
    assert capfdbinary.readouterr().out == report_schema()


def test_the_operators_are_told_of_every_end() -> None:
    told = {row[0] for table in tables(read("docs/operations.md")) for row in table.rows}
    assert {f"`{each.value}`" for each in Ending} <= told
