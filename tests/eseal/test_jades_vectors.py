"""Published vectors of JOSE, read and verified by our own JWS.

Those of RFC 7515 and RFC 8037 come with jwcrypto. `vectors/jose.json` has keys and results of RFC 7520
§4.1 to §4.3 (https://github.com/ietf-jose/cookbook) and of RFC 9964
(https://github.com/cose-wg/draft-ietf-cose-dilithium, `examples/jose`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwcrypto import jwk  # type: ignore[import-untyped]
from jwcrypto import tests as published

from eseal.jades_algorithms import verify
from eseal.jades_form import read_jws
from pqc.signing import SoftwareSigner
from pqc.suites import SUITES
from pqc.verifying import SignatureOutcome
from tests.eseal.jades import pack, unpack

SHORT = {
    "RFC 7515 A.2": published.A2_example,
    "RFC 7515 A.3": published.A3_example,
    "RFC 7515 A.4": published.A4_example,
}
COOKBOOK = ("4_1.rsa_v15_signature", "4_2.rsa-pss_signature", "4_3.ecdsa_signature")


def public_key(key: dict[str, Any]) -> bytes:
    """SubjectPublicKeyInfo (DER) of a JWK, by jwcrypto."""
    public = jwk.JWK(**key).get_op_key("verify")
    return bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def outcomes(data: bytes, key: bytes) -> list[SignatureOutcome]:
    """What each signature of a JWS is with one key; and that none holds over anything else."""
    jws, found = read_jws(data), []
    for each in jws.signatures:
        alg = json.loads(unpack(each.protected))["alg"]
        message = f"{each.protected}.{jws.payload}".encode()
        value = unpack(each.signature)
        found.append(verify(alg, key, message, value)[1].outcome)
        assert verify(alg, key, message + b"A", value)[1].outcome is not SignatureOutcome.VALID
    return found


def only(data: bytes, key: bytes) -> SignatureOutcome:
    (found,) = outcomes(data, key)
    return found


@pytest.mark.parametrize("name", SHORT)
def test_signatures_of_rfc_7515(name: str) -> None:
    example = SHORT[name]
    parts = (example["protected"].encode(), example["payload"], example["signature"])
    sealed = ".".join(pack(part) for part in parts).encode()
    assert only(sealed, public_key(example["key"])) is SignatureOutcome.VALID


def test_the_signature_of_rfc_8037_and_its_name_by_the_curve() -> None:
    example = published.E_Ed25519
    key = public_key(json.loads(example["key_json"]))
    compact = example["jws_serialization_compact"].encode()
    assert only(compact, key) is SignatureOutcome.VALID
    protected, payload, signature = compact.split(b".")
    _, verdict = verify("Ed25519", key, protected + b"." + payload, unpack(signature.decode()))
    assert verdict.outcome is SignatureOutcome.VALID
    assert verify("Ed448", key, b"", b"")[1].outcome is SignatureOutcome.MALFORMED


def vector(name: str) -> dict[str, Any]:
    vectors = json.loads((Path(__file__).parent / "vectors" / "jose.json").read_bytes())
    return dict(vectors[name])


@pytest.mark.parametrize("name", COOKBOOK)
def test_signatures_of_rfc_7520_in_every_serialisation(name: str) -> None:
    found = vector(f"rfc7520-{name}")
    key = public_key(found["key"])
    for form in ("compact", "json", "json_flat"):
        written = found[form]
        data = written if isinstance(written, str) else json.dumps(written)
        assert only(data.encode(), key) is SignatureOutcome.VALID


@pytest.mark.parametrize("number", [44, 65, 87])
def test_signatures_of_rfc_9964_and_the_keys_of_their_seeds(number: int) -> None:
    found = vector(f"rfc9964-ML_DSA_{number}")
    key = public_key(found["jwk"])
    assert only(found["jws"].encode(), key) is SignatureOutcome.VALID
    private = jwk.JWK(**found["jwk"]).get_op_key("sign")
    signer = SoftwareSigner(SUITES[f"ml-dsa-{number}"], private)
    assert signer.public_key == key
    message = found["jws"].rpartition(".")[0].encode()
    assert verify(f"ML-DSA-{number}", key, message, signer.sign(message))[1].outcome is SignatureOutcome.VALID
