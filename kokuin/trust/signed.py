"""The frame of certificates, lists and requests: what is signed, by which algorithm, and the signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire import asn1
from kokuin.wire.der import Fields, Node, read_whole
from kokuin.wire.tsp import read_algorithm
from pqc.verifying import verify_signature

if TYPE_CHECKING:
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.verifying import SignatureVerdict


@dataclass(frozen=True, slots=True)
class Signed:
    """A structure and the signature over it (RFC 5280 §4.1, §5.1; RFC 2986 §4.2).

    Attributes:
        body: the structure; the signature covers its octets.
        algorithm: signatureAlgorithm, outside of what it covers.
        signature: the signature value.
    """

    body: Node
    algorithm: AlgorithmIdentifier
    signature: bytes

    def signed_by(self, public_key: bytes) -> SignatureVerdict:
        """Verify the signature with a SubjectPublicKeyInfo (DER)."""
        return verify_signature(
            public_key_der=public_key,
            algorithm=self.algorithm,
            digest=None,
            message=self.body.octets,
            signature=self.signature,
        )


def read_signed(der: bytes) -> Signed:
    """Read the frame; what is in the body is the caller's to read.

    Raises:
        WireError: the syntax is another.
    """
    outer = Fields(read_whole(der, asn1.SEQUENCE))
    body = outer.take(asn1.SEQUENCE)
    algorithm = read_algorithm(outer.take_any())
    signature, _ = asn1.bit_string(outer.take_any())
    outer.finish()
    return Signed(body, algorithm, signature)
