"""Time-stamp tokens inside another signature."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.enclosed import KIND, MAX_REVOCATION, MAX_TOKENS
from kokuin.verify.verifying import verify_bytes
from kokuin.wire import encode, oids
from kokuin.wire.tsp import read_timestamp_request
from tests.trust.forge import DAY, NOW, NOW_US, YEAR_US, order, pki, reasons, verdict
from tests.trust.revoking import Taken, crl
from tests.trust.test_token_attacks_request import NONCE, request
from tests.verify.enclosing import (
    ARCHIVE,
    CONTENT_TST,
    DOCUMENT,
    SIGNATURE,
    TST,
    Enclosing,
    token_over,
)
from tests.verify.test_any_bytes import mutate

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.trust.report import Report


def judge(signature: Enclosing | bytes, *, data: bytes | None = None, **changes: object) -> Report:
    octets = signature.make() if isinstance(signature, Enclosing) else signature
    content = None if data is None else of_octets(data)
    context = Context(NOW_US, pki().trust, content)
    return verify_bytes(octets, dataclasses.replace(context, **changes))  # type: ignore[arg-type]


def test_the_time_stamp_of_a_signature_passes_and_the_signature_is_said_to_be_open() -> None:
    report = judge(Enclosing())
    assert verdict(report) == ("PASSED", None)
    assert (report.kind, report.rule) == (KIND, "all-parts")
    assert "ENCLOSING_SIGNATURE_NOT_JUDGED" in report.limits
    assert "CONTENT_NOT_COMPARED" not in report.limits
    assert report.subject == {"content_type": oids.ID_DATA, "signers": 1, "time_stamps": [TST]}
    (part,) = report.parts
    assert (part.kind, part.subject["attribute"]) == ("timestamp-token", TST)
    assert {check.id: check.status for check in part.checks}["imprint"] == "ok"


def test_a_time_stamp_of_another_signature_fails() -> None:
    report = judge(Enclosing(unsigned=[(TST, token_over(b"another signature"))]))
    assert verdict(report) == ("FAILED", "HASH_FAILURE")
    assert reasons(report.parts[0])["imprint"] == "CONTENT_DIFFERS"


def test_a_signature_without_a_token_is_no_time_stamp() -> None:
    for signature in (Enclosing(unsigned=()), Enclosing(unsigned=[("1.2.840.113549.1.9.6", encode.NULL)])):
        report = judge(signature)
        assert verdict(report) == ("FAILED", "FORMAT_FAILURE")
        assert reasons(report) == {"content-type": "WRONG_CONTENT_TYPE"}


def test_every_token_must_pass() -> None:
    good, late = token_over(SIGNATURE), token_over(SIGNATURE, gen_us=NOW_US + YEAR_US)
    report = judge(Enclosing(unsigned=[(TST, good), (TST, late)]))
    assert [part.indication for part in report.parts] == ["PASSED", "FAILED"]
    assert verdict(report) == ("FAILED", "EXPIRED")


def test_what_is_no_token_in_the_place_of_one_fails() -> None:
    for wrong in (encode.NULL, encode.sequence(), encode.octet_string(token_over(SIGNATURE))):
        report = judge(Enclosing(unsigned=[(TST, wrong), (TST, token_over(SIGNATURE))]))
        assert verdict(report) == ("FAILED", "FORMAT_FAILURE")


def test_tokens_of_all_signers_are_judged() -> None:
    report = judge(Enclosing(signers=3))
    assert verdict(report) == ("PASSED", None)
    assert len(report.parts) == report.subject["signers"] == 3


def test_a_content_time_stamp_covers_the_content() -> None:
    for content, data in ((encode.octet_string(DOCUMENT), None), (None, DOCUMENT)):
        signature = Enclosing(signed=[(CONTENT_TST, token_over(DOCUMENT))], content=content, unsigned=())
        report = judge(signature, data=data)
        assert verdict(report) == ("PASSED", None)
        assert {check.id: check.status for check in report.parts[0].checks}["imprint"] == "ok"
    report = judge(Enclosing(signed=[(CONTENT_TST, token_over(b"other"))]))
    assert verdict(report) == ("FAILED", "HASH_FAILURE")


def test_a_content_time_stamp_over_content_that_is_elsewhere_is_judged_without_it() -> None:
    report = judge(Enclosing(signed=[(CONTENT_TST, token_over(DOCUMENT))], content=None, unsigned=()))
    assert verdict(report) == ("PASSED", None)
    assert "CONTENT_NOT_COMPARED" in report.limits


@pytest.mark.parametrize(
    "attribute",
    [
        ARCHIVE,
        oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V2,
        oids.ID_AA_ETS_ARCHIVE_TIMESTAMP,
        oids.ID_AA_ETS_ESC_TIME_STAMP,
        oids.ID_AA_ETS_CERT_CRL_TIMESTAMP,
    ],
)
def test_an_archive_time_stamp_is_judged_by_itself_and_said_to_be(attribute: str) -> None:
    report = judge(Enclosing(unsigned=[(attribute, token_over(b"all of it"))]))
    assert verdict(report) == ("PASSED", None)
    assert reasons(report.parts[0])["imprint"] == "COVERAGE_NOT_COMPUTED"
    assert "COVERAGE_NOT_COMPUTED" in report.limits
    assert "CONTENT_NOT_COMPARED" not in report.limits


def test_other_data_than_the_signature_covers_fails_though_its_time_stamp_is_right() -> None:
    for content in (encode.octet_string(DOCUMENT), None):
        signature = Enclosing(content=content)
        report = judge(signature, data=b"other")
        assert verdict(report) == ("FAILED", "HASH_FAILURE")
        assert reasons(report) == {"enclosed-content": "CONTENT_DIFFERS"}
    # What is inside and what is signed must both be the data.
    for data in (DOCUMENT, b"other"):
        report = judge(Enclosing(digest_of=b"other"), data=data)
        assert verdict(report) == ("FAILED", "HASH_FAILURE")


def test_a_value_stamped_long_ago_given_as_the_signature_over_data_of_today_joins_nothing() -> None:
    """Attack: any genuine token over any octets, those as the signature, and data to be dated back."""
    for content in (encode.octet_string(DOCUMENT), None):
        for unsigned in ((TST,), (ARCHIVE,), (TST, ARCHIVE)):
            tokens = [(attribute, token_over(SIGNATURE)) for attribute in unsigned]
            report = judge(Enclosing(content=content, unsigned=tokens), data=DOCUMENT)
            assert verdict(report) == ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")
            assert reasons(report) == {"enclosed-content": "CONTENT_NOT_JOINED"}
            assert {part.indication for part in report.parts} == {"PASSED"}
            assert verdict(judge(Enclosing(content=content, unsigned=tokens))) == ("PASSED", None)


def test_an_empty_content_time_stamp_joins_nothing() -> None:
    """Attack: the attribute alone, and a token of old beside it."""
    empty = encode.sequence(encode.oid(CONTENT_TST), encode.set_of())
    octets = Enclosing(signed=[(CONTENT_TST, b"")]).make()
    assert empty in octets
    assert reasons(judge(octets, data=DOCUMENT)) == {"enclosed-content": "CONTENT_NOT_JOINED"}


def test_data_is_hashed_once_for_any_number_of_signers() -> None:
    asked = []

    def content(algorithm: str) -> bytes:
        asked.append(algorithm)
        return of_octets(DOCUMENT)(algorithm)

    for enclosed in (encode.octet_string(DOCUMENT), None):
        report = judge(Enclosing(signers=900, content=enclosed), content=content)
        assert reasons(report)["enclosed-tokens"] == "TOO_MANY_TOKENS"
        assert [check.id for check in report.checks] == ["enclosed-tokens", "enclosed-content"]
    assert asked == ["sha256"] * 2


def test_content_of_another_type_than_octet_string_as_in_signed_programs() -> None:
    content = encode.sequence(encode.octet_string(DOCUMENT))
    signature = Enclosing(
        content=content,
        content_type="1.3.6.1.4.1.311.2.1.4",
        unsigned=[(oids.SPC_RFC3161, token_over(SIGNATURE))],
        digest_of=encode.octet_string(DOCUMENT),
    )
    report = judge(signature, data=encode.octet_string(DOCUMENT))
    assert reasons(report) == {"enclosed-content": "CONTENT_NOT_JOINED"}


def test_the_unit_s_certificate_may_be_among_those_of_the_signature_and_is_trusted_for_nothing() -> None:
    bare = [(TST, token_over(SIGNATURE, certificates=()))]
    assert verdict(judge(Enclosing(unsigned=bare))) == ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND")
    carried = [encode.sequence(encode.NULL), *pki().chain, pki().root.der]
    assert verdict(judge(Enclosing(unsigned=bare, certificates=carried))) == ("PASSED", None)
    report = judge(Enclosing(unsigned=bare, certificates=carried), trust=TrustStore())
    assert verdict(report) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")


def test_a_broken_token_is_not_saved_by_a_good_one_within_it() -> None:
    good = encode.sequence(encode.oid(TST), encode.set_of(token_over(SIGNATURE)))
    for broken in (
        order(unsigned=[good], tst_info=encode.NULL),
        order(unsigned=[good], flip_signature=True),
        order(unsigned=[good], signers=2),
    ):
        report = judge(broken.make())
        assert report.kind == "timestamp-token"
        assert report.indication == "FAILED"


def test_a_response_holds_a_token_and_no_signature_with_tokens() -> None:
    response = encode.sequence(encode.sequence(encode.integer(0)), Enclosing().make())
    assert verdict(judge(response)) == ("FAILED", "FORMAT_FAILURE")


def test_a_request_must_be_answered_by_every_token() -> None:
    asked = read_timestamp_request(request(SIGNATURE))
    signature = Enclosing(unsigned=[(TST, token_over(SIGNATURE, nonce=NONCE))])
    assert verdict(judge(signature, request=asked)) == ("PASSED", None)
    signature = Enclosing(unsigned=[(TST, token_over(SIGNATURE, nonce=NONCE)), (TST, token_over(SIGNATURE))])
    assert verdict(judge(signature, request=asked)) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")


def test_too_many_tokens_are_not_passed_over() -> None:
    tokens = [(TST, token_over(SIGNATURE))] * (MAX_TOKENS + 1)
    assert verdict(judge(Enclosing(unsigned=tokens[1:]))) == ("PASSED", None)
    report = judge(Enclosing(unsigned=tokens))
    assert verdict(report) == ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")
    assert reasons(report) == {"enclosed-tokens": "TOO_MANY_TOKENS"}
    assert len(report.parts) == MAX_TOKENS


def test_of_ten_thousand_tokens_no_more_are_judged() -> None:
    report = judge(Enclosing(unsigned=[(TST, encode.sequence(encode.NULL))] * 10_000))
    assert report.indication == "FAILED"
    assert len(report.parts) == MAX_TOKENS


@pytest.mark.parametrize("lang", LANGUAGES)
def test_people_are_told_of_each_token(lang: str) -> None:
    told = list(sentences(judge(Enclosing(signers=2)), lang))
    assert sum("id-aa-timeStampToken" in line for line in told) == 2
    assert any("2026-06-01T00:00:00Z" in line for line in told)


def test_the_command_judges_a_signature_and_asks_no_ledger_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signature.p7s").write_bytes(Enclosing().make())
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    (tmp_path / "bundle").write_bytes(b"")
    words = ("verify", "signature.p7s", "--trust", "root.pem", "--at", "2026-06-01T00:00:00Z", "--json")
    assert main([*words]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == KIND
    assert main([*words, "--require-ledger", "bundle"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["sub_indication"] == "NO_POE"
    assert report["checks"][-1]["reason"] == "LEDGER_TOKENS_ENCLOSED"


def test_changed_signatures_get_a_verdict_and_sentences() -> None:
    dice = random.Random(20_261_122)  # noqa: S311  # a seed, to see the same again
    tokens = [(TST, token_over(SIGNATURE)), (ARCHIVE, token_over(b"all of it"))]
    whole = Enclosing(unsigned=tokens, signed=[(CONTENT_TST, token_over(DOCUMENT))]).make()
    for _ in range(400):
        report = judge(mutate(whole, dice), data=DOCUMENT)
        assert (report.indication == "PASSED") == (report.sub_indication is None)
        assert all(list(sentences(report, lang)) for lang in LANGUAGES)


def test_of_a_flood_of_lists_in_a_signature_a_bounded_number_is_looked_at() -> None:
    """Attack: lists in the authority's name, each of which costs a signature to be told from a true one."""
    taken = crl(pki().authority, Taken(pki().unit, NOW - DAY))
    junk = [encode.sequence(encode.integer(number)) for number in range(MAX_REVOCATION)]
    for lists, found in ((junk[1:], "FAILED"), (junk, "PASSED")):
        assert judge(Enclosing(crls=[*lists, taken])).indication == found
