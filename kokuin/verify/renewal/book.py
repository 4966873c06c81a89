"""The journal of a renewal: what was found, which trees were stamped, and how far their records are written.

It is a `kokuin.verify.batch_journal.Journal`. Its lines, after the terms:

- material, by its name, before the first entry that names it;
- an entry for each token and record (`kokuin.verify.renewal.entries`);
- `seen`: so many files were looked at, with SHA-256 over their names, after each chunk of them;
- `planned`: all were, with the number of entries for each hash: from here on the trees are fixed;
- `tree`: the time-stamp over one of them. Crash point: from this line on nobody is asked again for this tree;
- `done`: all its records are written and durable.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from kokuin.verify.batch_journal import MAX_LINE, JournalError
from kokuin.verify.renewal.entries import Entry
from tsa.evidence.group import Material

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.verify.batch_journal import Journal

MOST_TOKEN = MAX_LINE // 2
"""Octets of a time-stamp that has room in a line."""


class Book:
    """What a journal holds, and what is written next.

    Attributes:
        material: by name.
        counts: entries that need a time-stamp, by hash, in the order in which the hashes were first met.
        seen: how many files were looked at.
        names: SHA-256 over the names of those, each with a zero octet behind it.
        planned: all were.
        trees: the time-stamps (DER) and roots that are there, by number of the tree.
        done: what became of the records of trees that are written, by number.
    """

    def __init__(self, journal: Journal) -> None:
        """Read what there is, and cut off what no `seen` line follows.

        Raises:
            JournalError: a line says nothing.
        """
        self._journal = journal
        self._elsewhere = True
        self._end = whole = journal.front
        self._clear()
        try:
            for end, line in journal.lines():
                self._end = end
                if self._take(line):
                    whole = end
        except (KeyError, TypeError, ValueError):
            raise JournalError from None
        if whole != self._end:
            self._again(whole)

    def _clear(self) -> None:
        self.material: dict[str, Material] = {}
        self.counts: dict[str, int] = {}
        self.seen = 0
        self.names = hashlib.sha256().hexdigest()
        self.planned = False
        self.trees: dict[int, tuple[bytes, str]] = {}
        self.done: dict[int, dict[str, int]] = {}

    def _again(self, end: int) -> None:
        """Cut the journal at an offset, and read what is left."""
        self._journal.cut(end)
        self._elsewhere = True
        self._end = self._journal.front
        self._clear()
        for offset, line in self._journal.lines():
            self._take(line)
            self._end = offset

    def _take(self, line: dict[str, Any]) -> bool:
        """Take up a line; say whether all before it is whole."""
        if "material" in line and "certificates" in line:
            revocation = line["revocation"]
            self.material[line["material"]] = Material(
                b64decode(line["certificates"]), None if revocation is None else b64decode(revocation)
            )
            return False
        if "act" in line:
            digest = Entry.of_line(line).digest
            if digest is not None:
                self.counts[digest] = self.counts.get(digest, 0) + 1
            return False
        if "seen" in line:
            self.seen, self.names = line["seen"], line["names"]
        elif "planned" in line:
            self.planned = True
        elif "tree" in line:
            self.trees[line["tree"]] = b64decode(line["token"]), line["root"]
        else:
            self.done[line["done"]] = line["outcomes"]
        return True

    def begin_again(self) -> None:
        """Forget all that was found: the files are others than they were."""
        self._again(self._journal.front)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries; nothing may be written meanwhile."""
        self._elsewhere = True
        for _, line in self._journal.lines():
            if "act" in line:
                yield Entry.of_line(line)

    def add_material(self, name: str, material: Material) -> None:
        """Write down material, once."""
        if name in self.material:
            return
        self.material[name] = material
        revocation = material.revocation
        self._write(
            material=name,
            certificates=_text(material.certificates),
            revocation=None if revocation is None else _text(revocation),
        )

    def add_entry(self, entry: Entry) -> None:
        """Write down an entry."""
        self._add(entry.line())
        if entry.digest is not None:
            self.counts[entry.digest] = self.counts.get(entry.digest, 0) + 1

    def add_seen(self, more: int, names: str) -> None:
        """Write down that so many more files were looked at."""
        self.seen, self.names = self.seen + more, names
        self._write(seen=self.seen, names=names)
        self._journal.sync()

    def end_plan(self) -> None:
        """Write down that all were, durably."""
        self.planned = True
        self._write(planned=self.counts)
        self._journal.sync(now=True)

    def make_room(self) -> None:
        """See that the line of a time-stamp will find room: on a full disk each attempt would ask once more.

        Raises:
            OSError: there is none.
        """
        self._go_to_end()
        self._journal.make_room()

    def add_tree(self, number: int, root: str, token: bytes) -> None:
        """Write down a time-stamp, durably."""
        self.trees[number] = token, root
        self._write(tree=number, root=root, token=_text(token))
        self._journal.cut(self._end)
        self._journal.sync(now=True)

    def add_done(self, number: int, outcomes: dict[str, int]) -> None:
        """Write down that the records of a tree are durable."""
        self.done[number] = outcomes
        self._write(done=number, outcomes=outcomes)
        self._journal.sync(now=True)

    def _write(self, **fields: object) -> None:
        self._add(json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n")

    def _add(self, line: bytes) -> None:
        self._go_to_end()
        self._journal.write(line)
        self._end += len(line)

    def _go_to_end(self) -> None:
        if self._elsewhere:
            self._journal.cut(self._end)
            self._elsewhere = False


def _text(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")
