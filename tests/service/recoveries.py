"""A ledger that lost records: published, rolled back to an older copy, and what its clients still hold."""

from __future__ import annotations

import hashlib
import shutil
import time
from typing import TYPE_CHECKING, Any

from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.tile_proofs import inclusion_proof
from kokuin.ledger.tlog_proof import TlogProof
from kokuin.trust.records import TST_ISSUED, Record
from kokuin.trust.report import Check
from kokuin.verify.ledger_search import Sought
from kokuin.verify.verifying import take_token
from kokuin.wire.token_form import bare_token
from tests.ledger.samples import issued
from tests.service.epochs import Desked
from tests.trust.forge import order

if TYPE_CHECKING:
    from kokuin.service.datafolder import DataFolder


def token(number: int, **changes: Any) -> bytes:
    """Return a real token, each number's with a serial and genTime of its own."""
    taken = take_token(order(gen_us=time.time_ns() // 1_000, serial=number + 1000, **changes).make())
    assert not isinstance(taken, Check)
    return taken.octets


def record(der: bytes) -> Record:
    """Return the record of a token as the service writes it, as far as it matters here."""
    sought = Sought.of(der)
    assert sought is not None
    form = bare_token(der)
    fields = {
        "id": sought.serial,
        "tenant": "public",
        "tok": hashlib.sha256(form).hexdigest(),
        "tok512": hashlib.sha512(form).hexdigest(),
    }
    return Record(TST_ISSUED, fields, sought.serial, der, "u1", sought.gen)


class Lost:
    """A folder whose store was put back to an older copy after more had been published.

    Attributes:
        tokens: those whose records were lost, with their proofs; the first record of all was not.
        checkpoint: the last that was published.
    """

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        desked = Desked(folder)
        self.kept = token(0)
        first = desked.append(record(self.kept))
        desked.append(*[issued(each) for each in range(3)])
        desked.publish()
        desked.journal.close()
        older = shutil.copy(folder.ledger, folder.ledger.with_suffix(".older"))
        desked = Desked(folder)
        lost = [token(1), token(2)]
        indexes = [desked.append(record(each)) for each in lost]
        desked.append(issued(90))
        desked.publish()
        octets = LogFolder(folder.log).checkpoint()
        assert octets is not None
        self.checkpoint = octets
        self.tokens = [(each, self._proof(index)) for each, index in zip(lost, indexes, strict=True)]
        self.kept_proof = self._proof(first)
        self.size = desked.journal.size
        desked.end()
        folder.ledger.with_name("ledger.db-wal").unlink(missing_ok=True)
        shutil.move(older, folder.ledger)

    def _proof(self, index: int) -> bytes:
        with LedgerReader(self.folder.ledger) as reader:
            stored, size = reader.by_index(index), reader.size()
            assert stored is not None
            hashes = tuple(inclusion_proof(reader, index, size))
        return TlogProof(index, hashes, self.checkpoint, stored.leaf).encode()
