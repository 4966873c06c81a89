"""The manifest of an export bundle: hints of what it holds, and of which records it is.

`docs/bundle.md` describes it for whoever writes another reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from kokuin.ledger.bundle_form import MANIFEST_OCTETS
from kokuin.wire import strictjson

if TYPE_CHECKING:
    from typing import Any

VERSION = 1


@dataclass(frozen=True, slots=True)
class Scope:
    """Which records a bundle holds.

    Attributes:
        kind: `all`, `range` or `selection`.
        start: of the range, first index.
        stop: of the range, index behind the last.
        since_us: the range was asked for by time, from here (microseconds since 1970 UTC); None: not.
        until_us: to before here.
        by: of the selection, the field of leaves that decides: `serial` or `tenant`.
        value: what it must be.
    """

    kind: str = "all"
    start: int = 0
    stop: int = 0
    since_us: int | None = None
    until_us: int | None = None
    by: str = ""
    value: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as the manifest holds it."""
        document: dict[str, Any] = {"kind": self.kind}
        if self.kind == "range":
            document |= {"start": self.start, "stop": self.stop}
            asked = {"from": self.since_us, "to": self.until_us}
            document |= {name: value for name, value in asked.items() if value is not None}
        elif self.kind == "selection":
            document |= {"by": self.by, "value": self.value}
        return document


@dataclass(frozen=True, slots=True)
class Manifest:
    """Hints of what a bundle holds; nothing in them is believed, and all that can be compared is.

    Attributes:
        origin: of the checkpoint.
        epoch: the number at the end of the origin.
        size: of the checkpoint.
        root: of the checkpoint, hex.
        scope: which records.
        chunks: how many.
        records: how many.
        history: how many earlier checkpoints.
        stamps: how many time-stamps.
        made: when, microseconds since 1970 UTC.
    """

    origin: str
    epoch: int
    size: int
    root: str
    scope: Scope
    chunks: int
    records: int
    history: int
    stamps: int
    made: int

    def encode(self) -> bytes:
        """Return the octets of `manifest.json`."""
        document = {
            "v": VERSION,
            "origin": self.origin,
            "epoch": self.epoch,
            "size": self.size,
            "root": self.root,
            "scope": self.scope.document(),
            "chunks": self.chunks,
            "records": self.records,
            "history": self.history,
            "stamps": self.stamps,
            "made": self.made,
        }
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS) + b"\n"


def epoch_of(origin: str) -> int:
    """Return the number of the epoch, which ends the origin; 0 when there is none."""
    number = origin.rpartition("/")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0


def read_manifest(octets: bytes) -> Manifest | None:
    """Read `manifest.json`; None when it is not what a writer makes."""
    try:
        document = strictjson.loads(octets, max_octets=MANIFEST_OCTETS, max_depth=3)
    except strictjson.JsonError:
        return None
    try:
        manifest = _manifest(document)
        return manifest if manifest.encode() == octets else None
    except (KeyError, TypeError, AttributeError, orjson.JSONEncodeError):
        return None


def _manifest(document: Any) -> Manifest:
    scope = document["scope"]
    names = ("origin", "epoch", "size", "root", "chunks", "records", "history", "stamps", "made")
    kept = {name: document[name] for name in names}
    numbers = ("epoch", "size", "chunks", "records", "history", "stamps", "made")
    if any(type(kept[name]) is not int for name in numbers) or scope["kind"] not in {
        "all",
        "range",
        "selection",
    }:
        raise TypeError
    read = Scope(
        scope["kind"],
        scope.get("start", 0),
        scope.get("stop", 0),
        scope.get("from"),
        scope.get("to"),
        scope.get("by", ""),
        scope.get("value", ""),
    )
    if type(read.start) is not int or type(read.stop) is not int or not isinstance(read.value, str):
        raise TypeError
    if read.kind == "selection" and read.by not in {"serial", "tenant"}:
        raise TypeError
    return Manifest(scope=read, **kept)
