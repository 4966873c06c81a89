"""The one form of a token that is hashed for ever: without what may be added to it later (RFC 5652 §5.3).

Evidence, archive time-stamps and revocation data are unsigned attributes: anybody may add them, and the
signature holds with any of them. A record of a token, and an evidence record over it, cover the token
without them, so that it is found again whatever was added.
"""

from __future__ import annotations

from kokuin.wire import asn1, encode, oids
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import TOKEN_LIMITS


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
    if len(der) > TOKEN_LIMITS.size:
        raise WireError(WireCode.TOO_LARGE, TOKEN_LIMITS.size)
    outer = read_whole(der, asn1.SEQUENCE)
    content = _content(outer)
    body = expect(only_child(content), asn1.SEQUENCE)
    signers = _signer_infos(body)
    found = children(signers)
    bare = [_bare_signer(each) for each in found]
    if all(each is None for each in bare):
        return der
    kept = b"".join(each.octets if short is None else short for each, short in zip(found, bare, strict=True))
    signed_data = encode.tlv(asn1.SEQUENCE, der[body.content : signers.start] + encode.tlv(asn1.SET, kept))
    return encode.tlv(asn1.SEQUENCE, der[outer.content : content.start] + encode.explicit(0, signed_data))


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


def _bare_signer(signer: Node) -> bytes | None:
    """RFC 5652 §5.3; None when there is nothing to remove."""
    fields = Fields(expect(signer, asn1.SEQUENCE))
    fields.take(asn1.INTEGER)
    fields.take_any()  # sid: a SEQUENCE or [0] primitive
    fields.take(asn1.SEQUENCE)
    fields.optional(asn1.context(0))
    fields.take(asn1.SEQUENCE)
    fields.take(asn1.OCTET_STRING)
    unsigned = fields.optional(asn1.context(1))
    fields.finish()
    if unsigned is None:
        return None
    return encode.tlv(asn1.SEQUENCE, signer.data[signer.content : unsigned.start])
