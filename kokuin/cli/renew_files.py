"""`tsa renew PATH`: tokens of any authority, and evidence records, in files."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli import verify_revocation
from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.progress import bar
from kokuin.cli.renew_places import DONE, JOURNAL
from kokuin.cli.values import microseconds
from kokuin.cli.verify_batch import add_jobs, processors, unusable

if TYPE_CHECKING:
    import argparse
    from collections import Counter
    from collections.abc import Callable

    from kokuin.cli.renew_places import Named
    from kokuin.verify.batch_journal import Journal
    from kokuin.verify.renewal.book import Book
    from kokuin.verify.renewal.surveying import Terms
    from kokuin.verify.renewal.tally import Tally
    from tsa.client import Refused

DIGESTS = {"sha512": "sha512", "sha3-512": "sha3_512"}
_DAY_US = 86_400 * 1_000_000


class _RefusedError(Exception):
    """The authority gave no token."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.fault)
        self.refused = refused


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options."""
    names = ("paths", "manifest", "url", "digest", "jobs")
    about = {name: text(lang, f"renew.{name}_help") for name in names}
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help=about["paths"])
    parser.add_argument("--manifest", type=Path, metavar="FILE", help=about["manifest"])
    parser.add_argument("--url", default="http://127.0.0.1:3161/tsa", help=about["url"])
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=text(lang, "stamp.key_file_help"))
    parser.add_argument("--digest", choices=tuple(DIGESTS), default="sha512", help=about["digest"])
    parser.add_argument("--trust", type=Path, metavar="DIR|FILE", help=text(lang, "verify.trust_help"))
    parser.add_argument("--policy", metavar="NAME|FILE", help=text(lang, "verify.policy_help"))
    verify_revocation.add_arguments(parser, lang)
    add_jobs(parser, lang, about["jobs"])


def run(arguments: argparse.Namespace) -> int:
    """Plan, and unless that is all that is wanted, renew.

    Raises:
        CommandError: an option, a file or the authority cannot be used.
    """
    from kokuin.cli.folder_locks import FolderBusyError
    from kokuin.cli.renew_places import name_files
    from kokuin.cli.stamp_authority import tell_refused
    from kokuin.verify.batch_manifest import ManifestError
    from kokuin.verify.batch_run import KilledError

    _check_options(arguments)
    try:
        named = name_files(arguments.paths, arguments.manifest, arguments.out)
        if arguments.plan:
            terms = _terms(arguments, named, _now())
            return _show(arguments, terms, _survey(arguments, named, terms), None)
        with named.held():
            return _renew(arguments, named)
    except _RefusedError as error:
        # Who reads JSON finds none.
        return tell_refused(error.refused, arguments.lang, sys.stderr if arguments.json else None)
    except FolderBusyError as error:
        raise CommandError("renew.busy", path=error.path) from None
    except ManifestError as error:
        raise unusable(arguments.manifest, error) from None
    except KilledError:
        raise CommandError("verify.batch.killed" if arguments.plan else "renew.killed") from None
    except OSError as error:
        path, reason = error.filename or arguments.out or "-", error.strerror or error
        raise CommandError("verify.cannot_read", path=path, reason=reason) from None


def _check_options(arguments: argparse.Namespace) -> None:
    if not arguments.paths and arguments.manifest is None:
        raise CommandError("renew.nothing_named")
    if arguments.manifest is not None and len(arguments.paths) > 1:
        raise CommandError("renew.one_folder")


def _terms(arguments: argparse.Namespace, named: Named, at: int) -> Terms:
    """Return by what files are looked at; a hash that falls before the day would help nobody."""
    from kokuin.cli.verify_context import make_context
    from kokuin.trust.report import Status, earliest, iso_time
    from kokuin.verify.renewal.planning import digest_end
    from kokuin.verify.renewal.surveying import Terms

    arguments.at = iso_time(at)
    context = make_context(arguments)
    due = microseconds(arguments.before) or at + arguments.within * _DAY_US
    digest = DIGESTS[arguments.digest]
    found = digest_end(context.policy, digest, at)
    end = earliest(found.ends)
    if found.status not in {Status.OK, Status.WEAK} or (end is not None and end.time <= due):
        until = "-" if end is None else iso_time(end.time)
        raise CommandError("renew.digest_ends", digest=arguments.digest, until=until, due=iso_time(due))
    return Terms(named.places, context, due, digest)


def _now() -> int:
    return time.time_ns() // 1_000


def _survey(arguments: argparse.Namespace, named: Named, terms: Terms) -> Tally:
    from kokuin.verify.renewal.renewing import survey
    from kokuin.verify.renewal.tally import Tally

    tally, show = Tally(), _counting(arguments, "looked", named.count)
    for chunk in survey(named.items(), terms, arguments.jobs or processors()):
        for found in chunk:
            if found.entry is not None:
                tally.add(found.entry)
        tally.pass_over(sum(found.passed_over is not None for found in chunk))
        show(len(chunk))
    return tally


def _renew(arguments: argparse.Namespace, named: Named) -> int:
    from kokuin.verify.batch_journal import JournalError
    from kokuin.verify.renewal.archiving import ArchiveError
    from kokuin.verify.renewal.book import Book
    from kokuin.verify.renewal.renewing import Renewing, plan
    from kokuin.verify.renewal.tally import Tally

    path = named.home / JOURNAL
    try:
        journal, terms = _open(arguments, named, path)
        with journal:
            book = Book(journal)
            shown = _counting(arguments, "looked", named.count)
            plan(named.items, terms, arguments.jobs or processors(), book, shown)
            tally = Tally()
            for entry in book.entries():
                tally.add(entry)
            tally.pass_over(book.seen - tally.acts.total())
            total = sum(book.counts.values())
            done = Renewing(book, terms, _asking(arguments), _now).run(
                _counting(arguments, "renewed", lambda: total)
            )
            _finish(path, book, terms)
    except BlockingIOError:
        raise CommandError("renew.busy", path=named.home) from None
    except OSError as error:
        # A file that is open already has no name in what the system says: that is the journal.
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from None
    except JournalError:
        raise CommandError("renew.bad_journal", path=path) from None
    except ArchiveError as error:
        raise CommandError(
            f"renew.{error.fault}", url=arguments.url, reason=error.reason or "-", path=path
        ) from None
    return _show(arguments, terms, tally, done)


def _open(arguments: argparse.Namespace, named: Named, path: Path) -> tuple[Journal, Terms]:
    """Begin a journal, or go on with the one that broke off: by the time at which it was begun.

    Raises:
        JournalError, BlockingIOError, OSError: as `kokuin.verify.batch_journal.Journal`.
    """
    from kokuin.verify.batch_journal import Journal, JournalError, UnbegunError

    try:
        journal = Journal.resume(path)
    except (FileNotFoundError, UnbegunError):
        terms = _terms(arguments, named, _now())
        return Journal.begin(path, _described(named, terms)), terms
    at = journal.terms.get("at")
    if not isinstance(at, int):
        journal.close()
        raise JournalError
    terms = _terms(arguments, named, at)
    wanted = _described(named, terms)
    other = sorted(
        name for name in wanted.keys() | journal.terms.keys() if wanted.get(name) != journal.terms.get(name)
    )
    if other:
        journal.close()
        raise CommandError("renew.other_terms", path=path, names=", ".join(other))
    return journal, terms


def _described(named: Named, terms: Terms) -> dict[str, object]:
    """Return what a journal keeps of its terms: whoever goes on with it must have the same."""
    from kokuin.verify import batch
    from kokuin.verify.batch_judge import Terms as Judging
    from kokuin.verify.verifying import verify_bytes

    judging = Judging(
        terms.places.root, terms.context, None, None, lambda data, by, _: verify_bytes(data, by)
    )
    kept = batch.describe(judging, {"files": named.described})
    return {**kept, "due": terms.due, "digest": terms.digest}


def _asking(arguments: argparse.Namespace) -> Callable[[str, bytes], bytes]:
    from kokuin.cli.ledger_remote import read_key
    from kokuin.cli.stamp_authority import Authority
    from tsa.client import Refused, make_query

    key = None if arguments.key_file is None else read_key(arguments.key_file)
    authority = Authority(arguments.url, key, arguments.lang)

    def ask(digest: str, root: bytes) -> bytes:
        granted = authority.stamp(make_query(digest, root, certificates=True))
        if isinstance(granted, Refused):
            raise _RefusedError(granted)
        return granted.token

    return ask


def _finish(path: Path, book: Book, terms: Terms) -> None:
    """Keep the journal as a record of what was done, by the time at which it was begun."""
    from pqc.newfile import sync_folder

    if not book.counts:
        path.unlink()
        return
    path.rename(path.with_name(DONE.format(terms.context.at)))
    sync_folder(path.parent)


def _counting(arguments: argparse.Namespace, phase: str, total: Callable[[], int]) -> Callable[[int], None]:
    """Return what shows how far it is, where somebody looks; only then is anything counted."""
    show = bar(text(arguments.lang, f"renew.phase_{phase}"))
    if show is None:
        return lambda _: None
    whole, done = total(), 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        show(min(done, whole), whole)

    return count


def _show(arguments: argparse.Namespace, terms: Terms, tally: Tally, done: Counter[str] | None) -> int:
    from kokuin.trust.report import iso_time

    summary = {
        **tally.summary(),
        "at": iso_time(terms.context.at),
        "due_by": iso_time(terms.due),
        "digest": arguments.digest,
        "outcomes": None if done is None else dict(done),
    }
    if arguments.json:
        write_json(summary)
    else:
        from kokuin.cli.renew_text import sentences

        write(sentences(summary, arguments.lang))
    undone = tally.refused + (0 if done is None else sum(done.values()) - done["renewed"] - done["kept"])
    return Exit.INDETERMINATE if undone else Exit.PASSED
