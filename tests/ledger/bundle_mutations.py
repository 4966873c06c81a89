"""Bundles damaged and forged at random, and the names that a check may give to each damage.

`make test` runs a few with a fixed seed, `make fuzz` a thousand: `assault` is what both call.
"""

from __future__ import annotations

import functools
import io
import random
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_tar import TarWriter
from kokuin.ledger.note import VerifierKey
from kokuin.ledger.witness_policy import read_policy
from kokuin.trust.report import Indication
from tests.ledger import exported
from tests.ledger.notes import log, verifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from kokuin.ledger.bundle_verdict import BundleVerdict

RECORDS = 10_000

_TREE = {
    "RECORD_MISSING",
    "RECORD_INSERTED",
    "RECORD_SWAPPED",
    "HASH_MISSING",
    "HASH_INSERTED",
    "HASH_SWAPPED",
}
_OF_TAR = {
    "BUNDLE_TAR",
    "NOT_A_BUNDLE",
    "BUNDLE_TRUNCATED",
    "BUNDLE_TRAILING",
    "BUNDLE_LIMIT",
    "MEMBER_INSERTED",
    "MEMBER_MISSING",
}
NAMES: dict[tuple[str, str], set[str]] = {
    ("flip", "records"): {"RECORD_FORM", "ROOT_DIFFERS", "LINE_FORM", *_TREE},
    ("flip", "tokens"): {"TOKEN_CHANGED", "TOKENS_UNREADABLE"},
    ("flip", "hashes"): {"ROOT_DIFFERS", "HASH_FORM", *_TREE},
    ("flip", "checkpoint"): {"CHECKPOINT_REFUSED", "ORIGIN_UNKNOWN", "WITNESS_QUORUM"},
    ("flip", "history"): {"HISTORY_REFUSED", "ORIGIN_UNKNOWN", "HISTORY_INCONSISTENT"},
    ("flip", "stamps"): {"STAMP_UNREADABLE", "STAMP_FOREIGN"},
    ("flip", "manifest.json"): {"MANIFEST_FORM", "MANIFEST_DIFFERS", "RECORD_OUTSIDE", "RECORDS_HIDDEN"},
    ("flip", "certificates.pem"): {"CERTIFICATES_UNREADABLE", "SIGNER_ABSENT", "SIGNER_CHANGED"},
    ("flip", "revocation.pem"): {"REVOCATION_UNREADABLE"},
    ("flip", "README.txt"): set(),
    ("flip", "tar"): _OF_TAR | {"MEMBER_SWAPPED", "TOKENS_UNREADABLE", "RECORD_FORM"},
    ("delete", "records"): {"RECORD_MISSING", "HASH_MISSING"},
    ("delete", "tokens"): {"TOKEN_MISSING"},
    ("delete", "hashes"): {"HASH_MISSING", "RECORD_MISSING"},
    ("delete", "member"): {"MEMBER_MISSING", "MANIFEST_DIFFERS"},
    ("insert", "records"): {"RECORD_INSERTED"},
    ("insert", "tokens"): {"TOKEN_INSERTED"},
    ("insert", "hashes"): {"HASH_INSERTED"},
    ("insert", "member"): {"MEMBER_INSERTED"},
    ("swap", "records"): {"RECORD_SWAPPED"},
    ("swap", "tokens"): {"TOKEN_SWAPPED"},
    ("swap", "hashes"): {"HASH_SWAPPED"},
    ("swap", "member"): {"MEMBER_SWAPPED", "MEMBER_MISSING"},
    ("truncate", "records"): {"RECORD_FORM", "LINE_FORM", "RECORD_MISSING", "HASH_MISSING", "ROOT_DIFFERS"},
    ("truncate", "tokens"): {"TOKENS_UNREADABLE", "TOKEN_MISSING"},
    ("truncate", "hashes"): {"HASH_FORM", "HASH_MISSING", "RECORD_MISSING"},
    ("truncate", "checkpoint"): {"CHECKPOINT_REFUSED", "WITNESS_QUORUM"},
    ("truncate", "history"): {"HISTORY_REFUSED"},
    ("truncate", "stamps"): {"STAMP_UNREADABLE"},
    ("truncate", "file"): {"BUNDLE_TRUNCATED"},
    ("append", "file"): {"BUNDLE_TRAILING"},
}
"""By what is done to what: the codes of which one must be found."""

_ITEMS = ("records", "tokens", "hashes")
_SMALL = ("checkpoint", "history", "stamps")
_HINTS = ("manifest.json", "certificates.pem", "README.txt")


@dataclass(frozen=True, slots=True)
class Mutation:
    """A damaged bundle, what was done to what, and the member that it was done to."""

    octets: bytes
    act: str
    target: str
    member: str

    @property
    def names(self) -> set[str]:
        """Codes of which one must be found."""
        return NAMES[self.act, self.target]


def members(bundle: bytes) -> list[tuple[str, bytes]]:
    """Return names and octets of a bundle's members, read by another program."""
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:") as tar:
        found = ((info.name, tar.extractfile(info)) for info in tar)
        return [(name, b"" if file is None else file.read()) for name, file in found]


def pack(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a bundle of these members."""
    sink = io.BytesIO()
    tar = TarWriter(sink)
    for name, octets in parts:
        tar.add(name, octets)
    tar.finish()
    return sink.getvalue()


def items(kind: str, octets: bytes) -> list[bytes]:
    """Return the lines or the tokens that a member of a chunk consists of."""
    if kind != "tokens":
        return octets.splitlines(keepends=True)
    found = []
    while octets:
        # Our tokens have two octets of length.
        size = 4 + int.from_bytes(octets[2:4], "big")
        found.append(octets[:size])
        octets = octets[size:]
    return found


class BundleMutator:
    """Makes mutations of one bundle; they depend on the seed alone."""

    def __init__(self, bundle: bytes, seed: int) -> None:
        self._bundle = bundle
        self._parts = members(bundle)
        self._chance = random.Random(seed)  # noqa: S311 - the same mutations every time, no secrets

    def next(self) -> Mutation:
        """Return the next mutation."""
        while True:
            act, target = self._chance.choice(list(NAMES))
            made = getattr(self, f"_{act}")(target)
            if made is not None and made[0] != self._bundle:
                return Mutation(made[0], act, target, made[1])

    def _at(self, target: str) -> int | None:
        """Choose a member of this kind."""
        fitting = [at for at, (name, octets) in enumerate(self._parts) if octets and target in _kinds(name)]
        return self._chance.choice(fitting) if fitting else None

    def _with(self, at: int, octets: bytes) -> tuple[bytes, str]:
        parts = list(self._parts)
        parts[at] = (parts[at][0], octets)
        return pack(parts), parts[at][0]

    def _flip(self, target: str) -> tuple[bytes, str] | None:
        if target == "tar":
            return self._flip_header()
        at = self._at(target)
        return None if at is None else self._with(at, self._flipped(self._parts[at][1]))

    def _flip_header(self) -> tuple[bytes, str]:
        starts, offset = [], 0
        for _name, octets in self._parts:
            starts.append(offset)
            offset += 512 + -(-len(octets) // 512) * 512
        chosen = self._chance.choice([*starts, offset, offset + 512])
        position = chosen + self._chance.randrange(512)
        flipped = bytes([self._bundle[position] ^ 1 << self._chance.randrange(8)])
        return self._bundle[:position] + flipped + self._bundle[position + 1 :], "tar"

    def _flipped(self, octets: bytes) -> bytes:
        position = self._chance.randrange(len(octets))
        flipped = bytes([octets[position] ^ 1 << self._chance.randrange(8)])
        return octets[:position] + flipped + octets[position + 1 :]

    def _list(self, target: str, least: int) -> tuple[int, list[bytes]] | None:
        at = self._at(target)
        found = [] if at is None else items(target, self._parts[at][1])
        return None if at is None or len(found) < least else (at, found)

    def _delete(self, target: str) -> tuple[bytes, str] | None:
        if target == "member":
            parts = list(self._parts)
            name, _octets = parts.pop(self._chance.randrange(len(parts)))
            return pack(parts), name
        chosen = self._list(target, 1)
        if chosen is None:
            return None
        at, found = chosen
        del found[self._chance.randrange(len(found))]
        return self._with(at, b"".join(found))

    def _insert(self, target: str) -> tuple[bytes, str] | None:
        if target == "member":
            parts = list(self._parts)
            name, octets = self._chance.choice(parts)
            strange = self._chance.choice((name, "chunk/000000/more", "../../etc/passwd", "x"))
            parts.insert(parts.index((name, octets)) + 1, (strange, octets[:100]))
            return pack(parts), strange
        chosen = self._list(target, 1)
        if chosen is None:
            return None
        at, found = chosen
        position = self._chance.randrange(len(found))
        found.insert(position + 1, found[position])
        return self._with(at, b"".join(found))

    def _swap(self, target: str) -> tuple[bytes, str] | None:
        if target == "member":
            parts = list(self._parts)
            one = self._chance.randrange(len(parts) - 1)
            parts[one], parts[one + 1] = parts[one + 1], parts[one]
            return pack(parts), parts[one][0]
        chosen = self._list(target, 2)
        if chosen is None:
            return None
        at, found = chosen
        one = self._chance.randrange(len(found) - 1)
        found[one], found[one + 1] = found[one + 1], found[one]
        return self._with(at, b"".join(found))

    def _truncate(self, target: str) -> tuple[bytes, str] | None:
        if target == "file":
            return self._bundle[: self._chance.randrange(len(self._bundle))], "file"
        at = self._at(target)
        if at is None:
            return None
        octets = self._parts[at][1]
        return self._with(at, octets[: self._chance.randrange(len(octets))])

    def _append(self, _target: str) -> tuple[bytes, str]:
        return self._bundle + self._chance.choice((b"\0", bytes(512), self._bundle[:2000])), "file"


def _kinds(name: str) -> set[str]:
    return {name, name.partition("/")[0], name.rpartition("/")[2]}


def complaint(mutation: Mutation, verdict: BundleVerdict, sound: BundleVerdict) -> str:
    """Say what is wrong with the verdict on a mutation; empty when it is right.

    What passes must be of a member that the verdict calls unauthenticated, or be seen in who vouches.
    """
    found = exported.codes(verdict)
    what = f"{mutation.act} {mutation.target} ({mutation.member}): {sorted(found)}"
    if found & mutation.names:
        return ""
    if verdict.indication is not Indication.PASSED:
        return f"not named, {what}"
    if any(mutation.member.startswith(name) for name in verdict.unauthenticated):
        return ""
    vouching = (verdict.cosigners, verdict.history, verdict.stamps)
    return f"passed, {what}" if vouching == (sound.cosigners, sound.history, sound.stamps) else ""


def assault(bundle: bytes, seed: int, count: int, **more: Any) -> list[str]:
    """Check `count` mutations of a bundle; return what was wrong with the verdicts."""
    mutator = BundleMutator(bundle, seed)
    policy = read_policy(exported.witness_policy())
    sound = exported.check(bundle, witnesses=policy, **more)
    assert sound.indication is Indication.PASSED, sound.findings
    wrong = []
    for number in range(count):
        mutation = mutator.next()
        try:
            verdict = exported.check(mutation.octets, witnesses=policy, **more)
        except Exception as error:  # noqa: BLE001 - whatever it is, a bundle must end in a verdict
            wrong.append(f"{number}: {mutation.act} {mutation.target}: {type(error).__name__}: {error}")
            continue
        said = complaint(mutation, verdict, sound)
        wrong += [f"{number}: {said}"] if said else []
    return wrong


def flip_octets(bundle: bytes, offsets: Iterable[int]) -> set[str]:
    """Flip a bit of each of these octets; return the members in which that passed.

    A flip in the headers and between members belongs to the member `tar`.
    """
    owner: list[str] = []
    for name, octets in members(bundle):
        owner += ["tar"] * 512 + [name] * len(octets) + ["tar"] * (-len(octets) % 512)
    owner += ["tar"] * 1024
    assert len(owner) == len(bundle)
    logs, passed = verifier(log()), set()
    with pytest.MonkeyPatch.context() as patch:
        # The same signature over the same octets is verified once, not ten thousand times.
        patch.setattr(VerifierKey, "verifies", functools.cache(VerifierKey.verifies))
        for at in offsets:
            flipped = bundle[:at] + bytes([bundle[at] ^ 1 << at % 8]) + bundle[at + 1 :]
            if exported.check(flipped, logs).indication is Indication.PASSED:
                passed.add(owner[at])
    return passed


def bundles(path: Path, records: int = RECORDS) -> list[bytes]:
    """Fill a store and export it whole, a range of it, and one tenant's records."""
    exported.fill(path, records + 3)
    exported.sign(path, [records // 7, records // 3, records // 2], cosigned=True, stamped=True)
    exported.sign(path, [records], cosigned=True)
    scopes = (
        Scope(),
        Scope("range", records // 5, records // 2 + 1),
        Scope("selection", by="tenant", value="beta"),
    )
    return [exported.export(path, scope) for scope in scopes]
