"""One unit of this service, loaded by the keeper beside those that answer requests."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.service.installation import install
from kokuin.service.units import read_passphrase
from tsa.clock.reader import ClockReader
from tsa.request import read_request
from tsa.status import Refusal

if TYPE_CHECKING:
    from kokuin.service.access.principal import Principal
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.installation import Installation
    from kokuin.service.issuing import ActiveConfiguration, Draft
    from kokuin.service.snapshot import Snapshot
    from tsa.clock.verdict import ClockVerdict
    from tsa.unit import TimeStampUnit


@dataclass(frozen=True, slots=True)
class Present:
    """What a unit of this service issues under at this moment."""

    snapshot: Snapshot
    active: ActiveConfiguration
    clock: ClockVerdict | None
    floors: dict[str, int]


class UnitAlone:
    """The unit of one profile. Used by one thread at a time."""

    def __init__(self, folder: DataFolder, config: Config, name: str, present: Present) -> None:
        """Load and try it.

        Args:
            folder: the data folder.
            config: its settings.
            name: of the profile whose unit it is, which the snapshot holds.
            present: what is in force.

        Raises:
            UnitError, ProfileError: it is unfit.
        """
        alone = replace(present.snapshot, default=name, enabled=frozenset({name}))
        accuracy_us = present.snapshot.profile(name).accuracy_us
        self._name, self._clock = name, ClockReader(config.clock_settings(accuracy_us))
        passphrase = read_passphrase(config, dict(os.environ))
        self._installation: Installation = install(folder, config, alone, self._clock, passphrase)

    @property
    def unit(self) -> TimeStampUnit:
        """The unit itself."""
        return self._installation.issuers[self._name].unit

    def issue(self, query: bytes, principal: Principal, present: Present) -> Draft | Refusal:
        """Answer a TimeStampReq (RFC 3161 §2.4) under what is in force now.

        The records say that the service caused the token itself: it stands in the ledger as any other, or it
        would count as stolen.

        Args:
            query: its octets, made here.
            principal: who asks.
            present: what is in force; its clock's verdict must be known.
        """
        request = read_request(query)
        if isinstance(request, Refusal):
            return request
        for unit, gen_us in present.floors.items():
            self._clock.raise_floor(unit, gen_us)
        if present.clock is not None:
            self._installation.update_clock(present.clock)
        self._installation.activate(present.active)
        draft = self._installation.issuers[self._name].issue(request, query, principal)
        if isinstance(draft, Refusal):
            return draft
        return draft._replace(records=tuple(each._replace(self_caused=True) for each in draft.records))
