"""Who asks: the one place that turns a request into a `Principal`."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.service.access.denials import Denial, DenialCode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kokuin.service.access.peers import Peer
    from kokuin.service.config_access import Access


class Role(StrEnum):
    """What a principal may do; nothing is allowed that no role allows."""

    STAMP = "stamp"
    SEAL = "seal"
    APPROVE = "approve"
    """Saying yes, as a second person, to what another one proposed."""
    AUDIT = "audit"
    """Reading the ledger: search, records, and what of the log is not public."""
    OPERATE = "operate"


OPERATOR_TENANT = "operator"
"""The tenant of those who run the service: its clients see the records of all."""
PUBLIC_TENANT = "public"
"""The tenant of whoever came without a credential where that is allowed."""
NO_TENANT = "none"
"""The tenant of whoever came without a credential elsewhere, or with a wrong one."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: pseudonyms for the ledger, and what they may. Never a person's name.

    Attributes:
        tenant: pseudonym; `operator`, `public` and `none` stand for themselves.
        actor: pseudonym of the client.
        roles: what the caller may at all.
        profiles: time-stamp profiles the caller may use; None: all.
        classes: document classes the caller may act for; None: all.
        person: whether the caller may stand for a person where two people are wanted.
        activated: whether the caller acts only within an approved activation.
    """

    tenant: str
    actor: str
    roles: frozenset[Role]
    profiles: frozenset[str] | None = None
    classes: frozenset[str] | None = None
    person: bool = False
    activated: bool = False

    @property
    def known(self) -> bool:
        """Whether a credential says who it is; else nobody does, or anybody may be it."""
        return self.tenant not in {NO_TENANT, PUBLIC_TENANT}

    def may(self, role: Role) -> bool:
        """Say whether the caller holds `role`."""
        return role in self.roles

    def may_use(self, profile: str) -> bool:
        """Say whether the caller may have time-stamps of a profile."""
        return self.profiles is None or profile in self.profiles

    def sees(self, tenant: str) -> bool:
        """Say whether records of a tenant are the caller's to see: their own, or all for the operator's."""
        return self.tenant in {tenant, OPERATOR_TENANT}


NOBODY = Principal(NO_TENANT, "anonymous", frozenset())
"""Whoever shows no credential where one is wanted, or where none is looked at."""
_ANYBODY = Principal("public", "anonymous", frozenset({Role.STAMP}))
_OPERATOR = Principal(
    "operator", "operator-key", frozenset({Role.OPERATE, Role.AUDIT, Role.APPROVE}), person=True
)


class Doorkeeper:
    """Makes the `Principal` of every HTTP request."""

    def __init__(self, access: Access, operator_digest: str | None) -> None:
        """Args: who may stamp; SHA-256 (hex) of the operator key, None when no key was made."""
        self._anonymous = _ANYBODY if access.timestamps == "open" else NOBODY
        self._operator_digest = operator_digest
        self._denials: Counter[tuple[str, str]] = Counter()

    def principal(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Return who a request with these ASGI headers speaks for; a wrong key is nobody, not anybody."""
        for name, value in headers:
            if name == b"authorization":
                return _OPERATOR if self._is_operator(value) else NOBODY
        return self._anonymous

    def admit(
        self, headers: Iterable[tuple[bytes, bytes]], peer: Peer, *, basic: bool = False
    ) -> Principal | Denial:
        """Return who a request speaks for, or why it speaks for nobody."""
        del peer, basic
        found = self.principal(headers)
        wrong = found is NOBODY and any(name == b"authorization" for name, _ in headers)
        return Denial(DenialCode.CREDENTIAL_WRONG) if wrong else found

    def note(self, denial: Denial) -> None:
        """Count a denial for the worker's next report."""
        self._denials[denial.code, denial.tenant] += 1

    def drain_denials(self) -> tuple[tuple[str, str, int], ...]:
        """Return (code, tenant, how many) of what was noted, and forget it."""
        noted, self._denials = self._denials, Counter()
        return tuple((code, tenant, count) for (code, tenant), count in noted.items())

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
