from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.wire.strictjson import INTEGER_LIMIT, JsonError, JsonFault, loads

MAX = 1 << 20


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b'{"a":1,"a":1}', JsonFault.DUPLICATE_NAME),
        (b'[{"b":{"a":1,"\\u0061":2}}]', JsonFault.DUPLICATE_NAME),
        (b"NaN", JsonFault.NOT_FINITE),
        (b"[Infinity]", JsonFault.NOT_FINITE),
        (b"-Infinity", JsonFault.NOT_FINITE),
        (b"1.0", JsonFault.FLOAT),
        (b"1e999", JsonFault.FLOAT),
        (b"-1E2", JsonFault.FLOAT),
        (b"9007199254740992", JsonFault.INTEGER_RANGE),
        (b"-9007199254740992", JsonFault.INTEGER_RANGE),
        (b"9" * 5000, JsonFault.INTEGER_RANGE),
        (b'"\\ud800"', JsonFault.SURROGATE),
        (b'{"\\uDFFF":1}', JsonFault.SURROGATE),
        (b'["\\udc00\\ud800"]', JsonFault.SURROGATE),
        (b'"\xed\xa0\x80"', JsonFault.ENCODING),
        (b'"\xff"', JsonFault.ENCODING),
        (b"\xff\xfe1\x00", JsonFault.ENCODING),
        (b"\xef\xbb\xbf1", JsonFault.BOM),
        (b"", JsonFault.SYNTAX),
        (b"[1,]", JsonFault.SYNTAX),
        (b"{'a':1}", JsonFault.SYNTAX),
        (b"01", JsonFault.SYNTAX),
        (b"1 2", JsonFault.SYNTAX),
        (b'"a\nb"', JsonFault.SYNTAX),
        (b'"\\', JsonFault.SYNTAX),
        (b"[" * 17 + b"]" * 17, JsonFault.TOO_DEEP),
        (b'{"a":' * 100_000, JsonFault.TOO_DEEP),
        (b'"' + b"a" * MAX, JsonFault.TOO_LARGE),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: bytes, fault: JsonFault) -> None:
    with pytest.raises(JsonError) as refused:
        loads(data, max_octets=MAX)
    assert refused.value.fault is fault


def test_floats_are_read_where_they_are_allowed_and_finite() -> None:
    assert loads(b"[1.5,-2e3]", max_octets=MAX, floats=True) == [1.5, -2000.0]
    for data in (b"1e999", b"-1e999"):
        with pytest.raises(JsonError) as refused:
            loads(data, max_octets=MAX, floats=True)
        assert refused.value.fault is JsonFault.NOT_FINITE


def test_brackets_in_strings_are_not_depth() -> None:
    data = json.dumps(["[" * 50, '"' + "{" * 50, "\\" + "]" * 50]).encode()
    assert loads(data, max_octets=MAX, max_depth=1) == json.loads(data)


def test_a_pair_of_surrogate_escapes_is_one_character() -> None:
    assert loads(b'"\\ud83d\\ude00"', max_octets=MAX) == "\U0001f600"


@pytest.mark.parametrize("data", [b'"' + b'\\"' * 500_000, b'"' * 1_000_000, b'"\\' * 500_000])
def test_unclosed_strings_cost_no_more_than_their_length(data: bytes) -> None:
    # Quadratic scanning of any of these would run into the suite's time limit.
    with pytest.raises(JsonError) as refused:
        loads(data, max_octets=MAX)
    assert refused.value.fault is JsonFault.SYNTAX


_json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_LIMIT, INTEGER_LIMIT)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab\U0001f600"), inner, max_size=4),
    max_leaves=10,
)


@given(_json, st.booleans())
def test_strict_json_is_read_as_the_standard_library_reads_it(value: Any, ascii_only: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert loads(data, max_octets=MAX, max_depth=32) == value


@given(st.binary(max_size=64))
def test_any_octets_end_in_a_value_or_in_the_one_error(data: bytes) -> None:
    try:
        value = loads(data, max_octets=64)
    except JsonError:
        return
    assert json.loads(data) == value
