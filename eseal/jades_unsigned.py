"""What a JSON seal carries unsigned: the elements of `etsiU` (ETSI TS 119 182-1 §5.3).

Nobody signed the list. Time-stamps, lists and answers in it count by their own signatures; what an element is
called, and where it stands, counts only as far as an archive time-stamp covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import rfc8785

from eseal.jades_form import JadesError, decode_base64, decode_base64url, read_object
from eseal.rules import SealReason
from eseal.values import MAX_CERTIFICATES, MAX_JSON_DEPTH, MAX_JWS, MAX_REVOCATION, MAX_STAMPS, StampRole
from kokuin.trust.context import RevocationData

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from eseal.jades_form import JsonObject, JwsSignature
    from kokuin.wire.strictjson import JsonValue

MAX_ELEMENTS = 256
"""Elements of `etsiU`; a seal that is renewed every few years has some twenty."""
MAX_VALUES = 10_000
"""Values within one element; what is carried are a few long texts."""
CANONICAL = frozenset(
    {
        "http://json-canonicalization.org/algorithm",
        "https://www.rfc-editor.org/rfc/rfc8785",
        "https://www.rfc-editor.org/info/rfc8785",
        "https://tools.ietf.org/html/rfc8785",
        "https://datatracker.ietf.org/doc/html/rfc8785",
        "urn:ietf:rfc:8785",
    }
)
"""URIs of `canonAlg` that mean RFC 8785; ETSI names none, and these are in use."""
_DER = "http://uri.etsi.org/01903/v1.2.2#DER"
_STAMPS = {"sigTst": StampRole.SIGNATURE, "arcTst": StampRole.ARCHIVE}
KNOWN = frozenset(
    {
        *_STAMPS,
        "sigPSt",
        "xVals",
        "rVals",
        "axVals",
        "arVals",
        "tstVD",
        "anyValData",
        "xRefs",
        "rRefs",
        "axRefs",
        "arRefs",
        "sigRTst",
        "rfsTst",
        "cSig",
    }
)
"""Names of elements (§5.3, Annex A)."""
_VALIDATION_DATA = frozenset({"tstVD", "anyValData"})


@dataclass(frozen=True, slots=True)
class Element:
    """One element of `etsiU`.

    Attributes:
        name: of its one member.
        value: of its one member.
        text: base64url as it stands; None in the clear form.
    """

    name: str
    value: JsonValue
    text: str | None

    def covered(self) -> bytes:
        """Return what an archive time-stamp after it covers of it (§5.3.6.3.1.1, §5.3.6.3.1.2).

        Raises:
            JadesError: a value that RFC 8785 cannot write, or not in bounded time.
        """
        if self.text is not None:
            return self.text.encode()
        if not _is_small(self.value):
            raise JadesError(SealReason.TOO_LARGE, "etsiU")
        try:
            return rfc8785.dumps({self.name: self.value})
        except rfc8785.CanonicalizationError:
            raise JadesError(SealReason.SYNTAX, "etsiU") from None


@dataclass(frozen=True, slots=True)
class CarriedToken:
    """A time-stamp in `etsiU` or `adoTst`.

    Attributes:
        token: DER as found.
        role: what it covers.
        place: number of its element.
        canonical: URI of `canonAlg`; None when absent.
        whole: False: it says itself that it covers less than everything before it.
    """

    token: bytes
    role: StampRole
    place: int
    canonical: str | None
    whole: bool


def _is_small(value: JsonValue) -> bool:
    """Say whether a value has at most MAX_VALUES in it: to write numbers canonically takes its time."""
    left, waiting = MAX_VALUES, [value]
    while waiting and left > 0:
        each = waiting.pop()
        left -= 1
        if isinstance(each, list | dict):
            left -= len(each)
            if left > 0:
                waiting.extend(each.values() if isinstance(each, dict) else each)
    return left > 0


def signature_covered(signature: JwsSignature) -> bytes:
    """Return what a signature time-stamp covers (§5.3.4): the text of the signature value."""
    return signature.signature.encode()


def archive_covered(signature: JwsSignature, before: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return what an archive time-stamp covers behind the data (§5.3.6.3.1), in parts.

    Args:
        signature: the signature.
        before: the elements of `etsiU` before the time-stamp, as `Element.covered` gives them.
    """
    return (b".", signature.protected.encode(), b".", signature.signature.encode(), b".", *before)


def read_unsigned(header: JsonObject | None) -> tuple[Element, ...]:
    """Read the unprotected header of a signature.

    Raises:
        JadesError: UNSIGNED_MIXED: base64url beside clear elements, of which nobody could say what is
            covered; SYNTAX: it holds anything but `etsiU` (§5.3.1), or that is no such list.
    """
    if header is None:
        return ()
    for name in header:
        if name != "etsiU":
            # Attack: what is not signed answers where the protected header is silent.
            raise JadesError(SealReason.SYNTAX, name)
    found = header.get("etsiU")
    if not isinstance(found, list) or not 0 < len(found) <= MAX_ELEMENTS:
        raise JadesError(SealReason.SYNTAX, "etsiU")
    if any(isinstance(each, str) for each in found) != all(isinstance(each, str) for each in found):
        raise JadesError(SealReason.UNSIGNED_MIXED, "etsiU")
    return tuple(_read_element(each) for each in found)


def _read_element(value: JsonValue) -> Element:
    text = value if isinstance(value, str) else None
    if text is not None:
        octets = decode_base64url(text, "etsiU")
        value = read_object(octets, "etsiU", most=MAX_JWS, depth=MAX_JSON_DEPTH)
    if not isinstance(value, dict) or len(value) != 1:
        raise JadesError(SealReason.SYNTAX, "etsiU")
    ((name, held),) = value.items()
    return Element(name, held, text)


def carried_tokens(elements: Iterable[Element]) -> tuple[CarriedToken, ...]:
    """Return the time-stamps of `etsiU`, one more than are judged at most.

    Raises:
        JadesError: SYNTAX.
    """
    found: list[CarriedToken] = []
    for place, element in enumerate(elements):
        role = _STAMPS.get(element.name)
        if role is not None:
            found += read_tokens(element.value, element.name, role, place)
        if len(found) > MAX_STAMPS:
            break
    return tuple(found[: MAX_STAMPS + 1])


def read_tokens(value: JsonValue, name: str, role: StampRole, place: int) -> Iterator[CarriedToken]:
    """Yield the tokens of a `tstContainer` (§5.4.3.3).

    Raises:
        JadesError: SYNTAX.
    """
    container = _object(value, name)
    canonical, tokens = container.get("canonAlg"), container.get("tstTokens")
    if not isinstance(tokens, list) or not tokens or not isinstance(canonical, str | None):
        raise JadesError(SealReason.SYNTAX, name)
    whole = container.get("timeStamped", "all") == "all"
    for each in tokens[: MAX_STAMPS + 1]:
        token = decode_base64(_object(each, name).get("val"), name)
        yield CarriedToken(token, role, place, canonical, whole)


def carried_certificates(elements: Iterable[Element]) -> tuple[bytes, ...]:
    """Return the certificates (DER) of `xVals`, `axVals` and of validation data of time-stamps, each once.

    Raises:
        JadesError: SYNTAX.
    """
    found: dict[bytes, None] = {}
    for name, value in _members(elements, frozenset({"xVals", "axVals"})):
        for each in _list(value, name):
            item = _object(each, name)
            if "x509Cert" in item:
                found |= dict.fromkeys(_values([item["x509Cert"]], name))
    return tuple(found)[:MAX_CERTIFICATES]


def carried_revocation(elements: Iterable[Element]) -> RevocationData:
    """Return the lists and answers of `rVals`, `arVals` and of validation data of time-stamps, each once.

    Raises:
        JadesError: SYNTAX.
    """
    lists: dict[bytes, None] = {}
    answers: dict[bytes, None] = {}
    for name, value in _members(elements, frozenset({"rVals", "arVals"})):
        held = _object(value, name)
        lists |= dict.fromkeys(_values(_list(held.get("crlVals", []), name), name))
        answers |= dict.fromkeys(_values(_list(held.get("ocspVals", []), name), name))
    return RevocationData(tuple(lists)[:MAX_REVOCATION], tuple(answers)[:MAX_REVOCATION])


def _members(elements: Iterable[Element], wanted: frozenset[str]) -> Iterator[tuple[str, JsonValue]]:
    """Yield values of these names, in `etsiU` itself and in validation data of time-stamps."""
    for element in elements:
        if element.name in wanted:
            yield element.name, element.value
        elif element.name in _VALIDATION_DATA:
            held = _object(element.value, element.name)
            yield from ((name, value) for name, value in held.items() if name in wanted)


def _values(objects: list[JsonValue], name: str) -> Iterator[bytes]:
    """Yield the octets of PKI objects (§5.4.1) in DER; another encoding is nothing that we read."""
    for each in objects:
        held = _object(each, name)
        if held.get("encoding", _DER) == _DER:
            yield decode_base64(held.get("val"), name)


def _object(value: JsonValue, name: str) -> JsonObject:
    if not isinstance(value, dict):
        raise JadesError(SealReason.SYNTAX, name)
    return value


def _list(value: JsonValue, name: str) -> list[JsonValue]:
    if not isinstance(value, list) or len(value) > MAX_VALUES:
        raise JadesError(SealReason.SYNTAX, name)
    return value
