"""The DER of a time-stamp token with everything that does not change made once.

Of a unit's tokens only messageImprint, serialNumber, genTime, nonce, the
digest over TSTInfo and the signature differ (RFC 3161 §2.4.2, RFC 5652 §5).
Building the rest once leaves some ten small concatenations a token.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import IssuerAndSerial, encode_algorithm_protection, encode_attribute
from kokuin.wire.ess import encode_signing_certificate

if TYPE_CHECKING:
    from kokuin.wire.tsp import TimeStampReq
    from pqc.suites import Suite

_SERIAL_HEADER = b"\x02\x10"
_FRAMES = 128
"""How many sizes of tokens are remembered: a clock, a client's nonces and ECDSA bring some forty."""


@dataclass(frozen=True, slots=True)
class SignerIdentity:
    """What a token says about its signing certificate.

    Attributes:
        certificate: DER of the unit's certificate.
        issuer: DER of its issuer Name, octets as found in the certificate.
        serial: its serial number.
        subject: DER of its subject Name.
        chain: DER of further certificates for certReq, without the root.
    """

    certificate: bytes
    issuer: bytes
    serial: int
    subject: bytes
    chain: tuple[bytes, ...] = ()


def encode_accuracy(microseconds: int) -> bytes:
    """Accuracy ::= SEQUENCE { seconds, millis [0], micros [1] }, zeros left out (RFC 3161 §2.4.2)."""
    seconds, rest = divmod(microseconds, 1_000_000)
    millis, micros = divmod(rest, 1_000)
    return encode.sequence(
        encode.integer(seconds) if seconds else b"",
        _implicit_integer(0, millis) if millis else b"",
        _implicit_integer(1, micros) if micros else b"",
    )


def _implicit_integer(number: int, value: int) -> bytes:
    return bytes((0x80 | number,)) + encode.integer(value)[1:]


class TSTInfoTemplate:
    """TSTInfo of one policy and accuracy (RFC 3161 §2.4.2); no ordering, as EN 319 422 §5.2.2 wants."""

    def __init__(self, policy: str, accuracy_us: int, tsa_name: bytes | None) -> None:
        """Args: policy OID dotted; accuracy in microseconds; DER of the tsa's Name, None to leave it out."""
        self._head = encode.integer(1) + encode.oid(policy)
        self._accuracy = encode_accuracy(accuracy_us)
        # tsa [0] GeneralName is explicit, since GeneralName is a CHOICE; directoryName is its [4].
        self._tsa = encode.explicit(0, encode.explicit(4, tsa_name)) if tsa_name else b""

    def build(self, request: TimeStampReq, serial: bytes, gen_us: int) -> bytes:
        """Return TSTInfo (DER) answering `request`.

        Args:
            request: a request that was granted.
            serial: the serial number as a positive INTEGER of 16 octets.
            gen_us: genTime, microseconds since 1970 UTC.
        """
        extensions = b""
        if request.extensions:
            extensions = encode.explicit(1, b"".join(item.encode() for item in request.extensions))
        return encode.sequence(
            self._head,
            _imprint_head(request.digest_oid, request.imprint_parameters, len(request.imprint)),
            request.imprint,
            _SERIAL_HEADER,
            serial,
            encode.generalized_time(gen_us),
            self._accuracy,
            encode.integer(request.nonce) if request.nonce is not None else b"",
            self._tsa,
            extensions,
        )


@functools.lru_cache(maxsize=64)
def _imprint_head(digest_oid: str, parameters: bytes | None, size: int) -> bytes:
    """MessageImprint up to the digest itself; the parameters are echoed as the request has them."""
    algorithm = encode.sequence(encode.oid(digest_oid), parameters or b"")
    whole = encode.sequence(algorithm, encode.octet_string(bytes(size)))
    return whole[:-size]


class TokenTemplate:
    """SignedData around TSTInfo, one SignerInfo (RFC 5652 §5.1, RFC 3161 §2.4.2, RFC 5816)."""

    def __init__(self, suite: Suite, signer: SignerIdentity) -> None:
        digest = encode.algorithm(suite.digest_algorithm)
        signature = encode.algorithm(suite.algorithm)
        self._digest = DIGEST_BY_NAME[suite.digest].of
        self._data_head = encode.integer(3) + encode.set_of(digest)
        self._content_type = encode.oid(oids.ID_CT_TST_INFO)
        self._certificates = encode.explicit(0, b"".join(sorted((signer.certificate, *signer.chain))))
        sid = encode.sequence(signer.issuer, encode.integer(signer.serial))
        self._signer_head = encode.integer(1) + sid + digest
        self._signature_algorithm = signature
        self._signed_data = encode.oid(oids.ID_SIGNED_DATA)
        self._before, self._after = _attributes(suite, signer)
        self._frame = functools.lru_cache(maxsize=_FRAMES)(self._make_frame)

    def signed_attributes(self, tst_info: bytes) -> bytes:
        """DER SET OF Attribute over which the signature is made (RFC 5652 §5.4)."""
        return self._before + self._digest(tst_info) + self._after

    def assemble(
        self, tst_info: bytes, signed_attributes: bytes, signature: bytes, *, certificates: bool
    ) -> bytes:
        """Return the TimeStampToken: ContentInfo with the certificates only when certReq asked for them."""
        head, middle, tail = self._frame(len(tst_info), len(signed_attributes), len(signature), certificates)
        return b"".join((head, tst_info, middle, signed_attributes[1:], tail, signature))

    def _make_frame(
        self,
        tst_info: int,
        signed_attributes: int,
        signature: int,
        certificates: bool,  # noqa: FBT001  # a key of the cache, which is quicker without names
    ) -> tuple[bytes, bytes, bytes]:
        """Return the octets before TSTInfo, between it and the signed attributes, and before the signature.

        They follow from the sizes of the three, of which a unit's tokens have few.
        """
        tail = self._signature_algorithm + encode.octet_string(bytes(signature))
        # The SET OF Attribute is [0] IMPLICIT here: another tag, the rest the same (RFC 5652 §5.3).
        attributes = b"\xa0" + bytes(signed_attributes - 1)
        signer_infos = encode.set_of(encode.sequence(self._signer_head, attributes, tail))
        after = (self._certificates if certificates else b"") + signer_infos
        content = encode.sequence(
            self._content_type, encode.explicit(0, encode.octet_string(bytes(tst_info)))
        )
        signed_data = encode.sequence(self._data_head, content, after)
        token = encode.sequence(self._signed_data, encode.explicit(0, signed_data))
        return (
            token[: len(token) - len(after) - tst_info],
            after[: len(after) - len(tail) - len(attributes) + 1],
            tail[: len(tail) - signature],
        )


def _attributes(suite: Suite, signer: SignerIdentity) -> tuple[bytes, bytes]:
    """Return the signed attributes before and after the message digest, which alone differs by token."""
    size = DIGEST_BY_NAME[suite.digest].size
    hole = bytes(size)
    digest = suite.digest_algorithm
    named = encode_signing_certificate(
        signer.certificate, IssuerAndSerial(signer.issuer, signer.serial), digest
    )
    attributes = encode.set_of(
        encode_attribute(oids.ID_CONTENT_TYPE, encode.oid(oids.ID_CT_TST_INFO)),
        encode_attribute(oids.ID_MESSAGE_DIGEST, encode.octet_string(hole)),
        # RFC 6211: binds both algorithm identifiers, against substitution of the one outside the signature.
        encode_attribute(oids.ID_CMS_ALGORITHM_PROTECT, encode_algorithm_protection(digest, suite.algorithm)),
        encode_attribute(oids.ID_AA_SIGNING_CERTIFICATE_V2, named),
    )
    at = attributes.index(encode.octet_string(hole)) + 2
    return attributes[:at], attributes[at + size :]
