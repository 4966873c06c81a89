"""The certificate of a unit's key, what leads from it to an anchor, and what must hold of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.revoked import RevocationListError, find_revoked
from kokuin.service.unit_errors import UnitEndedError, UnitError
from kokuin.trust.anchors import TrustError, read_certificates
from kokuin.trust.name import attribute_types, display, same_name
from kokuin.wire import oids
from kokuin.wire.errors import WireError
from pqc.verifying import SignatureOutcome
from tsa.etsi import UnitFacts
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.certificate import Certificate


@dataclass(frozen=True, slots=True)
class UnitCertificates:
    """A unit's certificate and its surroundings.

    Attributes:
        own: the certificate of the unit's key.
        chain: the certificates between it and its anchor, which itself no token carries.
        anchors: all that the folder holds.
    """

    own: Certificate
    chain: tuple[Certificate, ...]
    anchors: tuple[Certificate, ...]

    def identity(self) -> SignerIdentity:
        """Return what the unit's tokens say of their signer."""
        return SignerIdentity(
            certificate=self.own.der,
            issuer=self.own.issuer,
            serial=self.own.serial,
            subject=self.own.subject,
            chain=tuple(item.der for item in self.chain),
        )

    def facts(self) -> UnitFacts:
        """Return what the ETSI profile asks about the certificate, once `check_certificate` let it pass.

        Raises:
            UnitError: its subject cannot be read.
        """
        try:
            attributes = attribute_types(self.own.subject)
        except WireError as error:
            raise UnitError(f"the subject of the unit's certificate cannot be read: {error.code}") from None
        return UnitFacts(
            time_stamping_alone=True,
            key_ends_before_certificate=key_period(self.own).end_us < self.own.not_after,
            subject_attributes=attributes,
        )


def find_certificates(folder: DataFolder, public_key: bytes, activated: str) -> UnitCertificates:
    """Find the certificate of a key, and what leads to an anchor.

    Args:
        folder: the data folder.
        public_key: SubjectPublicKeyInfo (DER) of the unit's key.
        activated: SHA-256 (hex) of the certificate that is in force; empty: the newest one.

    Raises:
        UnitError: a file cannot be read, no certificate is the key's, or it leads to no anchor.
    """
    bag = _read_certificates(folder.units)
    own = _certificate_of(public_key, bag, folder.units, activated)
    anchors = _read_certificates(folder.anchors)
    return UnitCertificates(own, tuple(_chain(own, bag, anchors)), tuple(anchors))


def path_to_anchor(folder: DataFolder, digest: str) -> tuple[Certificate, ...]:
    """Return a unit's certificate, what leads from it to an anchor, and that anchor.

    Of a certificate that nobody vouches for any more it is alone; of an unknown one there is nothing.

    Args:
        folder: the data folder.
        digest: SHA-256 (hex) of the certificate.

    Raises:
        UnitError: a file cannot be read.
    """
    bag, anchors = _read_certificates(folder.units), _read_certificates(folder.anchors)
    own = next((each for each in bag if hashlib.sha256(each.der).hexdigest() == digest), None)
    if own is None:
        return ()
    try:
        chain = (own, *_chain(own, bag, anchors))
    except UnitError:
        return (own,)
    anchor = next(each for each in anchors if _issued(each, chain[-1]))
    return (*chain, anchor)


def _read_certificates(path: Path) -> list[Certificate]:
    try:
        found = read_certificates(path)
    except OSError as error:
        raise UnitError(f"{path}: {error.strerror}; put the certificates there as PEM") from None
    except TrustError as error:
        raise UnitError(f"{path} cannot be read: {error.code}") from None
    if not found:
        raise UnitError(f"{path} holds no certificate in PEM")
    return found


def _certificate_of(public_key: bytes, bag: Sequence[Certificate], path: Path, activated: str) -> Certificate:
    own = [certificate for certificate in bag if certificate.public_key == public_key]
    if not own:
        raise UnitError(f"no certificate in {path} belongs to the unit's key; have its request signed")
    if not activated:
        return max(own, key=lambda certificate: certificate.not_before)
    # One that was added since is not in force before it is activated.
    for certificate in own:
        if hashlib.sha256(certificate.der).hexdigest() == activated:
            return certificate
    raise UnitError(f"the certificate that was activated is not in {path}")


def _chain(
    certificate: Certificate, bag: Sequence[Certificate], anchors: Sequence[Certificate]
) -> list[Certificate]:
    chain: list[Certificate] = []
    current = certificate
    while True:
        if any(_issued(anchor, current) for anchor in anchors):
            return chain
        known = {item.der for item in chain}
        issuer = next((item for item in bag if item.der not in known and _issued(item, current)), None)
        if issuer is None:
            raise UnitError(f"{display(certificate.subject)} does not lead to a certificate in trust/ca.pem")
        chain.append(issuer)
        current = issuer


def _issued(issuer: Certificate, subject: Certificate) -> bool:
    return (
        issuer.der != subject.der
        and same_name(issuer.subject, subject.issuer)
        and subject.signed_by(issuer.public_key).outcome is SignatureOutcome.VALID
    )


def check_certificate(certificate: Certificate, now: dt.datetime) -> None:
    """Refuse a certificate under which no token would be accepted.

    Raises:
        UnitEndedError: it has expired.
        UnitError: it is not for time-stamping, critical and alone (RFC 3161 §2.3).
    """
    name = display(certificate.subject)
    if certificate.not_after < int(now.timestamp()) * 1_000_000:
        raise UnitEndedError(f"the certificate of {name} has expired")
    usage = certificate.ext_key_usage
    # RFC 3161 §2.3: only timeStamping, and critical; else verifiers refuse every token of this unit.
    if usage is None or not usage.critical or usage.purposes != (oids.ID_KP_TIME_STAMPING,):
        raise UnitError(f"{name} lacks extendedKeyUsage timeStamping, critical and alone (RFC 3161 §2.3)")


def check_revocation(folder: DataFolder, found: UnitCertificates) -> None:
    """Consult the lists that the operator put beside the anchors (EN 319 421 TIS-7.6.4).

    Raises:
        UnitEndedError: one of them revokes the certificate, or one that it hangs on.
        UnitError: a list cannot be read or be trusted.
    """
    chain = (found.own, *found.chain)
    try:
        revoked = find_revoked(folder.anchors.parent, chain, (*chain, *found.anchors))
    except RevocationListError as error:
        raise UnitError(str(error)) from None
    if revoked is not None:
        raise UnitEndedError(revoked)


def key_period(certificate: Certificate) -> KeyPeriod:
    """Return when a certificate lets its key sign: privateKeyUsagePeriod, within the validity."""
    start, end = certificate.not_before, certificate.not_after
    period = certificate.key_period
    if period is not None:
        start = start if period.not_before is None else max(start, period.not_before)
        end = end if period.not_after is None else min(end, period.not_after)
    return KeyPeriod(start, end)
