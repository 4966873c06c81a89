"""Development hierarchies: certificates for machines that nobody relies on; the names say so."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.name import distinguished_name, unique_common_name
from kokuin.trust.tbs import Issued
from kokuin.wire.pem import write_block
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import Family, Suite, suite

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT_DAYS = 5475
"""Fifteen years: development authorities outlive every certificate under them."""

DEVELOPMENT = "kokuin development"

_ROOTS = {Family.ML_DSA: "ml-dsa-87"}
"""Suites of roots by the family of what signs units' certificates; a family without one has no better."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What a unit needs to be trusted.

    Attributes:
        anchor: the root.
        intermediates: authorities between it and the unit, the unit's issuer first; empty when there is none.
        unit: the unit's certificate.
        lists: revocation lists (DER) of all authorities: nothing is revoked, and they hold as long as the
            unit's certificate, since nobody can sign others.
    """

    anchor: Issued
    intermediates: tuple[Issued, ...]
    unit: Issued
    lists: tuple[bytes, ...]

    @property
    def anchor_pem(self) -> bytes:
        """The root, for `trust/ca.pem`."""
        return self.anchor.pem

    @property
    def intermediates_pem(self) -> bytes:
        """The authorities between, for `trust/units.pem`; empty when there is none."""
        return b"".join(each.pem for each in self.intermediates)

    @property
    def unit_pem(self) -> bytes:
        """The unit's certificate, for `trust/units.pem`."""
        return self.unit.pem

    @property
    def lists_pem(self) -> bytes:
        """The revocation lists, for a `*.crl` in `trust/`."""
        return armoured_lists(self.lists)


def make_development_hierarchy(  # noqa: PLR0913  # what a hierarchy depends on, named once
    certificate_suite: Suite,
    unit_public_key: bytes,
    *,
    now: dt.datetime,
    days: int,
    key_days: int,
    related: bytes | None = None,
) -> Hierarchy:
    """Make a root, an issuing authority below it where roots have a stronger suite, and a unit's certificate.

    The authorities' keys are forgotten at once: nobody can issue under them later.

    Args:
        certificate_suite: what the unit's certificate is signed with. ML-DSA-44 and -65 stand below an
            ML-DSA-87 root; every other suite is its own root.
        unit_public_key: SubjectPublicKeyInfo (DER).
        now: the present moment.
        days: validity of the unit's certificate.
        key_days: how long its key signs.
        related: another certificate (DER) of the same unit, to be bound to (RFC 9763).

    Raises:
        KeyMismatchError: a suite is for verifying only.
        WireError: the key is no SubjectPublicKeyInfo.
    """
    made = make_development_authorities(certificate_suite, now=now)
    unit = made.issuer.issue_unit(
        unit_public_key, _name("unit"), now=now, days=days, key_days=key_days, related=related
    )
    return Hierarchy(made.anchor, made.intermediates, unit, made.lists(now=now, days=days))


@dataclass(frozen=True, slots=True)
class Authorities:
    """Development authorities that can still issue; they live as long as this value.

    Attributes:
        root: the anchor.
        issuer: who issues for end entities; the root itself where nothing stands below it.
    """

    root: CertificateAuthority
    issuer: CertificateAuthority

    @property
    def anchor(self) -> Issued:
        """The root's certificate."""
        return Issued(self.root.certificate.der)

    @property
    def intermediates(self) -> tuple[Issued, ...]:
        """What stands between the root and an end entity; empty when nothing does."""
        return () if self.issuer is self.root else (Issued(self.issuer.certificate.der),)

    def lists(self, *, now: dt.datetime, days: int) -> tuple[bytes, ...]:
        """Revocation lists (DER) of the issuer and of the root, on which nothing is, for so many days."""
        until, issuers = now + dt.timedelta(days=days), dict.fromkeys((self.issuer, self.root))
        return tuple(each.crl({}, this_update=now, next_update=until, number=1) for each in issuers)


def armoured_lists(lists: Iterable[bytes]) -> bytes:
    """Return revocation lists (DER) as PEM, one after the other."""
    return b"".join(write_block("X509 CRL", each) for each in lists)


def make_development_authorities(certificate_suite: Suite, *, now: dt.datetime) -> Authorities:
    """Make a root, and an issuing authority below it where roots have a stronger suite.

    Args:
        certificate_suite: what the issuer signs with.
        now: the present moment.

    Raises:
        KeyMismatchError: a suite is for verifying only.
    """
    root_suite = suite(_ROOTS.get(certificate_suite.family, certificate_suite.id))
    between = root_suite is not certificate_suite
    root = CertificateAuthority.root(
        _fresh(root_suite), _name("root"), now=now, days=ROOT_DAYS, path_length=int(between)
    )
    if not between:
        return Authorities(root, root)
    signer = _fresh(certificate_suite)
    issued = root.issue_ca(signer.public_key, _name("issuing"), now=now, days=ROOT_DAYS, path_length=0)
    return Authorities(root, CertificateAuthority(signer, issued.der))


def _fresh(chosen: Suite) -> SoftwareSigner:
    return SoftwareSigner(chosen, generate_key(chosen))


def _name(role: str) -> bytes:
    return distinguished_name(DEVELOPMENT, unique_common_name(f"{DEVELOPMENT} {role}"))
