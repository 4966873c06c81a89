"""Sealing for the owner of the data folder (`tsa seal --dir`): keys and units are opened for one document."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

from eseal.profile import Format
from kokuin.ledger.faults import OpenRefusedError
from kokuin.service.access.principal import OPERATOR_TENANT, Principal, Role
from kokuin.service.eseals.asked import Asked
from kokuin.service.eseals.codes import SealRefusedError
from kokuin.service.eseals.face import make_jobs
from kokuin.service.eseals.reception import Received
from kokuin.service.eseals.recognising import recognise
from kokuin.service.eseals.spool import Spool, pieces, writing
from kokuin.service.eseals.stamping import NoUnits
from kokuin.service.eseals.tasks import Act
from kokuin.service.evidence.batcher import LOOK_SECONDS
from kokuin.service.evidence.records import EvidenceFault, EvidenceRecords, EvidenceRefusedError
from kokuin.service.installer import UNFIT, UNFIT_CODE, Installer
from kokuin.service.owner import OWNER
from kokuin.service.responder import Responder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.eseals.jobs import Jobs
    from kokuin.service.ports import Push
    from kokuin.trust.journal import Journal

MAKE = "seal.make"
EVIDENCE_SECONDS = 60.0
"""How long the evidence of a sealed document is waited for."""
PLACE = re.compile(r"\.owner-[0-9a-f]{32}")
"""Folders in `jobs/` in which whoever asks puts `document` and `data`, and finds `sealed`, and
`evidence` where it belongs beside that."""


class OwnerSeals:
    """The operation `seal.make`; on the keeper's loop."""

    def __init__(
        self,
        folder: DataFolder,
        config: Config,
        journal: Journal,
        subscribe: Callable[[Callable[[Push], None]], Callable[[], None]],
    ) -> None:
        """Args: folder and settings; where records become durable; tells what is in force."""
        self._folder, self._config = folder, config
        self._journal, self._subscribe = journal, subscribe

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Seal one document; `ok` is False with `code`, and `field` and `reason` where there are some."""
        place = str(arguments.get("place", ""))
        if operation != MAKE or arguments.get("actor") != OWNER or not PLACE.fullmatch(place):
            return {"ok": False, "code": "OPERATION_UNKNOWN"}
        try:
            return await self._make(self._folder.jobs / place, arguments)
        except SealRefusedError as error:
            named = {"field": error.field, "reason": error.reason}
            return {"ok": False, "code": error.code, **{name: text for name, text in named.items() if text}}

    async def _make(self, place: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
        document = await _read(place / "document")
        assert document is not None  # noqa: S101  # whoever asks has put it there
        received = Received(document, await _read(place / "data"), dict(arguments["options"]))
        act = Act(arguments["act"])
        try:
            form = recognise(document) if act is Act.EXTEND else Format(arguments["format"])
            tenant = str(arguments.get("tenant") or OPERATOR_TENANT)
            principal = Principal(tenant, OWNER, frozenset({Role.SEAL}))
            task = received.task(act, form)
            async with self._jobs() as jobs:
                asked = await jobs.opened(Asked(task, document, received.data, principal))
                sealed = await jobs.run(asked, None)
        finally:
            received.close()
        with sealed.document.file, writing(), (place / "sealed").open("xb") as file:
            for piece in pieces(sealed.document):
                file.write(piece)
        missing = await self._evidence(sealed.evidence, place) if sealed.evidence else ""
        more = {"missing": missing} if missing else {}
        return {"ok": True, "format": form, "how": task.how, **sealed.facts(), **more}

    async def _evidence(self, serial: str, place: Path) -> str:
        """Wait for the record that belongs beside what was sealed, and write it; return why there is none."""
        records = EvidenceRecords(self._folder, self._config)
        deadline = time.monotonic() + EVIDENCE_SECONDS
        while True:
            try:
                octets = await asyncio.to_thread(records.record, serial, lambda _: True)
            except OpenRefusedError as error:
                return error.fault
            except EvidenceRefusedError as error:
                if error.fault is not EvidenceFault.PENDING or time.monotonic() > deadline:
                    return error.fault
            else:
                with writing():
                    await asyncio.to_thread((place / "evidence").write_bytes, octets)
                return ""
            await asyncio.sleep(LOOK_SECONDS)

    @contextlib.asynccontextmanager
    async def _jobs(self) -> AsyncIterator[Jobs]:
        """Open what a worker has, for as long as one document takes."""
        installer = Installer(self._folder, self._config, lambda _: None)
        pushed: list[Push] = []

        def on_push(push: Push) -> None:
            pushed[:] = [push]
            installer.on_push(push)

        unsubscribe = self._subscribe(on_push)
        try:
            responder = await self._responder(installer, pushed)
            jobs = make_jobs(self._folder, self._config, self._journal, lambda: responder)
            try:
                yield jobs
            finally:
                if isinstance(responder, Responder):
                    responder.close()
                await jobs.close()
        finally:
            unsubscribe()

    async def _responder(self, installer: Installer, pushed: list[Push]) -> Responder | NoUnits:
        try:
            installed = await installer.first
        except UNFIT:
            # Of a folder whose settings have changed since it was served: B-B needs no unit.
            return NoUnits(UNFIT_CODE, pushed[-1].active.digest)
        responder = Responder(
            installed.issuers, installed.default, self._journal, installed.slow, installed.archives
        )
        responder.stopped = pushed[-1].stopped
        return responder


async def _read(path: Path) -> Any:
    """Return a file as a document; None: there is none."""
    spool = Spool()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                await spool.take(piece)
    except FileNotFoundError:
        spool.close()
        return None
    return spool.done()
