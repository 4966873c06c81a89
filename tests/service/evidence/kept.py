"""What a folder keeps of a token: itself, and its evidence, or why there is none; damaged, too."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.reader import LedgerReader
from kokuin.service.config import load_config
from kokuin.service.evidence.records import EvidenceFault, EvidenceRecords, EvidenceRefusedError
from kokuin.wire.token_form import bare_token
from tests.service.evidence.evidencing import see

if TYPE_CHECKING:
    from kokuin.service.datafolder import DataFolder


def record_of(folder: DataFolder, serial: str) -> bytes:
    return EvidenceRecords(folder, load_config(folder.root)).record(serial, lambda _: True)


def fault_of(folder: DataFolder, serial: str) -> EvidenceFault:
    with pytest.raises(EvidenceRefusedError) as refused:
        record_of(folder, serial)
    return refused.value.fault


def token_of(folder: DataFolder, serial: str) -> bytes:
    with LedgerReader(folder.ledger) as reader:
        stored = reader.by_serial(serial)
    assert stored is not None
    assert stored.token is not None
    return stored.token


def proves(folder: DataFolder, serial: str) -> None:
    """Hold a record against the token that it is of, with hashlib and asn1crypto."""
    seen = see(record_of(folder, serial))
    assert hashlib.sha512(bare_token(token_of(folder, serial))).digest() in seen.group
    for value in seen.infos.values():
        assert hashlib.sha512(value).digest() in seen.group


def damaged(folder: DataFolder, index: int, *, token: bool = False) -> None:
    """Change an octet in the middle of a leaf, or of its token, as a disk does."""
    read, write = "SELECT leaf FROM entry WHERE idx = ?", "UPDATE entry SET leaf = ? WHERE idx = ?"
    if token:
        read, write = "SELECT der FROM token WHERE idx = ?", "UPDATE token SET der = ? WHERE idx = ?"
    store = sqlite3.connect(folder.ledger)
    for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        store.execute(f"DROP TRIGGER {name}")
    ((octets,),) = store.execute(read, (index,)).fetchall()
    half = len(octets) // 2
    changed = octets[:half] + bytes([octets[half] ^ 0x80]) + octets[half + 1 :]
    store.execute(write, (changed, index))
    store.commit()
    store.close()
