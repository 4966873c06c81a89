"""Time-stamps for seals, from this worker's own units: each has its record before it is in a seal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.service.eseals.dialogue import StampRefusedError
from kokuin.wire.tsp import read_timestamp_response
from tsa.client import make_query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kokuin.service.access.principal import Principal
    from kokuin.service.responder import Answer, Responder

DIGEST = "sha512"
"""Of the imprints; every profile takes it."""


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

    async def answer(self, _body: bytes, _principal: Principal) -> Answer:
        """Refuse.

        Raises:
            StampRefusedError: always.
        """
        raise StampRefusedError(self._code)


def stamper(responder: Callable[[], Responder | NoUnits]) -> Callable[[bytes, Principal], Awaitable[bytes]]:
    """Return what stamps an imprint for whoever has a seal made, and returns the TimeStampToken (DER).

    It raises StampRefusedError when none can be had.

    Args:
        responder: returns what answers requests for time-stamps.
    """

    async def stamp(imprint: bytes, principal: Principal) -> bytes:
        """Have one imprint stamped."""
        query = make_query(DIGEST, imprint, certificates=True)
        # What a client may have stamped by itself says nothing of the time-stamps in its seals.
        answer = await responder().answer(query.der, replace(principal, profiles=None))
        if answer.refusal is not None:
            raise StampRefusedError(answer.refusal.code)
        token = read_timestamp_response(answer.body).token
        assert token is not None  # noqa: S101  # of an answer that grants
        return token

    return stamp
