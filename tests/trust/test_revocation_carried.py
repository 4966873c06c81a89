"""Revocation data and certificates that a token carries: each counts by its own signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import ocsp  # type: ignore[import-untyped]

from kokuin.trust import signed
from kokuin.trust.context import RevocationData
from kokuin.trust.ocsp_reader import MAX_RESPONDERS
from kokuin.trust.revocation_sources import MAX_CARRIED, carried_revocation
from kokuin.trust.token import TokenFacts, read_token
from kokuin.wire import encode
from pqc.verifying import SignatureVerdict, verify_signature
from tests.trust.forge import AUTHORITY, DAY, NOW, attribute, issue, order, pki
from tests.trust.revoking import Reason, Taken, answer, both_clear, checks, crl, judge, responder, said

if TYPE_CHECKING:
    from collections.abc import Callable

CERT_VALUES, REVOCATION_VALUES = "1.2.840.113549.1.9.16.2.23", "1.2.840.113549.1.9.16.2.24"
ADOBE = "1.2.840.113583.1.1.8"
OCSP_RESPONSE = "1.3.6.1.5.5.7.16.2"
REVOKED = Taken(pki().unit, NOW - DAY, Reason.key_compromise)


def values(lists: tuple[bytes, ...], answers: tuple[bytes, ...]) -> bytes:
    """RevocationValues (RFC 5126 §6.3.4) and RevocationInfoArchival have the same form."""
    held = [(0, lists), (1, answers)]
    return encode.sequence(
        *(encode.explicit(number, encode.sequence(*each)) for number, each in held if each)
    )


def basic(answer: bytes) -> bytes:
    """RevocationValues hold the BasicOCSPResponse alone."""
    octets: bytes = ocsp.OCSPResponse.load(answer)["response_bytes"]["response"].parsed.dump()
    return octets


def other_format(oid: str, value: bytes) -> bytes:
    """OtherRevocationInfoFormat (RFC 5652 §10.2.1), [1] IMPLICIT."""
    return b"\xa1" + encode.sequence(encode.oid(oid), value)[1:]


def in_crls(lists: tuple[bytes, ...], answers: tuple[bytes, ...]) -> bytes:
    return order(crls=[*lists, *(other_format(OCSP_RESPONSE, each) for each in answers)]).make()


def in_unsigned(lists: tuple[bytes, ...], answers: tuple[bytes, ...]) -> bytes:
    held = values(lists, tuple(map(basic, answers)))
    return order(unsigned=[attribute(REVOCATION_VALUES, held)]).make()


def in_signed(lists: tuple[bytes, ...], answers: tuple[bytes, ...]) -> bytes:
    return order(attributes={ADOBE: values(lists, answers)}).make()


PLACES = pytest.mark.parametrize("place", [in_crls, in_unsigned, in_signed])


@PLACES
def test_what_the_token_carries_clears_it(place: Callable[..., bytes]) -> None:
    report = judge(token=place((crl(pki().root),), (answer(pki().authority, pki().unit),)), required=True)
    assert said(report) == ("PASSED", None, None)
    assert [check.params["source"] for check in checks(report)] == ["ocsp", "crl"]
    assert said(judge(token=place(both_clear(), ()), required=True)) == ("PASSED", None, None)


@PLACES
def test_what_the_token_carries_revokes_it(place: Callable[..., bytes]) -> None:
    for held in (
        ((crl(pki().authority, REVOKED),), ()),
        ((), (answer(pki().authority, pki().unit, REVOKED),)),
    ):
        assert said(judge(token=place(*held))) == ("FAILED", "REVOKED", "REVOKED")


def test_a_clear_list_in_the_token_does_not_outweigh_a_revocation_that_the_verifier_has() -> None:
    """Attack: who holds a stolen key puts an older list into the token."""
    token = in_crls((crl(pki().authority), crl(pki().root)), ())
    assert said(judge(crl(pki().authority, REVOKED), token=token)) == ("FAILED", "REVOKED", "REVOKED")


JUNK = (
    order(crls=[b"\x30\x00", b"\xa1\x00", b"\xa1\x02\x30\x00", other_format(OCSP_RESPONSE, b"\x05\x00")]),
    order(crls=[other_format("1.3.6.1.5.5.7.16.4", encode.sequence())]),
    order(unsigned=[attribute(REVOCATION_VALUES, b"\x05\x00", encode.sequence(b"\xa0\x00", b"\xa1\x00"))]),
    order(unsigned=[attribute(REVOCATION_VALUES)]),
    order(unsigned=[attribute(CERT_VALUES, b"\x05\x00", encode.sequence(b"\x30\x00"))]),
    order(attributes={ADOBE: encode.sequence(b"\xa0\x02\x30\x00", b"\xa2\x00")}),
)


@pytest.mark.parametrize("each", JUNK)
def test_junk_where_revocation_data_may_stand_changes_nothing(each: object) -> None:
    token = each.make()  # type: ignore[attr-defined]
    report = judge(*both_clear(), token=token)
    assert report.indication.value == "PASSED"
    assert [check.status.value for check in checks(report)] == ["ok", "ok"]


def test_certificates_in_an_unsigned_attribute_complete_the_chain() -> None:
    held = encode.sequence(pki().authority.der)
    token = order(certificates=[pki().unit.der], unsigned=[attribute(CERT_VALUES, held)]).make()
    assert said(judge(token=token))[:2] == ("PASSED", None)
    assert said(judge(token=order(certificates=[pki().unit.der]).make()))[0] == "INDETERMINATE"


def test_of_a_flood_of_lists_a_bounded_number_is_looked_at() -> None:
    """Attack: each list in the authority's name costs a signature to verify."""
    flood = tuple(crl(pki().authority, this=NOW - DAY * number) for number in range(1, MAX_CARRIED + 5))
    facts = read_token(in_crls(flood, ()))
    assert isinstance(facts, TokenFacts)
    assert carried_revocation(facts) == RevocationData(flood[:MAX_CARRIED])


def test_a_flood_of_answers_costs_a_bounded_number_of_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: many answers, each with many genuine responders of one name, none of whom has signed it."""
    responders = [responder() for _ in range(MAX_RESPONDERS + 3)]
    stranger = responder(issue("Authority", None, AUTHORITY))
    flood = tuple(
        answer(pki().authority, pki().unit, this=NOW - DAY * number, responder=stranger, carried=responders)
        for number in range(1, MAX_CARRIED + 5)
    )
    spent = []

    def count(**arguments: Any) -> SignatureVerdict:
        spent.append(arguments["signature"])
        return verify_signature(**arguments)

    monkeypatch.setattr(signed, "verify_signature", count)
    assert said(judge(token=in_crls((), flood))) == ("PASSED", None, "REVOCATION_FOREIGN_SIGNER")
    assert len(spent) == MAX_CARRIED * MAX_RESPONDERS
