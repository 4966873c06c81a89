"""Lists of certificates taken back, as an authority published them (RFC 5280 §5).

A list may hold some hundred thousand entries, and anybody may put one into a
token: until its signature has been verified, only its head is read.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kokuin.trust.name import same_name
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.trust.revocation_scope import Scope, read_scope
from kokuin.trust.signed import read_signed
from kokuin.wire import asn1, encode, oids
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_node, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import Limits, prescan
from kokuin.wire.tsp import read_algorithm, read_extensions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.trust.signed import Signed
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from kokuin.wire.tsp import Extension
    from pqc.verifying import SignatureVerdict

MAX_LIST_OCTETS = 16 * 1024 * 1024
"""Lists of large authorities hold some hundred thousand entries."""

_EXTENSION_LIMITS = Limits(size=131_072, depth=16, elements=2_000)
"""What a list says of itself."""
ENUMERATED = 0x0A
_REMOVE_FROM_CRL = 8
_CRITICAL = encode.TRUE
_DIRECTORY_NAME = asn1.context(4)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedList:
    """A CertificateList.

    Attributes:
        issuer: Name (DER).
        this_update: microseconds since 1970 UTC.
        next_update: likewise; None when absent.
        scope: of which certificates it speaks.
        retained_from: certificates that expired from then on are still in it (expiredCertsOnCRL),
            microseconds since 1970 UTC; None: an entry may be dropped once the certificate has expired.
    """

    issuer: bytes
    this_update: int
    next_update: int | None
    scope: Scope
    retained_from: int | None
    _entries: Node | None = field(repr=False)
    _signed: Signed = field(repr=False)

    @property
    def signature_algorithm(self) -> AlgorithmIdentifier:
        """The same inside and outside."""
        return self._signed.algorithm

    def signed_by(self, public_key: bytes) -> SignatureVerdict:
        """Verify the signature with a SubjectPublicKeyInfo (DER)."""
        return self._signed.signed_by(public_key)

    def find(self, serial: int, issuer: bytes) -> Revocation | None:
        """Look for the certificate that `issuer` (Name, DER) issued under `serial`.

        The caller has verified the signature, so that the walk over all entries is not at anybody's call.

        Raises:
            WireError: an entry on the way to it cannot be read, or holds a critical extension that is not
                understood (RFC 5280 §5.3): the list must not be used.
        """
        if self._entries is None:
            return None
        data, start, end = self._entries.data, self._entries.content, self._entries.end
        number = encode.integer(serial)[2:]
        # The search of octets is a thousand times as fast as the walk, and nearly always the end of it.
        if data.find(number, start, end) < 0 and data.find(_CRITICAL, start, end) < 0:
            return None
        named = self.issuer
        for entry in _walk(self._entries):
            found, extensions = _read_entry(entry)
            named = _named_issuer(extensions, named)
            if asn1.integer(found[0]) == serial and same_name(named, issuer):
                return _revocation(found[1], extensions)
        return None


def read_revocation_list(der: bytes) -> PublishedList:
    """Read one CertificateList; its entries are read when they are asked for.

    Raises:
        WireError: a limit is exceeded, the syntax is another, the algorithms inside and outside differ, or a
            critical extension stands there that is not understood (RFC 5280 §5.2).
    """
    if len(der) > MAX_LIST_OCTETS:
        raise WireError(WireCode.TOO_LARGE, MAX_LIST_OCTETS)
    signed = read_signed(der)
    fields = Fields(signed.body)
    fields.optional(asn1.INTEGER)
    if read_algorithm(fields.take_any()) != signed.algorithm:
        raise WireError(WireCode.BAD_VALUE, signed.body.start)
    issuer = fields.take(asn1.SEQUENCE).octets
    this_update = asn1.time(fields.take_any()).microseconds
    next_update = fields.optional(asn1.UTC_TIME) or fields.optional(asn1.GENERALIZED_TIME)
    entries = fields.optional(asn1.SEQUENCE)
    extensions = _list_extensions(fields.optional(asn1.context(0)))
    fields.finish()
    retained = extensions.get(oids.ID_CE_EXPIRED_CERTS_ON_CRL)
    return PublishedList(
        issuer,
        this_update,
        None if next_update is None else asn1.time(next_update).microseconds,
        _scope(extensions),
        None if retained is None else read_generalized(retained),
        entries,
        signed,
    )


def _list_extensions(node: Node | None) -> dict[str, Extension]:
    if node is None:
        return {}
    prescan(node.octets, _EXTENSION_LIMITS)
    found = {extension.oid: extension for extension in read_extensions(only_child(node))}
    understood = {oids.ID_CE_ISSUING_DISTRIBUTION_POINT, oids.ID_CE_DELTA_CRL_INDICATOR}
    if any(extension.critical and extension.oid not in understood for extension in found.values()):
        raise WireError(WireCode.BAD_VALUE, node.start)
    return found


def _scope(extensions: dict[str, Extension]) -> Scope:
    point = extensions.get(oids.ID_CE_ISSUING_DISTRIBUTION_POINT)
    scope = Scope() if point is None else read_scope(point.value)
    return replace(scope, partial=True) if oids.ID_CE_DELTA_CRL_INDICATOR in extensions else scope


def _walk(entries: Node) -> Iterator[Node]:
    at = entries.content
    while at < entries.end:
        entry = read_node(entries.data, at, entries.end)
        yield entry
        at = entry.end


def _read_entry(entry: Node) -> tuple[list[Node], dict[str, Extension]]:
    """Return serial number and date, and the extensions of one entry."""
    fields = Fields(expect(entry, asn1.SEQUENCE))
    found = [fields.take(asn1.INTEGER), fields.take_any()]
    more = fields.optional(asn1.SEQUENCE)
    fields.finish()
    extensions = {} if more is None else {each.oid: each for each in read_extensions(more)}
    understood = {oids.ID_CE_REASON_CODE, oids.ID_CE_INVALIDITY_DATE, oids.ID_CE_CERTIFICATE_ISSUER}
    if any(each.critical and each.oid not in understood for each in extensions.values()):
        raise WireError(WireCode.BAD_VALUE, entry.start)
    return found, extensions


def _named_issuer(extensions: dict[str, Extension], before: bytes) -> bytes:
    """RFC 5280 §5.3.3: an entry's issuer is the one it names, else that of the entry before it."""
    extension = extensions.get(oids.ID_CE_CERTIFICATE_ISSUER)
    if extension is None:
        return before
    for name in children(read_whole(extension.value, asn1.SEQUENCE)):
        if name.tag == _DIRECTORY_NAME:
            return only_child(name).octets
    raise WireError(WireCode.BAD_VALUE, 0)


def _revocation(at: Node, extensions: dict[str, Extension]) -> Revocation | None:
    code = extensions.get(oids.ID_CE_REASON_CODE)
    reason = None if code is None else read_whole(code.value, ENUMERATED)
    if reason is not None and asn1.integer(reason, ENUMERATED) == _REMOVE_FROM_CRL:
        return None
    return Revocation(
        moment(asn1.time(at).microseconds),
        None if reason is None else read_reason(reason),
        read_invalid_from(extensions.get(oids.ID_CE_INVALIDITY_DATE)),
    )


def read_reason(node: Node) -> RevocationReason | None:
    """CRLReason (RFC 5280 §5.3.1); one that is not defined is as good as none: it is taken for the worst.

    Raises:
        WireError: another type.
    """
    code = asn1.integer(node, ENUMERATED)
    return RevocationReason(code) if code in set(RevocationReason) else None


def read_invalid_from(extension: Extension | None) -> dt.datetime | None:
    """InvalidityDate (RFC 5280 §5.3.2); None when absent.

    Raises:
        WireError: another syntax.
    """
    return None if extension is None else moment(read_generalized(extension))


def read_generalized(extension: Extension) -> int:
    """Value of an extension that is a GeneralizedTime, microseconds since 1970 UTC.

    Raises:
        WireError: it is something else.
    """
    return asn1.generalized_time(read_whole(extension.value, asn1.GENERALIZED_TIME)).microseconds


def moment(microseconds: int) -> dt.datetime:
    """Return the point of time so many microseconds after 1970 UTC, which every machine can represent."""
    return _EPOCH + dt.timedelta(microseconds=microseconds)
