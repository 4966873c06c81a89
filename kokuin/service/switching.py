"""Moving a running authority from one snapshot to another, and back (two phases, one leaf).

First the keeper loads and tries every unit, then each worker does and makes a
canary; only when all are ready does one `cfg.activated` leaf raise the epoch in
the head row. A token that was signed under the old epoch is refused by the
ledger then and made again under the new one, so no request fails.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import structlog

from kokuin.ledger.reader import LedgerReader
from kokuin.service.activation import (
    ActivationError,
    activate,
    activations,
    with_units,
    with_units_found,
)
from kokuin.service.provisioning import provide_units
from kokuin.service.snapshot import Snapshot, SnapshotError, SnapshotFolder
from kokuin.service.units import UnitError
from pqc.profiles import ProfileError, load_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kokuin.ledger.committer import Committer
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.service.provisioning import Act
    from pqc.profiles import Profile

PREPARE_SECONDS = 30.0
"""How long a worker may take to load and try the units; a worker that is silent stops the switch."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why a switch cannot be made.

    Attributes:
        code: stable.
        subject: the profile, unit or worker.
        detail: one line of English that says what to do.
    """

    code: str
    subject: str
    detail: str = ""


class SwitchRefusedError(Exception):
    """Nothing was changed; `blockers` say why."""

    def __init__(self, *blockers: Blocker) -> None:
        super().__init__("; ".join(f"{item.code} {item.subject} {item.detail}".rstrip() for item in blockers))
        self.blockers = blockers


class Preparing(Protocol):
    """A worker as the switch sees it."""

    async def prepare(self, digest: str) -> str:
        """Load and try the units of a saved snapshot; empty when ready, else one line that says why not."""
        ...

    def abandon(self, digest: str) -> None:
        """Forget what was prepared."""
        ...


class Switchboard:
    """The keeper's part of every switch; on the keeper's loop, one switch at a time."""

    def __init__(  # noqa: PLR0913  # what is in force, and whom to tell
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        *,
        snapshot: Snapshot,
        active: ActiveConfiguration,
        guarded_us: int,
        on_active: Callable[[ActiveConfiguration], None],
        on_act: Callable[[Act], None],
    ) -> None:
        """Start from what is in force.

        Args:
            folder: the data folder.
            config: its settings.
            journal: the ledger's writer.
            snapshot: what is in force.
            active: its digest and epoch.
            guarded_us: the accuracy that the clock guard keeps, microseconds.
            on_active: told each new configuration once it is durable.
            on_act: told each key, certificate and anchor that was made on the way.
        """
        self._folder, self._config, self._journal = folder, config, journal
        self._snapshots = SnapshotFolder(folder.active)
        self.snapshot, self.active = snapshot, active
        self._guarded_us = guarded_us
        self._on_active, self._on_act = on_active, on_act
        self._workers: dict[int, Preparing] = {}
        self._next = 0
        self._one = asyncio.Lock()

    def enlist(self, worker: Preparing) -> Callable[[], None]:
        """Ask `worker` at every switch from now on; the result ends that."""
        number = self._next = self._next + 1
        self._workers[number] = worker

        def leave() -> None:
            self._workers.pop(number, None)

        return leave

    async def use(self, name: str, actor: str) -> ActiveConfiguration:
        """Turn a profile on and make it the default; the former default stays on.

        Raises:
            SwitchRefusedError: with every blocker; nothing was activated.
        """
        async with self._one:
            profile = self._profile(name)
            texts = {item.name: item.text for item in with_units(self._folder, profile)}
            candidate = replace(
                self.snapshot,
                default=name,
                enabled=self.snapshot.enabled | {name},
                profiles={**self.snapshot.profiles, **texts},
                units={},
            )
            _refuse(self._contradictions(candidate))
            for act in await self._provided(candidate):
                self._on_act(act)
            return await self._switch(candidate, "use", actor)

    async def disable(self, name: str, actor: str) -> ActiveConfiguration:
        """Turn a profile off; requests that name it are refused with `unacceptedPolicy` from now on.

        Raises:
            SwitchRefusedError: it is the default, or not on.
        """
        async with self._one:
            if name not in self.snapshot.enabled:
                raise SwitchRefusedError(Blocker("PROFILE_NOT_ENABLED", name))
            if name == self.snapshot.default:
                raise SwitchRefusedError(Blocker("PROFILE_IS_DEFAULT", name, "use another profile first"))
            candidate = _pruned(replace(self.snapshot, enabled=self.snapshot.enabled - {name}, units={}))
            return await self._switch(candidate, "disable", actor)

    async def rollback(self, actor: str) -> ActiveConfiguration:
        """Undo the last switch: the profiles and the default of before, with the units of today.

        A key that was replaced since stays replaced, and one that is unfit by now stops the rollback.

        Raises:
            SwitchRefusedError: there is nothing to go back to, or its units are unfit.
        """
        async with self._one:
            before = await asyncio.to_thread(self._before)
            if before is None:
                raise SwitchRefusedError(Blocker("ROLLBACK_NOTHING", self.snapshot.default))
            candidate = replace(before, settings=self.snapshot.settings, units={})
            _refuse(self._contradictions(candidate))
            return await self._switch(candidate, "rollback", actor)

    def _profile(self, name: str) -> Profile:
        try:
            return load_profile(name, self._folder.profiles)
        except ProfileError as error:
            raise SwitchRefusedError(Blocker("PROFILE_UNFIT", name, str(error))) from None

    def _contradictions(self, candidate: Snapshot) -> list[Blocker]:
        """Find what is wrong with a snapshot before any key is touched."""
        found = []
        arcs: dict[int, str] = {}
        for name in sorted(candidate.enabled):
            profile = candidate.profile(name)
            if arcs.setdefault(profile.arc, name) != name:
                detail = f"{arcs[profile.arc]} has arc {profile.arc} too"
                found.append(Blocker("POLICY_OID_TAKEN", name, detail))
            if profile.accuracy_us < self._guarded_us:
                detail = "the clock guard is laxer; restart the service with this profile on"
                found.append(Blocker("ACCURACY_NOT_GUARDED", name, detail))
        return found

    async def _provided(self, candidate: Snapshot) -> Iterable[Act]:
        try:
            return await asyncio.to_thread(provide_units, self._folder, self._config, candidate)
        except (UnitError, ProfileError) as error:
            raise SwitchRefusedError(Blocker("UNIT_MISSING", candidate.default, str(error))) from None

    def _before(self) -> Snapshot | None:
        """Return the snapshot before the last switch of profiles or default; None: there is none."""
        current = self.snapshot
        with LedgerReader(self._folder.ledger) as reader:
            for leaf in activations(reader):
                digest = str(leaf["cfg"])
                try:
                    snapshot = self._snapshots.load(digest)
                except SnapshotError as error:
                    raise SwitchRefusedError(Blocker("SNAPSHOT_UNFIT", digest, str(error))) from None
                if (snapshot.default, snapshot.enabled) != (current.default, current.enabled):
                    return snapshot
        return None

    async def _switch(self, candidate: Snapshot, act: str, actor: str) -> ActiveConfiguration:
        try:
            candidate = await asyncio.to_thread(with_units_found, self._folder, self._config, candidate)
        except (UnitError, ProfileError) as error:
            raise SwitchRefusedError(Blocker("UNIT_UNFIT", candidate.default, str(error))) from None
        if candidate == self.snapshot:
            return self.active
        digest = await asyncio.to_thread(self._snapshots.save, candidate)
        try:
            _refuse(await self._prepared(digest))
            fields = {"act": act, "actor": actor}
            # A crash before the leaf is durable leaves the old snapshot in force, and a file nobody names.
            self.active = await activate(self._journal, candidate, self.active.digest, fields)
        except (SwitchRefusedError, ActivationError) as error:
            for worker in tuple(self._workers.values()):
                worker.abandon(digest)
            self._snapshots.discard(digest)
            if isinstance(error, ActivationError):
                raise SwitchRefusedError(Blocker("LEDGER_REFUSED", candidate.default, str(error))) from None
            raise
        self.snapshot = candidate
        _log.info("cfg.activated", act=act, profile=candidate.default, cfg=digest, epoch=self.active.epoch)
        self._on_active(self.active)
        return self.active

    async def _prepared(self, digest: str) -> list[Blocker]:
        """Let every worker prepare; return what is missing."""

        async def ask(number: int, worker: Preparing) -> Blocker | None:
            try:
                async with asyncio.timeout(PREPARE_SECONDS):
                    problem = await worker.prepare(digest)
            except TimeoutError:
                problem = f"no answer within {PREPARE_SECONDS:.0f} s"
            return Blocker("WORKER_NOT_READY", f"worker-{number}", problem) if problem else None

        found = await asyncio.gather(*(ask(number, worker) for number, worker in self._workers.items()))
        return [blocker for blocker in found if blocker is not None]


def _refuse(blockers: Iterable[Blocker]) -> None:
    found = tuple(blockers)
    if found:
        raise SwitchRefusedError(*found)


def _pruned(snapshot: Snapshot) -> Snapshot:
    """Forget the profiles that are off and whose units nobody uses."""
    needed = {owner for name in snapshot.enabled for owner in (name, *snapshot.profile(name).units)}
    return replace(
        snapshot, profiles={name: text for name, text in snapshot.profiles.items() if name in needed}
    )
