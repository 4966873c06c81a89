"""Stolen keys, and those who help their thieves: what `--require-ledger` makes of their tokens."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from asn1crypto import cms as peer  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.witness_policy import read_policy
from kokuin.trust.judge import judge_token
from kokuin.trust.report import Report, join
from kokuin.verify.ledger_claim import LIMITS, Auditor, judge_claim
from kokuin.verify.ledger_search import TokenSearch
from kokuin.verify.ledger_sidecar import judge_proof
from kokuin.verify.ledger_vouching import MAX_STAMPS
from kokuin.wire import encode, oids
from tests.der import tlv
from tests.ledger.notes import log, verifier
from tests.unsigned import attribute, with_unsigned
from tests.verify import ledgers
from tests.verify.ledgers import NOW_US, SECOND, Ledger, at, genuine, issue, issued_leaf, other_leaf

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.verify.ledger_claim import BundleFacts
    from tsa.unit import IssuedToken

AUDITOR = Auditor(verifier(log()))
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
FORGED = issue(5.0, b"back-dated with the stolen key")
"""Signed with the unit's real key, outside the service: by itself it is as good as any."""


def claim(
    token: bytes, read: Callable[..., BundleFacts], auditor: Auditor | None = AUDITOR, at_s: int = 3600
) -> Report:
    return judge_claim(ledgers.sought(token), read, auditor, ledgers.context(at_s)).report


def verdict(report: Report) -> tuple[str, str | None, str | None]:
    """Return indication, sub-indication, and why."""
    reason = next((check.reason for check in report.checks if check.status not in {"ok", "weak"}), None)
    return report.indication, report.sub_indication, reason


NOT_ISSUED = ("FAILED", "SIG_CONSTRAINTS_FAILURE", "NOT_IN_LEDGER")
OPEN = ("INDETERMINATE", "NO_POE", "LEDGER_NOT_COVERED")


def test_the_forged_token_is_good_but_for_the_ledger() -> None:
    assert judge_token(FORGED.token, ledgers.context()).indication == "PASSED"


def test_a_token_that_the_service_issued_passes_with_the_nine_limits() -> None:
    report = claim(genuine()[at(0)].token, Ledger().read())
    assert verdict(report) == ("PASSED", None, None)
    assert report.subject["index"] == at(0)
    assert report.limits == LIMITS
    assert len(set(LIMITS)) == 9


def test_a_token_signed_with_the_stolen_key_fails_where_the_ledger_is_whole() -> None:
    report = claim(FORGED.token, Ledger().read())
    assert verdict(report) == NOT_ISSUED
    assert report.limits == ()


def test_the_run_may_begin_and_end_at_its_nearest_records_beyond_a_minute() -> None:
    """The bracket is genTime ± (one second of accuracy and 60 s); records stand at every 20 s."""
    assert verdict(claim(FORGED.token, Ledger().read(range(at(-60), at(80) + 1)))) == NOT_ISSUED
    assert verdict(claim(FORGED.token, Ledger().read(range(at(-40), at(80) + 1)))) == OPEN
    assert verdict(claim(FORGED.token, Ledger().read(range(at(-60), at(60) + 1)))) == OPEN


def test_what_is_to_be_fetched_is_named() -> None:
    report = claim(FORGED.token, Ledger().read(range(at(-40))))
    assert verdict(report) == OPEN
    assert report.checks[-1].params == {
        "start": "2026-05-31T23:59:04Z",
        "end": "2026-06-01T00:01:06Z",
        "fetch_from": "2026-06-01T00:00:04Z",
        "fetch_to": "2026-06-01T00:00:06Z",
    }


def test_one_record_withheld_just_there_leaves_it_open() -> None:
    """The withheld one may be the token's."""
    size = len(Ledger().leaves)
    shown = [index for index in range(size) if index != at(0)]
    assert verdict(claim(FORGED.token, Ledger().read(shown))) == OPEN
    elsewhere = [index for index in range(size) if index != at(-300)]
    assert verdict(claim(FORGED.token, Ledger().read(elsewhere))) == NOT_ISSUED


def test_a_bundle_of_other_times_alone_leaves_it_open() -> None:
    shown = [*range(at(-300), at(-200)), *range(at(200), at(300))]
    assert verdict(claim(FORGED.token, Ledger().read(shown))) == OPEN


def test_a_genuine_token_passes_also_from_a_bundle_with_holes() -> None:
    report = claim(genuine()[at(0)].token, Ledger().read([at(0)]))
    assert verdict(report) == ("PASSED", None, None)


def test_a_thiefs_own_ledger_does_not_help_him() -> None:
    own = Ledger([*Ledger().leaves, issued_leaf(FORGED)], log("thief.example/log"))
    report = claim(FORGED.token, own.read())
    assert verdict(report) == ("INDETERMINATE", "NO_POE", "LEDGER_BUNDLE_UNUSABLE")
    assert report.checks[0].params["code"] == "NOTE_ORIGIN_UNKNOWN"
    assert (report.limits, report.proofs_of_existence, report.subject) == ((), (), {})


def test_a_thiefs_own_ledger_under_the_authoritys_name_does_not_help_him() -> None:
    own = Ledger([*Ledger().leaves, issued_leaf(FORGED)], log(label="thief"))
    report = claim(FORGED.token, own.read())
    assert verdict(report) == ("INDETERMINATE", "NO_POE", "LEDGER_BUNDLE_UNUSABLE")
    assert report.checks[0].params["code"] == "NOTE_SIGNATURE_MISSING"


def test_a_bundle_that_does_not_check_says_nothing_though_it_shows_the_token() -> None:
    for token in (genuine()[at(0)].token, FORGED.token):
        report = claim(token, Ledger().read(fault="ROOT_DIFFERS"))
        assert verdict(report) == ("INDETERMINATE", "NO_POE", "LEDGER_BUNDLE_UNUSABLE")
        assert report.limits == ()


def test_without_keys_of_the_auditors_own_nothing_is_decided() -> None:
    def read(*_: object) -> BundleFacts:
        raise AssertionError("keys out of the bundle")

    report = claim(genuine()[at(0)].token, read, None)
    assert verdict(report) == ("INDETERMINATE", "NO_POE", "LEDGER_KEYS_ABSENT")


def test_a_token_with_the_serial_number_of_an_issued_one_is_told_from_it() -> None:
    """Attack: the thief takes a serial number that the ledger has, for whoever looks up only that."""
    leaf = issued_leaf(genuine()[at(0)]._replace(serial=FORGED.serial))
    leaves = Ledger().leaves
    leaves[at(0)] = leaf
    report = claim(FORGED.token, Ledger(leaves).read())
    assert verdict(report) == ("FAILED", "SIG_CONSTRAINTS_FAILURE", "LEDGER_SERIAL_TAKEN")
    assert report.checks[-1].params == {"index": at(0)}
    assert verdict(claim(FORGED.token, Ledger(leaves).read([at(0)]))) == OPEN


@pytest.mark.parametrize("name", ["tok", "tok512"])
def test_one_hash_alone_does_not_name_a_token(name: str) -> None:
    """Attack: a second token under one of the two hashes, once that one is broken."""
    leaves = Ledger().leaves
    leaves[at(0)] = issued_leaf(genuine()[at(0)], None, **{name: "0" * len(name)})
    assert verdict(claim(genuine()[at(0)].token, Ledger(leaves).read())) == (
        "FAILED",
        "SIG_CONSTRAINTS_FAILURE",
        "LEDGER_SERIAL_TAKEN",
    )


def test_attributes_that_were_added_later_do_not_hide_a_token() -> None:
    token = genuine()[at(0)].token
    evidence = attribute("1.2.840.113549.1.9.16.2.49", encode.sequence(encode.integer(1)))
    archive = attribute("0.4.0.1733.2.4", token)
    for added in ((evidence,), (evidence, archive)):
        report = claim(with_unsigned(token, *added), Ledger().read())
        assert verdict(report) == ("PASSED", None, None)


def test_attributes_do_not_make_a_token_another_one() -> None:
    """Attack: a genuine token as an attribute of the forged one."""
    carried = attribute("1.2.840.113549.1.9.16.2.14", genuine()[at(0)].token)
    assert verdict(claim(with_unsigned(FORGED.token, carried), Ledger().read())) == NOT_ISSUED


def reentered(token: bytes, at_s: float, **more: str | int) -> bytes:
    named = ledgers.sought(token)
    fields = {"tok": named.tok, "tok512": named.tok512, "old_origin": "log.example/kokuin/0", **more}
    return other_leaf("tst.reentered", at_s, old_index=7, **fields)


def named_by_content(issued: IssuedToken) -> bytes:
    """Return the leaf as the service makes it, with the hashes of the TSTInfo too."""
    tst, tst512 = hashlib.sha256(issued.tst_info), hashlib.sha512(issued.tst_info)
    return issued_leaf(issued, tst=tst.hexdigest(), tst512=tst512.hexdigest())


def with_certificates(token: bytes) -> bytes:
    """Add a certificate to the token as whoever keeps it may (RFC 5652 §5.1): no signature covers them."""
    signed = peer.ContentInfo.load(token)["content"]
    certificates = signed["certificates"].contents + ledgers.authority().certificate.der
    fields = [signed[name].dump() for name in ("version", "digest_algorithms", "encap_content_info")]
    body = tlv(0x30, *fields, tlv(0xA0, certificates), signed["signer_infos"].dump())
    return tlv(0x30, encode.oid(oids.ID_SIGNED_DATA), tlv(0xA0, body))


def signed_once_more(issued: IssuedToken) -> bytes:
    """Negate s of the ECDSA signature: another signature, by nobody who has the key."""
    info = peer.ContentInfo.load(issued.token)
    signer = info["content"]["signer_infos"][0]
    r, s = decode_dss_signature(signer["signature"].native)
    signer["signature"] = encode_dss_signature(r, P256_ORDER - s)
    changed: bytes = info.dump()
    return changed


@pytest.mark.parametrize(
    "change",
    [lambda each: with_certificates(each.token), signed_once_more],
    ids=["certificates", "signature"],
)
def test_a_genuine_token_in_another_form_is_not_accused(change: Callable[[IssuedToken], bytes]) -> None:
    """Attack on the authority: whoever has a token changes what no signature covers and calls it forged."""
    issued = genuine()[at(0)]
    leaves = Ledger().leaves
    leaves[at(0)] = named_by_content(issued)
    changed = change(issued)
    assert changed != issued.token
    assert judge_token(changed, ledgers.context()).indication == "PASSED"
    report = claim(changed, Ledger(leaves).read())
    assert verdict(report) == ("PASSED", None, None)
    check = report.checks[-1]
    assert (check.status, check.reason, check.params) == ("weak", "LEDGER_OTHER_FORM", {"index": at(0)})
    assert report.limits == LIMITS


@pytest.mark.parametrize("name", ["tst", "tst512"])
def test_one_hash_of_the_content_alone_does_not_name_a_token(name: str) -> None:
    issued = genuine()[at(0)]
    leaves = Ledger().leaves
    leaves[at(0)] = named_by_content(issued).replace(
        getattr(hashlib, {"tst": "sha256", "tst512": "sha512"}[name])(issued.tst_info).hexdigest().encode(),
        b"0" * {"tst": 64, "tst512": 128}[name],
    )
    report = claim(with_certificates(issued.token), Ledger(leaves).read())
    assert verdict(report) == ("FAILED", "SIG_CONSTRAINTS_FAILURE", "LEDGER_SERIAL_TAKEN")


def test_the_record_of_the_very_form_counts_more_than_one_of_its_content() -> None:
    """In whichever order they stand."""
    issued = genuine()[at(0)]
    changed = with_certificates(issued.token)
    again = reentered(changed, 700)
    report = claim(changed, Ledger([*Ledger().leaves[: at(0)], named_by_content(issued), again]).read())
    assert (report.checks[-1].reason, report.subject["index"]) == ("LEDGER_REENTERED", at(0) + 1)
    report = claim(changed, Ledger([*Ledger().leaves[: at(0)], again, named_by_content(issued)]).read())
    assert (report.checks[-1].reason, report.subject["index"]) == ("LEDGER_REENTERED", at(0))


def test_a_token_entered_again_after_a_recovery_passes_and_is_named_so() -> None:
    lost = issue(5.0, b"lost")
    report = claim(lost.token, Ledger([*Ledger().leaves, reentered(lost.token, 700)]).read())
    assert verdict(report) == ("PASSED", None, None)
    check = report.checks[-1]
    assert (check.status, check.reason) == ("weak", "LEDGER_REENTERED")
    assert check.params == {"index": 61, "old_origin": "log.example/kokuin/0", "old_index": 7}


def test_the_record_of_the_issue_counts_more_than_one_entered_again() -> None:
    token = genuine()[at(0)].token
    report = claim(token, Ledger([*Ledger().leaves, reentered(token, 700)]).read())
    assert (report.checks[-1].status, report.subject["index"]) == ("ok", at(0))


def test_leaves_of_other_kinds_enter_no_token() -> None:
    """Attack: somebody gets the hashes into a field of a record that anybody can cause."""
    named = ledgers.sought(FORGED.token)
    leaf = other_leaf("tst.refused", 700, tok=named.tok, tok512=named.tok512)
    assert verdict(claim(FORGED.token, Ledger([*Ledger().leaves, leaf]).read())) == NOT_ISSUED


@pytest.mark.parametrize(("kind", "why"), [("epoch.opened", "recovered"), ("backup.restored", "")])
def test_what_a_recovery_lost_is_not_held_against_a_token(kind: str, why: str) -> None:
    """The indexes have no hole there, the time has one."""
    leaves = Ledger().leaves
    cut = [*leaves[: at(-20)], other_leaf(kind, 30, why=why), *leaves[at(40) :]]
    assert verdict(claim(genuine()[at(0)].token, Ledger(cut).read())) == OPEN
    assert verdict(claim(issue(-305.0).token, Ledger(cut).read())) == NOT_ISSUED


@pytest.mark.parametrize("why", ["begun", "sealed"])
def test_a_planned_epoch_loses_nothing(why: str) -> None:
    leaves = Ledger().leaves
    leaves.insert(at(20), other_leaf("epoch.opened", 15, why=why))
    assert verdict(claim(FORGED.token, Ledger(leaves).read())) == NOT_ISSUED


def test_a_record_that_waited_for_its_commit_does_not_begin_the_run() -> None:
    """It was signed long before, but stands behind records that are withheld."""
    waiting = issued_leaf(issue(-100.0), at_s=10)
    leaves = [*Ledger().leaves[: at(20)], waiting, *Ledger().leaves[at(20) :]]
    shown = range(at(20), len(leaves))
    assert verdict(claim(genuine()[at(0)].token, Ledger(leaves).read(shown))) == OPEN


def test_a_run_that_begins_with_the_log_needs_no_record_before() -> None:
    first = Ledger(Ledger().leaves[at(0) :])
    assert verdict(claim(FORGED.token, first.read())) == NOT_ISSUED
    without_the_first = range(1, len(first.leaves))
    assert verdict(claim(FORGED.token, first.read(without_the_first))) == OPEN


WITNESSES = read_policy(ledgers.policy(2, "w1", "w2", "w3"))
WITNESSED = Auditor(verifier(log()), WITNESSES)


def cosigned(*names: str, at_s: int = 700) -> Callable[[bytes], bytes]:
    def cosign(octets: bytes) -> bytes:
        for place, name in enumerate(names):
            octets = ledgers.cosigner(name, at_s + place)(octets)
        return octets

    return cosign


@pytest.mark.parametrize(("at_s", "found"), [(65, None), (67, "LEDGER_DISPLACED"), (-57, "LEDGER_DISPLACED")])
def test_a_record_written_at_another_time_than_the_token_s_does_not_date_it(
    at_s: int, found: str | None
) -> None:
    """Attack: who stole key and ledger at once enters today what he dates back."""
    late = Ledger(
        sorted(
            [*Ledger().leaves, issued_leaf(FORGED, at_s)], key=lambda leaf: int(str(read_leaf(leaf)["at"]))
        )
    )
    report = claim(FORGED.token, late.read())
    assert verdict(report) == (
        ("PASSED", None, None) if found is None else ("INDETERMINATE", "NO_POE", found)
    )
    index = late.leaves.index(issued_leaf(FORGED, at_s))
    shown = judge_proof(ledgers.sought(FORGED.token), late.proof(index).encode(), AUDITOR, ledgers.context())
    assert [check.reason for check in shown.checks] == [found]


def test_a_checkpoint_with_too_few_witnesses_decides_nothing() -> None:
    for token in (genuine()[at(0)].token, FORGED.token):
        for names in ((), ("w1",), ("stranger", "w1")):
            report = claim(token, Ledger().read(cosigned=cosigned(*names)), WITNESSED)
            assert verdict(report) == ("INDETERMINATE", "NO_POE", "LEDGER_WITNESSES_ABSENT")
            assert (report.limits, report.proofs_of_existence) == ((), ())


def test_witnesses_date_the_checkpoint_by_the_last_of_them() -> None:
    report = claim(genuine()[at(0)].token, Ledger().read(cosigned=cosigned("w1", "w3")), WITNESSED)
    assert verdict(report) == ("PASSED", None, None)
    (proof,) = report.proofs_of_existence
    assert proof.to_dict() == {
        "code": "LEDGER_WITNESSED",
        "time": "2026-06-01T00:11:41Z",
        "params": {"by": "w1, w3", "size": 61},
    }


@pytest.mark.parametrize("at_s", [10**12, 1 << 62])
def test_a_witness_whose_time_no_calendar_has_dates_nothing(at_s: int) -> None:
    """A witness that writes milliseconds for seconds, say."""
    read = Ledger().read(cosigned=cosigned("w1", "w3", at_s=at_s))
    report = claim(genuine()[at(0)].token, read, WITNESSED)
    assert verdict(report) == ("PASSED", None, None)
    assert report.proofs_of_existence == ()
    assert "PASSED" in report.to_json()


def test_a_false_line_of_a_witness_spoils_the_bundle() -> None:
    def forge(octets: bytes) -> bytes:
        cosigned_by_both = cosigned("w1", "w2")(octets).decode().splitlines(keepends=True)
        stolen = cosigned("w3")(ledgers.Ledger().checkpoint(1)).decode().splitlines(keepends=True)[-1]
        changed = stolen[:-10] + ("A" if stolen[-10] != "A" else "B") + stolen[-9:]
        return "".join([*cosigned_by_both, changed]).encode()

    report = claim(genuine()[at(0)].token, Ledger().read(cosigned=forge), WITNESSED)
    assert verdict(report) == ("INDETERMINATE", "NO_POE", "LEDGER_BUNDLE_UNUSABLE")


def test_a_self_dated_checkpoint_proves_no_time() -> None:
    assert claim(genuine()[at(0)].token, Ledger().read()).proofs_of_existence == ()


def test_a_time_stamp_of_another_unit_dates_the_checkpoint() -> None:
    read = Ledger().read(stamps=ledgers.stamped("second", 650))
    (proof,) = claim(genuine()[at(0)].token, read).proofs_of_existence
    assert (proof.code, proof.time) == ("LEDGER_STAMPED", NOW_US + 651 * SECOND)
    assert "second" in str(proof.params["by"])


def flipped(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


@pytest.mark.parametrize(
    "stamps",
    [
        ledgers.stamped("unit", 650),
        lambda _: (issue(650, b"something else", "second").token,),
        lambda _: (b"\x30\x80", b"", bytes(300_000)),
        lambda note: (flipped(ledgers.stamped("second", 650)(note)[0]),),
        ledgers.stamped("second", 10_000),
    ],
    ids=["the stolen unit's own", "over something else", "no tokens", "flipped", "from the future"],
)
def test_a_time_stamp_that_anybody_could_make_dates_nothing(
    stamps: Callable[[bytes], tuple[bytes, ...]],
) -> None:
    report = claim(genuine()[at(0)].token, Ledger().read(stamps=stamps))
    assert (report.indication, report.proofs_of_existence) == ("PASSED", ())


LATE = issue(590.0, b"back-dated to the end of the log")
LATE_GENUINE = issue(612.0, b"issued after the checkpoint")


def test_at_the_end_of_the_log_its_own_date_and_anothers_must_both_be_later() -> None:
    stamps = ledgers.stamped("second", 700)
    assert verdict(claim(LATE.token, Ledger().read(signed_at_s=690, stamps=stamps))) == NOT_ISSUED
    assert verdict(claim(LATE.token, Ledger().read(signed_at_s=690))) == OPEN
    early = ledgers.stamped("second", 640)
    assert verdict(claim(LATE.token, Ledger().read(signed_at_s=690, stamps=early))) == OPEN
    read = Ledger().read(signed_at_s=690, cosigned=cosigned("w1", "w2"))
    assert verdict(claim(LATE.token, read, WITNESSED)) == NOT_ISSUED


def test_an_old_checkpoint_stamped_today_fails_no_token_that_was_issued_since() -> None:
    """Attack on genuine tokens: any authority stamps a published checkpoint again, at any later time."""
    read = Ledger().read(signed_at_s=600, stamps=ledgers.stamped("second", 3000))
    assert verdict(claim(LATE_GENUINE.token, read)) == OPEN


def test_a_hole_before_the_end_of_the_log_leaves_it_open() -> None:
    shown = [index for index in range(61) if index != at(580)]
    read = Ledger().read(shown, signed_at_s=690, stamps=ledgers.stamped("second", 700))
    assert verdict(claim(LATE.token, read)) == OPEN


def test_a_record_withheld_at_the_end_of_the_log_leaves_it_open() -> None:
    read = Ledger().read(range(60), signed_at_s=690, stamps=ledgers.stamped("second", 700))
    assert verdict(claim(LATE.token, read)) == OPEN


def test_time_stamps_without_end_are_not_all_judged() -> None:
    """Attack: nobody signs for the number or size of time-stamps; each brings certificates to try."""
    good = ledgers.stamped("second", 650)
    many = Ledger().read(stamps=lambda note: (*[b"0"] * (MAX_STAMPS - 1), *good(note)))
    assert len(claim(genuine()[at(0)].token, many).proofs_of_existence) == 1
    too_many = Ledger().read(stamps=lambda note: (*[b"0"] * MAX_STAMPS, *good(note)))
    assert claim(genuine()[at(0)].token, too_many).proofs_of_existence == ()
    fat = attribute("1.2.3", encode.octet_string(bytes(1 << 20)))
    too_large = Ledger().read(stamps=lambda note: (with_unsigned(good(note)[0], fat),))
    assert claim(genuine()[at(0)].token, too_large).proofs_of_existence == ()


def test_an_accuracy_beyond_all_time_is_never_covered() -> None:
    sought = ledgers.sought(FORGED.token)
    for accuracy in (10**12, 10**30):
        boundless = replace(sought, accuracy=accuracy)
        report = judge_claim(boundless, Ledger().read(range(1, 61)), AUDITOR, ledgers.context()).report
        assert verdict(report) == OPEN


def test_records_without_a_readable_time_bracket_nothing() -> None:
    search = TokenSearch(ledgers.sought(FORGED.token))
    for index, gen in enumerate((None, "1", NOW_US - 10**9, None, NOW_US + 10**9), 5):
        search.visit(index, {"kind": "tst.issued", "gen": gen, "at": None})
    assert not search.bracketed


def test_token_and_claim_must_both_pass() -> None:
    token, other = genuine()[at(0)].token, FORGED.token
    context = ledgers.context()
    whole = join((judge_token(token, context), claim(token, Ledger().read())))
    assert (whole.indication, whole.rule, len(whole.parts)) == ("PASSED", "all-parts", 2)
    assert set(LIMITS) < set(whole.limits)
    failed = join((judge_token(other, context), claim(other, Ledger().read())))
    assert (failed.indication, failed.sub_indication) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
    broken = join((judge_token(flipped(token), context), claim(token, Ledger().read())))
    assert broken.indication == "FAILED"
    document = json.loads(whole.to_json())
    assert [part["kind"] for part in document["parts"]] == ["timestamp-token", "ledger-claim"]
