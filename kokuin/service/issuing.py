"""From a granted request to a token and the record that must be durable before the token leaves."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kokuin.trust.records import TST_ISSUED, Record
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID
from kokuin.wire.tsp import TimeStampReq
from pqc.randomness import random_octets
from tsa import status
from tsa.clock.verdict import ClockFault
from tsa.decide import IssuingRules, decide
from tsa.status import Refusal

if TYPE_CHECKING:
    from kokuin.service.access.principal import Principal
    from kokuin.service.evidence.embedded import Embedded
    from kokuin.trust.records import LeafValue
    from tsa.clock.reader import ClockReader
    from tsa.clock.verdict import ClockVerdict
    from tsa.unit import IssuedToken, TimeStampUnit

_SHA512 = DIGEST_BY_NAME["sha512"].oid

CANARY = TimeStampReq(1, _SHA512, None, bytes(64), None, None, None, True, ())
"""What is stamped to see whether a unit can; the token never leaves."""


class Draft(NamedTuple):
    """A signed token that still lacks its durable record.

    Attributes:
        issued: the token that answers.
        records: what must be durable before it leaves, all or none.
        twin: serial number of a second token over the same imprint, empty when there is none.
        embedded: the evidence that the token carries when it leaves; None: it leaves as it is.
    """

    issued: IssuedToken
    records: tuple[Record, ...]
    twin: str = ""
    embedded: Embedded | None = None

    @property
    def leaving(self) -> bytes:
        """The token as it leaves, once its records are durable."""
        return self.issued.token if self.embedded is None else self.embedded.into(self.issued.token)


@dataclass(frozen=True, slots=True)
class ActiveConfiguration:
    """The configuration in force: its epoch in the ledger's head, and its digest."""

    epoch: int
    digest: str


class Issuer:
    """One profile at work: rules, unit and clock. Safe for several threads."""

    def __init__(  # noqa: PLR0913  # what a profile at work is made of
        self,
        profile: str,
        rules: IssuingRules,
        unit: TimeStampUnit,
        clock: ClockReader,
        twin: Issuer | None = None,
        *,
        evidence: str | None = None,
        embed: bool = False,
    ) -> None:
        """Args: `twin` makes a second token of each request, recorded together with the first.

        `evidence` is the profile whose unit makes evidence for the tokens; their leaves say that it is owed.
        `embed`: it is put into each token before that leaves.
        """
        self.profile = profile
        self.unit = unit
        self.rules = rules
        self.evidence = evidence
        self.embed = embed
        self._clock = clock
        self._twin = twin
        self._active = ActiveConfiguration(0, "")
        self._constants: dict[str, LeafValue] = {
            "profile": profile,
            "policy": rules.policy,
            "suites": [unit.suite.id],
            "signer": hashlib.sha256(unit.certificate).hexdigest(),
            "res": "granted",
        }
        if evidence is not None:
            self._constants["evidence"] = evidence
        self._known = self._constants
        """Fields of a record that only a new verdict of the clock changes."""

    def activate(self, active: ActiveConfiguration) -> None:
        """Issue under this configuration from now on."""
        self._active = active
        if self._twin is not None:
            self._twin.activate(active)

    @property
    def epoch(self) -> int:
        """The epoch of the configuration under which it issues."""
        return self._active.epoch

    @property
    def configuration(self) -> str:
        """The digest of that configuration."""
        return self._active.digest

    def update_clock(self, verdict: ClockVerdict, accuracy_us: int) -> None:
        """Take the monitor's verdict for the reader and for the `clock` fields of the next records."""
        self._clock.update(verdict)
        self._known = {
            **self._constants,
            "acc": accuracy_us,
            "clock": verdict.source,
            "clk_off": verdict.offset_us,
            "clk_unc": verdict.uncertainty_us,
        }
        if self._twin is not None:
            self._twin.update_clock(verdict, accuracy_us)

    def issue(
        self, request: TimeStampReq, body: bytes, principal: Principal, document: bytes | None = None
    ) -> Draft | Refusal:
        """Decide, read the clock, sign (RFC 3161 §2.1).

        Args:
            request: the request as read.
            body: its octets, for the record's request digest.
            principal: who asked.
            document: SHA-512 of what the imprint is of, as the client says, to be covered by the evidence.
        """
        refusal = decide(request, self.rules)
        if refusal is not None:
            return refusal
        more: dict[str, LeafValue] = {}
        if document is not None and request.digest_oid != _SHA512:
            more["doc512"] = document.hex()
        elif document not in {None, request.imprint}:
            return status.DOCUMENT
        issued = self._sign(request)
        if isinstance(issued, Refusal):
            return issued
        if self._twin is None:
            return Draft(issued, (self._record(request, body, principal, issued, more),))
        twin = self._twin._sign(request)  # noqa: SLF001  # another of this class
        if isinstance(twin, Refusal):
            return twin
        first = self._record(request, body, principal, issued, {"twin": twin.serial, **more})
        second = self._twin._record(request, body, principal, twin, {"twin": issued.serial, **more})  # noqa: SLF001  # likewise
        return Draft(issued, (first, second), twin.serial)

    def _sign(self, request: TimeStampReq) -> IssuedToken | Refusal:
        gen_us = self._clock.read(self.unit.id)
        if isinstance(gen_us, ClockFault):
            return status.CLOCK
        # The key's end is checked before the signer is called (EN 319 421 TIS-7.7.1-09).
        return self.unit.fitness(gen_us) or self.unit.issue(request, gen_us)

    def probe(self) -> str:
        """Sign a canary that never leaves: empty when clock and key are fit, else the code of what is not.

        The clock is the keeper's to report; here it only says whether the key may sign now.
        """
        now_us = time.time_ns() // 1_000
        refusal = self.unit.fitness(now_us)
        if refusal is not None:
            return refusal.code
        try:
            self.unit.issue(CANARY, now_us)
        except Exception:  # noqa: BLE001  # a key device may raise anything; the probe reports it
            return status.SIGNING.code
        return "" if self._twin is None else self._twin.probe()

    def _record(
        self,
        request: TimeStampReq,
        body: bytes,
        principal: Principal,
        issued: IssuedToken,
        more: dict[str, LeafValue],
    ) -> Record:
        active = self._active
        random = random_octets(26)
        fields: dict[str, LeafValue] = {
            "id": uuid7(random[:10]),
            "tenant": principal.tenant,
            "actor": principal.actor,
            "req": hashlib.sha256(body).hexdigest(),
            "imp": request.imprint.hex(),
            "imp_alg": DIGEST_BY_OID[request.digest_oid].name,
            "tok": hashlib.sha256(issued.token).hexdigest(),
            "tok512": hashlib.sha512(issued.token).hexdigest(),
            "tst": hashlib.sha256(issued.tst_info).hexdigest(),
            "tst512": hashlib.sha512(issued.tst_info).hexdigest(),
            "cfg": active.digest,
            "salt": random[10:].hex(),
            **self._known,
            **more,
        }
        return Record(
            TST_ISSUED, fields, issued.serial, issued.token, self.unit.id, issued.gen_us, active.epoch
        )


def new_id() -> str:
    """Return a record's `id`."""
    return uuid7(random_octets(10))


def uuid7(random: bytes) -> str:
    """UUID version 7 (RFC 9562 §5.7) of the present millisecond and ten random octets."""
    at = f"{time.time_ns() // 1_000_000:012x}"
    text = random.hex()
    variant = "89ab"[random[2] >> 4 & 3]
    return f"{at[:8]}-{at[8:]}-7{text[1:4]}-{variant}{text[5:8]}-{text[8:]}"
