"""Sealing in this process: real children and formats, throw-away keys, a journal as the test says."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from eseal.material import MaterialError, MaterialProblem
from eseal.profile import parse_seal_profile
from eseal.values import Material
from kokuin.service.access.principal import Principal, Role
from kokuin.service.eseals.desk import SealDesk
from kokuin.service.eseals.dialogue import StampRefusedError
from kokuin.service.eseals.pool import SealPool
from kokuin.service.eseals.spool import Spool
from kokuin.service.eseals.stamping import Stamped
from kokuin.service.eseals.values import SealAbsentError, TenantSeal
from tests.eseal.evidencing import embedded
from tests.eseal.pki import seal_key, seal_pki
from tests.service.rig import ScriptedJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from kokuin.service.eseals.sealed import Sealed
    from kokuin.service.eseals.tasks import Document, Task

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


class Evidence(Enum):
    """Where the evidence for a time-stamp is."""

    WITHIN = "in the token"
    OWED = "made later"


@dataclass
class Bench:
    """A desk and what it is joined to."""

    desk: SealDesk
    keyring: FakeKeyring
    journal: ScriptedJournal
    stamps_down: bool = False
    stamps_left: int | None = None
    """After so many time-stamps there are no more; None: there is no end of them."""
    evidence: Evidence | None = None
    """Where the evidence for time-stamps is; None: there is none."""
    imprints: list[bytes] = field(default_factory=list)

    @property
    def stamped(self) -> int:
        """Return how many time-stamps were made."""
        return len(self.imprints)

    async def make(self, task: Task, octets: bytes, data: bytes | None = None) -> tuple[Sealed, bytes]:
        """Seal or extend; return what is known of it, and its octets."""
        beside = None if data is None else await document_of(data)
        opened = await self.desk.open(task, SEALER)
        document = await document_of(octets)
        try:
            sealed = await self.desk.make(task, document, beside, SEALER, opened)
        finally:
            for each in filter(None, (document, beside)):
                each.file.close()
        with sealed.document.file as file:
            return sealed, file.read()


async def document_of(octets: bytes) -> Document:
    """Return octets as a document, as a request's come."""
    spool = Spool()
    await spool.take(octets)
    return spool.done()


@contextlib.asynccontextmanager
async def benched(child: str = "kokuin.service.eseals.child") -> AsyncIterator[Bench]:
    """Join the parts as a worker does."""
    pki = seal_pki()
    unit = pki.stamper("ed25519")
    journal = ScriptedJournal()
    keyring = FakeKeyring({"invoices": tenant_seal()})

    async def stamp(imprint: bytes, _: Principal, /, *, within: bool = True) -> Stamped:
        if bench.stamps_down or len(bench.imprints) == bench.stamps_left:
            raise StampRefusedError("CLOCK")
        bench.imprints.append(imprint)
        token = await asyncio.to_thread(unit.stamp, imprint)
        if bench.evidence is Evidence.WITHIN and within:
            return Stamped(embedded(token))
        return Stamped(token, "" if bench.evidence is None else f"{len(bench.imprints):x}")

    keyring.material_at_hand = Material(pki.chain, pki.revocation())
    pool = SealPool(2)
    desk = SealDesk(lambda: keyring, pool, journal, stamp, lambda: "c" * 64, lambda: unit.certificate.der)
    bench = Bench(desk, keyring, journal)
    try:
        yield bench
    finally:
        await desk.close()
