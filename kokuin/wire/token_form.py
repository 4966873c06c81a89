"""The one form of a token that is hashed for ever: without what may be added to it later (RFC 5652 §5.3).

Evidence, archive time-stamps and revocation data are unsigned attributes: anybody may add them, and the
signature holds with any of them. A record of a token, and an evidence record over it, cover the token
without them, so that it is found again whatever was added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.wire import asn1, encode, oids
from kokuin.wire.cms import encode_attribute, read_signed_data
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def bare_token(der: bytes) -> bytes:
    """Return a token with the whole unsignedAttrs absent from each SignerInfo; all else keeps its octets.

    Only the lengths of what encloses a removed field are written anew. A token that has none is returned
    as it is. One walk over the fields, no deeper than a SignerInfo: attributes within attributes, and what
    the content, certificates or signed attributes hold, are not looked at.

    Args:
        der: a ContentInfo with SignedData, as `kokuin.wire.ber.definite` returned it.

    Raises:
        WireError: TOO_LARGE beyond the limit of tokens; else as `kokuin.wire.cms.read_signed_data`.
    """
    outer = _whole(der)
    found = children(_enclosed(outer)[2])
    changed = [_bare_signer(each) for each in found]
    if all(each is None for each in changed):
        return der
    kept = b"".join(each.octets if new is None else new for each, new in zip(found, changed, strict=True))
    return _with_signers(outer, kept)


def with_evidence(token: bytes, record: bytes) -> bytes:
    """Return a token with an evidence record as its unsigned attribute er-internal (RFC 4998 §A).

    A record that stood there gives way; other unsigned attributes stay.

    Args:
        token: with one signer, as `kokuin.wire.ber.definite` returned it.
        record: an EvidenceRecord (DER) that covers `bare_token` of it.

    Raises:
        WireError: UNEXPECTED also for a token of another number of signers; else as `bare_token`.
    """
    outer = _whole(token)
    content, body, signers = _enclosed(outer)
    found = children(signers)
    if len(found) != 1:
        raise WireError(WireCode.UNEXPECTED, 0)
    unsigned = _unsigned(found[0])
    attributes = _attributes_with(unsigned, oids.ID_AA_ER_INTERNAL, record)
    # The attributes end what encloses them, up to the token itself: only heads are written anew.
    pieces, size = [attributes], len(attributes)
    stop = found[0].end if unsigned is None else unsigned.start
    for node in (found[0], signers, body, content, outer):
        size += stop - node.content
        head = encode.header(token[node.start], size)
        pieces += [token[node.content : stop], head]
        size += len(head)
        stop = node.start
    return b"".join(reversed(pieces))


def without_evidence(token: bytes, kept: Collection[bytes] = ()) -> bytes:
    """Return a token without the attributes er-internal; all else keeps its octets (RFC 4998 §A).

    Others cover a token with the rest of its unsigned attributes, and with the records of before.

    Args:
        token: with one signer, as `kokuin.wire.ber.definite` returned it.
        kept: records that stay.

    Raises:
        WireError: as of `with_evidence`.
    """
    outer = _whole(token)
    signers = children(_enclosed(outer)[2])
    if len(signers) != 1:
        raise WireError(WireCode.UNEXPECTED, 0)
    unsigned = _unsigned(signers[0])
    attributes = [] if unsigned is None else children(unsigned)
    left = [each.octets for each in attributes if not _is_evidence_beside(each, kept)]
    if unsigned is None or len(left) == len(attributes):
        return token
    field = encode.explicit(1, b"".join(left)) if left else b""
    signer = token[signers[0].content : unsigned.start] + field
    return _with_signers(outer, encode.tlv(asn1.SEQUENCE, signer))


def evidence_in(token: bytes) -> tuple[bytes, ...]:
    """Return what stands in the attributes er-internal of a token with one signer; nothing of it was read.

    Raises:
        WireError: as `kokuin.wire.cms.read_signed_data`, and UNEXPECTED for another number of signers.
    """
    signers = read_signed_data(token).signer_infos
    if len(signers) != 1:
        raise WireError(WireCode.UNEXPECTED, 0)
    found = [each for each in signers[0].unsigned_attributes if each.oid == oids.ID_AA_ER_INTERNAL]
    return tuple(value for attribute in found for value in attribute.values)


def with_values(der: bytes, certificates: Iterable[bytes], lists: Iterable[bytes]) -> bytes:
    """Return a token whose SignedData carries more certificates and revocation lists (RFC 5652 §5.1).

    Neither field is signed, so that the signature holds; whoever hashes the token hashes them with it.

    Args:
        der: a ContentInfo with SignedData in DER.
        certificates: DER of further certificates.
        lists: DER of further CertificateLists.

    Raises:
        WireError: as of `bare_token`.
    """
    outer = read_whole(der, asn1.SEQUENCE)
    content = _content(outer)
    body = expect(only_child(content), asn1.SEQUENCE)
    fields = Fields(body)
    head = b"".join(fields.take_any().octets for _ in range(3))
    sets = []
    for number, more in ((0, certificates), (1, lists)):
        found = fields.optional(asn1.context(number))
        octets = {*more, *(() if found is None else (each.octets for each in children(found)))}
        # As a SET OF in DER: in ascending order.
        sets.append(encode.explicit(number, b"".join(sorted(octets))) if octets else b"")
    signers = fields.take(asn1.SET)
    fields.finish()
    signed_data = encode.sequence(head, *sets, signers.octets)
    return encode.tlv(asn1.SEQUENCE, der[outer.content : content.start] + encode.explicit(0, signed_data))


def _whole(der: bytes) -> Node:
    if len(der) > TOKEN_LIMITS.size:
        raise WireError(WireCode.TOO_LARGE, TOKEN_LIMITS.size)
    return read_whole(der, asn1.SEQUENCE)


def _enclosed(outer: Node) -> tuple[Node, Node, Node]:
    """Return the content of a ContentInfo, the SignedData in it, and the signerInfos in that."""
    content = _content(outer)
    body = expect(only_child(content), asn1.SEQUENCE)
    return content, body, _signer_infos(body)


def _content(outer: Node) -> Node:
    fields = Fields(outer)
    kind = fields.take_any()
    if asn1.oid(kind) != oids.ID_SIGNED_DATA:
        raise WireError(WireCode.UNEXPECTED, kind.start)
    content = fields.take(asn1.context(0))
    fields.finish()
    return content


def _signer_infos(body: Node) -> Node:
    """RFC 5652 §5.1: version, digestAlgorithms, encapContentInfo, certificates, crls, signerInfos."""
    fields = Fields(body)
    fields.take(asn1.INTEGER)
    fields.take(asn1.SET)
    fields.take(asn1.SEQUENCE)
    # The crls are [1] too: what is removed is the [1] of a SignerInfo and no other.
    fields.optional(asn1.context(0))
    fields.optional(asn1.context(1))
    signers = fields.take(asn1.SET)
    fields.finish()
    return signers


def _with_signers(outer: Node, infos: bytes) -> bytes:
    """Return a token with other SignerInfos (DER)."""
    content, body, signers = _enclosed(outer)
    der = outer.data
    signed_data = encode.tlv(asn1.SEQUENCE, der[body.content : signers.start] + encode.tlv(asn1.SET, infos))
    return encode.tlv(asn1.SEQUENCE, der[outer.content : content.start] + encode.explicit(0, signed_data))


def _is_evidence_beside(attribute: Node, kept: Collection[bytes]) -> bool:
    """Whether it is er-internal, with another record than those."""
    fields = Fields(expect(attribute, asn1.SEQUENCE))
    oid = asn1.oid(fields.take_any())
    values = children(fields.take(asn1.SET))
    return oid == oids.ID_AA_ER_INTERNAL and any(each.octets not in kept for each in values)


def _bare_signer(signer: Node) -> bytes | None:
    """RFC 5652 §5.3; None when there is nothing to remove."""
    unsigned = _unsigned(signer)
    if unsigned is None:
        return None
    return encode.tlv(asn1.SEQUENCE, signer.data[signer.content : unsigned.start])


def _attributes_with(unsigned: Node | None, oid: str, value: bytes) -> bytes:
    """Return unsignedAttrs, present or not, with this attribute in the place of those of its kind."""
    own = encode_attribute(oid, value)
    if unsigned is None:
        return encode.explicit(1, own)
    others = [
        each.octets
        for each in children(unsigned)
        if asn1.oid(Fields(expect(each, asn1.SEQUENCE)).take_any()) != oid
    ]
    return encode.explicit(1, b"".join(sorted((*others, own))))


def _unsigned(signer: Node) -> Node | None:
    fields = Fields(expect(signer, asn1.SEQUENCE))
    fields.take(asn1.INTEGER)
    fields.take_any()  # sid: a SEQUENCE or [0] primitive
    fields.take(asn1.SEQUENCE)
    fields.optional(asn1.context(0))
    fields.take(asn1.SEQUENCE)
    fields.take(asn1.OCTET_STRING)
    unsigned = fields.optional(asn1.context(1))
    fields.finish()
    return unsigned
