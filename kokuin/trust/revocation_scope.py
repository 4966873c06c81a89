"""Of which certificates a revocation list speaks (RFC 5280 §5.2.5).

An authority may publish its revocations in parts. That a certificate is not in
a part says nothing unless the part is the one in which it would stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire import asn1, oids
from kokuin.wire.der import Fields, children, only_child, read_whole
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import Limits, prescan

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from kokuin.wire.der import Node

_LIMITS = Limits(size=65_536, depth=16, elements=2_000)
_USERS, _AUTHORITIES, _REASONS, _INDIRECT, _ATTRIBUTES = (asn1.primitive(number) for number in range(1, 6))


@dataclass(frozen=True, slots=True)
class Scope:
    """IssuingDistributionPoint; every field at its default speaks of all that the issuer has issued.

    Attributes:
        names: GeneralNames (DER each) of the distribution point; empty: none is named.
        users_only: of no authorities.
        authorities_only: of authorities alone.
        partial: of some reasons alone, of attribute certificates alone, or only of what changed (a delta).
    """

    names: frozenset[bytes] = frozenset()
    users_only: bool = False
    authorities_only: bool = False
    partial: bool = False

    def includes(self, certificate: Certificate) -> bool:
        """Whether a certificate of the issuer would surely stand in the list, had it been revoked."""
        if self.partial or (self.authorities_only if not certificate.is_authority else self.users_only):
            return False
        return not self.names or not self.names.isdisjoint(_distribution_points(certificate))


def read_scope(value: bytes) -> Scope:
    """Read an IssuingDistributionPoint.

    Raises:
        WireError: another syntax, or a limit is exceeded.
    """
    prescan(value, _LIMITS)
    fields = Fields(read_whole(value, asn1.SEQUENCE))
    point = fields.optional(asn1.context(0))
    users, authorities = fields.optional(_USERS), fields.optional(_AUTHORITIES)
    reasons = fields.optional(_REASONS)
    fields.optional(_INDIRECT)  # its entries name their issuers themselves
    attributes = fields.optional(_ATTRIBUTES)
    fields.finish()
    return Scope(
        names=frozenset() if point is None else _names(only_child(point)),
        users_only=_is_set(users),
        authorities_only=_is_set(authorities),
        partial=reasons is not None or _is_set(attributes),
    )


def _is_set(flag: Node | None) -> bool:
    return flag is not None and flag.value != b"\x00"


def _names(point: Node) -> frozenset[bytes]:
    """DistributionPointName: the full names, or the one that is relative to the issuer's, as it stands."""
    if point.tag == asn1.context(0):
        return frozenset(name.octets for name in children(point))
    return frozenset((point.octets,))


def _distribution_points(certificate: Certificate) -> frozenset[bytes]:
    """Names of the lists that a certificate points to (cRLDistributionPoints, RFC 5280 §4.2.1.13)."""
    extension = certificate.extensions.get(oids.ID_CE_CRL_DISTRIBUTION_POINTS)
    if extension is None:
        return frozenset()
    try:
        prescan(extension.value, _LIMITS)
        points = children(read_whole(extension.value, asn1.SEQUENCE))
        named = [Fields(point).optional(asn1.context(0)) for point in points]
        return frozenset(name for point in named if point is not None for name in _names(only_child(point)))
    except WireError:
        return frozenset()
