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

from kokuin.ledger.faults import OpenRefusedError
from kokuin.ledger.reader import LedgerReader
from kokuin.service.activation import (
    ActivationError,
    activate,
    activations,
    settings_digest,
    with_units,
    with_units_found,
    without_ended,
)
from kokuin.service.keystore import key_name, key_number
from kokuin.service.provisioning import UnitsMissingError, provide_units, units_of
from kokuin.service.snapshot import Snapshot, SnapshotError, SnapshotFolder, UnitReference
from kokuin.service.units import UnitError
from pqc.profiles import ProfileError, load_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kokuin.ledger.committer import Committer
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.service.provisioning import Act

PREPARE_SECONDS = 30.0
"""How long a worker may take to load and try the units; a worker that is silent stops the switch."""

ROLLBACK = "rollback"
"""Act of the leaf."""
ROTATE = "rotate"
LEDGER_REFUSED = "LEDGER_REFUSED"
"""The blocker that may pass by itself."""
MAX_NAME = 64
"""Characters that are written of a name which a caller made up."""

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
            guarded_us: the accuracy that the clock guard keeps, microseconds; 0: nobody issues meanwhile.
            on_active: told each new configuration once it is durable.
            on_act: told, from any thread, each key, certificate and anchor that was made on the way.
        """
        self._folder, self._config, self._journal = folder, config, journal
        self._snapshots = SnapshotFolder(folder.active)
        self.snapshot, self.active = snapshot, active
        # Those of the command that owns a stopped folder may differ from those of the last service.
        self._settings = settings_digest(config)
        self._guarded_us = guarded_us
        self._on_active, self._on_act = on_active, on_act
        self._workers: dict[int, tuple[str, Preparing]] = {}
        self._next = 0
        self._one = asyncio.Lock()

    def enlist(self, name: str, worker: Preparing) -> Callable[[], None]:
        """Ask `worker` at every switch from now on; the result ends that. Blockers name it by `name`."""
        number = self._next = self._next + 1  # a name may come back before its former bearer has left
        self._workers[number] = (name, worker)

        def leave() -> None:
            self._workers.pop(number, None)

        return leave

    async def use(self, name: str, actor: str) -> ActiveConfiguration:
        """Turn a profile on and make it the default; the former default stays on.

        Raises:
            SwitchRefusedError: with every blocker; nothing was activated.
        """
        async with self._one:
            candidate = self._with(name)
            _refuse(contradictions(candidate, self._guarded_us))
            await self._provide(candidate, actor)
            return await self._switch(candidate, "use", actor)

    async def disable(self, name: str, actor: str) -> ActiveConfiguration:
        """Turn a profile off; requests that name it are refused with `unacceptedPolicy` from now on.

        Raises:
            SwitchRefusedError: it is the default, or not on.
        """
        async with self._one:
            if name not in self.snapshot.enabled:
                raise SwitchRefusedError(Blocker("PROFILE_NOT_ENABLED", name[:MAX_NAME]))
            if name == self.snapshot.default:
                raise SwitchRefusedError(Blocker("PROFILE_IS_DEFAULT", name, "use another profile first"))
            rest = self.snapshot.enabled - {name}
            candidate = replace(self._present(), enabled=rest, units=self.snapshot.keys())
            return await self._switch(candidate, "disable", actor)

    async def rollback(self, actor: str) -> ActiveConfiguration:
        """Undo the last switch: the profiles and the default of before, with the units of today.

        A key that was replaced since stays replaced; one that is unfit by now stops the rollback. A second
        rollback undoes the first.

        Raises:
            SwitchRefusedError: there is nothing to go back to, or its units are unfit.
        """
        async with self._one:
            before = await asyncio.to_thread(self._before)
            if before is None:
                raise SwitchRefusedError(Blocker("ROLLBACK_NOTHING", self.snapshot.default))
            candidate = replace(before, settings=self._settings, units=self.snapshot.keys())
            _refuse(contradictions(candidate, self._guarded_us))
            return await self._switch(candidate, ROLLBACK, actor)

    async def rotate(self, name: str, actor: str) -> ActiveConfiguration:
        """Let the next key of a profile's unit sign from now on; the one before signs nothing any more.

        The next key and its certificate are tried with the profile on, also when it is off.

        Raises:
            SwitchRefusedError: with every blocker; nothing was activated.
        """
        async with self._one:
            units = {**self.snapshot.keys(), name: self.next_key(name)}
            candidate = replace(self._present(), units=units)
            if name not in {profile.name for profile in units_of(self.snapshot)}:
                trial = replace(self._with(name), default=candidate.default, units=candidate.units)
                await self._provide(trial, actor)
                candidate = replace(candidate, units=(await self._tried(trial, ROTATE)).units)
            else:
                await self._provide(candidate, actor)
            return await self._switch(candidate, ROTATE, actor)

    def next_key(self, name: str) -> UnitReference:
        """Name the key that would be the next of a profile's unit.

        Raises:
            SwitchRefusedError: no key of it was ever in use.
        """
        unit = self.snapshot.units.get(name)
        number = None if unit is None else key_number(name, unit.key)
        if number is None:
            detail = "no key of it was ever in use; `tsa profile use` takes the first"
            raise SwitchRefusedError(Blocker("KEY_NOT_IN_USE", name[:MAX_NAME], detail))
        return UnitReference(key_name(name, number + 1), "")

    @property
    def undisturbed(self) -> asyncio.Lock:
        """Held during every switch: whoever changes keys or certificates holds it meanwhile."""
        return self._one

    def _present(self) -> Snapshot:
        return replace(self.snapshot, settings=self._settings)

    def _with(self, name: str) -> Snapshot:
        """Return what is in force with a profile added and made the default."""
        try:
            profile = load_profile(name, self._folder.profiles)
            texts = {item.name: item.text for item in with_units(self._folder, profile)}
        except ProfileError as error:
            raise SwitchRefusedError(Blocker("PROFILE_UNFIT", name[:MAX_NAME], str(error))) from None
        # A file that was changed since counts for the profile that is used, not for others that are on.
        profiles = {**texts, **self.snapshot.profiles, name: profile.text}
        enabled = self.snapshot.enabled | {name}
        return replace(
            self._present(), default=name, enabled=enabled, profiles=profiles, units=self.snapshot.keys()
        )

    async def _provide(self, candidate: Snapshot, actor: str) -> None:
        def made(act: Act) -> None:
            self._on_act(replace(act, fields={**act.fields, "actor": actor}))

        try:
            await asyncio.to_thread(provide_units, self._folder, self._config, candidate, made)
        except UnitsMissingError as error:
            raise SwitchRefusedError(*(Blocker("UNIT_MISSING", *item) for item in error.missing)) from None
        except ProfileError as error:
            raise SwitchRefusedError(Blocker("PROFILE_UNFIT", candidate.default, str(error))) from None

    def _before(self) -> Snapshot | None:
        """Return the snapshot before the last switch of profiles or default; None: there is none."""
        current = self.snapshot
        try:
            with LedgerReader(self._folder.ledger) as reader:
                for leaf in activations(reader):
                    snapshot = self._snapshots.load(str(leaf["cfg"]))
                    if (snapshot.default, snapshot.enabled) != (current.default, current.enabled):
                        return snapshot
        except (SnapshotError, ActivationError, OpenRefusedError) as error:
            raise SwitchRefusedError(Blocker("SNAPSHOT_UNFIT", current.default, str(error))) from None
        return None

    async def _switch(self, candidate: Snapshot, act: str, actor: str) -> ActiveConfiguration:
        candidate = await self._tried(candidate, act)
        if candidate == self.snapshot:
            return self.active
        digest = candidate.digest()
        known = self._snapshots.holds(digest)
        try:
            await asyncio.to_thread(self._snapshots.save, candidate)
            _refuse(await self._prepared(digest))
        except SnapshotError as error:
            raise SwitchRefusedError(Blocker("SNAPSHOT_UNFIT", candidate.default, str(error))) from None
        except SwitchRefusedError:
            self._abandon(digest)
            if not known:  # else an older leaf may name it
                self._snapshots.discard(digest)
            raise
        fields = {"act": act, "actor": actor}
        try:
            # A crash before the leaf is durable leaves the old snapshot in force, and a file without a leaf
            # that the next start removes.
            self.active = await activate(self._journal, candidate, self.active.digest, fields)
        except ActivationError as error:
            # The file stays: what the ledger could not confirm may be durable after all.
            self._abandon(digest)
            raise SwitchRefusedError(Blocker(LEDGER_REFUSED, candidate.default, str(error))) from None
        self.snapshot = candidate
        _log.info("cfg.activated", act=act, profile=candidate.default, cfg=digest, epoch=self.active.epoch)
        self._on_active(self.active)
        return self.active

    async def _tried(self, candidate: Snapshot, act: str) -> Snapshot:
        """Load and try every unit; see `without_ended`. A rollback brings all back or none."""
        find = with_units_found if act == ROLLBACK else without_ended
        added = candidate.enabled - self.snapshot.enabled
        moved = {candidate.default} - {self.snapshot.default}
        try:
            rotated = {unit.name for unit in units_of(candidate) if self._is_new(unit.name, candidate)}
            must_sign = added | moved | rotated
            return await asyncio.to_thread(
                find, self._folder, self._config, candidate.pruned(), must_sign=must_sign
            )
        except (UnitError, ProfileError) as error:
            owner = error.owner if isinstance(error, UnitError) else ""
            raise SwitchRefusedError(Blocker("UNIT_UNFIT", owner or candidate.default, str(error))) from None

    def _is_new(self, owner: str, candidate: Snapshot) -> bool:
        """Say whether another key than before is to sign for a unit."""
        before, after = self.snapshot.units.get(owner), candidate.units.get(owner)
        return before is not None and after is not None and before.key != after.key

    def _abandon(self, digest: str) -> None:
        for _, worker in tuple(self._workers.values()):
            worker.abandon(digest)

    async def _prepared(self, digest: str) -> list[Blocker]:
        """Let every worker prepare; return what is missing."""

        async def ask(name: str, worker: Preparing) -> Blocker | None:
            try:
                async with asyncio.timeout(PREPARE_SECONDS):
                    problem = await worker.prepare(digest)
            except TimeoutError:
                problem = f"no answer within {PREPARE_SECONDS:.0f} s"
            return Blocker("WORKER_NOT_READY", name, problem) if problem else None

        found = await asyncio.gather(*(ask(name, worker) for name, worker in self._workers.values()))
        return [blocker for blocker in found if blocker is not None]


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
    return found


def _refuse(blockers: Iterable[Blocker]) -> None:
    found = tuple(blockers)
    if found:
        raise SwitchRefusedError(*found)
