"""The keeper's desk for `seal-profile.*`: one act at a time, on record before it counts."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from eseal.certificate import SealCertificateError
from kokuin.service.access.principal import OPERATOR_TENANT
from kokuin.service.certificate_import import ImportRefusedError
from kokuin.service.eseals.profiles_acts import SealProfileRefusedError, Workshop
from kokuin.service.eseals.profiles_certifying import request, take_up
from kokuin.service.eseals.profiles_making import add, withdraw
from kokuin.service.eseals.profiles_view import LIST, SHOW, list_profiles, show_profile
from kokuin.service.eseals.values import SealAbsentError, SealUnfitError
from kokuin.service.switch_refusals import LEDGER_REFUSED
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import read_passphrase
from pqc.os_errors import explain
from pqc.signing import KeyMismatchError, SignerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.eseals.profiles_acts import Intended
    from kokuin.trust.records import LeafValue

_VIEWS: dict[str, Callable[[Workshop, Mapping[str, Any]], dict[str, Any]]] = {
    LIST: list_profiles,
    SHOW: show_profile,
}
_ACTS: dict[str, Callable[[Workshop, Mapping[str, Any]], Intended]] = {
    "seal-profile.add": add,
    "seal-profile.csr": request,
    "seal-profile.import": take_up,
    "seal-profile.withdraw": withdraw,
}


class SealProfiles:
    """The operations `seal-profile.*`; on the keeper's loop, the work itself in threads."""

    def __init__(
        self,
        folder: DataFolder,
        config: Config,
        record: Callable[[str, Mapping[str, LeafValue]], Awaitable[bool]],
        people: Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]],
    ) -> None:
        """Args: folder and settings; writes a leaf, True once durable; answers which tenants there are."""
        self._folder, self._config = folder, config
        self._record, self._people = record, people
        self._one = asyncio.Lock()

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code`, `detail`, and `field` of a value that is unfit."""
        if operation in _VIEWS:
            return await asyncio.to_thread(read_profiles, self._folder, self._config, operation, arguments)
        act = _ACTS.get(operation)
        if act is None:
            return {"ok": False, "code": "OPERATION_UNKNOWN"}
        named = {**arguments, "tenant": str(arguments.get("tenant") or OPERATOR_TENANT)}
        if not await self._knows(named["tenant"]):
            return {"ok": False, "code": "TENANT_UNKNOWN", "detail": named["tenant"][:64]}
        async with self._one:
            intended = await asyncio.to_thread(self._prepared, act, named)
            return intended if isinstance(intended, dict) else await self._done(intended, named)

    async def _knows(self, tenant: str) -> bool:
        listed = await self._people("access.tenant.list", {})
        return any(each["tenant"] == tenant for each in listed.get("tenants", ()))

    def _prepared(
        self, act: Callable[[Workshop, Mapping[str, Any]], Intended], arguments: Mapping[str, Any]
    ) -> Intended | dict[str, Any]:
        try:
            return act(_workshop(self._folder, self._config), {"name": "", **arguments})
        except _ERRORS as error:
            return _refusal(error)

    async def _done(self, intended: Intended, arguments: Mapping[str, Any]) -> dict[str, Any]:
        actor = str(arguments.get("actor", "unknown"))
        for each in intended.acts:
            if not await self._record(each.kind, {**each.fields, "actor": actor}):
                return {"ok": False, "code": LEDGER_REFUSED, "detail": "the act could not be recorded"}
        try:
            await asyncio.to_thread(intended.do)
        except OSError as error:
            return _refusal(error)
        return {"ok": True, **intended.answer}


def read_profiles(
    folder: DataFolder, config: Config, operation: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Answer what changes nothing, whoever serves the folder."""
    named = {"name": "", **arguments}
    if operation == SHOW:
        named["tenant"] = str(arguments.get("tenant") or OPERATOR_TENANT)
    try:
        return {"ok": True, **_VIEWS[operation](_workshop(folder, config), named)}
    except _ERRORS as error:
        return _refusal(error)


_ERRORS = (
    SealProfileRefusedError,
    SealAbsentError,
    SealUnfitError,
    SealCertificateError,
    ImportRefusedError,
    KeyMismatchError,
    SignerError,
    UnitError,
    OSError,
)
"""How an act may end without being done; no message of them holds a secret."""


def _workshop(folder: DataFolder, config: Config) -> Workshop:
    return Workshop(folder, config, read_passphrase(config, dict(os.environ)))


def _refusal(error: Exception) -> dict[str, Any]:
    field = ""
    match error:
        case SealProfileRefusedError():
            code, detail, field = error.code, error.detail, error.place
        case SealAbsentError():
            code, detail = "SEAL_PROFILE_UNKNOWN", str(error)
        case SealUnfitError() | SealCertificateError() | ImportRefusedError():
            code, detail = error.problem.value, error.detail
        case SignerError():
            code, detail = (
                error.problem.value,
                str(error).removeprefix(error.problem.value).removeprefix(": "),
            )
        case KeyMismatchError():
            code, detail = "KEY_MISMATCH", str(error)
        case OSError():
            code, detail = "FILE_UNUSABLE", explain(error)
        case _:
            code, detail = "UNIT_UNFIT", str(error)
    told = {"detail": detail, "field": field}
    return {"ok": False, "code": code, **{name: text for name, text in told.items() if text}}
