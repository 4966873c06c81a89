"""What two people must want: who proposes what, and who approved it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE = "service"
"""Whom a proposal concerns that is about the whole service, as leaves name it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody wants done.

    Attributes:
        operation: of the keeper.
        arguments: with what it is called; nothing secret.
        about: pseudonym, or a profile's name, of what it is about; for leaves.
        tenant: whom it concerns: a tenant's pseudonym, or `SERVICE`.
        context: what must still be so when it is approved; empty: nothing.
        answer: what the proposer is told beside.
    """

    operation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    tenant: str = SERVICE
    context: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Decided:
    """Who wanted something done: who proposed it, and who approved it."""

    proposer: str
    approver: str

    @property
    def both(self) -> str:
        """The two as one actor, for leaves that have no place for a second."""
        return f"{self.proposer}+{self.approver}"
