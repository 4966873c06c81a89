"""A SignedData taken apart so that something can be added: what is there keeps its octets (RFC 5652 §5.1).

Unsigned attributes, certificates and revocation data are added to a seal that exists; the fields that its
signature and its time-stamps cover are never written anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.wire import asn1, encode, oids
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SIGNED_DATA = encode.oid(oids.ID_SIGNED_DATA)
_DATA = encode.oid(oids.ID_DATA)
_OTHER = asn1.context(1)
"""RevocationInfoChoice: other [1]."""


@dataclass(frozen=True, slots=True)
class SignerParts:
    """A SignerInfo.

    Attributes:
        fields: DER of the fields from version to signature, as they stand.
        signature: the signature value, which is the last of them.
        unsigned: DER of each unsigned Attribute.
    """

    fields: bytes
    signature: bytes
    unsigned: tuple[bytes, ...] = ()

    def with_attribute(self, attribute: bytes) -> SignerParts:
        """Return it with one more unsigned attribute, DER."""
        return replace(self, unsigned=(*self.unsigned, attribute))

    def encode(self) -> bytes:
        """Return the SignerInfo, DER."""
        attributes = b"\xa1" + encode.set_of(*self.unsigned)[1:] if self.unsigned else b""
        return encode.sequence(self.fields, attributes)


@dataclass(frozen=True, slots=True)
class SignedDataParts:
    """A SignedData.

    Attributes:
        version: as found.
        digest_algorithms: DER of the SET.
        content_type: DER of eContentType.
        content: DER of [0] with eContent; empty when detached.
        certificates: DER of each CertificateChoices.
        crls: DER of each RevocationInfoChoice.
        signers: each SignerInfo.
    """

    version: int
    digest_algorithms: bytes
    content_type: bytes
    content: bytes
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    signers: tuple[SignerParts, ...]

    def held(self) -> bytes | None:
        """Return the content octets that are inside; None: they lie beside.

        Raises:
            WireError: id-data that is no OCTET STRING (RFC 5652 §4).
        """
        if not self.content:
            return None
        node = only_child(read_whole(self.content, asn1.context(0)))
        # PKCS #7 has content of any type, and its digest covers the content octets alone (RFC 2315 §9.3).
        return asn1.octet_string(node) if self.content_type == _DATA else node.value

    def with_material(self, certificates: Iterable[bytes], crls: Iterable[bytes]) -> SignedDataParts:
        """Return it with further CertificateChoices and RevocationInfoChoices, each once."""
        return replace(
            self,
            certificates=tuple(dict.fromkeys((*self.certificates, *certificates))),
            crls=tuple(dict.fromkeys((*self.crls, *crls))),
        )

    def encode(self) -> bytes:
        """Return the ContentInfo, DER."""
        # RFC 5652 §5.1: 5 as soon as there is revocation data that is no list.
        version = 5 if any(each[0] == _OTHER for each in self.crls) else self.version
        signed_data = encode.sequence(
            encode.integer(version),
            self.digest_algorithms,
            encode.sequence(self.content_type, self.content),
            encode.explicit(0, b"".join(sorted(self.certificates))) if self.certificates else b"",
            encode.explicit(1, b"".join(sorted(self.crls))) if self.crls else b"",
            encode.set_of(*(signer.encode() for signer in self.signers)),
        )
        return encode.sequence(_SIGNED_DATA, encode.explicit(0, signed_data))


def read_parts(octets: bytes) -> SignedDataParts:
    """Take a ContentInfo with SignedData apart.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.

    Raises:
        WireError: another syntax.
    """
    outer = Fields(read_whole(octets, asn1.SEQUENCE))
    kind = outer.take_any()
    if asn1.oid(kind) != oids.ID_SIGNED_DATA:
        raise WireError(WireCode.UNEXPECTED, kind.start)
    fields = Fields(expect(only_child(outer.take(asn1.context(0))), asn1.SEQUENCE))
    outer.finish()
    version = asn1.integer(fields.take_any())
    digest_algorithms = fields.take(asn1.SET).octets
    encapsulated = Fields(fields.take(asn1.SEQUENCE))
    content_type = encapsulated.take(asn1.OBJECT_IDENTIFIER).octets
    content = encapsulated.optional(asn1.context(0))
    encapsulated.finish()
    certificates = fields.optional(asn1.context(0))
    crls = fields.optional(asn1.context(1))
    signers = children(fields.take(asn1.SET))
    fields.finish()
    return SignedDataParts(
        version,
        digest_algorithms,
        content_type,
        b"" if content is None else content.octets,
        _each(certificates),
        _each(crls),
        tuple(_read_signer(expect(signer, asn1.SEQUENCE)) for signer in signers),
    )


def other_revocation(answer: bytes) -> bytes:
    """RevocationInfoChoice (DER) of an OCSPResponse, or of a BasicOCSPResponse (RFC 5940 §2.1).

    Args:
        answer: DER of either.

    Raises:
        WireError: it is neither.
    """
    first = Fields(read_whole(answer, asn1.SEQUENCE)).take_any()
    # OCSPResponse begins with an ENUMERATED, BasicOCSPResponse with a SEQUENCE (RFC 6960 §4.2.1).
    kind = oids.ID_PKIX_OCSP_BASIC if first.tag == asn1.SEQUENCE else oids.ID_RI_OCSP_RESPONSE
    return encode.explicit(1, encode.oid(kind) + answer)


def _each(node: Node | None) -> tuple[bytes, ...]:
    return () if node is None else tuple(child.octets for child in children(node))


def _read_signer(node: Node) -> SignerParts:
    fields = Fields(node)
    fields.take(asn1.INTEGER)
    fields.take_any()  # sid: a SEQUENCE or [0] primitive
    fields.take(asn1.SEQUENCE)
    fields.optional(asn1.context(0))
    fields.take(asn1.SEQUENCE)
    signature = fields.take(asn1.OCTET_STRING)
    unsigned = fields.optional(asn1.context(1))
    fields.finish()
    return SignerParts(node.data[node.content : signature.end], signature.value, _each(unsigned))
