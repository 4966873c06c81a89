"""How far the ledger is known to reach: what was signed or published of it, wherever a copy of that survived.

A store that holds less was rolled back. To go on from it would sign a second
history: two tokens could then stand at one place, each with its proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.checked import stored_root
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.log_folder import CHECKPOINT
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.published import newest_checkpoint
from kokuin.service.log_signing import published_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

_MAX_NOTE = 1 << 20
_REMEDY = "; restore a newer copy, or `tsa ledger recover` goes on from what is left"


@dataclass(frozen=True, slots=True)
class Known:
    """A length that the ledger had, and who remembers it.

    Attributes:
        source: where it was found, for the operator.
        origin: of the checkpoint.
        size: number of leaves.
        root: of the tree over them.
    """

    source: str
    origin: str
    size: int
    root: bytes


def remembered(folder: DataFolder, config: Config, logs: LogVerifier) -> Iterator[Known]:
    """Yield what the high-water file and the published checkpoint say.

    Raises:
        OpenRefusedError: one of them is there and cannot be believed.
    """
    for source in (config.ledger.high_water, folder.log / CHECKPOINT):
        try:
            with source.open("rb") as file:
                octets = file.read(_MAX_NOTE)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise OpenRefusedError(OpenFault.MEMORY, f"{source}: {error.strerror}") from None
        try:
            signed = logs.check(octets)
        except NoteError as error:
            raise OpenRefusedError(OpenFault.MEMORY, f"{source}: {error}") from None
        yield Known(str(source), signed.checkpoint.origin, signed.checkpoint.size, signed.checkpoint.root)


def require_not_behind(folder: DataFolder, config: Config, reader: StoreReader) -> None:
    """Refuse a store that ends before, or otherwise than, what is remembered of it.

    Raises:
        OpenRefusedError: with `BEHIND`, or with `MEMORY` when what is remembered cannot be believed.
        UnitError: `trust/log.vkey` cannot be read.
    """
    known = list(remembered(folder, config, published_keys(folder)))
    newest = newest_checkpoint(reader)
    if newest is not None:
        known.append(Known("the store's own checkpoint", "", newest.size, newest.root))
    # Asked last: other nodes append and sign meanwhile, and what they signed lies below what they appended.
    size = reader.head().size
    for each in known:
        require_within(reader, size, each)
    _require_memory(folder, config)


def _require_memory(folder: DataFolder, config: Config) -> None:
    """Refuse a folder that has published, and whose high-water file, which is written before that, is absent.

    Attack: the whole folder is put back as it was, and the volume of the one file that knows is not mounted.
    """
    memory, published = config.ledger.high_water, folder.log / CHECKPOINT
    if published.exists() and not memory.exists():
        remedy = f"mount its volume; where it is lost or new, copy {published} to it"
        raise OpenRefusedError(OpenFault.MEMORY, f"{memory} is not there: {remedy}")


def require_within(reader: StoreReader, size: int, known: Known) -> None:
    """Refuse a store of `size` leaves that does not begin with a known tree.

    Raises:
        OpenRefusedError: with `BEHIND`.
    """
    if known.size > size:
        raise OpenRefusedError(OpenFault.BEHIND, f"{size} leaves, {known.source} says {known.size}{_REMEDY}")
    if stored_root(reader, known.size) != known.root:
        raise OpenRefusedError(
            OpenFault.BEHIND, f"another history before {known.size} than {known.source} says{_REMEDY}"
        )
