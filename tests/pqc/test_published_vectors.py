"""Published vectors of the post-quantum standards and drafts, when the corpus has them.

`KOKUIN_CORPUS` may hold:

- `composite/`: `src/testvectors.json` of https://github.com/lamps-wg/draft-composite-sigs, the example and
  its certificate from `examples/` of https://github.com/lamps-wg/cms-composite-sigs, and `*-45-*.der`,
  `*-48-*.der` as below;
- `ml-dsa/`: `examples/` of https://github.com/lamps-wg/dilithium-certificates (RFC 9881) and of
  https://github.com/lamps-wg/cms-ml-dsa (RFC 9882);
- `slh-dsa/`: self-signed certificates (`*-22-ta.der`, `*-24-ta.der`), their keys (`*-priv.der`) and messages
  (`*-signed-attrs.der`) out of `providers/*/artifacts_certs_r5.zip` and `artifacts_cms_v3.zip` of
  https://github.com/IETF-Hackathon/pqc-certificates; the number is the last arc of the algorithm.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.trust.certificate import read_certificate
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_OID, AlgorithmIdentifier
from kokuin.wire.ber import to_definite
from kokuin.wire.cms import read_signed_data
from kokuin.wire.pem import read_blocks, write_block
from pqc.composite import CompositeVerifier
from pqc.keyfiles import KeyFileError, KeyFileProblem, read_key
from pqc.keyinfo import encode_public_info, private_info, public_info, read_private_info, read_public_info
from pqc.registry import scheme_of
from pqc.signing import SoftwareSigner
from pqc.suites import SUITES, Suite, suite
from pqc.verifying import SignatureOutcome, verify_signature
from tests import peers

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.trust.certificate import Certificate

DRAFT_IDS = {
    "id-MLDSA65-ECDSA-P256-SHA512": "mldsa65-ecdsa-p256-sha512",
    "id-MLDSA65-Ed25519-SHA512": "mldsa65-ed25519-sha512",
}
EACH_DRAFT = pytest.mark.parametrize("name", DRAFT_IDS)
BY_OID = {each.algorithm.oid: each for each in SUITES.values()}


def file_of(folder: str, name: str) -> Path:
    path = peers.corpus() / folder / name
    if not path.exists():
        pytest.skip(f"the corpus has no {folder}/{name}")
    return path


def files_of(folder: str, pattern: str) -> list[Path]:
    found = sorted((peers.corpus() / folder).glob(pattern))
    if not found:
        pytest.skip(f"the corpus has no {folder}/{pattern}")
    return found


def draft_vector(name: str) -> dict[str, bytes]:
    vectors = json.loads(file_of("composite", "testvectors.json").read_text(encoding="utf-8"))
    test: dict[str, Any] = next(each for each in vectors["tests"] if each["tcId"] == name)
    found = {key: base64.b64decode(value) for key, value in test.items() if key not in {"tcId", "oid"}}
    return {**found, "m": base64.b64decode(vectors["m"]), "ctx": base64.b64decode(vectors["ctx"])}


def outcome(each: Suite, spki: bytes, message: bytes, signature: bytes) -> SignatureOutcome:
    return verify_signature(
        public_key_der=spki,
        algorithm=each.algorithm,
        digest=each.digest,
        message=message,
        signature=signature,
    ).outcome


@EACH_DRAFT
def test_the_composite_drafts_signatures_verify_with_and_without_context(name: str) -> None:
    vector, each = draft_vector(name), suite(DRAFT_IDS[name])
    spki = encode_public_info(each.algorithm, vector["pk"])
    assert outcome(each, spki, vector["m"], vector["s"]) is SignatureOutcome.VALID
    assert outcome(each, spki, vector["m"] + b".", vector["s"]) is SignatureOutcome.INVALID
    assert outcome(each, spki, vector["m"], vector["sWithContext"]) is SignatureOutcome.INVALID
    key = scheme_of(each).load_public(read_public_info(spki))
    assert isinstance(key, CompositeVerifier)
    key.verify(each.algorithm, None, vector["m"], vector["sWithContext"], context=vector["ctx"])


@EACH_DRAFT
def test_the_composite_drafts_certificates_verify_and_hold_the_key(name: str) -> None:
    vector, each = draft_vector(name), suite(DRAFT_IDS[name])
    certificate = read_certificate(vector["x5c"])
    assert certificate.public_key == encode_public_info(each.algorithm, vector["pk"])
    assert certificate.signed_by(certificate.public_key).outcome is SignatureOutcome.VALID


@EACH_DRAFT
def test_the_composite_drafts_private_keys_are_read_and_written_alike(name: str) -> None:
    vector, each = draft_vector(name), suite(DRAFT_IDS[name])
    private = read_private_info(vector["sk_pkcs8"])
    assert (private.octets, private.algorithm) == (vector["sk"], each.algorithm)
    key = scheme_of(each).load_private(private)
    assert private_info(key) == vector["sk_pkcs8"]
    assert public_info(key) == encode_public_info(each.algorithm, vector["pk"])
    signer = SoftwareSigner(each, key)
    assert outcome(each, signer.public_key, vector["m"], signer.sign(vector["m"])) is SignatureOutcome.VALID


def check_cms(cms: bytes, certificate: Certificate) -> AlgorithmIdentifier:
    """Verify message digest and signature of a SignedData with one SignerInfo; return its digestAlgorithm."""
    signed = read_signed_data(cms)
    (info,) = signed.signer_infos
    digest = DIGEST_BY_OID[info.digest_algorithm.oid]
    assert info.signed_values(oids.ID_MESSAGE_DIGEST) == (
        encode.octet_string(digest.of(signed.content or b"")),
    )
    outcomes = [
        verify_signature(
            public_key_der=certificate.public_key,
            algorithm=info.signature_algorithm,
            digest=digest.name,
            message=message,
            signature=info.signature,
        ).outcome
        for message in info.signed_octets()
    ]
    assert SignatureOutcome.VALID in outcomes
    return info.digest_algorithm


def block_of(path: Path) -> bytes:
    octets = path.read_bytes()
    return read_blocks(octets, 8)[0][1] if b"-----BEGIN" in octets else octets


def test_the_composite_example_in_cms_verifies_under_its_pre_hash() -> None:
    name = "id-MLDSA65-ECDSA-P256-SHA512"
    cms = block_of(file_of("composite", f"{name}-signed-attrs.pem"))
    certificate = read_certificate(block_of(file_of("composite", f"{name}.crt")))
    assert check_cms(cms, certificate) == suite(DRAFT_IDS[name]).digest_algorithm


@pytest.mark.parametrize("number", [44, 65, 87])
def test_the_examples_of_rfc_9882_verify(number: int) -> None:
    cms = block_of(file_of("ml-dsa", f"mldsa{number}-signed-attrs.pem"))
    certificate = read_certificate(block_of(file_of("ml-dsa", f"ML-DSA-{number}.crt")))
    assert certificate.signed_by(certificate.public_key).outcome is SignatureOutcome.VALID
    assert check_cms(cms, certificate).parameters is None


def test_slh_dsa_messages_of_other_implementations_verify_under_sha_512() -> None:
    for path in files_of("slh-dsa", "*-signed-attrs.der"):
        cms = to_definite(path.read_bytes())
        (certificate,) = (
            read
            for read in map(read_certificate, read_signed_data(cms).certificates)
            if read.signature_algorithm.oid in BY_OID
        )
        # RFC 9814 §4: what our suites write too.
        assert check_cms(cms, certificate) == BY_OID[certificate.signature_algorithm.oid].digest_algorithm


def private_key_file(path: Path, folder: Path) -> Path:
    """A copy that its owner alone may read, as PEM without the text around it."""
    copy = folder / path.name
    copy.write_bytes(write_block("PRIVATE KEY", block_of(path)))
    copy.chmod(0o600)
    return copy


@pytest.mark.parametrize("number", [44, 65, 87])
def test_the_private_keys_of_rfc_9881_are_read_where_they_have_the_seed(number: int, tmp_path: Path) -> None:
    certificate = read_certificate(block_of(file_of("ml-dsa", f"ML-DSA-{number}.crt")))
    for form in ("seed", "both"):
        path = private_key_file(file_of("ml-dsa", f"ML-DSA-{number}-{form}.priv"), tmp_path)
        assert public_info(read_key(path, None)) == certificate.public_key
    path = private_key_file(file_of("ml-dsa", f"ML-DSA-{number}-expanded.priv"), tmp_path)
    with pytest.raises(KeyFileError) as caught:
        read_key(path, None)
    assert caught.value.problem is KeyFileProblem.UNSUPPORTED


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_bad_private_keys_of_rfc_9881_are_refused(number: int, tmp_path: Path) -> None:
    path = private_key_file(file_of("ml-dsa", f"bad-ML-DSA-44-{number}.priv"), tmp_path)
    with pytest.raises(KeyFileError):
        read_key(path, None)


@pytest.mark.parametrize("folder", ["slh-dsa", "composite"])
def test_certificates_of_other_implementations_verify_and_their_keys_are_read(folder: str) -> None:
    for path in files_of(folder, "*-ta.der"):
        certificate = read_certificate(path.read_bytes())
        each = BY_OID[certificate.signature_algorithm.oid]
        verdict = certificate.signed_by(certificate.public_key)
        if (folder, path.name) == ("composite", "carl-redhound-45-ta.der"):
            # Its point is written compressed, against §4 of the draft: a key would have two forms.
            assert verdict.outcome is SignatureOutcome.MALFORMED
            continue
        assert verdict.outcome is SignatureOutcome.VALID, path
        assert verdict.key is not None
        assert verdict.key.name == each.key
        changed = bytearray(certificate.signature)
        changed[len(changed) // 2] ^= 1
        refused = outcome(each, certificate.public_key, certificate.tbs, bytes(changed))
        assert refused is SignatureOutcome.INVALID, path
        private = path.with_name(path.name.replace("-ta.", "-priv."))
        if private.exists():
            key = scheme_of(each).load_private(read_private_info(private.read_bytes()))
            assert public_info(key) == certificate.public_key, path
