"""What acts on the ledger share: what they work with, and how one says that it did nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kokuin.ledger.committer import Committer
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.recording import Recorder
    from kokuin.service.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Scene:
    """What an act works with: folder and settings, the ledger's writer, its records, the end of its epoch."""

    folder: DataFolder
    config: Config
    journal: Committer
    records: Recorder
    sealer: Sealer


class ActRefusedError(Exception):
    """An act on the ledger was not done, and nothing is changed.

    Attributes:
        code: the stable code.
        detail: in English, for the operator.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail = code, detail
