"""What a JSON seal that was found covers: the payload inside, or the data that the verifier has beside it.

Nothing is fetched: a name in `sigD` is a name, and the data is what the verifier says it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from eseal.jades_form import JadesError, decode_base64url
from eseal.jades_http import canonical_fields, check_body, read_message
from eseal.jades_payload import Mechanism, encoded_octets
from eseal.rules import JWS_DETACHED, SEAL_CONTENT, SealReason
from eseal.values import MAX_FILE, Content
from kokuin.trust.report import Status, SubIndication
from kokuin.trust.rules import Reason
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eseal.jades_header import Protected, References
    from kokuin.trust.report import Check

MAX_DETACHED = MAX_FILE
"""Octets of data beside a seal that are held in memory; of more, only digests are compared."""


@runtime_checkable
class Documents(Content, Protocol):
    """Data beside a seal that covers several documents."""

    def named(self, uri: str) -> Content | None:
        """Return the data that `sigD` calls `uri`; None: it is not at hand."""
        ...


@dataclass(frozen=True, slots=True)
class NamedDocuments:
    """`Documents` by their names; as a single content it is nothing."""

    by_uri: Mapping[str, Content]

    def __call__(self, _: str, /) -> bytes:
        """Return the digest of nothing, which fits no data."""
        return b""

    def octets(self, _: int) -> bytes | None:
        """Return None: no one document is meant."""
        return None

    def named(self, uri: str) -> Content | None:
        """Return the document of this name."""
        return self.by_uri.get(uri)


@dataclass(frozen=True, slots=True)
class Covered:
    """What a seal covers.

    Attributes:
        checks: whether the data is the sealed data, as far as digests say.
        signed: what stands behind the point of the signing input; None: it is not at hand.
        archived: returns what an archive time-stamp covers first, or None: it is not at hand.
    """

    checks: tuple[Check, ...]
    signed: bytes | None = None
    archived: Callable[[], bytes | None] = lambda: None


_ABSENT = SubIndication.SIGNED_DATA_NOT_FOUND
_TWICE = SEAL_CONTENT.failed(SealReason.SEALED_DATA_TWICE, SubIndication.HASH_FAILURE)


def cover(protected: Protected, payload: str | None, content: Content | None) -> Covered:
    """Find what a seal covers.

    Args:
        protected: its protected header.
        payload: the payload member; None: the data is beside.
        content: the data beside; None: it is not at hand.

    Raises:
        OSError: from `content`.
    """
    references = protected.references
    if references is None:
        return _plain(protected, payload, content)
    if payload:
        # Attack: a document inside for people to read, and another one that is signed.
        return Covered((_TWICE,))
    match references.mechanism:
        case Mechanism.BY_URI_HASH:
            return _by_uri_hash(references, content, encoded=protected.encoded)
        case Mechanism.BY_URI:
            parts = [_part(references, name, content) for name in references.names]
            return _joined([_octets(part) for part in parts], encoded=protected.encoded)
        case Mechanism.HTTP_HEADERS:
            return _http(references, content)


def _plain(protected: Protected, payload: str | None, content: Content | None) -> Covered:
    """RFC 7515: the payload inside, or by App. F the data beside."""
    if not payload:
        return _joined([_octets(content)], encoded=protected.encoded)
    try:
        octets = decode_base64url(payload, "payload") if protected.encoded else payload.encode()
    except JadesError as error:
        check = SEAL_CONTENT.failed(error.reason, SubIndication.FORMAT_FAILURE, what=error.what)
        return Covered((check,))
    check = SEAL_CONTENT.ok() if content is None else _same(octets, content)
    signed = payload.encode()
    return Covered((check,), signed, lambda: signed)


def _same(octets: bytes, content: Content) -> Check:
    """Compare data that is inside with data that was given."""
    given = content("sha256")
    for digest in DIGESTS:
        # A digest that was made elsewhere does not say by which algorithm.
        if digest.size == len(given) and digest.of(octets) == given:
            return SEAL_CONTENT.ok(algorithm=digest.name)
    return _TWICE


def _absent(name: str | None = None) -> Check:
    # Printable whatever a stranger wrote, and short.
    shown = {} if name is None else {"what": ascii(name)[:200]}
    return SEAL_CONTENT.indeterminate(SealReason.SEALED_DATA_ABSENT, _ABSENT, **shown)


def _octets(content: Content | None) -> bytes | None:
    return None if content is None else content.octets(MAX_DETACHED)


def _joined(found: list[bytes | None], *, encoded: bool) -> Covered:
    parts = [encoded_octets(each, encoded=encoded) for each in found if each is not None]
    if len(parts) < len(found):
        return Covered((_absent(),))
    signed = b"".join(parts)
    return Covered((SEAL_CONTENT.ok(),), signed, lambda: signed)


def _part(references: References, name: str, content: Content | None) -> Content | None:
    if isinstance(content, Documents):
        return content.named(name)
    return content if len(references.names) == 1 else None


def _by_uri_hash(references: References, content: Content | None, *, encoded: bool) -> Covered:
    """§5.2.8.3.3: the digests are signed, and each must be of its document."""
    digest = references.digest
    if digest is None:
        means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
        return Covered((JWS_DETACHED.indeterminate(Reason.DIGEST_UNKNOWN, means, algorithm="?"),), b"")
    parts = [_part(references, name, content) for name in references.names]
    checks = tuple(
        _compare(digest, value, name, part, encoded=encoded)
        for name, value, part in zip(references.names, references.values, parts, strict=True)
    )
    if any(part is None for part in parts):
        return Covered(checks, b"")

    def archived() -> bytes | None:
        return _joined([_octets(part) for part in parts], encoded=encoded).signed

    return Covered(_summary(checks), b"", archived)


def _summary(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Return one check where all data is there and fits."""
    wrong = tuple(check for check in checks if check.status is not Status.OK)
    return wrong or checks[:1]


def _compare(digest: str, value: bytes, name: str, part: Content | None, *, encoded: bool) -> Check:
    if part is None:
        return _absent(name)
    algorithm = DIGEST_BY_NAME[digest]
    if encoded:
        octets = _octets(part)
        if octets is None:
            return _absent(name)
        found = algorithm.of(encoded_octets(octets, encoded=True))
    else:
        found = part(digest)
        if len(found) != algorithm.size:
            # A digest that was made by another algorithm says nothing about the data.
            return SEAL_CONTENT.indeterminate(Reason.DIGEST_LENGTH, _ABSENT, algorithm=digest)
    if found != value:
        return SEAL_CONTENT.failed(SealReason.SEALED_DATA_CHANGED, SubIndication.HASH_FAILURE)
    return SEAL_CONTENT.ok(algorithm=digest)


def _http(references: References, content: Content | None) -> Covered:
    """§5.2.8.2: the fields are signed, and by `digest` the body."""
    octets = _octets(content)
    if octets is None:
        return Covered((_absent(),))
    try:
        fields, body = read_message(octets)
    except JadesError as error:
        check = SEAL_CONTENT.failed(error.reason, SubIndication.FORMAT_FAILURE, what=error.what)
        return Covered((check,))
    there = {name.lower() for name, _ in fields}
    for name in references.names:
        if name.lower() not in there:
            return Covered((_absent(name),))
    names = tuple(name.lower() for name in references.names)
    check = check_body(fields, body) if "digest" in names else _unsigned_body(body)
    covered = body if "digest" in names else None
    return Covered(
        (check,), canonical_fields(fields, names), lambda: canonical_fields(fields, names, covered)
    )


def _unsigned_body(body: bytes) -> Check:
    return _absent("body") if body else SEAL_CONTENT.ok()
