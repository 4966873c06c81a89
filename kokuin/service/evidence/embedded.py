"""The place of a token among those that leave with their evidence, under one archive token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire.token_form import with_evidence
from tsa.evidence.records import make_record

if TYPE_CHECKING:
    from tsa.evidence.tree import HashTree


@dataclass(frozen=True, slots=True)
class Embedded:
    """The place of a token in a batch whose archive token is signed."""

    tree: HashTree
    place: int
    archive: bytes

    def into(self, token: bytes) -> bytes:
        """Return a bare token with its evidence record."""
        return with_evidence(token, make_record(self.tree, self.place, self.archive))
