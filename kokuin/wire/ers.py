"""Evidence records (RFC 4998): archive time-stamps, their chains and the sequence, read and written.

The module's types have IMPLICIT tags (appendix A). What later archive time-stamps cover keeps its octets: the
sequence of chains so far, and the timeStamp field of the last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire import asn1, encode
from kokuin.wire.cms import Attribute, encode_attribute, read_attributes
from kokuin.wire.der import Fields, Node, children, expect, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import Limits
from kokuin.wire.tsp import read_algorithm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kokuin.wire.algorithms import AlgorithmIdentifier

RECORD_LIMITS = Limits(size=16 * 1024 * 1024, depth=64, elements=200_000)
"""Records: the hashes of one, and the elements of all its tokens, are counted together."""
MAX_STAMPS = 1_000
"""Archive time-stamps of one record: each costs a judgement, and a renewal every year is a hundred."""
MAX_CHAINS = 64
"""Each covers all octets before it: without a bound the hashing would grow with the square of the size."""

_V1 = 1


@dataclass(frozen=True, slots=True)
class ArchiveTimeStamp:
    """ArchiveTimeStamp (§4.1).

    Attributes:
        octets: the whole element.
        digest: digestAlgorithm; None when absent, then the messageImprint of the time-stamp names it.
        attributes: in the order found; empty when absent.
        reduced: reducedHashtree, its lists of hash values as found; None when absent.
        time_stamp: the timeStamp field, an element that should be a ContentInfo; it was not looked into.
    """

    octets: bytes
    digest: AlgorithmIdentifier | None
    attributes: tuple[Attribute, ...]
    reduced: tuple[tuple[bytes, ...], ...] | None
    time_stamp: bytes


@dataclass(frozen=True, slots=True)
class Chain:
    """ArchiveTimeStampChain (§5.1): `octets` of the whole element, and at least one archive time-stamp."""

    octets: bytes
    stamps: tuple[ArchiveTimeStamp, ...]


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """EvidenceRecord (§3.1).

    Attributes:
        octets: the whole element.
        digests: digestAlgorithms, as found.
        crypto_infos: cryptoInfos, in the order found; empty when absent.
        encryption: encryptionInfo, the whole element with its tag; None when absent. Where it is there, the
            record covers what was encrypted.
        sequence: archiveTimeStampSequence, the whole element.
        chains: the chains in it, at least one.
    """

    octets: bytes
    digests: tuple[AlgorithmIdentifier, ...]
    crypto_infos: tuple[Attribute, ...]
    encryption: bytes | None
    sequence: bytes
    chains: tuple[Chain, ...]

    def before(self, chain: int) -> bytes:
        """Return the sequence of the chains before number `chain`: what that one covers (§5.2, step 3)."""
        return encode.sequence(*(each.octets for each in self.chains[:chain]))


def is_evidence_record(octets: bytes) -> bool:
    """Say whether octets begin as an evidence record: version 1, then AlgorithmIdentifiers.

    A time-stamp request begins with version 1 and a SEQUENCE too, but its SEQUENCE holds an OCTET STRING.
    Of a record that lists no algorithms the rest must be one as well, since much else begins like that.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them, or any.
    """
    try:
        fields = Fields(read_whole(octets, asn1.SEQUENCE))
        version = asn1.integer(fields.take_any())
        digests = children(fields.take(asn1.SEQUENCE))
        for digest in digests:
            read_algorithm(digest)
        if not digests:
            read_evidence_record(octets)
    except WireError:
        return False
    return version == _V1


def read_evidence_record(octets: bytes) -> EvidenceRecord:
    """Read an EvidenceRecord (§3.1).

    Args:
        octets: as `kokuin.wire.ber.definite` returned them under `RECORD_LIMITS`.

    Raises:
        WireError: another syntax or version, an empty chain or sequence, more than `MAX_CHAINS` chains
            or `MAX_STAMPS` archive time-stamps (TOO_MANY), or octets follow.
    """
    whole = read_whole(octets, asn1.SEQUENCE)
    fields = Fields(whole)
    version = fields.take_any()
    if asn1.integer(version) != _V1:
        raise WireError(WireCode.BAD_VALUE, version.start)
    digests = children(fields.take(asn1.SEQUENCE))
    crypto_infos = fields.optional(asn1.context(0))
    encryption = fields.optional(asn1.context(1))
    sequence = fields.take(asn1.SEQUENCE)
    fields.finish()
    return EvidenceRecord(
        octets,
        tuple(read_algorithm(digest) for digest in digests),
        () if crypto_infos is None else read_attributes(crypto_infos),
        None if encryption is None else encryption.octets,
        sequence.octets,
        _read_sequence(sequence),
    )


def _read_sequence(node: Node) -> tuple[Chain, ...]:
    found, left = [], MAX_STAMPS
    chains = _some(node)
    if len(chains) > MAX_CHAINS:
        raise WireError(WireCode.TOO_MANY, node.start)
    for child in chains:
        stamps = _some(expect(child, asn1.SEQUENCE))
        left -= len(stamps)
        if left < 0:
            raise WireError(WireCode.TOO_MANY, child.start)
        found.append(Chain(child.octets, tuple(_read_archive_time_stamp(stamp) for stamp in stamps)))
    return tuple(found)


def _some(node: Node) -> list[Node]:
    """Return the elements; the syntax allows none, but nothing would be proven."""
    found = children(node)
    if not found:
        raise WireError(WireCode.UNEXPECTED, node.start)
    return found


def _read_archive_time_stamp(node: Node) -> ArchiveTimeStamp:
    fields = Fields(expect(node, asn1.SEQUENCE))
    digest = fields.optional(asn1.context(0))
    attributes = fields.optional(asn1.context(1))
    reduced = fields.optional(asn1.context(2))
    time_stamp = fields.take(asn1.SEQUENCE)
    fields.finish()
    return ArchiveTimeStamp(
        node.octets,
        None if digest is None else read_algorithm(digest, asn1.context(0)),
        () if attributes is None else read_attributes(attributes),
        None if reduced is None else tuple(_read_hashes(child) for child in children(reduced)),
        time_stamp.octets,
    )


def _read_hashes(node: Node) -> tuple[bytes, ...]:
    """PartialHashtree (§4.1)."""
    return tuple(asn1.octet_string(child) for child in children(expect(node, asn1.SEQUENCE)))


def encode_archive_time_stamp(
    time_stamp: bytes,
    *,
    digest: AlgorithmIdentifier | None = None,
    attributes: Iterable[Attribute] = (),
    reduced: Iterable[Iterable[bytes]] | None = None,
) -> bytes:
    """Return an ArchiveTimeStamp (§4.1) in DER.

    Args:
        time_stamp: a ContentInfo.
        digest: digestAlgorithm, if it is written.
        attributes: which are written when there is one.
        reduced: the lists of reducedHashtree in their order; None leaves it out.
    """
    lists = [encode.sequence(*map(encode.octet_string, hashes)) for hashes in reduced or ()]
    written = _encode_attributes(attributes)
    return encode.sequence(
        b"" if digest is None else b"\xa0" + encode.algorithm(digest)[1:],
        encode.explicit(1, b"".join(sorted(written))) if written else b"",
        b"" if reduced is None else encode.explicit(2, b"".join(lists)),
        time_stamp,
    )


def encode_chain(stamps: Iterable[bytes]) -> bytes:
    """Return an ArchiveTimeStampChain (§5.1) of archive time-stamps, the oldest first."""
    return encode.sequence(*stamps)


def encode_evidence_record(
    digests: Sequence[AlgorithmIdentifier],
    chains: Iterable[bytes],
    *,
    crypto_infos: Iterable[Attribute] = (),
    encryption: bytes | None = None,
) -> bytes:
    """Return an EvidenceRecord (§3.1) in DER.

    Args:
        digests: of all archive time-stamps, each once.
        chains: ArchiveTimeStampChains, the oldest first.
        crypto_infos: which are written when there is one, in this order.
        encryption: encryptionInfo with its tag, as `EvidenceRecord` has it.
    """
    infos = _encode_attributes(crypto_infos)
    return encode.sequence(
        encode.integer(_V1),
        encode.sequence(*map(encode.algorithm, digests)),
        encode.explicit(0, b"".join(infos)) if infos else b"",
        encryption or b"",
        encode.sequence(*chains),
    )


def _encode_attributes(attributes: Iterable[Attribute]) -> list[bytes]:
    return [encode_attribute(each.oid, *each.values) for each in attributes]
