"""From a document to a sealed one, and the record that must be durable before it leaves."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from eseal.material import MaterialProblem
from eseal.values import Level
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.dialogue import StampRefusedError
from kokuin.service.eseals.hands import Hands
from kokuin.service.eseals.sealed import Sealed
from kokuin.service.eseals.spool import pieces
from kokuin.service.eseals.stamping import DIGEST
from kokuin.service.eseals.tasks import Act, Document, Task
from kokuin.service.eseals.values import SealAbsentError, SealUnfitError
from kokuin.service.issuing import new_id
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import SEAL_ISSUED, Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from eseal.values import Material, SealKey
    from kokuin.service.access.principal import Principal
    from kokuin.service.eseals.pool import SealPool
    from kokuin.service.eseals.stamping import StampFor
    from kokuin.service.eseals.values import TenantSeal
    from kokuin.trust.journal import Journal
    from kokuin.trust.records import LeafValue

_log = structlog.get_logger()


class Keyring(Protocol):
    """Where seal profiles and keys lie (`keyring.SealKeyring`); called in threads."""

    def names(self, tenant: str) -> tuple[str, ...]:
        """Return the profiles of a tenant that are in force."""
        ...

    def get(self, tenant: str, name: str) -> TenantSeal:
        """Return one of them; SealAbsentError, SealUnfitError."""
        ...

    def material(self, certificates: Iterable[bytes]) -> Material:
        """Return what B-LT adds for these; MaterialError, SealUnfitError, WireError."""
        ...


class SealDesk:
    """Where a worker seals; on its event loop."""

    def __init__(  # noqa: PLR0913, PLR0917  # the parts, joined at one place
        self,
        keyring: Callable[[], Keyring],
        pool: SealPool,
        journal: Journal,
        stamp: StampFor,
        configuration: Callable[[], str],
        unit: Callable[[], bytes],
    ) -> None:
        """Join the parts.

        Args:
            keyring: of profiles and keys; it may be made when it is first asked for.
            pool: of children.
            journal: where records become durable.
            stamp: makes time-stamps; see `stamping.stamper`.
            configuration: says the digest of the configuration in force.
            unit: returns the certificate (DER) of the unit that stamps; empty: none does.
        """
        self._keyring = keyring
        self._pool, self._journal, self._stamp = pool, journal, stamp
        self._configuration, self._unit = configuration, unit
        self._longest = 0

    async def make(  # noqa: PLR0913  # what is asked, by whom, and where it is kept
        self,
        task: Task,
        document: Document,
        data: Document | None,
        principal: Principal,
        opened: TenantSeal | None,
        *,
        key_digest: str = "",
        keep: Callable[[Sealed], Awaitable[None]] | None = None,
        patient: bool = False,
    ) -> Sealed:
        """Seal or extend a document; what is returned is on record.

        Args:
            task: what is asked for.
            document: of which.
            data: what a detached seal is about.
            principal: who asks.
            opened: what `open` returned.
            key_digest: SHA-256 (hex) of tenant, client and idempotency key; empty: there is none.
            keep: called with what was made before it is recorded; its exception keeps it unrecorded.
            patient: nobody waits for an answer, so it may wait for a child as long as others keep them.

        Raises:
            SealRefusedError: nothing was made, or it could not be recorded; nothing of it is anywhere.
        """
        asked, least = _levels(task, opened)
        keys = () if opened is None else opened.keys
        hands = Hands(keys, principal, self._stamp, self._material)
        header, parts = _order(task, document, data, opened)
        header |= {"level": asked, "least": least, "digest": DIGEST, "token": self._longest}
        try:
            made = await self._pool.run(principal.tenant, header, parts, hands, patient=patient)
        except SealRefusedError as error:
            if task.act is Act.EXTEND and hands.refused == MaterialProblem.NO_PATH:
                # Whose certificate leads to nobody whom the operator trusts may ask as often as they like.
                raise SealRefusedError(SealCode.DOCUMENT_UNFIT, reason=hands.refused) from None
            if error.code in {SealCode.STAMP_UNAVAILABLE, SealCode.MATERIAL_MISSING}:
                raise SealRefusedError(error.code, reason=hands.refused or error.reason) from None
            raise
        self._longest = hands.largest or self._longest
        lowered = hands.refused if made.level.rank < asked.rank else ""
        if not _plausible(made.level, asked, least, hands, sealing=task.act is Act.SEAL):
            # What a child that read hostile octets says of its work is not believed where we know better.
            made.sealed.file.close()
            _log.error("seal.child.level", level=made.level, asked=asked)
            raise SealRefusedError(SealCode.FAILED)
        name = "" if opened is None else opened.profile.name
        try:
            evidence = await self._proven(made.sealed, principal) if hands.owed else ""
            sealed = Sealed(made.sealed, made.level, asked, lowered, name, new_id(), evidence)
            if keep is not None:
                await keep(sealed)
            record = self._record(task, document, sealed, principal, keys, hands.tokens, key_digest)
            await self._append(record)
        except BaseException:
            made.sealed.file.close()
            raise
        return sealed

    async def _proven(self, document: Document, principal: Principal) -> str:
        """Have a document stamped as it leaves, and return the serial number of what evidence is owed to.

        Raises:
            SealRefusedError: no time-stamp can be had: what is promised to last must not leave without.
        """
        digest = hashlib.new(DIGEST)
        for piece in pieces(document):
            await asyncio.to_thread(digest.update, piece)
        document.file.seek(0)
        try:
            return (await self._stamp(digest.digest(), principal, within=False)).owed
        except StampRefusedError as error:
            raise SealRefusedError(SealCode.STAMP_UNAVAILABLE, reason=error.code) from None

    def _material(self, certificates: tuple[bytes, ...]) -> Material:
        # A time-stamp that is still to come is by the unit.
        return self._keyring().material(dict.fromkeys(filter(None, (*certificates, self._unit()))))

    async def close(self) -> None:
        """End the children."""
        await self._pool.close()

    async def open(self, task: Task, principal: Principal) -> TenantSeal | None:
        """Return the profile of a seal; who extends needs none.

        Raises:
            SealRefusedError: there is none that this caller may use for this, or it does not go as low.
        """
        if task.act is Act.EXTEND:
            _levels(task, None)
            return None
        opened = await asyncio.to_thread(self._get, principal, task.profile)
        if task.format not in opened.profile.formats:
            raise SealRefusedError(SealCode.FORMAT_NOT_ALLOWED)
        _levels(task, opened)
        return opened

    def _get(self, principal: Principal, wanted: str) -> TenantSeal:
        keyring = self._keyring()
        name = wanted
        if not wanted:
            names = [each for each in keyring.names(principal.tenant) if principal.may_use(each)]
            if len(names) != 1:
                code = SealCode.PROFILE_WANTED if names else SealCode.PROFILE_UNKNOWN
                raise SealRefusedError(code, "profile")
            name = names[0]
        try:
            opened = keyring.get(principal.tenant, name)
        except SealAbsentError:
            raise SealRefusedError(SealCode.PROFILE_UNKNOWN, "profile") from None
        except SealUnfitError as error:
            _log.error("seal.profile.unfit", profile=name, problem=error.problem, detail=error.detail)
            raise SealRefusedError(SealCode.KEY_UNFIT, reason=error.problem) from None
        if not principal.may_use(name):
            raise SealRefusedError(SealCode.PROFILE_NOT_ALLOWED, "profile")
        return opened

    def _record(  # noqa: PLR0913, PLR0917  # all that the leaf says
        self,
        task: Task,
        document: Document,
        sealed: Sealed,
        principal: Principal,
        keys: tuple[SealKey, ...],
        tokens: list[str],
        key_digest: str,
    ) -> Record:
        fields: dict[str, LeafValue] = {
            "id": sealed.record,
            "tenant": principal.tenant,
            "actor": principal.actor,
            "act": task.act,
            "format": task.format,
            "profile": sealed.profile,
            "class": task.document_class,
            "asked": sealed.asked,
            "level": sealed.level,
            "lowered": sealed.lowered,
            "suites": [key.signer.suite.id for key in keys],
            "signers": [hashlib.sha256(key.certificate).hexdigest() for key in keys],
            "doc": document.sha256,
            "out": sealed.document.sha256,
            "toks": tokens,
            "evidence": sealed.evidence,
            "idem": key_digest,
            "cfg": self._configuration(),
        }
        return Record(SEAL_ISSUED, fields)

    async def _append(self, record: Record) -> None:
        outcome = await asyncio.wrap_future(self._journal.append(record))
        if not isinstance(outcome, Refused):
            return
        _log.warning("append.refused", reason=outcome.reason.value, detail=outcome.detail)
        if outcome.reason is AppendRefusal.STOPPED:
            raise SealRefusedError(SealCode.STOPPED)
        raise SealRefusedError(SealCode.NOT_RECORDED, reason=outcome.reason)


def _levels(task: Task, opened: TenantSeal | None) -> tuple[Level, Level]:
    """Return the level to be reached, and the lowest that both the caller and the profile allow.

    Raises:
        SealRefusedError: the profile does not go as low.
    """
    floor, usual = (
        (Level.B_B, Level.B_LTA) if opened is None else (opened.profile.min_level, opened.profile.level)
    )
    asked = task.level or usual
    # Who says nothing takes what was asked for and nothing less.
    least = task.min_level or asked
    if asked.rank < floor.rank:
        raise SealRefusedError(SealCode.LEVEL_NOT_ALLOWED, "level")
    if least.rank < floor.rank or least.rank > asked.rank:
        raise SealRefusedError(SealCode.LEVEL_NOT_ALLOWED, "min_level")
    return asked, least


def _plausible(level: Level, asked: Level, least: Level, hands: Hands, *, sealing: bool) -> bool:
    """Say whether a child can have reached a level with the signatures and time-stamps that it had."""
    if not least.rank <= level.rank <= asked.rank or (level is not asked and not hands.refused):
        return False
    return not sealing or (hands.signed > 0 and (level is Level.B_B or bool(hands.tokens)))


def _order(
    task: Task, document: Document, data: Document | None, opened: TenantSeal | None
) -> tuple[dict[str, Any], dict[str, bytes | Document]]:
    """Return header and parts of what a child is told; see `child`."""
    parts: dict[str, bytes | Document] = {"document": document}
    if data is not None:
        parts["data"] = data
    keys = () if opened is None else opened.keys
    for number, key in enumerate(keys):
        parts[f"public-{number}"] = key.signer.public_key
        parts[f"signer-{number}"] = key.certificate
        for each, certificate in enumerate(key.chain):
            parts[f"chain-{number}-{each}"] = certificate
    if opened is not None:
        beside = {"image": opened.image, "font": opened.font}
        parts |= {name: octets for name, octets in beside.items() if octets is not None}
    header = {
        "act": task.act,
        "format": task.format,
        "keys": [{"suite": key.signer.suite.id, "chain": len(key.chain)} for key in keys],
        "options": dict(task.options),
        "profile": "" if opened is None else opened.profile.name,
        "toml": "" if opened is None else opened.profile.text,
    }
    return header, parts
