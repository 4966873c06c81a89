"""The list of a trust store (`trust.json`): what is trusted, as what, for which times, and from where.

A folder with a list trusts what the list names and nothing else, each
certificate by its SHA-256: a file that somebody changes or drops into the
folder gains nothing. The same list with the certificates inside is a store
in one file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from kokuin.trust.report import iso_time
from kokuin.wire.strictfields import StrictFields
from kokuin.wire.strictjson import JsonError, loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LIST_NAME = "trust.json"
SCHEMA = 1
MAX_LIST_OCTETS = 16 * 1024 * 1024
MAX_CERTIFICATES = 2_000
MAX_TEXT = 1_000
"""Characters of a source, a subject or a name."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_FILE = re.compile(r"[^./\\:\x00-\x1f][^/\\:\x00-\x1f]{0,254}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StoreCode(StrEnum):
    """Why a trust store is refused."""

    LIST_UNREADABLE = "TRUST_LIST_UNREADABLE"
    """The list is no strict JSON, or a field is missing, unknown or has no such value."""
    LIST_NEWER = "TRUST_LIST_NEWER"
    """The list was written by a later release."""
    FILE_ABSENT = "TRUST_FILE_ABSENT"
    """A file that the list names is not there."""
    FILE_CHANGED = "TRUST_FILE_CHANGED"
    """A file does not hold the certificate that the list names."""
    NOT_LISTED = "TRUST_NOT_LISTED"
    """The folder holds certificates and no list: a list would end the trust in them."""
    BUSY = "TRUST_BUSY"
    """Another process writes."""
    ARCHIVE_UNREADABLE = "TRUST_ARCHIVE_UNREADABLE"
    """What was to be imported is no zip archive, or a damaged one."""
    ARCHIVE_TOO_LARGE = "TRUST_ARCHIVE_TOO_LARGE"
    """The archive, or what it would unfold to, is larger than certificates are, or has too many files."""


class ListError(ValueError):
    """A list that cannot be read.

    Attributes:
        code: why.
        detail: the place, for people.
    """

    def __init__(self, code: StoreCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Role(StrEnum):
    """As what a certificate is trusted."""

    ANCHOR = "anchor"
    """A self-signed authority, trusted with what it issued."""
    PIN = "pin"
    """One certificate that an operator chose, whoever issued it."""
    HELPER = "helper"
    """Helps to build a path, and is trusted for nothing."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive that a certificate came in.

    Attributes:
        name: of its file.
        sha256: of its octets, hex.
        dated: the newest day that it gives for a file in it, ISO 8601; empty when it gives none.
    """

    name: str
    sha256: str
    dated: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate of a store.

    Attributes:
        sha256: of its DER, hex.
        subject: its name for people; nothing is decided by it.
        role: as what it is trusted.
        added: when, microseconds since 1970 UTC.
        begins: from when on it is trusted, microseconds since 1970 UTC; None: from ever.
        ends: until when, inclusive; None: for ever.
        source: where the operator had it from.
        archive: None when it came in none.
        file: its file in the folder of the list; empty where `certificate` holds it.
        certificate: its DER; empty where `file` holds it.
    """

    sha256: str
    subject: str
    role: Role
    added: int
    begins: int | None = None
    ends: int | None = None
    source: str = ""
    archive: Archive | None = None
    file: str = ""
    certificate: bytes = b""


def read_list(octets: bytes) -> tuple[Entry, ...]:
    """Read a list, in its folder or with the certificates inside.

    Raises:
        ListError: LIST_UNREADABLE or LIST_NEWER. Unknown fields are refused: a misspelt `until` would
            trust for ever.
    """
    try:
        found = loads(octets, max_octets=MAX_LIST_OCTETS)
    except JsonError as error:
        raise ListError(StoreCode.LIST_UNREADABLE, error.fault) from error
    fields = _Fields(found, "")
    schema = fields.whole("schema")
    if schema > SCHEMA:
        raise ListError(StoreCode.LIST_NEWER, str(schema))
    entries = fields.each("certificates", MAX_CERTIFICATES)
    fields.finish()
    if schema < 1:
        fields.refuse("schema")
    read = tuple(_read_entry(entry) for entry in entries)
    if len({entry.sha256 for entry in read}) != len(read):
        fields.refuse("certificates")
    return read


def write_list(entries: Iterable[Entry]) -> bytes:
    """Write a list, readable for people too."""
    value = {"schema": SCHEMA, "certificates": [_fields_of(entry) for entry in entries]}
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _fields_of(entry: Entry) -> dict[str, object]:
    archive = entry.archive
    found: dict[str, object] = {
        "file": entry.file,
        "sha256": entry.sha256,
        "subject": entry.subject,
        "role": entry.role.value,
        "added": iso_time(entry.added),
        "from": None if entry.begins is None else iso_time(entry.begins),
        "until": None if entry.ends is None else iso_time(entry.ends),
        "source": entry.source,
        "archive": None if archive is None else _present(asdict(archive)),
        "certificate": base64.b64encode(entry.certificate).decode(),
    }
    return _present(found)


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _read_entry(fields: _Fields) -> Entry:
    entry = Entry(
        sha256=fields.matching("sha256", _SHA256),
        subject=fields.words("subject"),
        role=fields.role(),
        added=fields.moment("added"),
        begins=fields.moment("from") if fields.has("from") else None,
        ends=fields.moment("until") if fields.has("until") else None,
        source=fields.words("source") if fields.has("source") else "",
        archive=_read_archive(fields.inner("archive")) if fields.has("archive") else None,
        file=fields.matching("file", _FILE) if fields.has("file") else "",
        certificate=fields.octets("certificate") if fields.has("certificate") else b"",
    )
    fields.finish()
    if bool(entry.file) == bool(entry.certificate):
        fields.refuse("file")
    if entry.certificate and hashlib.sha256(entry.certificate).hexdigest() != entry.sha256:
        raise ListError(StoreCode.FILE_CHANGED, fields.place("certificate"))
    return entry


def _read_archive(fields: _Fields) -> Archive:
    archive = Archive(
        fields.words("name"),
        fields.matching("sha256", _SHA256),
        fields.matching("dated", _DATE) if fields.has("dated") else "",
    )
    fields.finish()
    return archive


class _Fields(StrictFields):
    longest: ClassVar[int] = MAX_TEXT

    @staticmethod
    def refusal(place: str) -> ListError:
        return ListError(StoreCode.LIST_UNREADABLE, place)

    def whole(self, name: str) -> int:
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(name)
        return value

    def role(self) -> Role:
        value = self.words("role")
        return Role(value) if value in set(Role) else self.refuse("role")

    def moment(self, name: str) -> int:
        """Microseconds since 1970 UTC; a moment without an offset would depend on the machine."""
        try:
            moment = datetime.fromisoformat(self.words(name))
            if moment.tzinfo is None:
                self.refuse(name)
            return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
        except ListError:
            raise
        except (ValueError, OverflowError):
            self.refuse(name)
