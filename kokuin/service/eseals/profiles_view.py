"""Seal profiles as they are shown: what each is, and under which certificates it seals."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from eseal.qc import read_statements
from kokuin.service.eseals.keys_ring import SealKeyring
from kokuin.service.eseals.profiles_folder import place_of, profiles_of, read_stored, tenants_with_seals
from kokuin.service.eseals.values import SealUnfitError
from kokuin.trust.name import display
from kokuin.wire.errors import WireError
from pqc.verifying import key_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.service.eseals.profiles_acts import Workshop
    from kokuin.service.eseals.profiles_folder import StoredSeal
    from kokuin.trust.certificate import Certificate
    from pqc.suites import Suite

LIST, SHOW = "seal-profile.list", "seal-profile.show"
READS = frozenset({LIST, SHOW})
"""The operations that change nothing."""


def list_profiles(workshop: Workshop, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the profiles in force, of one tenant or of all, without opening a key."""
    wanted = arguments.get("tenant")
    tenants = tenants_with_seals(workshop.folder) if wanted is None else (str(wanted),)
    return {"profiles": [_row(workshop, tenant, name) for tenant, name in _named(workshop, tenants)]}


def show_profile(workshop: Workshop, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return one profile with its certificates, and whether it can seal now: its keys are opened.

    Raises:
        SealAbsentError: there is none.
        SealUnfitError: its files cannot be read.
    """
    tenant, name = str(arguments["tenant"]), str(arguments["name"])
    stored = read_stored(place_of(workshop.folder, workshop.config, tenant, name))
    ring = SealKeyring(workshop.folder, workshop.config, workshop.passphrase)
    problem, detail = "", ""
    try:
        ring.get(tenant, name)
    except SealUnfitError as error:
        problem, detail = error.problem.value, error.detail
    return {
        "tenant": tenant,
        "profile": name,
        "text": stored.profile.text,
        "digest": stored.digest,
        "problem": problem,
        "detail": detail,
        "certificates": [
            certificate_facts(suite, each)
            for suite in stored.profile.suites
            for each in own_certificates(stored, suite)
        ],
    }


def _named(workshop: Workshop, tenants: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for tenant in tenants:
        for name in profiles_of(workshop.folder, tenant):
            yield tenant, name


def _row(workshop: Workshop, tenant: str, name: str) -> dict[str, Any]:
    row = {"tenant": tenant, "profile": name}
    try:
        stored = read_stored(place_of(workshop.folder, workshop.config, tenant, name))
    except SealUnfitError as error:
        return {**row, "formats": [], "level": "", "suites": [], "ends_us": None, "problem": error.problem}
    ends = [
        max((each.not_after for each in own_certificates(stored, suite)), default=None)
        for suite in stored.profile.suites
    ]
    return {
        **row,
        "formats": sorted(stored.profile.formats),
        "level": stored.profile.level,
        "suites": [suite.id for suite in stored.profile.suites],
        "ends_us": None if None in ends else min(each for each in ends if each is not None),
        "problem": "",
    }


def own_certificates(stored: StoredSeal, suite: Suite) -> list[Certificate]:
    """Return the seals' own certificates of a suite, the newest first; no two suites share a kind of key."""
    own = []
    for each in stored.certificates:
        facts = key_facts(each.public_key)
        if not each.is_authority and facts is not None and facts.name == suite.key:
            own.append(each)
    return sorted(own, key=lambda each: each.not_before, reverse=True)


def certificate_facts(suite: Suite, certificate: Certificate) -> dict[str, Any]:
    """Return what is shown of a certificate of a seal key."""
    return {
        "suite": suite.id,
        "certificate": hashlib.sha256(certificate.der).hexdigest(),
        "subject": display(certificate.subject),
        "issuer": display(certificate.issuer),
        "begins_us": certificate.not_before,
        "ends_us": certificate.not_after,
        "states": _stated(certificate),
    }


def _stated(certificate: Certificate) -> list[str]:
    """Return what the certificate states of itself, by the names of EN 319 412-5."""
    try:
        found = read_statements(certificate)
    except WireError:
        return ["unreadable"]
    if found is None:
        return []
    said = {"QcCompliance": found.compliance, "QcSSCD": found.device, "QcType eseal": found.seal}
    return [name for name, true in said.items() if true]
