"""What the formats of seals have in common: who stamps and signs, and what was found of a seal.

A format's finder is a module with one function, which never raises for any octets::

    find(data: bytes, content: Content | None) -> Found | Check

`eseal.cades_find`, `eseal.jades_find` and `eseal.pdf.find` have it; `kokuin.verify` recognises the format
and calls it. A Check says that the octets are no such document at all (FORMAT, and the reason). Whatever
else is wrong is a check in `FoundSeal.before` or `Found.before`: a finder collects facts, and the checks
that need nothing but the document (form, coverage, digests, binding, signature); whom the verifier
trusts, policy and time belong to `eseal.judging`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kokuin.trust.context import RevocationData

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check, Limit, ReportValue
    from kokuin.trust.rules import Rule
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.policies import Role
    from pqc.signing import Signer
    from pqc.verifying import SignatureVerdict

MAX_FILE = 100 * 1024 * 1024
"""Octets of a file that is sealed, or that a detached seal is about; JSON has a bound of its own."""
MAX_PDF = MAX_FILE + 16 * 1024 * 1024
MAX_JSON = 8 * 1024 * 1024
MAX_JWS = 2 * MAX_JSON
MAX_CMS = 16 * 1024 * 1024
"""Octets of a document that are looked at. A PDF has room for the largest file and its seals, a JWS for the
largest JSON: base64url makes four octets of three, and time-stamps are added."""
MAX_JSON_DEPTH = 64
MAX_SEALS = 16
"""Seals of one document that are judged; a document that more sign is INDETERMINATE."""
MAX_STAMPS = 32
"""Time-stamps of one seal that are judged; one that is renewed every few years has some ten."""
MAX_CERTIFICATES = 128
"""Certificates of one seal that are looked at."""
MAX_REVOCATION = 64
"""Lists, and as many answers, of one seal that are looked at."""


class Level(StrEnum):
    """Baseline levels (ETSI EN 319 142-1 §6, EN 319 122-1 §6, TS 119 182-1 §6), lowest first."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"
    B_LTA = "B-LTA"

    @property
    def rank(self) -> int:
        """0 for the lowest."""
        return list(Level).index(self)


class StampRole(StrEnum):
    """What a time-stamp in a seal covers."""

    CONTENT = "content"
    """The data, before it was sealed; a signed attribute."""
    SIGNATURE = "signature"
    """The signature value alone, and by it what is signed."""
    ARCHIVE = "archive"
    """The seal with all that was there before: earlier time-stamps, certificates, revocation data."""
    DOCUMENT = "document"
    """A document time-stamp of PDF: the file with all that was there before."""


class StampUnavailableError(Exception):
    """No time-stamp can be had now; the message says why."""


class TimeStamper(Protocol):
    """A time-stamp authority: a unit in this process, or a client of one."""

    @property
    def digest(self) -> str:
        """Digest of the imprints that it takes: a name of `kokuin.wire.algorithms.DIGEST_BY_NAME`."""
        ...

    def stamp(self, imprint: bytes) -> bytes:
        """Return a TimeStampToken (DER) over an imprint.

        Raises:
            StampUnavailableError: none can be had now.
        """
        ...


@dataclass(frozen=True, slots=True)
class SealKey:
    """With what a seal is made.

    Attributes:
        signer: the key.
        certificate: the one of its public key, DER.
        chain: those above it, DER, its issuer first, without the root.
    """

    signer: Signer
    certificate: bytes
    chain: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """What B-LT adds: all that a verifier needs without asking anybody.

    Attributes:
        certificates: DER: of the seal's chain and of the time-stamps'.
        revocation: of all of them.
    """

    certificates: tuple[bytes, ...] = ()
    revocation: RevocationData = field(default_factory=RevocationData)


@runtime_checkable
class Content(Protocol):
    """Data that lies beside a detached seal."""

    def __call__(self, algorithm: str, /) -> bytes:
        """Return its digest by the name of the algorithm.

        Raises:
            OSError: the data cannot be read.
        """
        ...

    def octets(self, most: int) -> bytes | None:
        """Return the data itself; None where only a digest is at hand, or there is more of it than `most`.

        Raises:
            OSError: the data cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class DigestUse:
    """A digest that a seal uses, for the policy to judge.

    Attributes:
        rule: the check that it is judged under.
        oid: dotted.
        role: what it is used for.
    """

    rule: Rule
    oid: str
    role: Role


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time-stamp in a seal, as a format found it.

    Attributes:
        token: DER of the ContentInfo.
        content: gives the digest, by the name of an algorithm, of what it covers; None: it cannot be put
            together. Then the time-stamp proves nothing.
        role: what that is.
        index: the order in which they were added, from 0. One of role ARCHIVE or DOCUMENT proves all that
            has a lower index.
        covered: certificates, lists and answers (DER) of the seal that it covers: they were there before it.
            What stands in the tokens that it covers need not be among them.
    """

    token: bytes
    content: Callable[[str], bytes] | None
    role: StampRole
    index: int
    covered: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class FoundSeal:
    """The facts of one seal, whatever its format.

    Attributes:
        kind: `pades-seal`, `jades-seal` or `cades-seal`.
        subject: what it says of itself, shown and trusted for nothing. Names that sentences know: `field`,
            `reason`, `location`, `name`, `sub_filter`, `serialization`, `content_type`, `commitment`.
            Certificate, claimed time, algorithm and level are added in judging.
        certificates: carried, DER, at most MAX_CERTIFICATES.
        signer: the one that the seal's own binding (ESS attribute, x5t#S256, x5c) names; None: not found,
            and a check in `before` says why.
        before: the format's own checks, in order. The signature's is not among them: judging makes it of
            `signature`.
        digests: digests that it uses.
        signature_algorithm: of its main signature; None where none is known (a check in `before` says so).
        signature: outcome of `pqc.verifying` for its main signature; None: it could not be tried.
        claimed_us: signing time as claimed, microseconds since 1970 UTC; None: none is.
        stamps: by `index`, at most MAX_STAMPS + 1 (one more than are judged tells that there are more).
        revocation: carried, at most MAX_REVOCATION of each.
        required: key names of suites (`P-256`, `ML-DSA-65`; `pqc.suites.Suite.key`) that by a signed
            statement of this seal must all have signed the same content. Empty: it asks for none.
        expires_us: time from which on its signer wants it to be taken no more, as `claimed_us`.
        limits: what was not looked at.
    """

    kind: str
    subject: Mapping[str, ReportValue]
    certificates: tuple[bytes, ...]
    signer: Certificate | None
    before: tuple[Check, ...]
    digests: tuple[DigestUse, ...] = ()
    signature_algorithm: AlgorithmIdentifier | None = None
    signature: SignatureVerdict | None = None
    claimed_us: int | None = None
    stamps: tuple[Stamp, ...] = ()
    revocation: RevocationData = field(default_factory=RevocationData)
    required: tuple[str, ...] = ()
    expires_us: int | None = None
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a document holds.

    Attributes:
        kind: `pdf`, `jws` or `cms`.
        subject: what it says of itself as a whole (`pages`, `revisions`, …).
        seals: in the order in which they were made, at most MAX_SEALS + 1.
        before: checks of the document as a whole.
        stamps: where there is no seal, the document's own time-stamps; else empty, since each seal lists
            those that cover it.
        certificates: carried, for the time-stamps of a document without a seal, DER.
        revocation: likewise.
        limits: what was not looked at.
    """

    kind: str
    subject: Mapping[str, ReportValue]
    seals: tuple[FoundSeal, ...]
    before: tuple[Check, ...] = ()
    stamps: tuple[Stamp, ...] = ()
    certificates: tuple[bytes, ...] = ()
    revocation: RevocationData = field(default_factory=RevocationData)
    limits: tuple[Limit, ...] = ()
