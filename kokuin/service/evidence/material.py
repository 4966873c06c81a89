"""Certificates and revocation lists that a batch's evidence covers, and where they are kept.

The archive token that stands in the ledger carries all of them beside its own chain, so that each record of
the batch is made of the ledger alone, by any node that shares it, and of a restored copy.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from kokuin.service.revoked import RevocationListError, lists_of
from kokuin.service.unit_certificates import path_to_anchor
from kokuin.service.unit_errors import UnitError
from kokuin.trust.context import RevocationData
from kokuin.wire.cms import read_signed_data
from tsa.evidence.group import Material, encode_certificate_values, encode_revocation_values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from kokuin.service.datafolder import DataFolder

MOST_OCTETS = 64 * 1024
"""Of all certificates, and of all lists: the token that carries them must have room in the ledger."""
MOST_PARTS = 12
"""Of each kind: the leaf names them one by one."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """What vouches for the signers of some tokens: DER of each certificate and of each list, in order.

    `complete`: nothing that was found was left out for want of room.
    """

    certificates: tuple[bytes, ...]
    lists: tuple[bytes, ...]
    complete: bool = True

    def material(self) -> Material:
        """Return it as it stands in records, and with its hashes in every group."""
        revocation = encode_revocation_values(RevocationData(self.lists, ()))
        return Material(encode_certificate_values(self.certificates), revocation)


def gather(folder: DataFolder, signers: Iterable[str]) -> Parts:
    """Return the paths of signers to their anchors, with the anchors, and the lists of all who issued them.

    What does not fit is left out, and log and status say so: evidence without it still covers the token.

    Args:
        folder: the data folder.
        signers: SHA-256 (hex) of their certificates; of another node's units nothing may be known here.

    Raises:
        UnitError: a file cannot be read, or a list is not signed by its issuer.
    """
    paths = [path_to_anchor(folder, signer) for signer in sorted(signers)]
    known = {each.der: each for path in paths for each in path}
    try:
        lists = lists_of(folder.anchors.parent, list(known.values()))
    except RevocationListError as error:
        raise UnitError(str(error)) from None
    listed = dict.fromkeys(lists)
    parts = Parts(_fitting(known, "certificates"), _fitting(listed, "lists"))
    complete = len(parts.certificates) == len(known) and len(parts.lists) == len(listed)
    return replace(parts, complete=complete)


def kept(token: bytes, certificates: Collection[str], lists: Collection[str]) -> Parts:
    """Return the material that a leaf names, out of the archive token.

    Args:
        token: DER of the archive token.
        certificates: SHA-256 (hex) of each, in order.
        lists: likewise.

    Raises:
        WireError: it is no token.
        KeyError: it lacks one of them.
    """
    signed_data = read_signed_data(token)
    found = {
        hashlib.sha256(each).hexdigest(): each for each in (*signed_data.certificates, *signed_data.crls)
    }
    return Parts(tuple(found[name] for name in certificates), tuple(found[name] for name in lists))


def names(parts: Iterable[bytes]) -> list[str]:
    """SHA-256 (hex) of each, as a leaf names them."""
    return [hashlib.sha256(each).hexdigest() for each in parts]


def _fitting(parts: Collection[bytes], kind: str) -> tuple[bytes, ...]:
    taken: list[bytes] = []
    octets = 0
    for each in parts:
        if len(taken) < MOST_PARTS and octets + len(each) <= MOST_OCTETS:
            taken.append(each)
            octets += len(each)
    if len(taken) < len(parts):
        _say_left_out(kind, len(parts) - len(taken), sum(map(len, parts)))
    return tuple(taken)


@functools.lru_cache(maxsize=16)
def _say_left_out(kind: str, count: int, octets: int) -> None:
    """Log what evidence goes without; once for the same, since two batches a second are made."""
    _log.warning("evidence.material_left_out", kind=kind, count=count, octets=octets, most=MOST_OCTETS)
