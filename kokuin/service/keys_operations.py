"""What operators may do with keys while the service runs, but for the rotation, which is a switch.

The private keys that are opened here sign a request or go into a sealed
backup; nothing of them is answered, logged or recorded.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import os
from typing import TYPE_CHECKING, Any

from kokuin.service.activation import activations, first_snapshot, last_snapshot
from kokuin.service.backup import make_backup
from kokuin.service.backup_archive import BackupError
from kokuin.service.certificate_import import ImportRefusedError, import_certificates
from kokuin.service.keys_view import LIST, KeyUse, list_keys, numbers, use_of
from kokuin.service.keystore import has_key, key_name, key_number, open_signer
from kokuin.service.ledger_store import open_reader
from kokuin.service.provisioning import Act, make_key, number_of
from kokuin.service.switch_refusals import LEDGER_REFUSED, MAX_NAME
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import read_passphrase
from kokuin.trust.certification_request import unit_request
from kokuin.trust.records import CERTIFICATE_REQUESTED
from pqc.envelope_errors import EnvelopeError
from pqc.keyfiles import KeyFileError
from pqc.os_errors import explain
from pqc.profiles import ProfileError
from pqc.signing import KeyMismatchError, SignerError
from pqc.suites import UnknownSuiteError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.snapshot import Snapshot
    from kokuin.service.switching import Switchboard
    from kokuin.trust.records import LeafValue
    from pqc.profiles import Profile


class KeysRefusedError(Exception):
    """Nothing was done; `code` is stable, `detail` one line that says what to do."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class KeyOperations:
    """The operations `keys.*` of the keeper; on its loop, the work itself in threads."""

    def __init__(
        self,
        folder: DataFolder,
        config: Config,
        switchboard: Switchboard,
        record: Callable[[str, Mapping[str, LeafValue]], Awaitable[bool]],
    ) -> None:
        """Args: folder and settings; what is in force; what writes a leaf, True once durable."""
        self._folder, self._config, self._switchboard = folder, config, switchboard
        self._record = record

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code` and `detail`."""
        acts = {
            LIST: self._list,
            "keys.generate": self._generate,
            "keys.csr": self._csr,
            "keys.import": self._import,
            "keys.backup": self._backup,
        }
        act = acts.get(operation)
        if act is None:
            return {"ok": False, "code": "OPERATION_UNKNOWN"}
        made: list[Act] = []
        actor = str(arguments.get("actor", "unknown"))
        async with self._switchboard.undisturbed:
            answer = await asyncio.to_thread(_answered, act, arguments, made.append)
            recorded = [await self._record(each.kind, {**each.fields, "actor": actor}) for each in made]
        if not all(recorded):
            return {"ok": False, "code": LEDGER_REFUSED, "detail": "what was done could not be recorded"}
        return answer

    @property
    def _snapshot(self) -> Snapshot:
        return self._switchboard.snapshot

    def _list(self, _arguments: Mapping[str, Any], _on_act: Callable[[Act], None]) -> dict[str, Any]:
        return list_keys(self._folder, self._config, self._snapshot)

    def _generate(self, arguments: Mapping[str, Any], on_act: Callable[[Act], None]) -> dict[str, Any]:
        profile = self._profile(arguments)
        number = number_of(self._snapshot, profile.name)
        if arguments.get("next"):
            if profile.name not in self._snapshot.units and not has_key(self._config, profile.name, number):
                detail = f"run `tsa keys generate {profile.name}` first"
                raise KeysRefusedError("KEY_FIRST_MISSING", detail)
            number += 1
        name = key_name(profile.name, number)
        if has_key(self._config, profile.name, number):
            raise KeysRefusedError("KEY_EXISTS", f"{name} is there already; a key is never overwritten")
        passphrase = read_passphrase(self._config, dict(os.environ))
        signer = make_key(self._config, profile, number, passphrase, on_act)
        return {"ok": True, "key": name, "suite": profile.tst.id, "provider": signer.provider.value}

    def _csr(self, arguments: Mapping[str, Any], on_act: Callable[[Act], None]) -> dict[str, Any]:
        profile = self._profile(arguments)
        found = self._present(profile)
        if not found:
            raise KeysRefusedError("KEY_MISSING", f"run `tsa keys generate {profile.name}` first")
        # The newest: of two keys it is the one that still wants a certificate.
        wanted = str(arguments.get("key") or key_name(profile.name, found[-1]))
        number = key_number(profile.name, wanted)
        if number not in found:
            raise KeysRefusedError(
                "KEY_MISSING", f"{wanted[:MAX_NAME]} is no key of {profile.name} that may sign"
            )
        passphrase = read_passphrase(self._config, dict(os.environ))
        signer = open_signer(self._config, profile.name, profile.tst, passphrase, number)
        pem = unit_request(signer, self._config.unit.organisation)
        fields: dict[str, LeafValue] = {
            "unit_of": profile.name,
            "key": wanted,
            "request": hashlib.sha256(pem).hexdigest(),
        }
        on_act(Act(CERTIFICATE_REQUESTED, fields))
        return {"ok": True, "key": wanted, "pem": pem.decode("ascii")}

    def _import(self, arguments: Mapping[str, Any], on_act: Callable[[Act], None]) -> dict[str, Any]:
        profile = self._profile(arguments)
        passphrase = read_passphrase(self._config, dict(os.environ))
        keys = {
            key_name(profile.name, number): open_signer(
                self._config, profile.name, profile.tst, passphrase, number
            ).public_key
            for number in self._present(profile)
        }
        certificate = import_certificates(
            self._folder,
            profile.name,
            keys,
            _octets(arguments, "certificates"),
            _octets(arguments, "anchors"),
            now=dt.datetime.now(dt.UTC),
            etsi=self._config.checks == "etsi-319-422",
            on_act=on_act,
        )
        (key,) = (name for name, public in keys.items() if public == certificate.public_key)
        return {"ok": True, "key": key, "certificate": hashlib.sha256(certificate.der).hexdigest()}

    def _backup(self, arguments: Mapping[str, Any], on_act: Callable[[Act], None]) -> dict[str, Any]:
        sealed = make_backup(
            self._folder,
            self._config,
            self._snapshot,
            _octets(arguments, "recipient"),
            str(arguments.get("suite") or self._snapshot.profile(self._snapshot.default).envelope),
            active=self._switchboard.active.digest,
            now=dt.datetime.now(dt.UTC),
            on_act=on_act,
        )
        return {
            "ok": True,
            "sealed": base64.b64encode(sealed.octets).decode("ascii"),
            "suite": sealed.suite,
            "keys": list(sealed.keys),
            "absent": [{"key": key, "reason": reason} for key, reason in sealed.absent],
        }

    def _profile(self, arguments: Mapping[str, Any]) -> Profile:
        name = str(arguments.get("name", ""))
        try:
            profile = self._snapshot.known_profile(name, self._folder.profiles)
        except ProfileError as error:
            raise KeysRefusedError("PROFILE_UNFIT", str(error)) from None
        if name not in profile.units:
            detail = f"{name} signs with the keys of {' and '.join(profile.units)}"
            raise KeysRefusedError("PROFILE_WITHOUT_KEY", detail)
        return profile

    def _present(self, profile: Profile) -> list[int]:
        """Return the numbers of the keys that sign, or may from a switch on."""
        found = numbers(self._config, self._snapshot, profile.name)
        return [item for item in found if use_of(self._snapshot, profile.name, item) is not KeyUse.RETIRED]


def read_keys(folder: DataFolder, config: Config) -> dict[str, Any]:
    """Answer `keys.list` for a folder that nobody serves; nothing is written.

    Raises:
        OpenRefusedError: the ledger cannot be read.
        ActivationError, ProfileError, UnitError: what is in force, or a new folder's profile, cannot be used.
    """
    with open_reader(folder, config) as reader:
        last = next(activations(reader), None)
    snapshot = first_snapshot(folder, config) if last is None else last_snapshot(folder, str(last["cfg"]))
    return list_keys(folder, config, snapshot)


def _answered(
    act: Callable[[Mapping[str, Any], Callable[[Act], None]], dict[str, Any]],
    arguments: Mapping[str, Any],
    on_act: Callable[[Act], None],
) -> dict[str, Any]:
    """Do it, and make an answer of what went wrong; none of these messages holds a secret."""
    try:
        return act(arguments, on_act)
    except KeysRefusedError as error:
        code, detail = error.code, error.detail
    except ImportRefusedError as error:
        code, detail = error.problem.value, error.detail
    except KeyMismatchError as error:
        code, detail = "KEY_MISMATCH", f"no key for {error}, or that suite cannot sign there"
    except (KeyFileError, SignerError, EnvelopeError) as error:
        code, detail = error.problem.value, str(error).removeprefix(error.problem.value).removeprefix(": ")
    except BackupError as error:
        code, detail = error.problem.value, error.detail
    except UnknownSuiteError as error:
        code, detail = "SUITE_UNKNOWN", str(error)[:MAX_NAME]
    except (UnitError, ProfileError) as error:
        code, detail = "UNIT_UNFIT", str(error)
    except OSError as error:
        code, detail = "FILE_UNUSABLE", explain(error)
    return {"ok": False, "code": code, "detail": detail}


def _octets(arguments: Mapping[str, Any], name: str) -> bytes:
    # PEM is ASCII; whatever else a caller wrote is then no PEM.
    return str(arguments.get(name, "")).encode("ascii", "replace")
