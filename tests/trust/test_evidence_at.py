"""Evidence records judged for a time before they were renewed: what stood then, and nothing of later."""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.context import Context
from kokuin.trust.report import Limit, Status
from kokuin.wire.ers import (
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from tests.trust.evidences import (
    DATA,
    PQ,
    again,
    again_of_last,
    anew,
    first,
    judge,
    moment,
    trust,
    unit,
    us,
)

if TYPE_CHECKING:
    from kokuin.trust.evidenced import Evidenced
    from kokuin.trust.report import Check, Report

UNITS = ONE, TWO, THREE = unit(PQ, 2026), unit(PQ, 2034), unit(PQ, 2042)
DAY, SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)
TIMES = (moment(2027), moment(2031), moment(2035), moment(2043), moment(2044))
"""Of the first archive time-stamp, two renewals, a new hash tree, and a renewal in its chain."""


@functools.cache
def whole() -> bytes:
    record = again(again(first(ONE, TIMES[0], DATA), ONE, TIMES[1]), TWO, TIMES[2])
    return again(anew(record, THREE, TIMES[3], "sha3_512", DATA, alone=True), THREE, TIMES[4])


def cut(record: bytes, count: int) -> bytes:
    """Return what anybody can make of a record: its first archive time-stamps and no more."""
    read, left, chains = read_evidence_record(record), count, []
    for chain in read.chains:
        kept = [each.octets for each in chain.stamps[:left]]
        left -= len(kept)
        chains += [encode_chain(kept)] if kept else []
    return encode_evidence_record(read.digests, chains, crypto_infos=read.crypto_infos)


def then(record: bytes, at: dt.datetime, *objects: bytes) -> Evidenced:
    return judge(record, Context(us(at), trust(*UNITS)), *(objects or (DATA,)))


def later(report: Report) -> list[Check]:
    return [check for check in report.checks if check.reason == "EVIDENCE_STAMPS_LATER"]


OFTEN = tuple(moment(year) for year in range(2028, 2055, 3)) + tuple(each + DAY for each in TIMES)


@pytest.mark.parametrize("at", OFTEN)
def test_at_any_time_a_record_is_what_somebody_would_have_had_then(at: dt.datetime) -> None:
    record = whole()
    there = sum(each <= at for each in TIMES)
    found, own = then(record, at), then(cut(record, there), at)
    assert (found.report.indication, found.report.sub_indication) == (
        own.report.indication,
        own.report.sub_indication,
    )
    assert (found.proven, found.covers, found.known) == (own.proven, own.covers, own.known)
    assert found.report.parts == own.report.parts
    assert found.report.verifiable_until == own.report.verifiable_until
    said = [check for check in found.report.checks if check.status is not Status.NOT_DONE]
    assert said == list(own.report.checks)
    assert found.report.subject["later_time_stamps"] == len(TIMES) - there
    assert (Limit.EVIDENCE_STAMPS_LATER in found.report.limits) == (there < len(TIMES))
    assert found.report.indication == ("PASSED" if at < moment(2053) else "INDETERMINATE")


def test_how_many_were_not_looked_at_is_said() -> None:
    report = then(whole(), TIMES[1] + DAY).report
    (check,) = later(report)
    assert (check.id, check.status) == ("evidence-stamps", Status.NOT_DONE)
    assert check.params == {"count": 3, "stamp": 3, "gen_time": "2035-01-01T00:00:00Z"}
    named = ("chains", "archive_time_stamps", "later_time_stamps", "newest_time")
    assert [report.subject[name] for name in named] == [2, 5, 3, "2044-01-01T00:00:00Z"]
    assert not later(then(whole(), TIMES[4]).report)


def test_before_its_first_archive_time_stamp_a_record_proves_nothing() -> None:
    for record in (whole(), cut(whole(), 1)):
        found = then(record, TIMES[0] - DAY)
        assert (found.report.indication, found.proven, found.covers) == ("INDETERMINATE", None, (True,))
        assert found.report.sub_indication == "TIMESTAMP_ORDER_FAILURE"
        assert not later(found.report)


def test_a_renewal_that_was_missing_then_is_named_though_one_came_later() -> None:
    brief = unit(PQ, 2028, 400)
    record = again(first(brief, moment(2028, 2), DATA), TWO, TIMES[2])
    by = Context(us(moment(2030)), trust(brief, TWO))
    report = judge(record, by, DATA).report
    assert (report.indication, report.sub_indication) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")
    assert [check.reason for check in report.checks if check.id == "evidence-stamps"] == [
        "EVIDENCE_NOT_RENEWED",
        "EVIDENCE_STAMPS_LATER",
    ]


def test_an_archive_time_stamp_of_the_future_proves_nothing_for_what_it_covers() -> None:
    """Attack: a renewal dated ahead, so that what has ended seems to have been covered in time."""
    ended = then(again(first(ONE, TIMES[0], DATA), TWO, moment(2040)), moment(2038)).report
    assert (ended.indication, len(later(ended))) == ("INDETERMINATE", 1)


def test_a_slow_clock_leaves_nothing_out() -> None:
    """Sixty seconds, and the second of accuracy that the time-stamp itself claims."""
    record = cut(whole(), 2)
    assert not later(then(record, TIMES[1] - dt.timedelta(milliseconds=5)).report)
    assert not later(then(record, TIMES[1] - 61 * SECOND).report)
    (check,) = later(then(record, TIMES[1] - 61 * SECOND - dt.timedelta(microseconds=1)).report)
    assert check.params["count"] == 1


def test_what_stands_behind_one_of_the_future_is_left_out_with_it() -> None:
    """Attack: times that fall. The later one covers the one before it, so neither can be taken alone."""
    record = again(again(first(ONE, TIMES[0], DATA), TWO, TIMES[2]), ONE, TIMES[1])
    found = then(record, TIMES[1] + DAY)
    assert (found.report.indication, found.report.subject["later_time_stamps"]) == ("PASSED", 2)
    assert len(found.report.parts) == 1
    found = then(record, TIMES[2] + DAY)
    assert found.report.sub_indication == "TIMESTAMP_ORDER_FAILURE"
    chains = anew(
        again(first(ONE, TIMES[0], DATA), TWO, TIMES[2]), ONE, TIMES[1], "sha3_512", DATA, alone=True
    )
    assert len(then(chains, TIMES[1] + DAY).report.parts) == 1


def test_what_came_later_neither_helps_nor_harms() -> None:
    """Attack: a tail that leaves the data out, is another record's, or was damaged."""
    own, at = first(ONE, TIMES[0], DATA), TIMES[0] + DAY
    other = again(first(ONE, TIMES[0], b"other"), TWO, TIMES[2])
    tails = [
        read_evidence_record(
            anew(first(ONE, TIMES[0], b"other"), TWO, TIMES[2], "sha3_512", b"other", alone=True)
        ),
        read_evidence_record(other),
    ]
    for tail in tails:
        chains = [read_evidence_record(own).chains[0].octets, tail.chains[-1].octets]
        if len(tail.chains) == 1:
            stamps = [read_evidence_record(own).chains[0].stamps[0], tail.chains[0].stamps[1]]
            chains = [encode_chain([each.octets for each in stamps])]
        record = encode_evidence_record(tail.digests, chains)
        assert then(record, TIMES[2] + DAY).report.indication == "FAILED"
        assert then(record, at).report.indication == "PASSED"
        assert then(record, at, b"other").report.indication == "FAILED"
    renewed = again(own, TWO, TIMES[2])
    damaged = renewed[:-1] + bytes((renewed[-1] ^ 1,))
    assert [then(damaged, each).report.indication for each in (at, TIMES[2] + DAY)] == ["PASSED", "FAILED"]


def test_what_is_no_time_stamp_is_of_no_time() -> None:
    """Only a genTime that can be read puts an archive time-stamp behind the time of judging."""
    read = read_evidence_record(first(ONE, TIMES[0], DATA))
    stamps = [read.chains[0].stamps[0].octets, encode_archive_time_stamp(b"\x30\x00")]
    broken = encode_evidence_record(read.digests, [encode_chain(stamps)])
    assert then(broken, TIMES[0] + DAY).report.indication == "FAILED"


def test_a_chain_cut_in_its_middle_is_the_one_that_was_there() -> None:
    """Each covers the last time-stamp alone here, as §5.2 says and no further."""
    record = again_of_last(again_of_last(first(ONE, TIMES[0], DATA), ONE, TIMES[1]), TWO, TIMES[2])
    for count, at in ((1, TIMES[0] + DAY), (2, TIMES[1] + DAY), (3, TIMES[2] + DAY)):
        found = then(record, at)
        assert (found.report.indication, len(found.report.parts)) == ("PASSED", count)
        assert found.proven == us(TIMES[0])
