"""Several seals that belong together: the set that each of them asks for, and what holds of the two worlds.

A hybrid seal is two signatures over one content, a classical and a post-quantum one. Each says in what it
signs which others there are, so that taking one half away shows in the half that is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.rules import SEAL_REQUIRED, SealReason
from kokuin.trust.report import Indication, SubIndication

if TYPE_CHECKING:
    from eseal.values import FoundSeal
    from kokuin.trust.report import Check, Report, ReportValue

_QUANTUM_SAFE = frozenset({"ml-dsa", "slh-dsa", "composite-ml-dsa"})
_CLASSICAL_TOO = frozenset({"composite-ml-dsa"})
_WEIGHT = (Indication.FAILED, Indication.INDETERMINATE, Indication.PASSED)
_RULE = SubIndication.SIG_CONSTRAINTS_FAILURE


def key_name(seal: FoundSeal) -> str | None:
    """Return the kind of key that made a seal, as suites call it; None where it is not known."""
    key = None if seal.signature is None else seal.signature.key
    return None if key is None else key.name


def check_required(seals: tuple[FoundSeal, ...], reports: tuple[Report, ...]) -> tuple[Check, ...]:
    """Check that every signature is there, and passes, that another one asks for.

    Attack: of a hybrid seal the post-quantum half is taken away, and the classical one forged later.
    """
    sets = {frozenset(seal.required) for seal in seals if seal.required}
    if not sets:
        return ()
    if len(sets) > 1:
        return (SEAL_REQUIRED.failed(SealReason.REQUIRED_SETS_DIFFER, _RULE),)
    (wanted,) = sets
    here = {name for name in map(key_name, seals) if name is not None}
    absent = sorted(wanted - here)
    if absent:
        return (SEAL_REQUIRED.failed(SealReason.REQUIRED_SEAL_ABSENT, _RULE, algorithms=absent),)
    passed = {
        key_name(seal)
        for seal, report in zip(seals, reports, strict=True)
        if report.indication is Indication.PASSED
    }
    failing = sorted(wanted - passed)
    if failing:
        return (SEAL_REQUIRED.indeterminate(SealReason.REQUIRED_SEAL_NOT_VALID, _RULE, algorithms=failing),)
    return (SEAL_REQUIRED.ok(algorithms=sorted(wanted)),)


def worlds(seals: tuple[FoundSeal, ...], reports: tuple[Report, ...]) -> dict[str, ReportValue]:
    """Return what the classical seals and the post-quantum ones come to, each for itself.

    None where there is none. A composite seal is of both: its signature holds only when both halves do.
    """
    classical, quantum_safe = [], []
    for seal, report in zip(seals, reports, strict=True):
        key = None if seal.signature is None else seal.signature.key
        if key is None:
            continue
        if key.family in _QUANTUM_SAFE:
            quantum_safe.append(report.indication)
        if key.family not in _QUANTUM_SAFE or key.family in _CLASSICAL_TOO:
            classical.append(report.indication)
    return {"classical": _worst(classical), "post_quantum": _worst(quantum_safe)}


def _worst(found: list[Indication]) -> str | None:
    return min(found, key=_WEIGHT.index).value if found else None
