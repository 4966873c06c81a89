"""What was in force when the service last stopped, and bringing a snapshot into force."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.service.installation import install, strictest_accuracy_us
from kokuin.service.issuing import ActiveConfiguration, new_id
from kokuin.service.snapshot import Snapshot, SnapshotError, SnapshotFolder
from kokuin.service.units import read_passphrase
from kokuin.trust.journal import Refused
from kokuin.trust.records import CFG_ACTIVATED, CLOCK_FIT, CLOCK_RESUMED, CLOCK_UNFIT, Record
from pqc.profiles import load_profile
from tsa.clock.reader import ClockReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.reader import LedgerReader, Stored
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.installation import Installation
    from kokuin.trust.records import LeafValue
    from pqc.profiles import Profile

ACT_START = "start"
"""Act of a snapshot that differs from the last because files changed while the service was down."""


class ActivationError(Exception):
    """The configuration could not be recorded and is not in force; the message names the ledger's reason."""


def first_snapshot(folder: DataFolder, config: Config) -> Snapshot:
    """Return what the files ask of a new ledger: the configured profile alone.

    Raises:
        ProfileError: the profile, or one whose unit it uses, cannot be used.
    """
    profile = load_profile(config.profile, folder.profiles)
    return Snapshot(
        settings=config.digest(),
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
    try:
        last = SnapshotFolder(folder.active).load(previous)
    except SnapshotError as error:
        raise ActivationError(str(error)) from None
    now = replace(last, settings=config.digest(), units={})
    return with_units_found(folder, config, now)


def with_units_found(folder: DataFolder, config: Config, snapshot: Snapshot) -> Snapshot:
    """Load and try every unit of a snapshot, and return it with the references that were found.

    Raises:
        UnitError, ProfileError: one cannot be used.
    """
    return replace(snapshot, units=load_installation(folder, config, snapshot).units)


def load_installation(
    folder: DataFolder, config: Config, snapshot: Snapshot, clock: ClockReader | None = None
) -> Installation:
    """Load and try every unit of a snapshot; without a clock only to see whether they are fit.

    Raises:
        UnitError, ProfileError: one cannot be used.
    """
    reader = clock or ClockReader(config.clock_settings(strictest_accuracy_us(snapshot)))
    return install(folder, config, snapshot, reader, read_passphrase(config, dict(os.environ)))


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


def activations(reader: LedgerReader) -> Iterator[Mapping[str, LeafValue]]:
    """Yield the leaves of all snapshots that were activated, the last one first.

    Raises:
        ActivationError: a leaf cannot be read.
    """
    return (_read(stored) for stored in reader.backwards(CFG_ACTIVATED))


def stopped_by_clock(reader: LedgerReader) -> bool:
    """Say whether the last `clock.*` leaf is a stop: a restart is no way round the operator.

    Raises:
        ActivationError: that leaf cannot be read.
    """
    leaf = newest(reader, CLOCK_FIT, CLOCK_UNFIT, CLOCK_RESUMED)
    return leaf is not None and leaf["kind"] == CLOCK_UNFIT


def newest(reader: LedgerReader, *kinds: str) -> Mapping[str, LeafValue] | None:
    """Return the newest leaf of these kinds.

    Raises:
        ActivationError: it cannot be read.
    """
    stored = reader.newest(*kinds)
    return None if stored is None else _read(stored)


def _read(stored: Stored) -> Mapping[str, LeafValue]:
    try:
        return read_leaf(stored.leaf)
    except LeafError as error:
        # Nothing that this product wrote: somebody changed the ledger, and nobody may go on over that.
        raise ActivationError(f"leaf {stored.index} of the ledger cannot be read: {error}") from None
