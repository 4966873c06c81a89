"""How evidence gets into tokens: in batches of any size, durable with them or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.reader import LedgerReader
from kokuin.service import installation
from kokuin.service.config import load_config
from kokuin.service.evidence import embedded_records, embedding
from kokuin.service.evidence.embedded_records import leaving_token
from kokuin.service.evidence.records import EvidenceFault, EvidenceRecords, EvidenceRefusedError
from kokuin.service.stamping import Answer
from kokuin.service.unit_errors import EmbeddingSlowError, UnitError
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.wire.token_form import evidence_in
from pqc.signing import Provider, SoftwareSigner
from tests.service.asking import query
from tests.service.evidence.embedded import (
    NAME,
    PROFILE,
    add_profile,
    answering,
    ask,
    embedding_folder,
    token_of,
)
from tests.service.evidence.evidencing import ANYBODY, installation_of, living, see
from tests.service.evidence.kept import damaged
from tsa import status
from tsa.status import granted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.reader import Stored
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.installation import Installation
    from kokuin.trust.journal import AppendOutcome, Journal
    from kokuin.trust.records import Record
    from tests.service.evidence.evidencing import Life
    from tests.service.running import Prepared

SIZES = (1, 2, 3, 7, 64)


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("hybrid").folder


def leaves(folder: DataFolder) -> list[Mapping[str, Any]]:
    with LedgerReader(folder.ledger) as reader:
        return [read_leaf(stored.leaf) for stored in reader.walk()]


def proves(folder: DataFolder, answer: Answer) -> str:
    """Hold a token's evidence against what the ledger keeps, with hashlib and asn1crypto.

    Returns:
        The serial number of its archive token.
    """
    token = token_of(answer)
    (record,) = evidence_in(token)
    with LedgerReader(folder.ledger) as reader:
        stored = reader.by_serial(answer.serial)
        assert stored is not None
        assert stored.token is not None
        leaf = read_leaf(stored.leaf)
        archive = reader.by_serial(str(leaf["embedded"]))
    assert archive is not None
    assert archive.index < stored.index
    seen = see(record)
    assert hashlib.sha512(stored.token).digest() in seen.group
    assert not seen.infos
    assert seen.archive == archive.token
    (signer,) = cms.ContentInfo.load(token)["content"]["signer_infos"]
    (attribute,) = signer["unsigned_attrs"]
    assert attribute["type"].dotted == "1.2.840.113549.1.9.16.2.49"
    records = EvidenceRecords(folder, load_config(folder.root))
    assert records.record(answer.serial, lambda _: True) == record, "made again of the ledger"
    return str(leaf["embedded"])


def test_batches_of_every_size_leave_with_what_proves_them(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[list[Answer]]:
        async with living(folder, monkeypatch) as life, answering(life) as responder:
            assert responder.embeds(None)
            assert responder.embeds("hybrid")
            assert not responder.embeds("nobody")
            found = [await ask(responder, size) for size in SIZES]
            await life.batcher.look()
            assert life.leaves("evidence.stamped") == [], "nothing more is owed"
        return found

    for answers in asyncio.run(live()):
        assert len({proves(folder, answer) for answer in answers}) == 1, "one archive time-stamp a batch"
    found = leaves(folder)
    archives = {leaf["serial"] for leaf in found if leaf["kind"] == "tst.issued" and leaf["self"]}
    assert {leaf["embedded"] for leaf in found if "embedded" in leaf} == archives


def test_no_batch_is_larger_than_its_bound(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "MAX_EMBEDDED", 4)

    async def live() -> list[Answer]:
        async with living(folder, monkeypatch) as life, answering(life) as responder:
            return await ask(responder, 9)

    answers = asyncio.run(live())
    monkeypatch.undo()
    assert len({proves(folder, answer) for answer in answers}) == 3


class Dying:
    """A journal of a process that dies beside the append: whoever waits is never told."""

    def __init__(self, life: Life, *, after: bool) -> None:
        self._journal, self._after = life.keeper.journal, after
        self.asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def append(self, *records: Record) -> Future[AppendOutcome]:
        if self._after:
            self._journal.append(*records).result(30)
        self._loop.call_soon_threadsafe(self.asked.set)
        return Future()


@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after it"])
def test_a_process_that_dies_beside_the_append_leaves_all_of_a_batch_or_nothing(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            journal = Dying(life, after=after)
            async with answering(life, journal) as responder:
                asked = asyncio.ensure_future(ask(responder, 3))
                await asyncio.wait_for(journal.asked.wait(), 30)
                assert not asked.done()
            assert {answer.refusal for answer in await asked} == {status.LEDGER}, "no token has left"

    asyncio.run(live())
    found = [leaf for leaf in leaves(folder) if leaf["kind"] == "tst.issued"]
    if not after:
        assert found == []
        return
    archive, *covered = found
    assert archive["self"]
    assert [leaf["embedded"] for leaf in covered] == [archive["serial"]] * 3
    records = EvidenceRecords(folder, load_config(folder.root))
    for leaf in covered:
        seen = see(records.record(leaf["serial"], lambda _: True))
        assert bytes.fromhex(leaf["tok512"]) in seen.group


class Refusing:
    """A journal that refuses the first appends."""

    def __init__(self, journal: Journal, *reasons: AppendRefusal) -> None:
        self._journal, self._reasons = journal, list(reasons)
        self.sizes: list[int] = []

    def append(self, *records: Record) -> Future[AppendOutcome]:
        self.sizes.append(len(records))
        if not self._reasons:
            return self._journal.append(*records)
        future: Future[AppendOutcome] = Future()
        future.set_result(Refused(self._reasons.pop(0)))
        return future


def test_what_the_ledger_refuses_for_one_is_made_again_each_alone(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> tuple[list[Answer], list[int]]:
        async with living(folder, monkeypatch) as life:
            journal = Refusing(life.keeper.journal, AppendRefusal.DUPLICATE_SERIAL)
            async with answering(life, journal) as responder:
                return await ask(responder, 3), journal.sizes

    answers, sizes = asyncio.run(live())
    assert sizes == [4, 2, 2, 2], "an archive token's record before theirs"
    assert len({proves(folder, answer) for answer in answers}) == 3


def test_a_rollback_to_what_makes_no_evidence_makes_again_what_was_signed_before(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between signature and batch the worker installs what has no unit of evidence: nobody is refused."""
    folder = folder_of("classical").folder
    add_profile(folder)

    async def live() -> Answer:
        async with living(folder, monkeypatch) as life:
            assert (await life.keeper.ask("profile.use", {"name": NAME, "actor": "owner"}))["ok"]
            async with answering(life) as responder:
                assert (await life.keeper.ask("profile.rollback", {"actor": "owner"}))["ok"]
                asked = asyncio.ensure_future(responder.answer(query(), ANYBODY))
                await asyncio.sleep(0)  # it is signed, and waits for the loop's next turn
                units = installation_of(folder, life.keeper)
                assert not units.archives
                responder.install(units.issuers, units.default, frozenset(), units.archives)
                return await asyncio.wait_for(asked, 30)

    answer = asyncio.run(live())
    assert (answer.refusal, answer.profile) == (None, "classical")


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [(AppendRefusal.FULL, status.LEDGER), (AppendRefusal.STOPPED, status.STOPPED)],
)
def test_no_token_leaves_that_the_ledger_does_not_have(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, reason: AppendRefusal, refusal: status.Refusal
) -> None:
    async def live() -> list[Answer]:
        async with living(folder, monkeypatch) as life:
            journal = Refusing(life.keeper.journal, reason)
            async with answering(life, journal) as responder:
                return await ask(responder, 2)

    assert {answer.refusal for answer in asyncio.run(live())} == {refusal}


def test_a_unit_that_cannot_sign_refuses_in_the_protocols_words_and_heals(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the key device has gone")

    async def live() -> None:
        async with living(folder, monkeypatch) as life, answering(life) as responder:
            for way in ("kokuin.service.evidence.embedding.gather", "tsa.unit.TimeStampUnit.fitness"):
                with monkeypatch.context() as patch:
                    patch.setattr(way, broken)
                    if "fitness" in way:
                        patch.setattr(way, lambda unit, _: _ended(unit.suite.id))
                    assert {each.refusal for each in await ask(responder, 2)} == {status.EVIDENCE}
            assert {each.refusal for each in await ask(responder, 2)} == {None}

    asyncio.run(live())


def _ended(suite: str) -> status.Refusal | None:
    return status.KEY_PERIOD_OVER if suite.startswith("ml-dsa") else None


def test_embedding_is_refused_where_nobody_can_do_it(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "SLOW_EMBEDDING_SECONDS", 0)

    async def live() -> None:
        async with living(folder, monkeypatch) as life, answering(life) as responder:
            assert not responder.embeds(None)
            assert {each.refusal for each in await ask(responder, 1)} == {status.EVIDENCE}
            assert (await responder.answer(query(), ANYBODY)).refusal is None, "without, it is issued"

    asyncio.run(live())


def test_a_profile_that_embeds_is_refused_where_its_unit_is_slow(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_profile(folder)
    monkeypatch.setattr(installation, "SLOW_EMBEDDING_SECONDS", 0)

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            answer = await life.keeper.ask("profile.use", {"name": NAME, "actor": "owner"})
            (blocker,) = answer["blockers"]
            assert (blocker["code"], blocker["subject"]) == ("EVIDENCE_UNIT_SLOW", NAME)
            monkeypatch.setattr(installation, "SLOW_EMBEDDING_SECONDS", 100)
            assert (await life.keeper.ask("profile.use", {"name": NAME, "actor": "owner"}))["ok"]
            monkeypatch.setattr(installation, "SLOW_EMBEDDING_SECONDS", 0)
            with pytest.raises(EmbeddingSlowError) as refused:
                installation_of(folder, life.keeper)
            assert isinstance(refused.value, UnitError)
            assert refused.value.owner == NAME

    asyncio.run(live())


@pytest.mark.parametrize("provider", [Provider.SOFTWARE, Provider.PKCS11])
def test_what_else_a_machine_does_makes_no_unit_slow(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    """A thread that has to wait for the processor uses none; a device that takes as long is slow."""
    sign = SoftwareSigner.sign

    def interrupted(signer: SoftwareSigner, message: bytes) -> bytes:
        time.sleep(0.15)  # as long as others have the processor
        return sign(signer, message)

    async def live() -> Installation:
        async with living(folder, monkeypatch) as life:
            monkeypatch.setattr(SoftwareSigner, "provider", provider)
            monkeypatch.setattr(SoftwareSigner, "sign", interrupted)
            return installation_of(folder, life.keeper)

    found = asyncio.run(live())
    assert bool(found.archives) is (provider is Provider.SOFTWARE)


@pytest.mark.timeout(300)  # seconds for each signature, and the machine may be busy
def test_slh_dsa_is_found_to_be_slow(
    folder: DataFolder, at_once: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", at_once)
    slow = PROFILE.replace("ecdsa-p256-sha256", "slh-dsa-sha2-192s").replace('unit = "classical"', "")
    slow = slow.replace('evidence = "{evidence}"\nembed = true', "").replace("1000\ntst", "1001\ntst")
    (folder.profiles).mkdir()
    (folder.profiles / "slow.toml").write_text(slow.format(more=""))
    add_profile(folder, "slow")

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            answer = await life.keeper.ask("profile.use", {"name": NAME, "actor": "owner"})
            (blocker,) = answer["blockers"]
            assert blocker["code"] == "EVIDENCE_UNIT_SLOW", blocker
            assert "more than 20" in blocker["detail"]

    asyncio.run(live())


def test_the_probe_of_a_profile_that_embeds_tries_the_unit_of_evidence(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = embedding_folder(folder_of).folder

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            units = installation_of(folder, life.keeper)
            assert units.probe() == ""
            monkeypatch.setattr("tsa.unit.TimeStampUnit.fitness", lambda unit, _: _ended(unit.suite.id))
            assert units.probe() == status.KEY_PERIOD_OVER.code

    asyncio.run(live())


def test_certificates_and_lists_are_read_again_when_their_files_change(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_LOOK_SECONDS", 0)

    async def live() -> None:
        async with living(folder, monkeypatch) as life, answering(life) as responder:
            (with_lists,) = await ask(responder, 1)
            lists = sorted(folder.anchors.parent.glob("*.crl"))
            assert lists
            for path in lists:
                path.unlink()
            (without,) = await ask(responder, 1)
        for answer, many in ((with_lists, True), (without, False)):
            with LedgerReader(folder.ledger) as reader:
                archive = reader.by_serial(proves(folder, answer))
            assert archive is not None
            signed_data = cms.ContentInfo.load(archive.token)["content"]
            assert bool(signed_data["crls"].native) is many

    asyncio.run(live())


def test_a_token_and_its_twin_each_have_their_place(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_profile(folder, more='twin = "classical-rsa"')

    async def live() -> tuple[list[Answer], dict[str, bytes | None]]:
        async with living(folder, monkeypatch) as life:
            assert (await life.keeper.ask("profile.use", {"name": NAME, "actor": "owner"}))["ok"]
            async with answering(life) as responder:
                answers = await ask(responder, 3, embed=False)
            with LedgerReader(folder.ledger) as reader:
                twins = {each.twin: leaving_token(reader, stored_of(reader, each.twin)) for each in answers}
        return answers, twins

    answers, twins = asyncio.run(live())
    for answer in answers:
        twin = twins[answer.twin]
        assert twin is not None
        archive = proves(folder, Answer(granted(twin), None, NAME, answer.twin))
        assert archive == proves(folder, answer)


def stored_of(reader: LedgerReader, serial: str) -> Stored:
    stored = reader.by_serial(serial)
    assert stored is not None
    return stored


def test_a_token_is_given_without_evidence_when_the_ledger_has_it_no_more(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[Answer]:
        async with living(folder, monkeypatch) as life, answering(life) as responder:
            return await ask(responder, 3)

    answers = asyncio.run(live())
    archive = proves(folder, answers[0])
    pruned = sqlite3.connect(folder.ledger)
    for (name,) in pruned.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        pruned.execute(f"DROP TRIGGER {name}")
    with LedgerReader(folder.ledger) as reader:
        first, last = stored_of(reader, archive), stored_of(reader, answers[2].serial)
    # First a record of the batch, then the archive token itself.
    pruned.execute("UPDATE entry SET leaf = x'' WHERE idx = ?", (last.index,))
    pruned.commit()
    records = EvidenceRecords(folder, load_config(folder.root))

    def fault() -> EvidenceFault:
        with pytest.raises(EvidenceRefusedError) as refused:
            records.record(answers[0].serial, lambda _: True)
        return refused.value.fault

    assert fault() is EvidenceFault.GONE
    pruned.execute("DELETE FROM token WHERE idx = ?", (first.index,))
    pruned.commit()
    pruned.close()
    assert fault() is EvidenceFault.GONE
    with LedgerReader(folder.ledger) as reader:
        stored = stored_of(reader, answers[0].serial)
        assert leaving_token(reader, stored) == stored.token


def test_a_ledger_whose_leaves_were_changed_makes_no_evidence_of_them(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[Answer]:
        async with living(folder, monkeypatch) as life, answering(life) as responder:
            return await ask(responder, 3)

    answers = asyncio.run(live())

    def changed(octets: bytes) -> Mapping[str, Any]:
        leaf = dict(read_leaf(octets))
        return {**leaf, "tok512": "00" * 64} if leaf.get("serial") == answers[1].serial else leaf

    monkeypatch.setattr(embedded_records, "read_leaf", changed)
    with pytest.raises(EvidenceRefusedError) as refused:
        EvidenceRecords(folder, load_config(folder.root)).record(answers[0].serial, lambda _: True)
    assert refused.value.fault is EvidenceFault.DAMAGED
    with LedgerReader(folder.ledger) as reader:
        stored = stored_of(reader, answers[0].serial)
        assert leaving_token(reader, stored) == stored.token


def test_an_archive_token_that_was_damaged_in_the_ledger_is_given_to_nobody(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> Answer:
        async with living(folder, monkeypatch) as life, answering(life) as responder:
            return (await ask(responder, 1))[0]

    serial = asyncio.run(live()).serial
    with LedgerReader(folder.ledger) as reader:
        archive = reader.by_serial(str(read_leaf(stored_of(reader, serial).leaf)["embedded"]))
    assert archive is not None
    damaged(folder, archive.index, token=True)
    with pytest.raises(EvidenceRefusedError) as refused:
        EvidenceRecords(folder, load_config(folder.root)).record(serial, lambda _: True)
    assert refused.value.fault is EvidenceFault.DAMAGED
    with LedgerReader(folder.ledger) as reader:
        stored = stored_of(reader, serial)
        assert leaving_token(reader, stored) == stored.token
