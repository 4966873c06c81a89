"""Which files `tsa renew` was given, and where its records and its journal go."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.folder_locks import held
from kokuin.cli.outcome import CommandError
from kokuin.verify.batch_items import Item, named_item, walk
from kokuin.verify.batch_manifest import Manifest
from kokuin.verify.renewal.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

JOURNAL = "tsa-renew.part"
"""Of a renewal that is not done; in `--out`, else in the first folder."""
DONE = "tsa-renew-{}.jsonl"
"""Its name when it is done, by the time at which it was begun."""
_JOURNALS = re.compile(r"tsa-renew(\.part|-[0-9]+\.jsonl)")


@dataclass(frozen=True, slots=True)
class Named:
    """The files of a renewal.

    Attributes:
        places: the folder that their paths begin from, and that of new records.
        home: folder of the journal.
        paths: files and folders, absolute.
        manifest: the list of tokens instead; None: all in `paths`.
    """

    places: Places
    home: Path
    paths: tuple[Path, ...]
    manifest: Manifest | None

    @property
    def described(self) -> list[object]:
        """What says which files they are."""
        return [list(map(str, self.paths)), self.manifest and self.manifest.digest, str(self.places.out)]

    def items(self) -> Iterator[Item]:
        """Yield them, in an order that is the same at every run; journals of renewals are none.

        Raises:
            OSError: a folder cannot be listed.
            ManifestError: the list is no longer what it was.
        """
        if self.manifest is not None:
            yield from self.manifest.items()
            return
        yield from (item for item in self._found() if not _JOURNALS.fullmatch(item.token.rpartition("/")[2]))

    def _found(self) -> Iterator[Item]:
        named: set[str] = set()
        for path in self.paths:
            if path.is_dir():
                inside = os.path.relpath(path, self.places.root)
                for item in walk(path, self.places.out):
                    yield item if inside == "." else _moved(item, inside)
            else:
                item = _moved(named_item(path), os.path.relpath(path.parent, self.places.root))
                # A record that is named beside its token stands for the same one.
                if item.token not in named:
                    named.add(item.token)
                    yield item

    def count(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self.items()) if self.manifest is None else self.manifest.count

    def held(self) -> AbstractContextManager[None]:
        """Keep others away from these files and from where the records go: `kokuin.cli.folder_locks.held`.

        Raises:
            OSError: the folder of the records cannot be made.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        return held({self.home, *(path if path.is_dir() else path.parent for path in self.paths)})


def name_files(paths: Sequence[Path], manifest: Path | None, out: Path | None) -> Named:
    """Return the files of a renewal.

    Args:
        paths: files and folders; beside a list the folder that its paths begin from, or nothing.
        manifest: a list of tokens.
        out: folder of new records.

    Raises:
        CommandError: there is no such file.
        OSError, ManifestError: the list cannot be read.
    """
    named = paths or [Path(manifest or ".").parent]
    # Links stay what they are.
    given = tuple(Path(os.path.abspath(each)) for each in named)  # noqa: PTH100  # `resolve` follows them
    for path in given:
        if not path.exists():
            raise CommandError("verify.cannot_read", path=path, reason=os.strerror(2))
    whole = {path for path in given if path.is_dir()}
    # What is in another folder that is named as well is met there.
    given = tuple(path for path in dict.fromkeys(given) if whole.isdisjoint(path.parents))
    folders = [path if path.is_dir() else path.parent for path in given]
    root = Path(os.path.commonpath(folders))
    return Named(
        Places(root, out), out or folders[0], given, None if manifest is None else Manifest.of(manifest)
    )


def _moved(item: Item, folder: str) -> Item:
    def move(name: str) -> str:
        return os.path.normpath(os.path.join(folder, name))  # noqa: PTH118  # a `Path` takes ten times as long

    return replace(item, token=move(item.token), data=item.data and move(item.data))
