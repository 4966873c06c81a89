"""What one record must hold, and the name of whatever it does not."""

from __future__ import annotations

from hashlib import sha256

import pytest

from kokuin.ledger import serials
from kokuin.ledger.findings import Finding, LedgerFault
from kokuin.ledger.leaf import leaf_hash, make_leaf
from kokuin.ledger.record_rules import RecordRules
from kokuin.ledger.serials import SerialWatch
from kokuin.trust.records import CLOCK_FIT, Record
from kokuin.wire import asn1, encode, oids
from kokuin.wire.der import Fields, expect, only_child, read_whole
from tests.ledger import issued_records


def codes(findings: list[Finding]) -> set[LedgerFault]:
    return {LedgerFault(finding.code) for finding in findings}


def judge(
    record: Record, token: bytes | None = None, certificates: list[bytes] | None = None
) -> set[LedgerFault]:
    leaf = make_leaf(record, 5)
    return codes(RecordRules(certificates).feed(0, leaf, token or record.token, leaf_hash(leaf)))


def with_unsigned_attribute(token: bytes) -> bytes:
    """Return the token with what archives add to its SignerInfo afterwards."""
    outer = Fields(read_whole(token, asn1.SEQUENCE))
    kind = outer.take_any().octets
    body = expect(only_child(outer.take(asn1.context(0))), asn1.SEQUENCE)
    parts = [body.data[body.content : body.end]]
    fields, last = Fields(body), b""
    while True:
        try:
            node = fields.take_any()
        except ValueError:
            break
        last = node.octets
    signer = read_whole(only_child(read_whole(last, asn1.SET)).octets, asn1.SEQUENCE)
    attribute = encode.sequence(encode.oid(oids.ID_DATA), encode.set_of(encode.NULL))
    longer = encode.tlv(asn1.SEQUENCE, signer.value + encode.tlv(asn1.context(1), attribute))
    content = parts[0].removesuffix(last) + encode.set_of(longer)
    return encode.sequence(kind, encode.explicit(0, encode.tlv(asn1.SEQUENCE, content)))


def test_records_as_the_service_writes_them_are_in_order() -> None:
    rules = RecordRules(issued_records.certificates())
    records = [issued_records.real_record(), issued_records.real_record(cert_req=True)]
    records += [issued_records.record(number) for number in range(20)]
    records.append(Record(CLOCK_FIT, {"reason": "resumed"}))
    for index, record in enumerate(records):
        assert not rules.feed(index, make_leaf(record, index), record.token)
    assert rules.second_look() is None


def test_a_token_to_which_evidence_was_added_is_the_one_that_was_issued() -> None:
    record = issued_records.real_record()
    assert record.token is not None
    longer = with_unsigned_attribute(record.token)
    assert len(longer) > len(record.token)
    assert not judge(record, longer, issued_records.certificates())


def test_every_flipped_octet_of_a_leaf_changes_its_hash() -> None:
    record = issued_records.record(1)
    leaf = make_leaf(record, 5)
    for at in range(len(leaf)):
        flipped = leaf[:at] + bytes([leaf[at] ^ 1]) + leaf[at + 1 :]
        assert LedgerFault.RECORD_CHANGED in codes(
            RecordRules().feed(0, flipped, record.token, leaf_hash(leaf))
        )


def test_every_flipped_octet_of_a_token_is_named() -> None:
    record = issued_records.record(1)
    assert record.token is not None
    leaf = make_leaf(record, 5)
    for at in range(len(record.token)):
        flipped = record.token[:at] + bytes([record.token[at] ^ 1]) + record.token[at + 1 :]
        assert codes(RecordRules().feed(0, leaf, flipped)) == {LedgerFault.TOKEN_CHANGED}


@pytest.mark.parametrize("cut", [0, 1, 10, 600])
def test_a_leaf_cut_short_is_no_leaf(cut: int) -> None:
    leaf = make_leaf(issued_records.record(1), 5)[:cut]
    assert codes(RecordRules().feed(0, leaf, None)) == {LedgerFault.RECORD_FORM}


def test_a_missing_token_is_named() -> None:
    record = issued_records.record(1)
    assert codes(RecordRules().feed(0, make_leaf(record, 5), None)) == {LedgerFault.TOKEN_MISSING}


def test_another_records_token_is_named() -> None:
    assert judge(issued_records.record(1), issued_records.record(2).token) == {LedgerFault.TOKEN_CHANGED}


def test_a_token_beside_a_leaf_that_names_none_is_named() -> None:
    fit = Record(CLOCK_FIT, {"reason": "resumed"})
    assert judge(fit, issued_records.record(1).token) == {LedgerFault.TOKEN_INSERTED}


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("tok", LedgerFault.TOKEN_CHANGED),
        ("tok512", LedgerFault.TOKEN_CHANGED),
        ("tst", LedgerFault.TST_INFO_CHANGED),
        ("tst512", LedgerFault.TST_INFO_CHANGED),
        ("signer", LedgerFault.SIGNER_ABSENT),
    ],
)
def test_a_leaf_that_lies_about_its_token_is_found(field: str, code: LedgerFault) -> None:
    record = issued_records.record(1)
    lie = record._replace(fields={**record.fields, field: sha256(b"lie").hexdigest()})
    assert judge(lie, certificates=issued_records.certificates()) == {code}


def test_a_leaf_that_names_another_units_certificate_is_found() -> None:
    record = issued_records.record(1)
    unit, root = issued_records.certificates()
    lie = record._replace(fields={**record.fields, "signer": sha256(root).hexdigest()})
    assert judge(lie, certificates=[unit, root]) == {LedgerFault.SIGNER_CHANGED}


def test_a_certificate_within_the_token_is_at_hand() -> None:
    assert not judge(issued_records.real_record(cert_req=True), certificates=[])
    assert judge(issued_records.real_record(), certificates=[]) == {LedgerFault.SIGNER_ABSENT}


def test_time_never_falls() -> None:
    rules = RecordRules()
    at = [5, 5, 6, 4, 5, 6]
    found = [
        codes(rules.feed(index, make_leaf(Record(CLOCK_FIT), moment), None))
        for index, moment in enumerate(at)
    ]
    wrong = {LedgerFault.RECORD_TIME}
    assert found == [set(), set(), set(), wrong, wrong, set()]


def test_equal_serials_are_suspected_and_found_by_a_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serials, "_RUN", 4)
    given = [f"{number % 23:x}" for number in range(24)]
    rules = RecordRules()
    for index, serial in enumerate(given):
        assert not rules.feed(index, make_leaf(Record(CLOCK_FIT, serial=serial), 1), None)
    look = rules.second_look()
    assert look is not None
    assert [look.first_of(serial, index) for index, serial in enumerate(given)] == [None] * 23 + [0]


def test_two_serials_of_one_prefix_are_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SerialWatch, "prefix", lambda _self, serial: len(serial))
    rules = RecordRules()
    for index, serial in enumerate(("aa", "bb")):
        rules.feed(index, make_leaf(Record(CLOCK_FIT, serial=serial), 1), None)
    look = rules.second_look()
    assert look is not None
    assert look.first_of("aa", 0) is look.first_of("bb", 1) is None
