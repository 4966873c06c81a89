"""What a switch changes for clients and verifiers, what cannot be undone, and the difference in materials."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kokuin.service.migration.assets import judge, rank
from kokuin.service.migration.cbom import cbom
from kokuin.service.migration.collecting import collect
from kokuin.service.migration.mechanisms import closure, of_part
from kokuin.service.migration.report import Bills, Consequences, Difference, Finding, PolicyDiff
from kokuin.service.migration.report_load import Clients, Verifier
from kokuin.service.migration.report_tokens import Count
from pqc.suites import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kokuin.service.config import Config
    from kokuin.service.migration.dryrun_survey import Survey
    from kokuin.service.migration.inventory import Inventory
    from kokuin.service.migration.report import Readiness
    from kokuin.service.snapshot import Snapshot
    from pqc.policies import Policy
    from pqc.profiles import Profile
    from pqc.suites import Suite

_LIMITS = (("client-buffer", 65_536), ("http-body-of-proxies", 1_048_576))
"""Octets of a response that some clients and proxies take at most."""

_READERS: dict[Family, tuple[tuple[str, str], ...]] = {
    Family.RSA_PKCS1: (("openssl-ts", "yes"), ("openssl-cms", "yes"), ("acrobat", "yes")),
    Family.RSA_PSS: (("openssl-ts", "no"), ("openssl-cms", "yes"), ("acrobat", "partly")),
    Family.ECDSA: (("openssl-ts", "yes"), ("openssl-cms", "yes"), ("acrobat", "yes")),
    Family.EDDSA: (("openssl-ts", "no"), ("openssl-cms", "partly"), ("acrobat", "no")),
    Family.ML_DSA: (("openssl-ts", "no"), ("openssl-cms-3.5", "yes"), ("acrobat", "no")),
    Family.SLH_DSA: (("openssl-ts", "no"), ("openssl-cms-3.5", "yes"), ("acrobat", "no")),
    Family.COMPOSITE_ML_DSA: (("openssl-ts", "no"), ("openssl-cms-3.5", "no"), ("acrobat", "no")),
}
"""What other programs make of a suite. kokuin reads them all."""


def policy_diff(  # noqa: PLR0913, PLR0917  # both sides of a difference, named once
    before: Profile,
    after: Profile | None,
    name: str,
    configuration: str,
    config: Config,
    policy: Policy,
) -> PolicyDiff:
    """Lay two profiles side by side, purpose by purpose."""
    left, right = _purposes(before, config), {} if after is None else _purposes(after, config)
    rows = tuple(Difference(purpose, left[purpose], right.get(purpose, "")) for purpose in left)
    return PolicyDiff(
        before.name,
        name,
        _sha256(before.text),
        "" if after is None else _sha256(after.text),
        configuration,
        config.policy.issue,
        policy.name,
        policy.edition,
        rows,
    )


def _purposes(profile: Profile, config: Config) -> dict[str, str]:
    return {
        "policy-oid": profile.policy(config.arc),
        "tst": profile.tst.id,
        "unit": profile.unit,
        "twin": profile.twin or "",
        "evidence": profile.evidence or "",
        "embed": "yes" if profile.embed else "",
        "certificate": profile.certificate.id,
        "envelope": profile.envelope,
        "imprints": " ".join(profile.imprints),
        "accuracy-us": str(profile.accuracy_us),
        "key-days": str(profile.key_days),
        "certificate-days": str(profile.certificate_days),
    }


def clients(  # noqa: PLR0913, PLR0917  # what clients depend on, named once
    survey: Survey,
    before: Profile,
    after: Profile | None,
    config: Config,
    accepted: frozenset[str],
    suites: Iterable[Suite],
    largest: int,
) -> Clients:
    """Say what clients would notice, by what the ledger knows of them.

    Args:
        survey: the ledger's tokens.
        before: the default profile.
        after: the one rehearsed; None: it cannot be read.
        config: for the policy OIDs.
        accepted: hashes that the candidate would stamp under the judging policy.
        suites: of the tokens that it would give out.
        largest: octets of the largest trial response.
    """
    hashes: Counter[str] = Counter()
    for cohort in survey.cohorts.values():
        if cohort.kind.imprint not in accepted:
            hashes[cohort.kind.imprint] += cohort.tokens
    readers: dict[str, str] = {"kokuin": "yes"}
    for suite in suites:
        for program, reads in _READERS.get(suite.family, ()):
            readers[program] = _worse(readers.get(program, "yes"), reads)
    old = before.policy(config.arc)
    return Clients(
        tokens=survey.tokens,
        by_default=survey.by_default,
        named=survey.tokens - survey.by_default,
        old_policy=old,
        new_policy="" if after is None else after.policy(config.arc),
        fallbacks=(f"POST /tsa/{before.name}", f"reqPolicy {old}"),
        refused_hashes=() if after is None else tuple(Count(*item) for item in sorted(hashes.items())),
        verifiers=() if after is None else tuple(Verifier(*item) for item in readers.items()),
        largest=largest,
        limits=_LIMITS,
    )


def _worse(one: str, other: str) -> str:
    order = ("yes", "partly", "no")
    return max(one, other, key=order.index)


def consequences(
    snapshot: Snapshot, after: Profile | None, chain: Sequence[Readiness], blockers: Iterable[Finding]
) -> Consequences:
    """Name what stands in the way, what stays for good, and how to go back."""
    found = tuple(dict.fromkeys(blockers))
    if after is None or after.name == snapshot.default:
        return Consequences(found, (), ())
    made = {(each.item, each.subject) for each in chain if each.state == "made-at-switch"}
    irreversible = [
        Finding("TOKENS_KEEP_SUITE", after.name),
        Finding("LEAVES_STAY", after.name),
    ]
    irreversible += [Finding("KEY_STAYS", owner) for item, owner in sorted(made) if item == "key"]
    irreversible += [
        Finding("ANCHOR_STAYS", owner) for item, owner in sorted(made) if item == "unit-certificate"
    ]
    rollback = [
        Finding("ROLLBACK_COMMAND", snapshot.default, "tsa profile rollback"),
        Finding("FORMER_STAYS_ON", snapshot.default),
    ]
    if after.name not in snapshot.enabled:
        rollback.append(Finding("DISABLE_AFTERWARDS", after.name, f"tsa profile disable {after.name}"))
    return Consequences(found, tuple(irreversible), tuple(rollback))


def bills(made: Inventory, candidate: Snapshot | None) -> Bills:
    """Return the bill of materials as it is and as it would be; the same, where nothing can be rehearsed."""
    before = cbom(made)
    after = before if candidate is None else cbom(_as_if(made, candidate))
    old, new = _components(before), _components(after)
    return Bills(
        before,
        after,
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name])),
    )


def _as_if(made: Inventory, candidate: Snapshot) -> Inventory:
    source = replace(made.source, snapshot=candidate)
    judged = [judge(facts, made.policies, made.made, made.years_needed) for facts in collect(source)]
    assets = rank(judged, made.years_needed)
    found = [mechanism for asset in assets for mechanism in asset.facts.mechanisms]
    mechanisms = closure((*found, *map(of_part, source.tls.groups)))
    return replace(made, source=source, assets=assets, mechanisms=mechanisms)


def _components(document: dict[str, Any]) -> dict[str, Any]:
    return {str(each.get("bom-ref", each["name"])): each for each in document.get("components", ())}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
