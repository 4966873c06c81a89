"""What was in force when the service last stopped, and bringing the present configuration into force."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.service.issuing import ActiveConfiguration, new_id
from kokuin.trust.journal import Refused
from kokuin.trust.records import CFG_ACTIVATED, CLOCK_FIT, CLOCK_RESUMED, CLOCK_UNFIT, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.reader import LedgerReader
    from kokuin.service.config import Config
    from kokuin.trust.records import LeafValue


class ActivationError(Exception):
    """The configuration could not be recorded and is not in force; the message names the ledger's reason."""


async def activate_configuration(
    journal: Committer, config: Config, previous: str | None
) -> ActiveConfiguration:
    """Record a configuration that differs from the one last in force, and raise the epoch with it.

    Args:
        journal: the ledger's writer.
        config: what the files say now.
        previous: digest of the configuration last in force, None for a new ledger.

    Raises:
        ActivationError: the ledger refused the record.
    """
    digest = config.digest()
    if digest == previous:
        return ActiveConfiguration(journal.cfg_epoch, digest)
    epoch = journal.cfg_epoch + 1
    fields = {
        "id": new_id(),
        "tenant": "service",
        "actor": "keeper",
        "profile": config.profile,
        "cfg": digest,
        "cfg_before": previous or "",
    }
    outcome = await asyncio.wrap_future(journal.append_epoch(Record(CFG_ACTIVATED, fields), epoch))
    if isinstance(outcome, Refused):
        raise ActivationError(f"the ledger refused the configuration: {outcome.reason} {outcome.detail}")
    return ActiveConfiguration(epoch, digest)


def last_configuration(reader: LedgerReader) -> str | None:
    """Return the digest of the configuration that the ledger says was activated last.

    Raises:
        ActivationError: its leaf cannot be read.
    """
    leaf = _newest(reader, CFG_ACTIVATED)
    return None if leaf is None else str(leaf.get("cfg"))


def stopped_by_clock(reader: LedgerReader) -> bool:
    """Say whether the last `clock.*` leaf is a stop: a restart is no way round the operator.

    Raises:
        ActivationError: that leaf cannot be read.
    """
    leaf = _newest(reader, CLOCK_FIT, CLOCK_UNFIT, CLOCK_RESUMED)
    return leaf is not None and leaf["kind"] == CLOCK_UNFIT


def _newest(reader: LedgerReader, *kinds: str) -> Mapping[str, LeafValue] | None:
    stored = reader.newest(*kinds)
    try:
        return None if stored is None else read_leaf(stored.leaf)
    except LeafError as error:
        # Nothing that this product wrote: somebody changed the ledger, and nobody may go on over that.
        raise ActivationError(f"the ledger's leaf of {kinds[0]} cannot be read: {error}") from None
