"""Seal profiles: how one organisation seals, read from strict TOML.

A profile names the formats it is for, one suite or two, the level and the lowest one that an outage may
leave, the subject of its certificates, and what a visible seal shows. With two suites every seal is made
twice: by a classical key and by a post-quantum one, each valid by itself.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from eseal.certificate import LegalPerson
from eseal.organisation import IdentifierError, organisation_identifier
from eseal.profile_fields import ProfileFields, SealProfileError
from eseal.qc import Disclosure, QcStatements
from eseal.values import Level
from pqc.suites import UnknownSuiteError, suite

if TYPE_CHECKING:
    from pqc.suites import Suite

MAX_PROFILE = 8192
"""Octets."""
MAX_TEXT = 400
"""Characters of the text of a visible seal."""
MAX_LINK = 2000
"""Characters of what a QR code leads to: the largest code holds 2,331 octets."""
MAX_COORDINATE = 14_400
"""Points: the largest page of PDF (ISO 32000-2, annex C)."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2}", re.ASCII)
_LINK = re.compile(r"https://[!-~]+", re.ASCII)


class Format(StrEnum):
    """Kinds of documents, each with its format of seals."""

    PDF = "pdf"
    """PAdES, ETSI EN 319 142-1."""
    JSON = "json"
    """JAdES, ETSI TS 119 182-1."""
    CADES = "cades"
    """CAdES, ETSI EN 319 122-1, for any other file."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """Where a seal shows on a page, and what it shows; for PDF.

    Attributes:
        page: 1 for the first, -1 for the last.
        box: left, bottom, right, top in points, from the lower left corner of the page.
        text: lines; `{organisation}`, `{common_name}`, `{identifier}` and `{time}` stand for the seal's own.
        link: what a QR code leads to; None: there is none.
        image: whether the profile's image is shown.
        font: whether the profile's font is embedded; text beyond ASCII needs one.
    """

    page: int
    box: tuple[int, int, int, int]
    text: str
    link: str | None
    image: bool
    font: bool

    def shown(self, person: LegalPerson, time: str) -> str:
        """Return the text with what its names stand for."""
        values = {
            "organisation": person.organisation,
            "common_name": person.common_name,
            "identifier": person.identifier,
            "time": time,
        }
        # Not str.format, whose fields reach into attributes.
        return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), self.text)


@dataclass(frozen=True, slots=True)
class SealProfile:
    """One way of sealing.

    Attributes:
        name: of the tenant's own choice.
        text: the TOML it was read from.
        formats: kinds of documents that it is for.
        suites: of the seal; two: classical first, post-quantum second, one seal each.
        level: what a seal gets unless the request asks for another.
        min_level: the lowest that an outage may leave it at.
        activation: whether every sealing wants an activation that two people approved.
        person: subject of the certificates.
        days: validity of a development certificate.
        statements: qcStatements of the certificates; None: none.
        appearance: None: seals of PDF are invisible.
    """

    name: str
    text: str
    formats: frozenset[Format]
    suites: tuple[Suite, ...]
    level: Level
    min_level: Level
    activation: bool
    person: LegalPerson
    days: int
    statements: QcStatements | None
    appearance: Appearance | None


def parse_seal_profile(name: str, text: str) -> SealProfile:
    """Read a profile from TOML.

    Raises:
        SealProfileError: a field is missing, unknown, or unfit.
    """
    if not NAME.fullmatch(name):
        # Attack: files and folders are named after it.
        raise SealProfileError("name", "lower-case letters, digits and hyphens, a letter first")
    if len(text.encode()) > MAX_PROFILE:
        raise SealProfileError("", f"longer than {MAX_PROFILE} octets")
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Besides its own error the reader raises others, for numbers of thousands of digits and deep nesting.
        raise SealProfileError("", str(error)) from None
    fields = ProfileFields(table, "")
    level = fields.choice("level", Level)
    profile = SealProfile(
        name=name,
        text=text,
        formats=frozenset(fields.choices("formats", Format)),
        suites=tuple(_suite(each) for each in fields.names("suites", 2)),
        level=level,
        min_level=fields.choice("min_level", Level) if fields.has("min_level") else level,
        activation=fields.flag("activation"),
        person=_person(certificate := fields.table("certificate")),
        days=certificate.number("days", 1, 3650),
        statements=_statements(fields.table("qc")) if fields.has("qc") else None,
        appearance=_appearance(fields.table("appearance")) if fields.has("appearance") else None,
    )
    certificate.finish()
    fields.finish()
    _check(profile)
    return profile


def _check(profile: SealProfile) -> None:
    if profile.min_level.rank > profile.level.rank:
        raise SealProfileError("min_level", f"higher than {profile.level}")
    if len(profile.suites) == 2:
        quantum = [each.quantum_category > 0 for each in profile.suites]
        if quantum != [False, True]:
            raise SealProfileError("suites", "of two, the first is classical and the second post-quantum")
    for each in profile.suites:
        if Format.JSON in profile.formats and each.jose is None:
            raise SealProfileError("suites", f"{each.id} has no name in JOSE, so it seals no JSON")
    if profile.appearance is not None and Format.PDF not in profile.formats:
        raise SealProfileError("appearance", "only seals of PDF are seen")


def _suite(name: str) -> Suite:
    try:
        found = suite(name)
    except UnknownSuiteError:
        raise SealProfileError("suites", f"{name[:64]!r} is unknown") from None
    if not found.issue:
        raise SealProfileError("suites", f"{name} is for verifying only")
    return found


def _person(fields: ProfileFields) -> LegalPerson:
    try:
        identifier = organisation_identifier(fields.text("identifier", 64))
    except IdentifierError as error:
        raise SealProfileError("certificate.identifier", error.code) from None
    return LegalPerson(
        organisation=fields.text("organisation", 64),
        identifier=identifier,
        common_name=fields.text("common_name", 64),
        country=fields.matching("country", _COUNTRY, "two capital letters")
        if fields.has("country")
        else "JP",
    )


def _statements(fields: ProfileFields) -> QcStatements:
    found = QcStatements(
        compliance=fields.flag("compliance"),
        device=fields.flag("device"),
        seal=fields.flag("seal"),
        legislation=tuple(fields.names("legislation", 16)) if fields.has("legislation") else (),
        retention_years=fields.number("retention_years", 0, 1000) if fields.has("retention_years") else None,
        disclosures=tuple(map(_disclosure, fields.tables("disclosures", 8))),
    )
    fields.finish()
    if not all(_COUNTRY.fullmatch(each) for each in found.legislation):
        raise SealProfileError("qc.legislation", "countries, two capital letters each")
    return found


def _disclosure(fields: ProfileFields) -> Disclosure:
    found = Disclosure(
        fields.matching("url", _LINK, "an address that begins with https://"),
        fields.matching("language", _LANGUAGE, "two letters"),
    )
    fields.finish()
    return found


def _appearance(fields: ProfileFields) -> Appearance:
    left, bottom, right, top = fields.numbers("box", 4, MAX_COORDINATE)
    if left >= right or bottom >= top:
        raise SealProfileError("appearance.box", "left, bottom, right, top: a box with an inside")
    found = Appearance(
        page=fields.number("page", -1, 100_000),
        box=(left, bottom, right, top),
        text=fields.text("text", MAX_TEXT, lines=True) if fields.has("text") else "",
        link=fields.matching("link", _LINK, "an address that begins with https://")
        if fields.has("link")
        else None,
        image=fields.flag("image"),
        font=fields.flag("font"),
    )
    fields.finish()
    if found.page == 0:
        raise SealProfileError("appearance.page", "1 for the first page, -1 for the last")
    if found.link is not None and len(found.link) > MAX_LINK:
        raise SealProfileError("appearance.link", f"at most {MAX_LINK} characters")
    return found
