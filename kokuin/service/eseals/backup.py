"""Seal profiles in a backup: their files as they lie in the data folder, and their keys as those of units.

A profile whose withdrawal was cut short is not in force: neither it nor its keys are copied.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from eseal.profile import parse_seal_profile
from eseal.profile_fields import SealProfileError
from kokuin.service.backup_archive import BackedUpKey, BackupError, BackupProblem
from kokuin.service.eseals.profiles_folder import place_of, profiles_of, read_stored, tenants_with_seals
from kokuin.service.eseals.values import SealUnfitError
from pqc.keyfiles import clear_pem, read_key
from pqc.keyinfo import public_info

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.eseals.profiles_folder import SealPlace
    from pqc.suites import Suite

SEALS = "seals/"
"""How the names of seal keys begin: `seals/TENANT/PROFILE/SUITE`; a unit's has no slash."""

_FILE = re.compile(r"(seals/[^/]+/[a-z0-9-]+)\.(toml|pem|image|font)", re.ASCII)


def back_up_seals(
    folder: DataFolder, config: Config, passphrase: bytes | None
) -> tuple[dict[str, bytes], list[BackedUpKey]]:
    """Return the parts of all seal profiles in force, by path, and what is said of the keys among them.

    Raises:
        BackupError: SEAL, a profile cannot be read.
        KeyFileError: a private key cannot be read.
        OSError: another file cannot be read.
    """
    parts: dict[str, bytes] = {}
    keys: list[BackedUpKey] = []
    for place, suites in _profiles(folder, config):
        for path in (place.profile, place.certificates, place.image, place.font):
            if path.exists():
                parts[f"{SEALS}{place.tenant}/{path.name}"] = path.read_bytes()
        for suite in suites:
            key = read_key(place.key(suite), passphrase)
            name = f"{SEALS}{place.tenant}/{place.name}/{suite.id}"
            public = hashlib.sha256(public_info(key)).hexdigest()
            keys.append(BackedUpKey(name, place.name, suite.id, public))
            parts[f"keys/{name}.pem"] = clear_pem(key)
    return parts, keys


def judge_seals(keys: Collection[BackedUpKey], parts: Mapping[str, bytes]) -> None:
    """Hold the seal profiles of a backup against its keys: each has those of its suites, and none is left.

    Raises:
        BackupError: SEAL.
    """
    wanted: set[tuple[str, str, str]] = set()
    profiles = [found[1] for path in parts if (found := _FILE.fullmatch(path)) and found[2] == "toml"]
    for stem in profiles:
        name = stem.rpartition("/")[2]
        try:
            profile = parse_seal_profile(name, parts[f"{stem}.toml"].decode())
        except (SealProfileError, UnicodeDecodeError):
            raise BackupError(BackupProblem.SEAL, f"{stem}.toml") from None
        wanted |= {(f"{stem}/{suite.id}", name, suite.id) for suite in profile.suites}
    beside = {found[1] for path in parts if (found := _FILE.fullmatch(path))}
    if not beside <= set(profiles):
        raise BackupError(BackupProblem.SEAL, "files of a profile that is not there")
    if wanted != {(each.key, each.profile, each.suite) for each in keys if each.key.startswith(SEALS)}:
        raise BackupError(BackupProblem.SEAL, "other keys than its seal profiles have")


def _profiles(folder: DataFolder, config: Config) -> Iterator[tuple[SealPlace, tuple[Suite, ...]]]:
    for tenant in tenants_with_seals(folder):
        for name in profiles_of(folder, tenant):
            place = place_of(folder, config, tenant, name)
            try:
                yield place, read_stored(place).profile.suites
            except SealUnfitError as error:
                raise BackupError(BackupProblem.SEAL, error.detail) from None
