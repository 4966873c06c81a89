"""Foreign evidence records, good and broken, as the corpus describes them: each file and its verdict."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.evidence_tree import find_stamps
from kokuin.verify.content import of_digest, of_octets
from kokuin.verify.inspecting.inspection import inspect_octets
from kokuin.verify.verifying import take_record, verify_bytes
from kokuin.wire.cms import read_signed_data
from kokuin.wire.ers import read_evidence_record
from tests.peers import corpus
from tests.trust.forge import reasons, verdict

if TYPE_CHECKING:
    from kokuin.trust.evidence_tree import FoundStamp

NOW = time.time_ns() // 1_000
GOOD = (
    "tr-esor/ER_OK_INIT.ers",
    "tr-esor/ER_OK_CHAIN.ers",
    "dss/er-asn1-simple.ers",
    "dss/er-asn1-tst-renewal.ers",
)
BROKEN = (
    ("tr-esor/ER_NOK_INIT.ers", {"evidence-tree": "EVIDENCE_ROOT_DIFFERS"}),
    (
        "tr-esor/ER_NOK_CHAIN.ers",
        {"evidence-tree": "EVIDENCE_ROOT_DIFFERS", "evidence-chain": "EVIDENCE_GAP"},
    ),
    ("dss/er-asn1-simple-invalid.ers", {"evidence-tree": "EVIDENCE_ROOT_DIFFERS"}),
    (
        "dss/er-asn1-tst-renewal-invalid.ers",
        {"evidence-tree": "EVIDENCE_ROOT_DIFFERS", "evidence-chain": "EVIDENCE_GAP"},
    ),
)


def octets(name: str) -> bytes:
    return (corpus() / "evidence" / name).read_bytes()


def stamps(name: str) -> tuple[FoundStamp, ...]:
    record = take_record(octets(name))
    assert record is not None
    return find_stamps(read_evidence_record(record))


def then(name: str) -> Context:
    """By the authorities that the record carries, at the time of its newest time-stamp."""
    found = stamps(name)
    held = {der for each in found for der in read_signed_data(each.stamp.time_stamp).certificates}
    pinned = tuple(map(read_certificate, sorted(held)))
    newest = found[-1].gen_time
    assert newest is not None
    return Context(newest, TrustStore(pinned))


@pytest.mark.parametrize("name", GOOD)
def test_a_good_record_is_open_for_want_of_its_data_and_of_nothing_else(name: str) -> None:
    report = verify_bytes(octets(name), then(name))
    assert verdict(report) == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")
    assert reasons(report) == {"evidence-object": "CONTENT_NOT_GIVEN"}
    assert {part.indication.value for part in report.parts} == {"PASSED"}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_record_proves_what_its_first_list_holds(name: str) -> None:
    """The data is in no folder, but its hash is in the record: whoever has it would see this."""
    for listed in sorted(stamps(name)[0].listed):
        given = replace(then(name), content=of_digest(listed))
        report = verify_bytes(octets(name), given)
        assert verdict(report) == ("PASSED", None)
        assert report.subject["proven_time"] == report.subject["first_time"]
    other = verify_bytes(octets(name), replace(then(name), content=of_octets(b"of another record")))
    assert verdict(other) == ("FAILED", "HASH_FAILURE")
    assert reasons(other)["evidence-object"] == "EVIDENCE_OTHER_OBJECT"


@pytest.mark.parametrize("name", GOOD)
def test_today_nobody_vouches_for_a_record_of_then(name: str) -> None:
    given = Context(NOW, TrustStore(), lambda _: min(stamps(name)[0].listed))
    report = verify_bytes(octets(name), given)
    assert verdict(report) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
    assert reasons(report)["evidence-stamps"] == "EVIDENCE_STAMP_OPEN"


@pytest.mark.parametrize(("name", "named"), BROKEN)
def test_a_broken_record_fails_whoever_is_trusted_and_without_its_data(
    name: str, named: dict[str, str]
) -> None:
    for context in (then(name), Context(NOW, TrustStore())):
        report = verify_bytes(octets(name), context)
        assert verdict(report) == ("FAILED", "HASH_FAILURE")
        assert named.items() <= reasons(report).items()


@pytest.mark.parametrize("name", [*GOOD, *(name for name, _ in BROKEN)])
def test_every_field_of_a_record_is_shown(name: str) -> None:
    found = inspect_octets(octets(name))
    assert (found.kind.value, found.whole) == ("evidence-record", True)
