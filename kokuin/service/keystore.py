"""From a profile's name to the signer of its unit: a key file, or what `[signers.PROFILE]` names.

A unit's keys are numbered in the order in which they replace each other:
`unit-PROFILE`, then `unit-PROFILE.2`. Profiles have no dot in their names, so
that no two of them can mean one key. In a device the number follows the label.

The libraries of devices are loaded when a key is opened, hence in the worker
that signs, and only when the configuration names them.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from kokuin.service.config import LiboqsKey, Pkcs11Key
from pqc.keyfiles import read_key, write_key
from pqc.signing import SignerError, SignerProblem, SoftwareSigner, generate_key

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.service.config import Config
    from pqc.pkcs11 import KeyReference
    from pqc.signing import Signer
    from pqc.suites import Suite

PIN_VARIABLE = "TSA_PIN"
"""The PIN of every token whose table names no `pin_file`."""
MAX_PIN = 256


def key_name(profile: str, number: int = 1) -> str:
    """Name the key of a profile's unit that came as the `number`th, from 1."""
    return f"unit-{profile}" if number == 1 else f"unit-{profile}.{number}"


def key_number(profile: str, name: str) -> int | None:
    """Return the number, up to 999, of a profile's key by its name; None: it is no key of that profile."""
    found = re.fullmatch(rf"unit-{re.escape(profile)}(?:\.([1-9][0-9]{{0,2}}))?", name)
    if found is None or found[1] == "1":
        return None
    return int(found[1] or 1)


def key_file(config: Config, profile: str, number: int = 1) -> Path:
    """Where the private key of a profile's unit lies, unless it is in a device."""
    return config.keys / f"{key_name(profile, number)}.pem"


def in_device(config: Config, profile: str) -> bool:
    """Say whether a profile's keys are in a device, and so no file's."""
    return isinstance(config.signers.get(profile), Pkcs11Key)


def open_signer(
    config: Config, profile: str, suite: Suite, passphrase: bytes | None, number: int = 1
) -> Signer:
    """Open the key of a profile's unit, wherever the configuration says that it is.

    Args:
        config: the configuration in force.
        profile: the profile's name.
        suite: what the key must sign.
        passphrase: of the key files.
        number: which of its keys.

    Raises:
        KeyFileError: its file cannot be used.
        KeyMismatchError: the key is not of the suite's type, or does not sign what it should.
        SignerError: device, token, PIN, key or library cannot be used.
    """
    table = config.signers.get(profile)
    if isinstance(table, Pkcs11Key):
        pin, reference = _read_pin(table), _reference(table, profile, number)
        from pqc.pkcs11 import Pkcs11Signer  # noqa: PLC0415  # an extra that need not be installed

        return Pkcs11Signer(suite, reference, pin)
    key = read_key(key_file(config, profile, number), passphrase)
    if isinstance(table, LiboqsKey):
        from pqc.liboqs import LiboqsSigner  # noqa: PLC0415  # experimental: loaded only when it is asked for

        return LiboqsSigner(suite, key, table.library)
    return SoftwareSigner(suite, key)


def has_key(config: Config, profile: str, number: int = 1) -> bool:
    """Say whether a profile's unit has a key; whether it fits is for `open_signer` to say.

    Raises:
        SignerError: the device cannot be reached.
    """
    table = config.signers.get(profile)
    if isinstance(table, Pkcs11Key):
        pin, reference = _read_pin(table), _reference(table, profile, number)
        from pqc.pkcs11 import has_key as device_has_key  # noqa: PLC0415  # an extra that need not be installed

        return device_has_key(reference, pin)
    return key_file(config, profile, number).exists()


def generate(config: Config, profile: str, suite: Suite, passphrase: bytes | None, number: int = 1) -> Signer:
    """Make the key of a profile's unit where the configuration wants it, and open it.

    Raises:
        FileExistsError: there is a key file already.
        KeyMismatchError: the suite is for verifying only, or the device has no such keys.
        SignerError: the device cannot be reached, has a key of that name, or would give the new one away.
        OSError: the file cannot be written.
    """
    table = config.signers.get(profile)
    if isinstance(table, Pkcs11Key):
        pin, reference = _read_pin(table), _reference(table, profile, number)
        from pqc.pkcs11 import generate as device_generate  # noqa: PLC0415  # an extra that need not be installed

        return device_generate(suite, reference, pin)
    write_key(key_file(config, profile, number), generate_key(suite), passphrase)
    return open_signer(config, profile, suite, passphrase, number)


def _reference(table: Pkcs11Key, profile: str, number: int) -> KeyReference:
    try:
        from pqc.pkcs11 import KeyReference  # noqa: PLC0415  # an extra that need not be installed
    except ImportError:
        raise SignerError(
            SignerProblem.BACKEND_MISSING, "keys in devices need the extra hsm: pip install 'kokuin[hsm]'"
        ) from None
    if number == 1:
        key_id = None if table.id is None else bytes.fromhex(table.id)
        return KeyReference(table.module, table.token, table.label, key_id, table.extractable)
    # The id is the first key's alone.
    label = f"{table.label or key_name(profile)}.{number}"
    return KeyReference(table.module, table.token, label, None, table.extractable)


def _read_pin(table: Pkcs11Key) -> str:
    """Return the PIN of the table's file, else of the environment; it stands in no message."""
    path = table.pin_file
    if path is None:
        pin = os.environ.get(PIN_VARIABLE, "")
        if not pin:
            raise SignerError(
                SignerProblem.PIN_MISSING, f"{table.token}: neither pin_file nor {PIN_VARIABLE} is set"
            )
        return pin
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                raise SignerError(SignerProblem.PIN_TOO_OPEN, f"{path} must be its owner's alone")
            return file.read(MAX_PIN).decode().rstrip("\r\n")
    except OSError as error:
        raise SignerError(SignerProblem.PIN_MISSING, f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SignerError(SignerProblem.PIN_MISSING, f"{path}: no UTF-8") from None
