"""The units of one snapshot, loaded and tried: what a worker issues with.

The keeper loads them too before it activates a snapshot, and throws them away:
what does not fit is found before any worker is asked.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.service.issuing import Issuer
from kokuin.service.issuing_policy import accepted_imprints
from kokuin.service.keystore import key_name
from kokuin.service.snapshot import UnitReference
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import issuing_policy, load_unit
from tsa.decide import IssuingRules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.service.snapshot import Snapshot
    from kokuin.service.units import LoadedUnit
    from pqc.profiles import Profile
    from tsa.clock.reader import ClockReader
    from tsa.clock.verdict import ClockVerdict
    from tsa.unit import KeyPeriod


@dataclass(frozen=True, slots=True)
class Installation:
    """What one snapshot issues with.

    Attributes:
        default: the profile of requests that name none.
        issuers: by profile name, of every profile that is on.
        accuracy_us: declared by the tokens of each profile, microseconds.
        slow: profiles whose signatures are made in threads.
        units: the units at work, by name of the profile that they belong to.
        periods: when the key of each signs, likewise.
        key_ends: end of the key period by unit id, microseconds since 1970 UTC.
    """

    default: str
    issuers: Mapping[str, Issuer]
    accuracy_us: Mapping[str, int]
    slow: frozenset[str]
    units: Mapping[str, UnitReference]
    periods: Mapping[str, KeyPeriod]
    key_ends: Mapping[str, int]

    def activate(self, active: ActiveConfiguration) -> None:
        """Issue under this configuration from now on."""
        for issuer in self.issuers.values():
            issuer.activate(active)

    def update_clock(self, verdict: ClockVerdict) -> None:
        """Take the monitor's newest verdict."""
        for name, issuer in self.issuers.items():
            issuer.update_clock(verdict, self.accuracy_us[name])

    def probe(self) -> str:
        """Sign a canary with every unit: empty when all are fit, else the code of the first that is not."""
        return next((code for issuer in self.issuers.values() if (code := issuer.probe())), "")


def issuing_rules(config: Config, profile: Profile) -> IssuingRules:
    """What `profile` grants under this configuration: hashes that the issuing policy forbids are badAlg.

    Raises:
        UnitError: the issuing policy cannot be read.
    """
    return IssuingRules(
        policy=profile.policy(config.arc),
        imprints=accepted_imprints(profile, issuing_policy(config), dt.datetime.now(dt.UTC)),
        extensions=frozenset(config.requests.extensions),
        critical_extensions=config.requests.critical_extensions,
    )


def strictest_accuracy_us(snapshot: Snapshot) -> int:
    """The accuracy that the clock guard must keep: the best that any profile declares, microseconds.

    Raises:
        ProfileError: a profile cannot be used.
    """
    return min(snapshot.profile(name).accuracy_us for name in snapshot.enabled)


def install(
    folder: DataFolder, config: Config, snapshot: Snapshot, clock: ClockReader, passphrase: bytes | None
) -> Installation:
    """Load and try every unit of a snapshot, with the certificates that it names where it names some.

    Raises:
        UnitError: key, certificate, chain or configuration do not fit; `owner` says of which unit.
        ProfileError: a profile cannot be used.
    """
    now = dt.datetime.now(dt.UTC)
    issuers: dict[str, Issuer] = {}
    loaded: dict[str, LoadedUnit] = {}
    units: dict[str, UnitReference] = {}
    slow = set()
    for name in sorted(snapshot.enabled):
        profile = snapshot.profile(name)
        rules = issuing_rules(config, profile)
        issuer: Issuer | None = None
        for owner in reversed(profile.units):
            unit_profile = replace(snapshot.profile(owner), accuracy_us=profile.accuracy_us)
            reference = snapshot.units.get(owner, UnitReference(key_name(owner), ""))
            try:
                loaded[owner] = load_unit(folder, config, unit_profile, rules, passphrase, now, reference)
            except UnitError as error:
                error.owner = owner
                raise
            units[owner] = replace(reference, certificate=_digest(loaded[owner]))
            issuer = Issuer(name, rules, loaded[owner].unit, clock, issuer)
            if loaded[owner].slow:
                slow.add(name)
        assert issuer is not None  # noqa: S101  # a profile has a unit
        issuers[name] = issuer
    return Installation(
        default=snapshot.default,
        issuers=issuers,
        accuracy_us={name: snapshot.profile(name).accuracy_us for name in issuers},
        slow=frozenset(slow),
        units=units,
        periods={owner: unit.unit.period for owner, unit in loaded.items()},
        key_ends={unit.unit.id: unit.unit.period.end_us for unit in loaded.values()},
    )


def _digest(loaded: LoadedUnit) -> str:
    return hashlib.sha256(loaded.unit.certificate).hexdigest()
