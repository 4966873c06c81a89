"""Snapshots that may be in force next, made of what is: no key is touched and nothing changed here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.ledger.faults import OpenRefusedError
from kokuin.service.activation import activations, with_units
from kokuin.service.activation_error import ActivationError
from kokuin.service.keystore import key_name, key_number
from kokuin.service.ledger_store import open_reader
from kokuin.service.provisioning import units_of
from kokuin.service.snapshot import Snapshot, SnapshotError, SnapshotFolder, UnitReference
from kokuin.service.switch_refusals import MAX_NAME, Blocker, SwitchRefusedError
from pqc.profiles import ProfileError

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from pqc.profiles import Profile


def with_profile(folder: DataFolder, present: Snapshot, profile: Profile) -> Snapshot:
    """Return `present` with a profile added and made the default.

    Raises:
        ProfileError: a profile whose unit it uses cannot be used.
    """
    texts = {item.name: item.text for item in with_units(folder, profile)}
    return replace(
        present,
        default=profile.name,
        enabled=present.enabled | {profile.name},
        # A file that was changed since counts for the profile that is used, not for others that are on.
        profiles={**texts, **present.profiles, profile.name: profile.text},
    )


def without_profile(present: Snapshot, name: str) -> Snapshot:
    """Return `present` with a profile turned off.

    Raises:
        SwitchRefusedError: PROFILE_NOT_ENABLED, or PROFILE_IS_DEFAULT.
    """
    if name not in present.enabled:
        raise SwitchRefusedError(Blocker("PROFILE_NOT_ENABLED", name[:MAX_NAME]))
    if name == present.default:
        raise SwitchRefusedError(Blocker("PROFILE_IS_DEFAULT", name, "use another profile first"))
    return replace(present, enabled=present.enabled - {name}, units=present.keys())


def snapshot_before(folder: DataFolder, config: Config, present: Snapshot) -> Snapshot:
    """Return the profiles and the default before the last switch of them, with the keys of today.

    Raises:
        SwitchRefusedError: ROLLBACK_NOTHING, or SNAPSHOT_UNFIT.
    """
    snapshots = SnapshotFolder(folder.active)
    try:
        with open_reader(folder, config) as reader:
            for leaf in activations(reader):
                snapshot = snapshots.load(str(leaf["cfg"]))
                if _chosen(snapshot) != _chosen(present):
                    return replace(snapshot, settings=present.settings, units=present.keys())
    except (SnapshotError, ActivationError, OpenRefusedError) as error:
        raise SwitchRefusedError(Blocker("SNAPSHOT_UNFIT", present.default, str(error))) from None
    raise SwitchRefusedError(Blocker("ROLLBACK_NOTHING", present.default))


def _chosen(snapshot: Snapshot) -> tuple[object, ...]:
    """What an operator chose: also a profile that was used again after its file had been changed."""
    return snapshot.default, snapshot.enabled, snapshot.profiles


def with_next_key(present: Snapshot, name: str) -> Snapshot:
    """Return `present` with the next key of a profile's unit in the place of the one that signs.

    Raises:
        SwitchRefusedError: KEY_NOT_IN_USE: no key of it was ever in use.
    """
    unit = present.units.get(name)
    number = None if unit is None else key_number(name, unit.key)
    if number is None:
        detail = "no key of it was ever in use; `tsa profile use` takes the first"
        raise SwitchRefusedError(Blocker("KEY_NOT_IN_USE", name[:MAX_NAME], detail))
    following = UnitReference(key_name(name, number + 1), "")
    return replace(present, units={**present.keys(), name: following})


def newcomers(present: Snapshot, candidate: Snapshot) -> frozenset[str]:
    """Return the profiles that a switch is about: added, made the default, or with another key than before.

    Raises:
        ProfileError: a profile of the candidate cannot be used.
    """
    rotated = {unit.name for unit in units_of(candidate) if _is_new(unit.name, present, candidate)}
    return (candidate.enabled - present.enabled) | ({candidate.default} - {present.default}) | rotated


def _is_new(owner: str, present: Snapshot, candidate: Snapshot) -> bool:
    """Say whether another key than before is to sign for a unit."""
    before, after = present.units.get(owner), candidate.units.get(owner)
    return before is not None and after is not None and before.key != after.key


def contradictions(candidate: Snapshot, guarded_us: int) -> list[Blocker]:
    """Find what is wrong with a snapshot before any key is touched.

    Args:
        candidate: what is to be in force.
        guarded_us: the accuracy that the clock guard keeps, microseconds; 0: nobody issues meanwhile.
    """
    found = []
    arcs: dict[int, str] = {}
    for name in sorted(candidate.enabled):
        try:
            profile = candidate.profile(name)
        except ProfileError as error:
            found.append(Blocker("PROFILE_UNFIT", name, str(error)))
            continue
        if arcs.setdefault(profile.arc, name) != name:
            detail = f"{arcs[profile.arc]} has arc {profile.arc} too"
            found.append(Blocker("POLICY_OID_TAKEN", name, detail))
        if profile.accuracy_us < guarded_us:
            detail = "the clock guard is laxer; stop the service, use the profile, and start it again"
            found.append(Blocker("ACCURACY_NOT_GUARDED", name, detail))
    return found + _offered_evidence(candidate)


def _offered_evidence(candidate: Snapshot) -> list[Blocker]:
    """Find units that make evidence and are to answer requests too.

    Evidence is for the day on which a key that answers is lost: that must never be its own.
    """
    try:
        profiles = [candidate.profile(name) for name in sorted(candidate.enabled)]
    except ProfileError:
        return []  # which is said already
    answering = {owner: profile.name for profile in profiles for owner in profile.answering}
    found = []
    for profile in profiles:
        answers = answering.get(profile.evidence or "")
        if answers is not None:
            detail = f"the unit of {profile.evidence} makes its evidence, and answers requests to {answers}"
            found.append(Blocker("EVIDENCE_UNIT_ANSWERS", profile.name, detail))
    return found
