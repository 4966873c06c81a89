"""A renewal from its plan to the last record: stopped anywhere, it goes on from there (RFC 4998 §5.2)."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from kokuin.verify.batch_journal import JournalError
from kokuin.verify.batch_run import work_all
from kokuin.verify.renewal.archiving import complete, judge_archive
from kokuin.verify.renewal.planning import MOST_GROUPS
from kokuin.verify.renewal.surveying import Surveyor
from kokuin.verify.renewal.writing import Stamped, Writer
from pqc.newfile import sync_folder
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kokuin.verify.batch_items import Item
    from kokuin.verify.renewal.book import Book
    from kokuin.verify.renewal.entries import Entry
    from kokuin.verify.renewal.surveying import Found, Terms
    from kokuin.verify.renewal.writing import Outcome

Ask: TypeAlias = "Callable[[str, bytes], bytes]"
"""Gets a time-stamp token over a root, by the name of its hash; as `kokuin.wire.ber.definite` returns it."""
Progress: TypeAlias = "Callable[[int], None]"
"""Is told how many more are done."""
_THREADS = 16
"""That write records: each waits for its disk."""
_CHUNK = 512


def survey(items: Iterable[Item], terms: Terms, jobs: int) -> Iterator[list[Found]]:
    """Yield what files came to, chunk by chunk; nothing is written.

    Args:
        items: the files, in an order that is the same at every run.
        terms: by what they are looked at.
        jobs: how many processes look.

    Raises:
        FaultError, KilledError, OSError: as `kokuin.verify.batch_run.work_all`.
    """
    return work_all(items, Surveyor(terms), jobs)


def plan(
    items: Callable[[], Iterator[Item]],
    terms: Terms,
    jobs: int,
    book: Book,
    on_progress: Progress,
) -> None:
    """Write down what is to be done with each file, as far as that is not written yet.

    Args:
        items: gives the files, in an order that is the same at every run.
        terms: by what they are looked at.
        jobs: how many processes look.
        book: of the renewal.
        on_progress: of files.

    Raises:
        FaultError, KilledError, OSError: as `survey`.
    """
    if book.planned:
        return
    left, names = items(), hashlib.sha256()
    for item in itertools.islice(left, book.seen):
        _add_name(names, item.token)
    if names.hexdigest() != book.names:
        book.begin_again()
        left, names = items(), hashlib.sha256()
    on_progress(book.seen)
    for chunk in survey(left, terms, jobs):
        for found in chunk:
            _add_name(names, found.token)
            if found.carried is not None:
                book.add_material(found.carried.name, found.carried.material)
            if found.entry is not None:
                book.add_entry(found.entry)
        book.add_seen(len(chunk), names.hexdigest())
        on_progress(len(chunk))
    book.end_plan()


def _add_name(names: hashlib._Hash, name: str) -> None:
    names.update(os.fsencode(name) + b"\0")


class Renewing:
    """The trees of a plan, stamped one after the other, and their records."""

    def __init__(self, book: Book, terms: Terms, ask: Ask, now: Callable[[], int]) -> None:
        """Prepare it.

        Args:
            book: of the renewal, whose plan is whole.
            terms: of the plan.
            ask: gets time-stamps.
            now: the present moment, microseconds since 1970 UTC.
        """
        self._book, self._terms, self._ask, self._now = book, terms, ask, now
        self._writer = Writer(terms.places, book.material)

    def run(self, on_progress: Progress) -> Counter[str]:
        """Stamp what is not stamped, write what is not written; return what became of the entries.

        Args:
            on_progress: of entries.

        Raises:
            ArchiveError: a time-stamp cannot stand over its tree; nothing rests on it.
            JournalError: the plan is not what was stamped.
            OSError: the journal cannot be written, or the disk is full; and what `ask` raises.
        """
        outcomes: Counter[str] = Counter()
        for number, (digest, start, count) in enumerate(self._trees()):
            if number not in self._book.done:
                self._book.add_done(number, self._renew(number, digest, start, count, on_progress))
            else:
                on_progress(count)
            outcomes.update(self._book.done[number])
        return outcomes

    def _trees(self) -> Iterator[tuple[str, int, int]]:
        """Yield the hash of each tree, and of the entries with that hash the first one and how many."""
        for digest, total in self._book.counts.items():
            for start in range(0, total, MOST_GROUPS):
                yield digest, start, min(MOST_GROUPS, total - start)

    def _entries(self, digest: str, start: int, count: int) -> Iterator[Entry]:
        among = (each for each in self._book.entries() if each.digest == digest)
        return itertools.islice(among, start, start + count)

    def _renew(
        self, number: int, digest: str, start: int, count: int, on_progress: Progress
    ) -> dict[str, int]:
        tree = self._tree(digest, self._entries(digest, start, count))
        stamped = self._stamp(number, tree)
        outcomes: Counter[Outcome] = Counter()
        folders: set[str] = set()
        entries = enumerate(self._entries(digest, start, count))
        with ThreadPoolExecutor(_THREADS) as pool:
            while chunk := list(itertools.islice(entries, _CHUNK)):
                done = list(pool.map(lambda each: self._writer.write(each[1], each[0], stamped), chunk))
                outcomes.update(done)
                # A folder where nothing was written may be gone.
                written = (entry for (_, entry), outcome in zip(chunk, done, strict=True) if outcome.covered)
                folders.update(map(self._folder, written))
                on_progress(len(chunk))
        for folder in sorted({above for each in folders for above in self._made(Path(each))}):
            sync_folder(folder)
        return {each.value: amount for each, amount in outcomes.items()}

    def _tree(self, digest: str, entries: Iterator[Entry]) -> HashTree:
        hashed: dict[str, tuple[bytes, ...]] = {}
        groups = []
        for entry in entries:
            name = entry.material
            if name is not None and name not in hashed:
                hashed[name] = self._book.material[name].hashes(digest)
            groups.append(entry.group if name is None else (*entry.group, *hashed[name]))
        return HashTree(digest, groups)

    def _stamp(self, number: int, tree: HashTree) -> Stamped:
        context = replace(self._terms.context, at=self._now())
        if number in self._book.trees:
            token, root = self._book.trees[number]
            if root != tree.root.hex():
                raise JournalError
            return Stamped(tree, judge_archive(token, tree.root, context))
        self._book.make_room()
        asked = self._ask(tree.digest, tree.root)
        # By the time when it was made, not when it was asked for.
        context = replace(context, at=max(context.at, self._now()))
        made = judge_archive(complete(asked, context), tree.root, context)
        self._book.add_tree(number, tree.root.hex(), made.token)
        return Stamped(tree, made)

    def _made(self, folder: Path) -> Iterator[Path]:
        """Yield a folder, and those above it that may have been made with it."""
        yield folder
        out = self._terms.places.out
        if out is not None:
            yield from (each for each in folder.parents if each.is_relative_to(out))

    def _folder(self, entry: Entry) -> str:
        return os.path.dirname(self._terms.places.target(entry.token, record=entry.record))  # noqa: PTH120  # a `Path` takes ten times as long
