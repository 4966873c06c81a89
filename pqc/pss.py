"""RSASSA-PSS-params (RFC 4055 §3.1): which digest, and how much salt.

Only parameters whose mask generation uses the digest itself are known: no
profile of CMS or X.509 mixes two.
"""

from __future__ import annotations

import functools

from kokuin.wire import asn1, encode, oids
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.der import Fields, Node, only_child, read_whole
from kokuin.wire.errors import WireError
from kokuin.wire.tsp import read_algorithm

MAX_SALT = 2_048
"""Octets; OpenSSL's default fills the modulus, and no known key has a longer one."""

_MAX_OCTETS = 128
_SHA1 = "1.3.14.3.2.26"
_DEFAULT_SALT = 20
_NO_PARAMETERS = (None, encode.NULL)


def encode_pss_parameters(digest_oid: str, salt: int) -> bytes:
    """RSASSA-PSS-params DER with MGF1 over the same digest, `salt` octets long; defaults are left out."""
    hashed = encode.sequence(encode.oid(digest_oid), encode.NULL)
    mask = encode.sequence(encode.oid(oids.ID_MGF1), hashed)
    return encode.sequence(
        b"" if digest_oid == _SHA1 else encode.explicit(0, hashed) + encode.explicit(1, mask),
        b"" if salt == _DEFAULT_SALT else encode.explicit(2, encode.integer(salt)),
    )


def pss_digest_and_salt(parameters: bytes | None) -> tuple[str, int] | None:
    """Return digest name and salt length of RSASSA-PSS-params (DER), None when they are absent or unknown."""
    return None if parameters is None or len(parameters) > _MAX_OCTETS else _read(parameters)


@functools.lru_cache(maxsize=64)
def _read(parameters: bytes) -> tuple[str, int] | None:
    try:
        fields = Fields(read_whole(parameters, asn1.SEQUENCE))
        hashed, mask, salt, trailer = (_optional(fields, number) for number in range(4))
        fields.finish()
        digest_oid = _SHA1 if hashed is None else _digest_oid(hashed)
        mask_oid = _SHA1 if mask is None else _mask_oid(mask)
        octets = _DEFAULT_SALT if salt is None else asn1.integer(salt)
        trailer_field = 1 if trailer is None else asn1.integer(trailer)
    except WireError:
        return None
    digest = DIGEST_BY_OID.get(digest_oid or "")
    if digest is None or mask_oid != digest_oid or trailer_field != 1 or not 0 <= octets <= MAX_SALT:
        return None
    return digest.name, octets


def _optional(fields: Fields, number: int) -> Node | None:
    tagged = fields.optional(asn1.context(number))
    return None if tagged is None else only_child(tagged)


def _digest_oid(node: Node) -> str | None:
    """Return the OID of a digest's AlgorithmIdentifier; None when it has parameters other than NULL."""
    algorithm = read_algorithm(node)
    return algorithm.oid if algorithm.parameters in _NO_PARAMETERS else None


def _mask_oid(node: Node) -> str | None:
    """Return the OID of the digest under MGF1 (RFC 8017 App. A.2.1)."""
    algorithm = read_algorithm(node)
    if algorithm.oid != oids.ID_MGF1 or algorithm.parameters is None:
        return None
    return _digest_oid(read_whole(algorithm.parameters, asn1.SEQUENCE))
