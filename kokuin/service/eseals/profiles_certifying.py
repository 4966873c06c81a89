"""Certificates of a CA for a seal profile: asked for, and judged before they are taken up."""

from __future__ import annotations

import functools
import hashlib
import time
from typing import TYPE_CHECKING, Any

from eseal.certificate import check_certificate, seal_request
from eseal.signer_rules import SEALING
from kokuin.service.certificate_import import ImportProblem, ImportRefusedError, read_given
from kokuin.service.eseals.keys_files import open_seal_key
from kokuin.service.eseals.profiles_acts import Intended, SealProfileRefusedError, Workshop, act_on
from kokuin.service.eseals.profiles_folder import place_of, read_stored, require_own_keys, seal_trust
from kokuin.service.provisioning import append_pem
from kokuin.trust.anchors import TrustError, TrustStore
from kokuin.trust.name import display
from kokuin.trust.path import find_path
from kokuin.trust.records import SEAL_PROFILE_CERTIFIED, SEAL_PROFILE_REQUESTED
from kokuin.wire.pem import write_block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kokuin.service.eseals.profiles_folder import SealPlace, StoredSeal
    from kokuin.trust.certificate import Certificate
    from pqc.signing import Signer
    from pqc.suites import Suite


def request(workshop: Workshop, arguments: Mapping[str, Any]) -> Intended:
    """Prepare the request for a certificate of one suite's key: of the one named, else of the first.

    Raises:
        SealProfileRefusedError: the profile has no such suite.
        SealAbsentError, SealUnfitError: there is no such profile, or its key cannot be used.
    """
    place, stored = _stored(workshop, arguments)
    suite = _suite(stored, str(arguments.get("suite") or ""))
    signer = open_seal_key(place, suite, workshop.passphrase)
    pem = seal_request(signer, stored.profile.person, stored.profile.statements)
    requested = act_on(
        place, SEAL_PROFILE_REQUESTED, suites=[suite.id], request=hashlib.sha256(pem).hexdigest()
    )
    answer = {"profile": place.name, "suite": suite.id, "pem": pem.decode("ascii")}
    return Intended((requested,), answer, _nothing)


def take_up(workshop: Workshop, arguments: Mapping[str, Any]) -> Intended:
    """Prepare to take up the first of some certificates, with what leads from it to its anchor.

    Raises:
        ImportRefusedError: it cannot be read, is for no key of the profile, is there already, or leads to no
            anchor in a way that holds; or an anchor was named that it does not need.
        SealCertificateError: it is none for seals of this organisation.
        SealAbsentError, SealUnfitError: there is no such profile, or its keys cannot be used.
    """
    place, stored = _stored(workshop, arguments)
    given, named = (_given(arguments, field) for field in ("certificates", "anchors"))
    if not given:
        raise ImportRefusedError(ImportProblem.UNREADABLE, "no certificate in PEM")
    signers = [open_seal_key(place, suite, workshop.passphrase) for suite in stored.profile.suites]
    require_own_keys(workshop.folder, place, [signer.public_key for signer in signers])
    signer = _whose(given[0], signers, place)
    if given[0].der in {each.der for each in stored.certificates}:
        raise ImportRefusedError(ImportProblem.KNOWN, display(given[0].subject))
    now_us = time.time_ns() // 1_000
    check_certificate(given[0], stored.profile.person.identifier, now_us)
    trust = _trust(workshop)
    path = _path(given, TrustStore((*trust.anchors, *named)), stored, now_us)
    unused = [each for each in named if each.der != path[-1].der]
    if unused:
        raise ImportRefusedError(ImportProblem.ANCHOR_UNUSED, display(unused[0].subject))
    certificate = hashlib.sha256(given[0].der).hexdigest()
    anchor = hashlib.sha256(path[-1].der).hexdigest()
    suite = signer.suite.id
    certified = act_on(place, SEAL_PROFILE_CERTIFIED, suites=[suite], certificate=certificate, anchor=anchor)
    answer = {"profile": place.name, "suite": suite, "certificate": certificate}
    fresh = path[-1] if path[-1].der not in {each.der for each in trust.anchors} else None
    return Intended(
        (certified,), answer, functools.partial(_write, workshop, place, stored, path[:-1], fresh)
    )


def _stored(workshop: Workshop, arguments: Mapping[str, Any]) -> tuple[SealPlace, StoredSeal]:
    place = place_of(workshop.folder, workshop.config, str(arguments["tenant"]), str(arguments["name"]))
    return place, read_stored(place)


def _suite(stored: StoredSeal, name: str) -> Suite:
    for suite in stored.profile.suites:
        if name in {"", suite.id}:
            return suite
    have = ", ".join(suite.id for suite in stored.profile.suites)
    raise SealProfileRefusedError("SEAL_SUITE_UNKNOWN", f"{stored.profile.name} has {have}")


def _given(arguments: Mapping[str, Any], field: str) -> list[Certificate]:
    # PEM is ASCII; whatever else a caller wrote is then no PEM.
    octets = str(arguments.get(field, "")).encode("ascii", "replace")
    return read_given(octets) if octets.strip() else []


def _whose(certificate: Certificate, signers: Sequence[Signer], place: SealPlace) -> Signer:
    for signer in signers:
        if signer.public_key == certificate.public_key:
            return signer
    raise ImportRefusedError(
        ImportProblem.OTHER_KEY, f"{display(certificate.subject)} is for no key of {place.name}"
    )


def _trust(workshop: Workshop) -> TrustStore:
    try:
        return seal_trust(workshop.folder)
    except TrustError as error:
        raise ImportRefusedError(ImportProblem.TRUST_UNREADABLE, str(error)) from None


def _path(
    given: Sequence[Certificate], trust: TrustStore, stored: StoredSeal, now_us: int
) -> tuple[Certificate, ...]:
    # One that begins later is judged for its first moment.
    at = max(now_us, given[0].not_before)
    found = find_path(given[0], trust, (*given[1:], *stored.certificates), at, purposes=SEALING)
    if found.path is None:
        detail = f"{display(given[0].issuer)} is unknown; name the chain, and the root with --anchor"
        raise ImportRefusedError(ImportProblem.NO_PATH, detail)
    if found.fault is not None:
        detail = f"{found.fault.reason.value}: {found.fault.subject}"
        raise ImportRefusedError(ImportProblem.PATH_UNFIT, detail)
    return found.path


def _write(
    workshop: Workshop,
    place: SealPlace,
    stored: StoredSeal,
    below: Sequence[Certificate],
    anchor: Certificate | None,
) -> None:
    # The anchor first: a certificate whose anchor is missing makes no seal.
    if anchor is not None:
        append_pem(workshop.folder.seal_anchors, write_block("CERTIFICATE", anchor.der))
    there = {each.der for each in stored.certificates}
    new = [write_block("CERTIFICATE", each.der) for each in below if each.der not in there]
    append_pem(place.certificates, b"".join(new))


def _nothing() -> None:
    """Do nothing: the request was made, and the record says so."""
