"""Tenants' seal profiles in an inventory: their keys, and the certificates beside them; no key is opened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.service.eseals.profiles_folder import place_of, profiles_of, read_stored, tenants_with_seals
from kokuin.service.eseals.profiles_view import own_certificates
from kokuin.service.eseals.values import SealUnfitError
from kokuin.service.migration.assets import AssetKind, Facts, Note, State
from kokuin.service.migration.certificates import certificate_facts, find_certificates
from kokuin.service.migration.mechanisms import of_suite
from pqc.scheme import Provider

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.certificates import Found
    from kokuin.trust.certificate import Certificate
    from pqc.suites import Suite

SEAL = "seal"
"""Use of the certificate of a seal key."""
PREFIX = "seal:"
"""How a seal profile begins where it is named among uses: `seal:TENANT/PROFILE`."""


@dataclass(frozen=True, slots=True)
class SealUse:
    """A seal profile in force.

    Attributes:
        name: `TENANT/PROFILE`, the tenant by its pseudonym.
        signing: its suites, each with the certificate that is newest of those valid now, None: there is none.
        certificates: those of all of its keys, with what leads to their anchors.
    """

    name: str
    signing: tuple[tuple[Suite, Found | None], ...]
    certificates: tuple[Found, ...]

    @property
    def use(self) -> str:
        """As it stands among the uses of things."""
        return PREFIX + self.name


def seals_of(
    folder: DataFolder, config: Config, known: Sequence[Found], now: dt.datetime
) -> tuple[tuple[SealUse, ...], tuple[str, ...]]:
    """Return the seal profiles in force, and the files of those that could not be read.

    Args:
        folder: the data folder.
        config: its configuration.
        known: the certificates of `trust/`.
        now: the moment of the inventory.
    """
    found: list[SealUse] = []
    unreadable: list[str] = []
    for tenant in tenants_with_seals(folder):
        for name in profiles_of(folder, tenant):
            place = place_of(folder, config, tenant, name)
            try:
                stored = read_stored(place)
            except SealUnfitError:
                unreadable.append(str(place.profile.relative_to(folder.root)))
                continue
            read = find_certificates(stored.certificates, [each.certificate for each in known])
            certificates = tuple(_named(each) for each in read)
            by_der = {each.certificate.der: each for each in certificates}
            signing = tuple(
                (suite, by_der.get(_valid(own_certificates(stored, suite), now)))
                for suite in stored.profile.suites
            )
            found.append(SealUse(f"{tenant}/{name}", signing, certificates))
    return tuple(found), tuple(unreadable)


def seal_keys(seals: Sequence[SealUse]) -> Iterator[Facts]:
    """Describe the keys of seals."""
    for each in seals:
        for suite, certificate in each.signing:
            mechanism = of_suite(suite)
            yield Facts(
                id=f"key:seals/{each.name}/{suite.id}",
                kind=AssetKind.KEY,
                name=f"{each.name}/{suite.id}",
                state=State.IN_USE,
                mechanisms=(mechanism,),
                subjects=mechanism.subjects,
                uses=(each.use,),
                provider=Provider.SOFTWARE.value,
                since_us=None if certificate is None else certificate.key_since_us,
                until_us=None if certificate is None else certificate.key_until_us,
                details={} if certificate is None else {"certificate_sha256": certificate.digest},
                notes=(Note.CERTIFICATE_UNKNOWN,) if certificate is None else (),
            )


def seal_certificates(seals: Sequence[SealUse], known: Sequence[Found]) -> list[Facts]:
    """Describe the certificates of seals and what lies between them and `trust/`, each once."""
    at_hand = {each.digest for each in known}
    own = {each.digest: each for seal in seals for each in seal.certificates if each.digest not in at_hand}
    in_force = {
        certificate.digest: seal.use
        for seal in seals
        for _, certificate in seal.signing
        if certificate is not None
    }
    facts = certificate_facts([*known, *own.values()], in_force, Counter())
    return [each for each in facts if each.details["sha256"] in own]


def _named(found: Found) -> Found:
    return found if found.certificate.is_authority else replace(found, use=SEAL)


def _valid(own: Sequence[Certificate], now: dt.datetime) -> bytes:
    """Return the newest (DER) that is valid now; empty: none is."""
    now_us = int(now.timestamp() * 1_000_000)
    return next((each.der for each in own if each.valid_at(now_us)), b"")
