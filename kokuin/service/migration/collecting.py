"""Everything of one service that rests on cryptography, as facts; nothing is opened but certificates."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kokuin.service.migration.assets import AssetKind, Facts, Note, State
from kokuin.service.migration.certificates import certificate_facts
from kokuin.service.migration.mechanisms import of_envelope, of_hash, of_part, of_recorded
from kokuin.service.migration.seals import seal_certificates, seal_keys
from kokuin.service.migration.sources import devices_of, keys_of
from pqc.envelope_suites import ENVELOPE_SUITES
from pqc.policies import Role
from pqc.profiles import ProfileError
from pqc.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kokuin.service.migration.sources import Source
    from kokuin.service.migration.tls import TlsFacts
    from pqc.profiles import Profile

LEDGER_HASHES = (
    ("sha256", "ledger-leaf"),
    ("sha512", "ledger-token-digest"),
    ("sha256", "configuration-digest"),
)
"""Hashes of the ledger: of its leaves, and beside SHA-256 of every token (`tok512`) and snapshot (`cfg`)."""


def collect(source: Source) -> list[Facts]:
    """Return everything found, each thing once."""
    return [
        *keys_of(source),
        *seal_keys(source.seals),
        *_certificates(source),
        *_suites(source),
        *_hashes(source),
        *_envelopes(source),
        *devices_of(source),
        *_tls(source.tls),
    ]


def _certificates(source: Source) -> list[Facts]:
    tokens: Counter[str] = Counter()
    for group in source.counts.groups:
        tokens[group.signer] += group.count
    in_force = {digest: f"profile:{unit}" for digest, unit in source.in_force().items()}
    return [
        *certificate_facts(source.certificates, in_force, tokens),
        *seal_certificates(source.seals, source.certificates),
    ]


def _suites(source: Source) -> list[Facts]:
    on, off = source.profiles()
    issuing: dict[str, list[str]] = {}
    possible: dict[str, list[str]] = {}
    for into, profiles in ((issuing, on), (possible, off)):
        for name, profile in profiles.items():
            for suite in _suites_of(source, profile):
                into.setdefault(suite, []).append(f"profile:{name}")
    for seal in source.seals:
        for each, _ in seal.signing:
            issuing.setdefault(each.id, []).append(seal.use)
    kept: Counter[str] = Counter()
    for group in source.counts.groups:
        for suite in group.suites:
            kept[suite] += group.count
    return [
        _suite(
            name,
            _state(name, issuing, possible),
            (*issuing.get(name, ()), *possible.get(name, ())),
            kept[name],
        )
        for name in sorted({*issuing, *possible, *kept})
    ]


def _suites_of(source: Source, profile: Profile) -> set[str]:
    """Return the suites that a profile's units sign with; of a unit that cannot be used, none."""
    found = set()
    for unit in profile.units:
        try:
            found.add(source.unit(unit).tst.id)
        except ProfileError:
            continue
    return found


def _suite(name: str, state: State, uses: tuple[str, ...], tokens: int) -> Facts:
    mechanism = of_recorded(name)
    return Facts(
        f"suite:{name}",
        AssetKind.SUITE,
        name,
        state if name in SUITES else State.UNKNOWN,
        (mechanism,),
        mechanism.subjects,
        uses,
        tokens=tokens,
    )


def _state(name: str, now: Mapping[str, object], possible: Mapping[str, object]) -> State:
    if name in now:
        return State.IN_USE
    return State.POSSIBLE if name in possible else State.KEPT


def _hashes(source: Source) -> list[Facts]:
    on, off = source.profiles()
    counted: Counter[str] = Counter()
    for group in source.counts.groups:
        counted[group.imprint] += group.count
    accepted = _by_imprint(source, on.values())
    possible = _by_imprint(source, off.values())
    facts = [
        _hash(
            name,
            Role.IMPRINT,
            _state(name, accepted, possible),
            ("token-imprint", *accepted.get(name, possible.get(name, ()))),
            counted[name],
        )
        for name in sorted({*accepted, *possible, *counted})
    ]
    digests: dict[str, list[str]] = {}
    for profile in on.values():
        for suite in _suites_of(source, profile):
            digests.setdefault(SUITES[suite].digest, []).append(f"profile:{profile.name}")
    for seal in source.seals:
        for each, _ in seal.signing:
            digests.setdefault(each.digest, []).append(seal.use)
    for name, uses in sorted(digests.items()):
        profiles = tuple(dict.fromkeys(uses))
        facts.append(_hash(name, Role.SIGNATURE_DIGEST, State.IN_USE, ("signer-info-digest", *profiles), 0))
        facts.append(_hash(name, Role.CERTIFICATE_ID, State.IN_USE, ("ess-cert-id", *profiles), 0))
    ledger: dict[str, list[str]] = {}
    for name, use in LEDGER_HASHES:
        ledger.setdefault(name, []).append(use)
    facts += [_hash(name, Role.TREE, State.IN_USE, tuple(uses), 0) for name, uses in sorted(ledger.items())]
    return facts


def _by_imprint(source: Source, profiles: Iterable[Profile]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for profile in profiles:
        for name in sorted(source.imprints(profile)):
            found.setdefault(name, []).append(f"profile:{profile.name}")
    return found


def _hash(name: str, role: Role, state: State, uses: tuple[str, ...], tokens: int) -> Facts:
    mechanism = of_hash(name, role)
    if mechanism.oid is None:
        state = State.UNKNOWN
    return Facts(
        f"hash:{role}:{name}",
        AssetKind.HASH,
        name,
        state,
        (mechanism,),
        mechanism.subjects,
        uses,
        tokens=tokens,
    )


def _envelopes(source: Source) -> list[Facts]:
    on, off = source.profiles()
    now, possible = _by_envelope(on.values()), _by_envelope(off.values())
    facts = []
    for name in sorted({*now, *possible}):
        suite = ENVELOPE_SUITES.get(name)
        mechanisms = () if suite is None else (of_envelope(suite),)
        facts.append(
            Facts(
                f"envelope:{name}",
                AssetKind.ENVELOPE,
                name,
                State.UNKNOWN if suite is None else _state(name, now, possible),
                mechanisms,
                mechanisms[0].subjects if mechanisms else (),
                (*now.get(name, ()), *possible.get(name, ())),
            )
        )
    return facts


def _by_envelope(profiles: Iterable[Profile]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for profile in profiles:
        found.setdefault(profile.envelope, []).append(f"profile:{profile.name}")
    return found


def _tls(tls: TlsFacts) -> Sequence[Facts]:
    """Describe the client's TLS by the group that it prefers, and say that the proxy's is not known."""
    preferred = [of_part(name) for name in tls.groups[:1]]
    return (
        Facts(
            "tls:this-process",
            AssetKind.TLS,
            tls.library,
            State.POSSIBLE,
            tuple(preferred),
            tuple(subject for each in preferred for subject in each.subjects),
            ("tsa-stamp",),
            details={"groups": ", ".join(tls.groups)},
            notes=() if tls.hybrid else (Note.NO_HYBRID,),
        ),
        Facts(
            "tls:proxy",
            AssetKind.TLS,
            "reverse proxy",
            State.UNKNOWN,
            uses=("tsa-serve",),
            notes=(Note.PROXY_UNKNOWN,),
        ),
    )
