"""Taking up a certificate that the operator's CA issued: judged before a single octet is written."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.service.provisioning import Act, append_pem
from kokuin.service.unit_certificates import UnitCertificates, check_certificate
from kokuin.service.unit_errors import UnitEndedError, UnitError
from kokuin.trust.anchors import TrustError, TrustStore, load_trust, read_certificates
from kokuin.trust.certificate import read_certificate
from kokuin.trust.name import display
from kokuin.trust.path import find_path
from kokuin.trust.records import ANCHOR_ADDED, CERTIFICATE_IMPORTED
from kokuin.wire.errors import WireError
from kokuin.wire.pem import read_blocks, write_block
from tsa.etsi import EtsiFinding, certificate_findings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.certificate import Certificate

MAX_IMPORTED = 32
"""Certificates that are taken in one go: a unit's, and what leads from it to an anchor."""
_LABEL = "CERTIFICATE"


class ImportProblem(StrEnum):
    """Why a certificate was not taken up."""

    UNREADABLE = "CERTIFICATE_UNREADABLE"
    """No certificate in PEM, or one that cannot be read."""
    OTHER_KEY = "CERTIFICATE_OF_ANOTHER_KEY"
    """It is for no key of the profile that is in use or to come."""
    KNOWN = "CERTIFICATE_KNOWN"
    """It is in `trust/units.pem` already."""
    EXPIRED = "CERTIFICATE_EXPIRED"
    PURPOSE = "CERTIFICATE_PURPOSE"
    """Not for time-stamping, critical and alone."""
    ETSI_KEY_PERIOD = EtsiFinding.KEY_PERIOD.value
    """No start would take it under the checks of EN 319 422, which the folder wants."""
    ETSI_SUBJECT = EtsiFinding.SUBJECT.value
    """Likewise."""
    NO_PATH = "CERTIFICATE_NO_PATH"
    """It leads to no anchor: neither in `trust/ca.pem` nor among those that were named."""
    PATH_UNFIT = "CERTIFICATE_PATH_UNFIT"
    """What leads to the anchor breaks a rule of RFC 5280."""
    ANCHOR_UNUSED = "ANCHOR_UNUSED"
    """An anchor was named that this certificate does not need."""
    TRUST_UNREADABLE = "TRUST_UNREADABLE"
    """The folder's own certificates cannot be read."""


class ImportRefusedError(Exception):
    """Nothing was written; `problem` says why."""

    def __init__(self, problem: ImportProblem, detail: str) -> None:
        super().__init__(f"{problem.value}: {detail}")
        self.problem = problem
        self.detail = detail


def import_certificates(  # noqa: PLR0913  # what the judgement depends on, named once
    folder: DataFolder,
    profile: str,
    keys: Mapping[str, bytes],
    pem: bytes,
    anchors_pem: bytes,
    *,
    now: dt.datetime,
    etsi: bool,
    on_act: Callable[[Act], None],
) -> Certificate:
    """Judge the first certificate of `pem` and append it, with what leads to its anchor, to the trust files.

    Args:
        folder: the data folder.
        profile: whose unit the certificate is for.
        keys: SubjectPublicKeyInfo (DER) of that unit's present and next keys, by name.
        pem: the unit's certificate, and further ones that may lead to an anchor.
        anchors_pem: anchors that the operator names; empty: those of `trust/ca.pem` must do.
        now: the present moment.
        etsi: what EN 319 422 wants of it is asked too.
        on_act: told each anchor and certificate as soon as it is durable.

    Raises:
        ImportRefusedError: with the reason.
        OSError: a file cannot be written; what was told before stands.
    """
    given, named = read_given(pem), read_given(anchors_pem) if anchors_pem else []
    certificate = given[0]
    key = next((name for name, public in keys.items() if public == certificate.public_key), None)
    if key is None:
        raise ImportRefusedError(
            ImportProblem.OTHER_KEY, f"{display(certificate.subject)} is for no key of {profile}"
        )
    known, anchors = _known(folder)
    if certificate.der in {item.der for item in known}:
        raise ImportRefusedError(ImportProblem.KNOWN, display(certificate.subject))
    _check(certificate, now, etsi=etsi)
    path = _path(certificate, given[1:], (*anchors, *named), known, now)
    _take(folder, path, known, anchors, named, on_act)
    on_act(Act(CERTIFICATE_IMPORTED, {"unit_of": profile, "key": key, "certificate": _sha256(certificate)}))
    return certificate


def read_given(pem: bytes) -> list[Certificate]:
    """Read the certificates that somebody gives, in PEM; other blocks are passed over.

    Raises:
        ImportRefusedError: UNREADABLE; there is none, too.
    """
    try:
        blocks = read_blocks(pem, MAX_IMPORTED)
        found = [read_certificate(octets) for label, octets in blocks if label == _LABEL]
    except WireError as error:
        raise ImportRefusedError(ImportProblem.UNREADABLE, error.code) from None
    if not found:
        raise ImportRefusedError(ImportProblem.UNREADABLE, "no certificate in PEM")
    return found


def _known(folder: DataFolder) -> tuple[list[Certificate], tuple[Certificate, ...]]:
    """Return what `trust/units.pem` holds, and the anchors of `trust/ca.pem`; a new folder has neither."""
    try:
        known = read_certificates(folder.units) if folder.units.exists() else []
        anchors = load_trust(folder.anchors).anchors if folder.anchors.exists() else ()
    except TrustError as error:
        raise ImportRefusedError(ImportProblem.TRUST_UNREADABLE, str(error)) from None
    return known, anchors


def _check(certificate: Certificate, now: dt.datetime, *, etsi: bool) -> None:
    try:
        check_certificate(certificate, now)
        facts = UnitCertificates(certificate, (), ()).facts()
    except UnitEndedError as error:
        raise ImportRefusedError(ImportProblem.EXPIRED, str(error)) from None
    except UnitError as error:
        raise ImportRefusedError(ImportProblem.PURPOSE, str(error)) from None
    for finding in certificate_findings(facts) if etsi else ():
        raise ImportRefusedError(ImportProblem(finding.value), display(certificate.subject))


def _path(
    certificate: Certificate,
    given: Sequence[Certificate],
    anchors: tuple[Certificate, ...],
    known: Sequence[Certificate],
    now: dt.datetime,
) -> tuple[Certificate, ...]:
    # One for a key that is to come may begin later: it is judged for its first moment.
    at = max(int(now.timestamp() * 1_000_000), certificate.not_before)
    found = find_path(certificate, TrustStore(anchors), (*given, *known), at)
    if found.path is None:
        detail = f"{display(certificate.issuer)} is unknown; name the chain, and the root with --anchor"
        raise ImportRefusedError(ImportProblem.NO_PATH, detail)
    if found.fault is not None:
        raise ImportRefusedError(
            ImportProblem.PATH_UNFIT, f"{found.fault.reason.value}: {found.fault.subject}"
        )
    return found.path


def _take(  # noqa: PLR0913, PLR0917  # what is there, what comes, and who is told
    folder: DataFolder,
    path: Sequence[Certificate],
    known: Sequence[Certificate],
    anchors: Sequence[Certificate],
    named: Sequence[Certificate],
    on_act: Callable[[Act], None],
) -> None:
    *below, anchor = path
    unused = [item for item in named if item.der != anchor.der]
    if unused:
        # Whoever names an anchor makes everybody who fetches trust/ca.pem rely on it: none comes in passing.
        raise ImportRefusedError(ImportProblem.ANCHOR_UNUSED, display(unused[0].subject))
    # The anchor first: a unit whose anchor is missing would make the next start fail.
    if anchor.der not in {item.der for item in anchors}:
        append_pem(folder.anchors, write_block(_LABEL, anchor.der))
        on_act(Act(ANCHOR_ADDED, {"certificate": _sha256(anchor)}))
    there = {item.der for item in known}
    new = [write_block(_LABEL, item.der) for item in below if item.der not in there]
    append_pem(folder.units, b"".join(new))


def _sha256(certificate: Certificate) -> str:
    return hashlib.sha256(certificate.der).hexdigest()
