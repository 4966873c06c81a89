"""Tokens with one defect each: the verdict, and the reason that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.wire import encode, oids
from tests.mutators import Element, parse
from tests.trust.forge import UNIT, ess_v2, issue, judge, order, pki, verdict
from tests.verify.token_seeds import signed_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.report import Report

V1, V2 = oids.ID_AA_SIGNING_CERTIFICATE, oids.ID_AA_SIGNING_CERTIFICATE_V2
UNKNOWN = "1.3.6.1.4.1.32473.7"
FORMAT, CONSTRAINTS = ("FAILED", "FORMAT_FAILURE"), ("FAILED", "SIG_CONSTRAINTS_FAILURE")
CRYPTO = ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")


def changed(change: Callable[[list[Element]], None]) -> bytes:
    """Return a right token after a change to the fields of its SignedData."""
    found = parse(order().make())
    assert found is not None
    change(signed_data(found[0]))
    return found[0].encode()


def fields_of(element: Element) -> list[Element]:
    assert element.children is not None
    return element.children


def signer_of(fields: list[Element]) -> list[Element]:
    return fields_of(fields_of(fields[-1])[0])


def names(report: Report, check: str, reason: str) -> bool:
    return (check, reason) in {(each.id, each.reason) for each in report.checks}


def _without_signed_attributes(fields: list[Element]) -> None:
    del signer_of(fields)[3]


def _detached(fields: list[Element]) -> None:
    del fields_of(fields[2])[1]


def _content_twice(fields: list[Element]) -> None:
    content = fields_of(fields_of(fields[2])[1])
    content.append(content[0].clone())


def _without_certificates(fields: list[Element]) -> None:
    del fields[3]


def _unknown_digest(fields: list[Element]) -> None:
    signer_of(fields)[2] = Element(0x30, encode.oid(UNKNOWN))


def _no_signature(fields: list[Element]) -> None:
    signer_of(fields)[5].content = b""


def _signature_cut(fields: list[Element]) -> None:
    signer_of(fields)[5].content = signer_of(fields)[5].content[:-1]


def _signer_without_name(fields: list[Element]) -> None:
    signer_of(fields)[1] = Element(0x30, b"")


@pytest.mark.parametrize(
    ("change", "expected", "check", "reason"),
    [
        (_without_signed_attributes, FORMAT, "signed-content-type", "ATTRIBUTE_ABSENT"),
        (_without_signed_attributes, FORMAT, "message-digest", "ATTRIBUTE_ABSENT"),
        (_without_signed_attributes, FORMAT, "signer", "ATTRIBUTE_ABSENT"),
        (_detached, FORMAT, "content-type", "CONTENT_ABSENT"),
        (_content_twice, FORMAT, "format", "UNREADABLE"),
        (
            _without_certificates,
            ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND"),
            "signer",
            "CERTIFICATE_ABSENT",
        ),
        (_unknown_digest, CRYPTO, "message-digest", "DIGEST_UNKNOWN"),
        (_no_signature, ("FAILED", "SIG_CRYPTO_FAILURE"), "signature", "SIGNATURE_INVALID"),
        (_signature_cut, ("FAILED", "SIG_CRYPTO_FAILURE"), "signature", "SIGNATURE_INVALID"),
        (_signer_without_name, FORMAT, "format", "UNREADABLE"),
    ],
)
def test_a_structure_with_a_defect(
    change: Callable[[list[Element]], None], expected: tuple[str, str], check: str, reason: str
) -> None:
    report = judge(changed(change))
    assert verdict(report) == expected
    assert names(report, check, reason)


def _ess(algorithm: str) -> bytes:
    identifier = encode.sequence(encode.sequence(encode.oid(algorithm)), encode.octet_string(bytes(32)))
    return encode.sequence(encode.sequence(identifier))


@pytest.mark.parametrize(
    ("attributes", "expected", "reason"),
    [
        ({V2: None}, FORMAT, "ATTRIBUTE_ABSENT"),
        ({V2: encode.NULL}, FORMAT, "ATTRIBUTE_UNREADABLE"),
        ({V2: encode.sequence(encode.NULL)}, FORMAT, "ATTRIBUTE_UNREADABLE"),
        ({V1: encode.sequence()}, FORMAT, "ATTRIBUTE_UNREADABLE"),
        ({V2: ess_v2(b"no certificate")}, CONSTRAINTS, "CERTIFICATE_DIFFERS"),
        ({V2: _ess(UNKNOWN)}, CRYPTO, "DIGEST_UNKNOWN"),
        ({V2: _ess("1.2.840.113549.2.5")}, ("FAILED", "CRYPTO_CONSTRAINTS_FAILURE"), "DIGEST_REFUSED"),
    ],
)
def test_a_signing_certificate_attribute_with_a_defect(
    attributes: dict[str, bytes | None], expected: tuple[str, str], reason: str
) -> None:
    report = judge(order(attributes=attributes).make())
    assert verdict(report) == expected
    assert names(report, "signer", reason)


@pytest.mark.parametrize("first", [True, False])
def test_a_second_signer_beside_the_unit_is_not_passed_over(first: bool) -> None:  # noqa: FBT001  # a parameter of the test
    stranger = issue("Unit", None, UNIT)
    theirs = parse(order(signer=stranger, certificates=[stranger.der]).make())
    assert theirs is not None
    (other,) = fields_of(signed_data(theirs[0])[-1])

    def insert(fields: list[Element]) -> None:
        fields_of(fields[-1]).insert(0 if first else 1, other)

    report = judge(changed(insert))
    assert verdict(report) == FORMAT
    assert names(report, "signer-count", "NOT_ONE_SIGNER")


def test_what_nobody_signed_may_change_and_changes_no_statement() -> None:
    def grow(fields: list[Element]) -> None:
        fields[1].children = [*fields_of(fields[1]), Element(0x30, encode.oid(UNKNOWN))]
        fields.insert(4, Element(0xA1, b""))
        fields_of(fields[3]).append(Element(0xA1, b""))

    report = judge(changed(grow))
    assert verdict(report) == ("PASSED", None)
    assert report.subject == judge(order().make()).subject
    assert pki().unit.x509.serial_number == int(str(report.subject["unit_serial"]), 16)
