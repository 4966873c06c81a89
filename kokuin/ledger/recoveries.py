"""Recoveries as a log tells of them: an epoch opened after records were lost, and what was known of these."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.records import EPOCH_OPENED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kokuin.ledger.checkpoint import Checkpoint

RECOVERED = "recovered"
"""Why an epoch was opened: leaves were lost before it."""
MOST_RECOVERIES = 1000
"""Recoveries that a check remembers."""
_ROOT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the leaf says that opened an epoch after a loss.

    Attributes:
        index: of the leaf, the first that is new: those that had this and higher indexes were lost.
        epoch: that it opened.
        known_origin: of the longest checkpoint of the history that was lost.
        known_size: its number of leaves.
        known_root: its root, hex.
    """

    index: int
    epoch: int
    known_origin: str
    known_size: int
    known_root: str

    def names(self, checkpoint: Checkpoint) -> bool:
        """Say whether this is the checkpoint of the lost history that the leaf commits to."""
        known = self.known_origin, self.known_size, self.known_root
        return known == (checkpoint.origin, checkpoint.size, checkpoint.root.hex())


def read_recovery(index: int, fields: Mapping[str, Any]) -> Recovery | None:
    """Return the recovery that a record tells of; None when it tells of none, or not as a log does."""
    if fields.get("kind") != EPOCH_OPENED or fields.get("why") != RECOVERED:
        return None
    epoch, size = fields.get("epoch"), fields.get("known_size")
    origin, root = fields.get("known_origin"), fields.get("known_root")
    if type(epoch) is not int or type(size) is not int or not isinstance(origin, str):
        return None
    if not isinstance(root, str) or not _ROOT.fullmatch(root):
        return None
    return Recovery(index, epoch, origin, size, root)
