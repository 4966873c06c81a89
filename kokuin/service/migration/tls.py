"""What the OpenSSL of this process would negotiate in TLS 1.3, read from the ClientHello that it writes.

The service speaks plain HTTP behind a proxy of the operator's; what that proxy
negotiates cannot be seen from here. `tsa stamp` is the client that uses this.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

GROUPS = {
    0x0017: "secp256r1",
    0x0018: "secp384r1",
    0x0019: "secp521r1",
    0x001D: "x25519",
    0x001E: "x448",
    0x0100: "ffdhe2048",
    0x0101: "ffdhe3072",
    0x0102: "ffdhe4096",
    0x0103: "ffdhe6144",
    0x0104: "ffdhe8192",
    0x11EB: "secp256r1mlkem768",
    0x11EC: "x25519mlkem768",
    0x11ED: "secp384r1mlkem1024",
}
"""NamedGroup (RFC 8446 §4.2.7, RFC 10024)."""
HYBRID = "x25519mlkem768"

_SUPPORTED_GROUPS = 10
_RECORD_HEADER, _HANDSHAKE_HEADER, _VERSION_AND_RANDOM = 5, 4, 34


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What this process's library offers.

    Attributes:
        library: as it names itself.
        groups: key agreements, the preferred first.
        ciphers: cipher suites of TLS 1.3.
    """

    library: str
    groups: tuple[str, ...]
    ciphers: tuple[str, ...]

    @property
    def hybrid(self) -> bool:
        """Whether X25519MLKEM768 is among them."""
        return HYBRID in self.groups


def tls_facts() -> TlsFacts:
    """Ask the library for a ClientHello that goes nowhere, and read it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        hello = outgoing.read()
    ciphers = tuple(each["name"] for each in context.get_ciphers() if each["protocol"] == "TLSv1.3")
    return TlsFacts(ssl.OPENSSL_VERSION, supported_groups(hello), ciphers)


def supported_groups(hello: bytes) -> tuple[str, ...]:
    """Return the groups of a ClientHello in one TLS record (RFC 8446 §4.1.2), in their order.

    Raises:
        ValueError: it is cut short.
    """
    at = _RECORD_HEADER + _HANDSHAKE_HEADER + _VERSION_AND_RANDOM
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        at += width + _number(hello, at, width)
    end = at + 2 + _number(hello, at, 2)
    at += 2
    while at < end:
        kind, size = _number(hello, at, 2), _number(hello, at + 2, 2)
        if kind == _SUPPORTED_GROUPS:
            numbers = [_number(hello, each, 2) for each in range(at + 6, at + 4 + size, 2)]
            return tuple(GROUPS.get(number, f"group-{number:#06x}") for number in numbers)
        at += 4 + size
    return ()


def _number(octets: bytes, at: int, width: int) -> int:
    part = octets[at : at + width]
    if len(part) != width:
        raise ValueError(f"cut short at octet {len(octets)}")
    return int.from_bytes(part)
