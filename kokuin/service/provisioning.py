"""Keys, certificates and anchors that a profile needs: made on a development PKI, asked for elsewhere."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.files import write_durably
from kokuin.service.units import UnitError, key_path, read_passphrase
from kokuin.trust.anchors import TrustError, read_certificates
from kokuin.trust.hierarchy import make_development_hierarchy
from kokuin.trust.records import ANCHOR_ADDED, CERTIFICATE_ISSUED, KEY_GENERATED
from pqc.keyfiles import KeyFileError, read_key, write_key
from pqc.signing import KeyMismatchError, SoftwareSigner, generate_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.snapshot import Snapshot
    from kokuin.trust.records import LeafValue
    from pqc.profiles import Profile


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was made, to be recorded: the leaf's kind and fields."""

    kind: str
    fields: Mapping[str, LeafValue]


def units_of(snapshot: Snapshot) -> tuple[Profile, ...]:
    """Return the profiles whose units a snapshot needs, classical suites first.

    Raises:
        ProfileError: one cannot be used.
    """
    owners = {owner for name in snapshot.enabled for owner in snapshot.profile(name).units}
    profiles = (snapshot.profile(owner) for owner in owners)
    return tuple(sorted(profiles, key=lambda profile: (profile.tst.quantum_category, profile.name)))


def provide_units(folder: DataFolder, config: Config, snapshot: Snapshot) -> tuple[Act, ...]:
    """Make the keys and certificates that a snapshot's units lack.

    Raises:
        UnitError: something is missing that only an operator or their CA can make.
        ProfileError: a profile cannot be used.
        OSError: a file cannot be written.
    """
    passphrase = read_passphrase(config, dict(os.environ))
    acts: list[Act] = []
    classical: bytes | None = None
    for profile in units_of(snapshot):
        signer = _signer(config, profile, passphrase, acts)
        certificate = _certificate_of(signer.public_key, folder.units)
        if certificate is None:
            certificate = _certify(folder, config, profile, signer, classical, acts)
        if profile.tst.quantum_category == 0:
            classical = classical or certificate
    return tuple(acts)


def _signer(config: Config, profile: Profile, passphrase: bytes | None, acts: list[Act]) -> SoftwareSigner:
    path = key_path(config, profile)
    try:
        if not path.exists():
            if config.pki != "development":
                raise UnitError(
                    f"profile {profile.name} has no key; run `tsa keys generate {profile.name}`,"
                    f" then `tsa keys csr {profile.name}`"
                )
            write_key(path, generate_key(profile.tst), passphrase)
            acts.append(Act(KEY_GENERATED, {"unit_of": profile.name, "suites": [profile.tst.id]}))
        return SoftwareSigner(profile.tst, read_key(path, passphrase))
    except (KeyFileError, KeyMismatchError) as error:
        raise UnitError(f"unit key of profile {profile.name}: {error}") from None


def _certificate_of(public_key: bytes, path: Path) -> bytes | None:
    """Return the newest certificate (DER) of a key, None when the file holds none."""
    if not path.exists():
        return None
    try:
        certificates = read_certificates(path)
    except TrustError as error:
        raise UnitError(f"{path} cannot be read: {error.code}") from None
    own = [item for item in certificates if item.public_key == public_key]
    return max(own, key=lambda item: item.not_before).der if own else None


def _certify(  # noqa: PLR0913, PLR0917  # what a certificate depends on, named once
    folder: DataFolder,
    config: Config,
    profile: Profile,
    signer: SoftwareSigner,
    classical: bytes | None,
    acts: list[Act],
) -> bytes:
    """Issue a unit's certificate under a new development root, bound to the classical unit's (RFC 9763)."""
    if config.pki != "development":
        raise UnitError(
            f"profile {profile.name} has no certificate in {folder.units}; run `tsa keys csr {profile.name}`,"
            " have the request signed and import the certificate with `tsa keys import`"
        )
    made = make_development_hierarchy(
        profile.certificate,
        signer.public_key,
        now=dt.datetime.now(dt.UTC).replace(microsecond=0),
        days=profile.certificate_days,
        key_days=profile.key_days,
        related=classical if profile.tst.quantum_category else None,
    )
    # The anchor first: a unit whose anchor is missing would make the next start fail.
    append_pem(folder.anchors, made.anchor_pem)
    append_pem(folder.units, made.unit_pem + made.intermediates_pem)
    acts.append(Act(ANCHOR_ADDED, {"certificate": _sha256(made.anchor.der)}))
    issued: dict[str, LeafValue] = {
        "unit_of": profile.name,
        "suites": [profile.tst.id],
        "certificate": _sha256(made.unit.der),
    }
    acts.append(Act(CERTIFICATE_ISSUED, issued))
    return made.unit.der


def append_pem(path: Path, pem: bytes) -> None:
    """Add certificates to a file that readers never see half written.

    Raises:
        OSError: nothing was added.
    """
    before = path.read_bytes() if path.exists() else b""
    write_durably(path, before + pem, mode=0o644)


def _sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
