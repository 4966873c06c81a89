from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger import leaf as leaf_module
from kokuin.ledger.leaf import MAX_LEAF, LeafError, LeafFault, leaf_hash, make_leaf, read_leaf
from kokuin.trust.records import CLOCK_UNFIT, TST_ISSUED, Record
from kokuin.wire.strictjson import INTEGER_LIMIT
from tsa.clock.verdict import ClockFault

AT = 1_763_700_000_000_000

# The octets are fixed for ever: what was hashed once must be made and read the same by every later release.
VECTORS: tuple[tuple[Record, bytes, str], ...] = (
    (
        Record("service.started", {}, self_caused=True),
        b'{"at":1763700000000000,"kind":"service.started","self":true,"v":1}',
        "d834bd3b7c87f9ec6649117af1312f5a7d9260b3ddbfacfee87b5ec23830d193",
    ),
    (
        Record(
            TST_ISSUED,
            {"acc": 1000000, "suites": ["ecdsa-p256", "sha256"], "twin": None, "profile": "classical"},
            serial="00ab",
            unit="u1",
            gen=1763699999999999,
        ),
        (
            b'{"acc":1000000,"at":1763700000000000,"gen":1763699999999999,"kind":"tst.issued","profile":"classical",'
            b'"self":false,"serial":"00ab","suites":["ecdsa-p256","sha256"],"twin":null,"unit":"u1","v":1}'
        ),
        "153f7d763a702b483d6c8f22d471e89f26944f8630211e61f90c5e19a6bf7d2d",
    ),
    (
        Record(CLOCK_UNFIT, {"reason": ClockFault.STEP, "clk_off": -2000000, "note": '刻印\n"\\\x1f\x7f/'}),
        (
            b'{"at":1763700000000000,"clk_off":-2000000,"kind":"clock.unfit",'
            b'"note":"\xe5\x88\xbb\xe5\x8d\xb0\\n\\"\\\\\\u001f\x7f/","reason":"CLOCK_STEP","self":false,"v":1}'
        ),
        "bcc7644d047f39efb3832f97db1138d0bf4c91b016cdd6bbf22538d10400ae1d",
    ),
)


@pytest.mark.parametrize(("record", "octets", "digest"), VECTORS)
def test_a_leaf_has_the_octets_it_always_had(record: Record, octets: bytes, digest: str) -> None:
    assert make_leaf(record, AT) == octets
    assert leaf_hash(octets).hex() == digest == sha256(b"\x00" + octets).hexdigest()
    assert read_leaf(octets) == json.loads(octets)


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_values = st.one_of(
    _texts, st.integers(-INTEGER_LIMIT, INTEGER_LIMIT), st.booleans(), st.none(), st.lists(_texts, max_size=4)
)


@given(st.dictionaries(st.from_regex(r"x[a-z0-9_]{0,8}", fullmatch=True), _values, max_size=8))
def test_what_is_written_is_read_back_and_is_what_the_standard_library_would_write(fields: Any) -> None:
    try:
        octets = make_leaf(Record("k", fields), AT)
    except LeafError as error:
        assert error.fault is LeafFault.VALUE  # noqa: PT017 - a text that is not NFC, which Hypothesis does find
        return
    leaf = {**fields, "v": 1, "kind": "k", "at": AT, "self": False}
    assert octets == json.dumps(leaf, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert read_leaf(octets) == leaf


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"a": 1.0}, LeafFault.VALUE),
        ({"a": float("nan")}, LeafFault.VALUE),
        ({"a": 2**53}, LeafFault.VALUE),
        ({"a": -(2**53)}, LeafFault.VALUE),
        ({"a": b"octets"}, LeafFault.VALUE),
        ({"a": {"b": 1}}, LeafFault.VALUE),
        ({"a": [1]}, LeafFault.VALUE),
        ({"a": [["b"]]}, LeafFault.VALUE),
        ({"a": ("b",)}, LeafFault.VALUE),
        ({"a": "\ud800"}, LeafFault.VALUE),
        ({"a": ["\udfff"]}, LeafFault.VALUE),
        ({"a": "e\u0301"}, LeafFault.VALUE),
        ({"a": ["e\u0301"]}, LeafFault.VALUE),
        ({"A": 1}, LeafFault.NAME),
        ({"": 1}, LeafFault.NAME),
        ({"刻": 1}, LeafFault.NAME),
        ({"v": 1}, LeafFault.NAME),
        ({"at": 1}, LeafFault.NAME),
        ({"kind": "k"}, LeafFault.NAME),
        ({"self": True}, LeafFault.NAME),
        ({"serial": "00"}, LeafFault.SERIAL),
        ({"a": "x" * MAX_LEAF}, LeafFault.TOO_LARGE),
    ],
)
def test_a_record_that_no_leaf_can_hold_is_refused(fields: Any, fault: LeafFault) -> None:
    with pytest.raises(LeafError) as refused:
        make_leaf(Record("k", fields), AT)
    assert refused.value.fault is fault


@pytest.mark.parametrize("serial", ["", "AB", "0x1", "00 ", "g0", "0" * 65])
def test_a_serial_that_is_not_lower_case_hex_is_refused(serial: str) -> None:
    with pytest.raises(LeafError) as refused:
        make_leaf(Record("k", serial=serial), AT)
    assert refused.value.fault is LeafFault.SERIAL


def test_a_record_whose_fields_name_another_serial_is_refused() -> None:
    assert b'"serial":"00"' in make_leaf(Record("k", {"serial": "00"}, serial="00"), AT)
    with pytest.raises(LeafError):
        make_leaf(Record("k", {"serial": "00"}, serial="01"), AT)


def test_the_longest_leaf_is_4096_octets() -> None:
    room = MAX_LEAF - len(make_leaf(Record("k", {"a": ""}), AT))
    assert len(make_leaf(Record("k", {"a": "x" * room}), AT)) == MAX_LEAF
    with pytest.raises(LeafError):
        make_leaf(Record("k", {"a": "x" * (room + 1)}), AT)


GOOD = b'{"at":1,"kind":"k","self":false,"v":1}'


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (b"", LeafFault.JSON),
        (GOOD[:-1], LeafFault.JSON),
        (GOOD + b"x", LeafFault.JSON),
        (b'{"at":1,"at":1,"kind":"k","v":1}', LeafFault.JSON),
        (b'{"at":1,"kind":"k","\\u0076":1,"v":1}', LeafFault.JSON),
        (b'{"a":1.0,"at":1,"kind":"k","v":1}', LeafFault.JSON),
        (b'{"a":1e3,"at":1,"kind":"k","v":1}', LeafFault.JSON),
        (b'{"a":NaN,"at":1,"kind":"k","v":1}', LeafFault.JSON),
        (b'{"a":9007199254740992,"at":1,"kind":"k","v":1}', LeafFault.JSON),
        (b'{"a":"\\ud800","at":1,"kind":"k","v":1}', LeafFault.JSON),
        (b'{"a":[[]],"at":1,"kind":"k","v":1}', LeafFault.JSON),
        (b"\xef\xbb\xbf" + GOOD, LeafFault.JSON),
        (b"[1]", LeafFault.FORM),
        (GOOD + b"\n", LeafFault.FORM),
        (b" " + GOOD, LeafFault.FORM),
        (b'{"at":1, "kind":"k","v":1}', LeafFault.FORM),
        (b'{"kind":"k","at":1,"v":1}', LeafFault.FORM),
        (b'{"at":1,"kind":"\\u006b","v":1}', LeafFault.FORM),
        (b'{"at":-0,"kind":"k","v":1}', LeafFault.FORM),
        (b'{"at":true,"kind":"k","v":1}', LeafFault.FORM),
        (b'{"at":1,"kind":1,"v":1}', LeafFault.FORM),
        (b'{"at":1,"v":1}', LeafFault.FORM),
        (b'{"at":1,"kind":"k"}', LeafFault.VERSION),
        (b'{"at":1,"kind":"k","v":2}', LeafFault.VERSION),
        (b'{"at":1,"kind":"k","v":true}', LeafFault.VERSION),
        (b'{"A":1,"at":1,"kind":"k","v":1}', LeafFault.NAME),
        (b'{"a":[1],"at":1,"kind":"k","v":1}', LeafFault.VALUE),
        (b'{"a":{},"at":1,"kind":"k","v":1}', LeafFault.VALUE),
        (b'{"a":"e\xcc\x81","at":1,"kind":"k","v":1}', LeafFault.VALUE),
        (GOOD[:-1] + b" " * MAX_LEAF + b"}", LeafFault.TOO_LARGE),
    ],
)
def test_the_reader_refuses_a_second_spelling(octets: bytes, fault: LeafFault) -> None:
    assert read_leaf(GOOD)["kind"] == "k"
    with pytest.raises(LeafError) as refused:
        read_leaf(octets)
    assert refused.value.fault is fault


_ODD = (
    b"1.0",
    b"1e3",
    b"-0",
    b"9007199254740992",
    b"true",
    b"null",
    b"{}",
    b"[1]",
    b'"\\u0041"',
    b'"\xc3\xa9"',
    b'"\\ud800"',
    b" ",
)


@given(st.data())
def test_the_fast_reader_reads_nothing_otherwise_than_the_strict_one(data: st.DataObject) -> None:
    _record, octets, _ = data.draw(st.sampled_from(VECTORS))
    assert read_leaf(octets) == leaf_module._read_any(octets)
    start = data.draw(st.integers(0, len(octets)))
    stop = data.draw(st.integers(start, min(len(octets), start + 20)))
    put = data.draw(
        st.one_of(st.binary(max_size=3), st.sampled_from(_ODD), st.just(octets[start:stop][::-1]))
    )
    changed = octets[:start] + put + octets[stop:]
    fast = leaf_module._read_good(changed)
    if fast is not None:
        assert fast == leaf_module._read_any(changed)


def test_the_fast_reader_reads_what_the_service_writes() -> None:
    assert [leaf_module._read_good(octets) is None for _, octets, _ in VECTORS] == [False, False, True]
