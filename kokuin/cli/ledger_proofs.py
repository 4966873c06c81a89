"""Proofs for commands: asked of a service or made from a data folder, looked through, and written."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kokuin.cli.files import write_whole
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.cli.ledger_remote import RemoteLedger
    from kokuin.service.proofs import Proofs
    from kokuin.verify.ledger_search import Sought

PATIENCE_SECONDS = 10.0
"""How long the checkpoint that covers a record is waited for; one comes every second."""
_LATER = frozenset({"PROOF_PENDING", "SEARCH_BUILDING"})
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no proof, and why: a stable code."""

    code: str


@dataclass(frozen=True, slots=True)
class Wish:
    """The record that is to be proven, by one of these."""

    sought: Sought | None = None
    serial: str | None = None
    index: int | None = None


class ProofSource(Protocol):
    """Whoever makes proofs."""

    def inclusion(self, wish: Wish) -> bytes | Refused:
        """Return the octets of a proof (C2SP tlog-proof)."""
        ...

    def consistency(self, old_size: int, size: int | None) -> bytes | Refused:
        """Return a consistency proof as JSON."""
        ...


class RemoteProofs:
    """A service over HTTP."""

    def __init__(self, ledger: RemoteLedger) -> None:
        """Args: the service's ledger."""
        self._ledger = ledger

    def inclusion(self, wish: Wish) -> bytes | Refused:
        """See `ProofSource`.

        Raises:
            CommandError: the service cannot be reached.
        """
        query = {"wait": "true"}
        if wish.sought is not None:
            query |= {"serial": wish.sought.serial, "token": wish.sought.tok}
        elif wish.serial is not None:
            query["serial"] = wish.serial
        else:
            query["index"] = str(wish.index)
        return self._get("inclusion", query)

    def consistency(self, old_size: int, size: int | None) -> bytes | Refused:
        """See `ProofSource`.

        Raises:
            CommandError: the service cannot be reached.
        """
        return self._get("consistency", {"from": str(old_size)} | ({} if size is None else {"to": str(size)}))

    def _get(self, kind: str, query: dict[str, str]) -> bytes | Refused:
        answer = self._ledger.get(f"/api/v1/ledger/proofs/{kind}", query)
        return Refused(answer.code) if answer.code else answer.content


class FolderProofs:
    """A data folder, served or not."""

    def __init__(self, proofs: Proofs) -> None:
        """Args: of the folder."""
        self._proofs = proofs

    def inclusion(self, wish: Wish) -> bytes | Refused:
        """See `ProofSource`.

        Raises:
            CommandError: the folder cannot be read.
        """
        from kokuin.service.proofs import Wanted

        sought = wish.sought
        wanted = (
            Wanted(wish.index, wish.serial) if sought is None else Wanted(None, sought.serial, sought.tok)
        )
        return _refusing(lambda: self._proofs.inclusion(self._proofs.find(wanted)).encode())

    def consistency(self, old_size: int, size: int | None) -> bytes | Refused:
        """See `ProofSource`.

        Raises:
            CommandError: the folder cannot be read.
        """
        from kokuin.service.proofs import consistency_document

        return _refusing(
            lambda: json.dumps(consistency_document(self._proofs.consistency(old_size, size))).encode()
        )


def _refusing(act: Callable[[], bytes]) -> bytes | Refused:
    import sqlite3

    from kokuin.ledger.faults import OpenRefusedError
    from kokuin.ledger.proving import ProofRefusedError

    try:
        return act()
    except ProofRefusedError as error:
        return Refused(error.fault.value)
    except (OpenRefusedError, sqlite3.Error, OSError) as error:
        raise CommandError("cli.folder", reason=error) from None


def prove(source: ProofSource, wish: Wish) -> bytes | Refused:
    """Have a record proven, waiting for the checkpoint that covers it; the proof is looked through.

    Who signed the checkpoint is not asked: that is for whoever verifies, with keys of his own.

    Raises:
        CommandError: the source cannot be used, or what it gave is no proof of this record.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while isinstance(found := source.inclusion(wish), Refused):
        if found.code not in _LATER or time.monotonic() > deadline:
            return found
        time.sleep(_PAUSE_SECONDS)
    if not _is_of(found, wish):
        raise CommandError("ledger.prove.wrong")
    return found


def _is_of(octets: bytes, wish: Wish) -> bool:
    from kokuin.ledger.checkpoint import read_checkpoint
    from kokuin.ledger.leaf import LeafError, leaf_hash, read_leaf
    from kokuin.ledger.note_faults import NoteError
    from kokuin.ledger.tlog_proof import read_proof
    from kokuin.verify.ledger_search import entry_of

    try:
        proof = read_proof(octets)
        checkpoint = read_checkpoint(proof.checkpoint_octets).checkpoint
        if not proof.extra:
            # The record's retention is over; only who names it by index or serial number comes here.
            return wish.sought is None and wish.index in {None, proof.index}
        leaf = read_leaf(proof.extra)
    except (NoteError, LeafError):
        return False
    if not proof.holds(leaf_hash(proof.extra), checkpoint):
        return False
    if wish.sought is not None:
        return entry_of(wish.sought, proof.index, leaf) is not None
    return wish.index == proof.index if wish.serial is None else leaf.get("serial") == wish.serial


def read_token(path: Path) -> Sought:
    """Read a token or response from a file, as `tsa verify` does.

    Raises:
        CommandError: the file cannot be read, or holds no token.
    """
    from kokuin.trust.report import Check
    from kokuin.verify.ledger_search import Sought
    from kokuin.verify.verifying import MAX_OCTETS, take_token

    try:
        with path.open("rb") as file:
            taken = take_token(file.read(MAX_OCTETS + 1))
    except OSError as error:
        raise CommandError("ledger.prove.cannot_read", path=path, reason=error.strerror) from None
    sought = None if isinstance(taken, Check) else Sought.of(taken.octets)
    if sought is None:
        raise CommandError("ledger.prove.no_token", path=path)
    return sought


def sidecar_of(token: Path) -> Path:
    """Return where `tsa verify` looks for the proof of a token's file."""
    from kokuin.verify.beside import PROOF_SUFFIX

    return token.with_name(token.name + PROOF_SUFFIX)


def write_proof(path: Path, octets: bytes) -> None:
    """Write the proof of a token.

    Raises:
        CommandError: it cannot be written.
    """
    write_whole(path, octets, "ledger.prove.cannot_write")
