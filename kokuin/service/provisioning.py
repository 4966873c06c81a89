"""Keys, certificates and anchors that a profile needs: made on a development PKI, asked for elsewhere."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.keystore import generate, has_key, key_name, key_number, open_signer
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import read_passphrase
from kokuin.trust.anchors import TrustError, read_certificates
from kokuin.trust.hierarchy import make_development_hierarchy
from kokuin.trust.records import ANCHOR_ADDED, CERTIFICATE_ISSUED, KEY_GENERATED
from pqc.keyfiles import KeyFileError
from pqc.newfile import write_durably
from pqc.os_errors import explain
from pqc.signing import KeyMismatchError, SignerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.snapshot import Snapshot
    from kokuin.trust.records import LeafValue
    from pqc.profiles import Profile
    from pqc.signing import Signer


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


class UnitsMissingError(Exception):
    """Units that cannot be provided: `missing` holds each one's profile, and a line that says what to do."""

    def __init__(self, missing: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in missing))
        self.missing = missing


def unrecorded(act: Act) -> None:
    """Let nobody know: for trials, whose keys are thrown away."""
    del act


def provide_units(
    folder: DataFolder, config: Config, snapshot: Snapshot, on_act: Callable[[Act], None] = unrecorded
) -> None:
    """Make the keys and certificates that a snapshot's units lack.

    Args:
        folder: the data folder.
        config: its settings.
        snapshot: whose units.
        on_act: told what was made as soon as it is, also when something else is missing then.

    Raises:
        UnitsMissingError: something is missing that only an operator or their CA can make, or cannot be made.
        ProfileError: a profile cannot be used.
    """
    missing = []
    classical: bytes | None = None
    for profile in units_of(snapshot):
        try:
            number = number_of(snapshot, profile.name)
            certificate = _provide(folder, config, profile, number, classical, on_act)
        except UnitError as error:
            missing.append((profile.name, str(error)))
        except (KeyFileError, KeyMismatchError, SignerError) as error:
            missing.append((profile.name, f"unit key of profile {profile.name}: {error}"))
        except OSError as error:
            missing.append((profile.name, explain(error)))
        else:
            if profile.tst.quantum_category == 0:
                classical = classical or certificate
    if missing:
        raise UnitsMissingError(tuple(missing))


def number_of(snapshot: Snapshot, profile: str) -> int:
    """Return the number of the key that signs for a profile's unit, 1 before any did."""
    unit = snapshot.units.get(profile)
    return 1 if unit is None else key_number(profile, unit.key) or 1


def _provide(  # noqa: PLR0913, PLR0917  # what a unit depends on, named once
    folder: DataFolder,
    config: Config,
    profile: Profile,
    number: int,
    classical: bytes | None,
    on_act: Callable[[Act], None],
) -> bytes:
    """Return the certificate (DER) of a profile's unit, made where it may be."""
    signer = _signer(config, profile, number, on_act)
    certificate = _certificate_of(signer.public_key, folder.units)
    if certificate is None and config.pki != "development":
        key = "" if number == 1 else f" --key {key_name(profile.name, number)}"
        raise UnitError(
            f"{key_name(profile.name, number)} has no certificate in {folder.units}; run"
            f" `tsa keys csr {profile.name}{key}`, have the request signed and import the certificate"
            f" with `tsa keys import {profile.name}`"
        )
    return certificate or certify(folder, profile, signer.public_key, classical, on_act)


def _signer(config: Config, profile: Profile, number: int, on_act: Callable[[Act], None]) -> Signer:
    passphrase = read_passphrase(config, dict(os.environ))
    if has_key(config, profile.name, number):
        return open_signer(config, profile.name, profile.tst, passphrase, number)
    if config.pki != "development":
        following = "" if number == 1 else " --next"
        raise UnitError(
            f"there is no {key_name(profile.name, number)};"
            f" run `tsa keys generate {profile.name}{following}`, then `tsa keys csr {profile.name}`"
        )
    return make_key(config, profile, number, passphrase, on_act)


def make_key(
    config: Config,
    profile: Profile,
    number: int,
    passphrase: bytes | None,
    on_act: Callable[[Act], None],
) -> Signer:
    """Make a key of a profile's unit.

    Raises:
        FileExistsError: there is a key file already.
        KeyMismatchError, SignerError, OSError: as of `keystore.generate`.
    """
    signer = generate(config, profile.name, profile.tst, passphrase, number)
    key = key_name(profile.name, number)
    on_act(Act(KEY_GENERATED, {"unit_of": profile.name, "key": key, "suites": [profile.tst.id]}))
    return signer


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


def certify(
    folder: DataFolder,
    profile: Profile,
    public_key: bytes,
    classical: bytes | None,
    on_act: Callable[[Act], None],
) -> bytes:
    """Issue a unit's certificate under a new development root, bound to the classical unit's (RFC 9763).

    Args:
        folder: the data folder, whose `trust/` takes certificates, anchor and revocation lists.
        profile: whose unit it is.
        public_key: SubjectPublicKeyInfo (DER).
        classical: the certificate (DER) of a classical unit, None where there is none.
        on_act: told what was made.

    Returns:
        The certificate, DER.

    Raises:
        OSError: a file cannot be written.
    """
    made = make_development_hierarchy(
        profile.certificate,
        public_key,
        now=dt.datetime.now(dt.UTC).replace(microsecond=0),
        days=profile.certificate_days,
        key_days=profile.key_days,
        related=classical if profile.tst.quantum_category else None,
    )
    # The anchor first: a unit whose anchor is missing would make the next start fail.
    append_pem(folder.anchors, made.anchor_pem)
    on_act(Act(ANCHOR_ADDED, {"certificate": _sha256(made.anchor.der)}))
    append_pem(folder.units, made.unit_pem + made.intermediates_pem)
    write_durably(folder.development_lists(made.unit.der), made.lists_pem, mode=0o644)
    issued: dict[str, LeafValue] = {
        "unit_of": profile.name,
        "suites": [profile.tst.id],
        "certificate": _sha256(made.unit.der),
    }
    on_act(Act(CERTIFICATE_ISSUED, issued))
    return made.unit.der


def append_pem(path: Path, pem: bytes) -> None:
    """Add certificates to a file that readers never see half written.

    Raises:
        OSError: nothing was added.
    """
    before = path.read_bytes() if path.exists() else b""
    # What a person edited may lack its last line end, and two lines in one are no PEM.
    between = b"" if before.endswith(b"\n") or not before else b"\n"
    write_durably(path, before + between + pem, mode=0o644)


def _sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
