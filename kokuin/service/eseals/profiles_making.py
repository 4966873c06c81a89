"""Adding a seal profile: its keys are made, and on a development PKI its certificates; withdrawing one."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import functools
import hashlib
from typing import TYPE_CHECKING, Any

from eseal.certificate import make_development_certificate
from eseal.profile import MAX_PROFILE, parse_seal_profile
from eseal.profile_fields import SealProfileError
from kokuin.service.eseals.keys_files import erase_seal_keys, provide_seal_key
from kokuin.service.eseals.profiles_acts import Intended, SealProfileRefusedError, Workshop, act_on
from kokuin.service.eseals.profiles_folder import (
    MAX_IMAGE,
    digest_of,
    is_image,
    place_of,
    require_own_keys,
)
from kokuin.service.eseals.profiles_fonts import font_of, require_drawable
from kokuin.service.provisioning import append_pem
from kokuin.service.units import issuing_policy
from kokuin.trust.hierarchy import armoured_lists
from kokuin.trust.records import SEAL_PROFILE_ADDED, SEAL_PROFILE_CERTIFIED, SEAL_PROFILE_WITHDRAWN
from pqc.newfile import sync_folder, write_durably
from pqc.policies import Subject, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from eseal.certificate import DevelopmentCertificate
    from eseal.profile import SealProfile
    from kokuin.service.eseals.profiles_folder import SealPlace
    from kokuin.service.provisioning import Act
    from pqc.signing import Signer
    from pqc.suites import Suite

DEVELOPMENT = "development"


def add(workshop: Workshop, arguments: Mapping[str, Any]) -> Intended:
    """Prepare a new profile: judge it and make its keys.

    Raises:
        SealProfileRefusedError: it is unfit, there already, or forbidden by the issuing policy.
        SealAbsentError: no profile can have these names.
        SealUnfitError, SignerError, UnitError, OSError: its keys cannot be made.
    """
    place = place_of(workshop.folder, workshop.config, str(arguments["tenant"]), str(arguments["name"]))
    profile = _parsed(place, str(arguments.get("text", "")))
    image = _image(profile, arguments.get("image"))
    font = font_of(profile, arguments.get("font"))
    require_drawable(profile, image, font)
    if place.profile.exists() or place.withdrawn.exists():
        raise SealProfileRefusedError(
            "SEAL_PROFILE_EXISTS", f"{place.name}: withdraw it, or take another name"
        )
    development = workshop.config.pki == DEVELOPMENT
    if development and profile.statements is not None and profile.statements.supervised:
        # A certificate that nobody relies on states nothing that only a supervised authority may.
        raise SealProfileRefusedError("SEAL_STATEMENTS_SUPERVISED", "", "qc")
    for suite in profile.suites:
        _require_fit(workshop, suite)
    signers = [provide_seal_key(place, suite, workshop.passphrase) for suite in profile.suites]
    require_own_keys(workshop.folder, place, [signer.public_key for signer in signers])
    digest = digest_of(profile.text, image, font)
    added = act_on(
        place,
        SEAL_PROFILE_ADDED,
        suites=[suite.id for suite in profile.suites],
        level=profile.level,
        least=profile.min_level,
        digest=digest,
    )
    made = [_certify(profile, signer) for signer in signers] if development else []
    certified = (_certified(place, each, suite) for each, suite in zip(made, profile.suites, strict=False))
    return Intended(
        (added, *certified),
        {"profile": place.name, "tenant": place.tenant, "digest": digest, "certified": bool(made)},
        functools.partial(_write, workshop, place, profile, {place.image: image, place.font: font}, made),
    )


def withdraw(workshop: Workshop, arguments: Mapping[str, Any]) -> Intended:
    """Take a profile out of force at once; its keys are erased when that is on record.

    Raises:
        SealProfileRefusedError: there is none.
        SealAbsentError: no profile can have these names.
        OSError: it could not be taken out of force.
    """
    place = place_of(workshop.folder, workshop.config, str(arguments["tenant"]), str(arguments["name"]))
    if place.profile.exists():
        place.profile.replace(place.withdrawn)
        sync_folder(place.folder)
    elif not place.withdrawn.exists():
        raise SealProfileRefusedError("SEAL_PROFILE_UNKNOWN", place.name)
    image, font = (path.read_bytes() if path.exists() else None for path in (place.image, place.font))
    digest = digest_of(place.withdrawn.read_text(encoding="utf-8"), image, font)
    withdrawn = act_on(place, SEAL_PROFILE_WITHDRAWN, digest=digest)
    return Intended(
        (withdrawn,), {"profile": place.name, "tenant": place.tenant}, functools.partial(_erase, place)
    )


def _parsed(place: SealPlace, text: str) -> SealProfile:
    try:
        return parse_seal_profile(place.name, text[: MAX_PROFILE + 1])
    except SealProfileError as error:
        raise SealProfileRefusedError("SEAL_PROFILE_UNFIT", error.detail, error.field) from None


def _image(profile: SealProfile, given: object) -> bytes | None:
    wanted = profile.appearance is not None and profile.appearance.image
    if not wanted and given is None:
        return None
    try:
        octets = base64.b64decode(str(given or ""), validate=True)
    except binascii.Error:
        octets = b""
    if not wanted or not is_image(octets):
        detail = f"PNG or JPEG of at most {MAX_IMAGE} octets, where appearance.image is true"
        raise SealProfileRefusedError("SEAL_IMAGE_UNFIT", detail, "appearance.image")
    return octets


def _require_fit(workshop: Workshop, suite: Suite) -> None:
    now_us = int(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)
    found = issuing_policy(workshop.config).judge(Subject.of_suite(suite), Usage.ISSUE, now_us)
    if not found.status.fit:
        cited = "no row speaks of it" if found.row is None else found.row.cited
        raise SealProfileRefusedError("SEAL_SUITE_FORBIDDEN", f"{suite.id}: {cited}", "suites")


def _certify(profile: SealProfile, signer: Signer) -> DevelopmentCertificate:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return make_development_certificate(
        signer, profile.person, profile.statements, now=now, days=profile.days
    )


def _certified(place: SealPlace, made: DevelopmentCertificate, suite: Suite) -> Act:
    return act_on(
        place,
        SEAL_PROFILE_CERTIFIED,
        suites=[suite.id],
        certificate=hashlib.sha256(made.certificate.der).hexdigest(),
        anchor=hashlib.sha256(made.anchor.der).hexdigest(),
    )


def _write(
    workshop: Workshop,
    place: SealPlace,
    profile: SealProfile,
    beside: Mapping[Path, bytes | None],
    made: Iterable[DevelopmentCertificate],
) -> None:
    for folder in (workshop.folder.seals, place.folder):
        folder.mkdir(mode=0o700, exist_ok=True)
    certificates = b""
    for each in made:
        append_pem(workshop.folder.seal_anchors, each.anchor.pem)
        lists = workshop.folder.development_lists(each.certificate.der)
        write_durably(lists, armoured_lists(each.lists), mode=0o644)
        certificates += each.certificate.pem + b"".join(item.pem for item in each.chain)
    if certificates:
        write_durably(place.certificates, certificates, mode=0o644)
    for path, octets in beside.items():
        if octets is not None:
            write_durably(path, octets)
    # Last: with it the profile is in force.
    write_durably(place.profile, profile.text.encode())


def _erase(place: SealPlace) -> None:
    erase_seal_keys(place)
    for path in (place.certificates, place.image, place.font, place.withdrawn):
        path.unlink(missing_ok=True)
