"""The files of `tsa stamp DIR --batch`: which are to be stamped, and their records written where they belong.

A record that lies there says that its file is stamped. So a run that broke off is gone on with by beginning
it again, and no file gets a second record.
"""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

from kokuin.cli.folder_locks import held
from kokuin.verify.batch_data import StampedData, state_of
from kokuin.verify.batch_items import TOKEN_SUFFIXES, walk
from kokuin.verify.beside import EVIDENCE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from kokuin.verify.batch_items import Item

_PART = ".part"
"""What the name of a record has that is not whole yet."""


class BatchFolder:
    """A folder whose files are stamped.

    Attributes:
        passed: time-stamps, records and proofs met, which have evidence of their own kind.
        kept: files met that have a record.
        failed: files that cannot be read, or records that cannot be named, with the reason.
        changed: files that were written to, or are gone, since they were hashed.
    """

    def __init__(self, root: Path, out: Path | None, manifest: Path | None) -> None:
        """Args: the folder; where its records go, None: beside the files; the list that is written."""
        self._root, self._out = root, out or root
        own = () if manifest is None else (manifest, _part_of(manifest))
        self._own = {os.path.realpath(each) for each in own}
        self._own_names = {each.rpartition("/")[2] for each in self._own}
        self._states: dict[str, dict[str, object] | None] = {}
        self.passed = self.kept = 0
        self.failed: list[tuple[str, str]] = []
        self.changed: list[str] = []

    def locked(self) -> AbstractContextManager[None]:
        """Keep others from writing records there; see `kokuin.cli.folder_locks.held`.

        Raises:
            OSError: the folder of the records cannot be used.
        """
        self._out.mkdir(parents=True, exist_ok=True)
        return held([self._out])

    def count(self) -> int:
        """Return how many files there are to be looked at."""
        return sum(1 for _ in self._items())

    def digests(self) -> Iterator[tuple[str, bytes | None]]:
        """Yield each file's path from the folder, and its SHA-512; None: it is not to be stamped, or cannot.

        Raises:
            OSError: the folder cannot be listed.
        """
        for item in self._items():
            name, digest = item.token, None
            if not _is_document(item) and not (self._root / name).is_dir():
                self.passed += 1
            elif self._has_record(name):
                self.kept += 1
            else:
                digest = self._digest(name)
            yield name, digest

    def record_of(self, name: str) -> Path:
        """Return where a file's record lies."""
        return self._out / (name + EVIDENCE_SUFFIX)

    def write(self, records: Iterable[tuple[str, bytes]]) -> int:
        """Write the records of files; return how many were written when they are on the disk.

        Raises:
            OSError: they cannot be written, and none was.
        """
        parts: list[tuple[Path, Path]] = []
        folders: set[Path] = set()
        try:
            for name, octets in records:
                if state_of(self._root / name) != self._states.pop(name):
                    self.changed.append(str(self._root / name))
                    continue
                path = self.record_of(name)
                parts.append((_part_of(path), path))
                try:
                    if path.parent not in folders:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        folders.add(path.parent)
                    _write_new(_part_of(path), octets)
                except OSError as error:
                    if error.errno != errno.ENAMETOOLONG:
                        raise
                    parts.pop()
                    self._fail(name, error)
        except OSError:
            for part, _ in parts:
                part.unlink(missing_ok=True)
            raise
        # All at once: to wait for the disk after each of so many files would take minutes.
        os.sync()
        # Crash point: what has the name of a record is a whole one. What is left over is made again.
        for part, path in parts:
            part.replace(path)
        os.sync()
        return len(parts)

    def write_manifest(self, path: Path) -> int:
        """Write the list of all records with their files, as `tsa verify DIR --manifest` takes it.

        Returns:
            How many files were left out, since their names are no text.

        Raises:
            OSError: it cannot be written.
        """
        unlisted = 0
        with _part_of(path).open("w", encoding="ascii") as file:
            for item in self._items():
                if not _is_document(item) or not self._has_record(item.token):
                    continue
                record = os.path.relpath(self.record_of(item.token), self._root)
                line = {"token": record, "data": item.token}
                if any(_is_no_text(each) for each in line.values()):
                    unlisted += 1
                    continue
                file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        _part_of(path).replace(path)
        return unlisted

    def _items(self) -> Iterator[Item]:
        for item in walk(self._root, self._out):
            if item.token.endswith(EVIDENCE_SUFFIX + _PART):
                continue  # of a run that broke off
            if not self._is_own(item.token):
                yield item

    def _is_own(self, name: str) -> bool:
        # The look at where a file really is costs ten times as much as the rest.
        if name.rpartition("/")[2] not in self._own_names:
            return False
        return os.path.realpath(self._root / name) in self._own

    def _has_record(self, name: str) -> bool:
        return os.path.exists(self.record_of(name))  # noqa: PTH110  # Path's raises for a long name

    def _digest(self, name: str) -> bytes | None:
        data = StampedData(str(self._root / name))
        try:
            digest = data.digest("sha512")
        except OSError as error:
            self._fail(name, error)
            return None
        # Of before it was read: what is written to meanwhile is not what was hashed.
        self._states[name] = data.state()
        return digest

    def _fail(self, name: str, error: OSError) -> None:
        self.failed.append((str(self._root / name), error.strerror or str(error)))


def _part_of(path: Path) -> Path:
    return path.with_name(path.name + _PART)


def _write_new(path: Path, octets: bytes) -> None:
    """Write a file in the place of what an earlier run left there.

    Attack: a link of that name, in an archive that was unpacked, to a file of whoever stamps it.
    """
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        file.write(octets)


def _is_document(item: Item) -> bool:
    """Whether a record beside a file is taken for one over the file; beside a token it is the token's."""
    suffix = os.path.splitext(item.token)[1].lower()  # noqa: PTH122  # a third of the time of a `Path`
    return suffix not in TOKEN_SUFFIXES and not item.proof


def _is_no_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False
