"""What holds a tenant's keys for one document: it signs, has stamped, and knows afterwards what it had."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import structlog

from eseal.material import MaterialError
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.dialogue import MaterialRefusedError, StampRefusedError
from kokuin.service.eseals.values import SealUnfitError
from kokuin.wire.errors import WireError
from kokuin.wire.token_form import bare_token
from pqc.signing import SignerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.values import Material, SealKey
    from kokuin.service.access.principal import Principal
    from kokuin.service.eseals.stamping import StampFor

_log = structlog.get_logger()


class Hands:
    """Signs and stamps for one document; knows afterwards what it had."""

    def __init__(
        self,
        keys: tuple[SealKey, ...],
        principal: Principal,
        stamp: StampFor,
        material: Callable[[tuple[bytes, ...]], Material],
    ) -> None:
        self._keys, self._principal, self._stamp, self._material = keys, principal, stamp, material
        self.tokens: list[str] = []
        """SHA-256 (hex) of each as the ledger knows it: without what may be added to it."""
        self.largest = 0
        """Octets of the longest of them."""
        self.owed = False
        """Whether evidence is owed to one of them that is not within."""
        self.signed = 0
        self.refused = ""

    async def sign(self, number: int, octets: bytes) -> bytes:
        """See `Keys.sign`; in a thread, since a post-quantum signature or a device takes its time."""
        if not 0 <= number < len(self._keys):
            raise SealRefusedError(SealCode.FAILED)
        self.signed += 1
        try:
            return await asyncio.to_thread(self._keys[number].signer.sign, octets)
        except SignerError:
            _log.exception("seal.signing.failed")
            raise SealRefusedError(SealCode.KEY_UNFIT) from None

    async def stamp(self, imprint: bytes) -> bytes:
        """See `Keys.stamp`."""
        try:
            stamped = await self._stamp(imprint, self._principal)
        except StampRefusedError as error:
            self.refused = error.code
            raise
        self.tokens.append(hashlib.sha256(bare_token(stamped.token)).hexdigest())
        self.largest = max(self.largest, len(stamped.token))
        self.owed |= bool(stamped.owed)
        return stamped.token

    async def material(self, certificates: tuple[bytes, ...]) -> Material:
        """See `Keys.material`."""
        try:
            return await asyncio.to_thread(self._material, certificates)
        except MaterialError as error:
            self.refused = error.problem
            _log.info("seal.material.missing", problem=error.problem)
        except (SealUnfitError, WireError) as error:
            self.refused = SealCode.MATERIAL_MISSING
            _log.warning("seal.material.unfit", detail=str(error))
        raise MaterialRefusedError(self.refused)
