"""What an algorithm is: its kind, OID and strengths, from the tables that everything else is made by.

A mechanism that none of the tables has (a foreign certificate's RSA-2048, a
group of TLS that nobody named) is described by what was found, with unknown
strengths, and never left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.errors import WireError
from pqc.keyinfo import read_public_info
from pqc.policies import Role, Subject
from pqc.suites import SUITES
from pqc.verifying import key_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pqc.envelope_suites import EnvelopeSuite
    from pqc.scheme import KeyFacts
    from pqc.suites import Suite


class Kind(StrEnum):
    """What an algorithm does."""

    SIGNATURE = "signature"
    HASH = "hash"
    ENVELOPE = "envelope"
    KEM = "kem"
    KEY_AGREEMENT = "key-agreement"
    KEY_DERIVATION = "key-derivation"
    KEY_WRAP = "key-wrap"
    CIPHER = "cipher"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One algorithm with its parameters.

    Attributes:
        id: name of the suite, hash or group; unique among mechanisms.
        kind: what it does.
        family: of a signature, as `Suite.family`; else empty.
        key: name of the key type (`P-256`); empty where there is none.
        oid: dotted; None where it has none or none is known.
        classical_bits: strength against classical attack, None: not known.
        quantum_category: NIST category against quantum attack, 0 for none, None: not known.
        draft: its standard is not published yet.
        components: ids of the mechanisms that it is made of.
        subjects: what policies judge; all of them must be fit.
    """

    id: str
    kind: Kind
    family: str
    key: str
    oid: str | None
    classical_bits: int | None
    quantum_category: int | None
    draft: bool = False
    components: tuple[str, ...] = ()
    subjects: tuple[Subject, ...] = ()


_HASH_STRENGTHS: Mapping[str, tuple[int, int]] = {
    # Against collisions, which is what an imprint must withstand; categories 2 and 4 are defined by SHA-256
    # and SHA-384 (NIST's call for proposals of 2016, §4.A.5).
    "md5": (0, 0),
    "sha1": (0, 0),
    "sha224": (112, 0),
    "sha256": (128, 2),
    "sha384": (192, 4),
    "sha512": (256, 5),
    "sha3_256": (128, 2),
    "sha3_384": (192, 4),
    "sha3_512": (256, 5),
    "shake256": (256, 5),
    "shake256-512": (256, 5),
}

_PARTS: Mapping[str, tuple[Kind, str | None, int, int]] = {
    "ml-kem-768": (Kind.KEM, oids.ID_ML_KEM_768, 192, 3),
    "ml-kem-1024": (Kind.KEM, oids.ID_ML_KEM_1024, 256, 5),
    "hkdf-sha256": (Kind.KEY_DERIVATION, oids.ID_ALG_HKDF_WITH_SHA256, 256, 5),
    "aes256-wrap": (Kind.KEY_WRAP, oids.ID_AES256_WRAP, 256, 5),
    "aes256-gcm": (Kind.CIPHER, oids.ID_AES256_GCM, 256, 5),
    "x25519": (Kind.KEY_AGREEMENT, "1.3.101.110", 128, 0),
    "x448": (Kind.KEY_AGREEMENT, "1.3.101.111", 224, 0),
    "secp256r1": (Kind.KEY_AGREEMENT, oids.SECP256R1, 128, 0),
    "secp384r1": (Kind.KEY_AGREEMENT, "1.3.132.0.34", 192, 0),
    "secp521r1": (Kind.KEY_AGREEMENT, "1.3.132.0.35", 256, 0),
    "ffdhe2048": (Kind.KEY_AGREEMENT, None, 112, 0),
    "ffdhe3072": (Kind.KEY_AGREEMENT, None, 128, 0),
    "x25519mlkem768": (Kind.KEM, None, 192, 3),
    "secp256r1mlkem768": (Kind.KEM, None, 192, 3),
    "secp384r1mlkem1024": (Kind.KEM, None, 256, 5),
}


def of_suite(suite: Suite) -> Mechanism:
    """A signature by a suite of the table."""
    return Mechanism(
        suite.id,
        Kind.SIGNATURE,
        str(suite.family),
        suite.key,
        suite.algorithm.oid,
        suite.classical_bits,
        suite.quantum_category,
        suite.draft,
        suite.components or (suite.digest,),
        _parts_of(Subject.of_suite(suite)),
    )


def of_found(facts: KeyFacts | None, digest: str | None, algorithm: str) -> Mechanism:
    """A signature that was found.

    Args:
        facts: what the key is; None: of no kind that this release knows.
        digest: the hash under the signature; None: the scheme's own.
        algorithm: OID of the signature algorithm.
    """
    if facts is None:
        return _unknown(algorithm, algorithm)
    for suite in SUITES.values():
        if suite.key == facts.name and algorithm == suite.algorithm.oid and digest in {None, suite.digest}:
            return of_suite(suite)
    found = _of_facts(facts, algorithm, Subject.of_key(facts, digest, algorithm))
    if digest is None:
        return found
    return replace(found, id=f"{facts.name}-{digest}", components=(digest,))


def of_key(public_key: bytes) -> Mechanism:
    """A public key (SubjectPublicKeyInfo, DER), with whatever suite it signs."""
    facts = key_facts(public_key)
    oid = _key_oid(public_key)
    if facts is None:
        return _unknown(oid or "unknown", oid)
    suites = [suite for suite in SUITES.values() if suite.key == facts.name]
    if len(suites) == 1:
        return of_suite(suites[0])
    return _of_facts(facts, oid, Subject.of_key(facts))


def _of_facts(facts: KeyFacts, oid: str | None, subject: Subject) -> Mechanism:
    """Describe a key; its strengths are those of its suites, and unknown when it has none."""
    alike = next((suite for suite in SUITES.values() if suite.key == facts.name), None)
    return Mechanism(
        facts.name,
        Kind.SIGNATURE,
        subject.algorithm,
        facts.name,
        oid,
        None if alike is None else alike.classical_bits,
        None if alike is None else alike.quantum_category,
        subjects=_parts_of(subject),
    )


def _key_oid(public_key: bytes) -> str | None:
    try:
        return read_public_info(public_key).algorithm.oid
    except WireError:
        return None


def of_recorded(name: str) -> Mechanism:
    """A suite that a leaf names, in the table or not."""
    return of_suite(SUITES[name]) if name in SUITES else _unknown(name, None)


def _unknown(name: str, oid: str | None) -> Mechanism:
    subjects = (Subject(Role.SIGNATURE, name),)
    return Mechanism(name, Kind.SIGNATURE, "", "", oid, None, None, subjects=subjects)


def of_hash(name: str, role: Role) -> Mechanism:
    """A hash in one of its roles; also one that this release does not know."""
    digest = DIGEST_BY_NAME.get(name)
    bits, category = _HASH_STRENGTHS.get(name, (None, None))
    oid = None if digest is None else digest.oid
    subjects = (Subject.of_hash(name, role),)
    return Mechanism(name, Kind.HASH, "", "", oid, bits, category, subjects=subjects)


def of_envelope(suite: EnvelopeSuite) -> Mechanism:
    """An envelope: whoever copies it can wait, so it is judged as a key that is stored."""
    return Mechanism(
        suite.id,
        Kind.ENVELOPE,
        "",
        str(suite.kem),
        None,
        suite.classical_bits,
        suite.quantum_category,
        suite.draft,
        suite.components,
        (Subject.of_mechanism(str(suite.kem), Role.STORED_KEY),),
    )


def of_part(name: str) -> Mechanism:
    """A part of an envelope, or a group of TLS, by its name."""
    kind, oid, bits, category = _PARTS.get(name, (Kind.KEY_AGREEMENT, None, None, None))
    subjects = (Subject.of_mechanism(name),) if kind in {Kind.KEM, Kind.KEY_AGREEMENT} else ()
    return Mechanism(name, kind, "", "", oid, bits, category, subjects=subjects)


def closure(mechanisms: Iterable[Mechanism]) -> tuple[Mechanism, ...]:
    """Return the mechanisms and all that they are made of, each once, in order of their ids."""
    found: dict[str, Mechanism] = {}
    waiting = list(mechanisms)
    while waiting:
        mechanism = waiting.pop()
        if mechanism.id not in found:
            found[mechanism.id] = mechanism
            waiting += [component(each) for each in mechanism.components]
    return tuple(found[each] for each in sorted(found))


def component(name: str) -> Mechanism:
    """A mechanism that another one is made of, by its id."""
    if name in SUITES:
        return of_suite(SUITES[name])
    if name in DIGEST_BY_NAME:
        return of_hash(name, Role.SIGNATURE_DIGEST)
    return of_part(name)


def _parts_of(subject: Subject) -> tuple[Subject, ...]:
    """Return a signature's key and its hash apart, so that the row that ends first can be named."""
    if subject.digest is None:
        return (subject,)
    return replace(subject, digest=None), Subject.of_hash(subject.digest, Role.SIGNATURE_DIGEST)
