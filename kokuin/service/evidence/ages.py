"""How much evidence there is by whose signatures it rests on, read from the ledger as it grows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.evidence.owed import batches
from kokuin.service.evidence.renewals import Renewals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.evidence.owed import Batch

STEP = 4096
"""Batches that one look reads: so many take a tenth of a second, and others need the processor too."""


@dataclass(frozen=True, slots=True)
class Held:
    """Batches whose archive tokens are of the same signers, so that they end together.

    Attributes:
        batches: how many.
        tokens: in them.
        example: the newest of them, whose leaves retention takes last.
    """

    batches: int
    tokens: int
    example: Batch


class EvidenceAges:
    """Follows the batches of a ledger. Used by one thread at a time."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._renewals = Renewals()
        self._after, self._renewed = -1, 0
        self._held: dict[tuple[str, ...], Held] = {}

    @property
    def held(self) -> Mapping[tuple[str, ...], Held]:
        """What was found, by SHA-256 of the signers' certificates, the newest archive token's last."""
        return self._held

    def look(self, reader: StoreReader) -> bool:
        """Read a step further; False: there may be more.

        Raises:
            LeafError: a leaf cannot be read.
            OpenRefusedError, sqlite3.Error: the ledger cannot be read.
        """
        self._renewals.look(reader)
        if len(self._renewals) != self._renewed:
            # What a renewal covers counts elsewhere from then on. That is rare: all is counted again.
            self._after, self._renewed, self._held = -1, len(self._renewals), {}
        found = 0
        for batch in itertools.islice(batches(reader, self._after), STEP):
            key = (batch.signer, *(each.signer for each in self._renewals.over(batch)))
            before = self._held.get(key)
            count, tokens = (0, 0) if before is None else (before.batches, before.tokens)
            self._held[key] = Held(count + 1, tokens + batch.count, batch)
            self._after = batch.index
            found += 1
        return found < STEP
