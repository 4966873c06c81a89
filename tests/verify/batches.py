"""Folders of time-stamps by a unit of our own, for those who judge many at once."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.name import distinguished_name
from kokuin.verify.batch_judge import Terms
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.encode import NULL
from kokuin.wire.pem import write_block
from kokuin.wire.tsp import TimeStampReq
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.trust.report import Report

SUITE = "ecdsa-p256-sha256"
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
DAY_US = 86_400 * 1_000_000
AT_US = NOW_US + 100 * DAY_US
AT = "2026-09-09T00:00:00Z"
FATAL = b"more than there is memory for"


@dataclass(frozen=True, slots=True)
class Authority:
    """A unit that stamps, and the root above it."""

    root: bytes
    unit: TimeStampUnit

    @property
    def trust(self) -> TrustStore:
        return TrustStore((read_certificate(self.root),))

    @property
    def pem(self) -> bytes:
        return write_block("CERTIFICATE", self.root)

    def stamp(self, data: bytes, gen_us: int = NOW_US) -> bytes:
        """Return a token over data."""
        imprint = hashlib.sha256(data).digest()
        request = TimeStampReq(
            1, DIGEST_BY_NAME["sha256"].oid, NULL, imprint, None, 7, b"\x02\x01\x07", True, ()
        )
        return self.unit.issue(request, gen_us).token


@functools.cache
def authority(days: int = 300) -> Authority:
    """Make an authority whose unit's certificate ends after so many days."""
    signer = SoftwareSigner(suite(SUITE), generate_key(suite(SUITE)))
    root_name, unit_name = (distinguished_name("Test", each) for each in ("root", f"unit {days}"))
    issuer = CertificateAuthority.root(signer, root_name, now=NOW, days=3_000, path_length=0)
    issued = issuer.issue_unit(signer.public_key, unit_name, now=NOW, days=days, key_days=days // 2)
    found = read_certificate(issued.der)
    unit = TimeStampUnit(
        unit_id="unit",
        signer=signer,
        identity=SignerIdentity(found.der, found.issuer, found.serial, found.subject),
        policy="1.3.6.1.4.1.32473.1",
        accuracy_us=1_000_000,
        period=KeyPeriod(NOW_US, NOW_US + days // 2 * DAY_US),
        name_in_token=True,
    )
    return Authority(issuer.certificate.der, unit)


def fill(folder: Path, count: int, step_us: int = 1_000_000) -> list[Path]:
    """Write data and tokens, in folders of a hundred; return the tokens' files."""
    made = []
    for number in range(count):
        data = b"document %d" % number
        path = folder / f"{number // 100:03}" / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        made.append(path.with_name(path.name + ".tsr"))
        made[-1].write_bytes(authority().stamp(data, NOW_US + number * step_us))
    return made


def judge_alone(data: bytes, context: Context, _: Path | None) -> Report:
    return verify_bytes(data, context)


def die_of_fatal(data: bytes, context: Context, _: Path | None) -> Report:
    """Judge, in a process that is killed when it meets certain data."""
    digest = None if context.content is None else context.content("sha256")
    if digest == hashlib.sha256(FATAL).digest():
        os.kill(os.getpid(), signal.SIGKILL)
    return verify_bytes(data, context)


def terms(root: Path, begins: int | None = None, ends: int | None = None) -> Terms:
    return Terms(root, Context(AT_US, authority().trust), begins, ends, judge_alone)
