"""What a JSON seal covers: a payload inside, or data beside that `sigD` names (ETSI TS 119 182-1 §5.2.8).

Each kind says three things: what it adds to the protected header, which octets stand behind the point of the
signing input (RFC 7515 §5.1, RFC 7797 §3), and which an archive time-stamp covers (§5.3.6.3.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import rfc8785

from eseal.jades_form import JadesError, encode_base64url, read_json
from eseal.jades_refusal import JadesRefusal, JadesRefusedError
from eseal.values import MAX_JSON, MAX_JSON_DEPTH
from kokuin.wire.algorithms import DIGEST_BY_NAME

if TYPE_CHECKING:
    from eseal.jades_form import JsonObject
    from kokuin.wire.strictjson import JsonValue

DIGEST_NAMES = {
    "S256": "sha256",
    "S384": "sha384",
    "S512": "sha512",
    "S3-256": "sha3_256",
    "S3-384": "sha3_384",
    "S3-512": "sha3_512",
}
"""Digests of `hashM` and `digAlg` by the names of JAdES, and ours."""
_JADES_NAMES = {ours: theirs for theirs, ours in DIGEST_NAMES.items()}
_PREFIX = "application/"
_JSON_TYPE = re.compile(r"(?:application/)?json|[\w.-]+/[\w.-]+\+json")
MAX_DOCUMENTS = 256
"""Documents, or fields of an HTTP message, that one seal covers."""


class Mechanism(StrEnum):
    """ETSI TS 119 182-1 §5.2.8: how `sigD` names the data."""

    BY_URI_HASH = "http://uri.etsi.org/19182/ObjectIdByURIHash"
    BY_URI = "http://uri.etsi.org/19182/ObjectIdByURI"
    HTTP_HEADERS = "http://uri.etsi.org/19182/HttpHeaders"


class Payload(Protocol):
    """What a seal is to cover."""

    @property
    def encoded(self) -> bool:
        """Whether the data is covered in base64url; False is b64=false (RFC 7797)."""
        ...

    def members(self) -> JsonObject:
        """Return what the protected header says of it, but for `b64` and `crit`."""
        ...

    def signed(self) -> bytes:
        """Return what stands behind the point of the signing input."""
        ...

    def written(self) -> str | None:
        """Return the payload member; None: the data is beside."""
        ...

    def archived(self) -> bytes:
        """Return what an archive time-stamp covers before the protected header."""
        ...


@dataclass(frozen=True, slots=True)
class Attached:
    """Data inside the seal.

    Attributes:
        octets: the data.
        content_type: its media type; `application/` is left out in `cty` (RFC 7515 §4.1.10).
        encoded: False: written as it is, in UTF-8.
    """

    octets: bytes
    content_type: str = "application/json"
    encoded: bool = True

    def members(self) -> JsonObject:
        """`cty`; JSON is read once, so that no two readers find two things in what was sealed."""
        if len(self.octets) > MAX_JSON:
            raise JadesRefusedError(JadesRefusal.TOO_LARGE, "payload")
        if _JSON_TYPE.fullmatch(self.content_type):
            check_json(self.octets)
        return {"cty": short_type(self.content_type)}

    def signed(self) -> bytes:
        """The payload, in base64url or as it is."""
        return encoded_octets(self.octets, encoded=self.encoded)

    def written(self) -> str | None:
        """The same, as the payload member has it."""
        try:
            return self.signed().decode("utf-8")
        except UnicodeDecodeError:
            raise JadesRefusedError(JadesRefusal.PAYLOAD, "UTF-8") from None

    def archived(self) -> bytes:
        """The payload as it was signed."""
        return self.signed()


@dataclass(frozen=True, slots=True)
class Document:
    """Data beside a seal: the name that the seal gives it, the data, its media type."""

    uri: str
    octets: bytes
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ByUriHash:
    """Data beside, of which the seal has the digests (§5.2.8.3.3): the one to choose.

    Attributes:
        documents: at least one.
        digest: our name of the digest.
        encoded: False: digests of the data itself, which a verifier can make without holding all of it.
    """

    documents: tuple[Document, ...]
    digest: str = "sha512"
    encoded: bool = False

    def members(self) -> JsonObject:
        """`sigD` with `hashM` and `hashV`."""
        digest = DIGEST_BY_NAME[self.digest]
        values = [digest.of(encoded_octets(each.octets, encoded=self.encoded)) for each in self.documents]
        described = _describe(Mechanism.BY_URI_HASH, self.documents)
        hashes: JsonObject = {
            "hashM": _JADES_NAMES[self.digest],
            "hashV": [encode_base64url(value) for value in values],
        }
        return {"sigD": described | hashes}

    def signed(self) -> bytes:
        """Nothing: the digests are in the header."""
        return b""

    def written(self) -> str | None:
        """Nothing is inside."""
        return None

    def archived(self) -> bytes:
        """The data itself, one after the other."""
        return _joined(self.documents, encoded=self.encoded)


@dataclass(frozen=True, slots=True)
class ByUri:
    """Data beside, which stands in the signing input (§5.2.8.3.2).

    One document only: of several, nothing would say where one ends and the next begins. Attack: the same
    octets cut in another place are two other documents under the same seal.
    """

    document: Document
    encoded: bool = True

    def members(self) -> JsonObject:
        """`sigD` without digests."""
        return {"sigD": _describe(Mechanism.BY_URI, (self.document,))}

    def signed(self) -> bytes:
        """The data."""
        return _joined((self.document,), encoded=self.encoded)

    def written(self) -> str | None:
        """Nothing is inside."""
        return None

    def archived(self) -> bytes:
        """The data."""
        return self.signed()


def short_type(content_type: str) -> str:
    """Return a media type as `cty` has it: `application/` is left out where nothing else has a slash."""
    rest = content_type.removeprefix(_PREFIX)
    return content_type if "/" in rest else rest


def encoded_octets(octets: bytes, *, encoded: bool) -> bytes:
    """Return data as a seal covers it: in base64url, or as it is."""
    return encode_base64url(octets).encode() if encoded else octets


def canonical_json(octets: bytes) -> bytes:
    """Return a JSON text in its one canonical form (RFC 8785).

    Raises:
        JadesRefusedError: PAYLOAD: it is no JSON within RFC 7493, of at most MAX_JSON octets and depth
            MAX_JSON_DEPTH.
    """
    try:
        return rfc8785.dumps(check_json(octets))
    except rfc8785.CanonicalizationError as error:
        raise JadesRefusedError(JadesRefusal.PAYLOAD, type(error).__name__) from None


def check_json(octets: bytes) -> JsonValue:
    """Read a JSON text that is to be sealed: no two readers may find two things in it.

    Raises:
        JadesRefusedError: PAYLOAD: it is no JSON within RFC 7493, of at most MAX_JSON octets and depth
            MAX_JSON_DEPTH.
    """
    try:
        return read_json(octets, "payload", most=MAX_JSON, depth=MAX_JSON_DEPTH)
    except JadesError as error:
        raise JadesRefusedError(JadesRefusal.PAYLOAD, error.reason) from None


def _describe(mechanism: Mechanism, documents: tuple[Document, ...]) -> JsonObject:
    if not 0 < len(documents) <= MAX_DOCUMENTS or len({each.uri for each in documents}) != len(documents):
        raise JadesRefusedError(JadesRefusal.REFERENCES)
    return {
        "mId": mechanism.value,
        "pars": [each.uri for each in documents],
        "ctys": [short_type(each.content_type) for each in documents],
    }


def _joined(documents: tuple[Document, ...], *, encoded: bool) -> bytes:
    return b"".join(encoded_octets(each.octets, encoded=encoded) for each in documents)
