"""The private keys of seals: files like those of units, in a folder for each tenant's profile."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kokuin.service.eseals.values import SealProblem, SealUnfitError
from pqc.keyfiles import KeyFileError, read_key, write_key
from pqc.newfile import sync_folder
from pqc.signing import KeyMismatchError, SignerError, SoftwareSigner, generate_key

if TYPE_CHECKING:
    from kokuin.service.eseals.profiles_folder import SealPlace
    from pqc.signing import Signer
    from pqc.suites import Suite


def open_seal_key(place: SealPlace, suite: Suite, passphrase: bytes | None) -> Signer:
    """Open the key of one suite of a profile.

    Raises:
        SealUnfitError: KEY_UNUSABLE.
    """
    try:
        return SoftwareSigner(suite, read_key(place.key(suite), passphrase))
    except KeyMismatchError:
        detail = f"{place.key(suite)} is no key for {suite.id}"
        raise SealUnfitError(SealProblem.KEY_UNUSABLE, detail) from None
    except (KeyFileError, SignerError) as error:
        raise SealUnfitError(SealProblem.KEY_UNUSABLE, str(error)) from None


def provide_seal_key(place: SealPlace, suite: Suite, passphrase: bytes | None) -> Signer:
    """Make the key of one suite of a profile, or open the one that was made for a profile never put in force.

    Raises:
        SealUnfitError: KEY_UNUSABLE.
        SignerError: an optional library is missing.
        OSError: it cannot be written.
    """
    for folder in reversed((place.keys, *place.keys.parents[:2])):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not place.key(suite).exists():
        write_key(place.key(suite), generate_key(suite), passphrase)
    return open_seal_key(place, suite, passphrase)


def erase_seal_keys(place: SealPlace) -> None:
    """Take a profile's keys from the disk; what a file system or a back-up keeps of them is its operator's.

    Raises:
        OSError: one is still there.
    """
    if place.keys.is_dir():
        for path in place.keys.iterdir():
            path.unlink()
        place.keys.rmdir()
        with contextlib.suppress(OSError):
            sync_folder(place.keys.parent)
