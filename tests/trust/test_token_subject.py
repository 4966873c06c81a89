"""What a report shows of a token beyond its verdict, and the weaknesses that change no verdict."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509

from kokuin.trust.report import iso_time
from kokuin.wire import encode, oids
from tests.trust.forge import (
    NOW_US,
    UNIT,
    attribute,
    issue,
    judge,
    order,
    pki,
    reasons,
    verdict,
)

QC_STATEMENT = "0.4.0.19422.1.1"
URI = "https://tsa.example/"


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    return encode.sequence(encode.oid(oid), encode.TRUE if critical else b"", encode.octet_string(value))


def _statements(*oids_: str) -> bytes:
    return encode.sequence(*(encode.sequence(encode.oid(oid)) for oid in oids_))


def test_the_unit_s_certificate_is_described() -> None:
    unit = pki().unit.x509
    subject = judge(order().make()).subject
    assert subject["unit"] == "CN=Unit, O=Test, C=JP"
    assert subject["unit_issuer"] == "CN=Authority, O=Test, C=JP"
    assert subject["unit_serial"] == f"{unit.serial_number:x}"
    assert subject["unit_not_before"] == f"{unit.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert subject["unit_not_after"] == f"{unit.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    assert subject["unit_sha256"] == hashlib.sha256(pki().unit.der).hexdigest()


def test_without_the_unit_s_certificate_its_fields_are_there_and_empty() -> None:
    known, unknown = judge(order().make()).subject, judge(order(certificates=()).make()).subject
    assert known.keys() == unknown.keys()
    assert not any(value for name, value in unknown.items() if name.startswith("unit"))


def test_statements_of_token_and_certificate_are_shown_as_claims() -> None:
    claims = x509.UnrecognizedExtension(
        x509.ObjectIdentifier(oids.ID_PE_QC_STATEMENTS), _statements("0.4.0.1862.1.1", "0.4.0.1862.1.6")
    )
    unit = issue("Unit with claims", pki().authority, (*UNIT, (claims, False)))
    token = order(signer=unit, certificates=[unit.der, pki().authority.der])
    token.tst_extensions = encode.explicit(
        1,
        _extension(oids.ID_PE_QC_STATEMENTS, _statements(QC_STATEMENT))
        + _extension("1.3.6.1.4.1.32473.9", b""),
    )
    report = judge(token.make())
    assert verdict(report) == ("PASSED", None)
    assert report.subject["qc_statements"] == [QC_STATEMENT]
    assert report.subject["extensions"] == [oids.ID_PE_QC_STATEMENTS, "1.3.6.1.4.1.32473.9"]
    assert report.subject["unit_qc_statements"] == ["0.4.0.1862.1.1", "0.4.0.1862.1.6"]
    assert "qualified" not in report.to_json().lower()


@pytest.mark.parametrize("value", [b"", encode.NULL, encode.sequence(encode.NULL), b"\x30\x80"])
def test_statements_that_cannot_be_read_are_none(value: bytes) -> None:
    extension = encode.explicit(1, _extension(oids.ID_PE_QC_STATEMENTS, value))
    report = judge(order(tst_extensions=extension).make())
    assert verdict(report) == ("PASSED", None)
    assert report.subject["qc_statements"] == []


def test_ordering_is_shown() -> None:
    assert judge(order().make()).subject["ordering"] is False
    report = judge(order(tst_extensions=encode.TRUE).make())
    assert verdict(report) == ("PASSED", None)
    assert report.subject["ordering"] is True


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, None), (61, None), (-61, None), (62, "DIFFERS"), (-62, "DIFFERS")]
)
def test_a_signing_time_beyond_accuracy_and_a_minute_is_named(seconds: int, expected: str | None) -> None:
    moment = NOW_US + seconds * 1_000_000
    report = judge(order(attributes={oids.ID_SIGNING_TIME: encode.generalized_time(moment)}).make())
    assert verdict(report) == ("PASSED", None)
    assert report.subject["signing_time"] == iso_time(moment)
    assert reasons(report).get("signing-time") == (expected and f"SIGNING_TIME_{expected}")


@pytest.mark.parametrize("value", [encode.NULL, encode.tlv(0x17, b"yesterday"), encode.sequence()])
def test_a_signing_time_that_cannot_be_read_is_named(value: bytes) -> None:
    report = judge(order(attributes={oids.ID_SIGNING_TIME: value}).make())
    assert verdict(report) == ("PASSED", None)
    assert report.subject["signing_time"] is None
    assert reasons(report)["signing-time"] == "ATTRIBUTE_UNREADABLE"


def _tsa(name: bytes) -> bytes:
    return encode.explicit(0, name)


def test_a_name_in_the_token_may_be_one_of_subject_alt_name() -> None:
    uri = encode.tlv(0x86, URI.encode())
    directory = encode.explicit(4, pki().root.certificate.subject)
    names = x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(URI), x509.DirectoryName(pki().root.x509.subject)]
    )
    unit = issue("Unit of many names", pki().authority, (*UNIT, (names, False)))
    for name, shown in ((uri, URI), (directory, "CN=Root, O=Test, C=JP")):
        token = order(signer=unit, certificates=[unit.der, pki().authority.der], tst_extensions=_tsa(name))
        report = judge(token.make())
        assert reasons(report).get("tsa-name") is None
        assert report.subject["tsa"] == shown
        report = judge(order(tst_extensions=_tsa(name)).make())
        assert verdict(report) == ("PASSED", None)
        assert reasons(report)["tsa-name"] == "NAME_DIFFERS"


@pytest.mark.parametrize(
    "name",
    [encode.tlv(0x86, b"\x1b[2J\xff"), encode.tlv(0x88, b"\x2a"), encode.tlv(0xA4, b""), encode.NULL],
    ids=["escape", "registered id", "empty", "no name"],
)
def test_a_hostile_name_is_shown_harmlessly_and_matches_nothing(name: bytes) -> None:
    report = judge(order(tst_extensions=_tsa(name)).make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["tsa-name"] == "NAME_DIFFERS"
    assert str(report.subject["tsa"]).isprintable()


def test_an_accuracy_with_a_part_of_zero_passes_as_weak() -> None:
    report = judge(order(accuracy=encode.sequence(encode.integer(1), b"\x80\x01\x00")).make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["tst-info"] == "ACCURACY_ZERO"
    assert report.subject["accuracy_us"] == 1_000_000


def test_a_signature_algorithm_in_the_place_of_the_digest_names_the_digest_in_it() -> None:
    report = judge(order(imprint_oid=oids.SHA1_WITH_RSA).make(), data=None)
    assert verdict(report) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")
    (check,) = [check for check in report.checks if check.id == "imprint-algorithm"]
    assert (check.reason, check.params["algorithm"]) == ("DIGEST_IS_SIGNATURE", "sha1")


def test_signed_and_unsigned_attributes_are_listed_and_bounded() -> None:
    unsigned = [attribute(f"1.3.6.1.4.1.32473.{number}", encode.NULL) for number in range(99)]
    report = judge(order(unsigned=unsigned).make())
    assert verdict(report) == ("PASSED", None)
    listed = report.subject["unsigned_attributes"]
    assert isinstance(listed, list)
    assert listed[:2] == ["1.3.6.1.4.1.32473.0", "1.3.6.1.4.1.32473.1"]
    assert len(listed) == 32
    assert oids.ID_AA_SIGNING_CERTIFICATE_V2 in report.subject["signed_attributes"]  # type: ignore[operator]
