"""Which witnesses must have cosigned a checkpoint (C2SP tlog-policy).

The file names logs, witnesses, groups of witnesses, and the quorum. Names are
octets: two names are one only when their octets are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.ledger.checkpoint import verify_line
from kokuin.ledger.note import SignatureType, VerifierKey
from kokuin.ledger.note_faults import NoteError

if TYPE_CHECKING:
    from collections.abc import Collection

    from kokuin.ledger.checkpoint import SignedCheckpoint

MAX_FILE = 1 << 20
"""Octets of the longest policy that is read."""

MAX_LINES = 16_384
"""Lines of the longest policy, comments and empty ones among them."""

MAX_OF_A_KIND = 128
"""Logs, witnesses and groups at most, of each; everybody must accept 32."""

_NONE = b"none"
_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_THRESHOLD = re.compile(rb"[1-9][0-9]{0,3}")
_LOG_KINDS = frozenset({SignatureType.ED25519, SignatureType.ML_DSA_44_COSIGNATURE})
_WITNESS_KINDS = frozenset({SignatureType.ED25519_COSIGNATURE, SignatureType.ML_DSA_44_COSIGNATURE})


class WitnessPolicyFault(StrEnum):
    """Why a policy is refused."""

    TOO_LARGE = "WITNESS_POLICY_TOO_LARGE"
    """More octets, lines, logs, witnesses or groups than we read."""
    ENCODING = "WITNESS_POLICY_ENCODING"
    """A control character other than tab and newline."""
    FORM = "WITNESS_POLICY_FORM"
    """A line that is none of log, witness, group and quorum."""
    KEY = "WITNESS_POLICY_KEY"
    """A key that cannot be read, or of a kind that its owner does not sign with."""
    TWICE = "WITNESS_POLICY_TWICE"
    """A name or a public key that a line before defined, or a name that is in two groups."""
    NAME_UNKNOWN = "WITNESS_POLICY_NAME_UNKNOWN"
    """A name that no line before defined."""
    THRESHOLD = "WITNESS_POLICY_THRESHOLD"
    """A group's number is not between 1 and the number of its members."""
    QUORUM = "WITNESS_POLICY_QUORUM"
    """Not exactly one quorum line."""


class WitnessPolicyError(ValueError):
    """A policy was refused.

    Attributes:
        fault: the stable code of the reason.
        line: number of the line, from 1; 0 for the file as a whole.
    """

    def __init__(self, fault: WitnessPolicyFault, line: int, detail: str = "") -> None:
        super().__init__(f"{fault}: line {line}{': ' if detail else ''}{detail}")
        self.fault = fault
        self.line = line


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log: its key, whose name is the origin, and where it is, if the policy says so."""

    key: VerifierKey
    url: str | None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness: its name in the policy (to be shown), its key, and its submission prefix, if given."""

    name: str
    key: VerifierKey
    url: str | None


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness whose cosignature was verified, and its time in POSIX seconds."""

    witness: PolicyWitness
    timestamp: int


@dataclass(frozen=True, slots=True)
class _Group:
    threshold: int
    members: tuple[bytes, ...]


class WitnessPolicy:
    """A policy that was read."""

    def __init__(self, reader: _Reader, quorum: bytes) -> None:
        """Args: what the lines defined, and the name of the quorum. Use `read_policy`."""
        self.logs: tuple[PolicyLog, ...] = tuple(reader.logs)
        self.witnesses: tuple[PolicyWitness, ...] = tuple(reader.witnesses.values())
        self._by_name = dict(reader.witnesses)
        self._groups = dict(reader.groups)
        self._quorum = quorum

    def satisfied_by(self, keys: Collection[VerifierKey]) -> bool:
        """Say whether these witnesses' keys together are the quorum."""
        if self._quorum == _NONE:
            return True
        stands = {name: witness.key in keys for name, witness in self._by_name.items()}
        # A group names only what was defined before it, so one pass in the file's order is enough.
        for name, group in self._groups.items():
            stands[name] = sum(stands[member] for member in group.members) >= group.threshold
        return stands[self._quorum]

    def cosigners(self, signed: SignedCheckpoint) -> tuple[Cosigner, ...]:
        """Verify the cosignatures of all witnesses of the policy.

        A cosignature without a time (zero) says nothing of the log's newest state and does not count
        (C2SP tlog-witness, add-checkpoint).

        Raises:
            NoteError: a line of a witness does not verify; then the whole note is refused.
        """
        found = ((witness, verify_line(witness.key, signed)) for witness in self.witnesses)
        return tuple(Cosigner(witness, line.timestamp) for witness, line in found if line and line.timestamp)


def read_policy(octets: bytes) -> WitnessPolicy:
    """Read a policy file.

    Raises:
        WitnessPolicyError: it breaks a rule of the specification, or is too large.
    """
    if len(octets) > MAX_FILE or octets.count(b"\n") >= MAX_LINES:
        raise WitnessPolicyError(WitnessPolicyFault.TOO_LARGE, 0)
    reader = _Reader()
    for number, line in enumerate(octets.split(b"\n"), 1):
        reader.line = number
        if _FORBIDDEN.search(line):
            raise reader.refusal(WitnessPolicyFault.ENCODING)
        items = line.replace(b"\t", b" ").split(b" ")
        items = [item for item in items if item]
        if items and not items[0].startswith(b"#"):
            reader.read(items[0], items[1:])
    if reader.quorum is None:
        raise WitnessPolicyError(WitnessPolicyFault.QUORUM, 0, "there is none")
    return WitnessPolicy(reader, reader.quorum)


@dataclass(slots=True)
class _Reader:
    """What the lines so far defined."""

    line: int = 0
    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: dict[bytes, PolicyWitness] = field(default_factory=dict)
    groups: dict[bytes, _Group] = field(default_factory=dict)
    grouped: set[bytes] = field(default_factory=set)
    quorum: bytes | None = None

    def refusal(self, fault: WitnessPolicyFault, detail: str = "") -> WitnessPolicyError:
        return WitnessPolicyError(fault, self.line, detail)

    def read(self, keyword: bytes, items: list[bytes]) -> None:
        match keyword, items:
            case b"log", [key, *url] if len(url) <= 1:
                self._log(key, url)
            case b"witness", [name, key, *url] if len(url) <= 1:
                self._witness(name, key, url)
            case b"group", [name, threshold, *members] if members:
                self._group(name, threshold, members)
            case b"quorum", [name]:
                self._quorum(name)
            case _:
                raise self.refusal(WitnessPolicyFault.FORM)

    def _log(self, key: bytes, url: list[bytes]) -> None:
        log = PolicyLog(self._key(key, _LOG_KINDS), _url(url))
        # The same public key under another name or kind is the same key (C2SP tlog-policy).
        if any(other.key.public == log.key.public for other in self.logs):
            raise self.refusal(WitnessPolicyFault.TWICE, "a log's key")
        self.logs.append(log)
        self._limit(len(self.logs))

    def _witness(self, name: bytes, key: bytes, url: list[bytes]) -> None:
        self._define(name)
        witness = PolicyWitness(_shown(name), self._key(key, _WITNESS_KINDS), _url(url))
        # One witness under two names would count twice.
        if any(other.key.public == witness.key.public for other in self.witnesses.values()):
            raise self.refusal(WitnessPolicyFault.TWICE, "a witness's key")
        self.witnesses[name] = witness
        self._limit(len(self.witnesses))

    def _group(self, name: bytes, threshold: bytes, members: list[bytes]) -> None:
        self._define(name)
        for member in members:
            self._known(member)
            # In two groups a witness would count twice as well.
            if member in self.grouped:
                raise self.refusal(WitnessPolicyFault.TWICE, f"{_shown(member)} is a member already")
            self.grouped.add(member)
        least = {b"any": 1, b"all": len(members)}.get(threshold)
        if least is None:
            least = int(threshold) if _THRESHOLD.fullmatch(threshold) else 0
        if not 1 <= least <= len(members):
            raise self.refusal(WitnessPolicyFault.THRESHOLD)
        self.groups[name] = _Group(least, tuple(members))
        self._limit(len(self.groups))

    def _quorum(self, name: bytes) -> None:
        if self.quorum is not None:
            raise self.refusal(WitnessPolicyFault.QUORUM, "a second one")
        if name != _NONE:
            self._known(name)
        self.quorum = name

    def _define(self, name: bytes) -> None:
        if name == _NONE or name in self.witnesses or name in self.groups:
            raise self.refusal(WitnessPolicyFault.TWICE, _shown(name))

    def _known(self, name: bytes) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise self.refusal(WitnessPolicyFault.NAME_UNKNOWN, _shown(name))

    def _key(self, octets: bytes, kinds: frozenset[SignatureType]) -> VerifierKey:
        try:
            key = VerifierKey.parse(octets.decode())
        except (UnicodeDecodeError, NoteError) as error:
            raise self.refusal(WitnessPolicyFault.KEY, str(error)) from error
        if key.kind not in kinds:
            raise self.refusal(WitnessPolicyFault.KEY, f"kind {key.kind:#04x}")
        return key

    def _limit(self, number: int) -> None:
        if number > MAX_OF_A_KIND:
            raise self.refusal(WitnessPolicyFault.TOO_LARGE)


def _shown(name: bytes) -> str:
    return name.decode(errors="replace")


def _url(items: list[bytes]) -> str | None:
    return items[0].decode(errors="replace") if items else None
