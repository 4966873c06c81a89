from __future__ import annotations

from kokuin.ledger.leaf import make_leaf, read_leaf
from kokuin.ledger.refusals import MAX_KEYS, OTHER, WINDOW_US, RefusalCounter
from kokuin.trust.records import TST_REFUSED

NOW = 1_763_700_000_000_000


def test_a_flood_is_one_record_a_reason_and_minute() -> None:
    counter = RefusalCounter(TST_REFUSED, "profile")
    for number in range(10_000):
        counter.note("badAlg", "classical", NOW + number)
    counter.note("badRequest", "classical", NOW + 5, 7)
    assert counter.due(NOW + WINDOW_US - 1) == ()
    records = counter.due(NOW + WINDOW_US + 5)
    assert [record.kind for record in records] == [TST_REFUSED, TST_REFUSED]
    assert [dict(record.fields) for record in records] == [
        {"reason": "badAlg", "profile": "classical", "count": 10_000, "from": NOW, "to": NOW + 9_999},
        {"reason": "badRequest", "profile": "classical", "count": 7, "from": NOW + 5, "to": NOW + 5},
    ]
    assert read_leaf(make_leaf(records[0], NOW))["count"] == 10_000
    assert counter.due(NOW + 9 * WINDOW_US) == (), "an idle counter says nothing"


def test_distinct_reasons_are_bounded_and_none_is_lost() -> None:
    counter = RefusalCounter(TST_REFUSED, "profile")
    for number in range(5 * MAX_KEYS):
        counter.note(f"reason{number}", "classical", NOW)
    records = counter.drain()
    assert len(records) == MAX_KEYS + 1
    counts = {str(record.fields["reason"]): record.fields["count"] for record in records}
    assert counts.pop(OTHER) == 4 * MAX_KEYS
    assert set(counts.values()) == {1}


def test_a_clock_set_back_does_not_hold_a_count_for_ever() -> None:
    counter = RefusalCounter(TST_REFUSED, "profile")
    counter.note("badAlg", "classical", NOW)
    [record] = counter.due(NOW - 1)
    assert record.fields["count"] == 1
    assert counter.drain() == ()
