"""Proxies: whose word counts, how their fields are read, and what anybody else's fields are."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kokuin.service.access.denials import DenialCode
from kokuin.service.access.peers import UNKNOWN, Peer, Proxies, is_within, peer_of
from kokuin.service.config_access import Access, Proxy
from tests.service.access.doors import raw

if TYPE_CHECKING:
    from collections.abc import Sequence

NETWORKS = ("10.0.0.0/8", "2001:db8:1::/48")
PROXIES = Proxies(Proxy(networks=NETWORKS))
PROXY, STRANGER = Peer("10.1.2.3"), Peer("192.0.2.7")


def certificate(days: int = 1) -> bytes:
    """Return the DER of a certificate of somebody's."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "machine")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=days))
    )
    return made.sign(key, SHA256()).public_bytes(Encoding.DER)


DER = certificate()
SEQUENCE = b":" + base64.b64encode(DER) + b":"
PEM = x509.load_der_x509_certificate(DER).public_bytes(Encoding.PEM)
ESCAPED = quote(PEM, safe="").encode()
"""As nginx writes `$ssl_client_escaped_cert`."""


def caller(
    *fields: tuple[str, str | bytes], peer: Peer = PROXY, proxies: Proxies = PROXIES
) -> Peer | DenialCode:
    return proxies.caller(raw(fields), peer)


@pytest.mark.parametrize(
    "value", [SEQUENCE, ESCAPED, b"  " + SEQUENCE + b" "], ids=["rfc9440", "nginx", "ows"]
)
def test_a_proxy_tells_of_its_clients_certificate(value: bytes) -> None:
    found = caller(("client-cert", value), ("x-forwarded-for", "192.0.2.9"))
    assert found == Peer(
        "192.0.2.9",
        hashlib.sha256(DER).hexdigest(),
        1_767_225_600_000_000,
        1_767_312_000_000_000,
    )


@pytest.mark.parametrize("peer", [STRANGER, UNKNOWN, Peer("11.0.0.1"), Peer("2001:db8:2::1"), Peer("x")])
@pytest.mark.parametrize(
    "field",
    [
        ("client-cert", SEQUENCE),
        ("client-cert", ""),
        ("client-cert-chain", SEQUENCE),
        ("x-forwarded-for", "10.0.0.1"),
    ],
)
def test_a_proxys_field_from_anybody_else_is_forged(peer: Peer, field: tuple[str, str | bytes]) -> None:
    assert caller(field, peer=peer) is DenialCode.PROXY_FORGED


def test_without_a_proxy_a_certificate_in_a_field_is_forged_and_an_address_is_nothing() -> None:
    nobody = Proxies(Proxy())
    assert caller(("client-cert", SEQUENCE), peer=STRANGER, proxies=nobody) is DenialCode.PROXY_FORGED
    # Ordinary clients behind a proxy of their own send it; nobody believes it.
    assert caller(("x-forwarded-for", "10.0.0.1"), peer=STRANGER, proxies=nobody) == STRANGER
    assert b"x-forwarded-for" not in nobody.telling_fields


def test_a_field_of_the_operators_own_name_is_the_one_that_counts() -> None:
    named = Proxies(Proxy(networks=NETWORKS, certificate="X-Tls-Client", address=""))
    found = caller(("client-cert", SEQUENCE), proxies=named)
    assert found == PROXY, "a client wrote it, and the proxy let it pass"
    assert isinstance(caller(("x-tls-client", SEQUENCE), proxies=named), Peer)
    assert caller(("x-tls-client", SEQUENCE), peer=STRANGER, proxies=named) is DenialCode.PROXY_FORGED
    assert caller(("x-forwarded-for", "192.0.2.1"), proxies=named) == PROXY


def test_two_certificates_are_none() -> None:
    """The second one is the proxy's, the first may be its client's idea."""
    twice = caller(("client-cert", SEQUENCE), ("client-cert", SEQUENCE))
    assert twice is DenialCode.CREDENTIAL_TWICE


def test_an_empty_field_is_no_certificate() -> None:
    assert caller(("client-cert", ""), ("x-forwarded-for", "192.0.2.9")) == Peer("192.0.2.9")


@pytest.mark.parametrize(
    "value",
    [
        b":",
        b"::x",
        b":!!!!:",
        b":" + base64.b64encode(DER),
        base64.b64encode(DER),
        PEM.replace(b"\n", b" "),
        b"-----BEGIN CERTIFICATE-----",
        ESCAPED + ESCAPED,
        b"%ff",
        b":" + b"A" * 20_000 + b":",
    ],
)
def test_a_certificate_that_cannot_be_read_opens_nothing(value: bytes) -> None:
    found = caller(("client-cert", value))
    # A PEM whose lines a proxy has joined by spaces is still the same octets.
    joined = value.startswith(b"-----BEGIN CERTIFICATE----- ")
    assert isinstance(found, Peer) if joined else found is DenialCode.CREDENTIAL_WRONG


def test_octets_that_are_no_certificate_are_one_that_is_over() -> None:
    found = caller(("client-cert", b":AAAA:"))
    assert isinstance(found, Peer)
    assert (found.begins_us, found.ends_us) == (0, 0)


def test_the_proxys_own_certificate_is_not_its_clients() -> None:
    assert caller(peer=Peer("10.1.2.3", "ab" * 32, 0, 2**60)) == PROXY
    assert caller(peer=Peer("192.0.2.7", "ab" * 32)) == Peer("192.0.2.7", "ab" * 32)


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ([], "10.1.2.3"),
        (["192.0.2.9"], "192.0.2.9"),
        (["198.51.100.1, 192.0.2.9"], "192.0.2.9"),
        (["127.0.0.1, 192.0.2.9, 10.0.0.5,10.9.9.9"], "192.0.2.9"),
        (["127.0.0.1", "192.0.2.9, 10.0.0.5"], "192.0.2.9"),
        (["10.0.0.5, 10.0.0.6"], "10.0.0.5"),
        (["2001:db8:9::1"], "2001:db8:9::1"),
        (["[2001:db8:9::1]:4711"], "2001:db8:9::1"),
        (["192.0.2.9:4711"], "192.0.2.9"),
        (["::ffff:192.0.2.9"], "192.0.2.9"),
        (["192.0.2.9, unknown"], ""),
        (["192.0.2.9,"], ""),
        ([""], ""),
        (["192.0.2.9, 10.0.0.999"], ""),
    ],
)
def test_the_right_most_address_that_is_no_proxys_counts(lines: Sequence[str], address: str) -> None:
    """What stands left of it whoever has that address wrote (CWE-348)."""
    assert caller(*(("x-forwarded-for", line) for line in lines)) == Peer(address)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_octets_of_a_proxy_end_in_an_answer(one: bytes, other: bytes) -> None:
    assert isinstance(caller(("client-cert", one), ("x-forwarded-for", other)), Peer | DenialCode)


def test_an_address_lies_in_its_network_and_no_name_does() -> None:
    networks = PROXIES._networks
    assert is_within("10.0.0.1", networks)
    assert is_within("::ffff:10.0.0.1", networks)
    assert is_within("2001:db8:1::ffff", networks)
    assert not any(is_within(text, networks) for text in ("", "10.0.0.1/8", "host", "11.0.0.0", "::1"))


def test_a_scope_without_a_peer_is_of_somebody_unknown() -> None:
    assert peer_of({}) == Peer("")


@pytest.mark.parametrize(
    "table",
    [
        {"proxy": {"networks": ["10.0.0.1/8"]}},
        {"proxy": {"networks": ["everybody"]}},
        {"proxy": {"certificate": "Authorization"}},
        {"proxy": {"certificate": "X", "address": "x"}},
        {"proxy": {"certificate": ""}},
        {"proxy": {"certificate": "a b"}},
        {"timestamps": "maybe"},
        {"approvals": 3},
        {"failures_per_minute": 0},
        {"issuers": {"a": {"issuer": "i", "audience": "a", "keys": "k", "algorithms": ["HS256"]}}},
        {"issuers": {"a": {"issuer": "i", "audience": "a", "keys": "k", "algorithms": ["none"]}}},
        {"issuers": {"a": {"issuer": "i", "audience": "a", "keys": "k", "algorithms": []}}},
        {"issuers": {"a": {"issuer": "i\n", "audience": "a", "keys": "k"}}},
        {"issuers": {name: {"issuer": "i", "audience": "a", "keys": "k"} for name in "ab"}},
    ],
)
def test_a_table_of_access_that_is_unfit_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Access.model_validate(table)
