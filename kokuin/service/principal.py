"""Who asks: the one place that turns a request into a `Principal`."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kokuin.service.config import Access


class Role(StrEnum):
    """What a principal may do; nothing is allowed that no role allows."""

    STAMP = "stamp"
    OPERATE = "operate"
    AUDIT = "audit"
    """Reading the ledger: search, records, and what of the log is not public."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: pseudonyms for the ledger, and roles. Never a person's name."""

    tenant: str
    actor: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        """Say whether the caller holds `role`."""
        return role in self.roles


_NOBODY = Principal("none", "anonymous", frozenset())
_ANYBODY = Principal("public", "anonymous", frozenset({Role.STAMP}))
_OPERATOR = Principal("operator", "operator-key", frozenset({Role.OPERATE, Role.AUDIT}))


class Doorkeeper:
    """Makes the `Principal` of every HTTP request."""

    def __init__(self, access: Access, operator_digest: str | None) -> None:
        """Args: who may stamp; SHA-256 (hex) of the operator key, None when no key was made."""
        self._anonymous = _ANYBODY if access.timestamps == "open" else _NOBODY
        self._operator_digest = operator_digest

    def principal(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Return who a request with these ASGI headers speaks for; a wrong key is nobody, not anybody."""
        for name, value in headers:
            if name == b"authorization":
                return _OPERATOR if self._is_operator(value) else _NOBODY
        return self._anonymous

    def _is_operator(self, header: bytes) -> bool:
        scheme, _, key = header.partition(b" ")
        if self._operator_digest is None or scheme.lower() != b"bearer":
            return False
        # The key has 256 random bits, so a plain hash hides it; the comparison takes the same time always.
        return hmac.compare_digest(hashlib.sha256(key.strip()).hexdigest(), self._operator_digest)


def read_operator_digest(path: Path) -> str | None:
    """Read the stored hash of the operator key; None when there is none or it is no SHA-256 in hex."""
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return text if re.fullmatch("[0-9a-f]{64}", text) else None
