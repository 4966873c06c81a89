"""An issuer of JWTs by an independent library (jwcrypto), and tokens made by hand that it would not make."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jwcrypto import jwk, jws  # type: ignore[import-untyped]

from kokuin.service.access.bearer_tokens import BearerTokens, read_issuers
from kokuin.service.config_access import Access

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ISSUER, AUDIENCE, SUBJECT = "https://id.example", "kokuin", "machine-7"
ALL = ("ES256", "ES384", "EdDSA", "PS256", "RS256")
KEYS: dict[str, dict[str, Any]] = {
    "ES256": {"kty": "EC", "crv": "P-256"},
    "ES384": {"kty": "EC", "crv": "P-384"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
    "PS256": {"kty": "RSA", "size": 2048, "alg": "PS256"},
    "RS256": {"kty": "RSA", "size": 2048, "alg": "RS256"},
}
_MADE: dict[str, jwk.JWK] = {}


def key_of(name: str, **more: Any) -> jwk.JWK:
    """Return a key for an algorithm, or another one with members of its own; made once a session."""
    place = name + json.dumps(more, sort_keys=True)
    if place not in _MADE:
        _MADE[place] = jwk.JWK.generate(**{**KEYS.get(name, {}), "kid": name, **more})
    return _MADE[place]


def public(key: jwk.JWK) -> dict[str, Any]:
    """Return the public part of a key."""
    members: dict[str, Any] = json.loads(key.export_public())
    return members


@dataclass(frozen=True)
class Ahead:
    """A time by its seconds from when the claims are made: tests run minutes after they were collected."""

    seconds: float


def claims(**changed: Any) -> dict[str, Any]:
    """Return good claims, some of them changed; None takes one away, `Ahead` becomes a time."""
    now = int(time.time())
    good = {"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 300}
    wanted = {name: value for name, value in {**good, **changed}.items() if value is not None}
    return {
        name: now + value.seconds if isinstance(value, Ahead) else value for name, value in wanted.items()
    }


def signed(key: jwk.JWK, alg: str, payload: Mapping[str, Any] | bytes | None = None, **header: Any) -> bytes:
    """Return a token that jwcrypto signed."""
    octets = payload if isinstance(payload, bytes) else json.dumps(payload or claims()).encode()
    token = jws.JWS(octets)
    token.allowed_algs = [alg]
    members = {"alg": alg, "kid": key.get("kid"), **header}
    token.add_signature(key, alg, json.dumps({name: value for name, value in members.items() if value}))
    return str(token.serialize(compact=True)).encode()


def part(octets: bytes) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def compact(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, signature: bytes) -> bytes:
    """Return a token by hand, with whatever signature."""
    head, body = (
        each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, payload)
    )
    return b".".join((part(head), part(body), part(signature)))


@dataclass
class Issued:
    """An issuer as the service has it pinned."""

    folder: Path
    keys: list[dict[str, Any]] = field(default_factory=lambda: [public(key_of(name)) for name in ALL])
    settings: dict[str, Any] = field(default_factory=dict)

    def access(self) -> Access:
        """Write the keys and return the configuration that pins them."""
        path = self.folder / "keys.json"
        path.write_text(json.dumps({"keys": self.keys}))
        table = {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "keys": str(path),
            "algorithms": ALL,
            **self.settings,
        }
        return Access.model_validate({"issuers": {"main": table}})

    def reader(self) -> BearerTokens:
        """Return what reads its tokens."""
        return BearerTokens(read_issuers(self.access()))
