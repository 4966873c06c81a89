"""What a ledger proves of a token's existence counts after expiry, theft of the key and ageing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from asn1crypto import cms as peer  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from kokuin.ledger.witness_policy import read_policy
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context, RevocationData
from kokuin.trust.report import End, Ending
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.verify.content import of_octets
from kokuin.verify.ledger_claim import Auditor
from kokuin.verify.ledger_place import LedgerEvidence, verify_with_ledger
from kokuin.wire.cms import read_signed_data
from pqc.policies import parse_policy
from tests.ledger.notes import log, verifier
from tests.ownpolicy import policy_text, row
from tests.trust.forge import reasons, verdict
from tests.unsigned import attribute, with_unsigned
from tests.verify import ledgers
from tests.verify.ledgers import NOW, NOW_US, SECOND, Ledger, issue, issued_leaf

if TYPE_CHECKING:
    from kokuin.trust.report import Report
    from tsa.unit import IssuedToken

DAY = 86_400
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
DATA = b"data"
WITNESSES = read_policy(ledgers.policy(2, "w1", "w2"))
AUDITOR = Auditor(verifier(log()), WITNESSES)
STAMPED_ONLY = Auditor(verifier(log()))
BRIEF = issue(0, DATA, "brief")
"""Of a unit whose certificate is valid for 20 days; others have 200."""
EXPIRED = ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")


def ledger(issued: IssuedToken) -> Ledger:
    """A ledger of three tokens, of which this is the second."""
    return Ledger([_leaf(each) for each in (issue(-20), issued, issue(20))])


def _leaf(issued: IssuedToken) -> bytes:
    """The record as the service makes it, with the hashes of the TSTInfo."""
    sought = ledgers.sought(issued.token)
    return issued_leaf(issued, tst=sought.tst, tst512=sought.tst512)


def proof(*cosigned_at_s: int, of: IssuedToken = BRIEF) -> LedgerEvidence:
    """The token's proof, whose checkpoint witnesses signed at these times from `NOW`."""
    made = ledger(of).proof(1, 600)
    octets = made.checkpoint_octets
    for name, at_s in zip(("w1", "w2"), cosigned_at_s, strict=False):
        octets = ledgers.cosigner(name, at_s)(octets)
    return LedgerEvidence(AUDITOR, replace(made, checkpoint_octets=octets).encode())


def bundle(*stamps: tuple[str, int], of: IssuedToken = BRIEF) -> LedgerEvidence:
    """A bundle whose checkpoint units stamped at these times from `NOW`."""

    def stamped(note: bytes) -> tuple[bytes, ...]:
        return tuple(issue(at_s, note, by).token for by, at_s in stamps)

    return LedgerEvidence(STAMPED_ONLY, bundle=ledger(of).read(stamps=stamped))


def context(at_s: float) -> Context:
    return replace(ledgers.context(), at=NOW_US + int(at_s * SECOND), content=of_octets(DATA))


def judge(evidence: LedgerEvidence, days: float = 30, token: IssuedToken = BRIEF) -> Report:
    return verify_with_ledger(token.token, context(days * DAY), evidence)


def existence(report: Report) -> dict[str, object]:
    token = report.parts[0] if report.parts else report
    return next((dict(check.params) for check in token.checks if check.id == "existence"), {})


def test_an_expired_token_passes_by_the_word_of_witnesses() -> None:
    assert verdict(judge(LedgerEvidence())) == EXPIRED
    report = judge(proof(700, 730))
    assert verdict(report) == ("PASSED", None)
    assert existence(report) == {"time": "2026-06-01T00:12:10Z", "code": "LEDGER_WITNESSED"}
    assert report.verifiable_until is None
    assert [each.code for each in report.proofs_of_existence] == ["LEDGER_WITNESSED"]


def test_an_expired_token_passes_by_another_unit_s_time_stamp_as_long_as_that_is_good() -> None:
    report = judge(bundle(("unit", 650)))
    assert verdict(report) == ("PASSED", None)
    assert existence(report) == {"time": "2026-06-01T00:10:51Z", "code": "LEDGER_STAMPED"}
    end = report.verifiable_until
    assert end is not None
    assert (end.cause, end.params) == (Ending.UNIT_EXPIRES, {"certificate": "CN=unit, O=Test, C=JP"})
    for at, wanted in ((end.time, ("PASSED", None)), (end.time + 1, EXPIRED)):
        later = verify_with_ledger(BRIEF.token, replace(context(0), at=at), bundle(("unit", 650)))
        assert verdict(later) == wanted


@pytest.mark.parametrize(
    "evidence",
    [
        proof(700),
        proof(),
        proof(15 * DAY * 2, 700),
        bundle(),
        bundle(("brief", 650)),
        bundle(("unit", 25 * DAY)),
        bundle(("unit", 40 * DAY)),
        LedgerEvidence(None, proof(700, 730).proof),
        LedgerEvidence(STAMPED_ONLY, proof(700, 730).proof),
    ],
    ids=[
        "no quorum",
        "its own word alone",
        "a witness after the expiry",
        "nobody's stamp",
        "the token's own unit's",
        "stamped after the expiry",
        "stamped after the time of judging",
        "nobody's keys",
        "no policy of witnesses",
    ],
)
def test_what_proves_nothing_in_time_leaves_an_expired_token_open(evidence: LedgerEvidence) -> None:
    report = judge(evidence)
    assert report.indication == "INDETERMINATE"
    assert report.verifiable_until is None


def test_a_stamp_that_has_expired_itself_proves_nothing() -> None:
    other = issue(0, DATA, "unit")
    evidence = bundle(("brief", 650), of=other)
    assert verdict(judge(evidence, 10, other)) == ("PASSED", None)
    assert existence(judge(evidence, 250, other)) == {}
    assert verdict(judge(evidence, 250, other)) == EXPIRED


def crl(at_s: float, reason: RevocationReason | None = RevocationReason.KEY_COMPROMISE) -> RevocationData:
    """The authority takes the unit's certificate back."""
    serial = read_certificate(read_signed_data(issue(0).token).certificates[0]).serial
    revoked = {serial: Revocation(NOW + dt.timedelta(seconds=at_s), reason)}
    issued_at = NOW + dt.timedelta(days=29)
    next_at = NOW + dt.timedelta(days=60)
    octets = ledgers.authority().crl(revoked, this_update=issued_at, next_update=next_at, number=1)
    return RevocationData((octets,))


@pytest.mark.parametrize(
    ("stolen_after_s", "wanted", "why"),
    [
        (DAY, ("PASSED", None), "REVOKED_SINCE_PROOF"),
        (731, ("PASSED", None), "REVOKED_SINCE_PROOF"),
        (720, ("INDETERMINATE", "REVOKED_NO_POE"), "REVOKED_NO_POE"),
        (-5, ("FAILED", "REVOKED"), "REVOKED"),
    ],
)
def test_a_stolen_key_undoes_only_what_no_proof_shows_from_before(
    stolen_after_s: float, wanted: tuple[str, str | None], why: str
) -> None:
    token = issue(0, DATA)
    revoked = replace(context(30 * DAY), revocation=crl(stolen_after_s))
    alone = verify_with_ledger(token.token, revoked, LedgerEvidence())
    assert alone.indication != "PASSED"
    report = verify_with_ledger(token.token, revoked, proof(700, 730, of=token))
    assert verdict(report) == wanted
    assert reasons(report)["revocation"] == why


def test_an_algorithm_that_aged_since_passes_by_the_proof_and_a_broken_one_never() -> None:
    until = row("signature-digest", ["sha256"], ["verify"], until="2026-06-03")
    broken = row("signature-digest", ["sha256"], ["verify"], status="forbidden")
    broken = broken.rstrip() + '\nweakness = "broken"\n'
    aged = house(until)
    assert verdict(verify_with_ledger(BRIEF.token, aged, LedgerEvidence())) == (
        "INDETERMINATE",
        "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
    )
    assert verdict(verify_with_ledger(BRIEF.token, aged, proof(700, 730))) == ("PASSED", None)
    for rows in ((broken,), (until, broken)):
        report = verify_with_ledger(BRIEF.token, house(*rows), proof(700, 730))
        assert verdict(report) == ("FAILED", "CRYPTO_CONSTRAINTS_FAILURE")


def test_a_proof_of_the_token_is_none_of_the_data_once_two_documents_may_have_one_digest() -> None:
    signing = row("signature-digest", ["sha256"], ["verify"])
    aged = house(signing, imprint="2026-06-03")
    report = verify_with_ledger(BRIEF.token, aged, proof(700, 730))
    assert verdict(report) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
    assert reasons(report)["imprint-algorithm"] == "BINDING_NO_LONGER_FIT"


def test_a_proof_lets_a_token_pass_until_its_imprint_ends() -> None:
    signing = row("signature-digest", ["sha256"], ["verify"], until="2026-06-03")
    aged = house(signing, imprint="2026-06-20")
    report = verify_with_ledger(BRIEF.token, aged, proof(700, 730))
    assert verdict(report) == ("PASSED", None)
    end = report.verifiable_until
    assert end is not None
    assert end.cause == Ending.ALGORITHM_ENDS
    later = verify_with_ledger(BRIEF.token, replace(aged, at=end.time + 1), proof(700, 730))
    assert reasons(later)["imprint-algorithm"] == "BINDING_NO_LONGER_FIT"


def house(*signing: str, imprint: str | None = None) -> Context:
    """By a policy of these rows for the signatures' digest, and what else the tokens here need."""
    more = (
        row("imprint", ["sha512"], ["verify"], until=imprint),
        row("certificate-id", ["sha256"], ["verify"]),
        row("signature", ["ecdsa"], ["verify"]),
    )
    return replace(context(10 * DAY), policy=parse_policy("house", policy_text(*signing, *more)))


def test_a_proof_lets_no_other_data_and_no_wrong_signature_pass() -> None:
    other = replace(context(30 * DAY), content=of_octets(b"other"))
    assert verdict(verify_with_ledger(BRIEF.token, other, proof(700, 730))) == ("FAILED", "HASH_FAILURE")
    flipped = BRIEF.token[:-1] + bytes((BRIEF.token[-1] ^ 1,))
    assert verify_with_ledger(flipped, context(DAY), proof(700, 730)).indication == "FAILED"


def test_with_a_proof_another_reason_is_named_than_that_nothing_proves_existence() -> None:
    nobody = replace(context(30 * DAY), trust=replace(context(0).trust, anchors=()))
    report = verify_with_ledger(BRIEF.token, nobody, proof(700, 730))
    assert verdict(report) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
    assert reasons(report) == {"path": "NO_ANCHOR", "revocation": "REVOCATION_NO_PATH"}


def test_a_statement_signed_again_in_other_octets_is_not_proved_to_have_existed() -> None:
    """Attack: who has the key, or has broken the algorithm, signs a TSTInfo of the ledger again."""
    report = judge(proof(700, 730), token=signed_again(BRIEF))
    assert reasons(report)["in-ledger"] == "LEDGER_OTHER_FORM"
    assert verdict(report) == EXPIRED
    assert existence(report) == {}


def signed_again(issued: IssuedToken) -> IssuedToken:
    """The same P-256 signature in its other form, (r, n - s): made without the key, and it verifies."""
    info = peer.ContentInfo.load(issued.token)
    signer = info["content"]["signer_infos"][0]
    r, s = decode_dss_signature(signer["signature"].native)
    signer["signature"] = encode_dss_signature(r, P256_ORDER - s)
    return issued._replace(token=info.dump(force=True))


def test_unsigned_attributes_that_came_later_do_not_undo_the_proof() -> None:
    added = BRIEF._replace(token=with_unsigned(BRIEF.token, attribute("0.4.0.1733.2.4", b"\x05\x00")))
    assert verdict(judge(proof(700, 730), token=added)) == ("PASSED", None)


def test_a_witness_whose_second_began_before_the_token_does_not_make_it_older_than_itself() -> None:
    token = issue(0.9, DATA, "brief")
    report = judge(proof(0, 0, of=token), token=token)
    assert verdict(report) == ("PASSED", None)
    assert existence(report)["time"] == "2026-06-01T00:00:00.900000Z"


def test_a_token_that_passes_by_itself_passes_longer_with_a_proof() -> None:
    alone, proved = judge(LedgerEvidence(), 1), judge(proof(700, 730), 1)
    assert alone.verifiable_until is not None
    assert (proved.indication, proved.verifiable_until) == ("PASSED", None)
    assert existence(proved) == {}
    stamped = judge(bundle(("unit", 650)), 1).verifiable_until
    assert stamped is not None
    assert stamped.time > alone.verifiable_until.time


def test_of_two_stamps_the_later_one_carries_on_when_the_earlier_has_expired() -> None:
    token = issue(0, DATA, "third")
    evidence = bundle(("brief", 650), ("unit", 660), of=token)
    report = judge(evidence, 10, token)
    assert existence(report) == {}
    end = report.verifiable_until
    unit = judge(bundle(("unit", 660), of=token), 10, token).verifiable_until
    assert isinstance(end, End)
    assert end == unit


def test_the_data_is_read_once_however_often_the_token_is_judged() -> None:
    asked = []

    def content(algorithm: str) -> bytes:
        asked.append(algorithm)
        return of_octets(DATA)(algorithm)

    report = verify_with_ledger(BRIEF.token, replace(context(30 * DAY), content=content), proof(700, 730))
    assert report.indication == "PASSED"
    assert asked == ["sha512"]
