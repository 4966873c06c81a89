"""JWTs: what jwcrypto signs is read, and each way to forge one is refused with its code."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwcrypto import jwk  # type: ignore[import-untyped]

from kokuin.service.access.bearer_tokens import (
    LEEWAY_SECONDS,
    MAX_KEYS,
    Bearer,
    BearerTokens,
    read_issuers,
)
from kokuin.service.access.credentials import MAX_TOKEN_OCTETS
from kokuin.service.access.denials import DenialCode
from kokuin.service.config_access import Access
from kokuin.service.errors import StartError
from tests.service.access.issuers import (
    ALL,
    AUDIENCE,
    ISSUER,
    SUBJECT,
    Ahead,
    Issued,
    claims,
    compact,
    key_of,
    part,
    public,
    signed,
)

if TYPE_CHECKING:
    from pathlib import Path

GOOD = Bearer(ISSUER, SUBJECT)
INVALID = DenialCode.TOKEN_INVALID


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> BearerTokens:
    return Issued(tmp_path_factory.mktemp("issuer")).reader()


def es256(payload: dict[str, Any] | bytes | None = None, **header: Any) -> bytes:
    return signed(key_of("ES256"), "ES256", payload, **header)


@pytest.mark.parametrize("alg", ALL)
def test_what_another_library_signs_is_read(reader: BearerTokens, alg: str) -> None:
    assert reader.read(signed(key_of(alg), alg)) == GOOD
    assert reader.read(signed(key_of(alg), alg, typ="at+JWT")) == GOOD


@pytest.mark.parametrize("alg", ALL)
def test_a_signature_with_one_bit_changed_is_none(reader: BearerTokens, alg: str) -> None:
    head, body, _ = signed(key_of(alg), alg).split(b".")
    assert reader.read(b".".join((head, part(json.dumps(claims(sub="root")).encode()), _))) is INVALID
    other = signed(key_of(alg), alg, claims(sub="other")).split(b".")[2]
    assert reader.read(b".".join((head, body, other))) is INVALID
    assert reader.read(b".".join((head, body, b""))) is INVALID


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None])
def test_a_token_without_a_signature_is_nobodys(reader: BearerTokens, alg: str | None) -> None:
    header = {"alg": alg, "kid": "ES256"}
    assert reader.read(compact(header, claims(), b"")) is INVALID
    assert reader.read(compact(header, claims(), bytes(64))) is INVALID


@pytest.mark.parametrize("kid", ["RS256", "ES256"])
@pytest.mark.parametrize("form", ["pem", "der", "jwk", "n"])
def test_a_public_key_is_no_shared_secret(reader: BearerTokens, kid: str, form: str) -> None:
    """Algorithm confusion: HS256 with what everybody may know as its secret (RFC 8725 §2.1)."""
    key = key_of(kid)
    pem = key.export_to_pem()
    secrets = {
        "pem": pem,
        "der": jwk.base64url_decode("".join(pem.decode().splitlines()[1:-1])),
        "jwk": key.export_public().encode(),
        "n": str(key.get("n") or key.get("x")).encode(),
    }
    for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        head = compact({"alg": alg, "kid": kid, "typ": "JWT"}, claims(), b"").rstrip(b".")
        tag = hmac.new(secrets[form], head, digest).digest()
        assert reader.read(head + b"." + part(tag)) is INVALID


@pytest.mark.parametrize(
    ("kid", "alg"),
    [
        ("RS256", "ES256"),
        ("ES256", "RS256"),
        ("ES384", "ES256"),
        ("ES256", "ES384"),
        ("EdDSA", "ES256"),
        ("RS256", "PS256"),
        ("PS256", "RS256"),
    ],
)
def test_a_key_is_used_with_its_own_algorithm_alone(reader: BearerTokens, kid: str, alg: str) -> None:
    assert reader.read(compact({"alg": alg, "kid": kid}, claims(), bytes(64))) is INVALID
    if kid in {"RS256", "PS256"} and alg in {"RS256", "PS256"}:
        # The key could, and its issuer says that it is for the other one (RFC 8725 §3.1).
        free = jwk.JWK(**{name: value for name, value in key_of(kid).items() if name != "alg"})
        assert reader.read(signed(free, alg)) is INVALID


def test_an_algorithm_that_is_not_listed_is_not_taken(tmp_path: Path) -> None:
    issued = Issued(tmp_path, [public(key_of("ES256"))], {"algorithms": ["ES256"]})
    es512 = key_of("ES512", kty="EC", crv="P-521")
    assert issued.reader().read(signed(es512, "ES512")) is INVALID
    assert issued.reader().read(signed(key_of("ES384"), "ES384")) is INVALID


def test_a_key_that_a_token_brings_along_is_never_used(
    reader: BearerTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`jwk`, `jku`, `x5u`, `x5c`: an attacker's own (CVE-2018-0114 and its kin)."""

    def asked(*_: object) -> None:
        raise AssertionError("somebody was asked for a key")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket.socket, "connect", asked)
    own = key_of("ES256", own=True)
    brought: tuple[dict[str, Any], ...] = (
        {"jwk": public(own)},
        {"jku": "http://127.0.0.1:9/keys"},
        {"x5u": "http://127.0.0.1:9/chain"},
        {"x5c": ["MIIB"]},
    )
    for header in brought:
        assert reader.read(signed(own, "ES256", **header)) is INVALID
        assert reader.read(signed(own, "ES256", kid=None, **header)) is INVALID
        assert reader.read(es256(**header)) == GOOD, "what is ignored does no harm"


def test_a_key_that_is_no_longer_pinned_opens_nothing(tmp_path: Path) -> None:
    old = signed(key_of("ES256"), "ES256")
    assert Issued(tmp_path).reader().read(old) == GOOD
    assert Issued(tmp_path, [public(key_of("ES384"))]).reader().read(old) is INVALID


def test_a_key_of_one_issuer_signs_for_no_other(tmp_path: Path) -> None:
    tables = {}
    for name in ("ES256", "ES384"):
        path = tmp_path / name
        path.write_text(json.dumps({"keys": [public(key_of(name))]}))
        tables[name] = {"issuer": name, "audience": AUDIENCE, "keys": str(path), "algorithms": [name]}
    both = BearerTokens(read_issuers(Access.model_validate({"issuers": tables})))
    assert both.read(signed(key_of("ES256"), "ES256", claims(iss="ES256"))) == Bearer("ES256", SUBJECT)
    assert both.read(signed(key_of("ES256"), "ES256", claims(iss="ES384"))) is INVALID


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"b64": True},
        {"zip": "DEF"},
    ],
)
def test_an_extension_that_must_be_understood_is_not(reader: BearerTokens, header: dict[str, Any]) -> None:
    head = {"alg": "ES256", "kid": "ES256", **header}
    assert reader.read(compact(head, claims(), bytes(64))) is INVALID
    assert reader.read(_resigned(json.dumps(head).encode(), json.dumps(claims()).encode())) is INVALID


def _resigned(header: bytes, payload: bytes) -> bytes:
    """Sign octets as they are, which jwcrypto would not."""
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415  # one test's own
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # likewise

    key = key_of("ES256").get_op_key("sign")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    content = part(header) + b"." + part(payload)
    r, s = utils.decode_dss_signature(key.sign(content, ec.ECDSA(SHA256())))
    return content + b"." + part(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def test_a_member_that_stands_twice_is_read_by_nobody(reader: BearerTokens) -> None:
    """A reader before us may have taken the other one."""
    header, payload = b'{"alg":"ES256","kid":"ES256"}', json.dumps(claims()).encode()
    assert reader.read(_resigned(header, payload)) == GOOD
    assert reader.read(_resigned(b'{"alg":"ES256","kid":"x","kid":"ES256"}', payload)) is INVALID
    assert reader.read(_resigned(header, b'{"sub":"root",' + payload[1:])) is INVALID
    nested = payload[:-1] + b',"act":{"sub":"a","sub":"b"}}'
    assert reader.read(_resigned(header, nested)) is INVALID


def test_a_token_has_one_spelling(reader: BearerTokens) -> None:
    token = es256()
    head, body, tag = token.split(b".")
    assert reader.read(token) == GOOD
    for other in (
        token + b"=",
        head + b"=." + body + b"." + tag,
        token + b".",
        b"." + token,
        token + b"\n",
        head + b"\n." + body + b"." + tag,
        token.replace(b".", b"..", 1),
        token + b"." + tag + b"." + tag,
        b"..",
        b"",
    ):
        assert reader.read(other) is INVALID


def test_a_token_is_of_bounded_size(reader: BearerTokens) -> None:
    assert reader.read(es256(claims(more="x" * 4000))) == GOOD
    assert reader.read(es256(claims(more="x" * MAX_TOKEN_OCTETS))) is INVALID


@pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt", "secevent+jwt", 7])
def test_a_token_that_was_made_for_something_else_is_none(reader: BearerTokens, typ: Any) -> None:
    assert reader.read(es256(typ=typ)) is INVALID


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"iss": "https://evil.example"}, DenialCode.TOKEN_ISSUER),
        ({"iss": ISSUER + "/"}, DenialCode.TOKEN_ISSUER),
        ({"iss": [ISSUER]}, INVALID),
        ({"iss": None}, INVALID),
        ({"aud": "another"}, DenialCode.TOKEN_AUDIENCE),
        ({"aud": ["another", "third"]}, DenialCode.TOKEN_AUDIENCE),
        ({"aud": []}, DenialCode.TOKEN_AUDIENCE),
        ({"aud": [AUDIENCE, 7]}, DenialCode.TOKEN_AUDIENCE),
        ({"aud": {AUDIENCE: 1}}, DenialCode.TOKEN_AUDIENCE),
        ({"aud": None}, DenialCode.TOKEN_AUDIENCE),
        ({"exp": Ahead(-3600), "iat": Ahead(-3700)}, DenialCode.TOKEN_EXPIRED),
        ({"nbf": Ahead(1000)}, DenialCode.TOKEN_EXPIRED),
        ({"iat": Ahead(1000), "exp": Ahead(1100)}, DenialCode.TOKEN_EXPIRED),
        ({"iat": Ahead(1000), "nbf": Ahead(-5), "exp": Ahead(1100)}, DenialCode.TOKEN_EXPIRED),
        ({"exp": Ahead(86_400)}, DenialCode.TOKEN_EXPIRED),
        ({"iat": Ahead(-86_400)}, DenialCode.TOKEN_EXPIRED),
        ({"exp": None}, INVALID),
        ({"iat": None}, INVALID),
        ({"exp": "2099-01-01"}, INVALID),
        ({"exp": "4000000000"}, INVALID),
        ({"exp": True}, INVALID),
        ({"exp": 10**400}, INVALID),
        ({"exp": -1}, INVALID),
        ({"exp": float("nan")}, INVALID),
        ({"iat": float("-inf")}, INVALID),
        ({"nbf": "now"}, INVALID),
        ({"sub": None}, INVALID),
        ({"sub": ""}, INVALID),
        ({"sub": 7}, INVALID),
        ({"sub": f"a\n{SUBJECT}"}, INVALID),
        ({"sub": "x" * 256}, INVALID),
        ({"sub": "\ud800"}, INVALID),
    ],
)
def test_a_claim_that_is_wrong_has_its_code(
    reader: BearerTokens, changed: dict[str, Any], code: DenialCode
) -> None:
    assert reader.read(es256(claims(**changed))) is code


def test_claims_that_are_unusual_and_sound_are_taken(reader: BearerTokens) -> None:
    assert reader.read(es256(claims(aud=["other", AUDIENCE]))) == GOOD
    assert reader.read(es256(claims(exp=Ahead(200.5), nbf=Ahead(-5)))) == GOOD
    late = LEEWAY_SECONDS // 2
    assert reader.read(es256(claims(iat=Ahead(late), exp=Ahead(100)))) == GOOD


def test_what_is_no_object_is_no_token(reader: BearerTokens) -> None:
    for payload in (b"[]", b"7", b"null", b"", b"{", b"\xff", b"[" * 5000, b'{"a":' * 3000):
        assert reader.read(_resigned(b'{"alg":"ES256","kid":"ES256"}', payload)) is INVALID
        assert reader.read(_resigned(payload, json.dumps(claims()).encode())) is INVALID


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=80))
def test_any_octets_end_in_a_code(header: bytes, payload: bytes, signature: bytes) -> None:
    assert BearerTokens().read(compact(header, payload, signature)) in {INVALID, DenialCode.TOKEN_ISSUER}
    assert BearerTokens().read(header + b"." + payload) is INVALID


# --- the pinned keys


def test_a_key_may_name_no_algorithm_and_is_used_by_its_type(tmp_path: Path) -> None:
    rsa = {name: value for name, value in public(key_of("RS256")).items() if name != "alg"}
    reader = Issued(tmp_path, [rsa], {"algorithms": ["PS256"]}).reader()
    free = jwk.JWK(**{name: value for name, value in key_of("RS256").items() if name != "alg"})
    assert reader.read(signed(free, "PS256")) == GOOD
    assert reader.read(signed(free, "RS256")) is INVALID, "the list of the issuer's algorithms decides"


def test_keys_to_encrypt_to_are_left_alone(tmp_path: Path) -> None:
    encrypting = {**public(key_of("RS256")), "use": "enc", "alg": "RSA-OAEP"}
    reader = Issued(tmp_path, [encrypting, public(key_of("ES256"))], {"algorithms": ["ES256"]}).reader()
    assert reader.read(es256()) == GOOD


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ([], "no key"),
        ([{"kty": "oct", "k": "AAAA", "kid": "a"}], "secret key"),
        ([json.loads(key_of("ES256").export_private())], "secret key"),
        ([{**public(key_of("ES256")), "kid": None}], "`kid`"),
        ([public(key_of("ES256"))] * 2, "`kid`"),
        ([public(key_of("ES512", kty="EC", crv="P-521"))], "fits none"),
        ([public(key_of("small", kty="RSA", size=1024))], "fits none"),
        ([{**public(key_of("RS256")), "alg": "RS512"}], "RS512"),
        ([{**public(key_of("ES384")), "alg": "ES256"}], "fits none"),
        ([{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "a"}], "fits none"),
        ([{"kid": "a"}], "fits none"),
        ([public(key_of("ES256"))] * (MAX_KEYS + 1), "at most"),
        (["x"], "no set"),
    ],
)
def test_a_file_of_keys_that_is_unfit_keeps_the_service_from_starting(
    tmp_path: Path, keys: list[Any], word: str
) -> None:
    with pytest.raises(StartError, match=word):
        Issued(tmp_path, keys).reader()


def test_a_file_of_keys_that_cannot_be_read_keeps_the_service_from_starting(tmp_path: Path) -> None:
    access = Issued(tmp_path).access()
    path = access.issuers["main"].keys
    for text in ("", "{", '{"keys": 7}', "[]", '{"keys": [], "keys": []}'):
        path.write_text(text)
        with pytest.raises(StartError, match=r"access\.issuers\.main"):
            read_issuers(access)
    path.unlink()
    with pytest.raises(StartError, match="No such file"):
        read_issuers(access)
