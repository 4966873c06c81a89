"""What operators may change in what is in force while the service runs: profiles, and which key signs.

The questions come from the owner socket or from a worker that checked the
operator key; who asked stands in every leaf. Where the configuration wants two
approvals, an act is only proposed until another person approves it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.service.access.proposals import Proposal
from kokuin.service.candidates import with_next_key
from kokuin.service.profile_view import READS, ProfileView, Schedule
from kokuin.service.switch_refusals import LEDGER_REFUSED, MAX_NAME, Blocker, SwitchRefusedError
from kokuin.service.switching import ROTATE
from kokuin.trust.records import CFG_REFUSED, CFG_SCHEDULED, CFG_UNSCHEDULED
from pqc.profiles import ProfileError, load_profile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.service.switching import Switchboard
    from kokuin.trust.records import LeafValue

FARTHEST_US = 366 * 24 * 3600 * 1_000_000
"""How far ahead a switch may be scheduled, microseconds."""

ROTATION = "keys.rotate"
CHANGES = frozenset({*(f"profile.{act}" for act in ("use", "disable", "rollback", "unschedule")), ROTATION})
"""Operations that change what is in force or to come."""
_NAMING = frozenset({"use", "disable", ROTATE})
"""Acts that are about a profile by name."""

_log = structlog.get_logger()


class ProfileOperations:
    """The operations `profile.*` and `keys.rotate` of the keeper; on its loop."""

    def __init__(  # noqa: PLR0913, PLR0917  # what it reads, changes and tells
        self,
        folder: DataFolder,
        config: Config,
        switchboard: Switchboard,
        record: Callable[[str, Mapping[str, LeafValue]], Awaitable[bool]],
        schedule: Schedule | None,
        propose: Callable[[Proposal, str], Awaitable[dict[str, Any]]],
    ) -> None:
        """Keep what is needed.

        Args:
            folder: the data folder.
            config: its settings.
            switchboard: who switches.
            record: writes a leaf, True once durable.
            schedule: what is to come.
            propose: lets an act wait for a second person.
        """
        self._folder, self._config, self._switchboard = folder, config, switchboard
        self._record, self._schedule, self._let_wait = record, schedule, propose

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code`, and `blockers` where there are some."""
        actor = str(arguments.get("actor", "unknown"))
        name = str(arguments.get("name", ""))
        try:
            match operation:
                case _ if operation in CHANGES:
                    if self._config.switch.approvals > 1:
                        answer = await self._propose(operation, arguments, actor)
                    else:
                        answer = await self._act(operation, arguments, actor)
                case _ if operation in READS:
                    view = ProfileView(self._folder, self._config, self._switchboard.snapshot, self._schedule)
                    answer = view.answer(operation, name)
                case _:
                    answer = {"ok": False, "code": "OPERATION_UNKNOWN"}
        except SwitchRefusedError as error:
            return await self._refused(_act_of(operation), name, actor, error)
        return answer

    async def tick(self, now_us: int) -> None:
        """Make the scheduled switch when its time has come."""
        due = self._schedule
        if due is None or now_us < due.at_us:
            return
        try:
            if due.act != ROTATE:
                await self._switchboard.use(due.profile, due.actor)
            elif not due.is_made(self._switchboard.snapshot):
                await self._switchboard.rotate(due.profile, due.actor)
        except SwitchRefusedError as error:
            if [blocker.code for blocker in error.blockers] == [LEDGER_REFUSED]:
                return  # no leaf can be written either: the next tick tries again
            await self._refused(due.act, due.profile, due.actor, error)
        if self._schedule is due:  # else somebody asked for another meanwhile
            await self._unschedule(due.actor)

    async def _act(self, operation: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
        name = str(arguments.get("name", ""))
        before = self._switchboard.snapshot.enabled
        match operation:
            case "profile.use" | "keys.rotate" if arguments.get("at_us") is not None:
                return await self._scheduled(
                    Schedule(name, int(arguments["at_us"]), actor, _act_of(operation))
                )
            case "profile.use":
                active = await self._switchboard.use(name, actor)
            case "keys.rotate":
                active = await self._switchboard.rotate(name, actor)
            case "profile.disable":
                active = await self._switchboard.disable(name, actor)
            case "profile.rollback":
                active = await self._switchboard.rollback(actor)
            case _ if self._schedule is None:
                return {"ok": False, "code": "SCHEDULE_NONE"}
            case _:
                dropped = await self._unschedule(actor)
                return {"ok": True, "state": "unscheduled"} if dropped else _not_recorded()
        return self._active(active, before)

    def _active(self, active: ActiveConfiguration, before: frozenset[str]) -> dict[str, Any]:
        snapshot = self._switchboard.snapshot
        return {
            "ok": True,
            "state": "active",
            "default": snapshot.default,
            "enabled": sorted(snapshot.enabled),
            "turned_off": sorted(before - snapshot.enabled),
            "epoch": active.epoch,
            "cfg": active.digest,
        }

    async def _scheduled(self, schedule: Schedule) -> dict[str, Any]:
        now_us = time.time_ns() // 1_000
        if not now_us < schedule.at_us < now_us + FARTHEST_US:
            return {"ok": False, "code": "SCHEDULE_OUT_OF_RANGE"}
        self._check_name(schedule.act, schedule.profile)
        if schedule.act == ROTATE:
            following = with_next_key(self._switchboard.snapshot, schedule.profile)
            schedule = replace(schedule, key=following.units[schedule.profile].key)
        due = self._schedule
        if due is not None and ROTATE in {due.act, schedule.act} and due.subject != schedule.subject:
            # There is one place: what an operator counts on is not dropped without a word.
            detail = f"{due.act} {due.profile} is to come; `tsa profile unschedule` drops it"
            return {"ok": False, "code": "SCHEDULE_TAKEN", "detail": detail}
        fields: dict[str, LeafValue] = {
            "actor": schedule.actor,
            "act": schedule.act,
            "profile": schedule.profile,
            "due": schedule.at_us,
            "key": schedule.key,
        }
        if not await self._record(CFG_SCHEDULED, fields):
            return _not_recorded()
        self._schedule = schedule
        return {
            "ok": True,
            "state": "scheduled",
            "act": schedule.act,
            "profile": schedule.profile,
            "at_us": schedule.at_us,
        }

    async def _unschedule(self, actor: str) -> bool:
        """Drop what is to come; False when that could not be recorded: a restart would bring it back."""
        due = self._schedule
        if due is not None and not await self._record(
            CFG_UNSCHEDULED, {"actor": actor, "act": due.act, "profile": due.profile}
        ):
            return False
        self._schedule = None
        return True

    async def _propose(self, operation: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
        act, asked = _act_of(operation), {}
        if act in _NAMING:
            asked = {key: arguments[key] for key in ("name", "at_us") if arguments.get(key) is not None}
            self._check_name(act, str(asked.get("name", "")))
        proposal = Proposal(operation, asked, str(asked.get("name", "")), context=self.context)
        return await self._let_wait(proposal, actor)

    @property
    def context(self) -> str:
        """What acts are proposed in: the configuration in force. In another one they are other acts."""
        return self._switchboard.active.digest

    async def do(self, operation: str, arguments: Mapping[str, Any], both: str) -> dict[str, Any]:
        """Do what two have wanted; answers as `ask` does."""
        try:
            return await self._act(operation, arguments, both)
        except SwitchRefusedError as error:
            return await self._refused(_act_of(operation), str(arguments.get("name", "")), both, error)

    def _check_name(self, act: str, name: str) -> None:
        """Refuse what cannot come to anything, before anybody is asked to wait for it or to approve it."""
        try:
            if act == "use":
                load_profile(name, self._folder.profiles)
        except ProfileError as error:
            raise SwitchRefusedError(Blocker("PROFILE_UNFIT", name[:MAX_NAME], str(error))) from None
        if act == "disable" and name not in self._switchboard.snapshot.enabled:
            raise SwitchRefusedError(Blocker("PROFILE_NOT_ENABLED", name[:MAX_NAME]))
        if act == ROTATE:
            with_next_key(self._switchboard.snapshot, name)  # refuses where there is none

    async def _refused(self, act: str, name: str, actor: str, error: SwitchRefusedError) -> dict[str, Any]:
        codes = sorted({blocker.code for blocker in error.blockers})
        # Of a name that a caller made up nothing but its start is written.
        await self._record(
            CFG_REFUSED, {"actor": actor, "act": act, "profile": name[:MAX_NAME], "reasons": codes}
        )
        _log.warning("cfg.refused", act=act, profile=name[:MAX_NAME], reasons=codes)
        blockers = [_blocker(blocker) for blocker in error.blockers]
        return {"ok": False, "code": "SWITCH_BLOCKED", "blockers": blockers}


def _act_of(operation: str) -> str:
    return operation.rpartition(".")[2]


def _not_recorded() -> dict[str, Any]:
    return {"ok": False, "code": LEDGER_REFUSED, "detail": "what was asked for could not be recorded"}


def _blocker(blocker: Blocker) -> dict[str, str]:
    return {"code": blocker.code, "subject": blocker.subject, "detail": blocker.detail}
