"""The dated plan: what ends when, by whose word, and what must be done by then.

Codes and values only; `kokuin.cli.roadmap_page` writes them for people.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.service.migration.assets import AssetKind, State
from kokuin.service.migration.leaf_fields import UNKNOWN
from kokuin.service.migration.limits import changes_of, governing, limits_of, to_moment
from kokuin.service.migration.mechanisms import of_hash, of_recorded
from kokuin.service.migration.seals import PREFIX, SEAL
from pqc.policies import NEVER, Role, Suitability, Usage
from pqc.profiles import ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kokuin.service.migration.assets import Asset, Note
    from kokuin.service.migration.inventory import Inventory
    from kokuin.service.migration.limits import Limit
    from pqc.policies import Policy


class Act(StrEnum):
    """What a milestone asks for."""

    SWITCH = "SWITCH"
    """Use another profile by then: nothing new may be signed with this any more."""
    DROP = "DROP"
    """Take it out of the profiles by then: nothing new may be hashed or enveloped with it any more."""
    RENEW = "RENEW"
    """Give tokens a newer proof of existence by then: they may not be relied on without one any more."""
    REPLACE_CERTIFICATE = "REPLACE_CERTIFICATE"
    """Issue another certificate by then: this one outlives its algorithm."""
    LEGACY = "LEGACY"
    """Nothing must be done by then; the policy begins to lead away from it."""
    KEY_ENDS = "KEY_ENDS"
    """Generate a key and have its certificate issued by then."""
    SEAL_ENDS = "SEAL_ENDS"
    """Add the seal profile that follows by then, and have it certified."""
    CERTIFICATE_ENDS = "CERTIFICATE_ENDS"
    """Give tokens verified through it a newer proof by then."""
    RENEW_EVIDENCE = "RENEW_EVIDENCE"
    """Cover the evidence of tokens by a further archive time-stamp by then (`tsa renew --ledger`)."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """One line of the plan.

    Attributes:
        last: last day on which nothing is too late; before the inventory's day: it is too late already.
        act: what must be done by then.
        names: what ends: suites, hashes, keys, certificates.
        policy: whose word it is; empty where a certificate says so.
        source: document, edition and clause of the row that ends.
        draft: that document is a draft.
        tokens: tokens that are concerned.
        profiles: of `SWITCH`: those that the policy accepts beyond that day and for as long as is needed.
        unready: of them, those that want a key and a certificate first.
    """

    last: dt.date
    act: Act
    names: tuple[str, ...]
    policy: str = ""
    source: str = ""
    draft: bool = False
    tokens: int = 0
    profiles: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roadmap:
    """The plan, and what it cannot know.

    Attributes:
        milestones: in order of date; those of a day in order of what they ask for.
        drafts: ids of mechanisms in use or possible whose standard is not published.
        unjudged: names of things of which a policy says nothing, by the policy's name.
        notes: what could not be seen, with what it concerns.
    """

    milestones: tuple[Milestone, ...]
    drafts: tuple[str, ...]
    unjudged: dict[str, tuple[str, ...]]
    notes: tuple[tuple[Note, str], ...]


def roadmap(made: Inventory) -> Roadmap:
    """Derive the plan from an inventory."""
    found = [
        *_issuing(made),
        *_tokens(made),
        *_outliving(made),
        *_periods(made),
        *_legacy(made),
        *_evidence(made),
    ]
    order = {act: number for number, act in enumerate(Act)}
    return Roadmap(
        tuple(sorted(found, key=lambda each: (each.last, order[each.act], each.policy, each.names))),
        tuple(each.id for each in made.mechanisms if each.draft),
        _unjudged(made),
        tuple((note, asset.facts.name) for asset in made.assets for note in asset.facts.notes),
    )


def fit_profiles(made: Inventory, policy: Policy, after: dt.date) -> tuple[str, ...]:
    """Return the profiles, on or off, that a policy accepts beyond a day and for as long as is needed.

    Those whose standard is published come first.
    """
    on, off = made.source.profiles()
    wanted = max(after + dt.timedelta(days=1), made.needed_until)
    found = []
    for name, profile in {**on, **off}.items():
        try:
            suites = [made.source.unit(unit).tst for unit in profile.units]
        except ProfileError:
            continue
        subjects = [subject for suite in suites for subject in of_recorded(suite.id).subjects]
        limits = limits_of(subjects, (policy,), made.made)
        if all(limit.status.fit and (limit.last is None or limit.last >= wanted) for limit in limits):
            found.append((any(suite.draft for suite in suites), name))
    return tuple(name for _, name in sorted(found))


def _unready(made: Inventory, profiles: Iterable[str]) -> tuple[str, ...]:
    """Return those that have a unit without a certificate in force."""
    on, off = made.source.profiles()
    every, units = {**on, **off}, made.source.snapshot.units
    ready = {unit for unit, reference in units.items() if reference.certificate}
    return tuple(name for name in profiles if not ready.issuperset(every[name].units))


def _issuing(made: Inventory) -> Iterator[Milestone]:
    """What profiles in force use, and nothing new may be made with after a day."""
    policies = {policy.name: policy for policy in made.policies}
    suites = _grouped(made, {AssetKind.SUITE})
    for (name, last, source, draft), names in suites.items():
        profiles = fit_profiles(made, policies[name], last)
        yield Milestone(
            last, Act.SWITCH, names, name, source, draft, profiles=profiles, unready=_unready(made, profiles)
        )
    for (name, last, source, draft), names in _grouped(made, {AssetKind.HASH, AssetKind.ENVELOPE}).items():
        yield Milestone(last, Act.DROP, names, name, source, draft)


def _grouped(made: Inventory, kinds: set[AssetKind]) -> dict[tuple[str, dt.date, str, bool], tuple[str, ...]]:
    """Return the names of what is in use and may not be used for anything new, by the row that ends it."""
    grouped: dict[tuple[str, dt.date, str, bool], set[str]] = defaultdict(set)
    for asset in made.assets:
        if asset.facts.state is State.IN_USE and asset.facts.kind in kinds:
            for limit in _ending(asset.limits, Usage.ISSUE):
                grouped[_key(limit, made)].add(asset.facts.name)
    return {key: tuple(sorted(names)) for key, names in grouped.items()}


def _tokens(made: Inventory) -> Iterator[Milestone]:
    """Tokens of the ledger, by the first of their signature and their imprint that may not be relied on."""
    grouped: dict[tuple[str, dt.date, str, bool], tuple[set[str], int]] = {}
    for group in made.source.counts.groups:
        mechanisms = [*map(of_recorded, group.suites), of_hash(group.imprint, Role.IMPRINT)]
        for policy in made.policies:
            limits = [
                (limit, mechanism.id)
                for mechanism in mechanisms
                for limit in _ending(limits_of(mechanism.subjects, (policy,), made.made), Usage.VERIFY)
            ]
            if limits:
                limit, name = min(limits, key=lambda each: (each[0].last or dt.date.max, each[1]))
                key = _key(limit, made)
                names, count = grouped.get(key, (set(), 0))
                grouped[key] = names | {name}, count + group.count
    for (policy_name, last, source, draft), (names, count) in grouped.items():
        if last < made.needed_until:  # later nobody needs them any more
            yield Milestone(last, Act.RENEW, tuple(sorted(names)), policy_name, source, draft, count)


def _outliving(made: Inventory) -> Iterator[Milestone]:
    """Certificates in use that are valid for longer than what they rest on is fit."""
    for asset in made.assets:
        until = asset.facts.until_us
        if (
            asset.facts.kind is not AssetKind.CERTIFICATE
            or asset.facts.state is not State.IN_USE
            or not until
        ):
            continue
        for limit in _ending(asset.limits, Usage.VERIFY):
            policy, last, source, draft = _key(limit, made)
            if last < to_moment(until).date():
                yield Milestone(
                    last,
                    Act.REPLACE_CERTIFICATE,
                    (asset.facts.name,),
                    policy,
                    source,
                    draft,
                    asset.facts.tokens,
                )


def _periods(made: Inventory) -> Iterator[Milestone]:
    acts = {AssetKind.KEY: Act.KEY_ENDS, AssetKind.CERTIFICATE: Act.CERTIFICATE_ENDS}
    for asset in made.assets:
        act, until = acts.get(asset.facts.kind), asset.facts.until_us
        if act is None or until is None or asset.facts.state not in {State.IN_USE, State.KEPT}:
            continue
        if act is Act.CERTIFICATE_ENDS and SEAL in asset.facts.uses:
            continue  # its key's end says it
        if any(use.startswith(PREFIX) for use in asset.facts.uses):
            act = Act.SEAL_ENDS
        last = to_moment(until).date()
        needed = act is Act.CERTIFICATE_ENDS and last < made.needed_until
        yield Milestone(last, act, (asset.facts.name,), tokens=asset.facts.tokens if needed else 0)


def _evidence(made: Inventory) -> Iterator[Milestone]:
    """Evidence that ends while its tokens are still needed."""
    for found in made.evidence:
        last = None if found.until is None else to_moment(found.until).date()
        if last is not None and last < made.needed_until:
            yield Milestone(last, Act.RENEW_EVIDENCE, (found.unit,), found.policy, tokens=found.tokens)


def _legacy(made: Inventory) -> Iterator[Milestone]:
    """Days on which a policy goes on accepting something, and begins to advise against it."""
    grouped: dict[tuple[str, dt.date, str, bool], set[str]] = defaultdict(set)
    for asset in made.assets:
        if asset.facts.state not in {State.IN_USE, State.KEPT}:
            continue
        usage = governing(asset.facts.subjects)
        for policy in made.policies:
            for change in changes_of(asset.facts.subjects, policy, usage, made.made):
                if change.after.fit:
                    key = change.policy, change.last, change.source, change.draft
                    grouped[key].add(asset.facts.name)
    for (policy_name, last, source, draft), names in grouped.items():
        yield Milestone(last, Act.LEGACY, tuple(sorted(names)), policy_name, source, draft)


def _ending(limits: Iterable[Limit], usage: Usage) -> Iterator[Limit]:
    """Yield the limits of a usage that have an end, also one that is over."""
    for limit in limits:
        if limit.usage is usage and limit.last is not None and limit.status is not Suitability.UNKNOWN:
            yield limit


def _key(limit: Limit, made: Inventory) -> tuple[str, dt.date, str, bool]:
    """What was never fit is too late since the day before the inventory."""
    last = made.made.date() - dt.timedelta(days=1) if limit.last in {None, NEVER} else limit.last
    assert last is not None  # noqa: S101  # the line above
    return limit.policy, last, limit.source, limit.draft


def _unjudged(made: Inventory) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {policy.name: set() for policy in made.policies}
    for asset in made.assets:
        for limit in asset.limits:
            if limit.status is Suitability.UNKNOWN and _matters(asset):
                found[limit.policy].add(asset.facts.name)
    return {policy: tuple(sorted(names)) for policy, names in found.items() if names}


def _matters(asset: Asset) -> bool:
    return asset.facts.state is not State.POSSIBLE or asset.facts.name == UNKNOWN
