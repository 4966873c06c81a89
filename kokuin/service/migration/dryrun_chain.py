"""What the real folder has ready for a profile, and what stands in the way; no private key is opened."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import TYPE_CHECKING

from kokuin.service.activation import with_units
from kokuin.service.candidates import contradictions, with_profile
from kokuin.service.config import LiboqsKey, Pkcs11Key
from kokuin.service.issuing_policy import unit_blockers
from kokuin.service.keystore import has_key, key_name
from kokuin.service.migration.certificates import certificates_of
from kokuin.service.migration.mechanisms import of_suite
from kokuin.service.migration.report import Finding, Readiness
from kokuin.service.provisioning import number_of
from kokuin.trust.report import iso_time
from pqc.policies import Subject, Usage
from pqc.profiles import MAX_PROFILE, ProfileError, available, load_profile
from pqc.signing import SignerError
from pqc.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.certificates import Found
    from kokuin.service.snapshot import Snapshot
    from kokuin.trust.certificate import Certificate
    from pqc.policies import Policy
    from pqc.profiles import Profile

READY, MADE, MISSING, UNKNOWN, UNFIT = "ready", "made-at-switch", "missing", "unknown", "unfit"


def read_candidate(folder: DataFolder, name: str, policy: Policy) -> tuple[Profile | None, list[Finding]]:
    """Load the profile to be rehearsed, or say why there is none."""
    try:
        profile = load_profile(name, folder.profiles)
        with_units(folder, profile)
    except ProfileError as error:
        return None, list(_unfit(folder, name, str(error), policy))
    return profile, []


def _unfit(folder: DataFolder, name: str, detail: str, policy: Policy) -> Iterator[Finding]:
    if name not in available(folder.profiles):
        yield Finding("PROFILE_UNKNOWN", name[:64], detail)
        return
    named = _suites_named(folder, name)
    verify_only = [suite for suite in named if suite in SUITES and not SUITES[suite].issue]
    if not verify_only:
        yield Finding("PROFILE_UNFIT", name, detail)
    for suite in verify_only:
        yield Finding("SUITE_VERIFY_ONLY", suite, detail)
        subject = Subject.of_suite(SUITES[suite])
        last = policy.last_fit(subject, Usage.ISSUE)
        if last is not None and last < dt.datetime.now(dt.UTC).date():
            until = "" if last == dt.date.min else f" after {last}"
            yield Finding("SUITE_FORBIDDEN", suite, f"{policy.name}: {subject.name} may not be used{until}")


def _suites_named(folder: DataFolder, name: str) -> list[str]:
    """Return the suites of an operator's profile that could not be read as a whole."""
    try:
        with (folder.profiles / f"{name}.toml").open("rb") as file:
            table = tomllib.loads(file.read(MAX_PROFILE).decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return []
    return list(dict.fromkeys(str(table.get(purpose, "")) for purpose in ("tst", "certificate")))


def standing_in_the_way(  # noqa: PLR0913, PLR0917  # all that a switch depends on, named once
    folder: DataFolder,
    config: Config,
    snapshot: Snapshot,
    profile: Profile,
    policy: Policy,
    now: dt.datetime,
) -> list[Finding]:
    """Return what `tsa profile use` would stop at, as far as it can be seen without opening a key."""
    candidate = with_profile(folder, snapshot, profile)
    guarded = min(snapshot.profile(name).accuracy_us for name in snapshot.enabled)
    found = [Finding(each.code, each.subject, each.detail) for each in contradictions(candidate, guarded)]
    certificates, _ = certificates_of(folder)
    for owner in profile.units:
        unit = candidate.profile(owner)
        found += _key_blockers(config, unit, number_of(snapshot, owner))
        found += _certificate_blockers(config, snapshot, unit, certificates, policy, now)
    return list(dict.fromkeys(found))


def _key_blockers(config: Config, unit: Profile, number: int) -> Iterator[Finding]:
    table = config.signers.get(unit.name)
    try:
        there = has_key(config, unit.name, number)
    except SignerError as error:
        yield Finding("KEY_SLOT_UNREACHABLE", unit.name, str(error))
        return
    if isinstance(table, Pkcs11Key) and not _device_signs(unit):
        yield Finding("DEVICE_WITHOUT_SUITE", unit.name, f"no device signs {unit.tst.id}")
    # On a development PKI the switch makes what is missing, in a device too.
    elif not there and config.pki != "development" and isinstance(table, Pkcs11Key):
        detail = f"the token {table.token} holds no such key; `tsa keys generate {unit.name}` makes it"
        yield Finding("KEY_SLOT_MISSING", unit.name, detail)
    elif not there and config.pki != "development":
        detail = f"run `tsa keys generate {unit.name}`, then `tsa keys csr {unit.name}`"
        yield Finding("KEY_MISSING", unit.name, detail)


def _certificate_blockers(  # noqa: PLR0913, PLR0917  # as above
    config: Config,
    snapshot: Snapshot,
    unit: Profile,
    certificates: Sequence[Found],
    policy: Policy,
    now: dt.datetime,
) -> Iterator[Finding]:
    found = unit_certificates(snapshot, unit, certificates)
    usable = [each for each in found if each.valid_at(_microseconds(now))]
    if found and not usable:
        yield Finding("CERTIFICATE_EXPIRED", unit.name, f"valid until {iso_time(found[0].not_after)}")
    elif not found and config.pki != "development":
        detail = f"`tsa keys csr {unit.name}`, have the request signed, then `tsa keys import`"
        yield Finding("CERTIFICATE_MISSING", unit.name, detail)
    for certificate in usable[:1]:
        for blocker in unit_blockers(unit, certificate, policy, now):
            yield Finding(blocker.code.value, blocker.subject, blocker.text)


def trial_blockers(
    unit: Profile, certificate: Certificate, policy: Policy, now: dt.datetime
) -> list[Finding]:
    """Judge the certificate that a development authority would make, by the trial's."""
    blockers = unit_blockers(unit, certificate, policy, now)
    return [Finding(each.code.value, each.subject, each.text) for each in blockers]


def unit_certificates(snapshot: Snapshot, unit: Profile, certificates: Sequence[Found]) -> list[Certificate]:
    """Return the certificates that may belong to a profile's unit, the likeliest first.

    What is in force says so. Of a unit that never was, only the kind of key is known without opening it:
    every certificate for such a key that belongs to no other unit in force may be its own.
    """
    reference = snapshot.units.get(unit.name)
    taken = {each.certificate for name, each in snapshot.units.items() if name != unit.name}
    units = [each for each in certificates if each.use == "unit"]
    if reference is not None and reference.certificate:
        return [each.certificate for each in units if each.digest == reference.certificate]
    own = [each for each in units if each.digest not in taken and each.key.key == unit.tst.key]
    return sorted((each.certificate for each in own), key=lambda each: -each.not_before)


def readiness(  # noqa: PLR0913, PLR0917  # as above
    folder: DataFolder,
    config: Config,
    snapshot: Snapshot,
    profile: Profile,
    policy: Policy,
    backed_up: Collection[str],
) -> tuple[Readiness, ...]:
    """Describe the chain behind every unit of a profile (EN 319 421 TIS-7.6).

    Args:
        folder: the data folder.
        config: its settings.
        snapshot: what is in force.
        profile: the one rehearsed.
        policy: by which to judge.
        backed_up: names of keys of which the ledger records a backup.
    """
    candidate = with_profile(folder, snapshot, profile)
    certificates, _ = certificates_of(folder)
    found: list[Readiness] = []
    for owner in profile.units:
        unit = candidate.profile(owner)
        own = unit_certificates(snapshot, unit, certificates)
        found += _authority(folder, config, unit, own, certificates, policy)
        found += _key(config, unit, number_of(snapshot, owner), backed_up)
    return tuple(found)


def _authority(  # noqa: PLR0913, PLR0917  # as above
    folder: DataFolder,
    config: Config,
    unit: Profile,
    own: Sequence[Certificate],
    certificates: Sequence[Found],
    policy: Policy,
) -> Iterator[Readiness]:
    at = next((each for each in certificates if own and each.certificate.der == own[0].der), None)
    absent = MADE if config.pki == "development" else MISSING
    signed_by = unit.certificate.id if at is None else at.signature.id
    subjects = of_suite(unit.certificate).subjects if at is None else at.signature.subjects
    now_us = _microseconds(dt.datetime.now(dt.UTC))
    fit = all(policy.judge(subject, Usage.VERIFY, now_us).status.fit for subject in subjects)
    state = (absent if at is None else READY) if fit else UNFIT
    yield Readiness("ca", unit.name, state, signed_by)
    ends = "" if at is None else iso_time(at.certificate.not_after)
    yield Readiness("unit-certificate", unit.name, absent if at is None else READY, ends)
    # Revocation lists and OCSP answers are signed with the authority's key, or with one that it vouches for.
    listed = READY if any(folder.anchors.parent.glob("*.crl")) else UNKNOWN
    if at is None and config.pki == "development":
        listed = MADE  # with the authority; the lists that are there are of others
    yield Readiness("revocation", unit.name, listed if fit else UNKNOWN, signed_by)


def _key(config: Config, unit: Profile, number: int, backed_up: Collection[str]) -> Iterator[Readiness]:
    table = config.signers.get(unit.name)
    if isinstance(table, Pkcs11Key):
        yield Readiness("device", unit.name, READY if _device_signs(unit) else MISSING, unit.tst.id)
    elif isinstance(table, LiboqsKey):
        yield Readiness("device", unit.name, UNKNOWN, "liboqs")
    try:
        there = has_key(config, unit.name, number)
    except SignerError as error:
        yield Readiness("key", unit.name, MISSING, str(error))
        return
    absent = MADE if config.pki == "development" else MISSING
    yield Readiness("key", unit.name, READY if there else absent, unit.tst.key)
    if isinstance(table, Pkcs11Key):
        # A device's key never leaves it: what copies there are only its owner knows.
        yield Readiness("key-backup", unit.name, UNKNOWN, table.token)
    else:
        kept = READY if key_name(unit.name, number) in backed_up else MISSING
        yield Readiness("key-backup", unit.name, kept, unit.envelope)


def _device_signs(unit: Profile) -> bool:
    """Say whether our PKCS#11 backend has a mechanism for the suite."""
    return unit.tst.family.value in _DEVICE_FAMILIES


_DEVICE_FAMILIES = frozenset({"ecdsa", "rsa-pkcs1", "rsa-pss"})


def _microseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp()) * 1_000_000
