"""The closed table of signature suites: whole combinations, never free mixing.

A suite fixes key type, size, padding and digest. One table feeds CMS, X.509,
the ledger's `suites` field, and what a policy may name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from pqc.pss import encode_pss_parameters


class Family(StrEnum):
    """How a signature is computed: each family has one scheme in `pqc.registry`."""

    RSA_PKCS1 = "rsa-pkcs1"
    RSA_PSS = "rsa-pss"
    ECDSA = "ecdsa"
    EDDSA = "eddsa"
    ML_DSA = "ml-dsa"
    SLH_DSA = "slh-dsa"
    COMPOSITE_ML_DSA = "composite-ml-dsa"


@dataclass(frozen=True, slots=True)
class Suite:
    """One signature suite.

    Attributes:
        id: stable name, used in configuration, ledger and reports.
        family: how it signs.
        key: name of the key type (`P-256`, `RSA-3072`, `ML-DSA-65`).
        algorithm: signatureAlgorithm of SignerInfo and certificates.
        digest: digestAlgorithm of SignerInfo: hash of the content and, with RSA and ECDSA, of the
            signed attributes too.
        signature_size: octets of a signature, the greatest there can be.
        classical_bits: strength against classical attack, bits.
        quantum_category: NIST category against quantum attack, 0 for none.
        jose: JOSE `alg`, None where there is none.
        issue: False for suites that are only verified.
        draft: its standard is not published yet, so that its octets may still change.
        components: ids of the suites of its halves, the post-quantum one first; empty for a simple one.
    """

    id: str
    family: Family
    key: str
    algorithm: AlgorithmIdentifier
    digest: str
    signature_size: int
    classical_bits: int
    quantum_category: int = 0
    jose: str | None = None
    issue: bool = True
    draft: bool = False
    components: tuple[str, ...] = ()

    @property
    def digest_algorithm(self) -> AlgorithmIdentifier:
        """AlgorithmIdentifier of `digest`; SHA-2 has no parameters (RFC 5754 §2)."""
        digest = DIGEST_BY_NAME[self.digest]
        return AlgorithmIdentifier(digest.oid, digest.parameters)


def _rsa(bits: int, digest: str, strength: int, *, issue: bool = True) -> tuple[Suite, Suite]:
    number = digest.removeprefix("sha")
    pkcs1 = {"sha256": oids.SHA256_WITH_RSA, "sha384": oids.SHA384_WITH_RSA}[digest]
    key, size = f"RSA-{bits}", bits // 8
    return (
        Suite(
            f"rsa{bits}-pkcs1-{digest}",
            Family.RSA_PKCS1,
            key,
            AlgorithmIdentifier(pkcs1, encode.NULL),
            digest,
            size,
            strength,
            jose=f"RS{number}",
            issue=issue,
        ),
        Suite(
            f"rsa{bits}-pss-{digest}",
            Family.RSA_PSS,
            key,
            AlgorithmIdentifier(
                oids.ID_RSASSA_PSS,
                encode_pss_parameters(DIGEST_BY_NAME[digest].oid, DIGEST_BY_NAME[digest].size),
            ),
            digest,
            size,
            strength,
            jose=f"PS{number}",
            issue=issue,
        ),
    )


def _ecdsa(curve: str, digest: str, oid: str, size: int, strength: int) -> Suite:
    return Suite(
        f"ecdsa-{curve.replace('-', '').lower()}-{digest}",
        Family.ECDSA,
        curve,
        AlgorithmIdentifier(oid),
        digest,
        size,
        strength,
        jose=f"ES{digest.removeprefix('sha')}",
    )


def _ml_dsa(number: int, oid: str, size: int, strength: int, category: int) -> Suite:
    # RFC 9882 §3.3: parameters absent, pure mode, empty context; SHA-512 is the digest all must support.
    return Suite(
        f"ml-dsa-{number}",
        Family.ML_DSA,
        f"ML-DSA-{number}",
        AlgorithmIdentifier(oid),
        "sha512",
        size,
        strength,
        category,
        jose=f"ML-DSA-{number}",
    )


def _slh_dsa(name: str, oid: str, size: int, strength: int, category: int) -> Suite:
    # RFC 9814 §4: parameters absent, pure mode; SHA-512 goes with the SHA-2 sets of 192 and 256 bits.
    return Suite(
        f"slh-dsa-sha2-{name}",
        Family.SLH_DSA,
        f"SLH-DSA-SHA2-{name}",
        AlgorithmIdentifier(oid),
        "sha512",
        size,
        strength,
        category,
    )


def _composite(key: str, oid: str, size: int, traditional: str) -> Suite:
    # draft-ietf-lamps-cms-composite-sigs-05 §3: the digest is the algorithm's pre-hash, parameters absent.
    # Both halves must fall, so the strengths are those of the stronger half.
    return Suite(
        key.lower(),
        Family.COMPOSITE_ML_DSA,
        key,
        AlgorithmIdentifier(oid),
        "sha512",
        size,
        192,
        3,
        draft=True,
        components=("ml-dsa-65", traditional),
    )


SUITES: dict[str, Suite] = {
    suite.id: suite
    for suite in (
        *_rsa(2048, "sha256", 112, issue=False),
        *_rsa(3072, "sha256", 128),
        *_rsa(4096, "sha384", 140),
        _ecdsa("P-256", "sha256", oids.ECDSA_WITH_SHA256, 72, 128),
        _ecdsa("P-384", "sha384", oids.ECDSA_WITH_SHA384, 104, 192),
        _ecdsa("P-521", "sha512", oids.ECDSA_WITH_SHA512, 139, 256),
        # RFC 8419 §2.3: Ed25519 with signed attributes uses SHA-512 as message digest.
        Suite(
            "ed25519",
            Family.EDDSA,
            "Ed25519",
            AlgorithmIdentifier(oids.ID_ED25519),
            "sha512",
            64,
            128,
            jose="EdDSA",
        ),
        # RFC 8419 §3.1: Ed448 with signed attributes uses SHAKE256 with 512 bits, under id-shake256-len.
        Suite(
            "ed448",
            Family.EDDSA,
            "Ed448",
            AlgorithmIdentifier(oids.ID_ED448),
            "shake256-512",
            114,
            224,
            jose="EdDSA",
        ),
        _ml_dsa(44, oids.ID_ML_DSA_44, 2420, 128, 2),
        _ml_dsa(65, oids.ID_ML_DSA_65, 3309, 192, 3),
        _ml_dsa(87, oids.ID_ML_DSA_87, 4627, 256, 5),
        _slh_dsa("192s", oids.ID_SLH_DSA_SHA2_192S, 16224, 192, 3),
        _slh_dsa("256s", oids.ID_SLH_DSA_SHA2_256S, 29792, 256, 5),
        _composite("MLDSA65-ECDSA-P256-SHA512", oids.ID_MLDSA65_ECDSA_P256_SHA512, 3381, "ecdsa-p256-sha256"),
        _composite("MLDSA65-Ed25519-SHA512", oids.ID_MLDSA65_ED25519_SHA512, 3373, "ed25519"),
    )
}
"""Every suite by its id."""


class UnknownSuiteError(LookupError):
    """No suite of that id is in the table."""


def suite(suite_id: str) -> Suite:
    """Return the suite named `suite_id`.

    Raises:
        UnknownSuiteError: the table has no such id.
    """
    try:
        return SUITES[suite_id]
    except KeyError:
        raise UnknownSuiteError(suite_id) from None
