"""A node takes over what another has opened an epoch of their log with: its keys, and what was lost before.

After a seal that is the keys alone. After a recovery the node remembers more
than the database holds; it forgets that only when the epoch's leaf commits to
at least as much, so that nothing is dropped without a trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_manifest import epoch_of
from kokuin.ledger.checked import stored_root
from kokuin.ledger.recoveries import RECOVERED
from kokuin.service.datafolder import FolderLock
from kokuin.service.epochs import openings
from kokuin.service.ledger_scene import ActRefusedError
from kokuin.service.ledger_store import open_reader
from kokuin.service.log_signing import published_keys, take_log_keys
from kokuin.service.provisioning import append_pem
from kokuin.service.setting_aside import set_aside
from kokuin.service.standing import remembered
from kokuin.service.unit_errors import UnitError
from kokuin.trust.anchors import TrustError, read_certificates
from kokuin.wire.pem import write_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.standing import Known
    from kokuin.trust.records import LeafValue


class JoinError(ActRefusedError):
    """Nothing was taken over."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of it: files of keys that are new here, and what was remembered and given up."""

    keys: int
    given_up: tuple[Known, ...]


def join(folder: DataFolder, config: Config, other: DataFolder, others: Config) -> Joined:
    """Take over the keys of another node's log, and its recovery if there was one.

    Args:
        folder: this node's folder; it may be served, unless something is to be given up.
        config: its settings.
        other: the other node's folder.
        others: its settings.

    Raises:
        JoinError: it is no node of the same log, or what this one remembers is not covered.
        FolderError: something is to be given up, and the folder is in use.
        OpenRefusedError, ActivationError: the ledger cannot be read, or what remembers it cannot be believed.
        UnitError, OSError: keys or files cannot be read or written.
    """
    if config.ledger.postgres is None or others.ledger.postgres is None:
        raise JoinError("LEDGER_NOT_SHARED", "a ledger in a file has one node")
    if others.ledger.origin != config.ledger.origin:
        raise JoinError("LOG_DIFFERENT", f"{others.ledger.origin} is not {config.ledger.origin}")
    own, theirs = published_keys(folder), published_keys(other)
    for origin in own.origins:
        if origin in theirs.origins and own.keys(origin) != theirs.keys(origin):
            raise JoinError("LOG_DIFFERENT", f"{origin} has other keys here")
    with open_reader(folder, config) as reader:
        behind = tuple(_uncovered(reader, tuple(remembered(folder, config, own))))
    # A crash from here on: the next attempt goes on, also between the two that are set aside.
    keys = take_log_keys(other, others, folder, config)
    if behind:
        with FolderLock(folder):
            set_aside(folder.log)
            set_aside(config.ledger.high_water)
    return Joined(keys, behind)


def take_certificates(other: DataFolder, folder: DataFolder) -> int:
    """Give a new node the anchors and the units' certificates of another; return how many it did not have.

    Their units stamp one ledger: evidence that one node made is judged, and renewed, with them on the other.

    Args:
        other: the other node's folder; what it has not yet got from its authority is not there.
        folder: the new node's, with its own certificates where it has some.

    Raises:
        UnitError: a file holds something else.
        OSError: a file cannot be read or written.
    """
    taken = 0
    for theirs, own in ((other.anchors, folder.anchors), (other.units, folder.units)):
        try:
            known = {each.der for each in read_certificates(own)} if own.exists() else set()
            found = [each.der for each in read_certificates(theirs)] if theirs.exists() else []
        except TrustError as error:
            raise UnitError(f"{error.path}: {error.code}") from None
        new = [each for each in dict.fromkeys(found) if each not in known]
        if new:
            append_pem(own, b"".join(write_block("CERTIFICATE", each) for each in new))
        taken += len(new)
    return taken


def _uncovered(reader: StoreReader, known: tuple[Known, ...]) -> list[Known]:
    """Return what the ledger does not hold, when an epoch commits to as much.

    Raises:
        JoinError: it does not.
    """
    size = reader.head().size
    behind = [each for each in known if each.size > size or stored_root(reader, each.size) != each.root]
    opened = list(openings(reader)) if behind else []
    for each in behind:
        if not any(_commits(leaf, each) for leaf in opened):
            detail = f"{each.source} says {each.size}: `tsa ledger recover --known` with it on the other node"
            raise JoinError("RECOVERY_SHORT", detail)
    return behind


def _commits(leaf: Mapping[str, LeafValue], known: Known) -> bool:
    """Say whether an epoch was opened for a lost tree that is as long; one of its length is that very one.

    What an epoch signed that was opened later is no part of what this one says was lost.
    """
    size, epoch = int(str(leaf["known_size"])), int(str(leaf["epoch"]))
    if leaf["why"] != RECOVERED or epoch_of(known.origin) >= epoch:
        return False
    return known.size < size or (known.size, known.root.hex()) == (size, leaf["known_root"])
