"""Facts of seals made by hand, as a finder would give them: the signature is over the content itself."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from eseal.judging import judge_document
from eseal.rules import SEAL_CONTENT, SEAL_FORM
from eseal.seal_judging import judge_seal
from eseal.values import DigestUse, Found, FoundSeal, Stamp, StampRole
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.rules import DIGEST_ALGORITHM
from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.policies import Role
from pqc.verifying import verify_signature
from tests.eseal.pki import NOW, NOW_US, P256, seal_key, seal_pki

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.values import SealKey
    from kokuin.trust.report import Report

CONTENT = b"what the organisation sealed"
HOUR = dt.timedelta(hours=1)


def covers(data: bytes) -> Callable[[str], bytes]:
    return lambda name: DIGEST_BY_NAME[name].of(data)


@dataclass
class Made:
    """A seal to order; `stamps` are (role, time or None for now)."""

    key: SealKey = field(default_factory=seal_key)
    kind: str = "cades-seal"
    stamps: tuple[tuple[StampRole, dt.datetime | None], ...] = ()
    revocation: RevocationData = field(default_factory=RevocationData)
    claimed_us: int | None = NOW_US
    required: tuple[str, ...] = ()
    stamper_suite: str = P256
    seen: bytes = CONTENT
    """What the verifier has instead of the content."""

    def find(self) -> FoundSeal:
        suite = self.key.signer.suite
        signature = self.key.signer.sign(CONTENT)
        signer = read_certificate(self.key.certificate)
        verdict = verify_signature(
            public_key_der=signer.public_key,
            algorithm=suite.algorithm,
            digest=suite.digest,
            message=self.seen,
            signature=signature,
        )
        use = DigestUse(DIGEST_ALGORITHM, DIGEST_BY_NAME[suite.digest].oid, Role.SIGNATURE_DIGEST)
        return FoundSeal(
            self.kind,
            {"content_type": "1.2.840.113549.1.7.1"},
            (self.key.certificate, *self.key.chain),
            signer,
            (SEAL_FORM.ok(), SEAL_CONTENT.ok()),
            (use,),
            suite.algorithm,
            verdict,
            self.claimed_us,
            self.stamped(signature),
            self.revocation,
            self.required,
        )

    def stamped(self, signature: bytes) -> tuple[Stamp, ...]:
        made: list[Stamp] = []
        for index, (role, at) in enumerate(self.stamps):
            data = CONTENT if role is StampRole.CONTENT else signature
            if role in {StampRole.ARCHIVE, StampRole.DOCUMENT}:
                data = b"".join((CONTENT, signature, *(each.token for each in made)))
            stamper = seal_pki().stamper(self.stamper_suite, at=at)
            token = stamper.stamp(covers(data)(stamper.digest))
            held = (self.key.certificate, *self.key.chain, *self.revocation.lists, *self.revocation.answers)
            renews = role in {StampRole.ARCHIVE, StampRole.DOCUMENT}
            made.append(Stamp(token, covers(data), role, index, frozenset(held if renews else ())))
        return tuple(made)


def context(**changes: object) -> Context:
    found = Context(NOW_US + 60_000_000, seal_pki().trust, revocation=seal_pki().revocation())
    return replace(found, **changes)  # type: ignore[arg-type]  # fields by name


def required_revocation(**changes: object) -> Context:
    return context(revocation_mode=RevocationMode.REQUIRED, **changes)


def judged(seal: FoundSeal | Made, by: Context | None = None) -> Report:
    found = seal.find() if isinstance(seal, Made) else seal
    return judge_seal(found, by or context())


def document(*seals: FoundSeal | Made, by: Context | None = None, kind: str = "cms") -> Report:
    found = tuple(each.find() if isinstance(each, Made) else each for each in seals)
    return judge_document(Found(kind, {}, found), by or context())


def verdict(report: Report) -> str:
    return report.indication + (f" {report.sub_indication}" if report.sub_indication else "")


def reasons(report: Report) -> set[str]:
    return {check.reason for check in report.checks if check.reason is not None}


def past(**ago: float) -> dt.datetime:
    return NOW - dt.timedelta(**ago)
