"""API keys as they are made, and credentials where they must not be."""

from __future__ import annotations

import hashlib
import re

import pytest

from kokuin.service.access.credentials import Credential, Kind, is_in_url, make_key, read_authorization
from tests.service.access.issuers import key_of, signed


def test_a_key_has_a_public_part_and_256_random_bits() -> None:
    made = make_key()
    assert re.fullmatch(r"kokuin_[a-z2-7]{16}_[A-Za-z0-9_-]{43}", made.text)
    assert made.text.split("_")[1] == made.id
    assert made.digest == hashlib.sha256(made.text.encode()).hexdigest()
    assert len({make_key().text for _ in range(100)}) == 100


def test_no_secret_stands_in_what_is_printed_of_it() -> None:
    made = make_key()
    secret = made.text.split("_", 2)[2]
    shown = read_authorization(b"Bearer " + made.text.encode(), basic=False)
    assert isinstance(shown, Credential)
    assert (shown.kind, shown.key_id) == (Kind.API_KEY, made.id)
    for text in (repr(made), repr(shown), f"{shown}", str([shown]), repr({"a": made})):
        assert secret not in text
        assert made.digest not in text


@pytest.mark.parametrize(
    "target",
    [
        b"/tsa",
        b"/tsa/classical",
        b"/api/v1/ledger/records?serial=ab&tenant=t-aaaaaaaaaaaaaaaa",
        b"/api/v1/ledger/proofs/inclusion?token=" + b"ab" * 32,
        b"/?q=kokuin_",
        b"/?q=eyJ.a.b",
        b"/docs?",
        b"/%ff%00?%",
        b"",
    ],
)
def test_an_ordinary_url_holds_no_credential(target: bytes) -> None:
    assert not is_in_url(target)


@pytest.mark.parametrize("piece", [b"eyJ", b"eyJa..", b"..eyJ", b"%65yJ", b"kokuin_"])
def test_a_url_made_to_look_like_many_tokens_is_read_in_one_pass(piece: bytes) -> None:
    # Attack: a search that began anew at each beginning of a token took a sixth of a second of its worker for
    # the longest head that is read, from anybody; for this much it takes longer than anybody waits.
    assert not is_in_url(b"/healthz?" + piece * (4_000_000 // len(piece)))


@pytest.mark.parametrize("text", [b"eyJ.a.b", b"eyJa..b", b"eyJa.b.", b"eyJa.b", b"eyJa b.c.d", b"a.eyJb.c"])
def test_what_is_no_token_in_a_url_is_none(text: bytes) -> None:
    assert not is_in_url(b"/?q=" + text)


@pytest.mark.parametrize(
    "text", [b"eyJa.b.c", b"xeyJa.b.c", b"a.eyJb.c.d", b"eyJ..eyJb.c.d", b"eyJa.b.c%20d"]
)
def test_a_token_in_a_url_is_seen_wherever_it_begins(text: bytes) -> None:
    assert is_in_url(b"/?q=" + text)


def test_a_credential_in_a_url_is_seen_in_every_spelling() -> None:
    key, token = make_key().text.encode(), signed(key_of("ES256"), "ES256")
    encoded = b"".join(b"%%%02X" % octet for octet in key)
    for target in (
        b"/x?a=" + key,
        b"/" + key,
        b"/x?" + key,
        b"/x?a=" + encoded,
        b"/x/" + encoded + b"/y",
        b"http://user:" + key + b"@host/tsa",
        b"/x?a=" + token,
        b"/x/" + token,
        b"/x?Access_Token=anything",
        b"/x?a=1&api_key=",
        b"/x?password=p",
        b"/x?b=2&jwt",
        b"/x?%61ccess_token=1",
    ):
        assert is_in_url(target), target
