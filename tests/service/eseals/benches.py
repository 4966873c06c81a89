"""Sealing in this process: real children and formats, throw-away keys, a journal as the test says."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eseal.material import MaterialError, MaterialProblem
from eseal.profile import parse_seal_profile
from eseal.values import Material
from kokuin.service.access.principal import Principal, Role
from kokuin.service.eseals.desk import SealDesk
from kokuin.service.eseals.dialogue import StampRefusedError
from kokuin.service.eseals.pool import SealPool
from kokuin.service.eseals.spool import document_of
from kokuin.service.eseals.values import SealAbsentError, TenantSeal
from tests.eseal.pki import seal_key, seal_pki
from tests.service.rig import ScriptedJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from kokuin.service.eseals.desk import Sealed
    from kokuin.service.eseals.tasks import Task

TENANT, ACTOR = "t-acme", "c-documents"
SEALER = Principal(TENANT, ACTOR, frozenset({Role.SEAL}))
PROFILE = """\
formats = ["pdf", "json", "cades"]
suites = [{suites}]
level = "B-T"
min_level = "B-B"

[certificate]
organisation = "株式会社むらさき"
identifier = "NTRJP-7000012050002"
common_name = "むらさき"
days = 365
"""


@dataclass
class FakeKeyring:
    """The profiles of one tenant."""

    seals: dict[str, TenantSeal] = field(default_factory=dict)

    material_at_hand: Material | None = None
    problem: MaterialProblem = MaterialProblem.NO_REVOCATION

    def material(self, certificates: Iterable[bytes]) -> Material:
        self.asked = tuple(certificates)
        if self.material_at_hand is None:
            raise MaterialError(self.problem, "CN=unit")
        return self.material_at_hand

    def names(self, tenant: str) -> tuple[str, ...]:
        return tuple(sorted(self.seals)) if tenant == TENANT else ()

    def get(self, tenant: str, name: str) -> TenantSeal:
        if tenant != TENANT or name not in self.seals:
            raise SealAbsentError(name)
        return self.seals[name]


def tenant_seal(name: str = "invoices", *suites: str, text: str = PROFILE) -> TenantSeal:
    """Return a profile whose keys are certified by the PKI of tests."""
    named = suites or ("ecdsa-p256-sha256",)
    profile = parse_seal_profile(name, text.format(suites=", ".join(f'"{each}"' for each in named)))
    return TenantSeal(TENANT, profile, "0" * 64, tuple(map(seal_key, named)))


@dataclass
class Bench:
    """A desk and what it is joined to."""

    desk: SealDesk
    keyring: FakeKeyring
    journal: ScriptedJournal
    stamps_down: bool = False
    stamped: int = 0

    async def make(self, task: Task, octets: bytes, data: bytes | None = None) -> tuple[Sealed, bytes]:
        """Seal or extend; return what is known of it, and its octets."""
        beside = None if data is None else document_of(data)
        opened = await self.desk.open(task, SEALER)
        document = document_of(octets)
        try:
            sealed = await self.desk.make(task, document, beside, SEALER, opened)
        finally:
            for each in filter(None, (document, beside)):
                each.file.close()
        with sealed.document.file as file:
            return sealed, file.read()


@contextlib.asynccontextmanager
async def benched(child: str = "kokuin.service.eseals.child") -> AsyncIterator[Bench]:
    """Join the parts as a worker does."""
    pki = seal_pki()
    unit = pki.stamper("ed25519")
    journal = ScriptedJournal()
    keyring = FakeKeyring({"invoices": tenant_seal()})

    async def stamp(imprint: bytes, _: Principal) -> bytes:
        if bench.stamps_down:
            raise StampRefusedError("CLOCK")
        bench.stamped += 1
        return await asyncio.to_thread(unit.stamp, imprint)

    keyring.material_at_hand = Material(pki.chain, pki.revocation())
    pool = SealPool(2)
    desk = SealDesk(lambda: keyring, pool, journal, stamp, lambda: "c" * 64, lambda: unit.certificate.der)
    bench = Bench(desk, keyring, journal)
    try:
        yield bench
    finally:
        await desk.close()
