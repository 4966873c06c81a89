"""Node.js from 26 on: what its OpenSSL says of our ML-DSA tokens, certificates and ML-KEM keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asn1crypto import cms  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from conformance.interop.checks import Check
from conformance.interop.javascript.npm import ask, version
from pqc.envelope_suites import KemKind
from pqc.kem import generate_kem_key
from pqc.keyinfo import private_info
from pqc.suites import SUITES
from pqc.verifying import SignatureOutcome, verify_signature
from tests.pqc.keys import key_of, signer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.interop.artefacts import Artefacts
    from conformance.interop.place import Place

SUITE_IDS = ("ml-dsa-44", "ml-dsa-65", "ml-dsa-87", "slh-dsa-sha2-192s", "slh-dsa-sha2-256s")


def checks(place: Place) -> Iterator[Check]:
    """Tokens, chains and secrets; raises `AbsentError`."""
    version()
    for suite_id in SUITE_IDS:
        yield Check(
            f"{suite_id}: it verifies our token's signature", partial(_verifies_token, place, suite_id)
        )
        yield Check(f"{suite_id}: it verifies our chain", partial(_verifies_chain, place, suite_id))
        yield Check(f"{suite_id}: we verify its signature with our key", partial(_signs, suite_id))
    for kind in (KemKind.ML_KEM_768, KemKind.ML_KEM_1024):
        yield Check(f"{kind}: secrets both ways", partial(_exchanges, kind))


def _verifies_token(place: Place, suite_id: str) -> None:
    made = place.artefacts(suite_id)
    # asn1crypto, not our reader, says what is signed: the attributes under the tag of a SET (RFC 5652 §5.4).
    (signer,) = cms.ContentInfo.load((made / "token.der").read_bytes())["content"]["signer_infos"]
    attributes = signer["signed_attrs"].untag().dump(force=True)
    job = {"act": "verify", "public": signer_of(made.suite).public_key, "message": attributes}
    signature = signer["signature"].native
    other = bytes((signature[0] ^ 1,)) + signature[1:]
    answers = ask(
        "node",
        {**job, "signature": signature},
        {**job, "signature": other},
        {**job, "signature": signature, "message": attributes + b"."},
    )
    assert answers == [True, False, False]


def _verifies_chain(place: Place, suite_id: str) -> None:
    made = place.artefacts(suite_id)
    damaged = made.damaged("unit.der")[0].name
    pairs = (("root", "root"), ("authority", "root"), ("unit", "authority"), (damaged, "authority"))
    jobs = [
        {"act": "issued", "certificate": _octets(made, one), "issuer": _octets(made, other)}
        for one, other in pairs
    ]
    assert ask("node", *jobs) == [True, True, True, False]


def _octets(made: Artefacts, name: str) -> bytes:
    return (made / (name if "." in name else f"{name}.der")).read_bytes()


def _signs(suite_id: str) -> None:
    suite, message = SUITES[suite_id], b"signed by node"
    job = {"act": "sign", "private": private_info(key_of(suite)), "message": message}
    (answer,) = ask("node", job)
    outcome = partial(
        verify_signature, public_key_der=signer_of(suite).public_key, algorithm=suite.algorithm, digest=None
    )
    assert outcome(message=message, signature=answer["signature"]).outcome is SignatureOutcome.VALID
    assert outcome(message=b"other", signature=answer["signature"]).outcome is SignatureOutcome.INVALID


def _exchanges(kind: KemKind) -> None:
    key = generate_kem_key(kind).ml_kem
    public = key.public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (theirs,) = ask("node", {"act": "encapsulate", "public": spki})
    assert key.decapsulate(theirs["ciphertext"]) == theirs["secret"]
    secret, ciphertext = public.encapsulate()
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (ours,) = ask("node", {"act": "decapsulate", "private": private, "ciphertext": ciphertext})
    assert ours["secret"] == secret
