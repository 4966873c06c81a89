"""What was made of a document, and what is said of it beside its octets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eseal.values import Level
    from kokuin.service.eseals.tasks import Document


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was made.

    Attributes:
        document: sealed, or the detached seal.
        level: reached.
        asked: the level that was asked for.
        lowered: code of why no time-stamp could be had; empty: nothing was lowered.
        profile: of the tenant; empty when a seal was extended.
        record: id of its leaf.
        evidence: serial number (hex) of a time-stamp over the document as it leaves; its evidence lies beside
            the document. Empty: what evidence there is, is within.
    """

    document: Document
    level: Level
    asked: Level
    lowered: str
    profile: str
    record: str
    evidence: str = ""

    def facts(self) -> dict[str, str]:
        """Return what is said of it beside its octets."""
        return {
            "level": self.level,
            "asked": self.asked,
            "lowered": self.lowered,
            "profile": self.profile,
            "record": self.record,
            "evidence": self.evidence,
        }
