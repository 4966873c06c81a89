"""One operation on a data folder that nobody serves: read from its files, or done by becoming the owner."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.service.access.people_views import VIEWS, read_people
from kokuin.service.access.unserved import ACCESS_READS, read_access
from kokuin.service.config import load_config
from kokuin.service.datafolder import FolderLock
from kokuin.service.eseals.profiles_desk import read_profiles
from kokuin.service.eseals.profiles_view import READS as SEAL_READS
from kokuin.service.keeper_process import make_keeper
from kokuin.service.keys_operations import read_keys
from kokuin.service.keys_view import LIST as LIST_KEYS
from kokuin.service.ledger_status import STATUS as LEDGER_STATUS
from kokuin.service.ledger_status import read_status
from kokuin.service.owner import OWNER
from kokuin.service.profile_view import READS, read_view
from kokuin.service.reentering import REENTER, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder


def operate_alone(folder: DataFolder, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do one thing; see `operating.operate`, which has asked whether somebody serves the folder.

    Raises:
        FolderError: its owner is starting or stopping.
        ConfigError, UnitError, ProfileError, OpenRefusedError, ActivationError: the folder cannot be opened.
    """
    config = load_config(folder.root, dict(os.environ))
    told = _without_owner(folder, config, operation, arguments)
    if told is not None:
        return told
    # Whoever holds the lock and does not answer is starting or stopping: the lock says so.
    with FolderLock(folder):
        return asyncio.run(_as_owner(folder, config, operation, arguments))


def _without_owner(
    folder: DataFolder, config: Config, operation: str, arguments: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Answer what nobody needs to be the owner for; None: it needs one."""
    if operation in READS:
        return read_view(folder, config).answer(operation, str(arguments.get("name", "")))
    if operation == LEDGER_STATUS:
        return read_status(folder, config)
    if operation == LIST_KEYS:
        return read_keys(folder, config)
    told = _of_tenants(folder, config, operation, arguments)
    if told is not None:
        return told
    # Opening the ledger for writing leaves records of a start and a stop: not for what is refused.
    return refusal(folder, config, arguments) if operation == REENTER else None


def _of_tenants(
    folder: DataFolder, config: Config, operation: str, arguments: Mapping[str, Any]
) -> dict[str, Any] | None:
    if operation in VIEWS:
        return read_people(folder.state, operation, arguments)
    if operation in ACCESS_READS:
        return read_access(folder, config, operation)
    return read_profiles(folder, config, operation, arguments) if operation in SEAL_READS else None


async def _as_owner(
    folder: DataFolder, config: Config, operation: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    _log_aside()
    keeper = make_keeper(folder, config)
    await keeper.start(serving=False)
    try:
        return await keeper.ask(operation, {**arguments, "actor": OWNER})
    finally:
        await keeper.stop()


def _log_aside() -> None:
    """Let what the keeper logs not mix with the answer, which programs read from standard output."""
    if not structlog.is_configured():
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
