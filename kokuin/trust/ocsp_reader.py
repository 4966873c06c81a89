"""OCSP answers (RFC 6960), as a responder gave them."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.extensions import subject_public_key
from kokuin.trust.name import same_name
from kokuin.trust.ocsp import CertId, CertStatus, Plain
from kokuin.trust.revocation import Revocation
from kokuin.trust.revocation_reader import (
    ENUMERATED,
    moment,
    read_generalized,
    read_invalid_from,
    read_reason,
)
from kokuin.trust.signed import Signed
from kokuin.wire import asn1, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import Limits, prescan
from kokuin.wire.tsp import read_algorithm, read_extensions

if TYPE_CHECKING:
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from kokuin.wire.tsp import Extension
    from pqc.verifying import SignatureVerdict

ANSWER_LIMITS = Limits(size=1024 * 1024, depth=32, elements=20_000)
"""An answer about one certificate has some 60 elements; the largest signatures some 50 kB."""
MAX_RESPONDERS = 4
"""Certificates of an answer that are looked at; real ones carry one."""

_REVOKED = asn1.context(1)
_BY_NAME, _BY_KEY = asn1.context(1), asn1.context(2)


@dataclass(frozen=True, slots=True)
class PublishedStatus:
    """SingleResponse (RFC 6960 §4.2.1).

    Attributes:
        certificate: about which one; None: its digest is of no kind that we know.
        status: good, unknown, or the revocation.
        this_update: microseconds since 1970 UTC.
        next_update: likewise; None when absent.
        retained_from: the responder speaks of certificates that expired from then on (archive cutoff),
            microseconds since 1970 UTC; None when absent.
    """

    certificate: CertId | None
    status: CertStatus
    this_update: int
    next_update: int | None
    retained_from: int | None

    def is_about(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Whether it speaks of `certificate`, which `issuer` issued."""
        named = self.certificate
        if named is None or named.serial != certificate.serial:
            return False
        wanted = CertId.of(issuer, certificate.serial, named.digest)
        # RFC 6960 §4.1.1 hashes the name as the certificate spells it; some responders, as the issuer does.
        names = {wanted.issuer_name_hash, DIGEST_BY_NAME[named.digest].of(certificate.issuer)}
        return named.issuer_key_hash == wanted.issuer_key_hash and named.issuer_name_hash in names


@dataclass(frozen=True, slots=True, eq=False)
class PublishedAnswer:
    """BasicOCSPResponse (RFC 6960 §4.2.1).

    Attributes:
        responder: Name (DER) of whoever answered, or SHA-1 of the key; which one, `names` knows.
        produced_at: microseconds since 1970 UTC.
        statuses: in the order found.
        certificates: of those that came along, the first few that can be read.
    """

    responder: Node = field(repr=False)
    produced_at: int
    statuses: tuple[PublishedStatus, ...]
    certificates: tuple[Certificate, ...]
    _signed: Signed = field(repr=False)

    @property
    def signature_algorithm(self) -> AlgorithmIdentifier:
        """Outside of what is signed."""
        return self._signed.algorithm

    def names(self, certificate: Certificate) -> bool:
        """Whether responderID is this certificate's subject or key."""
        if self.responder.tag == _BY_NAME:
            return same_name(only_child(self.responder).octets, certificate.subject)
        digest = asn1.octet_string(only_child(self.responder))
        # RFC 6960 §4.2.1 has SHA-1 here; it finds the key, and the signature decides.
        return digest == _key_digest(certificate.public_key)

    def signed_by(self, public_key: bytes) -> SignatureVerdict:
        """Verify the signature with a SubjectPublicKeyInfo (DER)."""
        return self._signed.signed_by(public_key)


@functools.lru_cache(maxsize=64)
def _key_digest(public_key: bytes) -> bytes:
    return hashlib.sha1(subject_public_key(public_key), usedforsecurity=False).digest()


def read_answer(der: bytes) -> PublishedAnswer:
    """Read an OCSPResponse, or the BasicOCSPResponse in it.

    Raises:
        WireError: a limit is exceeded, the syntax is another (BAD_VALUE also for a response that is no
            answer), or a critical extension stands there that is not understood.
    """
    fields = Fields(read_whole(basic_response(der), asn1.SEQUENCE))
    body = fields.take(asn1.SEQUENCE)
    algorithm = read_algorithm(fields.take_any())
    signature, _ = asn1.bit_string(fields.take_any())
    certificates = fields.optional(asn1.context(0))
    fields.finish()
    return _read_body(Signed(body, algorithm, signature), _read_certificates(certificates))


def basic_response(der: bytes) -> bytes:
    """Return the BasicOCSPResponse of an OCSPResponse; one that stands alone, as it is.

    Raises:
        WireError: as `read_answer`, before the answer itself is read.
    """
    prescan(der, ANSWER_LIMITS)
    outer = read_whole(der, asn1.SEQUENCE)
    if Fields(outer).take_any().tag != ENUMERATED:
        return der
    basic = _basic(outer)
    prescan(basic, ANSWER_LIMITS)
    return basic


def _basic(response: Node) -> bytes:
    """RFC 6960 §4.2.1: responseBytes stand there when, and only when, the status is successful."""
    fields = Fields(response)
    status = fields.take_any()
    content = fields.optional(asn1.context(0))
    fields.finish()
    if asn1.integer(status, ENUMERATED) != 0 or content is None:
        raise WireError(WireCode.BAD_VALUE, status.start)
    fields = Fields(expect(only_child(content), asn1.SEQUENCE))
    kind = fields.take_any()
    if asn1.oid(kind) != oids.ID_PKIX_OCSP_BASIC:
        raise WireError(WireCode.BAD_VALUE, kind.start)
    basic = asn1.octet_string(fields.take_any())
    fields.finish()
    return basic


def _read_certificates(node: Node | None) -> tuple[Certificate, ...]:
    found = []
    for child in [] if node is None else children(expect(only_child(node), asn1.SEQUENCE))[:MAX_RESPONDERS]:
        try:
            found.append(read_certificate(child.octets))
        except WireError:
            continue
    return tuple(found)


def _read_body(signed: Signed, certificates: tuple[Certificate, ...]) -> PublishedAnswer:
    fields = Fields(signed.body)
    fields.optional(asn1.context(0))  # version
    responder = fields.take_any()
    if responder.tag not in {_BY_NAME, _BY_KEY}:
        raise WireError(WireCode.UNEXPECTED, responder.start)
    expect(only_child(responder), asn1.SEQUENCE if responder.tag == _BY_NAME else asn1.OCTET_STRING)
    produced_at = asn1.generalized_time(fields.take_any()).microseconds
    statuses = tuple(_read_status(Fields(single)) for single in children(fields.take(asn1.SEQUENCE)))
    _extensions(fields.optional(asn1.context(1)), understood={oids.ID_PKIX_OCSP_NONCE})
    fields.finish()
    return PublishedAnswer(responder, produced_at, statuses, certificates, signed)


def _read_status(fields: Fields) -> PublishedStatus:
    certificate = _read_cert_id(Fields(fields.take(asn1.SEQUENCE)))
    status = fields.take_any()
    this_update = asn1.generalized_time(fields.take_any()).microseconds
    next_update = fields.optional(asn1.context(0))
    extensions = _extensions(
        fields.optional(asn1.context(1)),
        understood={oids.ID_PKIX_OCSP_ARCHIVE_CUTOFF, oids.ID_CE_REASON_CODE, oids.ID_CE_INVALIDITY_DATE},
    )
    fields.finish()
    cutoff = extensions.get(oids.ID_PKIX_OCSP_ARCHIVE_CUTOFF)
    return PublishedStatus(
        certificate,
        _read_revocation(Fields(status), extensions) if status.tag == _REVOKED else _plain(status),
        this_update,
        None if next_update is None else asn1.generalized_time(only_child(next_update)).microseconds,
        None if cutoff is None else read_generalized(cutoff),
    )


def _read_cert_id(fields: Fields) -> CertId | None:
    digest = DIGEST_BY_OID.get(read_algorithm(fields.take_any()).oid)
    name_hash, key_hash = (asn1.octet_string(fields.take_any()) for _ in range(2))
    serial = asn1.integer(fields.take_any())
    fields.finish()
    return None if digest is None else CertId(digest.name, name_hash, key_hash, serial)


def _plain(status: Node) -> Plain:
    for plain in Plain:
        if status.tag == asn1.primitive(plain):
            return plain
    raise WireError(WireCode.UNEXPECTED, status.start)


def _read_revocation(fields: Fields, extensions: dict[str, Extension]) -> Revocation:
    """RevokedInfo, and the extensions of CRL entries that may say more (RFC 6960 §4.4.5)."""
    at = moment(asn1.generalized_time(fields.take_any()).microseconds)
    reason = fields.optional(asn1.context(0))
    fields.finish()
    stated = None if reason is None else only_child(reason)
    code = extensions.get(oids.ID_CE_REASON_CODE)
    if stated is None and code is not None:
        stated = read_whole(code.value, ENUMERATED)
    return Revocation(
        at,
        None if stated is None else read_reason(stated),
        read_invalid_from(extensions.get(oids.ID_CE_INVALIDITY_DATE)),
    )


def _extensions(node: Node | None, understood: set[str]) -> dict[str, Extension]:
    if node is None:
        return {}
    found = {extension.oid: extension for extension in read_extensions(only_child(node))}
    if any(extension.critical and extension.oid not in understood for extension in found.values()):
        raise WireError(WireCode.BAD_VALUE, node.start)
    return found
