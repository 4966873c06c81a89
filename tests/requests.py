"""Time-stamp requests to begin with: valid ones, foreign ones, and bombs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from kokuin.wire import encode
from kokuin.wire.algorithms import DIGESTS
from kokuin.wire.tsp import Extension

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.wire.algorithms import DigestAlgorithm

ACCEPTED_EXTENSION = "1.3.6.1.4.1.32473.99.1"
"""What a service under test should be configured to accept."""

BODY_LIMIT = 65_536
"""Octets of a body that the transport lets through."""


def make_request(  # noqa: PLR0913  # the fields of RFC 3161 §2.4.1
    digest: DigestAlgorithm,
    *,
    parameters: bytes = encode.NULL,
    policy: str | None = None,
    nonce: int | None = None,
    cert_req: bool = False,
    extensions: tuple[Extension, ...] = (),
) -> bytes:
    """Return a TimeStampReq (DER)."""
    algorithm = encode.sequence(encode.oid(digest.oid), parameters)
    imprint = encode.sequence(algorithm, encode.octet_string(bytes(range(digest.size))))
    return encode.sequence(
        encode.integer(1),
        imprint,
        encode.oid(policy) if policy else b"",
        b"" if nonce is None else encode.integer(nonce),
        encode.TRUE if cert_req else b"",
        encode.explicit(0, b"".join(item.encode() for item in extensions)) if extensions else b"",
    )


def valid_requests(policy: str) -> list[bytes]:
    """Return requests of every hash, with and without each optional field; `policy` is the one on offer."""
    accepted = Extension(ACCEPTED_EXTENSION, critical=False, value=encode.utf8_string("what it says"))
    unknown = Extension("1.3.6.1.4.1.32473.99.2", critical=True, value=encode.NULL)
    nonces = (None, 0, 127, -128, 2**63 + 11, 2**159 + 5, 2**510)
    plain = [
        make_request(digest, parameters=parameters, nonce=2**63 + digest.size, cert_req=cert_req)
        for digest in DIGESTS
        for parameters in (encode.NULL, b"")
        for cert_req in (False, True)
    ]
    sha256 = next(digest for digest in DIGESTS if digest.name == "sha256")
    full = [
        make_request(sha256, policy=name, nonce=nonce, cert_req=True, extensions=extensions)
        for name, nonce, extensions in itertools.product(
            (None, policy, policy + ".7"), nonces, ((), (accepted,), (accepted, unknown))
        )
    ]
    return plain + full


def foreign_requests(folder: Path) -> list[bytes]:
    """Return the requests that other programs wrote, out of a folder of foreign evidence."""
    return [path.read_bytes()[:BODY_LIMIT] for path in sorted(folder.rglob("*.tsq"))]


def bombs() -> dict[str, bytes]:
    """Return small bodies that cost a generic ASN.1 reader seconds, by what they are; none is a request."""
    sha256 = make_request(next(digest for digest in DIGESTS if digest.name == "sha256"))
    version, imprint = encode.integer(1), sha256[5:]
    nested = b"\x05\x00"
    for _ in range(5_000):
        nested = encode.tlv(0x30, nested)
    many = encode.sequence(b"\x30\x00" * 20_000)
    arcs = b"\x81" * 60_000 + b"\x01"
    found = {
        "5000-deep": nested,
        "5000-deep-indefinite": b"\x30\x80" * 5_000 + b"\x00\x00" * 5_000,
        "5000-deep-indefinite-open": b"\x30\x80" * 5_000,
        "32000-deep-open": b"\x30\x80" * 32_000,
        "strings-in-strings": b"\x24\x80" * 20_000,
        "tag-of-131-kB": (b"\x3f" + b"\xff" * 131_000 + b"\x7f\x00")[:BODY_LIMIT],
        "oid-of-60-kB": encode.sequence(encode.tlv(0x06, arcs)),
        "oid-of-60-kB-as-hash": encode.sequence(
            version, encode.sequence(encode.sequence(encode.tlv(0x06, arcs)), encode.octet_string(bytes(32)))
        ),
        "policy-of-60-kB": encode.sequence(version, imprint, encode.tlv(0x06, arcs)),
        "20000-empty-sequences": many,
        "20000-empty-sequences-as-extensions": encode.sequence(version, imprint, b"\xa0" + many[1:]),
        "nonce-of-60-kB": encode.sequence(version, imprint, encode.tlv(0x02, b"\x7f" * 60_000)),
        "version-of-60-kB": encode.sequence(encode.tlv(0x02, b"\x7f" * 60_000), imprint),
        "imprint-of-60-kB": encode.sequence(
            version,
            encode.sequence(sha256[7:22], encode.octet_string(bytes(60_000))),
        ),
        "30000-octet-string-segments": b"\x24\x80" + b"\x04\x01\x00" * 20_000 + b"\x00\x00",
        "length-of-126-octets": b"\x30\xfe" + b"\x01" * 126,
        "length-of-2-to-63": b"\x30\x88\x7f" + b"\xff" * 7,
        "zeros": bytes(BODY_LIMIT),
        "ends-without-a-beginning": b"\x30\x80" + b"\x00\x00" * 30_000,
    }
    assert all(len(octets) <= BODY_LIMIT for octets in found.values())
    return found
