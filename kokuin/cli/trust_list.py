"""`tsa trust list`: what a store trusts, and the store in one file."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.cli.keys_files import refuse_existing
from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.trust_reading import attempt
from kokuin.cli.trust_telling import fields_of, particulars
from kokuin.trust.anchors import fingerprint, load_trust, read_listed, unlisted_files
from kokuin.trust.certificate import is_self_signed
from kokuin.trust.name import display
from kokuin.trust.report import iso_time
from kokuin.trust.trust_store_list import Entry, Role, write_list
from pqc.newfile import write_durably

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from kokuin.trust.certificate import Certificate

    Trusted = tuple[tuple[Entry, Certificate], ...]


def show(arguments: argparse.Namespace) -> int:
    """Show a store, and write it to one file where that is wanted; exit 1 when files are in nobody's list.

    Raises:
        CommandError: it cannot be read, or the file is there already or cannot be written.
    """
    store: Path = arguments.store
    if arguments.out is not None:
        refuse_existing(arguments.out, devices=True)
    trusted, listed = attempt(store, lambda: _read(store))
    unlisted = attempt(store, lambda: unlisted_files(store))
    if arguments.out is not None:
        _write(arguments.out, trusted)
    if arguments.json:
        certificates = [{**fields_of(entry), **_facts(certificate)} for entry, certificate in trusted]
        found = {"listed": listed, "certificates": certificates, "unlisted": unlisted}
        write_json({"store": str(store), **found})
    else:
        write(_sentences(trusted, arguments.lang, listed=listed))
        write(text(arguments.lang, "trust.unlisted", file=store / name) for name in unlisted)
        if arguments.out is not None:
            write([text(arguments.lang, "trust.written", path=arguments.out)])
    return Exit.FAILED if unlisted else Exit.PASSED


def _read(store: Path) -> tuple[Trusted, bool]:
    """Read a store, and whether it has a list; else it is what `tsa verify --trust` makes of it now."""
    listed = read_listed(store)
    if listed is not None:
        return listed, True
    trust, now = load_trust(store), time.time_ns() // 1_000
    roles = [(each, Role.ANCHOR if is_self_signed(each) else Role.PIN) for each in trust.anchors]
    roles += [(each, Role.HELPER) for each in trust.helpers]
    return tuple(
        (Entry(fingerprint(each), display(each.subject), role, now), each) for each, role in roles
    ), False


def _write(path: Path, trusted: Trusted) -> None:
    inside = (replace(entry, file="", certificate=certificate.der) for entry, certificate in trusted)
    try:
        write_durably(path, write_list(inside), 0o644)
    except OSError as error:
        raise CommandError("trust.cannot_write", path=path, reason=error.strerror or error) from None


def _facts(certificate: Certificate) -> dict[str, object]:
    return {
        "issuer": display(certificate.issuer),
        "serial": f"{certificate.serial:x}",
        "not_before": iso_time(certificate.not_before),
        "not_after": iso_time(certificate.not_after),
    }


def _sentences(trusted: Trusted, lang: str, *, listed: bool) -> Iterator[str]:
    if not listed:
        yield text(lang, "trust.no_list")
    for entry, certificate in trusted:
        yield text(lang, "trust.listed", role=text(lang, f"trust.{entry.role}"), subject=entry.subject)
        yield from particulars(entry, lang)
        begins, ends = iso_time(certificate.not_before), iso_time(certificate.not_after)
        yield "    " + text(lang, "trust.valid", begins=begins, ends=ends)
