"""What is in force, as one document named by its digest.

Files are inputs; only an activated snapshot counts, also after a restart. The
ledger's `cfg.activated` leaf holds the digest, the folder `active/` the octets.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.wire import strictjson
from pqc.newfile import write_durably
from pqc.profiles import Profile, ProfileError, load_profile, parse_profile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

MAX_SNAPSHOT = 256 * 1024
_VERSION = 1


class SnapshotError(Exception):
    """A snapshot that cannot be read or kept; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class UnitReference:
    """Which key signs for a profile.

    Attributes:
        key: its name in the key store.
        certificate: SHA-256 (hex) of its certificate; empty before one was found: the newest.
    """

    key: str
    certificate: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A configuration in force.

    Attributes:
        settings: digest of `config.toml` and its overrides.
        default: the profile that answers requests which name none.
        enabled: names of the profiles that are on, the default among them.
        profiles: TOML by name, of the profiles that are on and of those whose units they use.
        units: by name of the profile that the unit belongs to; also of profiles that are off by now, so that
            a key which was replaced stays so.
    """

    settings: str
    default: str
    enabled: frozenset[str]
    profiles: Mapping[str, str]
    units: Mapping[str, UnitReference]

    def octets(self) -> bytes:
        """Return the one JSON form of it."""
        document = {
            "v": _VERSION,
            "settings": self.settings,
            "default": self.default,
            "enabled": sorted(self.enabled),
            "profiles": dict(self.profiles),
            "units": {name: asdict(unit) for name, unit in self.units.items()},
        }
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)

    def digest(self) -> str:
        """SHA-256, hex, of `octets`."""
        return hashlib.sha256(self.octets()).hexdigest()

    def pruned(self) -> Snapshot:
        """Return it without the profiles that are off and whose units nobody uses.

        Raises:
            ProfileError: this release cannot use one that is on.
        """
        needed = {owner for name in self.enabled for owner in (name, *self.profile(name).units)}
        return replace(self, profiles={name: text for name, text in self.profiles.items() if name in needed})

    def keys(self) -> Mapping[str, UnitReference]:
        """Return the units' keys, each with its newest certificate, whichever that is by then."""
        return {owner: replace(unit, certificate="") for owner, unit in self.units.items()}

    def profile(self, name: str) -> Profile:
        """Return a profile as it was when this snapshot was made.

        Raises:
            ProfileError: the snapshot does not hold it, or this release cannot use it.
        """
        if name not in self.profiles:
            raise ProfileError(f"profile {name!r} is not in force")
        return parse_profile(name, self.profiles[name])

    def known_profile(self, name: str, files: Path) -> Profile:
        """Return a profile as it was when this snapshot was made, else as its file has it now.

        Args:
            name: of the profile.
            files: the folder of the operator's own profiles.

        Raises:
            ProfileError: there is none, or it cannot be used.
        """
        return self.profile(name) if name in self.profiles else load_profile(name, files)


def read_snapshot(octets: bytes) -> Snapshot:
    """Read what `Snapshot.octets` wrote.

    Raises:
        SnapshotError: it is something else.
    """
    try:
        document = strictjson.loads(octets, max_octets=MAX_SNAPSHOT, max_depth=4)
    except strictjson.JsonError as error:
        raise SnapshotError(str(error)) from None
    if not isinstance(document, dict) or document.get("v") != _VERSION:
        raise SnapshotError("not a snapshot of this release")
    fields: dict[str, Any] = {name: value for name, value in document.items() if name != "v"}
    try:
        units = {name: UnitReference(**unit) for name, unit in fields.pop("units").items()}
        found = Snapshot(enabled=frozenset(fields.pop("enabled")), units=units, **fields)
        _check(found)
        same = found.octets() == octets
    except (KeyError, TypeError, AttributeError) as error:
        raise SnapshotError(f"not a snapshot: {error}") from None
    if not same:
        raise SnapshotError("not a snapshot: its digest would be another")
    return found


def _check(snapshot: Snapshot) -> None:
    # Attack: a backup holds whatever its maker wrote, under the right digest.
    words = [snapshot.settings, snapshot.default, *snapshot.enabled, *snapshot.profiles.values()]
    words += [word for unit in snapshot.units.values() for word in (unit.key, unit.certificate)]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a field is no text")
    if not {snapshot.default} <= snapshot.enabled <= snapshot.profiles.keys():
        raise KeyError("a profile that is on")


class SnapshotFolder:
    """The snapshots of a data folder, each under its digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, snapshot: Snapshot) -> str:
        """Make a snapshot durable; return its digest.

        Raises:
            SnapshotError: it cannot be written, or could not be read again.
        """
        octets = snapshot.octets()
        if len(octets) > MAX_SNAPSHOT:
            raise SnapshotError(f"a snapshot has room for {MAX_SNAPSHOT} octets; turn off what nobody uses")
        digest = hashlib.sha256(octets).hexdigest()
        path = self._path(digest)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            # Also over an existing file: it may be cut short, and must be right before a leaf names it.
            write_durably(path, octets)
        except OSError as error:
            raise SnapshotError(f"{path}: {error.strerror}") from None
        return digest

    def holds(self, digest: str) -> bool:
        """Say whether a file of this name is there, whatever it holds."""
        return self._path(digest).exists()

    def load(self, digest: str) -> Snapshot:
        """Return the snapshot of this digest.

        Raises:
            SnapshotError: it is missing or was changed.
        """
        path = self._path(digest)
        try:
            with path.open("rb") as file:
                octets = file.read(MAX_SNAPSHOT + 1)
        except OSError as error:
            raise SnapshotError(f"{path}: {error.strerror}; restore it from a copy of the folder") from None
        if hashlib.sha256(octets).hexdigest() != digest:
            # Attack: a changed snapshot would turn on what nobody activated.
            raise SnapshotError(f"{path} is not what was activated; restore it from a copy of the folder")
        return read_snapshot(octets)

    def discard(self, digest: str) -> None:
        """Forget a snapshot that was prepared and never activated."""
        with contextlib.suppress(OSError):
            self._path(digest).unlink()

    def prune(self, named: Collection[str]) -> None:
        """Forget what no leaf names: a switch that a crash or a refusal ended."""
        for path in self._folder.iterdir() if self._folder.exists() else ():
            if path.suffix == ".json" and path.stem not in named:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"
