"""C2SP Wycheproof's vectors, when the corpus has them: signatures made to be accepted by careless verifiers.

`KOKUIN_CORPUS/wycheproof/` holds files of `testvectors_v1` of https://github.com/C2SP/wycheproof.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from pqc.pss import encode_pss_parameters
from pqc.verifying import SignatureOutcome, verify_signature
from tests import peers

if TYPE_CHECKING:
    from pathlib import Path

_ECDSA = {
    "sha256": oids.ECDSA_WITH_SHA256,
    "sha384": oids.ECDSA_WITH_SHA384,
    "sha512": oids.ECDSA_WITH_SHA512,
}
_RSA = {"sha256": oids.SHA256_WITH_RSA, "sha384": oids.SHA384_WITH_RSA, "sha512": oids.SHA512_WITH_RSA}
_EDDSA = {"edwards25519": oids.ID_ED25519, "edwards448": oids.ID_ED448}
_ML_DSA = {"ML-DSA-44": oids.ID_ML_DSA_44, "ML-DSA-65": oids.ID_ML_DSA_65, "ML-DSA-87": oids.ID_ML_DSA_87}


@functools.cache
def _read(path: Path) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return vectors


def _algorithm(name: str, group: dict[str, Any]) -> AlgorithmIdentifier | None:
    """Return the signatureAlgorithm of a group; None for a combination that CMS has no identifier for."""
    digest = str(group.get("sha", "")).lower().replace("-", "")
    match group["type"]:
        case "MlDsaVerify":
            return AlgorithmIdentifier(_ML_DSA[name])
        case "EddsaVerify":
            return AlgorithmIdentifier(_EDDSA[group["publicKey"]["curve"]])
        case "EcdsaVerify" if digest in _ECDSA:
            return AlgorithmIdentifier(_ECDSA[digest])
        case "RsassaPkcs1Verify" if digest in _RSA:
            return AlgorithmIdentifier(_RSA[digest], encode.NULL)
        case "RsassaPssVerify" if digest in DIGEST_BY_NAME and group["mgfSha"] == group["sha"]:
            parameters = encode_pss_parameters(DIGEST_BY_NAME[digest].oid, group["sLen"])
            return AlgorithmIdentifier(oids.ID_RSASSA_PSS, parameters)
    return None


def _wrong(path: Path) -> tuple[list[str], int]:
    vectors, wrong, tried = _read(path), [], 0
    for group in vectors["testGroups"]:
        algorithm = _algorithm(vectors["algorithm"], group)
        key = group.get("publicKeyDer")
        if algorithm is None or key is None:
            continue
        for test in group["tests"]:
            # Our only context is the empty one (RFC 9882 §3.1), and we hash every message ourselves.
            if test.get("ctx") or "msg" not in test:
                continue
            verdict = verify_signature(
                public_key_der=bytes.fromhex(key),
                algorithm=algorithm,
                digest=None,
                message=bytes.fromhex(test["msg"]),
                signature=bytes.fromhex(test["sig"]),
            )
            tried += 1
            valid = verdict.outcome is SignatureOutcome.VALID
            if test["result"] != "acceptable" and valid != (test["result"] == "valid"):
                wrong.append(f"{test['tcId']} {test['comment']}: {verdict.outcome}")
    return wrong, tried


@pytest.mark.parametrize(
    "pattern",
    [
        "mldsa_*_verify_test.json",
        "ecdsa_*_test.json",
        "ed25519_test.json",
        "ed448_test.json",
        "rsa_signature_*",
        "rsa_pss_*",
    ],
)
def test_every_vector_is_judged_as_its_makers_say(pattern: str) -> None:
    files = sorted((peers.corpus() / "wycheproof").glob(pattern))
    if not files:
        pytest.skip(f"the corpus has no wycheproof/{pattern}")
    found = {path.name: _wrong(path) for path in files}
    assert {name: wrong for name, (wrong, _) in found.items() if wrong} == {}
    assert sum(tried for _, tried in found.values()) > 0
