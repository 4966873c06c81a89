"""Whatever a JSON document holds, the outcome is a verdict; what is damaged never passes for another seal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eseal.jades_extend import extend
from eseal.jades_find import find
from eseal.jades_form import read_jws
from eseal.jades_refusal import JadesRefusedError
from eseal.judging import judge_document
from eseal.values import Found, Level
from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.report import Indication
from tests.eseal import pki
from tests.eseal.jades import DATA, compact, context, header_of, material, pack
from tests.eseal.json_mutator import JsonMutator
from tests.eseal.seeds import BESIDE, jades_seeds

if TYPE_CHECKING:
    from kokuin.wire.strictjson import JsonValue

ROUNDS = 400
SEED = 20_261_121
SEEDS = jades_seeds()


def signed_parts(data: bytes) -> set[tuple[str | None, str, str]]:
    """Payload, protected header and signature of every signature, as texts."""
    jws = read_jws(data)
    return {(jws.payload, each.protected, each.signature) for each in jws.signatures}


GENUINE = set().union(*(signed_parts(each) for each in SEEDS))


def check(data: bytes) -> None:
    found = find(data, BESIDE)
    if not isinstance(found, Found):
        assert found.sub_indication is not None
        return
    report = judge_document(found, context())
    assert (report.indication is Indication.PASSED) == (report.sub_indication is None)
    assert report.to_json().isascii()
    for lang in LANGUAGES:
        assert list(sentences(report, lang))
    if report.indication is Indication.PASSED:
        assert signed_parts(data) <= GENUINE


@pytest.mark.parametrize("part", range(4))
def test_a_damaged_seal_never_raises_and_never_passes_for_another(part: int) -> None:
    mutator = JsonMutator(SEEDS, SEED + part)
    for _ in range(ROUNDS):
        check(mutator.next())


def test_a_damaged_seal_is_extended_or_refused() -> None:
    mutator, stamper = JsonMutator(SEEDS, SEED - 1), pki.seal_pki().stamper()
    for _ in range(ROUNDS // 2):
        data = mutator.next()
        try:
            higher = extend(data, Level.B_LTA, content=BESIDE, stamper=stamper, material=material())
        except JadesRefusedError:
            continue
        check(higher)


VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PLACES = st.sampled_from(
    ["alg", "iat", "sigT", "cty", "crit", "b64", "x5c", "x5t#S256", "x5t#o", "sigX5ts", "srCms", "sigPId",
     "sigD", "adoTst", "kokuin-required", "sigPl", "exp"]
)  # fmt: skip


@given(name=PLACES, value=VALUES)
@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_signer_writes_into_a_header_is_judged(name: str, value: JsonValue) -> None:
    header = header_of(SEEDS[0]) | {name: value}
    check_signed(header)


@given(value=VALUES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_stands_unsigned_is_judged(value: JsonValue) -> None:
    document = json.loads(SEEDS[1])
    for etsi_u in (value, [value], [pack(json.dumps({"sigTst": value}).encode())], [{"arcTst": value}]):
        document["header"] = {"etsiU": etsi_u}
        check(json.dumps(document).encode())


@given(data=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_octets_are_judged(data: bytes) -> None:
    check(data)
    check(b'{"payload":"' + data)


def check_signed(header: dict[str, JsonValue]) -> None:
    sealed = compact(header, pack(DATA).encode(), pki.seal_key())
    found = find(sealed, None)
    assert isinstance(found, Found)
    report = judge_document(found, context())
    for lang in LANGUAGES:
        assert list(sentences(report, lang))
