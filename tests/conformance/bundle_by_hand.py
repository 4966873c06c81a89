"""A second writer of export bundles, from the format's text alone: `tarfile`, `json` and the naive tree.

It writes whatever a record says, also what no service would: a log that lies can be shown to a checker.
"""

from __future__ import annotations

import base64
import json
import tarfile
import textwrap
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.ledger import issued_records, rfc6962
from tests.ledger.notes import NOW, log

if TYPE_CHECKING:
    from collections.abc import Collection

    from kokuin.ledger.log_keys import LogSigner

AT = NOW * 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf and the token that stands beside it."""

    leaf: dict[str, Any]
    token: bytes | None = None

    @property
    def octets(self) -> bytes:
        """The leaf as it is hashed."""
        return json.dumps(self.leaf, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> bytes:
        """RFC 6962 §2.1."""
        return sha256(b"\x00" + self.octets).digest()

    def but(self, **fields: Any) -> Entry:
        """Return one whose leaf says something else."""
        return replace(self, leaf=self.leaf | fields)


def entries(count: int) -> list[Entry]:
    """Return what a service may have written: every fifth is no time-stamp."""
    made = []
    for number in range(count):
        common = {"v": 1, "at": AT + number, "self": False}
        if number % 5 == 4:
            made.append(
                Entry({**common, "kind": "clock.fit", "tenant": "gamma", "reason": f"number {number}"})
            )
            continue
        record = issued_records.record(number)
        made.append(
            Entry({**record.fields, **common, "kind": record.kind, "serial": record.serial}, record.token)
        )
    return made


@dataclass(frozen=True)
class Hand:
    """What goes into a bundle.

    Attributes:
        entries: all leaves of the log, in order.
        shown: indexes whose octets are in the bundle; None: all.
        history: sizes of earlier checkpoints.
        stamped: sizes of the checkpoints that have a time-stamp.
        limit: records of a chunk at most.
        members: what stands in the place of a member that was made.
        signer: of the checkpoints.
    """

    entries: list[Entry]
    shown: Collection[int] | None = None
    history: tuple[int, ...] = ()
    stamped: tuple[int, ...] = ()
    limit: int = 4096
    members: dict[str, bytes] = field(default_factory=dict)
    signer: LogSigner = field(default_factory=log)

    def write(self) -> bytes:
        """Return the bundle."""
        made = bytearray()
        for name, octets in (self._members() | self.members).items():
            info = tarfile.TarInfo(name)
            info.size = len(octets)
            made += info.tobuf(tarfile.USTAR_FORMAT) + octets + bytes(-len(octets) % 512)
        return bytes(made) + bytes(1024)

    def checkpoint(self, size: int) -> bytes:
        """Return the signed note over the first leaves."""
        return self.signer.sign(size, rfc6962.mth(self._digests[:size]), NOW)

    @property
    def _digests(self) -> list[bytes]:
        return [entry.digest for entry in self.entries]

    def _members(self) -> dict[str, bytes]:
        size, chunks = len(self.entries), self._chunks()
        notes = {each: self.checkpoint(each) for each in (*self.history, size)}
        members = {"README.txt": b"by hand\n", "manifest.json": b"", "checkpoint": notes[size]}
        for old in self.history:
            proof = rfc6962.proof(old, self._digests)
            lines = b"".join(base64.b64encode(each) + b"\n" for each in proof)
            members[f"history/{old:020d}"] = lines + b"\n" + notes[old]
        for at, each in enumerate(self.stamped):
            name = f"stamps/{each:020d}-{self.stamped[:at].count(each)}.tst"
            members[name] = issued_records.token_over(notes[each])
        members |= {"certificates.pem": certificates(), "revocation.pem": b""}
        for number, (hashes, records, tokens) in enumerate(chunks):
            members |= {f"chunk/{number:06d}/hashes": hashes, f"chunk/{number:06d}/records": records}
            members[f"chunk/{number:06d}/tokens"] = tokens
        members["manifest.json"] = self._manifest(len(chunks))
        return members

    def _chunks(self) -> list[tuple[bytes, bytes, bytes]]:
        size = len(self.entries)
        shown = sorted(range(size) if self.shown is None else self.shown)
        chunks = []
        after = 0
        for start in range(0, max(len(shown), 1), self.limit):
            indexes = shown[start : start + self.limit]
            hashes = b""
            for index in indexes:
                hashes += self._cover(after, index)
                after = index + 1
            if start + self.limit >= len(shown):
                hashes += self._cover(after, size)
            records = b"".join(b"%d %b\n" % (index, self.entries[index].octets) for index in indexes)
            chunks.append((hashes, records, b"".join(self.entries[index].token or b"" for index in indexes)))
        return chunks

    def _cover(self, start: int, stop: int) -> bytes:
        """Return the lines of the largest aligned subtrees that fill a gap."""
        lines = b""
        while start < stop:
            height = 0
            while start % (2 << height) == 0 and start + (2 << height) <= stop:
                height += 1
            root = rfc6962.mth(self._digests[start : start + (1 << height)])
            lines += b"%d %d %b\n" % (start, height, root.hex().encode())
            start += 1 << height
        return lines

    def _manifest(self, chunks: int) -> bytes:
        size = len(self.entries)
        hints = {
            "v": 1,
            "origin": self.signer.origin,
            "epoch": int(self.signer.origin.rpartition("/")[2]),
            "size": size,
            "root": rfc6962.mth(self._digests).hex(),
            "scope": {"kind": "all"} if self.shown is None else self._selection(),
            "chunks": chunks,
            "records": size if self.shown is None else len(self.shown),
            "history": len(self.history),
            "stamps": len(self.stamped),
            "made": AT,
        }
        return json.dumps(hints, sort_keys=True, separators=(",", ":")).encode() + b"\n"

    def _selection(self) -> dict[str, object]:
        assert self.shown is not None
        tenants = {self.entries[index].leaf.get("tenant") for index in self.shown}
        if len(tenants) == 1:
            return {"kind": "selection", "by": "tenant", "value": tenants.pop()}
        return {"kind": "range", "start": min(self.shown), "stop": max(self.shown) + 1}


def certificates() -> bytes:
    """Return the certificates of the unit and above it, in the one form of PEM."""
    made = ""
    for der in issued_records.certificates():
        body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
        made += f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    return made.encode()
