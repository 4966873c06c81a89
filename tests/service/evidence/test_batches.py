"""Batches of evidence: every token in one, of any size; a crash loses none; an idle log does not grow."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import itertools
import sqlite3
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest
from structlog.testing import capture_logs

from kokuin.ledger.leaf import LeafError, LeafFault
from kokuin.ledger.reader import LedgerReader
from kokuin.service.config import load_config
from kokuin.service.evidence import batcher, material, owed, watch
from kokuin.service.evidence.records import EvidenceFault, EvidenceRecords, EvidenceRefusedError
from kokuin.service.evidence.stamping import EvidenceUnit
from kokuin.service.issuing import ActiveConfiguration
from kokuin.service.link import pack_push, unpack_push
from kokuin.service.ports import Push, Readiness
from kokuin.service.responder import Responder
from kokuin.service.unit_errors import UnitError
from kokuin.trust.anchors import TrustStore, read_certificates
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from kokuin.verify.verifying import verify_bytes
from pqc.policies import load_policy
from tests.service.access.desks import KEY, proposed
from tests.service.asking import query
from tests.service.evidence.evidencing import ANYBODY, Life, leaves_of, living, see
from tests.service.evidence.kept import damaged, fault_of, proves, record_of, token_of
from tests.service.running import PATIENCE_S
from tsa import status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.records import LeafValue, Record
    from tests.service.running import Prepared

SIZES = (1, 2, 3, 7, 1000, 1023, 1024, 1025)


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("hybrid").folder


def everybody(_: str) -> bool:
    return True


def emptied(folder: DataFolder, index: int) -> None:
    """Take the octets of a leaf, as retention does."""
    pruned = sqlite3.connect(folder.ledger)
    for (name,) in pruned.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        pruned.execute(f"DROP TRIGGER {name}")
    pruned.execute("UPDATE entry SET leaf = x'' WHERE idx = ?", (index,))
    pruned.commit()
    pruned.close()


def covered_by(folder: DataFolder) -> list[range]:
    return [range(leaf["start"], leaf["stop"]) for leaf in leaves_of(folder, "evidence.stamped")]


def test_batches_of_every_size_prove_their_first_and_last_token_and_those_between(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[list[str]]:
        batches = []
        async with living(folder, monkeypatch) as life:
            for size in SIZES:
                batches.append(await life.issue(size))
                await life.batcher.look()
            assert life.batcher.problems == {}
            assert life.batcher.backlog_s == 0
        return batches

    batches = asyncio.run(live())
    made = leaves_of(folder, "evidence.stamped")
    assert [leaf["count"] for leaf in made] == list(SIZES)
    assert all(one["stop"] <= two["start"] for one, two in itertools.pairwise(made))
    assert all(leaf["self"] for leaf in made)
    for batch in batches:
        for serial in {batch[0], batch[-1], *batch[:: max(1, len(batch) // 7)]}:
            proves(folder, serial)


def test_the_archive_token_carries_its_path_with_the_anchor_and_every_list(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> str:
        async with living(folder, monkeypatch) as life:
            (serial,) = await life.issue()
            await life.batcher.look()
        return serial

    seen = see(record_of(folder, asyncio.run(live())))
    assert set(seen.infos) == {"1.2.840.113549.1.9.16.2.23", "1.2.840.113549.1.9.16.2.24"}
    certificates = [each.chosen for each in seen.signed_data["certificates"]]
    signed = {each.subject.dump() for each in certificates}
    assert all(each.issuer.dump() in signed for each in certificates), "an issuer is missing"
    assert len([each for each in certificates if each.issuer == each.subject]) == 2, "both roots are there"
    lists = {each.chosen["tbs_cert_list"]["issuer"].dump() for each in seen.signed_data["crls"]}
    assert lists == {each.issuer.dump() for each in certificates}
    (archive,) = (leaf for leaf in leaves_of(folder, "tst.issued") if leaf["self"])
    (stamped,) = leaves_of(folder, "evidence.stamped")
    assert (archive["serial"], archive["profile"]) == (stamped["archive"], "evidence")
    assert archive["tok512"] == stamped["tok512"] == hashlib.sha512(seen.archive).hexdigest()
    assert "evidence" not in archive, "evidence of evidence would never end"


def test_the_document_is_covered_by_a_sha512_imprint_or_by_the_clients_word(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = hashlib.sha512(b"a letter").digest()

    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue()
            serials += await life.issue(document=document)
            serials += await life.issue(digest="sha512")
            await life.batcher.look()
        return serials

    serials = asyncio.run(live())
    groups = [see(record_of(folder, serial)).group for serial in serials]
    assert [len(group) for group in groups] == [3, 4, 4]
    assert document in groups[1]
    leaves = {leaf["serial"]: leaf for leaf in leaves_of(folder, "tst.issued")}
    assert leaves[serials[1]]["doc512"] == document.hex()
    assert bytes.fromhex(leaves[serials[2]]["imp"]) in groups[2]
    assert not {"doc512"} & {*leaves[serials[0]], *leaves[serials[2]]}


def test_an_idle_log_does_not_grow(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            await life.batcher.look()
            assert life.leaves("evidence.stamped") == []
            await life.issue(2)
            await life.batcher.look()
            size = life.keeper.journal.size
            for _ in range(5):
                await life.batcher.look()
            assert life.keeper.journal.size == size

    asyncio.run(live())


def test_what_came_while_a_batch_was_stamped_is_the_next_batch(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            first = await life.issue(3)
            caused, more = life.keeper._records.caused, []

            async def slow(*words: Any) -> bool:
                more.extend(await life.issue(2))
                return await caused(*words)

            monkeypatch.setattr(life.keeper._records, "caused", slow)
            await life.batcher.look()
            monkeypatch.setattr(life.keeper._records, "caused", caused)
            assert fault_of(folder, more[0]) is EvidenceFault.PENDING
            await life.batcher.look()
            assert [leaf["count"] for leaf in life.leaves("evidence.stamped")] == [3, 2]
            for serial in first + more:
                proves(folder, serial)

    asyncio.run(live())


class Killed(BaseException):
    """The process ends here."""


async def _until_killed(life: Life, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    caused = life.keeper._records.caused

    async def killed(kind: str, fields: Mapping[str, LeafValue], *with_it: Record) -> bool:
        if after:
            await caused(kind, fields, *with_it)
        raise Killed

    monkeypatch.setattr(life.keeper._records, "caused", killed)
    with pytest.raises(Killed):
        await life.batcher.look()


@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after it"])
def test_a_crash_beside_the_append_loses_no_evidence_and_covers_nothing_twice(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    async def first() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(5)
            await _until_killed(life, monkeypatch, after=after)
        return serials

    async def second() -> list[str]:
        async with living(folder, monkeypatch) as life:
            await life.batcher.look()
            more = await life.issue(2)
            await life.batcher.look()
        return more

    serials = asyncio.run(first())
    before = [fault_of(folder, serial) for serial in serials] if not after else []
    assert set(before) <= {EvidenceFault.PENDING}
    serials += asyncio.run(second())
    assert [leaf["count"] for leaf in leaves_of(folder, "evidence.stamped")] == [5, 2]
    archives = [leaf["serial"] for leaf in leaves_of(folder, "tst.issued") if leaf["self"]]
    assert archives == [leaf["archive"] for leaf in leaves_of(folder, "evidence.stamped")]
    for serial in serials:
        proves(folder, serial)


def test_what_is_owed_by_a_profile_that_was_turned_off_is_still_covered_also_after_a_crash(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(2)
            for act, name in (("use", "classical"), ("disable", "hybrid")):
                answer = await life.keeper.ask(f"profile.{act}", {"name": name, "actor": "owner"})
                assert answer["ok"], answer
        return serials

    async def second() -> None:
        async with living(folder, monkeypatch) as life:
            await life.batcher.look()
            assert life.batcher.problems == {}

    serials = asyncio.run(first())
    asyncio.run(second())
    for serial in serials:
        proves(folder, serial)


def test_a_unit_that_cannot_sign_is_told_and_heals(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushes: list[Push] = []

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            life.keeper.subscribe(pushes.append)
            serials = await life.issue(2)

            def broken(*_: object) -> None:
                raise UnitError("the key device has gone")

            with monkeypatch.context() as patch:
                patch.setattr("kokuin.service.evidence.stamping.EvidenceUnit.stamp", broken)
                await life.batcher.look()
            assert life.batcher.problems == {"evidence": batcher.UNIT_UNFIT}
            assert pushes[-1].unproven == ("evidence",)
            assert batcher.UNIT_UNFIT in pushes[-1].readiness.problems
            monkeypatch.setattr(life.batcher._turns["evidence"], "due", 0.0)
            await life.batcher.look()
            assert not pushes[-1].unproven
            assert batcher.UNIT_UNFIT not in pushes[-1].readiness.problems
            proves(folder, serials[0])

    asyncio.run(live())


def test_a_token_that_waited_too_long_keeps_others_from_being_issued(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            await life.issue()
            monkeypatch.setattr(batcher, "BACKLOG_SECONDS", 0)
            with monkeypatch.context() as patch:

                async def refused(*_: object) -> bool:
                    return False

                patch.setattr(life.keeper._records, "caused", refused)
                await life.batcher.look()
            assert life.batcher.problems == {"evidence": batcher.BEHIND}
            assert life.batcher.backlog_s > 0
            await life.batcher.look()
            assert life.batcher.problems == {}

    asyncio.run(live())


@pytest.mark.parametrize("what", ["device", "ledger"])
def test_while_nobody_knows_what_waits_nothing_is_issued_that_owes_evidence(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A device that hangs never says that it fails; a ledger that cannot be read shows nothing that waits."""
    free = threading.Event()

    def hangs(*_: object) -> None:
        free.wait(2 * PATIENCE_S)
        raise UnitError("the key device hangs")

    def unreadable(*_: object) -> None:
        raise LeafError(LeafFault.VALUE)

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            await life.batcher.look()
            serials = await life.issue(2)
            with monkeypatch.context() as patch:
                if what == "ledger":
                    patch.setattr(batcher, "UNREAD_SECONDS", 0.3)
                    patch.setattr(watch.EvidenceWatch, "_take", unreadable)
                else:
                    patch.setattr(batcher, "BACKLOG_SECONDS", 0.3)
                    patch.setattr(EvidenceUnit, "stamp", hangs)
                deadline = time.monotonic() + PATIENCE_S
                while life.batcher.problems != {"evidence": batcher.BEHIND}:
                    assert time.monotonic() < deadline
                    await life.batcher._begin()
                    await asyncio.sleep(0.05)
                assert life.keeper._view.push().unproven == ("evidence",)
                assert life.batcher.backlog_s >= 0.3
                free.set()
                await life.batcher.look()
            for turn in life.batcher._turns.values():
                turn.due = 0.0
            await life.batcher.look()
            assert life.batcher.problems == {}
            proves(folder, serials[0])

    asyncio.run(live())


def test_nothing_is_stamped_while_an_operator_has_stopped_the_service(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(2)
            assert (await life.keeper.ask("stop.set", {"reason": "a drill", "actor": "owner"}))["ok"]
            await life.batcher.look()
            assert life.leaves("evidence.stamped") == []
            waiting = proposed(await life.keeper.ask("stop.release", {"actor": KEY}))
            assert (await life.keeper.ask("approval.approve", {"approval": waiting, "actor": "owner"}))["ok"]
            await life.batcher.look()
        return serials

    for serial in asyncio.run(live()):
        proves(folder, serial)


def test_a_token_without_evidence_and_one_that_nobody_knows_are_told_apart(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    classical = folder_of("classical").folder

    async def live() -> str:
        async with living(classical, monkeypatch) as life:
            (serial,) = await life.issue()
            await life.batcher.look()
        return serial

    serial = asyncio.run(live())
    assert leaves_of(classical, "evidence.stamped") == []
    assert fault_of(classical, serial) is EvidenceFault.NONE
    assert fault_of(classical, "ab") is EvidenceFault.TOKEN_UNKNOWN


def test_for_what_no_batch_can_cover_no_batch_is_read(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive token itself: behind it lie all batches of the years since."""

    async def live() -> str:
        async with living(folder, monkeypatch) as life:
            await life.issue()
            await life.batcher.look()
            (leaf,) = life.leaves("evidence.stamped")
        return str(leaf["archive"])

    archive = asyncio.run(live())
    monkeypatch.setattr(owed, "_batches", None)
    assert fault_of(folder, archive) is EvidenceFault.NONE


def test_records_of_another_tenant_are_as_if_unknown(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.service.evidence import evidencing  # noqa: PLC0415  # whose caller is changed

    monkeypatch.setattr(evidencing, "ANYBODY", replace(evidencing.ANYBODY, tenant="t-acme"))

    async def live() -> str:
        async with living(folder, monkeypatch) as life:
            (serial,) = await life.issue()
            await life.batcher.look()
        return serial

    serial, records = asyncio.run(live()), EvidenceRecords(folder, load_config(folder.root))
    assert records.record(serial, lambda tenant: tenant == "t-acme")
    with pytest.raises(EvidenceRefusedError) as refused:
        records.record(serial, lambda _: False)
    assert refused.value.fault is EvidenceFault.TOKEN_UNKNOWN


def test_a_request_for_a_token_that_would_owe_evidence_is_refused_while_none_can_be_made(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            issuers = {"hybrid": life.issuer}
            responder = Responder(issuers, "hybrid", life.keeper.journal, frozenset())
            responder.unproven = ("evidence",)
            refused = await responder.answer(query(), ANYBODY)
            assert refused.refusal is status.EVIDENCE
            responder.unproven = ("another",)
            assert (await responder.answer(query(), ANYBODY)).refusal is None
            responder.close()

    asyncio.run(live())


def test_workers_hear_which_profiles_make_no_evidence() -> None:
    push = Push(None, ActiveConfiguration(1, "c"), {}, Readiness(()), unproven=("evidence",))
    assert unpack_push(orjson.loads(orjson.dumps(pack_push(push)))) == push


def test_a_ledger_that_lost_a_token_of_a_batch_gives_no_record_that_proves_nothing(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(3)
            await life.batcher.look()
        return serials

    serials = asyncio.run(live())
    with LedgerReader(folder.ledger) as reader:
        first = reader.by_serial(serials[0])
    assert first is not None
    monkeypatch.setattr(owed, "owing", lambda leaf: None if leaf.get("serial") == serials[0] else "evidence")
    assert fault_of(folder, serials[1]) is EvidenceFault.DAMAGED
    monkeypatch.undo()
    emptied(folder, first.index)
    assert fault_of(folder, serials[0]) is EvidenceFault.TOKEN_UNKNOWN
    assert fault_of(folder, serials[1]) is EvidenceFault.GONE


@pytest.mark.parametrize("what", ["leaf", "batch", "archive token"])
def test_a_ledger_whose_octets_were_damaged_gives_no_record_and_says_why(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    async def live() -> str:
        async with living(folder, monkeypatch) as life:
            (serial,) = await life.issue()
            await life.batcher.look()
        return serial

    serial = asyncio.run(live())
    (batch,) = leaves_of(folder, "evidence.stamped")
    with LedgerReader(folder.ledger) as reader:
        token, archive = reader.by_serial(serial), reader.by_serial(batch["archive"])
    assert token is not None
    assert archive is not None
    place = {"leaf": token.index, "batch": archive.index + 1, "archive token": archive.index}[what]
    damaged(folder, place, token=what == "archive token")
    assert fault_of(folder, serial) is EvidenceFault.DAMAGED


def test_what_retention_took_of_other_kinds_within_a_batch_takes_no_record_along(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`[ledger.retention]` may keep other records for a shorter time than tokens."""

    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue()
            assert await life.keeper._records.recorded("service.started", {})
            serials += await life.issue()
            await life.batcher.look()
        return serials

    serials = asyncio.run(live())
    places = []
    with LedgerReader(folder.ledger) as reader:
        for serial in serials:
            stored = reader.by_serial(serial)
            assert stored is not None
            places.append(stored.index)
    assert places[1] == places[0] + 2
    emptied(folder, places[0] + 1)
    for serial in serials:
        proves(folder, serial)


def test_material_that_is_too_large_for_the_ledger_is_left_out_and_the_token_still_covered(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the anchors alone finds all that it takes; an operator is told that lists are missing."""

    async def live() -> str:
        async with living(folder, monkeypatch) as life:
            with monkeypatch.context() as patch:
                patch.setattr(material, "MOST_OCTETS", 700)
                (serial,) = await life.issue()
                await life.batcher.look()
            status = await life.keeper.ask("status", {})
            assert status["warnings"] == [batcher.LEFT_OUT]
            metrics = await life.keeper.ask("metrics", {})
            assert "kokuin_evidence_renewal_due 0.0" in metrics["text"]
            await life.issue()
            await life.batcher.look()
            assert (await life.keeper.ask("status", {}))["warnings"] == []
        return serial

    serial = asyncio.run(live())
    records = EvidenceRecords(folder, load_config(folder.root))
    proves(folder, serial)
    at = int(dt.datetime(2033, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
    record = records.record(serial, everybody)
    anchors = TrustStore(tuple(read_certificates(folder.anchors)), ())
    context = Context(at, anchors, policy=load_policy("eu-ts119312"))
    report = verify_bytes(token_of(folder, serial), replace(context, evidence=(record,)))
    assert report.indication is Indication.PASSED, report


def test_material_that_is_left_out_is_said_once(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "MOST_OCTETS", 700)
    material._say_left_out.cache_clear()
    signers = [hashlib.sha256(each.der).hexdigest() for each in read_certificates(folder.units)]
    with capture_logs() as logs:
        for _ in range(2):
            assert not material.gather(folder, signers).complete
    said = [(each["event"], each["kind"]) for each in logs]
    assert said == [("evidence.material_left_out", kind) for kind in ("certificates", "lists")]
