"""A batch made ready: the tree over some tokens, stamped, and the leaf that says which they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.evidence.archive import DIGEST
from kokuin.service.evidence.material import gather, names
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.archive import Archive
    from kokuin.service.evidence.owed import Owed
    from kokuin.service.evidence.stamping import EvidenceUnit
    from kokuin.service.unit_alone import Present
    from kokuin.trust.records import LeafValue, Record


@dataclass(frozen=True, slots=True)
class Made:
    """What is stamped and not recorded: the leaf's fields, and the archive token's record.

    `complete`: see `Archive`.
    """

    fields: Mapping[str, LeafValue]
    archive: Record
    complete: bool


def make_batch(
    folder: DataFolder, name: str, unit: EvidenceUnit, batch: tuple[Owed, ...], present: Present
) -> Made:
    """Build the tree over some tokens and have its root stamped.

    Args:
        folder: the data folder.
        name: of the profile whose unit stamps.
        unit: that unit.
        batch: the tokens, in order of the ledger.
        present: what is in force.

    Raises:
        UnitError, ProfileError: the unit is unfit, or refuses, or a file cannot be read.
        SignerError, RuntimeError, OSError: as a key device may.
    """
    parts = gather(folder, {each.signer for each in batch})
    hashes = parts.material().hashes(DIGEST)
    tree = HashTree(DIGEST, [each.group(hashes) for each in batch])
    archive = unit.stamp(tree.root, parts, present)
    fields: dict[str, LeafValue] = {
        "unit_of": name,
        "start": batch[0].index,
        "stop": batch[-1].index + 1,
        "count": len(batch),
        "digest": DIGEST,
        "root": tree.root.hex(),
        "certs": names(parts.certificates),
        "revs": names(parts.lists),
        **archive_fields(archive),
    }
    return Made(fields, archive.record, archive.complete)


def archive_fields(archive: Archive) -> Mapping[str, LeafValue]:
    """Return what a leaf says of the archive token beside it."""
    fields = archive.record.fields
    return {"archive": archive.serial, **{name: fields[name] for name in ("tok", "tok512", "signer")}}
