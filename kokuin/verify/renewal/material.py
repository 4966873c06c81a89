"""What a time-stamp is judged by, as it travels with it: its signer's path, and what is said of revocations.

When a new record is made, all of it is at hand; decades later nobody publishes it any more (RFC 4998 §3.1).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import RevocationData
from kokuin.trust.judge import MAX_CERTIFICATES, find_signer
from kokuin.trust.path import find_path
from kokuin.trust.revocation_sources import carried_certificates, carried_revocation, shelves_for
from kokuin.trust.revocation_statement import Source, Statement
from kokuin.wire.errors import WireError
from tsa.evidence.group import Material, encode_certificate_values, encode_revocation_values

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context
    from kokuin.trust.token import TokenFacts

MOST_OCTETS = 64 * 1024
"""Of all revocation data that travels: every record of a tree repeats it."""
_REMEMBERED = 64
"""Units whose material is kept; an archive has tokens of few."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a token is judged by.

    Attributes:
        certificates: DER, from the signer's to the anchor's.
        revocation: what speaks of them.
        complete: nothing was left out for its size.
    """

    certificates: tuple[bytes, ...]
    revocation: RevocationData
    complete: bool

    def material(self) -> Material:
        """Return it as it stands in records."""
        return Material(
            encode_certificate_values(self.certificates), encode_revocation_values(self.revocation)
        )


def name_of(material: Material) -> str:
    """Return the name by which a journal knows material: SHA-256 (hex) of both its values."""
    return hashlib.sha256(material.certificates + (material.revocation or b"")).hexdigest()


@dataclass(frozen=True, slots=True)
class Carried:
    """Material ready for many records: with its name, and whether nothing was left out."""

    name: str
    material: Material
    complete: bool


class Gatherer:
    """Finds what tokens are judged by; tokens of one unit have it in common."""

    def __init__(self, context: Context) -> None:
        """Args: by what they are judged, for now."""
        self._context = context
        self._known: dict[tuple[object, ...], Parts] = {}
        self._carried: dict[Parts, Carried] = {}

    def carried(self, facts: TokenFacts) -> Carried:
        """Return what `parts` does, as records have it."""
        parts = self.parts(facts)
        found = self._carried.get(parts)
        if found is None:
            material = parts.material()
            if len(self._carried) == _REMEMBERED:
                self._carried.clear()
            found = self._carried[parts] = Carried(name_of(material), material, parts.complete)
        return found

    def parts(self, facts: TokenFacts) -> Parts:
        """Return what a token is judged by that passes, as far as it is at hand."""
        octets = tuple(dict.fromkeys(carried_certificates(facts)))[:MAX_CERTIFICATES]
        carried = carried_revocation(facts)
        signer = find_signer(facts, self._context)
        key = (signer and signer.der, octets, carried)
        found = self._known.get(key)
        if found is None:
            if len(self._known) == _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._gather(signer, octets, carried)
        return found

    def _gather(
        self, signer: Certificate | None, octets: tuple[bytes, ...], carried: RevocationData
    ) -> Parts:
        if signer is None:
            return Parts((), carried, complete=True)
        others = []
        for der in octets:
            with contextlib.suppress(WireError):
                others.append(read_certificate(der))
        context = self._context
        path = find_path(signer, context.trust, others, context.existence).path or (signer,)
        said: dict[bytes, Source] = {}
        for certificate, issuer in itertools.pairwise(path):
            for shelf in shelves_for(context.revocation, carried):
                heard = shelf.hear(certificate, issuer)
                said |= {each.octets: each.source for each in heard if isinstance(each, Statement)}
        kept = _fitting(said)
        lists = tuple(each for each in kept if said[each] is Source.LIST)
        answers = tuple(each for each in kept if said[each] is Source.ANSWER)
        revocation = RevocationData(lists, answers)
        return Parts(tuple(each.der for each in path), revocation, len(kept) == len(said))


def _fitting(said: dict[bytes, Source]) -> list[bytes]:
    """Return the smallest that fit together: lists of large authorities have megabytes."""
    taken, left = [], MOST_OCTETS
    for each in sorted(said, key=len):
        left -= len(each)
        if left < 0:
            break
        taken.append(each)
    return taken
