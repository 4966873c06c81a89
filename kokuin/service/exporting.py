"""A bundle of a folder's ledger, whether or not its service is running; also as a child of the service.

`python -m kokuin.service.exporting` reads its task as JSON from standard input
and writes a line of JSON, then the bundle. It is niced, so that a long ledger
holds up no time-stamp.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.ledger.bundle_choice import around, select, within
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_part import head_of
from kokuin.ledger.bundle_plan import ExportError, plan_bundle
from kokuin.ledger.bundle_write import BundleWriter
from kokuin.ledger.faults import OpenRefusedError
from kokuin.ledger.proving import ProofFault, ProofRefusedError
from kokuin.ledger.published import newest_checkpoint
from kokuin.service.config import Config
from kokuin.service.datafolder import DataFolder
from kokuin.service.published_log import LogFault, reading
from kokuin.wire.pem import is_armoured, read_blocks, write_block

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator

    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.reader import StoreReader

EXPORT_CHANGED = "EXPORT_CHANGED"
"""The bundle would not go on as it began: fetch it from the start."""

NICENESS = 15
_MOST_BLOCKS = 1000
_LIST = "X509 CRL"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which bundle.

    Attributes:
        size: of the checkpoint; None: the newest.
        since_us: records from this time on, microseconds since 1970 UTC.
        until_us: records before this time.
        serial: the record of this serial number alone, lower-case hex; not with a period.
        tenant: the records of this tenant alone, and of a serial number that is another's none; not with a
            period.
        judging: with a period, also the records around it that it takes to judge a token of it.
    """

    size: int | None = None
    since_us: int | None = None
    until_us: int | None = None
    serial: str | None = None
    tenant: str | None = None
    judging: bool = True


@contextmanager
def open_export(
    folder: DataFolder, config: Config, asked: Asked, since: SignedCheckpoint | None = None
) -> Iterator[BundleWriter]:
    """Plan a bundle; the same question about the same checkpoint gives the same octets.

    Args:
        folder: the data folder.
        config: its settings.
        asked: which bundle.
        since: a checkpoint that an auditor saved, to be shown to be a beginning of this log.

    Raises:
        ProofRefusedError: there is no such checkpoint.
        ExportError: the store is not the checkpoint's.
        OpenRefusedError: the ledger cannot be read.
        OSError, WireError: certificates or revocation lists cannot be read.
    """
    with reading(folder, config) as reader:
        kept = newest_checkpoint(reader, asked.size)
        if kept is None or asked.size not in {None, kept.size}:
            raise ProofRefusedError(ProofFault.CHECKPOINT_UNKNOWN)
        scope, indexes = _scope(reader, kept.size, asked)
        plan = plan_bundle(reader, kept, scope, indexes=indexes, since=since)
        yield BundleWriter(
            reader,
            plan,
            certificates=_armoured((folder.anchors, folder.units), "CERTIFICATE"),
            revocation=_armoured(sorted(folder.anchors.parent.glob("*.crl")), _LIST),
            # The checkpoint's time, not the present: a broken download goes on with the same octets.
            made_us=kept.at,
        )


def _scope(reader: StoreReader, size: int, asked: Asked) -> tuple[Scope, array[int] | None]:
    wanted = {"serial": asked.serial, "tenant": asked.tenant}
    fields = {name: value for name, value in wanted.items() if value is not None}
    for name, value in fields.items():
        return Scope("selection", by=name, value=value), select(reader, size, fields)
    if asked.since_us is None and asked.until_us is None:
        return Scope(), None
    leaves = (around if asked.judging else within)(reader, size, asked.since_us, asked.until_us)
    return Scope("range", leaves.start, leaves.stop, asked.since_us, asked.until_us), None


def _armoured(paths: Iterable[Path], label: str) -> bytes:
    """Return certificates or lists in the one form of PEM that bundles have, each once."""
    found: dict[bytes, None] = {}
    for path in paths:
        octets = path.read_bytes()
        ders = [der for _, der in read_blocks(octets, _MOST_BLOCKS)] if is_armoured(octets) else [octets]
        found |= dict.fromkeys(ders)
    return b"".join(write_block(label, der) for der in found)


def main() -> int:
    """Be the child of an `ExportDesk`: a task of JSON in; a line of JSON and the bundle out."""
    os.nice(NICENESS)
    task = orjson.loads(sys.stdin.buffer.read())
    try:
        _export(task)
    except (ExportError, ProofRefusedError, OpenRefusedError) as error:
        _say({"ok": False, "code": error.fault})
        return 1
    except (OSError, ValueError):
        _say({"ok": False, "code": LogFault.UNREADABLE})
        return 1
    return 0


def _export(task: dict[str, Any]) -> None:
    folder, config = DataFolder(Path(task["folder"])), Config.model_validate(task["config"])
    first, head = task["chunk"], task["head"]
    with open_export(folder, config, Asked(**task["asked"])) as writer:
        made = head_of(writer)
        if first and (head != made or first >= writer.manifest.chunks):
            _say({"ok": False, "code": EXPORT_CHANGED})
            return
        _say({"ok": True, "head": made})
        writer.write(sys.stdout.buffer, first)
        sys.stdout.buffer.flush()


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
