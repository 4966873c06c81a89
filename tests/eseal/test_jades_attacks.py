"""Attacks on JSON seals, named after what they try; every one is refused, and for its own reason."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest

from eseal.jades_critical import REQUIRED
from eseal.jades_find import find
from eseal.jades_form import Serialization
from eseal.jades_payload import Attached
from eseal.values import MAX_JWS, Found, Level, SealKey
from kokuin.cli.report_text import sentences
from kokuin.trust.report import Check, Ending, Indication, Limit, SubIndication
from tests.eseal import pki
from tests.eseal.jades import (
    DATA,
    header_of,
    judge,
    pack,
    reasons,
    resign,
    seal,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HYBRID = (pki.P256, "ml-dsa-65")


def flattened(payload: Attached) -> dict[str, Any]:
    return dict(json.loads(seal(payload, serialization=Serialization.FLATTENED)))


def find_all(sealed: bytes) -> Found:
    found = find(sealed, None)
    assert isinstance(found, Found)
    return found


def fails(sealed: bytes, reason: str) -> None:
    report = judge(sealed)
    assert report.indication is Indication.FAILED, report.to_json()
    assert reason in reasons(report)


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    """A seal whose owner signed another header."""
    return resign(seal(), pki.seal_key(), change)


def unsigned(change: Callable[[dict[str, Any]], None], level: Level = Level.B_LTA) -> bytes:
    """A seal whose JSON somebody changed."""
    document = json.loads(seal(level=level))
    change(document)
    return json.dumps(document).encode()


# The algorithm


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
def test_no_signature_at_all(alg: str) -> None:
    header = header_of(seal()) | {"alg": alg}
    protected, payload = pack(json.dumps(header).encode()), pack(DATA)
    fails(f"{protected}.{payload}.AA".encode(), "ALGORITHM_NOT_ALLOWED")
    document = {"payload": payload, "protected": protected, "signature": ""}
    assert isinstance(find(json.dumps(document).encode(), None), Check)


def test_a_mac_whose_key_is_the_public_key() -> None:
    header = header_of(seal()) | {"alg": "HS256"}
    signed = f"{pack(json.dumps(header).encode())}.{pack(DATA)}"
    value = hmac.digest(pki.seal_key().signer.public_key, signed.encode(), hashlib.sha256)
    fails(f"{signed}.{pack(value)}".encode(), "ALGORITHM_NOT_ALLOWED")


@pytest.mark.parametrize("alg", ["ES384", "ES512", "PS256", "RS256", "EdDSA", "ML-DSA-65"])
def test_an_algorithm_of_another_kind_of_key(alg: str) -> None:
    def other(header: dict[str, Any]) -> None:
        header["alg"] = alg

    fails(changed(other), "ALGORITHM_NOT_ALLOWED")


@pytest.mark.parametrize("alg", ["ES256K", "es256", "", "ML-DSA-65-ES256"])
def test_an_algorithm_that_nobody_knows_is_open(alg: str) -> None:
    def other(header: dict[str, Any]) -> None:
        header["alg"] = alg

    report = judge(changed(other))
    assert report.indication is Indication.INDETERMINATE
    assert report.sub_indication is SubIndication.CRYPTO_CONSTRAINTS_FAILURE


def test_a_signature_in_the_form_of_x509() -> None:
    sealed = seal()
    protected, payload, _ = sealed.split(b".")
    der = pki.seal_key().signer.sign(protected + b"." + payload)
    fails(b".".join((protected, payload, pack(der).encode())), "SIGNATURE_MALFORMED")


def test_numbers_of_an_ecdsa_signature_that_are_zero() -> None:
    protected, payload, _ = seal().split(b".")
    fails(b".".join((protected, payload, pack(bytes(64)).encode())), "SIGNATURE_INVALID")


# Keys from elsewhere


@pytest.mark.parametrize("name", ["jwk", "jku", "x5t"])
def test_a_key_that_comes_with_the_message(name: str) -> None:
    def add(header: dict[str, Any]) -> None:
        header[name] = {"kty": "EC"} if name == "jwk" else "https://attacker.example/key"

    fails(changed(add), "HEADER_WRONG")


def test_names_of_places_are_never_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)

    def add(header: dict[str, Any]) -> None:
        header["x5u"] = "https://example.org/chain.pem"
        header["kid"] = "somebody"

    assert judge(changed(add)).indication is Indication.PASSED


def test_an_unsigned_header_that_answers_for_the_signed_one() -> None:
    further: dict[str, Any] = {"alg": "ES256", "kid": "x", "x5c": [], "jwk": {}, "crit": ["b64"]}
    for one in further.items():
        fails(unsigned(functools.partial(_add_unsigned, dict([one]))), "SYNTAX")


def _add_unsigned(further: dict[str, Any], document: dict[str, Any]) -> None:
    document["header"].update(further)


# The certificate


def test_a_thumbprint_of_another_certificate() -> None:
    def other(header: dict[str, Any]) -> None:
        header["x5t#S256"] = pack(bytes(32))

    fails(changed(other), "BINDING_DIFFERS")


def test_another_certificate_of_the_same_key_shown_as_the_signers() -> None:
    made, key = pki.seal_pki(), pki.seal_key()
    twin = made.issue(key.signer.public_key, "another name")

    def other(header: dict[str, Any]) -> None:
        header["x5c"][0] = base64.b64encode(twin).decode()

    fails(changed(other), "BINDING_DIFFERS")


def test_the_signer_behind_another_certificate_in_the_chain() -> None:
    def turned(header: dict[str, Any]) -> None:
        header["x5c"].reverse()

    fails(changed(turned), "BINDING_DIFFERS")


@pytest.mark.parametrize("second", ["x5t#o", "sigX5ts"])
def test_two_thumbprints(second: str) -> None:
    def add(header: dict[str, Any]) -> None:
        one = {"digAlg": "S512", "digVal": pack(bytes(64))}
        header[second] = one if second == "x5t#o" else [one, one]

    fails(changed(add), "HEADER_WRONG")


def test_a_thumbprint_by_another_digest_binds_too() -> None:
    digest = hashlib.sha512(pki.seal_key().certificate).digest()

    def other(name: str) -> Callable[[dict[str, Any]], None]:
        def change(header: dict[str, Any]) -> None:
            del header["x5t#S256"]
            one = {"digAlg": "S512", "digVal": pack(digest)}
            header[name] = one if name == "x5t#o" else [one, {"digAlg": "S512", "digVal": "AA"}]

        return change

    for name in ("x5t#o", "sigX5ts"):
        assert judge(changed(other(name))).indication is Indication.PASSED


def test_no_certificate_is_named() -> None:
    def less(header: dict[str, Any]) -> None:
        del header["x5t#S256"], header["x5c"]

    report = judge(changed(less))
    assert report.indication is Indication.INDETERMINATE
    assert report.sub_indication is SubIndication.NO_SIGNING_CERTIFICATE_FOUND


def test_a_certificate_that_is_named_and_not_here() -> None:
    def less(header: dict[str, Any]) -> None:
        del header["x5c"]

    report = judge(changed(less))
    assert report.indication is Indication.INDETERMINATE
    assert reasons(report) == {"CERTIFICATE_ABSENT"}


def test_a_stranger_with_a_certificate_of_his_own() -> None:
    stranger = pki.seal_pki(pki.P384)
    report = judge(seal(None, stranger.seal_key()))
    assert report.indication is Indication.INDETERMINATE
    assert report.sub_indication is SubIndication.NO_CERTIFICATE_CHAIN_FOUND


# What must be understood


@pytest.mark.parametrize(
    ("critical", "reason"),
    [
        ([], "CRITICAL_WRONG"),
        (["alg"], "CRITICAL_WRONG"),
        (["x5c"], "CRITICAL_WRONG"),
        (["iat", "iat"], "CRITICAL_WRONG"),
        (["absent"], "CRITICAL_WRONG"),
        ([1], "CRITICAL_WRONG"),
        ("iat", "CRITICAL_WRONG"),
        (None, "CRITICAL_WRONG"),
        (["http://example.org/must"], "CRITICAL_UNKNOWN"),
    ],
)
def test_a_list_of_what_must_be_understood_that_is_wrong(critical: object, reason: str) -> None:
    def change(header: dict[str, Any]) -> None:
        header["crit"] = critical
        header["http://example.org/must"] = True

    fails(changed(change), reason)


def test_what_must_be_understood_and_is() -> None:
    def change(header: dict[str, Any]) -> None:
        header["crit"] = ["iat", "srCms", "etsiU"]

    assert judge(changed(change)).indication is Indication.PASSED


def test_an_unencoded_payload_that_need_not_be_understood() -> None:
    def change(header: dict[str, Any]) -> None:
        header["b64"] = False

    fails(changed(change), "CRITICAL_WRONG")


# Names twice, and texts of two meanings


def test_a_name_twice_in_the_signed_header() -> None:
    header = json.dumps(header_of(seal()))[:-1] + ',"alg":"ES256"}'
    sealed = b".".join((pack(header.encode()).encode(), *seal().split(b".")[1:]))
    fails(sealed, "DUPLICATE_NAME")


@pytest.mark.parametrize("name", ["payload", "protected", "signature", "header"])
def test_a_name_twice_in_the_document(name: str) -> None:
    text = seal(level=Level.B_T).decode()
    found = find((text[:-1] + f',"{name}":"AA"}}').encode(), None)
    assert isinstance(found, Check)
    assert found.reason == "DUPLICATE_NAME"


def test_both_forms_of_json_in_one_document() -> None:
    document = json.loads(seal(level=Level.B_T))
    document["signatures"] = [{"protected": document["protected"], "signature": document["signature"]}]
    assert isinstance(find(json.dumps(document).encode(), None), Check)


@pytest.mark.parametrize("name", ["protected", "payload", "signature"])
@pytest.mark.parametrize("form", ["{}=", "{}\n", " {}", "{}AAA=", "{}!"])
def test_base64url_in_another_form(name: str, form: str) -> None:
    document = json.loads(seal(serialization=Serialization.FLATTENED))
    document[name] = form.format(document[name])
    fails(json.dumps(document).encode(), "SYNTAX")


def test_bits_that_nobody_reads_at_the_end_of_a_signature() -> None:
    document = json.loads(seal(serialization=Serialization.FLATTENED))
    text = document["signature"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    document["signature"] = text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]
    assert base64.urlsafe_b64decode(document["signature"] + "==") == unpack(text)
    fails(json.dumps(document).encode(), "SYNTAX")


def test_one_payload_of_two_meanings() -> None:
    one = flattened(Attached(pack(DATA).encode(), "text/plain", encoded=False))
    other = flattened(Attached(DATA))
    assert one["payload"] == other["payload"]
    both = [{name: each[name] for name in ("protected", "signature")} for each in (one, other)]
    document = {"payload": one["payload"], "signatures": both}
    fails(json.dumps(document).encode(), "HEADER_WRONG")


def test_members_that_nobody_signed_are_named() -> None:
    report = judge(unsigned(lambda document: document.update(document="read me", more=1)))
    assert report.indication is Indication.PASSED
    (weak,) = [check for check in report.checks if check.reason == "MEMBER_IGNORED"]
    assert weak.params["what"] == "document, more"


# The time


def test_a_seal_that_its_signer_wanted_nobody_to_take_any_more() -> None:
    """Attack: it must be understood, so it is said to be, and nobody looks at it."""

    def ends(seconds: object, *, critical: bool = True) -> bytes:
        def change(header: dict[str, Any]) -> None:
            header["exp"] = seconds
            if critical:
                header["crit"] = [*header.get("crit", []), "exp"]

        return changed(change)

    now = pki.NOW_US // 1_000_000
    for critical in (True, False):
        report = judge(ends(now - 5, critical=critical))
        assert report.indication is Indication.INDETERMINATE
        assert "SEAL_ENDED" in reasons(report)
        later = judge(ends(now + 90_000, critical=critical))
        assert later.indication is Indication.PASSED
        assert later.verifiable_until is not None
        assert later.verifiable_until.time == (now + 90_000) * 1_000_000 - 1
        assert later.verifiable_until.cause is Ending.SEAL_ENDS
    for value in ("x", 1.5, -1, None, True):
        fails(ends(value), "HEADER_WRONG")


def test_two_claimed_times() -> None:
    fails(changed(lambda header: header.update(sigT="2026-01-01T00:00:00Z")), "HEADER_WRONG")


@pytest.mark.parametrize("value", [-1, 1.5, "1", True, None, 2**53 - 1, 1_713_785_785_446])
def test_a_claimed_time_that_is_none(value: object) -> None:
    fails(changed(lambda header: header.update(iat=value)), "HEADER_WRONG")


@pytest.mark.parametrize(
    "text", ["2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00+09:00", 5, "1969-12-31T23:59:59Z"]
)
def test_a_time_as_text_that_is_none(text: object) -> None:
    def change(header: dict[str, Any]) -> None:
        del header["iat"]
        header["sigT"] = text

    fails(changed(change), "HEADER_WRONG")


def test_a_time_as_earlier_editions_had_it_is_read() -> None:
    def change(header: dict[str, Any]) -> None:
        del header["iat"]
        header["sigT"] = "2025-01-01T00:00:00Z"

    report = judge(changed(change))
    assert report.indication is Indication.PASSED
    assert report.parts[0].subject["claimed_time"] == "2025-01-01T00:00:00Z"


# What is not signed


def test_entries_of_two_forms() -> None:
    def mix(document: dict[str, Any]) -> None:
        document["header"]["etsiU"][0] = json.loads(unpack(document["header"]["etsiU"][0]))

    fails(unsigned(mix), "UNSIGNED_MIXED")


@pytest.mark.parametrize(
    "value", [[], {}, "AA", None, ["AA"], ["e30"], [{}], [{"a": 1, "b": 2}], [1], [None]]
)
def test_entries_that_are_none(value: object) -> None:
    fails(unsigned(lambda document: document["header"].update(etsiU=value)), "SYNTAX")


def test_a_signature_time_stamp_of_another_seal() -> None:
    other = json.loads(seal(Attached(b'"other"'), level=Level.B_T))["header"]["etsiU"][0]

    def copy(document: dict[str, Any]) -> None:
        document["header"]["etsiU"][0] = other

    fails(unsigned(copy, Level.B_T), "STAMP_FAILED")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_entry_taken_from_below_an_archive_time_stamp(place: int) -> None:
    def take(document: dict[str, Any]) -> None:
        del document["header"]["etsiU"][place]

    fails(unsigned(take), "STAMP_FAILED")


def test_an_entry_put_below_an_archive_time_stamp() -> None:
    def put(document: dict[str, Any]) -> None:
        document["header"]["etsiU"].insert(1, pack(b'{"sigPSt":{"sigPolDoc":"AA=="}}'))

    fails(unsigned(put), "STAMP_FAILED")


def test_an_older_time_stamp_beside_the_archive_time_stamp_that_would_carry_it() -> None:
    """Two tokens of one container cover the same: neither shows that the other was there before it."""
    sealed = seal(level=Level.B_LTA)
    stamper = pki.seal_pki().stamper(at=pki.NOW - 900 * pki.DAY)
    (found,) = find_all(sealed).seals
    archive = found.stamps[-1]
    assert archive.content is not None
    dated_back = stamper.stamp(archive.content(stamper.digest))

    for place in (0, 1):
        document = json.loads(sealed)
        entries = document["header"]["etsiU"]
        element = json.loads(unpack(entries[-1]))
        element["arcTst"]["tstTokens"].insert(place, {"val": base64.b64encode(dated_back).decode()})
        entries[-1] = pack(json.dumps(element).encode())
        stamps = find_all(json.dumps(document).encode()).seals[0].stamps
        assert [each.content is None for each in stamps[-2:]] == [False, True]


def test_a_payload_changed_under_every_level() -> None:
    for level in Level:
        document = json.loads(seal(level=level, serialization=Serialization.FLATTENED))
        document["payload"] = pack(DATA.replace(b"1200.50", b"9200.50"))
        fails(json.dumps(document).encode(), "SIGNATURE_INVALID")


def test_a_counter_signature_is_named_among_what_was_not_judged() -> None:
    def put(document: dict[str, Any]) -> None:
        document["header"]["etsiU"].append(pack(b'{"cSig":"AA..AA"}'))

    report = judge(unsigned(put, Level.B_T))
    assert report.indication is Indication.PASSED
    assert Limit.COUNTER_SIGNATURES_NOT_JUDGED in report.parts[0].limits


def test_an_entry_that_nobody_knows_is_named() -> None:
    def put(document: dict[str, Any]) -> None:
        document["header"]["etsiU"].append(pack(b'{"other":1}'))

    report = judge(unsigned(put))
    assert report.indication is Indication.PASSED
    assert "UNSIGNED_UNKNOWN" in {str(check.reason) for check in report.parts[0].checks}


# Several signatures


def hybrid(level: Level = Level.B_B) -> dict[str, Any]:
    sealed = seal(None, *(pki.seal_key(each) for each in HYBRID), level=level)
    return dict(json.loads(sealed))


def test_each_half_names_both_and_both_pass() -> None:
    document = hybrid(Level.B_T)
    for place in (0, 1):
        named = header_of(json.dumps(document).encode(), place)[REQUIRED]
        assert [each["alg"] for each in named] == ["ES256", "ML-DSA-65"]
    report = judge(json.dumps(document).encode())
    assert report.indication is Indication.PASSED
    assert (report.subject["classical"], report.subject["post_quantum"]) == ("PASSED", "PASSED")


@pytest.mark.parametrize("kept", [0, 1])
@pytest.mark.parametrize("form", Serialization)
def test_a_half_that_was_taken_away(kept: int, form: Serialization) -> None:
    document = hybrid()
    one = document["signatures"][kept]
    stripped = {
        Serialization.GENERAL: {"payload": document["payload"], "signatures": [one]},
        Serialization.FLATTENED: {"payload": document["payload"], **one},
        Serialization.COMPACT: ".".join((one["protected"], document["payload"], one["signature"])),
    }[form]
    octets = stripped.encode() if isinstance(stripped, str) else json.dumps(stripped).encode()
    fails(octets, "REQUIRED_SEAL_ABSENT")


def test_a_half_that_is_missing_is_named_in_a_sentence() -> None:
    document = hybrid()
    document["signatures"].pop()
    said = "\n".join(sentences(judge(json.dumps(document).encode()), "en"))
    assert "ML-DSA-65" in said
    assert "['" not in said


def test_a_half_that_stands_in_twice_for_the_other() -> None:
    document = hybrid()
    document["signatures"][1] = document["signatures"][0]
    fails(json.dumps(document).encode(), "REQUIRED_SEAL_ABSENT")


def test_a_half_whose_signature_does_not_hold() -> None:
    document = hybrid()
    broken = bytearray(unpack(document["signatures"][1]["signature"]))
    broken[7] ^= 1
    document["signatures"][1]["signature"] = pack(bytes(broken))
    fails(json.dumps(document).encode(), "SIGNATURE_INVALID")


def test_a_half_of_another_key_than_was_named() -> None:
    document = hybrid()
    stranger = pki.seal_pki().issue(pki.seal_key("ml-dsa-65").signer.public_key, "another name")
    key = SealKey(pki.seal_key("ml-dsa-65").signer, stranger, pki.seal_pki().chain)
    alone = json.loads(seal(None, key, serialization=Serialization.GENERAL))
    document["signatures"][1] = alone["signatures"][0]
    fails(json.dumps(document).encode(), "REQUIRED_SEAL_ABSENT")


def test_a_third_signature_from_whom_the_others_do_not_know() -> None:
    document = hybrid()
    more = json.loads(seal(None, pki.seal_key(pki.ED25519), serialization=Serialization.GENERAL))
    document["signatures"] += more["signatures"]
    report = judge(json.dumps(document).encode())
    assert report.indication is Indication.PASSED
    assert len(report.parts) == 3


@pytest.mark.parametrize("value", [[], [{}], {}, [{"alg": "ES256"}], "ES256"])
def test_a_required_set_that_is_none(value: object) -> None:
    fails(changed(lambda header: header.update({REQUIRED: value})), "HEADER_WRONG")


# Size


def test_more_signatures_than_are_judged_are_never_passed() -> None:
    one = json.loads(seal(serialization=Serialization.GENERAL))
    many = {"payload": one["payload"], "signatures": one["signatures"] * 40}
    report = judge(json.dumps(many).encode())
    assert report.indication is not Indication.PASSED
    assert len(report.parts) <= 16


def test_documents_that_are_too_large_or_too_deep() -> None:
    for octets, reason in (
        (b"{" + b" " * MAX_JWS + b"}", "TOO_LARGE"),
        (b'{"payload":' + b"[" * 70 + b"]" * 70 + b"}", "TOO_DEEP"),
        (b'{"payload":' * 100_000, "TOO_DEEP"),
    ):
        found = find(octets, None)
        assert isinstance(found, Check)
        assert found.reason == reason


def test_more_time_stamps_than_are_judged() -> None:
    def many(document: dict[str, Any]) -> None:
        document["header"]["etsiU"] += [document["header"]["etsiU"][-1]] * 200

    found = find(unsigned(many), None)
    assert isinstance(found, Found)
    assert len(found.seals[0].stamps) == 33


def test_more_certificates_than_any_seal_has() -> None:
    def many(document: dict[str, Any]) -> None:
        entry = {"xVals": [{"x509Cert": {"val": "AAAA"}}] * 10_001}
        document["header"]["etsiU"].append(pack(json.dumps(entry).encode()))

    fails(unsigned(many), "SYNTAX")


def test_what_a_stranger_wrote_does_not_steer_a_terminal() -> None:
    def change(header: dict[str, Any]) -> None:
        header["cty"] = "\x1b[2Jtext"
        header["srCms"] = [{"commId": {"id": "a\u202eb" * 1000}}]

    report = judge(changed(change))
    assert "\x1b" not in str(report.parts[0].subject["content_type"])
    assert "\u202e" not in str(report.parts[0].subject["commitment"])
