"""Octets that would cost a careless verifier minutes or all memory, up to the largest that are read."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from cryptography import x509

from kokuin.verify.verifying import MAX_OCTETS
from kokuin.wire import encode, oids
from pqc.suites import suite
from tests.mutators import Element, parse
from tests.requests import bombs
from tests.trust import forge
from tests.trust.authorities import NOW, NOW_US
from tests.verify.token_seeds import current_unit

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 30_000
"""Elements of a list that real tokens fill with three."""


def token_bombs() -> dict[str, Callable[[], bytes]]:
    """Return makers of bombs by what they are; none of them may pass."""
    found: dict[str, Callable[[], bytes]] = {
        name: functools.partial(bytes, octets) for name, octets in bombs().items()
    }
    return {**found, **_of_structure(), **_of_tokens()}


def _of_structure() -> dict[str, Callable[[], bytes]]:
    size = MAX_OCTETS - 1_024
    return {
        "16-MiB-of-zeros": lambda: bytes(MAX_OCTETS),
        "more-than-is-read": lambda: bytes(MAX_OCTETS + 1),
        "16-MiB-string-60-deep-indefinite": lambda: _wrapped(60, size),
        "16-MiB-of-armour": lambda: b"-----BEGIN CMS-----\n" + b"QUJD" * (size // 4),
        "armour-without-end": lambda: b"-----BEGIN CMS-----\n" * (size // 20),
        "190000-integers": lambda: encode.sequence(encode.integer(1) * 190_000),
        "190000-segments": lambda: b"\x30\x80\x24\x80" + b"\x04\x01\x00" * 190_000 + b"\x00" * 4,
        "segments-in-segments": lambda: (
            b"\x30\x80" + b"\x24\x80" * 60 + b"\x04\x82\xff\xff" + bytes(65_535) + b"\x00" * 122
        ),
    }


def _of_tokens() -> dict[str, Callable[[], bytes]]:
    unit = current_unit()
    attribute = encode.sequence(encode.oid("2.5.4.3"), encode.utf8_string("a" * 60))
    long_name = encode.sequence(*[encode.set_of(attribute)] * 200)
    return {
        "30000-attributes": lambda: _order(more_attributes=[forge.attribute("1.2.3", encode.NULL)] * MANY),
        "30000-values": lambda: _order(more_attributes=[forge.attribute("1.2.3", *[encode.NULL] * MANY)]),
        "20000-ids-of-certificates": lambda: _order(
            attributes={oids.ID_AA_SIGNING_CERTIFICATE_V2: forge.ess_v2(*[unit.der] * 20_000)}
        ),
        "5000-signers": lambda: _order(signers=5_000),
        "60-certificates-of-200-kB": lambda: _order(
            certificates=[encode.sequence(encode.octet_string(bytes(200_000)))] * 60
        ),
        "a-name-of-15-kB": lambda: _order(sid=encode.sequence(long_name, encode.integer(1))),
        "a-name-of-90000-parts": lambda: _order(
            sid=encode.sequence(encode.sequence(encode.set_of() * 90_000), encode.integer(1))
        ),
        "300-extensions-of-a-statement": lambda: _order(tst_extensions=_extensions(300)),
        "30000-extensions-of-a-statement": lambda: _order(tst_extensions=_extensions(MANY)),
        "56-authorities-in-circles": _circles,
        "60-keys-that-may-have-signed": _many_keys,
    }


def _order(**changes: object) -> bytes:
    chain = [current_unit().der, forge.pki().authority.der]
    settings: Any = {"signer": current_unit(), "certificates": chain, "gen_us": NOW_US}
    return forge.order(**{**settings, **changes}).make()


def _wrapped(depth: int, size: int) -> bytes:
    return b"\x30\x80" * depth + encode.octet_string(bytes(size)) + b"\x00\x00" * depth


def _extensions(count: int) -> bytes:
    return encode.explicit(1, encode.sequence(encode.oid("1.2.3"), encode.octet_string(b"")) * count)


def _circles() -> bytes:
    """Eight keys of one name that have certified each other in all ways, and none of them leads out."""
    keys = [forge.issue("Circle", None, forge.AUTHORITY) for _ in range(8)]
    crossed = [
        forge.issue("Circle", issuer, forge.AUTHORITY, key=party.key).der
        for party in keys
        for issuer in keys
        if party is not issuer
    ]
    lost = forge.issue("Lost", keys[0], forge.UNIT, ends=NOW + forge.DAY)
    return _order(signer=lost, certificates=[lost.der, *crossed])


def _many_keys() -> bytes:
    """A unit whose signature, the slowest to verify, any of 60 authorities of one name may have made."""
    slow = suite("slh-dsa-sha2-192s")
    authority = forge.issue("Many", None, forge.AUTHORITY)
    unit = forge.issue("Lost", authority, forge.UNIT, ends=NOW + forge.DAY)
    algorithm = encode.algorithm(slow.algorithm)
    issued = _rewritten(unit.der, algorithm, bytes(slow.signature_size))
    keys = [encode.bit_string(bytes([number]) * 48) for number in range(60)]
    authorities = [_with_key(authority.der, encode.sequence(algorithm, key)) for key in keys]
    return _order(
        signer=forge.Party(unit.key, x509.load_der_x509_certificate(issued)),
        certificates=[issued, *authorities],
    )


def _rewritten(certificate: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """Return the certificate with another algorithm, inside and outside, and another signature."""
    whole, new = _element(certificate), _element(algorithm)
    fields = whole.children or []
    (fields[0].children or [])[2] = fields[1] = new
    fields[2] = _element(encode.bit_string(signature))
    return whole.encode()


def _with_key(certificate: bytes, public_key: bytes) -> bytes:
    whole = _element(certificate)
    ((whole.children or [])[0].children or [])[6] = _element(public_key)
    return whole.encode()


def _element(octets: bytes) -> Element:
    return (parse(octets) or [])[0]
