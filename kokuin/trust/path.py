"""Certification paths: found among what is at hand, with a bounded effort (RFC 5280 §6, RFC 4158)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kokuin.trust.name import CanonicalName, name_key, same_name
from kokuin.trust.path_rules import OUTSIDE_PERIOD, STAMPING, PathFault, judge_path, judge_period
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.certificate import Certificate

CertificatePath: TypeAlias = "tuple[Certificate, ...]"
"""From the certificate in question to the anchor, both included."""

MAX_LENGTH = 10
"""Certificates in a path; real ones have three or four."""
MAX_SIGNATURES = 64
"""Signatures verified in a search: certificates that issue each other in all ways cost no more."""
MAX_PATHS = 16
"""Complete paths judged before the search ends."""
_FEW = 8
"""Certificates of a token whose path is remembered."""


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """The best path found; `path` is None when none reaches an anchor.

    One without fault, else the first whose anchor counts at the time, else the first.
    """

    path: CertificatePath | None = None
    fault: PathFault | None = None


_ByName: TypeAlias = "dict[CanonicalName | bytes, tuple[Certificate, ...]]"


@functools.lru_cache(maxsize=8)
def _index(certificates: tuple[Certificate, ...]) -> _ByName:
    """A store has hundreds of certificates, and a path asks for one name at a time."""
    found: _ByName = {}
    for certificate in certificates:
        key = name_key(certificate.subject)
        found[key] = (*found.get(key, ()), certificate)
    return found


class _Search:
    """One search, depth first: those whom the certificate names by key first, anchors before others."""

    def __init__(self, trust: TrustStore, others: Sequence[Certificate], at: int) -> None:
        self._trust = trust
        self._stored = _index(trust.anchors), _index(trust.helpers)
        self._others = others
        self._at = at
        self._signatures = 0

    def paths(self, path: CertificatePath) -> Iterator[CertificatePath]:
        """Yield the complete paths that begin with `path`."""
        last = path[-1]
        if self._is_anchor(last):
            yield path
            if judge_period(last, self._trust, self._at) is None:
                return
        if len(path) == MAX_LENGTH:
            return
        for issuer in self._named(last):
            if self._may_issue(issuer, path) and self._issued(last, issuer):
                yield from self.paths((*path, issuer))

    def _is_anchor(self, certificate: Certificate) -> bool:
        named = self._stored[0].get(name_key(certificate.subject), ())
        return any(anchor.der == certificate.der for anchor in named)

    def _named(self, last: Certificate) -> list[Certificate]:
        """Return the certificates of the issuer's name, those of another key than is named at the end.

        An identifier that differs excludes nobody: the signature decides (RFC 4158 §3.5.12).
        """
        key = name_key(last.issuer)
        anchors, helpers = (stored.get(key, ()) for stored in self._stored)
        others = (other for other in self._others if same_name(other.subject, last.issuer))
        return sorted((*anchors, *others, *helpers), key=lambda issuer: _other_key(last, issuer))

    def _may_issue(self, issuer: Certificate, path: CertificatePath) -> bool:
        # The same key under the same name twice makes a path longer and never better.
        return all(
            issuer.public_key != done.public_key or not same_name(issuer.subject, done.subject)
            for done in path
        )

    def _issued(self, last: Certificate, issuer: Certificate) -> bool:
        if self._signatures == MAX_SIGNATURES:
            return False
        self._signatures += 1
        return last.signed_by(issuer.public_key).outcome is SignatureOutcome.VALID


def _other_key(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the identifiers say that another key than the issuer's made the signature."""
    named, own = certificate.authority_key_id, issuer.subject_key_id
    return named is not None and own is not None and named != own


def find_path(  # noqa: PLR0913  # each decides, and callers give few of them
    certificate: Certificate,
    trust: TrustStore,
    others: Sequence[Certificate],
    at: int,
    is_shunned: Callable[[CertificatePath], bool] | None = None,
    *,
    purposes: frozenset[str] = STAMPING,
) -> PathVerdict:
    """Look for a path from `certificate` to an anchor that is valid at a time.

    Args:
        certificate: the one in question.
        trust: anchors and helpers.
        others: further certificates of unknown origin.
        at: microseconds since 1970 UTC.
        is_shunned: whether a path without fault is taken only where there is no other (one of its authorities
            was revoked, say, and another certificate of the same authority was not).
        purposes: an authority that is limited to purposes must have one of these, or any.
    """
    first = _find(certificate, trust, tuple(others), at, purposes) if len(others) <= _FEW else None
    if first is not None and (is_shunned is None or first.path is None or not is_shunned(first.path)):
        return first
    return _search(certificate, trust, others, at, is_shunned, purposes=purposes)


@functools.lru_cache(maxsize=16)
def _find(
    certificate: Certificate,
    trust: TrustStore,
    others: tuple[Certificate, ...],
    at: int,
    purposes: frozenset[str],
) -> PathVerdict:
    """Tokens of one unit share their path; few certificates each, since it holds on to them."""
    return _search(certificate, trust, others, at, None, purposes=purposes)


def _search(  # noqa: PLR0913  # as `find_path`
    certificate: Certificate,
    trust: TrustStore,
    others: Sequence[Certificate],
    at: int,
    is_shunned: Callable[[CertificatePath], bool] | None,
    *,
    purposes: frozenset[str],
) -> PathVerdict:
    best, shunned = PathVerdict(), None
    paths = _Search(trust, others, at).paths((certificate,))
    for path, _ in zip(paths, range(MAX_PATHS), strict=False):
        uncounted = judge_period(path[-1], trust, at)
        fault = uncounted or judge_path(path, at, purposes)
        if fault is None:
            if is_shunned is None or not is_shunned(path):
                return PathVerdict(path)
            shunned = shunned or PathVerdict(path)
        elif best.fault is None or (best.fault.reason in OUTSIDE_PERIOD and not uncounted):
            best = PathVerdict(path, fault)
    return shunned or best
