"""The CMS of a seal: SignedData whose size is known before anything is signed (RFC 5652 §5).

PAdES and CAdES share it. All that does not depend on the document is encoded once for a seal key; a seal
costs one digest, one signature and some ten concatenations.

How a PDF is sealed with it:

    template = CmsTemplate(key)
    room = template.largest()                   # octets; largest(n) when a token of up to n octets follows
    sealed = template.sign(digest of the ByteRange by template.digest)
    token = stamper.stamp(digest of sealed.signature)       # for a signature time-stamp
    octets = sealed.encode(token)               # len(octets) <= room

`largest` is exact but for two things that are not known before: an ECDSA signature in DER is a few octets
shorter than its greatest length most of the time, and a token may be shorter than what was allowed for. The
writer of the PDF fills the rest of /Contents with zeros, as all writers do; nothing in the CMS itself is
padding. A token that is longer than the room needs a new ByteRange, so a new seal: `largest` with
the length of the token that was received, and sign again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.cms_parts import SignedDataParts, SignerParts
from kokuin.trust.certificate import read_certificate
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import IssuerAndSerial, encode_algorithm_protection, encode_attribute
from kokuin.wire.ess import encode_signing_certificate
from pqc.scheme import KeyMismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eseal.values import SealKey

_DATA = encode.oid(oids.ID_DATA)


@dataclass(frozen=True, slots=True)
class SealedDigest:
    """A signature over a digest, and all that a SignedData needs around it.

    Attributes:
        signature: the signature value, which a signature time-stamp covers (EN 319 122-1 §5.3).
        digest_algorithm: DER of the AlgorithmIdentifier of the digest.
        signer_info: DER of the fields of the SignerInfo from version to signature.
        certificates: DER of the signer's certificate and its chain.
    """

    signature: bytes
    digest_algorithm: bytes
    signer_info: bytes
    certificates: tuple[bytes, ...]

    def encode(self, token: bytes | None = None) -> bytes:
        """Return a detached ContentInfo with this signature alone, DER.

        Args:
            token: DER of a TimeStampToken over `signature`, which becomes a signature-time-stamp.
        """
        return encode_signed_data([(self, () if token is None else (signature_time_stamp(token),))])


class CmsTemplate:
    """SignerInfos by one seal key.

    The signed attributes are content-type (id-data), message-digest, signing-certificate-v2,
    cmsAlgorithmProtection, a commitment type where there is one, and, only when asked for, signing-time:
    CAdES has it (EN 319 122-1 §6.3), in PAdES the time is in the signature dictionary and the attribute must
    be absent (EN 319 142-1 §6.3).
    """

    def __init__(self, key: SealKey, *, commitment: str | None = None) -> None:
        """Args: the key that signs; OID of a commitment type (EN 319 122-1 §5.2.3), None: none is claimed.

        Raises:
            WireError: the key's certificate cannot be read.
            KeyMismatchError: it is another key's.
        """
        suite = key.signer.suite
        self.key = key
        certificate = read_certificate(key.certificate)
        if certificate.public_key != key.signer.public_key:
            raise KeyMismatchError(suite.id)
        named = IssuerAndSerial(certificate.issuer, certificate.serial)
        self.named = named
        """Issuer and serial number of the certificate."""
        self.digest = suite.digest
        """Name of the digest that `sign` takes (`kokuin.wire.algorithms.DIGEST_BY_NAME`)."""
        self._suite = suite
        self._sign = key.signer.sign
        self._certificates = (key.certificate, *key.chain)
        self._digest_algorithm = encode.algorithm(suite.digest_algorithm)
        sid = encode.sequence(named.issuer, encode.integer(named.serial))
        self._head = encode.integer(1) + sid + self._digest_algorithm
        self._signature_algorithm = encode.algorithm(suite.algorithm)
        protection = encode_algorithm_protection(suite.digest_algorithm, suite.algorithm)
        pinned = encode_signing_certificate(key.certificate, named, suite.digest_algorithm)
        self._fixed = (
            encode_attribute(oids.ID_CONTENT_TYPE, _DATA),
            # RFC 6211: against substitution of the algorithms that stand outside the signature.
            encode_attribute(oids.ID_CMS_ALGORITHM_PROTECT, protection),
            encode_attribute(oids.ID_AA_SIGNING_CERTIFICATE_V2, pinned),
            *(() if commitment is None else (_commitment(commitment),)),
        )

    def sign(
        self, digest: bytes, *, signing_time_us: int | None = None, attributes: Sequence[bytes] = ()
    ) -> SealedDigest:
        """Sign over the digest of a content.

        Args:
            digest: of the content octets, by `self.digest`.
            signing_time_us: claimed time, microseconds since 1970 UTC, cut to seconds; None in PAdES.
            attributes: DER of further signed attributes, none of a type that is here already.

        Raises:
            ValueError: the digest has another length than `self.digest` has.
            SignerError: from the signer.
        """
        signed = self.signed_attributes(digest, signing_time_us, attributes)
        return self._sealed(signed, self._sign(signed))

    def largest(self, token: int | None = None) -> int:
        """Return the greatest number of octets of a detached ContentInfo without signing-time.

        Args:
            token: octets of the longest TimeStampToken that may follow; None: none does.
        """
        signed = self.signed_attributes(bytes(DIGEST_BY_NAME[self.digest].size))
        sealed = self._sealed(signed, bytes(self._suite.signature_size))
        return len(sealed.encode(None if token is None else bytes(token)))

    def signed_attributes(
        self, digest: bytes, signing_time_us: int | None = None, further: Sequence[bytes] = ()
    ) -> bytes:
        """DER SET OF Attribute that `sign` signs; arguments and errors as there."""
        if len(digest) != DIGEST_BY_NAME[self.digest].size:
            raise ValueError(f"{len(digest)} octets are no {self.digest}")
        attributes = [
            *self._fixed,
            encode_attribute(oids.ID_MESSAGE_DIGEST, encode.octet_string(digest)),
            *further,
        ]
        if signing_time_us is not None:
            attributes.append(encode_attribute(oids.ID_SIGNING_TIME, encode.x509_time(signing_time_us)))
        return encode.set_of(*attributes)

    def _sealed(self, signed: bytes, signature: bytes) -> SealedDigest:
        # The SET OF Attribute is [0] IMPLICIT here: another tag, the rest the same (RFC 5652 §5.3).
        fields = (
            self._head,
            b"\xa0" + signed[1:],
            self._signature_algorithm,
            encode.octet_string(signature),
        )
        return SealedDigest(signature, self._digest_algorithm, b"".join(fields), self._certificates)


def _commitment(kind: str) -> bytes:
    """Attribute commitment-type-indication without qualifiers."""
    return encode_attribute(oids.ID_AA_ETS_COMMITMENT_TYPE, encode.sequence(encode.oid(kind)))


def signature_time_stamp(token: bytes) -> bytes:
    """Attribute signature-time-stamp (EN 319 122-1 §5.3) of one token, DER."""
    return encode_attribute(oids.ID_AA_TIME_STAMP_TOKEN, token)


def encode_signed_data(
    signers: Sequence[tuple[SealedDigest, Sequence[bytes]]], content: bytes | None = None
) -> bytes:
    """Return a ContentInfo with SignedData over id-data, DER (RFC 5652 §5.1).

    Args:
        signers: each signature over the same content, with DER of its unsigned attributes.
        content: the content octets; None: detached.
    """
    return SignedDataParts(
        # 1 with id-data, X.509 certificates, and signers named by issuer and serial number.
        version=1,
        digest_algorithms=encode.set_of(*{sealed.digest_algorithm for sealed, _ in signers}),
        content_type=_DATA,
        content=b"" if content is None else encode.explicit(0, encode.octet_string(content)),
        certificates=tuple({each for sealed, _ in signers for each in sealed.certificates}),
        crls=(),
        signers=tuple(
            SignerParts(sealed.signer_info, sealed.signature, tuple(unsigned)) for sealed, unsigned in signers
        ),
    ).encode()
