"""The unit that makes evidence: loaded by the keeper, its tokens complete for ever."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.service.evidence.archive import DIGEST, KEEPER, archive_of
from kokuin.service.evidence.material import Parts, gather
from kokuin.service.unit_alone import UnitAlone
from kokuin.service.unit_errors import UnitError
from pqc.profiles import load_profile
from tsa.client import make_query
from tsa.status import Refusal

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.archive import Archive
    from kokuin.service.snapshot import Snapshot
    from kokuin.service.unit_alone import Present


class EvidenceUnit:
    """One profile's unit, kept loaded while what it depends on stays. Used by one thread at a time."""

    def __init__(self, folder: DataFolder, config: Config, name: str) -> None:
        """Args: folder and settings; the profile whose unit it is."""
        self._folder, self._config, self._name = folder, config, name
        self._loaded: tuple[Snapshot, UnitAlone] | None = None

    def require(self, present: Present) -> UnitAlone:
        """Load the unit where it is not, and see that its key may sign.

        Raises:
            UnitError, ProfileError: it is unfit.
        """
        if self._loaded is None or self._loaded[0] != present.snapshot:
            self._loaded = None
            snapshot = self._with_profile(present.snapshot)
            alone = UnitAlone(self._folder, self._config, self._name, replace(present, snapshot=snapshot))
            self._loaded = present.snapshot, alone
        alone = self._loaded[1]
        refusal = alone.unit.fitness(time.time_ns() // 1_000)
        if refusal is not None:
            raise UnitError(refusal.code)
        return alone

    def stamp(self, root: bytes, parts: Parts, present: Present) -> Archive:
        """Have a tree's root stamped; the token carries `parts`, its own path with the anchor, and its lists.

        Raises:
            UnitError, ProfileError: the unit is unfit, or refuses.
            SignerError, RuntimeError, OSError: as a key device may.
        """
        query = make_query(DIGEST, root, certificates=True)
        alone = self.require(present)
        draft = alone.issue(query.der, KEEPER, present)
        if isinstance(draft, Refusal):
            raise UnitError(draft.code)
        own = gather(self._folder, [hashlib.sha256(alone.unit.certificate).hexdigest()])
        return archive_of(draft, parts, own)

    def _with_profile(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with the profile, used or not: what is owed stays owed."""
        if self._name in snapshot.profiles:
            return snapshot
        text = load_profile(self._name, self._folder.profiles).text
        return replace(snapshot, profiles={**snapshot.profiles, self._name: text})
