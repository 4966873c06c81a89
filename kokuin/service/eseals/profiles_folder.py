"""Where a tenant's seal profile lies in the data folder, and how it is read.

`seals/TENANT/PROFILE.toml` is the profile as it was added, and in force as long as it is there; beside it are
`PROFILE.pem`, its certificates with what leads to their anchors, and `PROFILE.image` and `PROFILE.font` of a
visible seal. The private keys are in the folder of keys, `seals/TENANT/PROFILE/SUITE.pem`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.profile import MAX_PROFILE, NAME, SealProfile, parse_seal_profile
from eseal.profile_fields import SealProfileError
from kokuin.service.eseals.values import SealAbsentError, SealProblem, SealUnfitError
from kokuin.trust.anchors import TrustError, TrustStore, load_trust, read_certificates
from pqc.os_errors import explain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.certificate import Certificate
    from pqc.suites import Suite

MAX_IMAGE = 256 * 1024
"""Octets of an image."""
MAX_FONT = 1024 * 1024
"""Octets of a font, once it is cut."""
_TENANT = re.compile(r"operator|t-[a-z0-9]{16}", re.ASCII)
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True, slots=True)
class SealPlace:
    """The files of one profile."""

    tenant: str
    name: str
    folder: Path
    keys: Path

    @property
    def profile(self) -> Path:
        """The profile; without it there is none."""
        return self.folder / f"{self.name}.toml"

    @property
    def withdrawn(self) -> Path:
        """The profile on its way out: no longer in force, its keys not yet erased."""
        return self.folder / f"{self.name}.withdrawn"

    @property
    def certificates(self) -> Path:
        """PEM."""
        return self.folder / f"{self.name}.pem"

    @property
    def image(self) -> Path:
        """PNG or JPEG."""
        return self.folder / f"{self.name}.image"

    @property
    def font(self) -> Path:
        """Of the visible seal, with the glyphs of its text alone."""
        return self.folder / f"{self.name}.font"

    def key(self, suite: Suite) -> Path:
        """The private key of a suite."""
        return self.keys / f"{suite.id}.pem"


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """A profile as its files say.

    Attributes:
        profile: what was added.
        digest: SHA-256, hex, of the profile's text and, behind it, of its image and font where it has them.
        image: None: it has none.
        font: None: it has none.
        certificates: as found; which is whose the keys say.
    """

    profile: SealProfile
    digest: str
    image: bytes | None
    font: bytes | None
    certificates: tuple[Certificate, ...]


def place_of(folder: DataFolder, config: Config, tenant: str, name: str) -> SealPlace:
    """Return where the files of a profile lie, whether or not it is there.

    Raises:
        SealAbsentError: there can be none of these names.
    """
    # Attack: both come from requests, and a path is made of them.
    if not _TENANT.fullmatch(tenant) or not NAME.fullmatch(name):
        raise SealAbsentError(name[:64])
    return SealPlace(tenant, name, folder.seals / tenant, config.keys / "seals" / tenant / name)


def tenants_with_seals(folder: DataFolder) -> tuple[str, ...]:
    """Pseudonyms of the tenants that have, or had, seal profiles, sorted."""
    if not folder.seals.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.seals.iterdir() if _TENANT.fullmatch(path.name)))


def profiles_of(folder: DataFolder, tenant: str) -> tuple[str, ...]:
    """Names of a tenant's profiles in force, sorted."""
    if not _TENANT.fullmatch(tenant):
        return ()
    found = (path.name.removesuffix(".toml") for path in (folder.seals / tenant).glob("*.toml"))
    return tuple(sorted(name for name in found if NAME.fullmatch(name)))


def read_stored(place: SealPlace) -> StoredSeal:
    """Read a profile in force.

    Raises:
        SealAbsentError: there is none.
        SealUnfitError: FILE_UNUSABLE.
    """
    try:
        with place.profile.open("rb") as file:
            octets = file.read(MAX_PROFILE + 1)
    except FileNotFoundError:
        raise SealAbsentError(place.name) from None
    except OSError as error:
        raise SealUnfitError(SealProblem.FILE_UNUSABLE, f"{place.profile}: {error.strerror}") from None
    try:
        profile = parse_seal_profile(place.name, octets.decode())
        shown = profile.appearance
        image = _read(place.image, MAX_IMAGE) if shown is not None and shown.image else None
        font = _read(place.font, MAX_FONT) if shown is not None and shown.font else None
        certificates = read_certificates(place.certificates) if place.certificates.exists() else ()
    except (SealProfileError, UnicodeDecodeError, TrustError) as error:
        raise SealUnfitError(SealProblem.FILE_UNUSABLE, f"{place.profile}: {error}") from None
    except OSError as error:
        raise SealUnfitError(SealProblem.FILE_UNUSABLE, explain(error)) from None
    return StoredSeal(profile, digest_of(profile.text, image, font), image, font, tuple(certificates))


def digest_of(text: str, image: bytes | None, font: bytes | None) -> str:
    """SHA-256, hex, of a profile's text, its image and its font; the text says which of them there are."""
    return hashlib.sha256(text.encode() + (image or b"") + (font or b"")).hexdigest()


def is_image(octets: bytes) -> bool:
    """Say whether octets are short enough and begin as PNG or JPEG do; what they show is PDF's to say."""
    return len(octets) <= MAX_IMAGE and octets.startswith(_IMAGES)


def seal_trust(folder: DataFolder) -> TrustStore:
    """Return the anchors of this folder's seals and time-stamps, with what the units' file has besides.

    Raises:
        OSError, TrustError: a file cannot be read.
    """
    anchors = [
        each for path in (folder.anchors, folder.seal_anchors) if path.exists() for each in _anchors(path)
    ]
    helpers = read_certificates(folder.units) if folder.units.exists() else ()
    return TrustStore(tuple(anchors), tuple(helpers))


def require_own_keys(folder: DataFolder, place: SealPlace, public_keys: Iterable[bytes]) -> None:
    """Hold a profile's keys against those of units and of other profiles.

    Attack: a key that stamps as well would let a sealed document's octets pass for a time-stamp's.

    Args:
        folder: the data folder.
        place: the profile.
        public_keys: SubjectPublicKeyInfo (DER).

    Raises:
        SealUnfitError: KEY_SHARED, or FILE_UNUSABLE.
    """
    others = [each for each in folder.seals.glob("*/*.pem") if each != place.certificates]
    try:
        files = [*others, *([folder.units] if folder.units.exists() else [])]
        taken = {each.public_key for path in files for each in read_certificates(path)}
    except (OSError, TrustError) as error:
        raise SealUnfitError(SealProblem.FILE_UNUSABLE, str(error)) from None
    if not taken.isdisjoint(public_keys):
        raise SealUnfitError(SealProblem.KEY_SHARED, f"{place.keys}: a key of a unit or of another profile")


def _anchors(path: Path) -> tuple[Certificate, ...]:
    return load_trust(path).anchors


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most + 1)
