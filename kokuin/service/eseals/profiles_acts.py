"""What an act on a seal profile is: prepared, put on record, and only then done.

A crash between the record and what it says leaves a leaf that grants nothing; whoever asked heard of no
success, and asks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kokuin.service.provisioning import Act

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.eseals.profiles_folder import SealPlace
    from kokuin.trust.records import LeafValue


class SealProfileRefusedError(Exception):
    """Nothing was done; `code` is stable, `place` names the field at fault, `detail` one line of English."""

    def __init__(self, code: str, detail: str = "", place: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.place = code, detail, place


@dataclass(frozen=True, slots=True)
class Workshop:
    """With what seal profiles are made: the data folder, its settings, the passphrase of its key files."""

    folder: DataFolder
    config: Config
    passphrase: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Intended:
    """An act that may be done.

    Attributes:
        acts: for the record.
        answer: what whoever asked is told once it is done.
        do: does it; raises OSError where it cannot.
    """

    acts: tuple[Act, ...]
    answer: Mapping[str, Any]
    do: Callable[[], None]


def act_on(place: SealPlace, kind: str, **fields: LeafValue) -> Act:
    """Return an act on a profile, as the ledger has it: the tenant is whose profile it is."""
    return Act(kind, {"tenant": place.tenant, "profile": place.name, **fields})
