"""The certificates and the revocation data that a bundle brings along, in PEM of one form."""

from __future__ import annotations

from kokuin.wire.errors import WireError
from kokuin.wire.pem import read_blocks, write_block

_MOST_BLOCKS = 4096


def read_certificates(octets: bytes) -> tuple[bytes, ...] | None:
    """Read `certificates.pem` (DER each); None when it is something else. They are not looked into."""
    blocks = _blocks(octets, {"CERTIFICATE"})
    return None if blocks is None else tuple(der for _label, der in blocks)


def read_revocation(octets: bytes) -> bytes | None:
    """Return `revocation.pem` as it is; None when it is something else."""
    return None if _blocks(octets, {"X509 CRL", "OCSP RESPONSE"}) is None else octets


def _blocks(octets: bytes, labels: set[str]) -> list[tuple[str, bytes]] | None:
    try:
        blocks = read_blocks(octets, _MOST_BLOCKS)
    except WireError:
        return None
    one_form = b"".join(write_block(label, der) for label, der in blocks) == octets
    return blocks if one_form and {label for label, _der in blocks} <= labels else None
