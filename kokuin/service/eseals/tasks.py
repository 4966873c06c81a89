"""What is asked of sealing: a document, what shall be done with it, and by whose seal profile."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from eseal.profile import Format
from eseal.values import MAX_FILE, MAX_JSON, MAX_PDF, Level

if TYPE_CHECKING:
    from collections.abc import Mapping


class Act(StrEnum):
    """What is done with a document."""

    SEAL = "seal"
    EXTEND = "extend"


MAX_DOCUMENT = {Format.PDF: MAX_FILE, Format.JSON: MAX_JSON, Format.CADES: MAX_FILE}
"""Octets of a document that is sealed, by format; CAdES seals any file."""
MAX_SEALED = MAX_PDF
"""Octets of a document that is extended: the largest file, and its seals."""


@dataclass(frozen=True, slots=True)
class Document:
    """Octets that somebody sent, in a file that nobody else sees.

    Attributes:
        file: to be read from its beginning; who made it closes it.
        size: octets.
        sha256: lower-case hex.
    """

    file: BinaryIO
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for.

    Attributes:
        act: seal or extend.
        format: of the document; to be extended: as it was recognised.
        profile: name of the tenant's seal profile; empty: the only one there is.
        level: to be reached; None: the seal profile's.
        min_level: the lowest that whoever asks would take while no time-stamps can be had; None: `level`.
        document_class: what kind of document it is, for clients that may act for some; empty: not said.
        options: of the format.
    """

    act: Act
    format: Format
    profile: str = ""
    level: Level | None = None
    min_level: Level | None = None
    document_class: str = ""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def how(self) -> str:
        """Whether a document that is sealed is in the seal or beside it; empty of one that is extended."""
        return "" if self.act is Act.EXTEND else self.options.get("form", "detached")

    def digest(self, document: Document, data: Document | None) -> str:
        """Return SHA-256 (hex) of all that makes a request what it is."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        whole = [{**said, "options": dict(self.options)}, document.sha256, data and data.sha256]
        octets = json.dumps(whole, sort_keys=True).encode()
        return hashlib.sha256(octets).hexdigest()
