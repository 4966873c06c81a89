"""Bouncy Castle judges what we issue, and we judge what it stamps."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.artefacts import CONTENT
from conformance.interop.bouncycastle.java import bouncy_castle
from conformance.interop.checks import Check
from conformance.interop.envelopes import bouncy_castle_checks
from conformance.interop.verdict import judge_answer
from kokuin.trust.certification_request import read_request
from tests.trust.authorities import name, pki

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.interop.artefacts import Artefacts
    from conformance.interop.bouncycastle.java import BouncyCastle
    from conformance.interop.place import Place

NAMES = {
    "ecdsa-p256-sha256": ("EC", "SHA256withECDSA"),
    "rsa3072-pkcs1-sha256": ("RSA", "SHA256withRSA"),
    "rsa3072-pss-sha256": ("RSA", "SHA256withRSAandMGF1"),
    "ed25519": ("Ed25519", "Ed25519"),
    "ed448": ("Ed448", "Ed448"),
    "ml-dsa-65": ("ML-DSA-65", "ML-DSA-65"),
    "ml-dsa-87": ("ML-DSA-87", "ML-DSA-87"),
    "slh-dsa-sha2-192s": ("SLH-DSA-SHA2-192S", "SLH-DSA-SHA2-192S"),
    "mldsa65-ecdsa-p256-sha512": ("MLDSA65-ECDSA-P256-SHA512", "MLDSA65-ECDSA-P256-SHA512"),
    "mldsa65-ed25519-sha512": ("MLDSA65-Ed25519-SHA512", "MLDSA65-Ed25519-SHA512"),
}
"""Its names of a suite's key and of its signature."""

KINDS = {
    "certificate": ("unit.der", "authority.der"),
    "request": ("request.der",),
    "crl": ("crl.der", "authority.der"),
    "ocsp": ("ocsp.der", "authority.der"),
    "path": ("unit.der", "authority.der", "root.der"),
    "token": ("token.der", "unit.der", "content"),
}
"""What `Judge.java` judges, and the files that it reads for it, the judged one first."""


def checks(place: Place) -> Iterator[Check]:
    """Issued things, tokens and envelopes both ways; raises `AbsentError`."""
    peer = bouncy_castle(place.own("classes"))
    for suite_id in NAMES:
        for kind in KINDS:
            yield Check(f"{suite_id}: it judges our {kind}", partial(_judges, peer, place, suite_id, kind))
        yield Check(
            f"{suite_id}: it judges our token without certificates",
            partial(_judges_bare, peer, place, suite_id),
        )
        yield Check(f"{suite_id}: we verify its request and token", partial(_stamps, peer, place, suite_id))
        yield Check(f"{suite_id}: it stamps with our key", partial(_stamps_with_ours, peer, place, suite_id))
    yield from bouncy_castle_checks(peer, place.own("bouncycastle"))


def _judges(peer: BouncyCastle, place: Place, suite_id: str, kind: str) -> None:
    made = place.artefacts(suite_id)
    first, *others = KINDS[kind]
    rest = [made / each for each in others]
    answers = _judge(peer, kind, *((file, *rest) for file in (made / first, *made.damaged(first))))
    assert answers[0] == "valid", answers[0]
    assert all(answer.startswith("refused") for answer in answers[1:]), answers


def _judges_bare(peer: BouncyCastle, place: Place, suite_id: str) -> None:
    made = place.artefacts(suite_id)
    unit, other = made / "unit.der", made / "request.der"
    answers = _judge(
        peer,
        "token",
        (made / "bare.der", unit, made / "content"),
        (made / "bare.der", unit, other),
        (made / "bare.der", made / "authority.der", made / "content"),
    )
    assert answers[0] == "valid", answers[0]
    assert all(answer.startswith("refused") for answer in answers[1:]), answers


def _judge(peer: BouncyCastle, kind: str, *jobs: tuple[Path, ...]) -> list[str]:
    lines = ["\t".join((kind, *map(str, job))) for job in jobs]
    return peer.run("Judge", given="\n".join(lines)).splitlines()


def _stamps(peer: BouncyCastle, place: Place, suite_id: str) -> None:
    """A key of its own, of which we certify what it asks for; then it stamps."""
    made, own = place.artefacts(suite_id), pki(suite_id)
    key, request, unit = (made / f"castle-{each}.der" for each in ("key", "request", "unit"))
    peer.run("Stamp", "key", *NAMES[suite_id], key, request)
    asked = read_request(request.read_bytes())
    now = dt.datetime.now(dt.UTC)
    issued = own.authority.issue_unit(asked.public_key, name("castle"), now=now, days=10, key_days=5)
    unit.write_bytes(issued.der)
    _stamp(peer, made, key, unit)


def _stamps_with_ours(peer: BouncyCastle, place: Place, suite_id: str) -> None:
    made = place.artefacts(suite_id)
    _stamp(peer, made, made / "key.der", made / "unit.der")


def _stamp(peer: BouncyCastle, made: Artefacts, key: Path, unit: Path) -> None:
    answer = key.with_suffix(".tsr")
    algorithm = NAMES[made.suite.id][1]
    peer.run("Stamp", "stamp", algorithm, key, unit, made / "authority.der", made / "content", answer)
    judge_answer(answer, made / "root.pem", CONTENT)
