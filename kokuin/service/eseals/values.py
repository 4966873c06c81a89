"""What a worker seals with: the keys and the profile of a tenant, by the profile's name.

For whoever seals (`kokuin.service.eseals`), in short::

    keyring = SealKeyring(folder, config, passphrase)   # one a worker; safe for threads
    keyring.names(tenant) -> tuple[str, ...]            # profiles of the tenant that are in force, sorted
    keyring.get(tenant, name) -> TenantSeal             # SealAbsentError, SealUnfitError
    keyring.material(certificates) -> Material          # for B-LT; MaterialError, SealUnfitError

`kokuin.service.eseals.keys_ring` has the class. `get` is cheap when nothing has changed (a few `stat`s): ask
it for every request. What an operator certified or withdrew counts from the next request on. `material` is
asked with the certificates (DER) of the seal's keys and of the units that will stamp it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eseal.profile import SealProfile
    from eseal.values import SealKey


@dataclass(frozen=True, slots=True)
class TenantSeal:
    """One seal profile in force, ready to seal.

    Attributes:
        tenant: pseudonym.
        profile: its formats, suites, levels and appearance; `profile.name` is its name.
        digest: SHA-256, hex, of the profile's text and, behind it, of its image and font where it has them.
        keys: one for each of `profile.suites`, in their order.
        image: what the appearance shows (PNG or JPEG); None: nothing.
        font: with the glyphs of the appearance alone; None: it has none.
    """

    tenant: str
    profile: SealProfile
    digest: str
    keys: tuple[SealKey, ...]
    image: bytes | None = None
    font: bytes | None = None


class SealProblem(StrEnum):
    """Why a profile in force does not seal."""

    NOT_CERTIFIED = "SEAL_NOT_CERTIFIED"
    """A key of it has no certificate that is valid now."""
    KEY_UNUSABLE = "SEAL_KEY_UNUSABLE"
    """Its key file cannot be used."""
    KEY_SHARED = "SEAL_KEY_SHARED"
    """Its key is a time-stamp unit's, or another profile's."""
    PATH_UNFIT = "SEAL_PATH_UNFIT"
    """Its certificate leads to none of the anchors in `trust/`, or breaks a rule on the way."""
    REVOKED = "SEAL_REVOKED"
    """Its authority, or one above it, took a certificate back."""
    FILE_UNUSABLE = "SEAL_FILE_UNUSABLE"
    """A file of the profile cannot be read."""


class SealAbsentError(LookupError):
    """The tenant has no such profile in force."""


class SealUnfitError(Exception):
    """The profile is in force and cannot seal; `detail` is one line for the log, without secrets."""

    def __init__(self, problem: SealProblem, detail: str) -> None:
        super().__init__(f"{problem}: {detail}")
        self.problem, self.detail = problem, detail
