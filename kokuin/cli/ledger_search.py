"""`tsa ledger search`: records by what they say, each shown as the ledger has it now."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.values import check_period, microseconds, moment, moment_text, serial_number

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from kokuin.ledger.reader import Stored
    from kokuin.ledger.search import Page
    from kokuin.ledger.search_query import Query
    from kokuin.service.ledger_search import LedgerSearch

_HASHES = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512")
"""What a request may have been made with, if it was granted."""

_SHOWN = ("tenant", "serial", "imp_alg", "imp", "about")
_CONDITIONS = ("serial", "imprint", "request", "token")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    about = {name: text(lang, f"ledger.search.{name}_help") for name in _CONDITIONS}
    for name in _CONDITIONS:
        read = serial_number(lang) if name == "serial" else str
        parser.add_argument(f"--{name}", type=read, metavar="HEX", help=about[name])
    parser.add_argument("--file", type=Path, metavar="FILE", help=text(lang, "ledger.search.file_help"))
    parser.add_argument("--tenant", metavar="NAME", help=text(lang, "ledger.search.tenant_help"))
    kind_help = text(lang, "ledger.search.kind_help")
    parser.add_argument("--kind", action="append", default=[], metavar="KIND", help=kind_help)
    since_help, until_help = text(lang, "ledger.search.from_help"), text(lang, "ledger.search.to_help")
    parser.add_argument("--from", dest="since", type=moment(lang), metavar="TIME", help=since_help)
    parser.add_argument("--to", dest="until", type=moment(lang), metavar="TIME", help=until_help)
    parser.add_argument("--oldest", action="store_true", help=text(lang, "ledger.search.oldest_help"))
    limit_help = text(lang, "ledger.search.limit_help")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help=limit_help)
    cursor_help = text(lang, "ledger.search.cursor_help")
    parser.add_argument("--cursor", default="", metavar="CURSOR", help=cursor_help)
    parser.add_argument("--rebuild", action="store_true", help=text(lang, "ledger.search.rebuild_help"))
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))


def run(arguments: argparse.Namespace) -> int:
    """Search, whether or not the service is running; exit 0 when a record fits, 1 when none does.

    Raises:
        CommandError: a condition that no record can meet, or a folder, file or index that cannot be used.
    """
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.ledger_search import LedgerSearch, page_document

    folder, lang = DataFolder(arguments.dir), arguments.lang
    query = _query(arguments)
    try:
        folder.check_format()
        search = LedgerSearch(folder, load_config(folder.root))
        page = _find(search, query, arguments)
        texts = search.texts(page)
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    if arguments.json:
        found = page_document(page)
        for record in found["records"]:
            if record["index"] in texts:
                record["text"] = texts[record["index"]]
        write_json(found)
    else:
        write(_lines(page, texts, lang))
    return Exit.PASSED if page.hits else Exit.FAILED


def _find(search: LedgerSearch, query: Query, arguments: argparse.Namespace) -> Page:
    from kokuin.ledger.search import Page
    from kokuin.ledger.search_file import SearchFault, SearchRefusedError

    lang = arguments.lang
    try:
        if arguments.rebuild:
            search.forget()
        while not isinstance(found := search.find(query), Page):
            # Not on standard output, which programs read.
            print(text(lang, "ledger.search.reading", leaves=found.leaves, size=found.size), file=sys.stderr)
    except SearchRefusedError as error:
        if error.fault is SearchFault.BUSY:
            raise CommandError("ledger.search.busy") from None
        raise CommandError("ledger.search.unusable", reason=error) from None
    return found


def _query(arguments: argparse.Namespace) -> Query:
    from kokuin.ledger.search_query import Order, Query, QueryError, QueryFault

    check_period(arguments.since, arguments.until)
    imprints: tuple[str, ...] = () if arguments.imprint is None else (arguments.imprint,)
    if arguments.file is not None:
        if imprints:
            raise CommandError("ledger.search.file_or_imprint")
        imprints = tuple(_digests(arguments.file))
    try:
        return Query(
            serial=arguments.serial,
            imprints=imprints,
            request=arguments.request,
            token=arguments.token,
            tenant=arguments.tenant,
            kinds=tuple(arguments.kind),
            since_us=microseconds(arguments.since),
            until_us=microseconds(arguments.until),
            order=Order.OLDEST if arguments.oldest else Order.NEWEST,
            limit=arguments.limit,
            cursor=arguments.cursor,
        )
    except QueryError as error:
        if error.fault is QueryFault.CURSOR:
            raise CommandError("ledger.search.cursor") from None
        option = {"since": "from", "until": "to"}.get(error.field, error.field)
        raise CommandError("ledger.search.value", option=f"--{option}") from None


def _digests(path: Path) -> Iterator[str]:
    made = [hashlib.new(name) for name in _HASHES]
    try:
        with path.open("rb") as file:
            while octets := file.read(1 << 20):
                for each in made:
                    each.update(octets)
    except OSError as error:
        raise CommandError("ledger.search.cannot_read", path=path, reason=error.strerror) from None
    for each in made:
        yield each.hexdigest()


def _lines(page: Page, texts: dict[int, str], lang: str) -> Iterator[str]:
    for stored in page.hits:
        yield _line(stored, texts.get(stored.index))
    if not page.hits:
        yield text(lang, "ledger.search.none_here" if page.next else "ledger.search.none")
    if page.next:
        yield text(lang, "ledger.search.next", cursor=page.next)
    if page.stale:
        yield text(lang, "ledger.search.stale", count=page.stale)


def _line(stored: Stored, words_about: str | None) -> str:
    from kokuin.ledger.search_query import read_fields, time_of

    fields = read_fields(stored.leaf)
    words = [f"{stored.index:>9}", moment_text(time_of(fields) or 0), str(fields.get("kind"))]
    words += [f"{name}={fields[name]}" for name in _SHOWN if name in fields]
    words += [] if words_about is None else [f"text={words_about}"]
    # Control characters out of a leaf must not reach a terminal.
    return "".join(each if each.isprintable() else "\ufffd" for each in "  ".join(words))
