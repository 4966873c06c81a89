"""The certificates of a data folder as facts: units, what lies above them, anchors."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.migration.assets import AssetKind, Facts, Note, State
from kokuin.service.migration.mechanisms import of_found, of_key
from kokuin.trust.anchors import SUFFIXES, TrustError, read_certificates
from kokuin.trust.name import display, same_name
from kokuin.wire import oids
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.mechanisms import Mechanism
    from kokuin.trust.certificate import Certificate


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate of the folder.

    Attributes:
        certificate: as read.
        digest: SHA-256, hex.
        use: `unit`, `seal`, `intermediate`, `anchor`.
        signature: the signature over it; of a certificate whose issuer is not at hand, without its key.
        issuer: the digest of its issuer's certificate, its own for a self-signed one; empty: not at hand.
    """

    certificate: Certificate
    digest: str
    use: str
    signature: Mechanism
    issuer: str

    @property
    def key(self) -> Mechanism:
        """Its own key, by whatever algorithm it signs."""
        return of_key(self.certificate.public_key)

    @property
    def key_since_us(self) -> int:
        """Beginning of the private key's period, else of the validity, microseconds since 1970 UTC."""
        period = self.certificate.key_period
        begins = None if period is None else period.not_before
        return self.certificate.not_before if begins is None else begins

    @property
    def key_until_us(self) -> int:
        """End of the private key's period, else of the validity."""
        period = self.certificate.key_period
        ends = None if period is None else period.not_after
        return self.certificate.not_after if ends is None else ends


def certificates_of(folder: DataFolder) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    """Return every certificate in `trust/`, and the names of files that could not be read."""
    anchors, others, unreadable = _read(folder)
    known = list({each.der: each for each in (*anchors, *others)}.values())
    roots = {each.der for each in anchors}
    return tuple(_found(each, known, anchor=each.der in roots) for each in known), unreadable


def find_certificates(certificates: Sequence[Certificate], above: Sequence[Certificate]) -> list[Found]:
    """Look for the issuers of certificates that are no anchors.

    Args:
        certificates: of which.
        above: where else issuers may be, besides among these.
    """
    return [_found(each, [*above, *certificates], anchor=False) for each in certificates]


def _read(folder: DataFolder) -> tuple[list[Certificate], list[Certificate], tuple[str, ...]]:
    anchors: list[Certificate] = []
    others: list[Certificate] = []
    unreadable: list[str] = []
    for path in _files(folder.anchors.parent):
        try:
            (others if path.name == folder.units.name else anchors).extend(read_certificates(path))
        except (OSError, TrustError):
            unreadable.append(path.name)
    return anchors, others, tuple(unreadable)


def _files(root: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in root.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return []


def _found(certificate: Certificate, known: Iterable[Certificate], *, anchor: bool) -> Found:
    issuer, signature = "", of_found(None, None, certificate.signature_algorithm.oid)
    for other in known:
        if not same_name(other.subject, certificate.issuer):
            continue
        verdict = certificate.signed_by(other.public_key)
        if verdict.outcome is SignatureOutcome.VALID:
            issuer = hashlib.sha256(other.der).hexdigest()
            signature = of_found(verdict.key, verdict.digest, certificate.signature_algorithm.oid)
            break
    purposes = () if certificate.ext_key_usage is None else certificate.ext_key_usage.purposes
    use = "unit" if oids.ID_KP_TIME_STAMPING in purposes and not certificate.is_authority else "intermediate"
    digest = hashlib.sha256(certificate.der).hexdigest()
    return Found(certificate, digest, "anchor" if anchor else use, signature, issuer)


def certificate_facts(
    found: Sequence[Found], in_force: Mapping[str, str], tokens: Mapping[str, int]
) -> list[Facts]:
    """Describe certificates as assets.

    Args:
        found: those of the folder.
        in_force: what signs with them, as among uses, by the digest of an end entity's certificate.
        tokens: how many tokens the ledger holds by the digest of their unit's certificate.
    """
    by_digest = {each.digest: each for each in found}
    above: Counter[str] = Counter()
    for digest, count in tokens.items():
        for step in _path(digest, by_digest):
            above[step] += count
    working = {step for digest in in_force for step in _path(digest, by_digest)}
    return [_facts(each, in_force, working, above[each.digest]) for each in found]


def _path(digest: str, by_digest: Mapping[str, Found]) -> list[str]:
    """Return the digests from a certificate up to the last one that is at hand."""
    path: list[str] = []
    while digest in by_digest and digest not in path:
        path.append(digest)
        digest = by_digest[digest].issuer
    return path


def _facts(found: Found, in_force: Mapping[str, str], working: set[str], tokens: int) -> Facts:
    certificate, key, signature = found.certificate, found.key, found.signature
    self_signed = found.issuer == found.digest
    # Nobody relies on a root's signature over itself, only on its key.
    subjects = signature.subjects[:1] if self_signed else (*key.subjects, *signature.subjects)
    signing = in_force.get(found.digest)
    state = State.IN_USE
    if found.digest not in working and found.use != "anchor":
        state = State.KEPT if in_force else State.UNKNOWN
    return Facts(
        id=f"certificate:{found.digest}",
        kind=AssetKind.CERTIFICATE,
        name=display(certificate.subject),
        state=state,
        mechanisms=(signature,) if self_signed else (key, signature),
        subjects=subjects,
        uses=(found.use, *((signing,) if signing else ())),
        since_us=certificate.not_before,
        until_us=certificate.not_after,
        ends_use=True,
        tokens=tokens,
        details={
            "serial": f"{certificate.serial:x}",
            "issuer": display(certificate.issuer),
            "sha256": found.digest,
            "issuer_sha256": found.issuer,
        },
        notes=() if found.issuer else (Note.ISSUER_UNKNOWN,),
    )
