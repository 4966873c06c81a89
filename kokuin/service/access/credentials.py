"""What a request shows of its caller, before anybody looks whether it is true.

An API key is `kokuin_<id>_<secret>`: the id is public, the secret has 256 random bits, so that a plain hash
of the whole text hides it. A caller shows one credential, in the `Authorization` field (RFC 9110 §11.6.2,
RFC 6750 §2.1, RFC 7617 §2) or as the certificate of its connection.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import re
import secrets
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_to_bytes

from kokuin.service.access.denials import DenialCode

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "kokuin_"
"""Of every API key: programs that look for secrets in texts find it."""
MAX_TOKEN_OCTETS = 8192
"""Of a JWT; a longer one is refused unread."""

_KEY = re.compile(rb"kokuin_([a-z2-7]{16})_[A-Za-z0-9_-]{43}")
_KEY_ANYWHERE = re.compile(rb"kokuin_[a-z2-7]{16}_")
_NO_JWT = re.compile(rb"[^A-Za-z0-9_.-]")
_JWT_BEGIN = b"eyJ"
_TELLING_NAMES = frozenset(
    {"access_token", "api-key", "api_key", "apikey", "authorization", "id_token", "jwt", "password"}
)
"""Members of a query in which clients of other services put their secrets (RFC 6750 §2.3 among them)."""


class Kind(Enum):
    """Which kind of credential it is."""

    API_KEY = auto()
    TOKEN = auto()
    """A JWT."""
    OPERATOR_KEY = auto()
    """Anything else that was borne: only the operator's key has no form of its own."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What the `Authorization` field shows.

    Attributes:
        kind: how it is checked.
        secret: its octets, whole.
        key_id: of an API key the public part; else empty.
    """

    kind: Kind
    secret: bytes
    key_id: str = ""

    def __repr__(self) -> str:
        # A traceback or a debugger's log must not hold what only the caller may know.
        return f"Credential({self.kind.name}, key_id={self.key_id!r})"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; its text is shown once and kept by nobody.

    Attributes:
        id: the public part.
        text: the whole key.
        digest: SHA-256 of the text, lower-case hex: what is kept.
    """

    id: str
    text: str
    digest: str

    def __repr__(self) -> str:
        # As above.
        return f"NewKey({self.id!r})"


def make_key() -> NewKey:
    """Make an API key: 16 characters of base32 for its id, 32 random octets for its secret."""
    key_id = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    text = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    return NewKey(key_id, text, digest_of(text.encode()))


def digest_of(secret: bytes) -> str:
    """Return what is kept of a secret: SHA-256, lower-case hex."""
    return hashlib.sha256(secret).hexdigest()


def read_authorization(value: bytes, *, basic: bool) -> Credential | DenialCode:
    """Read the value of an `Authorization` field.

    Args:
        value: as received.
        basic: whether HTTP Basic is taken here: its password is an API key, its user name is anything.
    """
    scheme, _, rest = value.partition(b" ")
    rest = rest.strip(b" \t")
    match scheme.lower():
        case b"bearer":
            return _borne(rest)
        case b"basic":
            return _basic(rest) if basic else DenialCode.CREDENTIAL_NOT_HERE
        case _:
            return DenialCode.CREDENTIAL_WRONG


def _borne(secret: bytes) -> Credential | DenialCode:
    if not secret or len(secret) > MAX_TOKEN_OCTETS:
        return DenialCode.CREDENTIAL_WRONG
    key = _KEY.fullmatch(secret)
    if key is not None:
        return Credential(Kind.API_KEY, secret, key[1].decode())
    # No other secret of ours holds a full stop.
    return Credential(Kind.TOKEN if b"." in secret else Kind.OPERATOR_KEY, secret)


def _basic(encoded: bytes) -> Credential | DenialCode:
    try:
        pair = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return DenialCode.CREDENTIAL_WRONG
    password = pair.partition(b":")[2]
    key = _KEY.fullmatch(password)
    if key is None:
        return DenialCode.CREDENTIAL_WRONG
    return Credential(Kind.API_KEY, password, key[1].decode())


def is_in_url(target: bytes) -> bool:
    """Say whether a request target, path and query, holds what only `Authorization` may hold.

    It is refused even when it is wrong: whoever sends one there sends the right one there too.
    """
    plain = unquote_to_bytes(target)
    if _KEY_ANYWHERE.search(plain) or any(map(_has_token, _NO_JWT.split(plain))):
        return True
    query = target.partition(b"?")[2].decode("latin-1")
    return bool(query) and any(name.lower() in _TELLING_NAMES for name in _names(query))


def _has_token(text: bytes) -> bool:
    # Attack: an expression that looks for a whole token reads a URL as often as it holds beginnings of one.
    if _JWT_BEGIN not in text:
        return False
    header, *parts = text.split(b".")
    for claims, signature in itertools.pairwise(parts):
        if claims and signature and _JWT_BEGIN in header[:-1]:
            return True
        header = claims
    return False


def _names(query: str) -> Iterable[str]:
    return (name for name, _ in parse_qsl(query, keep_blank_values=True, encoding="latin-1"))
