"""What is remembered of a unit never makes another token, or the same by another verifier, pass."""

from __future__ import annotations

import functools
import hashlib
import itertools
from dataclasses import replace

import pytest

from kokuin.trust.anchors import TrustPeriod, TrustStore
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.report import Indication
from kokuin.trust.revocation_statement import shelf_of
from kokuin.verify.verifying import verify_bytes
from tests.trust.forge import AUTHORITY, DATA, DAY, NOW, NOW_US, UNIT, YEAR_US, ess_v2, issue, order, pki
from tests.trust.revoking import Reason, Taken, crl

DAY_US = 86_400 * 1_000_000
OTHER_ROOT = issue("Other root", None, AUTHORITY, ends=NOW + 3000 * DAY)
TWIN = issue("Unit", pki().authority, UNIT, key=pki().unit.key)
"""Another certificate of the unit's name and key."""


def content(algorithm: str) -> bytes:
    return hashlib.new(algorithm, DATA).digest()


@functools.cache
def contexts() -> dict[str, Context]:
    """Return a verifier by whom all is well, and others who differ from him in one thing."""
    plain = Context(NOW_US + 2 * DAY_US, pki().trust, content)
    root, unit, authority = pki().root.certificate, pki().unit, pki().authority
    clear = (crl(authority), crl(pki().root))
    superseded = crl(authority, Taken(unit, NOW + DAY, Reason.superseded))
    stolen = crl(authority, Taken(unit, NOW + DAY, Reason.key_compromise))
    ended = TrustStore((root,), periods=(TrustPeriod(root.der, None, NOW_US),))
    return {
        "plain": plain,
        "later": replace(plain, at=NOW_US + 30 * YEAR_US),
        "proven": replace(plain, at=NOW_US + 30 * YEAR_US, proven=NOW_US),
        "distrusting": replace(plain, trust=TrustStore((OTHER_ROOT.certificate,))),
        "trusting nobody": replace(plain, trust=TrustStore()),
        "trusting then": replace(plain, trust=ended),
        "strict": replace(plain, policy=replace(plain.policy, rows=plain.policy.rows[:1])),
        "requiring": replace(plain, revocation_mode=RevocationMode.REQUIRED),
        "clear": replace(plain, revocation=RevocationData(clear)),
        "clear, required": replace(
            plain, revocation=RevocationData(clear), revocation_mode=RevocationMode.REQUIRED
        ),
        "superseded": replace(plain, revocation=RevocationData((superseded,))),
        "stolen": replace(plain, revocation=RevocationData((stolen,))),
        "other data": replace(plain, content=lambda _: bytes(32)),
    }


@functools.cache
def tokens() -> dict[str, bytes]:
    """Return a right token of the unit, and others that share as much with it as they can."""
    unit = pki().unit
    twins = [TWIN.der, unit.der, pki().authority.der]
    stolen = crl(pki().authority, Taken(unit, NOW + DAY, Reason.key_compromise))
    return {
        "right": order().make(),
        "from after": order(gen_us=NOW_US + DAY_US + 1, serial=4712).make(),
        "forged": order(flip_signature=True).make(),
        "bare": order(certificates=[unit.der]).make(),
        "of twins": order(certificates=twins).make(),
        "pinned to the twin": order(
            certificates=twins, attributes={"1.2.840.113549.1.9.16.2.47": ess_v2(TWIN.der)}
        ).make(),
        "with a list": order(crls=[stolen]).make(),
        "with a list by which it is clear": order(crls=[crl(pki().authority)]).make(),
        "crossed": order(
            certificates=[
                *pki().chain,
                issue("Authority", OTHER_ROOT, AUTHORITY, key=pki().authority.key).der,
            ]
        ).make(),
    }


def judged(token: str, context: str) -> str:
    return verify_bytes(tokens()[token], contexts()[context]).to_json()


@functools.cache
def judged_alone(token: str, context: str) -> str:
    """Judge with nothing remembered of earlier ones."""
    shelf_of.cache_clear()
    return judged(token, context)


CASES = list(itertools.product(tokens(), contexts()))


@pytest.mark.parametrize("first", tokens())
def test_a_right_token_vouches_for_no_other_verifier_and_no_other_token(first: str) -> None:
    """Attack: many tokens of one unit in a batch, of which one should not pass, after one that does."""
    expected = {case: judged_alone(*case) for case in CASES}
    shelf_of.cache_clear()
    for context in contexts():
        judged(first, context)
    for order_of_cases in (CASES, list(reversed(CASES)), sorted(CASES, key=lambda case: case[1])):
        for case in order_of_cases:
            assert judged(*case) == expected[case], case


def test_these_verifiers_and_tokens_differ_in_what_they_come_to() -> None:
    """The test above could not fail if all of them came to the same."""

    def said(token: str, context: str) -> Indication:
        return verify_bytes(tokens()[token], contexts()[context]).indication

    for context in ("plain", "clear", "clear, required", "superseded"):
        assert said("right", context) is Indication.PASSED, context
    assert said("from after", "superseded") is Indication.FAILED
    for context in (
        "later",
        "distrusting",
        "trusting nobody",
        "trusting then",
        "strict",
        "requiring",
        "stolen",
    ):
        assert said("right", context) is Indication.INDETERMINATE, context
    assert said("right", "other data") is said("forged", "plain") is Indication.FAILED
    assert said("with a list", "plain") is Indication.INDETERMINATE
    assert said("with a list by which it is clear", "plain") is Indication.PASSED
    assert said("with a list by which it is clear", "stolen") is Indication.INDETERMINATE


def test_of_many_tokens_every_signature_is_verified() -> None:
    """Attack: the octets of a token but for its signature are those of one that passed before."""
    assert '"PASSED"' in judged("right", "clear")
    for serial in range(20):
        forged = order(serial=serial, flip_signature=True).make()
        assert verify_bytes(forged, contexts()["clear"]).sub_indication == "SIG_CRYPTO_FAILURE"
