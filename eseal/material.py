"""What B-LT adds to a seal, chosen from what is at hand: certificates up to the anchors, and revocation data.

Nothing is fetched. Whoever keeps lists and answers up to date puts them where the service reads them. A seal
gets what its own verification needs and nothing else: a list of a large authority has megabytes.
"""

from __future__ import annotations

import itertools
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from eseal.signer_rules import SEALING
from eseal.values import Material
from kokuin.trust.context import RevocationData
from kokuin.trust.name import display
from kokuin.trust.path import find_path
from kokuin.trust.path_rules import STAMPING
from kokuin.trust.revocation_statement import Shelf, Source, Statement
from kokuin.trust.revocation_verdict import CLOCK_SKEW
from kokuin.wire import oids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.certificate import Certificate


class MaterialProblem(StrEnum):
    """Why a seal cannot have B-LT."""

    NO_PATH = "MATERIAL_NO_PATH"
    """A certificate leads to none of the anchors."""
    NO_REVOCATION = "MATERIAL_NO_REVOCATION"
    """Of a certificate, nothing at hand says today whether it was revoked."""
    REVOKED = "MATERIAL_REVOKED"
    """A certificate was revoked."""


class MaterialError(Exception):
    """B-LT cannot be had; `subject` is the certificate's that lacks something, as people read it."""

    def __init__(self, problem: MaterialProblem, subject: str) -> None:
        super().__init__(f"{problem}: {subject}")
        self.problem, self.subject = problem, subject


class _Item(NamedTuple):
    """One list or answer, by itself."""

    source: Source
    octets: bytes
    shelf: Shelf


class Stock:
    """What is at hand, read once; safe for threads."""

    def __init__(self, trust: TrustStore, helpers: Sequence[Certificate], data: RevocationData) -> None:
        """Take it up.

        Args:
            trust: the anchors, which no seal carries.
            helpers: certificates between end entities and anchors.
            data: lists and answers, whosever they are.
        """
        self._trust, self._helpers = trust, tuple(helpers)
        self._items = [
            *(_Item(Source.LIST, each, Shelf(RevocationData(lists=(each,)))) for each in data.lists),
            *(_Item(Source.ANSWER, each, Shelf(RevocationData(answers=(each,)))) for each in data.answers),
        ]

    def choose(self, certificates: Iterable[Certificate], at: int) -> Material:
        """Return what a verifier needs for these certificates.

        Args:
            certificates: of the seals and of the time-stamp units over them.
            at: the present moment, microseconds since 1970 UTC.

        Raises:
            MaterialError: something is missing.
        """
        carried: dict[bytes, None] = {}
        lists: dict[bytes, None] = {}
        answers: dict[bytes, None] = {}
        for certificate in certificates:
            for below, issuer in itertools.pairwise(self._path(certificate, at)):
                carried[below.der] = None
                item = self._clearing(below, issuer, at)
                (lists if item.source is Source.LIST else answers)[item.octets] = None
        return Material(tuple(carried), RevocationData(tuple(lists), tuple(answers)))

    def _path(self, certificate: Certificate, at: int) -> tuple[Certificate, ...]:
        purpose = certificate.ext_key_usage
        stamps = purpose is not None and oids.ID_KP_TIME_STAMPING in purpose.purposes
        found = find_path(
            certificate, self._trust, self._helpers, at, purposes=STAMPING if stamps else SEALING
        )
        if found.path is None or found.fault is not None:
            raise MaterialError(MaterialProblem.NO_PATH, display(certificate.subject))
        return found.path

    def _clearing(self, certificate: Certificate, issuer: Certificate, at: int) -> _Item:
        """Return the newest item that clears a certificate today; of two, the smaller."""
        found: list[tuple[int, int, _Item]] = []
        for item in self._items:
            for said in item.shelf.hear(certificate, issuer):
                if not isinstance(said, Statement):
                    continue
                if said.revocation is not None:
                    raise MaterialError(MaterialProblem.REVOKED, display(certificate.subject))
                if said.complete and said.settled and at <= _until(said):
                    found.append((said.this_update, -len(item.octets), item))
        if not found:
            raise MaterialError(MaterialProblem.NO_REVOCATION, display(certificate.subject))
        return max(found, key=lambda each: each[:2])[2]


def _until(statement: Statement) -> int:
    return statement.this_update + CLOCK_SKEW if statement.next_update is None else statement.next_update
