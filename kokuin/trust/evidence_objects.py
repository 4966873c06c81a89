"""What an evidence record covers: the data objects at hand, and what it brings along (RFC 4998 §5.3).

A record names no object; it holds hashes. An object that is at hand is covered as far as its hash is in the
first list of the first archive time-stamp of each chain. At a hash-tree renewal objects may be dropped.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.context import RevocationData
from kokuin.trust.evidence_hashes import combine
from kokuin.trust.evidence_tree import first_of_chains
from kokuin.trust.report import SubIndication
from kokuin.trust.revocation_sources import certificate_values, revocation_values
from kokuin.trust.rules import EVIDENCE_CHAIN, EVIDENCE_OBJECT, Reason
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.evidence_hashes import Covered
    from kokuin.trust.evidence_tree import FoundStamp
    from kokuin.trust.report import Check
    from kokuin.trust.rules import Rule
    from kokuin.wire.ers import EvidenceRecord

MAX_MATERIAL = 4
"""Values of cryptoInfos that are looked at: real records have one of each kind."""
MAX_CERTIFICATES = 64
MAX_REVOCATION = 64
"""Lists, and as many answers, that a record brings along; each may cost a signature to verify."""
_NOTHING = RevocationData()
_VALUES = frozenset({oids.ID_AA_ETS_CERT_VALUES, oids.ID_AA_ETS_REVOCATION_VALUES})


@dataclass(frozen=True, slots=True)
class Material:
    """What a record brings along and covers; nobody is trusted because he stands there.

    Attributes:
        certificates: those that can be read.
        revocation: lists and answers as they were found.
    """

    certificates: tuple[Certificate, ...] = ()
    revocation: RevocationData = _NOTHING

    @property
    def octets(self) -> tuple[bytes, ...]:
        """All of it (DER)."""
        return (*(each.der for each in self.certificates), *self.revocation.lists, *self.revocation.answers)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a record covers an object.

    Attributes:
        chains: how many chains cover it, from the first.
        at_hand: for how many, from the first, its hash is at hand to look for.
    """

    chains: int
    at_hand: int

    @property
    def is_open(self) -> bool:
        """Whether nobody can say of the next chain that it does not cover the object."""
        return self.chains == self.at_hand


class Coverage:
    """Which objects a record covers, and up to which chain."""

    def __init__(self, record: EvidenceRecord, stamps: tuple[FoundStamp, ...]) -> None:
        """Args: the record, and its archive time-stamps."""
        self._record = record
        self._firsts = first_of_chains(stamps)
        self._hashed: dict[int, bytes] = {}

    @property
    def chains(self) -> int:
        """Number of chains."""
        return len(self._firsts)

    def reach(self, covered: Covered) -> Reach:
        """Return how far an object is covered.

        Raises:
            OSError: from `covered`.
        """
        seen: dict[bytes, str] = {}
        for number, first in enumerate(self._firsts):
            digest = first.digest
            found = b"" if digest is None else covered(digest.name)
            # Of who knows one digest alone it comes under every name: two algorithms never make the same.
            if (
                digest is None
                or len(found) != digest.size
                or seen.setdefault(found, digest.name) != digest.name
            ):
                return Reach(number, number)
            if not first.listed & self._expected(number, digest.name, found):
                return Reach(number, number + 1)
        return Reach(self.chains, self.chains)

    def why_open(self, rule: Rule, chain: int) -> Check:
        """Return the check that it is not known whether an object is in a chain, numbered from 1."""
        first = self._firsts[chain - 1]
        if first.digest is None:
            means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
            return rule.indeterminate(Reason.DIGEST_UNKNOWN, means, algorithm=str(first.digest_oid))
        # Of who has a digest alone, it is by the algorithm of the first chain if by any.
        reason = Reason.DIGEST_LENGTH if chain == 1 else Reason.CONTENT_NOT_GIVEN
        means = SubIndication.SIGNED_DATA_NOT_FOUND
        return rule.indeterminate(reason, means, chain=chain, algorithm=first.digest.name)

    def others(self, count: int) -> int:
        """Return how many hashes the first list has beside those of so many objects."""
        return len(self._firsts[0].listed) - count

    def _expected(self, number: int, digest: str, found: bytes) -> frozenset[bytes]:
        """Return what stands for an object in a chain: its hash, or since a renewal more (§5.2, step 4).

        The text of step 4 concatenates in this order, figure 4 sorts. Both bind the object and all that is
        older, so whoever reads takes either.
        """
        if not number:
            return frozenset({found})
        older = self._older(number, digest)
        in_order = DIGEST_BY_NAME[digest].of(found + older)
        return frozenset({in_order, combine(digest, (found, older))})

    def _older(self, number: int, digest: str) -> bytes:
        # A record may have 16 MiB; there are several objects, and its octets are hashed once for each chain.
        if number not in self._hashed:
            chains = (chain.octets for chain in self._record.chains[:number])
            self._hashed[number] = DIGEST_BY_NAME[digest].of(encode.sequence(*chains))
        return self._hashed[number]


def check_object(reach: Reach, coverage: Coverage, record: EvidenceRecord, count: int) -> Check:
    """Check that a record covers the object that it is for (§5.3, step 1).

    Args:
        reach: of that object.
        coverage: of the record.
        record: the record.
        count: how many of the objects at hand are covered.
    """
    if reach.chains:
        return EVIDENCE_OBJECT.ok(count=count, others=coverage.others(count))
    if reach.is_open:
        return coverage.why_open(EVIDENCE_OBJECT, 1)
    if record.encryption is not None:
        # What was covered is what was encrypted then; nobody here can make that again.
        return EVIDENCE_OBJECT.indeterminate(Reason.EVIDENCE_ENCRYPTED, SubIndication.SIGNED_DATA_NOT_FOUND)
    return EVIDENCE_OBJECT.failed(Reason.EVIDENCE_OTHER_OBJECT, SubIndication.HASH_FAILURE)


def check_sequence(reaches: tuple[Reach, ...], coverage: Coverage) -> Check | None:
    """Check that each chain goes on from the one before (§5.3, step 3), by any object; None: none is at hand.

    Attack: a hash-tree renewal of another record put behind the chains of this one.
    """
    farthest = max((reach.chains for reach in reaches), default=0)
    if not farthest:
        return None
    if farthest == coverage.chains:
        return EVIDENCE_CHAIN.ok(chains=coverage.chains)
    if any(reach.is_open and reach.chains == farthest for reach in reaches):
        return coverage.why_open(EVIDENCE_CHAIN, farthest + 1)
    return EVIDENCE_CHAIN.failed(
        Reason.EVIDENCE_OTHER_SEQUENCE, SubIndication.HASH_FAILURE, chain=farthest + 1
    )


def material_of(record: EvidenceRecord, is_covered: Callable[[Covered], bool]) -> Material:
    """Return the certificates and revocation data that a record brings along and covers.

    Attack: cryptoInfos stand outside of what the time-stamps cover, so anybody may add to them. What is not
    in the group was not there when the record was made.

    Args:
        record: the record.
        is_covered: says of a data object whether the record covers it.
    """
    values = [
        (attribute.oid, value)
        for attribute in record.crypto_infos
        if attribute.oid in _VALUES
        for value in attribute.values
    ][:MAX_MATERIAL]
    certificates: list[bytes] = []
    revocation = _NOTHING
    for oid, value in values:
        if not is_covered(_octets(value)):
            continue
        if oid == oids.ID_AA_ETS_CERT_VALUES:
            certificates += certificate_values(value)
        else:
            revocation = revocation.with_more(revocation_values(value))
    held = RevocationData(revocation.lists[:MAX_REVOCATION], revocation.answers[:MAX_REVOCATION])
    return Material(_readable(certificates), held)


def listed_material(
    record: EvidenceRecord, fit: Callable[[str], bool]
) -> Callable[[FoundStamp], RevocationData]:
    """Return what tells of the revocation data in a record that an archive time-stamp covers by itself.

    A list in which the time-stamp before stands may have more hashes (§5.2): of what tells of its signer,
    say, which is as old as the archive time-stamp then.

    Args:
        record: the record.
        fit: says of a hash, by its dotted identifier, whether it still binds data.
    """

    @functools.cache
    def hashed(digest: str) -> dict[bytes, bytes]:
        # Attack: a large value and many archive time-stamps; each value is hashed once for each algorithm.
        values = (
            value
            for attribute in record.crypto_infos
            if attribute.oid == oids.ID_AA_ETS_REVOCATION_VALUES
            for value in attribute.values
        )
        return {DIGEST_BY_NAME[digest].of(each): each for each in itertools.islice(values, MAX_MATERIAL)}

    def listed(found: FoundStamp) -> RevocationData:
        data = _NOTHING
        if found.digest is None or not fit(found.digest.oid):
            return data
        for value, octets in hashed(found.digest.name).items():
            if value in found.listed:
                data = data.with_more(revocation_values(octets))
        return RevocationData(data.lists[:MAX_REVOCATION], data.answers[:MAX_REVOCATION])

    return listed


def _octets(value: bytes) -> Covered:
    return lambda digest: DIGEST_BY_NAME[digest].of(value)


def _readable(octets: list[bytes]) -> tuple[Certificate, ...]:
    certificates = []
    for der in list(dict.fromkeys(octets))[:MAX_CERTIFICATES]:
        with contextlib.suppress(WireError):
            certificates.append(read_certificate(der))
    return tuple(certificates)
