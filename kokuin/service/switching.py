"""Moving a running authority from one snapshot to another, and back (two phases, one leaf).

First the keeper loads and tries every unit, then each worker does and makes a
canary; only when all are ready does one `cfg.activated` leaf raise the epoch in
the head row. A token that was signed under the old epoch is refused by the
ledger then and made again under the new one, so no request fails.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from kokuin.service.activation import (
    activate,
    settings_digest,
    with_units_found,
    without_ended,
)
from kokuin.service.activation_error import ActivationError
from kokuin.service.candidates import (
    contradictions,
    newcomers,
    snapshot_before,
    with_next_key,
    with_profile,
    without_profile,
)
from kokuin.service.participants import Participants
from kokuin.service.provisioning import UnitsMissingError, provide_units, units_of
from kokuin.service.snapshot import Snapshot, SnapshotError, SnapshotFolder
from kokuin.service.switch_refusals import LEDGER_REFUSED, MAX_NAME, Blocker, SwitchRefusedError
from kokuin.service.unit_errors import UnitError
from pqc.profiles import ProfileError, load_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kokuin.ledger.committer import Committer
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.service.participants import Preparing
    from kokuin.service.provisioning import Act

ROLLBACK = "rollback"
"""Act of the leaf."""
ROTATE = "rotate"

_log = structlog.get_logger()


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
        self._participants = Participants()
        self._one = asyncio.Lock()

    def enlist(self, name: str, worker: Preparing) -> Callable[[], None]:
        """Ask a worker at every switch from now on; see `Participants.enlist`."""
        return self._participants.enlist(name, worker)

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
            candidate = without_profile(self._present(), name)
            return await self._switch(candidate, "disable", actor)

    async def rollback(self, actor: str) -> ActiveConfiguration:
        """Undo the last switch: the profiles and the default of before, with the units of today.

        A key that was replaced since stays replaced; one that is unfit by now stops the rollback. A second
        rollback undoes the first.

        Raises:
            SwitchRefusedError: there is nothing to go back to, or its units are unfit.
        """
        async with self._one:
            candidate = await asyncio.to_thread(snapshot_before, self._folder, self._config, self._present())
            _refuse(contradictions(candidate, self._guarded_us))
            return await self._switch(candidate, ROLLBACK, actor)

    async def rotate(self, name: str, actor: str) -> ActiveConfiguration:
        """Let the next key of a profile's unit sign from now on; the one before signs nothing any more.

        The next key and its certificate are tried with the profile on, also when it is off.

        Raises:
            SwitchRefusedError: with every blocker; nothing was activated.
        """
        async with self._one:
            candidate = with_next_key(self._present(), name)
            if name not in {profile.name for profile in units_of(self.snapshot)}:
                trial = replace(self._with(name), default=candidate.default, units=candidate.units)
                await self._provide(trial, actor)
                candidate = replace(candidate, units=(await self._tried(trial, ROTATE)).units)
            else:
                await self._provide(candidate, actor)
            return await self._switch(candidate, ROTATE, actor)

    @property
    def undisturbed(self) -> asyncio.Lock:
        """Held during every switch: whoever changes keys or certificates holds it meanwhile."""
        return self._one

    def _present(self) -> Snapshot:
        return replace(self.snapshot, settings=self._settings)

    def _with(self, name: str) -> Snapshot:
        """Return what is in force with a profile added and made the default, and the newest certificates."""
        try:
            profile = load_profile(name, self._folder.profiles)
            candidate = with_profile(self._folder, self._present(), profile)
        except ProfileError as error:
            raise SwitchRefusedError(Blocker("PROFILE_UNFIT", name[:MAX_NAME], str(error))) from None
        return replace(candidate, units=candidate.keys())

    async def _provide(self, candidate: Snapshot, actor: str) -> None:
        def made(act: Act) -> None:
            self._on_act(replace(act, fields={**act.fields, "actor": actor}))

        try:
            await asyncio.to_thread(provide_units, self._folder, self._config, candidate, made)
        except UnitsMissingError as error:
            raise SwitchRefusedError(*(Blocker("UNIT_MISSING", *item) for item in error.missing)) from None
        except ProfileError as error:
            raise SwitchRefusedError(Blocker("PROFILE_UNFIT", candidate.default, str(error))) from None

    async def _switch(self, candidate: Snapshot, act: str, actor: str) -> ActiveConfiguration:
        candidate = await self._tried(candidate, act)
        if candidate == self.snapshot:
            return self.active
        digest = candidate.digest()
        known = self._snapshots.holds(digest)
        try:
            await asyncio.to_thread(self._snapshots.save, candidate)
            _refuse(await self._participants.prepare(digest))
        except SnapshotError as error:
            raise SwitchRefusedError(Blocker("SNAPSHOT_UNFIT", candidate.default, str(error))) from None
        except SwitchRefusedError:
            self._participants.abandon(digest)
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
            self._participants.abandon(digest)
            raise SwitchRefusedError(Blocker(LEDGER_REFUSED, candidate.default, str(error))) from None
        self.snapshot = candidate
        _log.info("cfg.activated", act=act, profile=candidate.default, cfg=digest, epoch=self.active.epoch)
        self._on_active(self.active)
        return self.active

    async def _tried(self, candidate: Snapshot, act: str) -> Snapshot:
        """Load and try every unit; see `without_ended`. A rollback brings all back or none."""
        find = with_units_found if act == ROLLBACK else without_ended
        try:
            must_sign = newcomers(self.snapshot, candidate)
            return await asyncio.to_thread(
                find, self._folder, self._config, candidate.pruned(), must_sign=must_sign
            )
        except ProfileError as error:
            raise SwitchRefusedError(Blocker(UnitError.code, candidate.default, str(error))) from None
        except UnitError as error:
            raise SwitchRefusedError(
                Blocker(error.code, error.owner or candidate.default, str(error))
            ) from None


def _refuse(blockers: Iterable[Blocker]) -> None:
    found = tuple(blockers)
    if found:
        raise SwitchRefusedError(*found)
