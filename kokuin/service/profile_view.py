"""What there is to know about profiles: which are on, under which policy OIDs, and what is to come."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kokuin.service.activation import activations, first_snapshot, last_snapshot, newest
from kokuin.service.keystore import key_number
from kokuin.service.ledger_store import open_reader
from kokuin.trust.records import CFG_SCHEDULED, CFG_UNSCHEDULED
from pqc.profiles import ProfileError, available, load_profile

if TYPE_CHECKING:
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.snapshot import Snapshot

LIST, SHOW = "profile.list", "profile.show"
READS = frozenset({LIST, SHOW})
"""Operations that change nothing."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A switch that is to come.

    Attributes:
        profile: what to use, or whose key to rotate.
        at_us: when, microseconds since 1970 UTC.
        actor: who asked.
        act: `use` or `rotate`.
        key: of a rotation: the key that is to sign then.
    """

    profile: str
    at_us: int
    actor: str
    act: str
    key: str = ""

    @property
    def subject(self) -> tuple[str, str]:
        """What is to be done to which profile."""
        return self.act, self.profile

    def is_made(self, snapshot: Snapshot) -> bool:
        """Say whether its rotation was made already: by itself, and the end was not recorded, or by somebody.

        A crash or a ledger that refuses stands between the two: a key is not passed over for that.
        """
        unit = snapshot.units.get(self.profile)
        made = None if unit is None else key_number(self.profile, unit.key)
        wanted = key_number(self.profile, self.key)
        return made is not None and wanted is not None and made >= wanted

    @staticmethod
    def pending(reader: StoreReader) -> Schedule | None:
        """Return what the ledger says is still to come.

        Raises:
            ActivationError: the leaf cannot be read.
        """
        leaf = newest(reader, CFG_SCHEDULED, CFG_UNSCHEDULED)
        if leaf is None or leaf["kind"] != CFG_SCHEDULED:
            return None
        named = (str(leaf[field]) for field in ("actor", "act", "key"))
        return Schedule(str(leaf["profile"]), int(str(leaf["due"])), *named)


@dataclass(frozen=True, slots=True)
class ProfileView:
    """The profiles of a data folder as they are at one moment."""

    folder: DataFolder
    config: Config
    snapshot: Snapshot
    schedule: Schedule | None

    def answer(self, operation: str, name: str) -> dict[str, Any]:
        """Answer `profile.list` or `profile.show`; `ok` is False with `code` for an unknown profile."""
        if operation == LIST:
            return self._list()
        try:
            text = self.snapshot.profiles.get(name) or load_profile(name, self.folder.profiles).text
        except ProfileError as error:
            return {"ok": False, "code": "PROFILE_UNKNOWN", "detail": str(error)}
        return {"ok": True, "profile": self._describe(name), "toml": text}

    def _list(self) -> dict[str, Any]:
        names = sorted({*available(self.folder.profiles), *self.snapshot.profiles})
        due = self.schedule
        scheduled = None if due is None else asdict(due)
        return {"ok": True, "profiles": [self._describe(name) for name in names], "scheduled": scheduled}

    def _describe(self, name: str) -> dict[str, Any]:
        snapshot = self.snapshot
        state = "default" if name == snapshot.default else "enabled" if name in snapshot.enabled else "off"
        try:
            profile = self.snapshot.known_profile(name, self.folder.profiles)
            suites = [
                self.snapshot.known_profile(owner, self.folder.profiles).tst.id for owner in profile.units
            ]
        except ProfileError as error:
            return {"name": name, "state": state, "unfit": str(error)}
        return {
            "name": name,
            "state": state,
            "policy": profile.policy(self.config.arc),
            "suites": suites,
            "embed": profile.embed,
            "imprints": list(profile.imprints),
            "accuracy_us": profile.accuracy_us,
            "envelope": profile.envelope,
        }


def read_view(folder: DataFolder, config: Config) -> ProfileView:
    """Read the ledger of a folder that nobody serves; nothing is written.

    Raises:
        OpenRefusedError: the ledger cannot be read.
        ActivationError: what was in force cannot be.
        ProfileError: a new folder's profile cannot be used.
    """
    with open_reader(folder, config) as reader:
        last = next(activations(reader), None)
        schedule = Schedule.pending(reader)
    snapshot = first_snapshot(folder, config) if last is None else last_snapshot(folder, str(last["cfg"]))
    return ProfileView(folder, config, snapshot, schedule)
