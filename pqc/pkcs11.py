"""Signers whose private key stays in a device behind PKCS#11 (python-pkcs11, extra `hsm`).

Messages are hashed here; the device computes with the key only (CKM_ECDSA,
CKM_RSA_PKCS, CKM_RSA_PKCS_PSS), which is what the plainest of them offer.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import MGF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.pkcs11_device import device
from pqc.signing import KeyMismatchError, Provider, SignerError, SignerProblem, self_test
from pqc.suites import Family
from pqc.verifying import key_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pkcs11.types import Session

    from pqc.suites import Suite

REST_SECONDS = 1.0
"""How long a key that could not sign even after a fresh login is left alone: dead devices answer slowly."""

_GONE = frozenset({SignerProblem.TOKEN_MISSING, SignerProblem.KEY_MISSING})
"""What a device says of a loaded key that is there again once it has been opened afresh, or never."""
_CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_PSS_DIGESTS = {
    "sha256": (Mechanism.SHA256, MGF.SHA256),
    "sha384": (Mechanism.SHA384, MGF.SHA384),
}
_KEY_TYPES = {Family.ECDSA: KeyType.EC, Family.RSA_PKCS1: KeyType.RSA, Family.RSA_PSS: KeyType.RSA}

_KEPT_INSIDE = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
_NEVER_OUTSIDE = {
    **_KEPT_INSIDE,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
}
"""What a device says of a key that it made itself and never gave away (PKCS#11 §4.9)."""


@dataclass(frozen=True, slots=True)
class KeyReference:
    """Where a private key is.

    Attributes:
        module: the device's PKCS#11 library.
        token: label of the token.
        label: CKA_LABEL of the key, None for any.
        key_id: CKA_ID of the key, None for any; one of the two is given.
        extractable: take also a key that the device would give away.
    """

    module: Path
    token: str
    label: str | None = None
    key_id: bytes | None = None
    extractable: bool = False

    def __str__(self) -> str:
        """Token, label and id, for messages."""
        number = self.key_id.hex() if self.key_id is not None else ""
        return "/".join(part for part in (self.token, self.label or "", number) if part)


class Pkcs11Signer:
    """A `Signer` whose key is in a device.

    Whenever the device was lost and is opened again, the key found there must be the one that was loaded.
    """

    provider = Provider.PKCS11
    experimental = False

    def __init__(self, suite: Suite, reference: KeyReference, pin: str) -> None:
        """Load the library, log in, find the key, and prove it.

        Raises:
            KeyMismatchError: the key is not of the suite's type, or devices have no such suite.
            SignerError: anything else that keeps the key from being used.
        """
        if not suite.issue or suite.family not in _KEY_TYPES:
            raise KeyMismatchError(suite.id)
        self.suite = suite
        self._reference, self._pin = reference, pin
        self._operation = _operation(suite)
        self._device = device(reference.module)
        self.public_key = b""
        self._key: Any = None
        self._generation = -1
        self._rests_until = float("-inf")
        self._device.run(self._attach)

    def sign(self, message: bytes) -> bytes:
        """Return the signature value over `message`.

        Raises:
            SignerError: the device is gone, also for a fresh login, or holds another key now.
        """
        with self._device.lock:
            if time.monotonic() < self._rests_until:
                raise SignerError(SignerProblem.DEVICE_FAILED, f"{self._reference}: lost a moment ago")
            try:
                return self._device.run(lambda: self._sign(message), _GONE)
            except SignerError:
                self._rests_until = time.monotonic() + REST_SECONDS
                raise

    def _sign(self, message: bytes) -> bytes:
        if self._generation != self._device.generation:
            self._attach()
        return self._operation(self._key, message)

    def _attach(self) -> None:
        """Find the key among the objects of a logged-in session, and check it as at load."""
        session = self._device.session(self._reference.token, self._pin)
        key = _only(session, ObjectClass.PRIVATE_KEY, self._reference)
        if not self._reference.extractable and not _has(key, _KEPT_INSIDE):
            raise SignerError(SignerProblem.KEY_EXTRACTABLE, str(self._reference))
        public_key = _public_key(session, key, self.suite, self._reference)
        if self.public_key not in {b"", public_key}:
            raise SignerError(SignerProblem.KEY_CHANGED, str(self._reference))
        self_test(self.suite, public_key, lambda message: self._operation(key, message))
        self.public_key, self._key, self._generation = public_key, key, self._device.generation


def has_key(reference: KeyReference, pin: str) -> bool:
    """Say whether the token has a private key of that name.

    Raises:
        SignerError: the token cannot be reached.
    """
    opened = device(reference.module)
    return opened.run(
        lambda: bool(_find(opened.session(reference.token, pin), ObjectClass.PRIVATE_KEY, reference))
    )


def generate(suite: Suite, reference: KeyReference, pin: str) -> Pkcs11Signer:
    """Make a key pair that never leaves the device, and return its signer.

    Raises:
        KeyMismatchError: devices have no such suite.
        SignerError: there is a key of that name, or the device would give the new one away.
    """
    if not suite.issue or suite.family not in _KEY_TYPES:
        raise KeyMismatchError(suite.id)
    opened = device(reference.module)
    opened.run(lambda: _generate(opened.session(reference.token, pin), suite, reference))
    return Pkcs11Signer(suite, reference, pin)


def _generate(session: Session, suite: Suite, reference: KeyReference) -> None:
    if _find(session, ObjectClass.PRIVATE_KEY, reference):
        raise SignerError(SignerProblem.KEY_EXISTS, str(reference))
    # The login belongs to the token, not to the session: this one has it too.
    with session.token.open(rw=True) as writing:
        options: dict[str, Any] = {
            "id": reference.key_id or secrets.token_bytes(16),
            "label": reference.label,
            "store": True,
            "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
            "private_template": {Attribute.PRIVATE: True, **_KEPT_INSIDE},
        }
        if suite.family is Family.ECDSA:
            named = encode_named_curve_parameters(_CURVES[suite.key].name)
            curve = writing.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: named}, local=True)
            public, private = curve.generate_keypair(**options)
        else:
            bits = int(suite.key.removeprefix("RSA-"))
            public, private = writing.generate_keypair(KeyType.RSA, bits, **options)
        if not _has(private, _NEVER_OUTSIDE):
            private.destroy()
            public.destroy()
            raise SignerError(SignerProblem.KEY_EXTRACTABLE, str(reference))


def _find(session: Session, kind: ObjectClass, reference: KeyReference) -> list[Any]:
    wanted: dict[Attribute, Any] = {Attribute.CLASS: kind}
    if reference.label is not None:
        wanted[Attribute.LABEL] = reference.label
    if reference.key_id is not None:
        wanted[Attribute.ID] = reference.key_id
    return list(session.get_objects(wanted))


def _only(session: Session, kind: ObjectClass, reference: KeyReference) -> Any:
    found = _find(session, kind, reference)
    if not found:
        raise SignerError(SignerProblem.KEY_MISSING, f"{reference} ({kind.name})")
    if len(found) > 1:
        raise SignerError(SignerProblem.KEY_AMBIGUOUS, f"{reference} ({kind.name})")
    return found[0]


def _has(key: Any, attributes: dict[Attribute, bool]) -> bool:
    return all(key[name] is value for name, value in attributes.items())


def _public_key(session: Session, key: Any, suite: Suite, reference: KeyReference) -> bytes:
    """SubjectPublicKeyInfo (DER) of the public object with the private one's id.

    EC private keys carry no point of their own (PKCS#11 §6.3.4).
    """
    if key.key_type is not _KEY_TYPES[suite.family]:
        raise KeyMismatchError(suite.id)
    beside = KeyReference(reference.module, reference.token, reference.label, key[Attribute.ID] or None)
    found = _only(session, ObjectClass.PUBLIC_KEY, beside)
    try:
        public = _point(found, suite) if suite.family is Family.ECDSA else _modulus(found)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyMismatchError(suite.id) from None
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    facts = key_facts(der)
    if facts is None or facts.name != suite.key:
        raise KeyMismatchError(suite.id)
    return der


def _modulus(found: Any) -> rsa.RSAPublicKey:
    modulus, exponent = (
        int.from_bytes(found[name]) for name in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT)
    )
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _point(found: Any, suite: Suite) -> ec.EllipticCurvePublicKey:
    """Read CKA_EC_POINT: an OCTET STRING around the point, or, from some devices, the bare point."""
    curve = _CURVES[suite.key]
    value = bytes(found[Attribute.EC_POINT])
    point = value[-(1 + 2 * _coordinate(curve)) :]
    if value not in {point, encode.octet_string(point)}:
        raise ValueError(suite.key)
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)


def _coordinate(curve: ec.EllipticCurve) -> int:
    return (curve.key_size + 7) // 8


def _operation(suite: Suite) -> Callable[[Any, bytes], bytes]:
    """Resolve the scheme once: how a key object of the device signs a message."""
    digest = suite.digest
    if suite.family is Family.ECDSA:
        size = _coordinate(_CURVES[suite.key])

        def ecdsa(key: Any, message: bytes) -> bytes:
            raw = key.sign(hashlib.new(digest, message).digest(), mechanism=Mechanism.ECDSA)
            if len(raw) != 2 * size:
                raise SignerError(SignerProblem.DEVICE_FAILED, f"a signature of {len(raw)} octets")
            return encode_dss_signature(int.from_bytes(raw[:size]), int.from_bytes(raw[size:]))

        return ecdsa
    if suite.family is Family.RSA_PSS:
        mechanism, mask = _PSS_DIGESTS[digest]
        parameters = (mechanism, mask, DIGEST_BY_NAME[digest].size)
        return lambda key, message: bytes(
            key.sign(
                hashlib.new(digest, message).digest(),
                mechanism=Mechanism.RSA_PKCS_PSS,
                mechanism_param=parameters,
            )
        )
    # RFC 8017 §9.2: the DigestInfo is made here; the device pads it.
    head = encode.sequence(encode.oid(DIGEST_BY_NAME[digest].oid), encode.NULL)
    return lambda key, message: bytes(
        key.sign(
            encode.sequence(head, encode.octet_string(hashlib.new(digest, message).digest())),
            mechanism=Mechanism.RSA_PKCS,
        )
    )
