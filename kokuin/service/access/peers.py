"""Who is at the other end: address and certificate of the connection, or what a trusted proxy says of them.

A proxy tells of its client in two fields: the certificate (RFC 9440 `Client-Cert`, or nginx's
`$ssl_client_escaped_cert`) and the way of addresses (`X-Forwarded-For`). Anybody can write such fields, so
they count from the configured networks only; from anywhere else they are refused as forged.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes

from cryptography import x509

from kokuin.service.access.denials import DenialCode

if TYPE_CHECKING:
    import asyncio
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from kokuin.service.config_access import Proxy

    Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

SCOPE_KEY = "kokuin.peer"
"""Where the ASGI scope of a request has its connection's `Peer`."""
MAX_CERTIFICATE_OCTETS = 12_288
"""Of a field with a certificate."""
_MAX_HOPS = 16
"""Addresses of a field that are looked at; nobody has more proxies of their own."""
_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_PEM_END = b"-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end.

    Attributes:
        address: IPv4 or IPv6 in text; empty where there is none that anybody knows.
        certificate: SHA-256 (lower-case hex) of the DER of a certificate whose key the peer holds.
        begins_us, ends_us: the certificate's validity, microseconds since 1970 UTC.
    """

    address: str
    certificate: str | None = None
    begins_us: int | None = None
    ends_us: int | None = None


UNKNOWN = Peer("")


def peer_of(scope: Mapping[str, Any]) -> Peer:
    """Return the peer of an ASGI request's connection."""
    peer: Peer = scope.get(SCOPE_KEY, UNKNOWN)
    return peer


def peer_of_transport(transport: asyncio.BaseTransport, client: tuple[str, int] | None) -> Peer:
    """Return the peer of a new connection; of its certificate the TLS handshake has checked chain and key."""
    address = client[0] if client else ""
    tls = transport.get_extra_info("ssl_object")
    der = None if tls is None else tls.getpeercert(binary_form=True)
    return Peer(address) if der is None else _certified(address, der)


def read_address(text: str) -> Address | None:
    """Read an address; an IPv4 address in IPv6's clothes is the former, and what is none is None."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Say whether an address lies in one of some networks; one that cannot be read lies in none."""
    found = read_address(address)
    return found is not None and any(found in network for network in networks)


class Proxies:
    """The proxies that are believed."""

    def __init__(self, proxy: Proxy) -> None:
        self._networks = tuple(map(ipaddress.ip_network, proxy.networks))
        self._certificate = proxy.certificate.lower().encode()
        self._address = proxy.address.lower().encode()
        # RFC 9440's names are refused from strangers in any case: who sends them means to be believed.
        always = {self._certificate, b"client-cert", b"client-cert-chain"}
        way = {self._address} if self._networks and self._address else set()
        self.telling_fields = frozenset(always | way)
        """Names of fields for which `caller` must be asked."""

    def caller(self, headers: Sequence[tuple[bytes, bytes]], peer: Peer) -> Peer | DenialCode:
        """Return who speaks through a connection: its peer, or the client that a trusted proxy tells of.

        A proxy's own certificate opens the connection and nothing else: it is no credential of those whom the
        proxy speaks for.
        """
        told = [(name, value) for name, value in headers if name in self.telling_fields]
        if not self._networks or not is_within(peer.address, self._networks):
            return DenialCode.PROXY_FORGED if told else peer
        certificates = [value for name, value in told if name == self._certificate and value]
        if len(certificates) > 1:
            return DenialCode.CREDENTIAL_TWICE
        address = self._first_stranger(peer.address, [value for name, value in told if name == self._address])
        if not certificates:
            return Peer(address)
        der = _der_of_field(certificates[0])
        if der is None:
            return DenialCode.CREDENTIAL_WRONG
        return _certified(address, der)

    def _first_stranger(self, nearest: str, lines: list[bytes]) -> str:
        """Return the right-most address that is no proxy's: what stands left of it, its owner wrote."""
        hops = [hop.strip() for line in lines for hop in line.decode("latin-1").split(",")]
        for hop in reversed(hops[-_MAX_HOPS:]):
            found = read_address(_without_port(hop))
            if found is None:
                return ""
            nearest = str(found)
            if not any(found in network for network in self._networks):
                break
        return nearest


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _der_of_field(value: bytes) -> bytes | None:
    """Read RFC 9440's byte sequence (RFC 8941 §3.3.5) or a PEM in URL encoding; None: it is neither."""
    if len(value) > MAX_CERTIFICATE_OCTETS:
        return None
    value = value.strip(b" \t")
    if value[:1] == b":":
        inner = value[1:-1] if len(value) > 2 and value.endswith(b":") else b"!"
    else:
        plain = unquote_to_bytes(value).strip()
        if not (plain.startswith(_PEM_BEGIN) and plain.endswith(_PEM_END)):
            return None
        inner = b"".join(plain[len(_PEM_BEGIN) : -len(_PEM_END)].split())
    try:
        return base64.b64decode(inner, validate=True)
    except binascii.Error:
        return None


def _certified(address: str, der: bytes) -> Peer:
    digest, begins_us, ends_us = _validity(der)
    return Peer(address, digest, begins_us, ends_us)


@functools.lru_cache(maxsize=1024)
def _validity(der: bytes) -> tuple[str, int, int]:
    """Return digest and validity of a certificate; of octets that are none a validity that is over."""
    digest = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        return digest, _us(certificate.not_valid_before_utc), _us(certificate.not_valid_after_utc)
    except (ValueError, x509.InvalidVersion):
        return digest, 0, 0


def _us(moment: dt.datetime) -> int:
    return round(moment.timestamp()) * 1_000_000
