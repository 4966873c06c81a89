"""A keeper in this process that looks for what is to do when a test says so; records read independently."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.reader import LedgerReader
from kokuin.service import keeper_process
from kokuin.service.access.principal import Principal
from kokuin.service.activation import load_installation
from kokuin.service.config import load_config
from kokuin.service.evidence.batcher import Batcher
from kokuin.service.evidence.renewal_watch import RenewalWatch
from kokuin.service.long_operations import RENEW
from tests.peer_records import PeerRecord
from tests.service.asking import imprint, query
from tsa.clock.reader import ClockReader
from tsa.request import read_request
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import pytest

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.installation import Installation
    from kokuin.service.issuing import Issuer
    from kokuin.service.keeper import Keeper
    from kokuin.trust.journal import AppendOutcome

ANYBODY = Principal("public", "anonymous", frozenset())
CENTURY_US = 36_600 * 86_400_000_000


async def _never() -> None:
    await asyncio.Event().wait()


@dataclass
class Life:
    """A keeper at work, and the issuer of its default profile."""

    folder: DataFolder
    keeper: Keeper
    issuer: Issuer

    @property
    def batcher(self) -> Batcher:
        return self.keeper._evidence

    async def issue(self, count: int = 1, digest: str = "sha256", **words: Any) -> list[str]:
        """Issue tokens over random imprints, record them, and return their serial numbers."""
        drafts = []
        for _ in range(count):
            value = os.urandom(hashlib.new(digest).digest_size)
            body = query(message_imprint=imprint(digest, value))
            request = read_request(body)
            assert not isinstance(request, Refusal)
            draft = self.issuer.issue(request, body, ANYBODY, **words)
            assert not isinstance(draft, Refusal), draft
            drafts.append(draft)
        records = [record for draft in drafts for record in draft.records]
        outcome: AppendOutcome = await asyncio.wrap_future(self.keeper.journal.append(*records))
        assert isinstance(outcome, tuple), outcome
        return [draft.issued.serial for draft in drafts]

    async def renew(self, within_us: int = CENTURY_US, **words: Any) -> dict[str, int]:
        """Renew until nothing is due any more, and return what was done: an answer may be one of several."""
        done: Counter[str] = Counter(batches=0, tokens=0, stamps=0)
        place = None
        while True:
            asked = {"within_us": within_us, "actor": "owner", "place": place, **words}
            answer = await self.keeper.ask(RENEW, asked)
            assert answer["ok"], answer
            done.update({name: answer[name] for name in done})
            place = answer["next"]
            if place is None:
                return dict(done)

    def leaves(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the leaves of a kind."""
        return leaves_of(self.folder, kind)


def leaves_of(folder: DataFolder, kind: str) -> list[Mapping[str, Any]]:
    """Return the leaves of a kind in a folder's ledger."""
    with LedgerReader(folder.ledger) as reader:
        found = [read_leaf(stored.leaf) for stored in reader.walk()]
    return [leaf for leaf in found if leaf["kind"] == kind]


@contextlib.asynccontextmanager
async def living(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Life]:
    """Run a keeper that makes no evidence, and looks at the end of none, by itself.

    What would end its process fails the test, and ends none.
    """
    fatal: list[str] = []
    monkeypatch.setattr(keeper_process, "end_now", fatal.append)
    for each in (Batcher, RenewalWatch):
        monkeypatch.setattr(each, "run", lambda _: _never())
    config = load_config(folder.root, dict(settings or {}))
    keeper = keeper_process.make_keeper(folder, config)
    await keeper.start()
    try:
        yield Life(folder, keeper, issuer_of(folder, keeper))
    finally:
        await keeper.stop()
    assert fatal == []


def issuer_of(folder: DataFolder, keeper: Keeper) -> Issuer:
    """Return the issuer of the default profile, as a worker has it."""
    installation = installation_of(folder, keeper)
    return installation.issuers[installation.default]


def installation_of(folder: DataFolder, keeper: Keeper) -> Installation:
    """Return what a worker issues with."""
    snapshot, config = keeper.switchboard.snapshot, load_config(folder.root)
    clock = ClockReader(config.clock_settings(snapshot.profile(snapshot.default).accuracy_us))
    installation = load_installation(folder, keeper._config, snapshot, clock)
    installation.activate(keeper.active)
    verdict = keeper._clock.verdict
    assert verdict is not None
    installation.update_clock(verdict)
    return installation


@dataclass(frozen=True)
class Seen:
    """A first record of ours, as asn1crypto and hashlib see it."""

    group: frozenset[bytes]
    infos: Mapping[str, bytes]
    archive: bytes
    signed_data: Any


def see(record: bytes) -> Seen:
    """Read a first record without any code of ours, and climb from its first list to the imprint."""
    (seen,) = see_all(record)
    return seen


def see_all(record: bytes) -> tuple[Seen, ...]:
    """Do the same with each archive time-stamp of a record of one chain."""
    parsed = PeerRecord.load(record, strict=True)
    assert parsed["version"].native == 1
    assert [each["algorithm"].native for each in parsed["digests"]] == ["sha512"]
    infos = {info["type"].dotted: info["values"][0].dump() for info in parsed["infos"]}
    (chain,) = parsed["sequence"]
    return tuple(_seen(stamp, infos) for stamp in chain)


def _seen(stamp: Any, infos: Mapping[str, bytes]) -> Seen:
    assert stamp["digest"]["algorithm"].native == "sha512"
    signed_data = stamp["time_stamp"]["content"]
    message_imprint = signed_data["encap_content_info"]["content"].parsed["message_imprint"]
    assert message_imprint["hash_algorithm"]["algorithm"].native == "sha512"
    imprint_value = message_imprint["hashed_message"].native
    lists = [sorted(each) for each in stamp["reduced"].native or ()]
    value = b""
    for each in lists:
        hashes = sorted({*each, *([value] if value else [])})
        value = hashes[0] if len(hashes) == 1 else hashlib.sha512(b"".join(hashes)).digest()
    # Without lists the imprint is the hash of the one object itself.
    assert imprint_value == (value or imprint_value)
    first = lists[0] if lists else [imprint_value]
    return Seen(frozenset(first), infos, stamp["time_stamp"].dump(), signed_data)
