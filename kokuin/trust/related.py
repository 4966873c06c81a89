"""Certificates of one subject bound to each other by RFC 9763, a classical and a post-quantum one say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.wire.algorithms import DIGEST_BY_OID

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate

_MIN_DIGEST_OCTETS = 32
"""Two certificates with one digest can be made for MD5 and SHA-1: such a binding binds to both."""


def is_related(certificate: Certificate, other: Certificate) -> bool:
    """Whether `certificate` names `other` as its related certificate (RFC 9763 §4.1).

    The relation has one direction: a certificate names one that existed before it. It says that one
    authority vouches for one owner of both keys; each certificate is validated by itself.
    """
    related = certificate.related
    digest = None if related is None else DIGEST_BY_OID.get(related.digest_oid)
    if related is None or digest is None or digest.size < _MIN_DIGEST_OCTETS:
        return False
    # RFC 9763 §4.1: the related certificate is an end entity's.
    return not other.is_authority and digest.of(other.der) == related.value
