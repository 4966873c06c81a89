"""Time-stamps with their evidence within, and the verifier of years later."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.wire.ber import definite
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.token_form import bare_token, with_evidence
from pqc.policies import load_policy
from tests.eseal.pki import NOW, SealPki, Stamper, seal_pki
from tests.trust.evidences import PQ, Unit, first, moment, unit, us

if TYPE_CHECKING:
    import datetime as dt

LATER = moment(2033)
"""ETSI TS 119 312 relies on elliptic curves until 2030-12-31; the scene's certificates have ended too."""


def keeper() -> Unit:
    """The unit that makes evidence: ML-DSA-65, under a root of its own, for ten years."""
    return unit(PQ, NOW.year)


def trust() -> TrustStore:
    """What a verifier trusts: the root of the seals and of their time-stamps, and that of the evidence."""
    return TrustStore((*seal_pki().trust.anchors, keeper().root.certificate))


def later(**changes: object) -> Context:
    """By what is judged in 2033 under ETSI TS 119 312."""
    found = Context(us(LATER), trust(), policy=load_policy("eu-ts119312"))
    return replace(found, **changes)  # type: ignore[arg-type]  # fields by name


def embedded(token: bytes, at: dt.datetime = NOW, neighbours: int = 2) -> bytes:
    """Return a token with a record of evidence that covers it, in a tree with some others."""
    octets = definite(token, TOKEN_LIMITS)
    return with_evidence(octets, first(keeper(), at, bare_token(octets), neighbours=neighbours))


class EvidencedStamper(Stamper):
    """The unit of `seal_pki`, whose tokens leave with evidence; `neighbours` share the tree of the next."""

    def __init__(
        self, pki: SealPki | None = None, *, at: dt.datetime | None = None, neighbours: int = 2
    ) -> None:
        super().__init__(pki or seal_pki(), "ecdsa-p256-sha256", at)
        self.neighbours = neighbours

    def stamp(self, imprint: bytes) -> bytes:
        """DER of the token, and its evidence, over an imprint by `digest`."""
        return embedded(super().stamp(imprint), self.at or NOW, self.neighbours)
