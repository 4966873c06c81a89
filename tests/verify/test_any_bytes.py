"""Whatever the bytes are, the answer is a report."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.trust.report import Indication, Report
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import MAX_OCTETS, verify_bytes
from kokuin.wire import encode
from tests import peers
from tests.trust.forge import DATA, NOW_US, order, pki

ROUNDS = 1_500
SEED = 20_261_121


def judge(data: bytes) -> Report:
    return verify_bytes(data, Context(trust=pki().trust, at=NOW_US, content=of_octets(DATA)))


def response(token: bytes, status: int = 0) -> bytes:
    return encode.sequence(encode.sequence(encode.integer(status)), token)


def mutate(data: bytes, dice: random.Random) -> bytes:
    """Change, cut, repeat or insert some octets; lengths and tags are hit most by small files."""
    octets = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        at = dice.randrange(len(octets))
        action = dice.randrange(6)
        if action == 0:
            octets[at] ^= 1 << dice.randrange(8)
        elif action == 1:
            octets[at] = dice.choice((0x00, 0x01, 0x30, 0x7F, 0x80, 0x81, 0x84, 0xA0, 0xFF))
        elif action == 2:
            del octets[at : at + dice.randrange(1, 9)]
        elif action == 3:
            octets[at:at] = octets[at : at + dice.randrange(1, 33)]
        elif action == 4:
            octets[at:at] = dice.randbytes(dice.randrange(1, 5))
        else:
            del octets[at:]
        if not octets:
            return b""
    return bytes(octets)


def check(report: Report) -> None:
    """A report is complete: it has a reason when it does not pass, a JSON form and sentences."""
    assert (report.indication is Indication.PASSED) == (report.sub_indication is None)
    assert report.to_json().isascii()
    for lang in LANGUAGES:
        assert list(sentences(report, lang))


def test_changed_tokens_get_a_verdict_and_never_pass_with_another_statement() -> None:
    dice = random.Random(SEED)  # noqa: S311  # a seed, to see the same again
    token = order().make()
    right = judge(token)
    assert right.indication is Indication.PASSED
    for number in range(ROUNDS):
        report = judge(mutate(token if number % 2 else response(token), dice))
        check(report)
        if report.indication is Indication.PASSED:
            # Anybody may add attributes that are not signed.
            assert {**report.subject, "unsigned_attributes": []} == right.subject


def test_changed_foreign_tokens_get_a_verdict() -> None:
    dice = random.Random(SEED)  # noqa: S311  # a seed, to see the same again
    folder = peers.corpus()
    files = [file for kind in ("tokens", "malformed") for file in sorted((folder / kind).rglob("*.*"))]
    for _ in range(ROUNDS):
        octets = mutate(dice.choice(files).read_bytes(), dice)
        check(verify_bytes(octets, Context(trust=TrustStore(), at=NOW_US, content=of_octets(DATA))))


@given(st.binary(max_size=300))
def test_any_bytes_get_a_verdict(data: bytes) -> None:
    report = judge(data)
    assert (report.indication, report.sub_indication) == ("FAILED", "FORMAT_FAILURE")
    check(report)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"0",
        b"\x30\x00",
        b"\x30\x80" * 100_000,
        b"-----BEGIN PKCS7-----\n-----END PKCS7-----\n",
        b"-----BEGIN PKCS7-----\n" * 1_000,
        b"%PDF-1.7",
        encode.sequence(encode.integer(1)),
        encode.sequence(encode.sequence(encode.integer(0))),
        encode.sequence(encode.sequence(), encode.NULL),
        encode.sequence(encode.sequence(encode.integer(0)), encode.sequence()),
        bytes(MAX_OCTETS + 1),
    ],
    ids=range(12),
)
def test_what_is_no_token_is_a_format_failure(data: bytes) -> None:
    report = judge(data)
    assert (report.indication, report.sub_indication) == ("FAILED", "FORMAT_FAILURE")
    check(report)


def test_a_refusal_with_a_token_is_still_a_refusal() -> None:
    report = judge(response(order().make(), status=2))
    assert report.indication is Indication.FAILED
    assert [each.reason for each in report.checks] == ["REQUEST_REFUSED"]


def test_a_token_in_the_indefinite_form_is_the_same_token() -> None:
    token = order().make()
    inner = token[4:] if token[1] == 0x82 else token[3:]
    assert judge(b"\x30\x80" + inner + b"\x00\x00").indication is Indication.PASSED


def test_what_costs_most_ends_within_bounded_work() -> None:
    """Large tokens of many elements, many certificates and long names: none is looked at for long."""
    certificates = [pki().unit.der + bytes(1)] * 10 + [
        encode.sequence(encode.octet_string(bytes(200_000)))
    ] * 50
    many = order(certificates=[encode.sequence(*[encode.NULL] * 150_000)]).make()
    for data in (
        order(certificates=certificates).make(),
        many,
        order(sid=encode.sequence(encode.sequence(*[encode.set_of()] * 90_000), encode.integer(1))).make(),
    ):
        # Quadratic work on these sizes would run into the suite's time limit.
        check(judge(data))
