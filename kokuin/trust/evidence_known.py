"""Since when each thing is known to have existed by which a token is judged through evidence (RFC 4998).

A record proves the bare token, and what stands in the record's group. Certificates and lists in unsigned
attributes, or that the verifier has, may be of yesterday: made by whoever can forge an algorithm that has
fallen since, or has stolen an authority's key (EN 319 102-1 §5.6.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.context import RevocationData
from kokuin.trust.report import Check
from kokuin.trust.revocation_sources import (
    MAX_CARRIED,
    carried_revocation,
    certificates_of,
    revocation_of,
)
from kokuin.trust.token import read_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context
    from kokuin.trust.evidenced import Evidenced
    from kokuin.trust.token import TokenFacts


_NOTHING = RevocationData()


@dataclass(frozen=True, slots=True)
class Later:
    """What time-stamps carry of revocations that cover an older one; it tells of the older one too.

    Attack: an archive time-stamp made with a stolen key and dated back carries no list that names it; what
    covers it may.

    Attributes:
        data: of the nearest time-stamps, MAX_CARRIED lists and as many answers.
        known: since when each is known to have existed, microseconds since 1970 UTC.
    """

    data: RevocationData = _NOTHING
    known: tuple[tuple[bytes, int], ...] = ()

    def with_those_of(self, time_stamp: bytes, existence: int) -> Later:
        """Return the same with those of one more time-stamp, which is known to have existed at a time."""
        facts = read_token(time_stamp)
        if isinstance(facts, Check):
            return self
        own = carried_revocation(facts)
        data = own.with_more(self.data)
        held = RevocationData(data.lists[:MAX_CARRIED], data.answers[:MAX_CARRIED])
        times = {**dict(self.known), **dict.fromkeys(_each(own), existence)}
        return Later(held, tuple((each, times[each]) for each in _each(held)))

    def with_listed(self, data: RevocationData, since: int | None) -> Later:
        """Return the same with what an archive time-stamp covers beside an older one: as old as that."""
        if since is None or data == _NOTHING:
            return self
        more = data.with_more(self.data)
        held = RevocationData(more.lists[:MAX_CARRIED], more.answers[:MAX_CARRIED])
        times = dict(self.known)
        times |= {each: min(since, times.get(each, since)) for each in _each(data)}
        return Later(held, tuple((each, times[each]) for each in _each(held)))


def held_by(time_stamp: bytes) -> frozenset[bytes]:
    """Return the certificates, lists and answers (DER) in a time-stamp, which are as old as it is."""
    facts = read_token(time_stamp)
    return frozenset() if isinstance(facts, Check) else frozenset((*_signed(facts), *_unsigned(facts)))


def verifiers(context: Context) -> Mapping[bytes, int]:
    """Return since when the verifier's lists and answers are known to have existed."""
    return {**dict.fromkeys(_each(context.revocation), context.existence), **dict(context.known_later)}


def of_bare(facts: TokenFacts, context: Context) -> Context:
    """Return the context in which to judge a token for an earlier time, proven of the bare token alone."""
    known = {**dict.fromkeys(_unsigned(facts), context.existence), **verifiers(context)}
    own = {*_signed(facts), *_trusted(context)}
    return replace(context, known_later=tuple(each for each in known.items() if each[0] not in own))


def with_material(context: Context, found: Iterable[Evidenced]) -> Context:
    """Return the context with the certificates and revocation data that records bring along.

    Each is as old as its record proves: that an earlier record proves the token does not make it older.
    """
    helpers, revocation = context.trust.helpers, context.revocation
    known, trusted = dict(verifiers(context)), _trusted(context)
    for each in found:
        helpers = (*helpers, *each.certificates)
        revocation = revocation.with_more(each.revocation)
        for item, time in each.known:
            if item not in trusted:
                known[item] = min(known.get(item, time), time)
    trust = replace(context.trust, helpers=helpers)
    return replace(context, trust=trust, revocation=revocation, known_later=tuple(known.items()))


def with_unproven(
    context: Context, certificates: Iterable[Certificate], revocation: RevocationData
) -> Context:
    """Return the context with what somebody put beside an object: it may have been made just before."""
    own = context.trust.helpers
    helpers = (*own, *(each for each in certificates if each not in own))
    known = {**{each.der: context.existence for each in helpers[len(own) :]}, **dict(context.known_later)}
    mine = _trusted(context)
    return replace(
        context,
        trust=replace(context.trust, helpers=helpers),
        revocation=context.revocation.with_more(revocation),
        known_later=tuple((each, time) for each, time in known.items() if each not in mine),
    )


def moved(context: Context, at: int) -> Context:
    """Return the context for another validation time: what nothing proves is known from then on."""
    known = tuple((each, at if time == context.at else time) for each, time in context.known_later)
    return replace(context, at=at, known_later=known)


def _trusted(context: Context) -> frozenset[bytes]:
    """Certificates that the verifier has of his own need no proof."""
    trust = context.trust
    own = frozenset(each.der for each in (*trust.anchors, *trust.helpers))
    return own.difference(dict(context.known_later))


def _each(data: RevocationData) -> Iterator[bytes]:
    yield from data.lists
    yield from data.answers


def _unsigned(facts: TokenFacts) -> Iterator[bytes]:
    attributes = facts.signer_info.unsigned_attributes
    yield from certificates_of(attributes)
    yield from _each(revocation_of(attributes))


def _signed(facts: TokenFacts) -> Iterator[bytes]:
    yield from facts.signed_data.certificates
    yield from facts.signed_data.crls
    yield from facts.signed_data.ocsp_answers
    yield from _each(revocation_of(facts.signer_info.signed_attributes or ()))
