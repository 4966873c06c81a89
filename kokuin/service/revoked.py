"""Whether an authority has taken a unit's certificate back: the lists that lie in `trust/*.crl`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.name import display, same_name
from kokuin.trust.revocation_reader import MAX_LIST_OCTETS, PublishedList, read_revocation_list
from kokuin.wire.errors import WireError
from kokuin.wire.pem import is_armoured, read_blocks
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.revocation import Revocation

MAX_LISTS = 100
"""Lists in one file."""


class RevocationListError(Exception):
    """A list that cannot be used; the message is one line that names the file and what to do."""


def find_revoked(
    folder: Path, certificates: Sequence[Certificate], issuers: Sequence[Certificate]
) -> str | None:
    """Say which of these certificates is revoked, since when and why; None: none.

    A list is consulted however old it is: what was revoked once stays so. Lists of other authorities are
    passed over.

    Args:
        folder: where `*.crl` lie, PEM or DER.
        certificates: a unit's and those above it.
        issuers: whoever may have signed them.

    Raises:
        RevocationListError: a file cannot be read, or a list in an issuer's name is not signed by it.
    """
    for path in sorted(folder.glob("*.crl")):
        for _, found in _read(path):
            own = [item for item in certificates if same_name(item.issuer, found.issuer)]
            if own:
                _check_signature(path, found, issuers)
            for item in own:
                revocation = _find(path, found, item)
                if revocation is not None:
                    why = "" if revocation.reason is None else f" ({revocation.reason.name})"
                    name = display(item.subject)
                    return (
                        f"the certificate of {name} was revoked at {revocation.at.isoformat()}{why}: {path}"
                    )
    return None


def lists_of(folder: Path, issuers: Sequence[Certificate]) -> list[bytes]:
    """Return the lists (DER) in `*.crl` of a folder that are in the name of one of these issuers.

    Raises:
        RevocationListError: a file cannot be read, or a list in an issuer's name is not signed by it.
    """
    kept = []
    for path in sorted(folder.glob("*.crl")):
        for octets, found in _read(path):
            if any(same_name(issuer.subject, found.issuer) for issuer in issuers):
                _check_signature(path, found, issuers)
                kept.append(octets)
    return kept


def _read(path: Path) -> Iterator[tuple[bytes, PublishedList]]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_OCTETS + 1)
        blocks = read_blocks(data, MAX_LISTS) if is_armoured(data) else [("X509 CRL", data)]
        for label, octets in blocks:
            if label == "X509 CRL":
                yield octets, read_revocation_list(octets)
    except OSError as error:
        raise RevocationListError(f"{path}: {error.strerror}") from None
    except WireError as error:
        raise _unusable(path, error) from None


def _find(path: Path, found: PublishedList, certificate: Certificate) -> Revocation | None:
    try:
        return found.find(certificate.serial, certificate.issuer)
    except WireError as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: WireError) -> RevocationListError:
    return RevocationListError(f"{path} is no revocation list that can be used: {error.code}")


def _check_signature(path: Path, found: PublishedList, issuers: Sequence[Certificate]) -> None:
    # Attack: a list of anybody's making would turn off a unit, or hide that it was revoked.
    for issuer in issuers:
        if (
            same_name(issuer.subject, found.issuer)
            and found.signed_by(issuer.public_key).outcome is SignatureOutcome.VALID
        ):
            return
    raise RevocationListError(f"{path} is not signed by the authority that it names; fetch it again")
