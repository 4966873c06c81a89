"""Payloads of JSON seals: in base64url, as they are, in canonical form; and what is unsigned, in clear."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from jwcrypto import jws  # type: ignore[import-untyped]

from eseal.jades_extend import extend
from eseal.jades_find import find
from eseal.jades_form import Serialization
from eseal.jades_payload import Attached, canonical_json
from eseal.jades_refusal import JadesRefusal, JadesRefusedError
from eseal.values import MAX_JSON, Found, Level, SealKey
from kokuin.trust.report import Indication, Status
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tests.eseal import pki
from tests.eseal.jades import DATA, header_of, judge, material, pack, reasons, resign, seal, unpack
from tests.eseal.test_jades_create import peer_key

EXAMPLE = rb"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
CANONICAL = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
).encode()
JCS = "http://json-canonicalization.org/algorithm"


# The payload


def test_the_example_of_rfc_8785_is_sealed_in_its_canonical_form() -> None:
    assert canonical_json(EXAMPLE) == CANONICAL
    assert canonical_json(CANONICAL) == CANONICAL
    sealed = seal(Attached(canonical_json(EXAMPLE)))
    assert unpack(sealed.split(b".")[1].decode()) == CANONICAL
    assert judge(sealed).indication is Indication.PASSED


@pytest.mark.parametrize(
    "octets",
    [
        b'{"a":1,"a":2}',
        b"{",
        b"",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"1e999",
        b'"\\ud800"',
        b"[" * 65 + b"]" * 65,
        b"9007199254740993",
        b'"\xff"',
    ],
)
def test_json_that_two_readers_read_differently_is_not_sealed(octets: bytes) -> None:
    with pytest.raises(JadesRefusedError) as refused:
        canonical_json(octets)
    assert refused.value.code is JadesRefusal.PAYLOAD
    with pytest.raises(JadesRefusedError) as refused:
        seal(Attached(octets, "application/vc+json"))
    assert refused.value.code is JadesRefusal.PAYLOAD


@pytest.mark.parametrize(
    ("content_type", "cty"),
    [("application/json", "json"), ("text/plain", "text/plain"), ("application/a/b", "application/a/b")],
)
def test_octets_of_any_type_are_sealed_and_typed(content_type: str, cty: str) -> None:
    sealed = seal(Attached(b"[1]", content_type))
    assert header_of(sealed)["cty"] == cty
    report = judge(sealed)
    assert report.indication is Indication.PASSED
    assert report.parts[0].subject["content_type"] == cty


def test_the_largest_document_is_sealed_and_read_and_a_larger_one_is_not() -> None:
    text = b'"' + b"a" * (MAX_JSON - 2) + b'"'
    assert judge(seal(Attached(text), level=Level.B_T)).indication is Indication.PASSED
    for octets, content_type in ((text + b" ", "application/json"), (text + b" ", "text/plain")):
        with pytest.raises(JadesRefusedError) as refused:
            seal(Attached(octets, content_type))
        assert refused.value.code is JadesRefusal.TOO_LARGE


@pytest.mark.parametrize("level", [Level.B_B, Level.B_LTA])
def test_a_payload_as_it_is_passes_with_every_character(level: Level) -> None:
    text = '{"name":"試験株式会社","points":"a.b.c","quote":"\\"","emoji":"🖋"}'.encode()
    sealed = seal(Attached(text, encoded=False), serialization=Serialization.FLATTENED, level=level)
    assert json.loads(sealed)["payload"].encode() == text
    assert header_of(sealed)["crit"] == ["b64"]
    assert judge(sealed).indication is Indication.PASSED
    peer = jws.JWS()
    peer.deserialize(sealed.decode(), peer_key(pki.P256))
    assert peer.payload.encode() == text
    changed = sealed.replace(b"a.b.c", b"a.b.d")
    assert reasons(judge(changed)) >= {"SIGNATURE_INVALID"}


def test_a_form_that_has_no_place_for_what_is_asked_is_refused() -> None:
    unencoded = Attached(b"{}", encoded=False)
    for payload, keys, more in (
        (unencoded, 1, {"serialization": Serialization.COMPACT}),
        (Attached(DATA), 2, {"serialization": Serialization.COMPACT}),
        (Attached(DATA), 2, {"serialization": Serialization.FLATTENED}),
        (Attached(DATA), 1, {"serialization": Serialization.COMPACT, "level": Level.B_T}),
        (Attached(DATA), 2, {}),
        (Attached(DATA), 17, {}),
    ):
        with pytest.raises(JadesRefusedError) as refused:
            seal(payload, *[pki.seal_key()] * keys, **more)
        assert refused.value.code in {JadesRefusal.SERIALIZATION, JadesRefusal.KEYS}


def test_a_payload_that_is_no_text_is_not_sealed_as_it_is() -> None:
    with pytest.raises(JadesRefusedError) as refused:
        seal(Attached(b"\xff", "text/plain", encoded=False), serialization=Serialization.GENERAL)
    assert refused.value.code is JadesRefusal.PAYLOAD


@pytest.mark.parametrize("suite_id", [pki.RSA, *pki.COMPOSITE])
def test_a_suite_that_seals_in_json_are_not_made_with_is_refused(suite_id: str) -> None:
    with pytest.raises(JadesRefusedError) as refused:
        seal(None, pki.seal_key(suite_id))
    assert refused.value.code is JadesRefusal.SUITE


def test_a_certificate_of_another_key_is_not_sealed_with() -> None:
    with pytest.raises(JadesRefusedError) as refused:
        seal(None, SealKey(pki.seal_key().signer, pki.seal_key(pki.P384).certificate))
    assert refused.value.code is JadesRefusal.CERTIFICATE


# The clear form of what is unsigned


def clear(level: Level = Level.B_LT) -> dict[str, Any]:
    """A seal whose unsigned part is in the clear form."""
    document = dict(json.loads(seal(level=level)))
    document["header"]["etsiU"] = [json.loads(unpack(each)) for each in document["header"]["etsiU"]]
    return document


def archived(document: dict[str, Any], canonical: str | None, entries: bytes) -> bytes:
    """The same with an archive time-stamp over entries in some form."""
    stamper = pki.seal_pki().stamper()
    head = (document[name].encode() for name in ("payload", "protected", "signature"))
    covered = b".".join((*head, entries))
    token = stamper.stamp(DIGEST_BY_NAME[stamper.digest].of(covered))
    stamp: dict[str, Any] = {"tstTokens": [{"val": base64.b64encode(token).decode()}]}
    if canonical is not None:
        stamp = {"canonAlg": canonical} | stamp
    document["header"]["etsiU"].append({"arcTst": stamp})
    return json.dumps(document, indent=1).encode()


def canonical_by_hand(document: dict[str, Any]) -> bytes:
    """RFC 8785 of entries that have no numbers, and names in ASCII alone."""
    return b"".join(
        json.dumps(each, sort_keys=True, separators=(",", ":")).encode()
        for each in document["header"]["etsiU"]
    )


def test_the_clear_form_under_an_archive_time_stamp_is_read_in_its_canonical_form() -> None:
    document = clear()
    sealed = archived(document, JCS, canonical_by_hand(document))
    report = judge(sealed)
    assert report.indication is Indication.PASSED
    assert report.parts[0].subject["level"] == "B-LTA"
    other = json.loads(sealed)
    other["header"]["etsiU"][1]["xVals"].pop()
    assert reasons(judge(json.dumps(other).encode())) >= {"STAMP_FAILED"}


@pytest.mark.parametrize("canonical", [None, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"])
def test_a_canonical_form_that_nobody_knows_proves_nothing(canonical: str | None) -> None:
    document = clear()
    report = judge(archived(document, canonical, canonical_by_hand(document)))
    weak = [check for check in report.parts[0].checks if check.reason == "CANONICALISATION_UNKNOWN"]
    assert [check.status for check in weak] == [Status.WEAK]
    assert report.parts[0].subject.get("level") != "B-LTA"


def test_a_clear_entry_of_too_many_values_is_not_written_canonically() -> None:
    document = clear()
    document["header"]["etsiU"].append({"other": [1] * 10_001})
    sealed = archived(document, JCS, canonical_by_hand(document))
    report = judge(sealed)
    assert report.parts[0].subject.get("level") != "B-LTA"
    assert "STAMP_COVERAGE_UNKNOWN" in {str(check.reason) for check in report.parts[0].checks}


def test_a_time_stamp_over_the_data_before_it_was_sealed_is_judged() -> None:
    stamper = pki.seal_pki().stamper()

    def stamped(data: bytes) -> bytes:
        token = stamper.stamp(DIGEST_BY_NAME[stamper.digest].of(pack(data).encode()))
        val = base64.b64encode(token).decode()
        return resign(
            seal(), pki.seal_key(), lambda header: header.update(adoTst={"tstTokens": [{"val": val}]})
        )

    found = find(stamped(DATA), None)
    assert isinstance(found, Found)
    assert [stamp.role.value for stamp in found.seals[0].stamps] == ["content"]
    assert judge(stamped(DATA)).indication is Indication.PASSED
    assert reasons(judge(stamped(b"other"))) >= {"STAMP_FAILED"}


def test_every_entry_of_a_seal_is_one_that_the_standard_names() -> None:
    sealed = extend(
        seal(level=Level.B_LTA), Level.B_LTA, stamper=pki.seal_pki().stamper(), material=material()
    )
    found = find(sealed, None)
    assert isinstance(found, Found)
    assert all(check.status is Status.OK for check in found.seals[0].before)
