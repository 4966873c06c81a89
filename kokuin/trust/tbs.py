"""What an authority signs: to-be-signed structures, written in DER of our own for every suite.

A `Signer` gives the signature, so that keys in devices and composite keys
issue as software keys do. The readers stand elsewhere.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.wire import encode
from kokuin.wire.pem import write_block

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from kokuin.wire.tsp import Extension
    from pqc.signing import Signer

_SERIAL_OCTETS = 20
"""RFC 5280 §4.1.2.2: at most 20 octets, and positive."""

DAY = 86_400 * 1_000_000
"""Microseconds."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was issued, DER and PEM."""

    der: bytes

    @property
    def pem(self) -> bytes:
        """The certificate as a PEM block."""
        return write_block("CERTIFICATE", self.der)


def new_serial() -> int:
    """Serial number of 159 random bits: nobody can foresee what is signed, and no two are alike."""
    return int.from_bytes(secrets.token_bytes(_SERIAL_OCTETS)) >> 1


@dataclass(frozen=True, slots=True)
class TBSCertificate:
    """RFC 5280 §4.1.2, version 3.

    Attributes:
        issuer: Name (DER).
        subject: Name (DER).
        not_before: microseconds since 1970 UTC; a fraction of a second is cut off.
        not_after: likewise, inclusive.
        public_key: SubjectPublicKeyInfo (DER).
        extensions: in the order written.
        serial: serialNumber.
    """

    issuer: bytes
    subject: bytes
    not_before: int
    not_after: int
    public_key: bytes = field(repr=False)
    extensions: tuple[Extension, ...]
    serial: int = field(default_factory=new_serial)

    def sign(self, signer: Signer) -> Issued:
        """Return the certificate."""
        tbs = encode.sequence(
            encode.explicit(0, encode.integer(2)),
            encode.integer(self.serial),
            encode.algorithm(signer.suite.algorithm),
            self.issuer,
            encode.sequence(encode.x509_time(self.not_before), encode.x509_time(self.not_after)),
            self.subject,
            self.public_key,
            encode.explicit(3, extensions(self.extensions)),
        )
        return Issued(signed(signer, tbs))


def extensions(items: Iterable[Extension]) -> bytes:
    """Extensions ::= SEQUENCE OF Extension (DER)."""
    return encode.sequence(*(item.encode() for item in items))


def signed(signer: Signer, tbs: bytes) -> bytes:
    """SIGNED {ToBeSigned}: what is signed, the algorithm, the signature (RFC 5280 §4.1.1, RFC 2986 §4.2)."""
    return encode.sequence(tbs, encode.algorithm(signer.suite.algorithm), encode.bit_string(signer.sign(tbs)))


def microseconds(moment: dt.datetime) -> int:
    """Microseconds since 1970 UTC, cut to whole seconds as X.509 has them.

    Raises:
        ValueError: the moment has no time zone: what it meant would depend on the machine.
    """
    if moment.tzinfo is None:
        raise ValueError(moment)
    return int(moment.timestamp()) * 1_000_000
