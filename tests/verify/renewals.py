"""Folders of tokens and records to renew, by units of every time, at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.trust.context import Context
from kokuin.verify.batch_items import walk
from kokuin.verify.batch_journal import Journal
from kokuin.verify.content import of_octets
from kokuin.verify.renewal.book import Book
from kokuin.verify.renewal.places import Places
from kokuin.verify.renewal.renewing import Renewing, plan
from kokuin.verify.renewal.surveying import Terms
from kokuin.verify.verifying import verify_bytes
from tests.trust.evidences import DATA, Unit, trust, us

if TYPE_CHECKING:
    import datetime as dt
    from collections import Counter
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kokuin.trust.report import Report
    from kokuin.verify.batch_items import Item
    from kokuin.verify.renewal.entries import Entry
    from pqc.policies import Policy

JOURNAL = "journal"


@dataclass
class Stage:
    """A folder, and by what it is renewed."""

    folder: Path
    home: Path
    units: tuple[Unit, ...]
    by: Unit
    policy: Policy | None = None
    digest: str = "sha512"
    out: Path | None = None
    asked: list[bytes] = field(default_factory=list)
    items: Callable[[], Iterator[Item]] | None = None

    def context(self, at: dt.datetime) -> Context:
        """By what all is judged."""
        store = trust(*self.units, self.by)
        return Context(us(at), store) if self.policy is None else Context(us(at), store, policy=self.policy)

    def terms(self, at: dt.datetime, due: dt.datetime) -> Terms:
        """By what files are looked at."""
        return Terms(Places(self.folder, self.out), self.context(at), us(due), self.digest)

    def ask(self, at: dt.datetime) -> Callable[[str, bytes], bytes]:
        """Whom to ask for time-stamps."""

        def stamp(digest: str, root: bytes) -> bytes:
            self.asked.append(root)
            return self.by.stamp(digest, root, at)

        return stamp

    def open(self) -> Journal:
        """Begin the journal, or go on with it."""
        path = self.home / JOURNAL
        return Journal.resume(path) if path.exists() else Journal.begin(path, {})

    def plan(self, book: Book, terms: Terms) -> None:
        """Write down the plan."""
        plan(self.items or (lambda: walk(self.folder)), terms, 1, book, lambda _: None)

    def renew(self, at: dt.datetime, due: dt.datetime) -> tuple[Counter[str], list[Entry]]:
        """Renew all, or go on with what broke off; return outcomes and entries."""
        terms = self.terms(at, due)
        with self.open() as journal:
            book = Book(journal)
            self.plan(book, terms)
            outcomes = Renewing(book, terms, self.ask(at), lambda: us(at)).run(lambda _: None)
            entries = list(book.entries())
        (self.home / JOURNAL).unlink()
        return outcomes, entries

    def judge(self, name: str, at: dt.datetime, data: bytes | None = DATA) -> Report:
        """Judge a token with the record beside it, or a record."""
        context = self.context(at)
        beside = (self.out or self.folder) / f"{name}.er"
        if data is not None:
            context = context.with_content(of_octets(data))
        if beside.exists():
            context = Context(
                context.at, context.trust, context.content, context.policy, evidence=(beside.read_bytes(),)
            )
        return verify_bytes((self.folder / name).read_bytes(), context)
