"""Time-stamps for seals, from this worker's own units: each has its record before it is in a seal.

Where the profile makes evidence, a time-stamp has it within before it is in a seal: nothing is added to a
document that has left. Where that cannot be, since the unit of evidence is slow, evidence is owed to the
time-stamp, and one more is made over the sealed document itself: its evidence covers all that is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from kokuin.service.eseals.dialogue import StampRefusedError
from kokuin.wire.token_form import evidence_in
from kokuin.wire.tsp import read_timestamp_response
from tsa.client import make_query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kokuin.service.access.principal import Principal
    from kokuin.service.responder import Responder
    from kokuin.service.stamping import Answer

DIGEST = "sha512"
"""Of the imprints; every profile takes it."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A time-stamp that is on record.

    Attributes:
        token: TimeStampToken (DER), with its evidence where that is within.
        owed: its serial number, hex, where evidence is owed to it that is not within; else empty.
    """

    token: bytes
    owed: str = ""


class StampFor(Protocol):
    """Has an imprint stamped for whoever has a seal made."""

    def __call__(self, imprint: bytes, principal: Principal, /, *, within: bool = True) -> Awaitable[Stamped]:
        """Return a time-stamp over an imprint.

        Args:
            imprint: by `DIGEST`.
            principal: for whom.
            within: its evidence is wanted within, where that can be.

        Raises:
            StampRefusedError: none can be had.
        """
        ...


class NoUnits:
    """Stands for a responder where no unit can issue.

    Attributes:
        configuration: digest of the one in force.
        certificate: of no unit: empty.
    """

    certificate = b""

    def __init__(self, code: str, configuration: str) -> None:
        """Args: why no unit can issue; digest of the configuration in force."""
        self._code, self.configuration = code, configuration

    def embeds(self, _profile: str | None) -> bool:
        """Say that no evidence can be within: there is no time-stamp."""
        return False

    def owes(self, _profile: str) -> bool:
        """Say that none is owed either."""
        return False

    async def answer(self, _body: bytes, _principal: Principal, *, embed: bool = False) -> Answer:  # noqa: ARG002  # as a responder's
        """Refuse.

        Raises:
            StampRefusedError: always.
        """
        raise StampRefusedError(self._code)


def stamper(responder: Callable[[], Responder | NoUnits]) -> StampFor:
    """Return what stamps for seals.

    Args:
        responder: returns what answers requests for time-stamps.
    """

    async def stamp(imprint: bytes, principal: Principal, /, *, within: bool = True) -> Stamped:
        """Have one imprint stamped."""
        query = make_query(DIGEST, imprint, certificates=True)
        answering = responder()
        embed = within and answering.embeds(None)
        # What a client may have stamped by itself says nothing of the time-stamps in its seals.
        answer = await answering.answer(query.der, replace(principal, profiles=None), embed=embed)
        if answer.refusal is not None:
            raise StampRefusedError(answer.refusal.code)
        token = read_timestamp_response(answer.body).token
        assert token is not None  # noqa: S101  # of an answer that grants
        owed = not evidence_in(token) and answering.owes(answer.profile)
        return Stamped(token, answer.serial if owed else "")

    return stamp
