"""Key pairs of recipients: ML-KEM (FIPS 203), alone or beside X25519 in one hybrid KEM.

The halves of a hybrid key are made for it and used for nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

from kokuin.wire import encode
from pqc.envelope_suites import KemKind

if TYPE_CHECKING:
    from typing import TypeAlias

    MlKemPrivateKey: TypeAlias = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
    MlKemPublicKey: TypeAlias = mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey


class KemKindError(ValueError):
    """These keys are no recipient's: another algorithm, or halves that do not belong together."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom an envelope is sealed to.

    Attributes:
        kind: what the keys are.
        ml_kem: encapsulation key.
        x25519: the classical half of a hybrid key, None otherwise.
        identifiers: RecipientIdentifier (RFC 5652 §6.2.1), DER; the first is written into envelopes, any of
            them is accepted. Without a certificate it is the SubjectKeyIdentifier of RFC 5280 §4.2.1.2 (1),
            which is also what our certificates carry.
    """

    kind: KemKind
    ml_kem: MlKemPublicKey
    x25519: x25519.X25519PublicKey | None
    identifiers: tuple[bytes, ...]

    @property
    def public_octets(self) -> bytes:
        """The encapsulation key of FIPS 203 §7.1; a hybrid's is followed by the 32 octets of X25519."""
        raw = self.ml_kem.public_bytes_raw()
        return raw if self.x25519 is None else raw + self.x25519.public_bytes_raw()


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """The private key that opens envelopes.

    Attributes:
        ml_kem: decapsulation key.
        x25519: the classical half of a hybrid key, None otherwise.
        recipient: the public half.
    """

    ml_kem: MlKemPrivateKey
    x25519: x25519.X25519PrivateKey | None
    recipient: Recipient


def generate_kem_key(kind: KemKind) -> RecipientKey:
    """Make a fresh key pair."""
    if kind is KemKind.ML_KEM_1024:
        return recipient_key(mlkem.MLKEM1024PrivateKey.generate())
    half = x25519.X25519PrivateKey.generate() if kind is KemKind.MLKEM768_X25519 else None
    return recipient_key(mlkem.MLKEM768PrivateKey.generate(), half)


def recipient_key(
    ml_kem: MlKemPrivateKey,
    classical: x25519.X25519PrivateKey | None = None,
    identifiers: tuple[bytes, ...] = (),
) -> RecipientKey:
    """Join the private halves of one key; `identifiers` as for `recipient_of`.

    Raises:
        KemKindError: as `recipient_of`.
    """
    public_half = None if classical is None else classical.public_key()
    return RecipientKey(ml_kem, classical, recipient_of(ml_kem.public_key(), public_half, identifiers))


def recipient_of(
    ml_kem: MlKemPublicKey,
    classical: x25519.X25519PublicKey | None = None,
    identifiers: tuple[bytes, ...] = (),
) -> Recipient:
    """Join the public halves of one key.

    Args:
        ml_kem: encapsulation key.
        classical: the X25519 half, only with ML-KEM-768.
        identifiers: those of a certificate; they come before the one that follows from the key.

    Raises:
        KemKindError: ML-KEM-1024 beside X25519: HPKE has no such KEM.
    """
    kind = KemKind.ML_KEM_768 if isinstance(ml_kem, mlkem.MLKEM768PublicKey) else KemKind.ML_KEM_1024
    if classical is not None:
        if kind is not KemKind.ML_KEM_768:
            raise KemKindError(kind.value)
        kind = KemKind.MLKEM768_X25519
    own = key_identifier(x509.SubjectKeyIdentifier.from_public_key(ml_kem).digest)
    # Each once, in order.
    return Recipient(kind, ml_kem, classical, tuple(dict.fromkeys((*identifiers, own))))


def key_identifier(octets: bytes) -> bytes:
    """RecipientIdentifier that is a SubjectKeyIdentifier, DER."""
    return encode.implicit(0, octets)
