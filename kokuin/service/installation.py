"""The units of one snapshot, loaded and tried: what a worker issues with.

The keeper loads them too before it activates a snapshot, and throws them away:
what does not fit is found before any worker is asked.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.service.evidence.embedding import SLOW_EMBEDDING_SECONDS, ArchiveUnit
from kokuin.service.issuing import Issuer
from kokuin.service.issuing_policy import accepted_imprints
from kokuin.service.keystore import key_name
from kokuin.service.snapshot import UnitReference
from kokuin.service.unit_errors import EmbeddingSlowError, UnitError
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
        evidence: by profile name, of those whose units make the evidence of profiles that are on; none of
            them answers a request.
        archives: those of them that are quick enough to put evidence into a token before it leaves.
        accuracy_us: declared by the tokens of each profile, microseconds.
        slow: profiles whose signatures are made in threads.
        units: the units at work, by name of the profile that they belong to.
        periods: when the key of each signs, likewise.
        key_ends: end of the key period by unit id, microseconds since 1970 UTC.
    """

    default: str
    issuers: Mapping[str, Issuer]
    evidence: Mapping[str, Issuer]
    archives: Mapping[str, ArchiveUnit]
    accuracy_us: Mapping[str, int]
    slow: frozenset[str]
    units: Mapping[str, UnitReference]
    periods: Mapping[str, KeyPeriod]
    key_ends: Mapping[str, int]

    def activate(self, active: ActiveConfiguration) -> None:
        """Issue under this configuration from now on."""
        for issuer in (*self.issuers.values(), *self.evidence.values()):
            issuer.activate(active)

    def update_clock(self, verdict: ClockVerdict) -> None:
        """Take the monitor's newest verdict."""
        for name, issuer in (*self.issuers.items(), *self.evidence.items()):
            issuer.update_clock(verdict, self.accuracy_us[name])

    def probe(self) -> str:
        """Sign a canary with every unit that answers, or whose evidence is in answers.

        Empty when all are fit, else the first fault's code.
        """
        embedding = {issuer.evidence for issuer in self.issuers.values() if issuer.embed}
        units = (*self.issuers.values(), *(self.evidence[name] for name in embedding if name is not None))
        return next((code for issuer in units if (code := issuer.probe())), "")


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
    return min(snapshot.profile(name).accuracy_us for name in snapshot.enabled | evidence_profiles(snapshot))


def evidence_profiles(snapshot: Snapshot) -> frozenset[str]:
    """Return the profiles whose units make the evidence of those that are on.

    Raises:
        ProfileError: a profile cannot be used.
    """
    named = (snapshot.profile(name).evidence for name in snapshot.enabled)
    return frozenset(name for name in named if name is not None)


def install(
    folder: DataFolder, config: Config, snapshot: Snapshot, clock: ClockReader, passphrase: bytes | None
) -> Installation:
    """Load and try every unit of a snapshot, with the certificates that it names where it names some.

    Raises:
        UnitError: key, certificate, chain or configuration do not fit; `owner` says of which unit.
        ProfileError: a profile cannot be used.
    """
    loading = _Loading(folder, config, snapshot, passphrase)
    issuers: dict[str, Issuer] = {}
    slow = set()
    for name in sorted(snapshot.enabled):
        profile = snapshot.profile(name)
        rules = issuing_rules(config, profile)
        issuer: Issuer | None = None
        for owner in reversed(profile.answering):
            loaded = loading.unit(owner, rules, profile.accuracy_us)
            issuer = Issuer(
                name, rules, loaded.unit, clock, issuer, evidence=profile.evidence, embed=profile.embed
            )
            if loaded.slow:
                slow.add(name)
        assert issuer is not None  # noqa: S101  # a profile has a unit
        issuers[name] = issuer
    evidence = {name: loading.evidence(name, clock) for name in sorted(evidence_profiles(snapshot))}
    return Installation(
        default=snapshot.default,
        issuers=issuers,
        evidence=evidence,
        archives=_archives(folder, snapshot, evidence, loading),
        accuracy_us={name: snapshot.profile(name).accuracy_us for name in (*issuers, *evidence)},
        slow=frozenset(slow),
        units=loading.units,
        periods={owner: unit.unit.period for owner, unit in loading.loaded.items()},
        key_ends={unit.unit.id: unit.unit.period.end_us for unit in loading.loaded.values()},
    )


def _archives(
    folder: DataFolder, snapshot: Snapshot, evidence: Mapping[str, Issuer], loading: _Loading
) -> dict[str, ArchiveUnit]:
    """Return the units that are quick enough to embed.

    Raises:
        EmbeddingSlowError: one is not, and a profile that is on wants its evidence within the tokens.
    """
    quick = {name for name in evidence if loading.loaded[name].seconds <= SLOW_EMBEDDING_SECONDS}
    for name in sorted(snapshot.enabled):
        profile = snapshot.profile(name)
        if profile.embed and profile.evidence is not None and profile.evidence not in quick:
            took_ms = round(loading.loaded[profile.evidence].seconds * 1e3)
            error = EmbeddingSlowError(
                f"profile {name} embeds evidence, and a signature of {profile.evidence} takes {took_ms} ms,"
                f" more than {SLOW_EMBEDDING_SECONDS * 1e3:.0f}; turn `embed` off, or name a faster unit"
            )
            error.owner = name
            raise error
    return {name: ArchiveUnit(folder, evidence[name]) for name in quick}


class _Loading:
    """Loads the units of one snapshot, and remembers which."""

    def __init__(
        self, folder: DataFolder, config: Config, snapshot: Snapshot, passphrase: bytes | None
    ) -> None:
        self._folder, self._config, self._snapshot, self._passphrase = folder, config, snapshot, passphrase
        self._now = dt.datetime.now(dt.UTC)
        self.loaded: dict[str, LoadedUnit] = {}
        self.units: dict[str, UnitReference] = {}

    def unit(self, owner: str, rules: IssuingRules, accuracy_us: int) -> LoadedUnit:
        """Load and try the unit of a profile, to sign under the rules of a profile.

        Raises:
            UnitError: it does not fit; `owner` is set.
            ProfileError: a profile cannot be used.
        """
        profile = replace(self._snapshot.profile(owner), accuracy_us=accuracy_us)
        reference = self._snapshot.units.get(owner, UnitReference(key_name(owner), ""))
        try:
            found = load_unit(
                self._folder, self._config, profile, rules, self._passphrase, self._now, reference
            )
        except UnitError as error:
            error.owner = owner
            raise
        self.loaded[owner] = found
        self.units[owner] = replace(reference, certificate=_digest(found))
        return found

    def evidence(self, name: str, clock: ClockReader) -> Issuer:
        """Load the unit of a profile that makes evidence, under rules of its own.

        Raises:
            UnitError, ProfileError: as of `unit`.
        """
        profile = self._snapshot.profile(name)
        rules = issuing_rules(self._config, profile)
        return Issuer(name, rules, self.unit(name, rules, profile.accuracy_us).unit, clock)


def _digest(loaded: LoadedUnit) -> str:
    return hashlib.sha256(loaded.unit.certificate).hexdigest()
