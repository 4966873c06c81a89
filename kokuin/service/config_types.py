"""Types of configuration values, each with the check that makes a value of it fatal or good."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kokuin.ledger.note import check_name
from kokuin.wire import encode

MAX_ARC = 2**31 - 1
"""Greatest arc of an OID that we write: some clients keep arcs in 32 bits, signed."""

_PASSWORD = re.compile(r"(?i)\b(ssl)?password\s*=|://[^/@?]*:[^/@?]*@")
"""In the name of a database, as libpq's key words or as a URL."""


def _oid(dotted: str) -> str:
    if any(int(arc) > MAX_ARC for arc in dotted.split(".")):
        raise ValueError(f"an arc is above {MAX_ARC}")
    encode.oid(dotted)
    return dotted


def _origin(text: str) -> str:
    check_name(f"{text}/1")
    return text


def _without_password(text: str) -> str:
    if _PASSWORD.search(_no_nul(text)):
        raise ValueError("a password stands in libpq's passfile, never here")
    return text


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a path holds no NUL")
    return text


def web_address(text: str) -> str:
    """Return a URL over http or https, without a user, a query and a fragment.

    Raises:
        ValueError: it is something else.
    """
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("no http or https URL")
    if parts.username is not None or parts.query or parts.fragment or parts.port == 0:
        raise ValueError("a URL has no user, query or fragment here")
    return text


def _path(path: Path) -> Path:
    _no_nul(str(path))
    return path


Port = Annotated[int, Field(strict=True, ge=0, le=65535)]
Count = Annotated[int, Field(strict=True, ge=1)]
Years = Annotated[int, Field(strict=True, ge=1, le=100)]
LeafKind = Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z]+)?$")]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Oid = Annotated[str, Field(pattern=r"^[0-2](\.(0|[1-9]\d{0,9}))+$"), AfterValidator(_oid)]
WebAddress = Annotated[str, AfterValidator(web_address)]
PlainPath = Annotated[Path, AfterValidator(_path)]
Database = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_without_password)]
Origin = Annotated[str, Field(max_length=200), AfterValidator(_origin)]
Named = Annotated[str, Field(min_length=1), AfterValidator(_no_nul)]


class Table(BaseModel):
    """A table of the configuration: an unknown field is fatal."""

    model_config = ConfigDict(frozen=True, extra="forbid")
