"""The keys of a data folder: where each is, what it signs and under which certificate, what it is for."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kokuin.service.config import LiboqsKey
from kokuin.service.issuing_policy import fit_period
from kokuin.service.keystore import has_key, in_device, key_name, key_number, open_signer
from kokuin.service.provisioning import number_of, units_of
from kokuin.service.unit_certificates import key_period
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import issuing_policy, read_passphrase
from kokuin.trust.anchors import TrustError, read_certificates
from pqc.keyfiles import KeyFileError
from pqc.profiles import ProfileError, available
from pqc.signing import KeyMismatchError, Provider, SignerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.snapshot import Snapshot
    from kokuin.trust.certificate import Certificate
    from pqc.profiles import Profile

LIST = "keys.list"
"""The operation that changes nothing."""


class KeyUse(StrEnum):
    """What a key is there for."""

    ACTIVE = "active"
    """It signs."""
    NEXT = "next"
    """It may sign from a switch on that is to come."""
    RETIRED = "retired"
    """Another one took its place; it signs nothing any more."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as it is shown.

    Attributes:
        profile: whose unit it signs for.
        key: its name.
        suite: what it signs with.
        provider: where it is used.
        experimental: nobody vouches for the implementation in production.
        use: what it is there for.
        certificate: SHA-256 (hex) of its certificate; empty: it has none, or cannot be opened.
        begins_us: when it may begin to sign, microseconds since 1970 UTC; None without a certificate.
        ends_us: when it must have stopped, by certificate and issuing policy.
        problem: code and text of why it cannot be used; empty when it can.
    """

    profile: str
    key: str
    suite: str
    provider: Provider
    experimental: bool
    use: KeyUse
    certificate: str = ""
    begins_us: int | None = None
    ends_us: int | None = None
    problem: str = ""


def owners(folder: DataFolder, snapshot: Snapshot) -> Iterator[Profile]:
    """Yield the profiles that have keys of their own, as they are in force, else as the files have them."""
    for name in sorted({*available(folder.profiles), *snapshot.profiles}):
        try:
            profile = snapshot.known_profile(name, folder.profiles)
        except ProfileError:
            continue  # `tsa profile list` says why
        if name in profile.units:
            yield profile


def use_of(snapshot: Snapshot, profile: str, number: int) -> KeyUse:
    """Say what a profile's key is there for."""
    present = number_of(snapshot, profile)
    if number < present:
        return KeyUse.RETIRED
    at_work = profile in {unit.name for unit in units_of(snapshot)}
    return KeyUse.ACTIVE if number == present and at_work and profile in snapshot.units else KeyUse.NEXT


def numbers(config: Config, snapshot: Snapshot, profile: str) -> list[int]:
    """Return the numbers of a profile's keys that are there, ascending.

    Raises:
        SignerError: the device cannot be reached.
    """
    if in_device(config, profile):
        most = number_of(snapshot, profile) + 1
        return [number for number in range(1, most + 1) if has_key(config, profile, number)]
    found = (key_number(profile, path.stem) for path in config.keys.glob("unit-*.pem"))
    return sorted(number for number in found if number is not None)


def list_keys(folder: DataFolder, config: Config, snapshot: Snapshot) -> dict[str, Any]:
    """Answer `keys.list`.

    Raises:
        UnitError: the passphrase's file or the issuing policy cannot be read.
        ProfileError: what is in force cannot be used.
    """
    try:
        certificates = read_certificates(folder.units) if folder.units.exists() else []
    except TrustError as error:
        raise UnitError(f"{folder.units} cannot be read: {error.code}") from None
    rows = [
        row for profile in owners(folder, snapshot) for row in _rows(config, snapshot, profile, certificates)
    ]
    return {"ok": True, "keys": [asdict(row) for row in rows]}


def _rows(
    config: Config, snapshot: Snapshot, profile: Profile, certificates: Sequence[Certificate]
) -> Iterator[KeyRow]:
    try:
        found = numbers(config, snapshot, profile.name)
    except SignerError as error:
        use = use_of(snapshot, profile.name, number_of(snapshot, profile.name))
        key = key_name(profile.name, number_of(snapshot, profile.name))
        provider = Provider.PKCS11
        yield KeyRow(profile.name, key, profile.tst.id, provider, False, use, problem=str(error))
        return
    for number in found:
        yield _row(config, snapshot, profile, number, certificates)


def _row(
    config: Config, snapshot: Snapshot, profile: Profile, number: int, certificates: Sequence[Certificate]
) -> KeyRow:
    name, use = key_name(profile.name, number), use_of(snapshot, profile.name, number)
    liboqs = isinstance(config.signers.get(profile.name), LiboqsKey)
    inside = in_device(config, profile.name)
    provider = Provider.PKCS11 if inside else Provider.LIBOQS if liboqs else Provider.SOFTWARE
    plain = KeyRow(profile.name, name, profile.tst.id, provider, liboqs, use)
    passphrase = read_passphrase(config, dict(os.environ))
    try:
        public_key = open_signer(config, profile.name, profile.tst, passphrase, number).public_key
    except KeyMismatchError:
        return replace(plain, problem=f"KEY_MISMATCH: no key for {profile.tst.id}")
    except (KeyFileError, SignerError) as error:
        return replace(plain, problem=str(error))
    certificate = _certificate(snapshot, profile.name, use, public_key, certificates)
    if certificate is None:
        return plain
    period = fit_period(key_period(certificate), profile, issuing_policy(config))
    digest = hashlib.sha256(certificate.der).hexdigest()
    return replace(plain, certificate=digest, begins_us=period.start_us, ends_us=period.end_us)


def _certificate(
    snapshot: Snapshot, profile: str, use: KeyUse, public_key: bytes, certificates: Sequence[Certificate]
) -> Certificate | None:
    """Return the certificate in force, else the key's newest."""
    own = [item for item in certificates if item.public_key == public_key]
    if use is KeyUse.ACTIVE:
        digest = snapshot.units[profile].certificate
        return next((item for item in own if hashlib.sha256(item.der).hexdigest() == digest), None)
    return max(own, key=lambda item: item.not_before, default=None)
