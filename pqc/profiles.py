"""Profiles: which suites and limits serve a purpose, read from TOML.

A profile names suites for tokens, certificates and envelopes, the imprint
hashes it takes, its accuracy and the life of its keys. Its policy OID is an arc
number below the operator's own arc. Shipped profiles come with the product; an
operator's own lie as TOML in a folder, under other names.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.envelope_suites import envelope_suite
from pqc.suites import Suite, UnknownSuiteError, suite

if TYPE_CHECKING:
    from pathlib import Path

MAX_PROFILE = 8192
"""Octets of an operator's own profile."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")

DEVELOPMENT_ARC = "1.3.6.1.4.1.32473"
"""Private enterprise number for examples (RFC 5612)."""


class ProfileError(ValueError):
    """A profile that cannot be used; the message names the field."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One way of issuing.

    Attributes:
        name: `classical`, `pq`, an operator's own.
        text: the TOML it was read from.
        arc: last arc of its policy OID.
        tst: suite of the token that answers a request.
        certificate: suite that a development CA signs with.
        envelope: envelope suite for secrets that are kept or sent.
        unit: the profile whose unit signs; its own name but for profiles that use another's.
        twin: the profile whose unit makes a second token over the same imprint, recorded together with the
            first; None: there is one token.
        evidence: the profile whose unit makes the archive time-stamps (RFC 4998) over batches of its tokens;
            it answers no request. None: its tokens get no evidence.
        embed: each token leaves with its evidence in it (er-internal, RFC 4998 §A).
        imprints: names of the hashes accepted in a messageImprint.
        accuracy_us: declared accuracy, microseconds.
        key_days: how long a unit's key signs.
        certificate_days: how long its certificate is valid: what a token can be verified with.
    """

    name: str
    text: str
    arc: int
    tst: Suite
    certificate: Suite
    envelope: str
    unit: str
    twin: str | None
    evidence: str | None
    embed: bool
    imprints: tuple[str, ...]
    accuracy_us: int
    key_days: int
    certificate_days: int

    @property
    def answering(self) -> tuple[str, ...]:
        """The profiles whose units sign tokens over a request's imprint, the one that answers first."""
        return (self.unit,) if self.twin is None else (self.unit, self.twin)

    @property
    def units(self) -> tuple[str, ...]:
        """The profiles whose units it needs: those that answer, then the one that makes its evidence."""
        return self.answering if self.evidence is None else (*self.answering, self.evidence)

    def policy(self, arc: str) -> str:
        """Policy OID, dotted, below the operator's `arc`."""
        return f"{arc}.{self.arc}"


def shipped() -> tuple[str, ...]:
    """Names of the profiles that come with the product."""
    folder = resources.files("pqc") / "profiles"
    return tuple(
        sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))
    )


def load_shipped(name: str) -> Profile:
    """Load a shipped profile.

    Raises:
        ProfileError: there is none of that name.
    """
    if name not in shipped():
        raise ProfileError(f"unknown profile {name!r}; shipped: {', '.join(shipped())}")
    text = (resources.files("pqc") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_profile(name, text)


def available(folder: Path) -> tuple[str, ...]:
    """Names of the shipped profiles and of the operator's own in `folder`, which need not exist."""
    own = (path.name.removesuffix(".toml") for path in folder.glob("*.toml"))
    return tuple(sorted({*shipped(), *own}))


def load_profile(name: str, folder: Path) -> Profile:
    """Load a shipped profile, else the operator's own from `folder`; a shipped name is never redefined.

    Raises:
        ProfileError: there is none of that name, or it cannot be used.
    """
    if name in shipped():
        return load_shipped(name)
    if not _NAME.fullmatch(name):
        raise ProfileError(f"{name!r} is no name of a profile: lower-case letters, digits and hyphens")
    try:
        with (folder / f"{name}.toml").open("rb") as file:
            octets = file.read(MAX_PROFILE + 1)
    except OSError:
        raise ProfileError(f"unknown profile {name!r}; there are: {', '.join(available(folder))}") from None
    if len(octets) > MAX_PROFILE:
        raise ProfileError(f"{name}: longer than {MAX_PROFILE} octets")
    try:
        return parse_profile(name, octets.decode())
    except UnicodeDecodeError:
        raise ProfileError(f"{name}: no UTF-8") from None


def parse_profile(name: str, text: str) -> Profile:
    """Read a profile from TOML.

    Raises:
        ProfileError: a field is missing, unknown or out of range.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Besides its own error the reader raises others, for numbers of thousands of digits and deep nesting.
        raise ProfileError(f"{name}: {error}") from None
    try:
        profile = Profile(
            name=name,
            text=text,
            arc=_positive(table.pop("arc"), 2**31 - 1),
            tst=suite(str(table.pop("tst"))),
            certificate=suite(str(table.pop("certificate"))),
            envelope=envelope_suite(str(table.pop("envelope"))).id,
            unit=str(table.pop("unit", name)),
            twin=_optional_name(table.pop("twin", None)),
            evidence=_optional_name(table.pop("evidence", None)),
            embed=_flag(table.pop("embed", False)),
            imprints=_names(table.pop("imprints")),
            # EN 319 421 TIS-7.7.2-03: one second or better.
            accuracy_us=_positive(table.pop("accuracy_ms"), 1_000) * 1_000,
            key_days=_positive(table.pop("key_days"), 36_500),
            certificate_days=_positive(table.pop("certificate_days"), 36_500),
        )
    except (KeyError, UnknownSuiteError) as error:
        raise ProfileError(f"{name}: {error} is missing or unknown") from None
    except ValueError as error:
        raise ProfileError(f"{name}: {error}") from None
    _check(profile, table)
    return profile


def _check(profile: Profile, rest: dict[str, Any]) -> None:
    if rest:
        raise ProfileError(f"{profile.name}: unknown fields {', '.join(sorted(rest))}")
    for name in (profile.name, *profile.units):
        # Attack: key files are named after these, also those of a snapshot that came in a backup.
        if not _NAME.fullmatch(name):
            raise ProfileError(f"{name!r} is no name of a profile: lower-case letters, digits and hyphens")
    if not profile.imprints or not set(profile.imprints) <= DIGEST_BY_NAME.keys():
        raise ProfileError(f"{profile.name}: imprints names an unknown hash")
    if not (profile.tst.issue and profile.certificate.issue):
        raise ProfileError(f"{profile.name}: a suite is for verifying only")
    if profile.twin == profile.unit:
        raise ProfileError(f"{profile.name}: the twin must be another unit")
    if profile.evidence in profile.answering:
        # Evidence is for the day on which the token's own key or algorithm falls.
        raise ProfileError(f"{profile.name}: evidence must come from another unit")
    if profile.embed and profile.evidence is None:
        raise ProfileError(f"{profile.name}: embed without a profile whose unit makes evidence")
    if profile.key_days >= profile.certificate_days:
        raise ProfileError(f"{profile.name}: the key must end before its certificate")


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r} is no list of names")
    return tuple(value)


def _optional_name(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{value!r} is no name")
    return value


def _flag(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError(f"{value!r} is neither true nor false")


def _positive(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise ValueError(f"{value!r} is not a whole number from 1 to {most}")
    return value
