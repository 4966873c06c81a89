"""JWTs of configured issuers (RFC 7519, RFC 8725): who the bearer is, and nothing about what they may.

What a token says of its own keys (`jku`, `x5u`, `x5c`, `jwk`) is never followed: the keys lie in a file that
is read when the service starts. Each key is bound to its algorithm before a token is seen, so that no token
chooses it (RFC 8725 §3.1, §3.2). PyJWT checks the signature. Form and claims are checked here, from the same
octets, since a member that stands twice is one thing for us and may be another for a proxy.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kokuin.service.access.credentials import MAX_TOKEN_OCTETS
from kokuin.service.access.denials import DenialCode
from kokuin.service.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kokuin.service.config_access import Access, TokenIssuer

LEEWAY_SECONDS = 30
"""How far an issuer's clock may be from ours."""
MAX_KEYS = 32
MAX_KEYS_OCTETS = 262_144
"""Of a file with keys."""
_LAST_MOMENT = 2**40
"""Seconds since 1970: no clock of ours will show it, and any number below can be reckoned with."""
_RSA_BITS = range(2048, 8193)
_RSA = frozenset({"PS256", "RS256"})
_CURVES: dict[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
"""Values of `typ` that are taken (RFC 8725 §3.11, RFC 9068 §2.1): no token made for something else."""
_JWS = jwt.PyJWS(algorithms=sorted(_RSA | _CURVES.keys() | {"EdDSA"}))
_PART = re.compile(rb"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a sound token names: the subject of an issuer."""

    issuer: str
    subject: str


class _Fault(Exception):  # noqa: N818  # never leaves this module
    """A token is not accepted."""

    def __init__(self, code: DenialCode = DenialCode.TOKEN_INVALID) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class PinnedIssuer:
    """An issuer as configured, and its keys by key id and algorithm."""

    config: TokenIssuer
    keys: Mapping[tuple[str, str], jwt.PyJWK]


class BearerTokens:
    """Reads tokens of the configured issuers."""

    def __init__(self, issuers: Iterable[PinnedIssuer] = ()) -> None:
        """Args: what `read_issuers` returned."""
        self._issuers = {issuer.config.issuer: issuer for issuer in issuers}

    def read(self, token: bytes) -> Bearer | DenialCode:
        """Return whom a token in compact form (RFC 7515 §7.1) names, or why it is not accepted.

        The issuer is chosen by what the token says of itself, its keys and all else by configuration.
        """
        try:
            return self._read(token)
        except _Fault as fault:
            return fault.code

    def _read(self, token: bytes) -> Bearer:
        parts = token.split(b".")
        if len(token) > MAX_TOKEN_OCTETS or len(parts) != 3:
            raise _Fault
        header, claims = _object(parts[0]), _object(parts[1])
        _check_header(header)
        issuer = self._issuers.get(_text(claims, "iss"))
        if issuer is None:
            raise _Fault(DenialCode.TOKEN_ISSUER)
        key = issuer.keys.get((_text(header, "kid"), _text(header, "alg")))
        if key is None:
            raise _Fault
        try:
            _JWS.decode_complete(token, key, algorithms=[key.algorithm_name])
        except jwt.PyJWTError:
            raise _Fault from None
        _check_claims(claims, issuer.config, time.time())
        return Bearer(issuer.config.issuer, _text(claims, "sub"))


def _check_header(header: Mapping[str, Any]) -> None:
    if header.keys() & {"crit", "b64", "zip"}:
        raise _Fault  # RFC 7515 §4.1.11: we understand no extension, so none may be critical
    if str(header.get("typ", "jwt")).lower() not in _TYPES:
        raise _Fault


def _check_claims(claims: Mapping[str, Any], issuer: TokenIssuer, now: float) -> None:
    """RFC 7519 §4.1, each claim wanted but `nbf`."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if issuer.audience not in audiences or not all(isinstance(each, str) for each in audiences):
        raise _Fault(DenialCode.TOKEN_AUDIENCE)
    issued, ends = _moment(claims, "iat"), _moment(claims, "exp")
    begins = _moment(claims, "nbf") if "nbf" in claims else issued
    if ends <= now - LEEWAY_SECONDS or max(issued, begins) > now + LEEWAY_SECONDS:
        raise _Fault(DenialCode.TOKEN_EXPIRED)
    if ends - issued > issuer.max_seconds:
        raise _Fault(DenialCode.TOKEN_EXPIRED)


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LAST_MOMENT:
        raise _Fault
    return value


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
        raise _Fault
    return value


def _object(part: bytes) -> dict[str, Any]:
    """Read a JSON object in base64url without padding; its one spelling only (RFC 7515 §2)."""
    if not _PART.fullmatch(part):
        raise _Fault
    try:
        octets = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
        found = _strict_json(octets.decode("utf-8"))
    except (binascii.Error, ValueError, RecursionError):
        raise _Fault from None
    if not isinstance(found, dict) or base64.urlsafe_b64encode(octets).rstrip(b"=") != part:
        raise _Fault
    return found


def _strict_json(text: str) -> object:
    """Read JSON in which no name stands twice (RFC 8259 §4) and no number is none.

    Raises:
        ValueError: it is something else.
        RecursionError: it is nested beyond reason.
    """
    return json.loads(text, object_pairs_hook=_members, parse_constant=_no_number)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no number")


def read_issuers(access: Access) -> tuple[PinnedIssuer, ...]:
    """Read the keys of every configured issuer.

    Raises:
        StartError: a file cannot be read, or holds a key that its issuer's tokens could not or must not be
            checked with.
    """
    return tuple(_read_issuer(name, issuer) for name, issuer in access.issuers.items())


def _read_issuer(name: str, issuer: TokenIssuer) -> PinnedIssuer:
    place = f"access.issuers.{name}: {issuer.keys}"
    pinned: dict[tuple[str, str], jwt.PyJWK] = {}
    known: set[str] = set()
    for each in _read_set(place, issuer.keys):
        if each.get("use", "sig") != "sig":
            continue  # an issuer publishes the keys that others encrypt to in the same set
        kid = each.get("kid")
        if not isinstance(kid, str) or not kid or kid in known:
            raise StartError(f"{place}: every key wants a `kid` of its own")
        known.add(kid)
        pinned |= {(kid, algorithm): key for algorithm, key in _keys(f"{place}: {kid!r}", each, issuer)}
    if not pinned:
        raise StartError(f"{place}: no key for {', '.join(issuer.algorithms)}")
    return PinnedIssuer(issuer, pinned)


def _read_set(place: str, path: Path) -> list[dict[str, Any]]:
    try:
        octets = path.read_bytes()
        found = _strict_json(octets[: MAX_KEYS_OCTETS + 1].decode("utf-8"))
    except OSError as error:
        raise StartError(f"{place}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise StartError(f"{place}: no JSON: {error}") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(each, dict) for each in keys) or len(keys) > MAX_KEYS:
        raise StartError(f"{place}: no set of at most {MAX_KEYS} keys (RFC 7517 §5)")
    return keys


def _keys(place: str, member: dict[str, Any], issuer: TokenIssuer) -> Iterable[tuple[str, jwt.PyJWK]]:
    """Return a key with each algorithm that it may be used with: its own `alg`, else what fits its type."""
    if member.get("kty") == "oct" or "d" in member:
        raise StartError(f"{place}: a secret key; only public ones belong here")
    named = member.get("alg")
    if named is not None and named not in issuer.algorithms:
        raise StartError(f"{place}: its alg {named!r} is none of {', '.join(issuer.algorithms)}")
    found = []
    for algorithm in issuer.algorithms:
        if named is None or named == algorithm:
            try:
                key = jwt.PyJWK(member, algorithm)
            except jwt.PyJWTError as error:
                if named is not None:
                    raise StartError(f"{place}: {error}") from None
                continue
            if _fits(key.key, algorithm):
                found.append((algorithm, key))
    if not found:
        raise StartError(f"{place}: its type fits none of {', '.join(issuer.algorithms)}")
    return found


def _fits(key: object, algorithm: str) -> bool:
    """Say whether a public key is of the one type that an algorithm is used with here."""
    match key:
        case ec.EllipticCurvePublicKey():
            return algorithm in _CURVES and isinstance(key.curve, _CURVES[algorithm])
        case rsa.RSAPublicKey():
            return algorithm in _RSA and key.key_size in _RSA_BITS
        case ed25519.Ed25519PublicKey():
            return algorithm == "EdDSA"
        case _:
            return False
