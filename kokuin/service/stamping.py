"""A request on its way to a token, and the answer that ends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.records import RELEASE_SECONDS
from tsa.clock.machine import boot_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.access.principal import Principal
    from kokuin.service.issuing import Issuer
    from kokuin.wire.tsp import TimeStampReq
    from tsa.status import Refusal

_RELEASE_NS = RELEASE_SECONDS * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to the client, and what the log and the metrics say of it.

    Attributes:
        body: DER of the TimeStampResp.
        refusal: None when a token was granted.
        profile: the profile that answered.
        serial: the token's serial number, hex; empty for a refusal.
        twin: serial number of its twin; empty when there is none.
    """

    body: bytes
    refusal: Refusal | None
    profile: str
    serial: str = ""
    twin: str = ""


class Stamping:
    """A request on its way to a token; whoever asked is answered once."""

    __slots__ = (
        "again",
        "body",
        "boot_ns",
        "document",
        "done",
        "embed",
        "issuer",
        "principal",
        "profile",
        "request",
        "since",
    )

    def __init__(  # noqa: PLR0913, PLR0917  # what a signing thread needs to know, and whom to tell
        self,
        issuer: Issuer,
        request: TimeStampReq,
        body: bytes,
        principal: Principal,
        profile: str | None,
        done: Callable[[Answer], None],
        since: float,
        document: bytes | None,
        *,
        embed: bool,
    ) -> None:
        self.issuer, self.request, self.body, self.principal = issuer, request, body, principal
        self.document, self.embed = document, embed
        self.profile, self.done, self.since = profile, done, since
        self.again = False
        self.boot_ns = boot_ns()

    @property
    def embeds(self) -> bool:
        """Whether the token leaves with its evidence in it."""
        return self.embed or self.issuer.embed

    def has_slept(self) -> bool:
        """Say whether the machine slept since, so long that no clock but this one would tell."""
        return boot_ns() - self.boot_ns > _RELEASE_NS
