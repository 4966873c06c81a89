"""Tokens judged in a second of processor time, in process, beside raw verifications of the same suite."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from conformance.benchmark.load import Load
from conformance.benchmark.rounds import take_turns
from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.name import distinguished_name
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.encode import NULL
from kokuin.wire.tsp import TimeStampReq
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.benchmark.rounds import Cell

SUITE = "ecdsa-p256-sha256"
WAYS = {"verify, certificates inside": True, "verify, bare": False}
RAW = "raw verifications"
COUNT = 2_000
"""Tokens of one unit that are judged in turn, each with its own serial number and time."""
DATA = bytes(1_000)
_SECOND_US = 1_000_000


def measure_verifying(rounds: int, seconds: float) -> Iterator[Cell]:
    """Measure tokens with the unit's certificate and its authority's inside, and bare ones."""
    signer = SoftwareSigner(suite(SUITE), generate_key(suite(SUITE)))
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    names = [distinguished_name("Benchmark", name) for name in ("root", "authority", "unit")]
    root = CertificateAuthority.root(signer, names[0], now=now, days=3_650, path_length=1)
    below = root.issue_ca(signer.public_key, names[1], now=now, days=3_600, path_length=0)
    authority = CertificateAuthority(signer, below.der)
    unit = authority.issue_unit(signer.public_key, names[2], now=now, days=3_550, key_days=365).der
    made_us = int(now.timestamp()) * _SECOND_US
    trust = TrustStore((root.certificate,), (authority.certificate, read_certificate(unit)))
    context = Context(made_us + 3_600 * _SECOND_US, trust, of_octets(DATA))
    stamping = _unit(signer, unit, below.der, made_us)
    message = bytes(200)
    signature = signer.sign(message)
    reference = {RAW: lambda: _verify(signer, message, signature, seconds / 4)}
    for way, inside in WAYS.items():
        request = _request(certificates=inside)
        tokens = [stamping.issue(request, made_us + number).token for number in range(COUNT)]
        done = take_turns(2 * rounds, partial(_judge, tokens, context, seconds), reference)
        yield done.cell("P-256", way, 1, 1, None)


def _unit(signer: SoftwareSigner, certificate: bytes, authority: bytes, made_us: int) -> TimeStampUnit:
    read = read_certificate(certificate)
    return TimeStampUnit(
        unit_id="unit",
        signer=signer,
        identity=SignerIdentity(certificate, read.issuer, read.serial, read.subject, (authority,)),
        policy="1.3.6.1.4.1.32473.1",
        accuracy_us=_SECOND_US,
        period=KeyPeriod(made_us, made_us + _SECOND_US),
        name_in_token=True,
    )


def _request(*, certificates: bool) -> TimeStampReq:
    imprint = hashlib.sha256(DATA).digest()
    oid = DIGEST_BY_NAME["sha256"].oid
    return TimeStampReq(1, oid, NULL, imprint, None, 7, b"\x02\x01\x07", certificates, ())


def _judge(tokens: list[bytes], context: Context, seconds: float) -> Load:
    """Judge one token after the other; each must pass.

    Raises:
        RuntimeError: one does not.
    """
    times: list[float] = []
    start = begun = time.thread_time()
    while begun < start + seconds:
        report = verify_bytes(tokens[len(times) % len(tokens)], context)
        ended = time.thread_time()
        times.append(ended - begun)
        begun = ended
        if report.sub_indication is not None:
            raise RuntimeError(report.sub_indication)
    rate = len(times) / (begun - start)
    times.sort()
    return Load(rate, times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3)


def _verify(signer: SoftwareSigner, message: bytes, signature: bytes, seconds: float) -> float:
    """Return verifications a second by a key that is loaded once."""
    key = load_der_public_key(signer.public_key)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    algorithm = ec.ECDSA(hashes.SHA256())
    count, start = 0, time.thread_time()
    while (now := time.thread_time()) < start + seconds:
        key.verify(signature, message, algorithm)
        count += 1
    return count / (now - start)
