"""Of which world the signature of a token is: classical, post-quantum, or both."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust.fitness import PURE_DIGESTS
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from pqc.policies import Subject, Usage
from pqc.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pqc.policies import Policy

_COMPOSITES = {each.algorithm.oid: each for each in SUITES.values() if each.components}
_CLASSICAL = frozenset({"ecdsa", "eddsa", "rsa-pkcs1", "rsa-pss"})


class World(StrEnum):
    """What has to hold for a signature to be worth something."""

    CLASSICAL = "classical"
    POST_QUANTUM = "post_quantum"


def worlds_of(token: bytes, policy: Policy, at: int) -> Mapping[World, bool]:
    """Return the worlds of a token's signature, and whether it could be relied on for each of them alone.

    A composite one is of both, since both halves must hold. When one half has fallen, the policy may go on
    accepting the whole for the sake of the other: then it says nothing any more for the world that fell.

    Args:
        token: as `kokuin.wire.ber.definite` returned it.
        policy: by which halves are fit.
        at: when they have to be, microseconds since 1970 UTC.

    Returns:
        Nothing for what cannot be read. Of a signature that is no composite, its judgement tells.
    """
    try:
        signers = read_signed_data(token).signer_infos
    except WireError:
        return {}
    found: dict[World, bool] = {}
    for oid in {signer.signature_algorithm.oid for signer in signers}:
        if oid in _COMPOSITES:
            for half in Subject.of_suite(_COMPOSITES[oid]).components:
                world = World.CLASSICAL if half.algorithm in _CLASSICAL else World.POST_QUANTUM
                found[world] = policy.judge(half, Usage.VERIFY, at).status.fit
        else:
            found[World.POST_QUANTUM if oid in PURE_DIGESTS else World.CLASSICAL] = True
    return found
