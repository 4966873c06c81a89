"""What was in force when the service last stopped, and bringing a snapshot into force."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.service.activation_error import ActivationError
from kokuin.service.installation import install, strictest_accuracy_us
from kokuin.service.issuing import ActiveConfiguration, new_id
from kokuin.service.snapshot import Snapshot, SnapshotError, SnapshotFolder
from kokuin.service.unit_errors import UnitEndedError, UnitError
from kokuin.service.units import issuing_policy, read_passphrase
from kokuin.trust.journal import Refused
from kokuin.trust.records import CFG_ACTIVATED, CLOCK_FIT, CLOCK_RESUMED, CLOCK_UNFIT, Record
from pqc.policy_text import write_policy
from pqc.profiles import load_profile
from pqc.selftest import self_test
from tsa.clock.reader import ClockReader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.reader import Stored, StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.installation import Installation
    from kokuin.trust.records import LeafValue
    from pqc.profiles import Profile

_log = structlog.get_logger()

ACT_START = "start"
"""Act of a snapshot that differs from the last because files changed while the service was down."""


def first_snapshot(folder: DataFolder, config: Config) -> Snapshot:
    """Return what the files ask of a new ledger: the configured profile alone.

    Raises:
        ProfileError: the profile, or one whose unit it uses, cannot be used.
    """
    profile = load_profile(config.profile, folder.profiles)
    return Snapshot(
        settings=settings_digest(config),
        default=profile.name,
        enabled=frozenset({profile.name}),
        profiles={item.name: item.text for item in with_units(folder, profile)},
        units={},
    )


def with_units(folder: DataFolder, profile: Profile) -> list[Profile]:
    """Return a profile and those whose units it uses.

    Raises:
        ProfileError: one of them cannot be used.
    """
    return [profile, *(load_profile(name, folder.profiles) for name in profile.units if name != profile.name)]


def starting_snapshot(folder: DataFolder, config: Config, previous: str | None) -> Snapshot:
    """Return what is in force from now on: what was, under the present settings, with its units found fit.

    Args:
        folder: the data folder.
        config: what the files say now.
        previous: digest of the snapshot last in force, None for a new ledger.

    Raises:
        ActivationError: the snapshot last in force is missing or was changed.
        UnitError, ProfileError: a unit or a profile cannot be used.
    """
    if previous is None:
        return with_units_found(folder, config, first_snapshot(folder, config))
    last = last_snapshot(folder, previous)
    now = replace(last, settings=settings_digest(config), units=last.keys())
    try:
        return without_ended(folder, config, now)
    except UnitEndedError as error:
        remedy = "`tsa profile use NAME` makes another profile the default"
        raise UnitEndedError(f"{error}; {remedy}") from None


def opening_snapshot(
    folder: DataFolder, config: Config, previous: str | None, *, serving: bool
) -> tuple[Snapshot, bool]:
    """Return what a keeper opens a folder with, and whether it may be brought into force.

    Args:
        folder: the data folder.
        config: what the files say now.
        previous: digest of the snapshot last in force, None for a new ledger.
        serving: False for one operation on a folder that nobody serves: what was in force stays so, untried,
            and the unit of a new folder may still lack the certificate that the operation brings.

    Raises:
        ActivationError, UnitError, ProfileError: as of `starting_snapshot`.
    """
    if previous is not None and not serving:
        return last_snapshot(folder, previous), True
    try:
        return starting_snapshot(folder, config, previous), True
    except UnitError:
        if serving:
            raise
        return first_snapshot(folder, config), False


def last_snapshot(folder: DataFolder, digest: str) -> Snapshot:
    """Return the snapshot that a leaf names.

    Raises:
        ActivationError: it is missing or was changed.
    """
    try:
        return SnapshotFolder(folder.active).load(digest)
    except SnapshotError as error:
        raise ActivationError(str(error)) from None


def with_units_found(
    folder: DataFolder, config: Config, snapshot: Snapshot, *, must_sign: Collection[str] = ()
) -> Snapshot:
    """Load and try every unit of a snapshot, and return it with the references that were found.

    Args:
        folder: the data folder.
        config: its settings.
        snapshot: what is to be in force.
        must_sign: profiles whose keys may sign now; of others `/readyz` says it when they may not.

    Raises:
        UnitError, ProfileError: one cannot be used.
    """
    found = load_installation(folder, config, snapshot)
    now_us = time.time_ns() // 1_000
    for owner in {owner for name in must_sign for owner in snapshot.profile(name).units}:
        period = found.periods[owner]
        if not period.start_us <= now_us <= period.end_us:
            error = UnitError(f"the key of profile {owner} may not sign now: its period is over, or to come")
            error.owner = owner
            raise error
    return replace(snapshot, units={**snapshot.units, **found.units})


def without_ended(
    folder: DataFolder, config: Config, snapshot: Snapshot, *, must_sign: Collection[str] = ()
) -> Snapshot:
    """Do the same, and turn off the profiles beside the default whose units have ended.

    Nothing that verifies could be issued with them, and they must not stand in the way of those that are fit:
    whoever has lost a key wants to move on.

    Raises:
        UnitError, ProfileError: a unit cannot be used for another reason, or is the default's.
    """
    while True:
        try:
            return with_units_found(folder, config, snapshot, must_sign=must_sign)
        except UnitEndedError as error:
            ended = {name for name in snapshot.enabled if error.owner in snapshot.profile(name).units}
            if not ended or snapshot.default in ended:
                raise
            _log.warning("profile.ended", profiles=sorted(ended), reason=str(error))
            snapshot = replace(snapshot, enabled=snapshot.enabled - ended).pruned()


def load_installation(
    folder: DataFolder, config: Config, snapshot: Snapshot, clock: ClockReader | None = None
) -> Installation:
    """Load and try every unit of a snapshot; without a clock only to see whether they are fit.

    Raises:
        UnitError, ProfileError: one cannot be used, a self-test fails, or settings or policy are not those of
            the snapshot.
    """
    if settings_digest(config) != snapshot.settings:
        # A policy's file may be edited while the service runs: a worker that starts then must not follow it.
        raise UnitError("settings or issuing policy are not what was activated; restart the service")
    _self_test(snapshot)
    reader = clock or ClockReader(config.clock_settings(strictest_accuracy_us(snapshot)))
    return install(folder, config, snapshot, reader, read_passphrase(config, dict(os.environ)))


def settings_digest(config: Config) -> str:
    """SHA-256, hex, of the settings and of the issuing policy that they name.

    Raises:
        UnitError: the policy cannot be read.
    """
    policy = write_policy(issuing_policy(config))
    return hashlib.sha256(f"{config.digest()}\n{policy}".encode()).hexdigest()


def _self_test(snapshot: Snapshot) -> None:
    """Try known answers of every suite in use: what a library computes wrongly is found before it signs."""
    owners = {owner for name in snapshot.enabled for owner in snapshot.profile(name).units}
    profiles = [snapshot.profile(owner) for owner in sorted(owners)]
    suites = {suite.id: suite for profile in profiles for suite in (profile.tst, profile.certificate)}
    failures = self_test(suites.values())
    if failures:
        named = ", ".join(f"{failure.suite} {failure.problem}" for failure in failures)
        raise UnitError(f"known answers fail: {named}; this machine's libraries must not be used for them")


async def activate(
    journal: Committer, snapshot: Snapshot, previous: str | None, fields: Mapping[str, LeafValue]
) -> ActiveConfiguration:
    """Record a snapshot that differs from the one in force, and raise the epoch with it.

    Args:
        journal: the ledger's writer.
        snapshot: durable in the folder already.
        previous: digest of the snapshot in force, None for a new ledger.
        fields: `act` and `actor` of the leaf.

    Raises:
        ActivationError: the ledger refused the record.
    """
    digest = snapshot.digest()
    if digest == previous:
        return ActiveConfiguration(journal.cfg_epoch, digest)
    epoch = journal.cfg_epoch + 1
    record = {
        "id": new_id(),
        "tenant": "service",
        **fields,
        "profile": snapshot.default,
        "enabled": sorted(snapshot.enabled),
        "cfg": digest,
        "cfg_before": previous or "",
    }
    outcome = await asyncio.wrap_future(journal.append_epoch(Record(CFG_ACTIVATED, record), epoch))
    if isinstance(outcome, Refused):
        raise ActivationError(f"the ledger refused the configuration: {outcome.reason} {outcome.detail}")
    return ActiveConfiguration(epoch, digest)


def activations(reader: StoreReader) -> Iterator[Mapping[str, LeafValue]]:
    """Yield the leaves of all snapshots that were activated, the last one first.

    Raises:
        ActivationError: a leaf cannot be read.
    """
    return (read_act(stored) for stored in reader.backwards(CFG_ACTIVATED))


def stopped_by_clock(reader: StoreReader) -> bool:
    """Say whether the last `clock.*` leaf is a stop: a restart is no way round the operator.

    Raises:
        ActivationError: that leaf cannot be read.
    """
    leaf = newest(reader, CLOCK_FIT, CLOCK_UNFIT, CLOCK_RESUMED)
    return leaf is not None and leaf["kind"] == CLOCK_UNFIT


def newest(reader: StoreReader, *kinds: str) -> Mapping[str, LeafValue] | None:
    """Return the newest leaf of these kinds.

    Raises:
        ActivationError: it cannot be read.
    """
    stored = reader.newest(*kinds)
    return None if stored is None else read_act(stored)


def read_act(stored: Stored) -> Mapping[str, LeafValue]:
    """Return the fields of an act's leaf.

    Raises:
        ActivationError: it cannot be read.
    """
    try:
        return read_leaf(stored.leaf)
    except LeafError as error:
        # Nothing that this product wrote: somebody changed the ledger, and nobody may go on over that.
        raise ActivationError(f"leaf {stored.index} of the ledger cannot be read: {error}") from None
