"""The package jose: verifies our JSON seals as plain JWS, and signs what we read."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.checks import Check
from conformance.interop.javascript.npm import ask, version
from eseal.jades_algorithms import verify
from eseal.jades_create import create
from eseal.jades_critical import REQUIRED
from eseal.jades_form import Serialization, decode_base64url, read_jws
from eseal.jades_payload import Attached, ByUri, Document
from eseal.values import Level, Material
from pqc.verifying import SignatureOutcome
from tests.eseal import pki

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.interop.place import Place
    from eseal.jades_payload import Payload

DATA = '{"name":"試験株式会社","total":1200.5}'.encode()
NAMES = {
    pki.P256: "ES256",
    pki.P384: "ES384",
    pki.PSS: "PS256",
    pki.ED25519: "EdDSA",
    "ml-dsa-44": "ML-DSA-44",
    "ml-dsa-65": "ML-DSA-65",
    "ml-dsa-87": "ML-DSA-87",
}
"""`alg` by the suite of a seal key."""


def checks(place: Place) -> Iterator[Check]:
    """Raises `AbsentError`."""
    del place  # all goes through pipes
    version()
    for suite_id, alg in NAMES.items():
        for form in Serialization:
            yield Check(f"{alg}: it verifies our {form} seal", partial(_verifies, suite_id, form))
            yield Check(f"{alg}: we read its {form} JWS", partial(_reads, alg, form))
    for suite_id in (pki.P256, "ml-dsa-65"):
        yield Check(f"{NAMES[suite_id]}: it verifies our B-LTA seal", partial(_verifies_level, suite_id))
        yield Check(f"{NAMES[suite_id]}: it verifies our detached seal", partial(_verifies_beside, suite_id))
    yield Check("ES256 and ML-DSA-65: it verifies each of both signatures", _verifies_both)


def _seal(payload: Payload, form: Serialization, *suites: str, level: Level = Level.B_B) -> bytes:
    made = pki.seal_pki()
    material = Material((made.authority.certificate.der,), made.revocation())
    return create(
        payload,
        [pki.seal_key(each) for each in suites],
        pki.NOW_US,
        serialization=form,
        level=level,
        stamper=made.stamper(),
        material=material,
    )


def _job(suite_id: str, form: Serialization, sealed: bytes) -> dict[str, object]:
    key = pki.seal_key(suite_id).signer.public_key
    how = {"act": "verify", "serialization": form.value, "alg": NAMES[suite_id], "key": key}
    return {**how, "sealed": sealed.decode()}


def _verifies(suite_id: str, form: Serialization) -> None:
    sealed = _seal(Attached(DATA), form, suite_id)
    other = _seal(Attached(b"{}"), form, suite_id)
    jobs = [_job(suite_id, form, each) for each in (sealed, _with_payload_of(sealed, other))]
    right, wrong = ask("jose", *jobs)
    assert right == {"payload": DATA}, right
    assert wrong == "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", wrong


def _with_payload_of(sealed: bytes, other: bytes) -> bytes:
    """Return a seal over the payload of another one."""
    return sealed.replace(_payload(sealed).encode(), _payload(other).encode())


def _payload(sealed: bytes) -> str:
    return str(read_jws(sealed).payload)


def _verifies_level(suite_id: str) -> None:
    form = Serialization.FLATTENED
    sealed = _seal(Attached(DATA), form, suite_id, level=Level.B_LTA)
    assert ask("jose", _job(suite_id, form, sealed)) == [{"payload": DATA}]


def _verifies_beside(suite_id: str) -> None:
    form = Serialization.FLATTENED
    sealed = _seal(ByUri(Document("invoice.json", DATA), encoded=False), form, suite_id)
    jobs = [_job(suite_id, form, sealed) | {"content": each} for each in (DATA, b"other")]
    right, wrong = ask("jose", *jobs)
    assert right == {"payload": DATA}, right
    assert wrong == "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", wrong


def _verifies_both() -> None:
    form, both = Serialization.GENERAL, (pki.P256, "ml-dsa-65")
    sealed = _seal(Attached(DATA), form, *both)
    for each in read_jws(sealed).signatures:
        header = json.loads(decode_base64url(each.protected, "protected"))
        assert len(header[REQUIRED]) == len(both)
    assert ask("jose", *(_job(suite_id, form, sealed) for suite_id in both)) == [{"payload": DATA}] * 2


def _reads(alg: str, form: Serialization) -> None:
    job = {"act": "sign", "serialization": form.value, "alg": alg, "payload": DATA}
    (answer,) = ask("jose", job)
    jws = read_jws(answer["sealed"])
    (signature,) = jws.signatures
    assert jws.serialization is form
    assert decode_base64url(str(jws.payload), "payload") == DATA
    message = f"{signature.protected}.{jws.payload}".encode()
    value = decode_base64url(signature.signature, "signature")
    for text, outcome in ((message, SignatureOutcome.VALID), (message + b"A", SignatureOutcome.INVALID)):
        assert verify(alg, answer["key"], text, value)[1].outcome is outcome
