"""CMS seals made to order: every field may be another one than it should be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from eseal.cades_find import find
from eseal.cms_parts import SignedDataParts, SignerParts
from eseal.judging import judge_document
from eseal.values import Found
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.cms import IssuerAndSerial, encode_attribute
from kokuin.wire.ess import encode_signing_certificate
from tests.eseal.pki import NOW_US, seal_key, seal_pki
from tests.eseal.sealed_data import Data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eseal.values import SealKey
    from kokuin.trust.report import Report

DATA = b"what is sealed"
LATER_US = NOW_US + 300_000_000


def content_type(oid: str = oids.ID_DATA) -> bytes:
    return encode_attribute(oids.ID_CONTENT_TYPE, encode.oid(oid))


def message_digest(data: bytes = DATA, digest: str = "sha256") -> bytes:
    return encode_attribute(oids.ID_MESSAGE_DIGEST, encode.octet_string(DIGEST_BY_NAME[digest].of(data)))


def signing_time(at_us: int = NOW_US) -> bytes:
    return encode_attribute(oids.ID_SIGNING_TIME, encode.x509_time(at_us))


def signing_certificate(certificate: bytes, digest: str = "sha256") -> bytes:
    read = read_certificate(certificate)
    algorithm = _identifier(digest)
    named = encode_signing_certificate(certificate, IssuerAndSerial(read.issuer, read.serial), algorithm)
    return encode_attribute(oids.ID_AA_SIGNING_CERTIFICATE_V2, named)


def _identifier(digest: str) -> AlgorithmIdentifier:
    return AlgorithmIdentifier(DIGEST_BY_NAME[digest].oid)


@dataclass
class Forged:
    """A seal with one SignerInfo; at its defaults a right one.

    Attributes:
        key: that signs.
        digest: digestAlgorithm, and what the message digest is made by.
        attributes: signed attributes; None: those of a right seal.
        more: further signed attributes.
        unsigned: unsigned attributes.
        sid: DER; None: issuer and serial number.
        version: of the SignerInfo.
        algorithm: signatureAlgorithm; None: the suite's.
        certificates: None: the signer's and its chain.
        held: DER of [0] eContent.
        reverse: send the signed attributes in another order than DER's.
        bare: no signed attributes at all.
    """

    key: SealKey = field(default_factory=seal_key)
    digest: str = "sha256"
    attributes: Sequence[bytes] | None = None
    more: Sequence[bytes] = ()
    unsigned: Sequence[bytes] = ()
    sid: bytes | None = None
    version: int = 1
    algorithm: AlgorithmIdentifier | None = None
    certificates: Sequence[bytes] | None = None
    crls: Sequence[bytes] = ()
    held: bytes = b""
    content_type: str = oids.ID_DATA
    reverse: bool = False
    bare: bool = False

    def signer(self) -> SignerParts:
        certificate = read_certificate(self.key.certificate)
        right = (
            content_type(self.content_type),
            message_digest(digest=self.digest),
            signing_certificate(self.key.certificate),
        )
        chosen = right if self.attributes is None else self.attributes
        whole = encode.set_of(*chosen, *self.more)
        sent = b"\xa0" + whole[1:]
        if self.reverse:
            sent = encode.tlv(0xA0, b"".join(sorted((*chosen, *self.more), reverse=True)))
        signature = self.key.signer.sign(DATA if self.bare else whole)
        sid = self.sid or encode.sequence(certificate.issuer, encode.integer(certificate.serial))
        fields = (
            encode.integer(self.version),
            sid,
            encode.algorithm(_identifier(self.digest)),
            b"" if self.bare else sent,
            encode.algorithm(self.algorithm or self.key.signer.suite.algorithm),
            encode.octet_string(signature),
        )
        return SignerParts(b"".join(fields), signature, tuple(self.unsigned))

    def parts(self) -> SignedDataParts:
        chain = (self.key.certificate, *self.key.chain)
        return SignedDataParts(
            version=1,
            digest_algorithms=encode.set_of(encode.algorithm(_identifier(self.digest))),
            content_type=encode.oid(self.content_type),
            content=self.held,
            certificates=tuple(chain if self.certificates is None else self.certificates),
            crls=tuple(self.crls),
            signers=(self.signer(),),
        )

    def make(self) -> bytes:
        return self.parts().encode()


def inside(data: bytes = DATA) -> bytes:
    return encode.explicit(0, encode.octet_string(data))


def with_unsigned(octets: SignedDataParts, *unsigned: bytes) -> SignedDataParts:
    """The same with other unsigned attributes of its first SignerInfo."""
    first = replace(octets.signers[0], unsigned=unsigned)
    return replace(octets, signers=(first, *octets.signers[1:]))


def found(octets: bytes, beside: bytes | None = DATA) -> Found:
    read = find(octets, None if beside is None else Data(beside))
    assert isinstance(read, Found), read
    return read


def judged(octets: bytes, beside: bytes | None = DATA) -> Report:
    return judge_document(found(octets, beside), Context(LATER_US, seal_pki().trust))


def reasons(report: Report) -> set[str]:
    """Check and reason of all that is not simply right, in the whole and in its seals."""
    checks = (*report.checks, *(check for part in report.parts for check in part.checks))
    return {f"{check.id} {check.reason}" for check in checks if check.reason is not None}
