"""Who answers what is asked of the keeper, by the first word of the operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.service.eseals.owner_desk import OwnerSeals
from kokuin.service.eseals.profiles_desk import SealProfiles
from kokuin.service.keys_operations import KeyOperations
from kokuin.service.migration.dryrun_operations import DryRuns
from kokuin.service.profile_operations import ROTATION, ProfileOperations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.service.access.access_desk import AccessDesk
    from kokuin.service.access.people import People
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.opening import Opened
    from kokuin.service.ports import Desk, Push
    from kokuin.service.recording import Recorder
    from kokuin.service.switching import Switchboard

_ACCESS = ("access", "approval", "activation", "stop")


class Desks:
    """The desks of operators: profiles, keys, seals, rehearsals; and those that others bring along."""

    def __init__(  # noqa: PLR0913, PLR0917  # what the desks write and ask, named once
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        records: Recorder,
        switchboard: Switchboard,
        people: People,
        access: AccessDesk,
        opened: Opened,
        subscribe: Callable[[Callable[[Push], None]], Callable[[], None]],
    ) -> None:
        """Args: folder and settings; what records, switches, and knows clients; what tells of changes."""
        shared = (folder, config, switchboard, records.recorded)
        self.profiles = ProfileOperations(*shared, opened.pending, access.approvals.propose)
        self._dry_runs = DryRuns(folder, config)
        self._by_group: dict[str, Desk] = {
            "profile": self.profiles,
            "keys": KeyOperations(*shared),
            "seal-profile": SealProfiles(folder, config, records.recorded, people.ask),
            "seal": OwnerSeals(folder, config, journal, subscribe),
            "dryrun": self._dry_runs,
            **dict.fromkeys(_ACCESS, access),
        }

    def add(self, more: Mapping[str, Desk]) -> None:
        """Let others answer too, by the first word of their operations."""
        self._by_group.update(more)

    def of(self, operation: str) -> Desk | None:
        """Return who answers an operation; None: nobody here."""
        return self.profiles if operation == ROTATION else self._by_group.get(operation.partition(".")[0])

    async def close(self) -> None:
        """End what runs for an operator."""
        await self._dry_runs.close()
