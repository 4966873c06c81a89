"""What a worker asks a child that judges, and what that answers.

The worker wrote what the child reads, so that side is bounded by what the worker took in. What the child
writes is bounded here: it has read hostile octets, and its word is trusted for one report only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kokuin.service.child_frames import encode
from kokuin.service.verify_codes import VerifyCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_HEADER = 1 << 16
MAX_REPORT = 1 << 24
"""Octets; a report speaks of what is in one token."""

_SINGLE = ("token", "request", "evidence", "proof")
_SEVERAL = ("crl", "ocsp")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a child.

    Attributes:
        token: octets of a time-stamp, whatever they are.
        at: validation time, microseconds since 1970 UTC; None: now.
        policy: name of a shipped policy.
        revocation: name of a revocation mode.
        digest: of the stamped data, made elsewhere.
        digests: of the stamped data that was sent, by the name of every algorithm.
        request: DER of the TimeStampReq.
        evidence: octets of an evidence record that came beside the token.
        proof: octets of a proof of the token's place in a ledger.
        crl: revocation lists.
        ocsp: OCSP answers.
    """

    token: bytes
    at: int | None = None
    policy: str = "baseline"
    revocation: str = "if-available"
    digest: bytes | None = None
    digests: Mapping[str, bytes] | None = None
    request: bytes | None = None
    evidence: bytes | None = None
    proof: bytes | None = None
    crl: tuple[bytes, ...] = field(default=())
    ocsp: tuple[bytes, ...] = field(default=())

    def encode(self) -> bytes:
        """Return the frame."""
        parts = list(self._parts())
        header = {
            "at": self.at,
            "policy": self.policy,
            "revocation": self.revocation,
            "digest": None if self.digest is None else self.digest.hex(),
            "digests": None
            if self.digests is None
            else {name: value.hex() for name, value in self.digests.items()},
            "parts": [[name, len(octets)] for name, octets in parts],
        }
        return encode(header, b"".join(octets for _, octets in parts))

    def _parts(self) -> Iterator[tuple[str, bytes]]:
        for name in _SINGLE:
            octets = getattr(self, name)
            if octets is not None:
                yield name, octets
        for name in _SEVERAL:
            for octets in getattr(self, name):
                yield name, octets

    @staticmethod
    def decode(header: Mapping[str, Any], blob: bytes) -> Question:
        """Return the question of a frame that `encode` made."""
        found: dict[str, list[bytes]] = {name: [] for name in (*_SINGLE, *_SEVERAL)}
        at = 0
        for name, size in header["parts"]:
            found[name].append(blob[at : at + size])
            at += size
        digests: dict[str, str] | None = header["digests"]
        return Question(
            token=found["token"][0],
            at=header["at"],
            policy=header["policy"],
            revocation=header["revocation"],
            digest=None if header["digest"] is None else bytes.fromhex(header["digest"]),
            digests=None
            if digests is None
            else {name: bytes.fromhex(value) for name, value in digests.items()},
            request=next(iter(found["request"]), None),
            evidence=next(iter(found["evidence"]), None),
            proof=next(iter(found["proof"]), None),
            crl=tuple(found["crl"]),
            ocsp=tuple(found["ocsp"]),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a child says.

    Attributes:
        report: JSON; empty where there is none.
        code: why there is none; None for a report, and for the word that the child is ready.
        field: the field of the form that is at fault; empty when none is.
        detail: for the log; nothing of what was asked.
        last: whether the child ends after it.
    """

    report: bytes = b""
    code: VerifyCode | None = None
    field: str = ""
    detail: str = ""
    last: bool = False

    def encode(self) -> bytes:
        """Return the frame."""
        header = {"code": self.code, "field": self.field, "detail": self.detail, "last": self.last}
        return encode(header, self.report)

    @staticmethod
    def decode(header: Any, blob: bytes) -> Answer:
        """Return the answer of a frame.

        Raises:
            ValueError: it is no answer: the child has read hostile octets and may say anything.
        """
        try:
            code, last = header["code"], bool(header["last"])
            known = None if code is None else VerifyCode(code)
            return Answer(blob, known, str(header["field"]), str(header["detail"]), last)
        except (KeyError, TypeError):
            raise ValueError from None
