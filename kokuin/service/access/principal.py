"""Who asks: a caller, by pseudonyms, and what they may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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

    def may_use(self, profile: str) -> bool:
        """Say whether the caller may have time-stamps of a profile."""
        return self.profiles is None or profile in self.profiles

    def sees(self, tenant: str) -> bool:
        """Say whether records of a tenant are the caller's to see: their own, or all for the operator's."""
        return self.tenant in {tenant, OPERATOR_TENANT}


NOBODY = Principal(NO_TENANT, "anonymous", frozenset())
"""Whoever shows no credential where one is wanted, or where none is looked at."""
