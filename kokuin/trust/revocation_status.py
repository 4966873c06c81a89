"""Whether the certificates of a path were revoked, judged for the time at which the token is proven to exist.

What a revocation means for a time-stamp is a matter of its reason (RFC 3161 §4, 1 and 2): tokens from before
it stay valid when the key was not compromised. When it was, or nobody says that it was not, whoever has the
key can date a token back, and only another proof that the token existed before helps. For the authorities
above the unit that is so whatever the reason (ETSI EN 319 102-1 §5.2.6, §5.5.4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.trust.name import display
from kokuin.trust.revocation_statement import Source, Statement
from kokuin.trust.revocation_verdict import CertificateJudge, Silence, told_until
from kokuin.trust.rules import REVOCATION, Reason

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import RevocationMode
    from kokuin.trust.fitness import Constraints
    from kokuin.trust.report import Check
    from kokuin.trust.revocation_statement import Heard, Shelf


class RevocationJudge:
    """Judges the certificates of paths by the lists and answers at hand: the verifier's and the token's."""

    def __init__(
        self,
        shelves: tuple[Shelf, ...],
        mode: RevocationMode,
        constraints: Constraints,
        *,
        dated: bool = True,
    ) -> None:
        """Take what is at hand.

        Args:
            shelves: lists and answers.
            mode: what becomes of a certificate of which they say nothing.
            constraints: what algorithms are judged by, and for which time.
            dated: whether the object's claim of its time counts, as a time-stamp's does: its unit is trusted
                for nothing but times. Whoever seals can date his seal back, with or without a stolen key.
        """
        self._shelves = shelves
        self._mode = mode
        self._constraints = constraints
        self._dated = dated

    def judge(self, path: tuple[Certificate, ...] | None) -> tuple[Check, ...]:
        """Judge the certificates of a path; the anchor is trusted by the verifier, whoever takes it back.

        Args:
            path: from the unit to the anchor; None when there is none.

        Returns:
            One check for each certificate below the anchor, or one for all when nobody tells of any of them
            for the same reason.
        """
        if path is None:
            return (REVOCATION.not_done(Reason.REVOCATION_NO_PATH),)
        if len(path) == 1:
            pinned = display(path[0].subject)
            return (REVOCATION.not_done(Reason.REVOCATION_OF_ANCHOR, certificate=pinned),)
        if not self._shelves:
            names = [display(certificate.subject) for certificate in path[:-1]]
            return (Silence(Reason.REVOCATION_NO_DATA).check(names, self._mode),)
        return self._judge_path(path)

    def _judge_path(self, path: tuple[Certificate, ...]) -> tuple[Check, ...]:
        found: list[tuple[str, Check | Silence]] = []
        taken_back: int | None = None  # since when the issuer's key may be somebody else's
        below = (None, *path)
        for signed, certificate, issuer in reversed(list(zip(below, path, path[1:], strict=False))):
            first = signed is None
            used = self._constraints.proven
            if signed is not None and signed is not path[0]:
                # Only the signer's certificate is as old as what it signed: that names it.
                used = self._constraints.since(signed.der)
            dated = first and self._dated
            judge = CertificateJudge(
                certificate, first, dated, self._constraints, used, taken_back, self._mode
            )
            heard = [self._vet(item, issuer, judge) for item in self._hear(certificate, issuer)]
            found.insert(0, (display(certificate.subject), judge.conclude(heard)))
            taken_back = judge.taken_back(heard)
        nearest = found[0][1]
        if isinstance(nearest, Silence) and all(each == nearest for _, each in found):
            return (nearest.check([name for name, _ in found], self._mode),)
        return tuple(
            each.check([name], self._mode) if isinstance(each, Silence) else each for name, each in found
        )

    def _hear(self, certificate: Certificate, issuer: Certificate) -> list[Heard]:
        return [item for shelf in self._shelves for item in shelf.hear(certificate, issuer)]

    def _vet(self, item: Heard, issuer: Certificate, judge: CertificateJudge) -> Heard:
        """Ask the lists about a responder too: all of them, whoever brought his answer."""
        if not isinstance(item, Statement) or item.speaker is None:
            return item
        heard = [each for each in self._hear(item.speaker, issuer) if isinstance(each, Statement)]
        lists = [each for each in heard if each.source is Source.LIST]
        if any(each.revocation is not None for each in lists):
            # Attack: the key of a responder was stolen, and goes on saying that all is good.
            return Reason.REVOCATION_FOREIGN_SIGNER
        until = (told_until(each) for each in lists if each.complete and judge.is_fit(each))
        return replace(item, settled_until=max(until, default=None))
