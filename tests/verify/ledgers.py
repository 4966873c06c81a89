"""A unit, the ledger of what it issued, and bundles of it that a fake reader has checked already."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_vouching import FoundStamp
from kokuin.ledger.checkpoint import read_checkpoint, sign_line
from kokuin.ledger.leaf import leaf_hash, make_leaf, read_leaf
from kokuin.ledger.log_keys import verifier_key
from kokuin.ledger.note import SignatureType
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.tlog_proof import TlogProof
from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.name import distinguished_name
from kokuin.trust.records import TST_ISSUED, Record
from kokuin.verify.ledger_claim import BundleFacts, BundleRefusedError
from kokuin.verify.ledger_search import Sought
from kokuin.verify.ledger_vouching import Vouched
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.encode import NULL
from kokuin.wire.tsp import TimeStampReq
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
from tests.ledger.notes import log, signer
from tests.ledger.rfc6962 import mth, path
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from kokuin.ledger.log_keys import LogSigner
    from kokuin.trust.records import LeafValue
    from kokuin.verify.ledger_claim import Auditor
    from tsa.unit import IssuedToken

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
NOW_S = int(NOW.timestamp())
NOW_US = NOW_S * 1_000_000
SECOND = 1_000_000
COMMIT_US = 1000
STEP_S = 20
"""A token every twenty seconds."""
LIVES = {"brief": 20}
"""Days for which the certificates of some units are valid."""


@functools.cache
def authority() -> CertificateAuthority:
    """Return the root of all units here."""
    signer = SoftwareSigner(suite("ecdsa-p256-sha256"), generate_key(suite("ecdsa-p256-sha256")))
    return CertificateAuthority.root(
        signer, distinguished_name("Test", "root"), now=NOW, days=300, path_length=0
    )


@functools.cache
def unit(name: str = "unit") -> TimeStampUnit:
    """Return a unit; who calls it holds its key, as a thief does."""
    signer = SoftwareSigner(suite("ecdsa-p256-sha256"), generate_key(suite("ecdsa-p256-sha256")))
    subject = distinguished_name("Test", name)
    days = LIVES.get(name, 200)
    issued = authority().issue_unit(signer.public_key, subject, now=NOW, days=days, key_days=days // 2)
    certificate = read_certificate(issued.der)
    identity = SignerIdentity(certificate.der, certificate.issuer, certificate.serial, certificate.subject)
    return TimeStampUnit(
        unit_id=name,
        signer=signer,
        identity=identity,
        policy="1.3.6.1.4.1.32473.1",
        accuracy_us=SECOND,
        period=KeyPeriod(NOW_US - 10**12, NOW_US + 10**12),
        name_in_token=True,
    )


def issue(at_s: float, data: bytes = b"data", by: str = "unit") -> IssuedToken:
    """Return a token of a time in seconds from `NOW`, signed by the unit's key wherever that is."""
    digest = DIGEST_BY_NAME["sha512"]
    request = TimeStampReq(1, digest.oid, NULL, digest.of(data), None, None, b"", True, ())
    return unit(by).issue(request, NOW_US + int(at_s * SECOND))


def sought(token: bytes) -> Sought:
    """Return what to look for; the token is one."""
    found = Sought.of(token)
    assert found is not None
    return found


def context(at_s: int = 3600) -> Context:
    """Return by what is judged, an hour later."""
    return Context(NOW_US + at_s * SECOND, TrustStore((authority().certificate,)))


def issued_record(issued: IssuedToken, **more: LeafValue) -> Record:
    """Return the record that the service makes of a token."""
    fields: Mapping[str, LeafValue] = {
        "tok": hashlib.sha256(issued.token).hexdigest(),
        "tok512": hashlib.sha512(issued.token).hexdigest(),
        **more,
    }
    return Record(TST_ISSUED, fields, issued.serial, issued.token, "unit", issued.gen_us)


def issued_leaf(issued: IssuedToken, at_s: float | None = None, **more: LeafValue) -> bytes:
    """Return the leaf of a token, committed at once or at a time from `NOW`."""
    at_us = issued.gen_us + COMMIT_US if at_s is None else NOW_US + int(at_s * SECOND)
    return make_leaf(issued_record(issued, **more), at_us)


def other_leaf(kind: str, at_s: float, **fields: LeafValue) -> bytes:
    """Return a leaf of another kind."""
    return make_leaf(Record(kind, fields), NOW_US + int(at_s * SECOND))


@functools.cache
def genuine() -> tuple[IssuedToken, ...]:
    """Return the tokens that the service issued."""
    return tuple(issue(at_s) for at_s in range(-600, 601, STEP_S))


@dataclass
class Ledger:
    """Leaves in their order; by default tokens from ten minutes before `NOW` to ten minutes after it."""

    leaves: list[bytes] = field(default_factory=lambda: [issued_leaf(each) for each in genuine()])
    signer: LogSigner = field(default_factory=log)

    def checkpoint(self, at_s: int, size: int | None = None) -> bytes:
        """Return the signed checkpoint of a size, made at a time from `NOW`."""
        hashes = [leaf_hash(leaf) for leaf in self.leaves[:size]]
        return self.signer.sign(len(hashes), mth(hashes), NOW_S + at_s)

    def read(  # noqa: PLR0913  # what a bundle consists of
        self,
        shown: Container[int] | None = None,
        *,
        size: int | None = None,
        signed_at_s: int = 600,
        cosigned: Callable[[bytes], bytes] = lambda octets: octets,
        stamps: Callable[[bytes], tuple[bytes, ...]] = lambda _: (),
        fault: str = "",
    ) -> Callable[..., BundleFacts]:
        """Return who reads a bundle of these records, all by default."""
        bare = self.checkpoint(signed_at_s, size)

        def read(auditor: Auditor, visit: Callable[[int, Mapping[str, LeafValue]], None]) -> BundleFacts:
            try:
                signed = auditor.logs.check(cosigned(bare))
                cosigners = () if auditor.witnesses is None else auditor.witnesses.cosigners(signed)
            except NoteError as error:
                raise BundleRefusedError(error.fault.value) from error
            for index, leaf in enumerate(self.leaves[:size]):
                if shown is None or index in shown:
                    visit(index, read_leaf(leaf))
            if fault:
                raise BundleRefusedError(fault)
            found = tuple(FoundStamp(signed.checkpoint.size, each, bare) for each in stamps(bare))
            return BundleFacts(Vouched(signed, cosigners, found))

        return read

    def proof(self, index: int, at_s: int = 600) -> TlogProof:
        """Return the proof that travels with the token of a record."""
        hashes = [leaf_hash(leaf) for leaf in self.leaves]
        return TlogProof(index, tuple(path(index, hashes)), self.checkpoint(at_s), self.leaves[index])


def at(at_s: int) -> int:
    """Return the index of the record of a time from `NOW`."""
    return (at_s + 600) // STEP_S


def cosigner(name: str, at_s: int) -> Callable[[bytes], bytes]:
    """Return a witness that signs at a time from `NOW`."""
    kind, held = SignatureType.ML_DSA_44_COSIGNATURE, signer("ml-dsa-44", name)

    def cosign(octets: bytes) -> bytes:
        signed = read_checkpoint(octets)
        line = sign_line(verifier_key(name, kind, held), held, signed.checkpoint, NOW_S + at_s)
        return signed.note.with_lines([line]).encode()

    return cosign


def policy(quorum: int, *names: str) -> bytes:
    """Return a witness policy: so many of these."""
    kind = SignatureType.ML_DSA_44_COSIGNATURE
    keys = {name: verifier_key(name, kind, signer("ml-dsa-44", name)).encode() for name in names}
    lines = [f"witness {name} {key}\n" for name, key in keys.items()]
    return "".join([*lines, f"group all {quorum} {' '.join(names)}\n", "quorum all\n"]).encode()


def stamped(by: str, at_s: int) -> Callable[[bytes], tuple[bytes, ...]]:
    """Return who time-stamps a checkpoint at a time from `NOW`."""
    return lambda note: (issue(at_s, note, by).token,)
