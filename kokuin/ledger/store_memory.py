"""What remembers the length of a ledger beside its store: a store that holds less was rolled back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.note import MAX_NOTE
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.store_faults import StoreFault
from kokuin.ledger.store_findings import OF_THE_TREE
from kokuin.ledger.tree import EMPTY_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kokuin.ledger.checkpoint import Checkpoint
    from kokuin.ledger.log_keys import LogVerifier
    from kokuin.ledger.store_findings import Findings

_PUBLISHED = "the published checkpoint"


@dataclass(frozen=True, slots=True)
class _Known:
    """A checkpoint, and who remembers it."""

    source: str
    checkpoint: Checkpoint


class MemoryWatch:
    """Holds a store against its high-water file and its published checkpoint.

    Attributes:
        gap: whether something was published, and the high-water file, which is written before, is not there.
    """

    def __init__(self, findings: Findings, logs: LogVerifier | None) -> None:
        """Args: where findings go; the log's keys, None: signatures are not asked."""
        self._findings, self._logs = findings, logs
        self._known: list[_Known] = []
        self._absent = self.gap = False

    @property
    def sizes(self) -> set[int]:
        """The sizes at which the tree's root is wanted."""
        return {known.checkpoint.size for known in self._known}

    def file(self, path: Path) -> None:
        """Take the high-water file; to be called before the store's head is read, which is written first."""
        try:
            with path.open("rb") as file:
                octets = file.read(MAX_NOTE + 1)
        except FileNotFoundError:
            self._absent = True
            return
        except OSError as error:
            self._findings.add(StoreFault.MEMORY_UNREADABLE, None, f"{path}: {error.strerror}")
            return
        try:
            self._known.append(_Known(str(path), self._read(octets)))
        except NoteError as error:
            self._findings.add(StoreFault.MEMORY_UNREADABLE, None, f"{path}: {error}")

    def published(self, octets: bytes) -> None:
        """Take the published checkpoint; that it is none is for others to say."""
        self.gap = self._absent
        try:
            self._known.append(_Known(_PUBLISHED, self._read(octets)))
        except NoteError:
            return

    def judge(self, size: int, roots: Mapping[int, bytes]) -> None:
        """Note, once, that the store ends before, or otherwise than, what is remembered of it.

        Args:
            size: of the store.
            roots: of its tree, by size.
        """
        for known in self._known:
            then = known.checkpoint
            root = EMPTY_ROOT if then.size == 0 else roots.get(then.size)
            if then.size > size:
                detail = f"{size} records, {known.source} says {then.size}"
            elif (
                root is not None
                and root != then.root
                and self._findings.first_within(0, then.size, OF_THE_TREE) is None
            ):
                # Where single records were replaced, that is named, and the roots differ because of it.
                detail = f"another history before record {then.size} than {known.source} says"
            else:
                continue
            self._findings.add(StoreFault.STORE_BEHIND, None, detail)
            return

    def _read(self, octets: bytes) -> Checkpoint:
        signed = read_checkpoint(octets) if self._logs is None else self._logs.check(octets)
        return signed.checkpoint
