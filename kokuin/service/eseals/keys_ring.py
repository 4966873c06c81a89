"""Seal keys as a worker holds them: opened once, and again when what lies in the data folder has changed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from eseal.material import Stock
from eseal.signer_rules import SEALING
from eseal.values import SealKey
from kokuin.service.eseals.keys_files import open_seal_key
from kokuin.service.eseals.profiles_folder import (
    place_of,
    profiles_of,
    read_stored,
    require_own_keys,
    seal_trust,
)
from kokuin.service.eseals.values import SealAbsentError, SealProblem, SealUnfitError, TenantSeal
from kokuin.service.revoked import RevocationListError, find_revoked
from kokuin.trust.anchors import TrustError, TrustStore, read_certificates
from kokuin.trust.certificate import read_certificate
from kokuin.trust.name import display
from kokuin.trust.path import find_path
from kokuin.trust.revocation_files import RevocationFileError, read_revocation_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from eseal.values import Material
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.eseals.profiles_folder import SealPlace, StoredSeal
    from kokuin.trust.certificate import Certificate
    from pqc.signing import Signer

_Mark: TypeAlias = "tuple[tuple[int, int, int] | None, ...]"
"""What tells that files are the same as before: inode, time of change, size; None: there is none."""


@dataclass(frozen=True, slots=True)
class _Opened:
    mark: _Mark
    seal: TenantSeal
    until_us: int


class SealKeyring:
    """The seal keys of all tenants; safe for threads.

    What a profile needs lies in files that the folder's owner replaces whole, so that a look at them tells
    what has changed: nobody has to tell the workers.
    """

    def __init__(self, folder: DataFolder, config: Config, passphrase: bytes | None) -> None:
        """Args: the data folder and its settings; the passphrase of the key files."""
        self._folder, self._config, self._passphrase = folder, config, passphrase
        self._opened: dict[tuple[str, str], _Opened] = {}
        self._stock: tuple[_Mark, Stock] | None = None
        self._lock = threading.Lock()

    def names(self, tenant: str) -> tuple[str, ...]:
        """Return the names of a tenant's profiles in force, sorted."""
        return profiles_of(self._folder, tenant)

    def get(self, tenant: str, name: str) -> TenantSeal:
        """Return a tenant's profile, ready to seal.

        Raises:
            SealAbsentError: the tenant has none of that name in force.
            SealUnfitError: it cannot seal now.
        """
        place = place_of(self._folder, self._config, tenant, name)
        watched = (place.profile, place.certificates, self._folder.anchors, self._folder.seal_anchors)
        mark = _mark(watched)
        with self._lock:
            held = self._opened.get((tenant, name))
            if held is not None and held.mark == mark and _now_us() < held.until_us:
                return held.seal
            self._opened.pop((tenant, name), None)
            if mark[0] is None:
                raise SealAbsentError(name)
            fresh = self._open(place, mark)
            self._opened[tenant, name] = fresh
            return fresh.seal

    def material(self, certificates: Iterable[bytes]) -> Material:
        """Return what B-LT adds for some end entities: of seals, and of the units that stamp them.

        Args:
            certificates: DER.

        Raises:
            MaterialError: something is missing.
            SealUnfitError: a file in `trust/` cannot be used.
            WireError: one of these is no certificate.
        """
        wanted = [read_certificate(each) for each in certificates]
        trust = self._folder.anchors.parent
        try:
            beside = sorted(self._folder.seals.glob("*/*.pem"))
            mark = _mark([*sorted(path for path in trust.iterdir() if path.is_file()), *beside])
            with self._lock:
                if self._stock is None or self._stock[0] != mark:
                    self._stock = mark, self._read_stock(trust, beside)
                stock = self._stock[1]
        except (OSError, TrustError, RevocationFileError) as error:
            raise SealUnfitError(SealProblem.FILE_UNUSABLE, str(error)) from None
        return stock.choose(wanted, _now_us())

    def _open(self, place: SealPlace, mark: _Mark) -> _Opened:
        stored = read_stored(place)
        try:
            trust = seal_trust(self._folder)
        except (OSError, TrustError) as error:
            raise SealUnfitError(SealProblem.FILE_UNUSABLE, str(error)) from None
        signers = [open_seal_key(place, suite, self._passphrase) for suite in stored.profile.suites]
        require_own_keys(self._folder, place, [signer.public_key for signer in signers])
        found = [self._certified(place, signer, stored, trust) for signer in signers]
        until_us = min(certificate.not_after + 1_000_000 for certificate, _ in found)
        keys = tuple(key for _, key in found)
        return _Opened(
            mark,
            TenantSeal(place.tenant, stored.profile, stored.digest, keys, stored.image, stored.font),
            until_us,
        )

    def _certified(
        self, place: SealPlace, signer: Signer, stored: StoredSeal, trust: TrustStore
    ) -> tuple[Certificate, SealKey]:
        now = _now_us()
        own = [
            each
            for each in stored.certificates
            if each.public_key == signer.public_key and each.valid_at(now)
        ]
        if not own:
            raise SealUnfitError(SealProblem.NOT_CERTIFIED, f"{place.name}: {signer.suite.id}")
        certificate = max(own, key=lambda each: each.not_before)
        path = find_path(certificate, trust, stored.certificates, now, purposes=SEALING)
        if path.path is None or path.fault is not None:
            why = "no path" if path.fault is None else path.fault.reason.value
            raise SealUnfitError(SealProblem.PATH_UNFIT, f"{display(certificate.subject)}: {why}")
        self._check_revocation(path.path)
        chain = tuple(each.der for each in path.path[1:-1])
        return certificate, SealKey(signer, certificate.der, chain)

    def _check_revocation(self, path: Sequence[Certificate]) -> None:
        try:
            revoked = find_revoked(self._folder.anchors.parent, path[:-1], path)
        except RevocationListError as error:
            raise SealUnfitError(SealProblem.FILE_UNUSABLE, str(error)) from None
        if revoked is not None:
            raise SealUnfitError(SealProblem.REVOKED, revoked)

    def _read_stock(self, trust: Path, beside: Sequence[Path]) -> Stock:
        anchors = seal_trust(self._folder)
        helpers = [each for path in beside for each in read_certificates(path)]
        return Stock(
            TrustStore(anchors.anchors), [*anchors.helpers, *helpers], read_revocation_files(trust=trust)
        )


def _mark(paths: Iterable[Path]) -> _Mark:
    return tuple(_stat(path) for path in paths)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _now_us() -> int:
    return time.time_ns() // 1_000
