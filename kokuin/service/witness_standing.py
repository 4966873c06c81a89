"""What the witnesses say before a keeper starts: a store that one of them has seen longer is not opened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.service.log_signing import origin_of, published_keys
from kokuin.service.witness_client import WitnessClient, within
from kokuin.service.witnessing import contradiction
from pqc.newfile import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.witness_client import Place, Witnesses

PATIENCE_SECONDS = 3.0
"""How long all witnesses together may take: one that is away must not keep the service from starting."""

_log = structlog.get_logger()


async def require_not_behind_witnesses(
    folder: DataFolder, config: Config, reader: StoreReader, witnesses: Witnesses
) -> None:
    """Refuse a store that ends before, or otherwise than, what a witness has cosigned of it.

    Only what this log's own keys signed counts. Of what contradicts the store the high-water file keeps the
    checkpoint, so that the next start is refused too, whoever can be reached then. A witness that cannot be
    reached is a warning.

    Raises:
        OpenRefusedError: with `BEHIND`.
        UnitError: `trust/log.vkey` cannot be read.
    """
    logs = published_keys(folder)
    here = origin_of(config, reader.head().epoch)
    # Later epochs too: a copy from before an epoch was opened does not know of it. Earlier ones are over; a
    # recovery may have given up some of their leaves.
    origins = logs.origins[logs.origins.index(here) :] if here in logs.origins else ()
    for url, served in await remembered_by_witnesses(witnesses.places, origins, logs):
        found = contradiction(reader, served)
        if found is not None:
            known = served.checkpoint.size
            _log.critical(found.code, url=url, witnessed=known, ours=found.size)
            try:
                write_durably(config.ledger.high_water, served.octets)
            except OSError as error:
                _log.error("ledger.unremembered", reason=error.strerror)
            raise OpenRefusedError(
                OpenFault.BEHIND, f"{found.size} leaves; the witness {url} cosigned {known} ({found.code})"
            )


async def remembered_by_witnesses(
    places: Iterable[Place], origins: Iterable[str], logs: LogVerifier
) -> list[tuple[str, SignedCheckpoint]]:
    """Return what the witnesses serve for some origins, with their URLs: signed by log and witness both."""
    found: list[tuple[str, SignedCheckpoint]] = []

    async def ask(client: WitnessClient, place: Place, origin: str) -> None:
        """Ask one witness of one log."""
        served = await client.served(place, origin, logs)
        if served is not None:
            found.append((place.url, served))

    async def asked(client: WitnessClient, place: Place, origin: str) -> None:
        """Do so, and note a witness that does not answer in time."""
        reason = await within(PATIENCE_SECONDS, ask(client, place, origin))
        if reason:
            _log.warning("witness.unreachable", url=place.url, origin=origin, detail=reason)

    async with WitnessClient() as client:
        asking = [asked(client, place, origin) for origin in origins for place in places]
        await asyncio.gather(*asking)
    return found
