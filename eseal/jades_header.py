"""The protected header of a JSON seal, read once from what was signed (ETSI TS 119 182-1 §5.1, §5.2).

What a header says is either taken with its meaning, shown, or refused; nothing in it makes anybody look
anything up elsewhere.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.jades_critical import REQUIRED, check_critical
from eseal.jades_fields import take_seconds, take_text, take_texts, text_of, wrong
from eseal.jades_form import JadesError, decode_base64, decode_base64url, read_object
from eseal.jades_payload import DIGEST_NAMES, MAX_DOCUMENTS, Mechanism
from eseal.jades_unsigned import CarriedToken, read_tokens
from eseal.rules import SealReason
from eseal.values import MAX_CERTIFICATES, MAX_SEALS, StampRole
from kokuin.wire.algorithms import DIGEST_BY_NAME

if TYPE_CHECKING:
    from eseal.jades_form import JsonObject
    from kokuin.wire.strictjson import JsonValue

_ONLY_IAT = 1_752_537_600 * 1_000_000
"""2025-07-15, from which day on `sigT` is no longer to be written."""
_SIG_T = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_FOREIGN_KEYS = frozenset({"jwk", "jku", "x5t"})
"""Keys from elsewhere, and the thumbprint of SHA-1 (§5.1.6)."""


@dataclass(frozen=True, slots=True)
class Thumbprint:
    """A digest of a certificate: our name of the digest (None: unknown), and its value."""

    digest: str | None
    value: bytes

    def fits(self, certificate: bytes) -> bool:
        """Say whether it is of a certificate (DER)."""
        return self.digest is not None and DIGEST_BY_NAME[self.digest].of(certificate) == self.value


@dataclass(frozen=True, slots=True)
class References:
    """`sigD` (§5.2.8).

    Attributes:
        mechanism: how it names data.
        names: `pars`.
        digest: `hashM` by our name; None where the mechanism has none, or it is unknown.
        values: `hashV`, as many as names; empty where the mechanism has none.
    """

    mechanism: Mechanism
    names: tuple[str, ...]
    digest: str | None = None
    values: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One of the signatures that must be there: `alg`, and the SHA-256 of the certificate in base64url."""

    alg: str
    thumbprint: str


@dataclass(frozen=True, slots=True)
class Protected:
    """A protected header.

    Attributes:
        alg: as found.
        claimed_us: `iat` or `sigT`, microseconds since 1970 UTC; None: neither is there.
        expires_us: `exp`, likewise: from when on nobody is to take it.
        outdated: the time is a `sigT` of a day on which only `iat` was left (§5.2.1).
        thumbprint: of the signer's certificate; None: only `x5c` names it.
        chain: `x5c`, DER, the signer's first.
        encoded: `b64`.
        content_type: `cty`.
        references: `sigD`; None: the payload is inside, or nothing says where it is.
        commitments: URIs of `srCms`.
        policy: URI of `sigPId`.
        required: every signature that must be there.
        stamps: `adoTst`.
    """

    alg: str
    claimed_us: int | None
    expires_us: int | None
    outdated: bool
    thumbprint: Thumbprint | None
    chain: tuple[bytes, ...]
    encoded: bool
    content_type: str | None
    references: References | None
    commitments: tuple[str, ...]
    policy: str | None
    required: tuple[Member, ...]
    stamps: tuple[CarriedToken, ...]


def read_protected(text: str) -> Protected:
    """Read a protected header.

    Args:
        text: base64url as it was signed.

    Raises:
        JadesError: SYNTAX or DUPLICATE_NAME; HEADER_WRONG, CRITICAL_WRONG or CRITICAL_UNKNOWN with the name
            of the parameter.
    """
    header = read_object(decode_base64url(text, "protected"), "protected")
    check_critical(header)
    for name in _FOREIGN_KEYS & header.keys():
        # Attack: the key comes with the message, and the certificate is for show.
        raise JadesError(SealReason.HEADER_WRONG, name)
    encoded = header.get("b64", True)
    if not isinstance(encoded, bool):
        raise wrong("b64")
    references = _references(header)
    if references is not None and references.mechanism is Mechanism.HTTP_HEADERS and encoded:
        raise wrong("b64")  # §5.1.10
    claimed = _claimed(header)
    return Protected(
        take_text(header, "alg"),
        claimed,
        take_seconds(header, "exp") if "exp" in header else None,
        "sigT" in header and claimed is not None and claimed >= _ONLY_IAT,
        _thumbprint(header),
        _chain(header),
        encoded,
        take_text(header, "cty") if "cty" in header else None,
        references,
        _commitments(header),
        _policy(header),
        _required(header),
        _stamps(header),
    )


def _claimed(header: JsonObject) -> int | None:
    """§5.1.11 `iat`, §5.2.1 `sigT`: one of them."""
    if "iat" in header and "sigT" in header:
        raise wrong("sigT")
    if "iat" in header:
        return take_seconds(header, "iat")
    if "sigT" not in header:
        return None
    text = take_text(header, "sigT")
    try:
        moment = dt.datetime.fromisoformat(text) if _SIG_T.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None or moment.year < 1970:
        raise wrong("sigT")
    return int(moment.timestamp()) * 1_000_000


def _thumbprint(header: JsonObject) -> Thumbprint | None:
    """§5.1.7 `x5t#S256`, §5.2.2.2 `x5t#o`, §5.2.2.3 `sigX5ts`: at most one of them."""
    named = [name for name in ("x5t#S256", "x5t#o", "sigX5ts") if name in header]
    if not named:
        return None
    if len(named) > 1:
        raise wrong(named[1])
    (name,) = named
    value = header[name]
    if name == "x5t#S256":
        return Thumbprint("sha256", decode_base64url(take_text(header, name), name))
    if name == "sigX5ts":
        # The first is the signer's; the others are of its chain, which is judged by itself.
        if not isinstance(value, list) or not 0 < len(value) <= MAX_CERTIFICATES:
            raise wrong(name)
        value = value[0]
    if not isinstance(value, dict):
        raise wrong(name)
    digest = DIGEST_NAMES.get(take_text(value, "digAlg"))
    return Thumbprint(digest, decode_base64url(take_text(value, "digVal"), name))


def _chain(header: JsonObject) -> tuple[bytes, ...]:
    """RFC 7515 §4.1.6."""
    if "x5c" not in header:
        return ()
    value = header["x5c"]
    if not isinstance(value, list) or not 0 < len(value) <= MAX_CERTIFICATES:
        raise wrong("x5c")
    return tuple(decode_base64(each, "x5c") for each in value)


def _references(header: JsonObject) -> References | None:
    if "sigD" not in header:
        return None
    value = header["sigD"]
    if not isinstance(value, dict):
        raise wrong("sigD")
    try:
        mechanism = Mechanism(take_text(value, "mId"))
    except ValueError:
        raise wrong("mId") from None
    names = take_texts(value, "pars", MAX_DOCUMENTS)
    if "ctys" in value:
        types = value["ctys"]
        if not isinstance(types, list) or len(types) != len(names):
            raise wrong("ctys")
    if mechanism is not Mechanism.BY_URI_HASH:
        return References(mechanism, names)
    digests = value.get("hashV")
    if not isinstance(digests, list) or len(digests) != len(names):
        # Attack: names beyond the digests are covered by nothing.
        raise wrong("hashV")
    values = tuple(decode_base64url(text_of(each, "hashV"), "hashV") for each in digests)
    return References(mechanism, names, DIGEST_NAMES.get(take_text(value, "hashM")), values)


def _commitments(header: JsonObject) -> tuple[str, ...]:
    """§5.2.3 `srCms`."""
    if "srCms" not in header:
        return ()
    value = header["srCms"]
    if not isinstance(value, list) or not 0 < len(value) <= MAX_DOCUMENTS:
        raise wrong("srCms")
    found = [each.get("commId") if isinstance(each, dict) else None for each in value]
    return tuple(_identifier(each, "srCms") for each in found)


def _policy(header: JsonObject) -> str | None:
    """§5.2.7 `sigPId`."""
    if "sigPId" not in header:
        return None
    value = header["sigPId"]
    return _identifier(value.get("id") if isinstance(value, dict) else None, "sigPId")


def _identifier(value: JsonValue, name: str) -> str:
    """§5.4.1 `oId`."""
    if not isinstance(value, dict):
        raise wrong(name)
    return text_of(value.get("id"), name)


def _required(header: JsonObject) -> tuple[Member, ...]:
    if REQUIRED not in header:
        return ()
    value = header[REQUIRED]
    if not isinstance(value, list) or not 0 < len(value) <= MAX_SEALS:
        raise wrong(REQUIRED)
    objects = [each if isinstance(each, dict) else {} for each in value]
    found = tuple(Member(take_text(each, "alg"), take_text(each, "x5t#S256")) for each in objects)
    if len(set(found)) != len(found):
        raise wrong(REQUIRED)
    return found


def _stamps(header: JsonObject) -> tuple[CarriedToken, ...]:
    """§5.2.6 `adoTst`."""
    if "adoTst" not in header:
        return ()
    return tuple(read_tokens(header["adoTst"], "adoTst", StampRole.CONTENT, -1))
