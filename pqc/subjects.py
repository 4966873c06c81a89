"""What a policy judges: an algorithm in the role that it plays, whether or not a suite of ours names it.

Real tokens hold keys and hashes that no suite has (RSA of any length,
brainpool curves, SHA-1, MD5), so a subject is made of facts: family, key,
length, digest, role.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.wire import oids
from pqc.suites import SUITES

if TYPE_CHECKING:
    from pqc.scheme import KeyFacts
    from pqc.suites import Suite


class Role(StrEnum):
    """What an algorithm is used for."""

    SIGNATURE = "signature"
    """A signature over a token, a seal, a certificate or a checkpoint."""
    IMPRINT = "imprint"
    """The hash of stamped data: whoever made the data may have made a second one."""
    SIGNATURE_DIGEST = "signature-digest"
    """The hash under a signature, or over the content that is signed."""
    CERTIFICATE_ID = "certificate-id"
    """The hash that names a certificate (ESSCertID, ESSCertIDv2)."""
    TREE = "tree"
    """The hash of a Merkle tree or an evidence record."""
    SESSION_KEY = "session-key"
    """Key establishment for data on its way (TLS)."""
    STORED_KEY = "stored-key"
    """Key establishment for data that is kept: whoever copies it can wait."""


HASH_ROLES = frozenset({Role.IMPRINT, Role.SIGNATURE_DIGEST, Role.CERTIFICATE_ID, Role.TREE})
KEY_ROLES = frozenset({Role.SESSION_KEY, Role.STORED_KEY})


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that a policy judges.

    Attributes:
        role: what it is used for.
        algorithm: family of a signature (`rsa-pkcs1`, `rsa-pss`, `rsa` where the padding is not known,
            `ecdsa`, `eddsa`, `ml-dsa`, `slh-dsa`, `composite-ml-dsa`), name of a hash or of a key mechanism.
        key: name of the key type (`P-256`, `ML-DSA-65`); empty where there is none.
        bits: length of an RSA modulus or of a curve's field; 0 where the key's name says all.
        digest: the hash that stands with a signature; None where the scheme has its own, or none is known.
        components: the parts of a composite signature, all of which must hold.
    """

    role: Role
    algorithm: str
    key: str = ""
    bits: int = 0
    digest: str | None = None
    components: tuple[Subject, ...] = ()

    @property
    def name(self) -> str:
        """How reports name it: the key where there is one, else the algorithm."""
        return self.key or self.algorithm

    @classmethod
    def of_suite(cls, suite: Suite) -> Subject:
        """A signature by a suite of the table."""
        return cls(
            Role.SIGNATURE,
            str(suite.family),
            suite.key,
            _bits(suite.key),
            suite.digest,
            tuple(cls.of_suite(SUITES[each]) for each in suite.components),
        )

    @classmethod
    def of_key(cls, facts: KeyFacts, digest: str | None = None, algorithm: str | None = None) -> Subject:
        """A signature that was found, by its key.

        Args:
            facts: what the public key is.
            digest: name of the hash under the signature; None for the scheme's own, or for a bare key.
            algorithm: OID of the signature algorithm, which tells the paddings of RSA apart; None: not known.
        """
        family = {"ec": "ecdsa", "ed25519": "eddsa", "ed448": "eddsa"}.get(facts.family, facts.family)
        if family == "rsa" and algorithm is not None:
            family = "rsa-pss" if algorithm == oids.ID_RSASSA_PSS else "rsa-pkcs1"
        components = next((each.components for each in SUITES.values() if each.key == facts.name), ())
        halves = tuple(cls.of_suite(SUITES[each]) for each in components)
        return cls(Role.SIGNATURE, family, facts.name, _bits(facts.name, facts.bits), digest, halves)

    @classmethod
    def of_hash(cls, name: str, role: Role) -> Subject:
        """A hash (`sha256`, `sha3_512`) in one of `HASH_ROLES`."""
        return cls(role, name)

    @classmethod
    def of_mechanism(cls, name: str, role: Role = Role.SESSION_KEY) -> Subject:
        """A key mechanism by its name, in any case: a KEM, a group of TLS 1.3, a key transport."""
        return cls(role, name.lower())


def _bits(key: str, found: int = 0) -> int:
    """Return the length that orders keys of one family: of RSA and of curves over prime fields, else 0."""
    for prefix in ("RSA-", "P-"):
        if key.startswith(prefix):
            return int(key.removeprefix(prefix))
    return found if key.startswith(("brainpool", "secp", "sect", "prime")) else 0
