"""What an inventory is made of, and its keys: where each is, and which certificate is its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.config import LiboqsKey, Pkcs11Key
from kokuin.service.issuing_policy import accepted_imprints
from kokuin.service.migration.assets import AssetKind, Facts, Note, State
from kokuin.service.migration.mechanisms import of_suite
from pqc.profiles import ProfileError, available, load_profile
from pqc.scheme import Provider
from pqc.suites import Family

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.certificates import Found
    from kokuin.service.migration.counting import TokenCounts
    from kokuin.service.migration.mechanisms import Mechanism
    from kokuin.service.migration.seals import SealUse
    from kokuin.service.migration.tls import TlsFacts
    from kokuin.service.snapshot import Snapshot
    from pqc.policies import Policy
    from pqc.profiles import Profile

_UNIT_KEY = re.compile(r"unit-([a-z][a-z0-9-]*)(?:\.[1-9][0-9]*)?")
_MECHANISMS = {
    Family.ECDSA: "CKM_ECDSA",
    Family.RSA_PKCS1: "CKM_RSA_PKCS",
    Family.RSA_PSS: "CKM_RSA_PKCS_PSS",
}
"""What a device is asked for; the message is hashed before (see `pqc.pkcs11`)."""


@dataclass(frozen=True, slots=True)
class Source:
    """What an inventory is made of.

    Attributes:
        folder: where keys and certificates lie.
        config: which backend holds a key.
        snapshot: the profiles in force.
        certificates: those of `trust/`.
        seals: the seal profiles in force.
        counts: the ledger's tokens.
        tls: what this process's library offers.
        issuing: the policy that decides what is issued.
        now: the moment of the inventory.
    """

    folder: DataFolder
    config: Config
    snapshot: Snapshot
    certificates: tuple[Found, ...]
    seals: tuple[SealUse, ...]
    counts: TokenCounts
    tls: TlsFacts
    issuing: Policy
    now: dt.datetime

    def imprints(self, profile: Profile) -> frozenset[str]:
        """Return the imprint hashes that a profile takes and the issuing policy lets it take."""
        return accepted_imprints(profile, self.issuing, self.now)

    def profiles(self) -> tuple[dict[str, Profile], dict[str, Profile]]:
        """Return the profiles that are on, and those that could be turned on; unusable ones are neither."""
        on = {name: self.snapshot.profile(name) for name in sorted(self.snapshot.enabled)}
        off: dict[str, Profile] = {}
        for name in available(self.folder.profiles):
            if name not in on:
                try:
                    off[name] = load_profile(name, self.folder.profiles)
                except ProfileError:
                    continue
        return on, off

    def unit(self, name: str) -> Profile:
        """Return the profile that a unit belongs to, as in force, else as in the files.

        Raises:
            ProfileError: there is none, or it cannot be used.
        """
        return self.snapshot.known_profile(name, self.folder.profiles)

    def key_of(self, unit: str) -> str:
        """Return the name of the key that a unit signs with; before the first start, of its first key."""
        reference = self.snapshot.units.get(unit)
        return f"unit-{unit}" if reference is None else reference.key

    def in_force(self) -> dict[str, str]:
        """Return the units that profiles in force use, by the digests of their certificates."""
        on, _ = self.profiles()
        units = {unit: self.snapshot.units.get(unit) for unit in owners(on.values())}
        return {
            reference.certificate: unit
            for unit, reference in units.items()
            if reference is not None and reference.certificate
        }


def owners(profiles: Iterable[Profile]) -> dict[str, list[str]]:
    """Return the names of the profiles that use each unit, by the name of the profile it belongs to."""
    found: dict[str, list[str]] = {}
    for profile in profiles:
        for unit in profile.units:
            found.setdefault(unit, []).append(profile.name)
    return found


def keys_of(source: Source) -> list[Facts]:
    """Describe every key: those of the units in force, and what else lies in the folder of keys."""
    on, _ = source.profiles()
    using = owners(on.values())
    facts = [
        _key(source, unit, source.key_of(unit), State.IN_USE, tuple(names))
        for unit, names in sorted(using.items())
    ]
    known = {each.name for each in facts if each.provider != Provider.PKCS11}
    others = (path for path in sorted(source.config.keys.glob("*.pem")) if path.stem not in known)
    return [*facts, *(_file(source, path, using) for path in others)]


def _file(source: Source, path: Path, using: Mapping[str, list[str]]) -> Facts:
    """Describe a key file that no unit in force signs with."""
    found = _UNIT_KEY.fullmatch(path.stem)
    unit = "" if found is None else found[1]
    if unit not in available(source.folder.profiles) or isinstance(
        source.config.signers.get(unit), Pkcs11Key
    ):
        notes = (Note.NOT_A_UNIT_KEY,)
        return Facts(f"file:{path.name}", AssetKind.KEY, path.name, State.UNKNOWN, notes=notes)
    in_force = _UNIT_KEY.fullmatch(source.key_of(unit))
    replaced = unit in using and in_force is not None and _number(path.stem) < _number(in_force[0])
    return _key(source, unit, path.stem, State.KEPT if replaced else State.POSSIBLE, ())


def _number(key: str) -> int:
    """Of keys that follow each other: 1 for `unit-classical`, 2 for `unit-classical.2`."""
    return int(key.partition(".")[2] or 1)


def _key(source: Source, unit: str, name: str, state: State, profiles: tuple[str, ...]) -> Facts:
    try:
        mechanisms: tuple[Mechanism, ...] = (of_suite(source.unit(unit).tst),)
    except ProfileError:
        mechanisms = ()
    table = source.config.signers.get(unit)
    provider, details = Provider.SOFTWARE, {}
    if isinstance(table, Pkcs11Key):
        provider = Provider.PKCS11
        details = {"token": table.token, "module": table.module.name, "label": table.label or table.id or ""}
    elif isinstance(table, LiboqsKey):
        provider, details = Provider.LIBOQS, {"module": table.library.name}
    reference = source.snapshot.units.get(unit)
    digest = reference.certificate if reference is not None and reference.key == name else ""
    certificate = next((each for each in source.certificates if each.digest == digest), None)
    if certificate is not None:
        details["certificate_sha256"] = digest
    return Facts(
        id=f"key:{name}",
        kind=AssetKind.KEY,
        name=name,
        state=state,
        mechanisms=mechanisms,
        subjects=tuple(subject for each in mechanisms for subject in each.subjects),
        uses=tuple(f"profile:{name}" for name in profiles),
        provider=provider.value,
        experimental=provider is Provider.LIBOQS,
        since_us=None if certificate is None else certificate.key_since_us,
        until_us=None if certificate is None else certificate.key_until_us,
        tokens=sum(group.count for group in source.counts.groups if digest and group.signer == digest),
        details=details,
        notes=(Note.CERTIFICATE_UNKNOWN,) if certificate is None else (),
    )


def devices_of(source: Source) -> list[Facts]:
    """Describe what devices behind PKCS#11 are asked to do."""
    on, _ = source.profiles()
    used = owners(on.values())
    facts: list[Facts] = []
    for unit, table in sorted(source.config.signers.items()):
        if not isinstance(table, Pkcs11Key):
            continue
        try:
            suite = source.unit(unit).tst
        except ProfileError:
            continue
        name = _MECHANISMS.get(suite.family, suite.id)
        mechanism = of_suite(suite)
        facts.append(
            Facts(
                f"device:{table.token}:{unit}",
                AssetKind.DEVICE,
                f"{table.token} {name}",
                State.IN_USE if unit in used else State.POSSIBLE,
                (mechanism,),
                mechanism.subjects,
                tuple(f"profile:{each}" for each in used.get(unit, (unit,))),
                provider=Provider.PKCS11.value,
                details={"token": table.token, "module": table.module.name, "mechanism": name},
                notes=(Note.DEVICE_NOT_ASKED,),
            )
        )
    return facts
