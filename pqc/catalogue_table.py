"""The algorithms that a catalogue may name, by OID: the table against which every OID of one is checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from kokuin.wire import oids
from kokuin.wire.algorithms import DIGESTS


class Kind(StrEnum):
    """What an entry evaluates."""

    HASH = "hash"
    RSA = "rsa"
    ECDSA = "ecdsa"
    """ECDSA with one hash, on any curve."""
    CURVE = "curve"
    """A curve, for ECDSA with any hash."""
    KEY = "key"
    """A signature whose key says all."""
    KEM = "kem"


@dataclass(frozen=True, slots=True)
class Entry:
    """One algorithm.

    Attributes:
        oid: dotted.
        kind: what it is.
        name: how a catalogue that we write calls it.
        algorithm: as `pqc.subjects.Subject` has it.
        key: name of the key type; empty where there is none.
        bits: length of a curve's field; else 0.
        digest: the hash that the OID names beside the signature; empty where it names none.
    """

    oid: str
    kind: Kind
    name: str
    algorithm: str
    key: str = ""
    bits: int = 0
    digest: str = ""


_RSA = {
    "sha1": oids.SHA1_WITH_RSA,
    "sha224": oids.SHA224_WITH_RSA,
    "sha256": oids.SHA256_WITH_RSA,
    "sha384": oids.SHA384_WITH_RSA,
    "sha512": oids.SHA512_WITH_RSA,
}
_ECDSA = {
    "sha1": oids.ECDSA_WITH_SHA1,
    "sha224": oids.ECDSA_WITH_SHA224,
    "sha256": oids.ECDSA_WITH_SHA256,
    "sha384": oids.ECDSA_WITH_SHA384,
    "sha512": oids.ECDSA_WITH_SHA512,
}
_CURVES = (
    ("secp224r1", "1.3.132.0.33", "secp224r1", 224),
    ("secp256r1", "1.2.840.10045.3.1.7", "P-256", 256),
    ("secp384r1", "1.3.132.0.34", "P-384", 384),
    ("secp521r1", "1.3.132.0.35", "P-521", 521),
    ("secp256k1", "1.3.132.0.10", "secp256k1", 256),
    ("brainpoolP256r1", "1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
    ("brainpoolP384r1", "1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
    ("brainpoolP512r1", "1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
    ("FRP256v1", "1.2.250.1.223.101.256.1", "FRP256v1", 256),
)
_SIGNATURES = "2.16.840.1.101.3.4.3"
"""NIST's arc of signature algorithms."""
_SLH_DSA = tuple(
    f"SLH-DSA-{family}-{size}{speed}"
    for family in ("SHA2", "SHAKE")
    for size in (128, 192, 256)
    for speed in ("s", "f")
)
_COMPOSITES = {
    45: "MLDSA65-ECDSA-P256-SHA512",
    46: "MLDSA65-ECDSA-P384-SHA512",
    48: "MLDSA65-Ed25519-SHA512",
    49: "MLDSA87-ECDSA-P384-SHA512",
    51: "MLDSA87-Ed448-SHAKE256",
    54: "MLDSA87-ECDSA-P521-SHA512",
}
"""draft-ietf-lamps-pq-composite-sigs-19 §6: last arcs below 1.3.6.1.5.5.7.6."""

ENTRIES: tuple[Entry, ...] = (
    *(Entry(each.oid, Kind.HASH, each.name.upper().replace("_", "-"), each.name) for each in DIGESTS),
    *(
        Entry(oid, Kind.RSA, f"{digest}WithRSAEncryption", "rsa-pkcs1", digest=digest)
        for digest, oid in _RSA.items()
    ),
    Entry(oids.ID_RSASSA_PSS, Kind.RSA, "rsassa-pss", "rsa-pss"),
    *(
        Entry(oid, Kind.ECDSA, f"ECDSA with SHA-{digest.removeprefix('sha')}", "ecdsa", digest=digest)
        for digest, oid in _ECDSA.items()
    ),
    *(Entry(oid, Kind.CURVE, name, "ecdsa", key, bits) for name, oid, key, bits in _CURVES),
    Entry(oids.ID_ED25519, Kind.KEY, "Ed25519", "eddsa", "Ed25519"),
    Entry(oids.ID_ED448, Kind.KEY, "Ed448", "eddsa", "Ed448"),
    *(
        Entry(f"{_SIGNATURES}.{arc}", Kind.KEY, f"ML-DSA-{size}", "ml-dsa", f"ML-DSA-{size}")
        for arc, size in ((17, 44), (18, 65), (19, 87))
    ),
    *(
        Entry(f"{_SIGNATURES}.{arc}", Kind.KEY, f"HashML-DSA-{size}", "hash-ml-dsa", f"HashML-DSA-{size}")
        for arc, size in ((32, 44), (33, 65), (34, 87))
    ),
    *(
        Entry(f"{_SIGNATURES}.{arc}", Kind.KEY, name, "slh-dsa", name)
        for arc, name in enumerate(_SLH_DSA, start=20)
    ),
    *(
        Entry(f"1.3.6.1.5.5.7.6.{arc}", Kind.KEY, name, "composite-ml-dsa", name)
        for arc, name in _COMPOSITES.items()
    ),
    *(
        Entry(f"2.16.840.1.101.3.4.4.{arc}", Kind.KEM, f"ML-KEM-{size}", f"ml-kem-{size}")
        for arc, size in ((1, 512), (2, 768), (3, 1024))
    ),
)
"""Every algorithm that a catalogue may speak of to us."""

BY_OID = {entry.oid: entry for entry in ENTRIES}


def plain_name(name: str) -> str:
    """Return what is left of a name when spelling is taken away: `id-ML-DSA-65` and `mldsa65` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("id-"))


BY_NAME = {plain_name(entry.name): entry for entry in ENTRIES}
