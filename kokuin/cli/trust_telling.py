"""What `tsa trust` was asked to enter, and what is said of it afterwards."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import Exit
from kokuin.trust.report import iso_time
from kokuin.trust.trust_store_archive import Omission, Omitted
from kokuin.trust.trust_store_list import Archive, Role

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.trust_store import Entered
    from kokuin.trust.trust_store_list import Entry


@dataclass
class Choice:
    """Certificates with their roles, what was left out, and the archive that they came in."""

    archive: Archive | None = None
    omitted: list[Omitted] = field(default_factory=list)
    _wanted: dict[bytes, tuple[Certificate, Role]] = field(default_factory=dict)

    def take(self, certificate: Certificate, role: Role | None, name: str) -> None:
        """Take a certificate up, once; without a role it is left out."""
        if role is not None:
            self._wanted.setdefault(certificate.der, (certificate, role))
        else:
            self.omitted.append(Omitted(name, Omission.NO_AUTHORITY))

    def wanted(self) -> tuple[tuple[Certificate, Role], ...]:
        """Return what shall be entered."""
        return tuple(self._wanted.values())


def tell(arguments: argparse.Namespace, entered: Sequence[Entered], choice: Choice) -> int:
    """Print what was entered and what was left out; exit 1 when that was meant to be trusted."""
    if arguments.json:
        archive = choice.archive
        write_json(
            {
                "store": str(arguments.store),
                "archive": None if archive is None else asdict(archive),
                "certificates": [
                    {"outcome": each.outcome.value, **fields_of(each.entry)} for each in entered
                ],
                "omitted": [{"name": each.name, "reason": each.reason.value} for each in choice.omitted],
            }
        )
    else:
        write(_sentences(entered, choice, arguments.lang))
    serious = any(each.reason is not Omission.OTHER_KIND for each in choice.omitted)
    return Exit.FAILED if serious or not entered else Exit.PASSED


def fields_of(entry: Entry) -> dict[str, object]:
    """Return the JSON form of an entry."""
    return {
        "sha256": entry.sha256,
        "subject": entry.subject,
        "role": entry.role.value,
        "added": iso_time(entry.added),
        "from": None if entry.begins is None else iso_time(entry.begins),
        "until": None if entry.ends is None else iso_time(entry.ends),
        "source": entry.source or None,
        "archive": None if entry.archive is None else asdict(entry.archive),
    }


def particulars(entry: Entry, lang: str) -> Iterator[str]:
    """Say of an entry what can be compared with what a publisher says, and when it counts."""
    yield "    " + text(lang, "trust.sha256", sha256=entry.sha256)
    if entry.begins is not None:
        yield "    " + text(lang, "trust.from", time=iso_time(entry.begins))
    if entry.ends is not None:
        yield "    " + text(lang, "trust.until", time=iso_time(entry.ends))
    if entry.source:
        yield "    " + text(lang, "trust.source", source=entry.source)
    if entry.archive is not None:
        yield "    " + archive_sentence(entry.archive, lang)


def archive_sentence(archive: Archive, lang: str) -> str:
    """Say of an archive which one it is."""
    key = "trust.archive_dated" if archive.dated else "trust.archive"
    return text(lang, key, **asdict(archive))


def _sentences(entered: Sequence[Entered], choice: Choice, lang: str) -> Iterator[str]:
    if choice.archive is not None:
        yield archive_sentence(choice.archive, lang)
    for each in entered:
        role, outcome = text(lang, f"trust.{each.entry.role}"), text(lang, f"trust.{each.outcome}")
        yield text(lang, "trust.entered", outcome=outcome, role=role, subject=each.entry.subject)
        yield from particulars(each.entry, lang)
    for omitted in choice.omitted:
        yield text(lang, "trust.omitted", name=omitted.name, reason=text(lang, f"trust.{omitted.reason}"))
    if not any(each.entry.role is not Role.HELPER for each in entered):
        yield text(lang, "trust.no_anchor")
