"""Until when a token passes: at the moment that is named it does, just after it does not, whatever ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from kokuin.trust.anchors import TrustPeriod, TrustStore
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.horizon import MAX_STEPS, find_end
from kokuin.trust.judge import judge_token
from kokuin.trust.report import Check, End, Ending, Indication, Report, Status, SubIndication, extend, join
from kokuin.verify.content import of_octets
from kokuin.wire import oids
from pqc.policies import Policy, load_policy, parse_policy
from tests.ownpolicy import policy_text, row
from tests.trust.forge import (
    AUTHORITY,
    DATA,
    DAY,
    NOW,
    NOW_US,
    UNIT,
    Order,
    Party,
    ess_v1,
    ess_v2,
    issue,
    pki,
)

DAY_US = 86_400 * 1_000_000
SHA256 = ("sha256",)
HASHES = ("imprint", "signature-digest", "certificate-id")
UNIT_ENDS = int((NOW + 100 * DAY).timestamp()) * 1_000_000 + 999_999


@dataclass(frozen=True)
class Case:
    """A token, and by what it is judged."""

    token: bytes
    trust: TrustStore
    policy: Policy = load_policy("baseline")  # noqa: RUF009  # one shipped policy, and it cannot change
    revocation: RevocationData = RevocationData()  # noqa: RUF009  # nothing, and it cannot change
    revocation_mode: RevocationMode = RevocationMode.IF_AVAILABLE

    def judge(self, at: int = NOW_US, proven: int | None = None) -> Report:
        given = (of_octets(DATA), self.policy, proven, self.revocation, self.revocation_mode)
        return judge_token(self.token, Context(at, self.trust, *given))

    def end(self) -> End:
        """Return the end, once both of its sides were judged."""
        end = self.judge().verifiable_until
        assert end is not None
        assert self.judge(end.time).indication == "PASSED"
        assert self.judge(end.time).verifiable_until == end
        after = self.judge(end.time + 1)
        assert after.indication == "INDETERMINATE"
        assert after.verifiable_until is None
        return end


def day(number: int) -> str:
    return str((NOW + number * DAY).date())


def day_ends(number: int) -> int:
    return NOW_US + (number + 1) * DAY_US - 1


def case(*rows: str, signer: Party | None = None, **changes: object) -> Case:
    """A token of the usual unit, or of another one below the same authority, under a policy of these rows."""
    unit = signer or pki().unit
    order = Order(signer=unit, certificates=[unit.der, pki().authority.der], **changes)  # type: ignore[arg-type]
    policy = parse_policy("house", policy_text(*rows)) if rows else load_policy("baseline")
    return Case(order.make(), pki().trust, policy)


def test_a_unit_s_certificate_ends_with_its_last_second() -> None:
    end = case().end()
    assert (end.time, end.cause) == (UNIT_ENDS, Ending.UNIT_EXPIRES)
    assert end.params == {"certificate": "CN=Unit, O=Test, C=JP"}


def test_an_authority_s_certificate_that_expires_first_ends_the_token() -> None:
    authority = issue("Brief", pki().root, AUTHORITY, ends=NOW + 7 * DAY)
    unit = issue("Unit", authority, UNIT)
    end = Case(Order(unit, [unit.der, authority.der]).make(), pki().trust).end()
    assert (end.time, end.cause) == (NOW_US + 7 * DAY_US + 999_999, Ending.AUTHORITY_EXPIRES)
    assert end.params == {"certificate": "CN=Brief, O=Test, C=JP"}


def test_after_a_cross_certificate_expired_another_path_may_hold() -> None:
    other_root = issue("Other root", None, AUTHORITY)
    authority = issue("Crossed", pki().root, AUTHORITY, ends=NOW + 7 * DAY)
    crossed = issue("Crossed", other_root, AUTHORITY, key=authority.key, ends=NOW + 30 * DAY)
    unit = issue("Unit", authority, UNIT)
    token = Order(unit, [unit.der, authority.der, crossed.der]).make()
    both = TrustStore((pki().root.certificate, other_root.certificate))
    assert Case(token, pki().trust).end().time == NOW_US + 7 * DAY_US + 999_999
    assert Case(token, both).end().time == NOW_US + 30 * DAY_US + 999_999


def test_an_anchor_s_own_validity_ends_nothing() -> None:
    root = issue("Old root", None, AUTHORITY, ends=NOW + 3 * DAY)
    unit = issue("Unit", root, UNIT)
    end = Case(Order(unit, [unit.der]).make(), TrustStore((root.certificate,))).end()
    assert end.cause is Ending.UNIT_EXPIRES


def test_an_anchor_s_last_day_by_the_verifier_s_own_list_ends_the_token() -> None:
    root = pki().root.certificate
    dated = TrustStore((root,), (), (TrustPeriod(root.der, None, NOW_US + 5 * DAY_US),))
    end = replace(case(), trust=dated).end()
    assert (end.time, end.cause) == (NOW_US + 5 * DAY_US, Ending.ANCHOR_ENDS)
    assert end.params == {"certificate": "CN=Root, O=Test, C=JP"}
    unit = pki().unit.certificate
    pinned = TrustStore((unit,), (), (TrustPeriod(unit.der, None, NOW_US + 3 * DAY_US),))
    assert replace(case(), trust=pinned).end().time == NOW_US + 3 * DAY_US
    both = TrustStore((root, unit), (), (*dated.periods, *pinned.periods))
    assert replace(case(), trust=both).end().time == NOW_US + 5 * DAY_US


def revocations(
    issuer: Party, *revoked: tuple[Party, int], next_days: int = 30, reason: str = "keyCompromise"
) -> bytes:
    """A list of what was revoked so many days from `NOW`."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.x509.subject)
        .last_update(NOW - DAY)
        .next_update(NOW + next_days * DAY)
    )
    for party, days in revoked:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(party.x509.serial_number)
            .revocation_date(NOW + days * DAY)
            .add_extension(x509.CRLReason(x509.ReasonFlags(reason)), critical=False)
        )
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def lists(*octets: bytes) -> RevocationData:
    return RevocationData(octets)


def test_where_revocation_data_is_required_its_next_update_ends_the_token() -> None:
    unit = revocations(pki().authority, next_days=8)
    authority = revocations(pki().root, next_days=12)
    required = replace(case(), revocation=lists(unit, authority), revocation_mode=RevocationMode.REQUIRED)
    end = required.end()
    assert (end.time, end.cause) == (NOW_US + 8 * DAY_US, Ending.REVOCATION_DATA_ENDS)
    assert end.params == {"certificate": "CN=Unit, O=Test, C=JP"}
    newer = revocations(pki().authority, next_days=20)
    longer = replace(required, revocation=lists(unit, authority, newer))
    assert longer.end().time == NOW_US + 12 * DAY_US
    without = replace(required, revocation_mode=RevocationMode.IF_AVAILABLE)
    assert without.end().cause is Ending.UNIT_EXPIRES


@pytest.mark.parametrize("reason", ["keyCompromise", "certificateHold"])
def test_a_token_from_before_a_unit_s_revocation_ends_when_that_begins(reason: str) -> None:
    taken_back = revocations(pki().authority, (pki().unit, 6), reason=reason)
    end = replace(case(), revocation=lists(taken_back)).end()
    assert (end.time, end.cause) == (NOW_US + 6 * DAY_US - 1, Ending.REVOCATION_BEGINS)


def test_a_unit_that_was_superseded_ends_no_token_from_before() -> None:
    superseded = revocations(pki().authority, (pki().unit, 6), reason="superseded")
    assert replace(case(), revocation=lists(superseded)).end().cause is Ending.UNIT_EXPIRES


def test_an_authority_s_revocation_ends_the_token_whatever_its_reason() -> None:
    superseded = revocations(pki().root, (pki().authority, 6), reason="superseded")
    end = replace(case(), revocation=lists(superseded)).end()
    assert (end.time, end.cause) == (NOW_US + 6 * DAY_US - 1, Ending.REVOCATION_BEGINS)
    assert end.params == {"certificate": "CN=Authority, O=Test, C=JP"}


def test_what_has_no_end_is_said_to_have_none() -> None:
    never = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    unit = issue("Unit", pki().root, UNIT, ends=never)
    report = Case(Order(unit, [unit.der]).make(), pki().trust).judge()
    assert (report.indication, report.verifiable_until) == ("PASSED", None)
    assert report.to_dict()["verifiable_until"] is None
    day_of_judgement = TrustPeriod(pki().root.der, None, 253_402_300_799_999_999)
    dated = TrustStore(pki().trust.anchors, (), (day_of_judgement,))
    assert Case(Order(unit, [unit.der]).make(), dated).judge().verifiable_until is None


@pytest.mark.parametrize("role", HASHES)
def test_a_hash_s_last_day_ends_the_token_in_each_of_its_roles(role: str) -> None:
    others = [each for each in HASHES if each != role]
    end = case(
        row(role, SHA256, ["verify"], until=day(9)),
        row(others, SHA256, ["verify"]),
        row("signature", ["ecdsa"], ["verify"]),
    ).end()
    assert (end.time, end.cause) == (day_ends(9), Ending.ALGORITHM_ENDS)
    assert end.params == {"algorithm": "sha256", "policy": "house"}


def test_a_key_s_last_day_ends_the_token() -> None:
    end = case(row(HASHES, SHA256, ["verify"]), row("signature", ["ecdsa"], ["verify"], until=day(9))).end()
    assert (end.time, end.params["algorithm"]) == (day_ends(9), "P-256")


def test_a_hash_that_only_the_path_uses_ends_the_token() -> None:
    authority = issue("Signed otherwise", pki().root, AUTHORITY, signing_digest=hashes.SHA384())
    unit = issue("Unit", authority, UNIT)
    rows = (
        row(HASHES, SHA256, ["verify"]),
        row("signature-digest", ["sha384"], ["verify"], until=day(9)),
        row("signature", ["ecdsa"], ["verify"]),
    )
    token = Order(unit, [unit.der, authority.der]).make()
    end = Case(token, pki().trust, parse_policy("house", policy_text(*rows))).end()
    assert (end.time, end.params["algorithm"]) == (day_ends(9), "sha384")


def test_an_algorithm_that_is_only_called_weak_from_a_day_on_ends_later() -> None:
    hashes_ = [
        row(HASHES, SHA256, ["verify"], until=day(5)),
        row(HASHES, SHA256, ["verify"], status="weak", until=day(9)),
    ]
    end = case(*hashes_, row("signature", ["ecdsa"], ["verify"])).end()
    assert end.time == day_ends(9)


def test_a_certificate_id_that_ends_ends_nothing_while_another_holds() -> None:
    attributes = {
        oids.ID_AA_SIGNING_CERTIFICATE: ess_v1(pki().unit.der),
        oids.ID_AA_SIGNING_CERTIFICATE_V2: ess_v2(pki().unit.der),
    }
    rows = (
        row("certificate-id", ["sha1"], ["verify"], status="weak", until=day(9)),
        row(HASHES, SHA256, ["verify"]),
        row("signature", ["ecdsa"], ["verify"]),
    )
    assert case(*rows, attributes=attributes).end().cause is Ending.UNIT_EXPIRES


def test_the_first_of_many_ends_counts() -> None:
    rows = (
        row("imprint", SHA256, ["verify"], until=day(20)),
        row(HASHES, SHA256, ["verify"], until=day(200)),
        row("signature", ["ecdsa"], ["verify"], until=day(30)),
    )
    assert case(*rows).end().time == day_ends(20)
    brief = issue("Brief", pki().authority, UNIT, ends=NOW + 2 * DAY)
    assert case(*rows, signer=brief).end().cause is Ending.UNIT_EXPIRES


def test_with_an_earlier_proof_of_existence_nothing_of_the_token_s_own_ends() -> None:
    late = case().judge(at=NOW_US + 5000 * DAY_US, proven=NOW_US)
    assert (late.indication, late.verifiable_until) == ("PASSED", None)
    not_earlier = case().judge(proven=NOW_US + DAY_US)
    assert not_earlier.verifiable_until == case().judge().verifiable_until


def test_what_does_not_pass_has_no_end() -> None:
    assert case().judge(at=UNIT_ENDS + 1).verifiable_until is None
    assert case(flip_signature=True).judge().verifiable_until is None


def test_the_json_form_names_time_and_cause() -> None:
    assert case().judge().to_dict()["verifiable_until"] == {
        "time": "2026-09-09T00:00:00.999999Z",
        "cause": "UNIT_EXPIRES",
        "params": {"certificate": "CN=Unit, O=Test, C=JP"},
    }


def _resting(time: int) -> Check:
    return Check("a", "clause").resting_on(End(time, Ending.AUTHORITY_EXPIRES))


def test_a_token_that_always_finds_something_else_to_rest_on_is_looked_at_no_further_than_bounded() -> None:
    asked = []

    def again(at: int) -> tuple[Check, ...]:
        asked.append(at)
        return (_resting(at),)

    end = find_end((_resting(0),), again)
    assert end == End(MAX_STEPS, Ending.AUTHORITY_EXPIRES)
    assert asked == list(range(1, MAX_STEPS + 1))


def test_a_whole_ends_with_the_first_of_its_parts() -> None:
    def part(time: int | None, indication: Indication = Indication.PASSED) -> Report:
        end = None if time is None else End(time, Ending.UNIT_EXPIRES)
        return Report("part", {}, indication, None, 0, (), verifiable_until=end)

    assert join((part(7), part(None), part(5))).verifiable_until == End(5, Ending.UNIT_EXPIRES)
    assert join((part(None), part(None))).verifiable_until is None
    assert join((part(7), part(None, Indication.INDETERMINATE))).verifiable_until is None
    bad = Check("e", "clause", Status.FAILED, "reason", SubIndication.HASH_FAILURE)
    assert extend(part(7), (bad,), ()).verifiable_until is None
    assert extend(part(7), (_resting(3),), ()).verifiable_until == End(3, Ending.AUTHORITY_EXPIRES)
    assert extend(part(7), (_resting(9),), ()).verifiable_until == End(7, Ending.UNIT_EXPIRES)
