"""Evidence of the ledger renewed: what has none gets some, batches are covered anew, each once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service import operating
from kokuin.service.config import load_config
from kokuin.service.evidence import pieces, renewing, standing
from kokuin.service.evidence.files import write_files
from kokuin.service.evidence.records import EvidenceFault, EvidenceRecords
from kokuin.service.evidence.renewing import NOT_ISSUING, RUNNING, Renewer, Wanted
from kokuin.service.evidence.standing import Standing, terms
from kokuin.service.evidence.survey import survey
from kokuin.service.ledger_store import open_reader
from kokuin.service.long_operations import RENEW, SEAL
from kokuin.service.operating import operate
from kokuin.trust.report import Indication
from kokuin.verify.renewal.planning import Act
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.token_form import bare_token
from pqc.policies import load_policy, parse_policy
from tests.ownpolicy import policy_text, row
from tests.service.asking import imprint, query
from tests.service.evidence.evidencing import ANYBODY, CENTURY_US, issuer_of, leaves_of, living, see_all
from tests.service.evidence.kept import fault_of, record_of, token_of
from tsa.evidence.records import renew_time_stamp, stamp_group
from tsa.evidence.tree import HashTree
from tsa.request import read_request
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.records import LeafValue, Record
    from pqc.policies import Policy
    from tests.service.evidence.evidencing import Life
    from tests.service.running import Prepared

YEAR_US = 366 * 86_400_000_000


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("hybrid").folder


async def rotate(life: Life) -> None:
    """Give the unit of evidence a newer key, whose certificate ends later."""
    assert (await life.keeper.ask("keys.rotate", {"name": "evidence", "actor": "owner"}))["ok"]


async def use(life: Life, name: str) -> None:
    assert (await life.keeper.ask("profile.use", {"name": name, "actor": "owner"}))["ok"]
    life.issuer = issuer_of(life.folder, life.keeper)


async def without(life: Life, count: int) -> list[str]:
    """Issue tokens to which nobody owes evidence."""
    await use(life, "classical")
    serials = await life.issue(count)
    await use(life, "hybrid")
    return serials


def proves(folder: DataFolder, serial: str, stamps: int) -> None:
    """Hold a record, read without code of ours, against the token, and have it judged."""
    record, token = record_of(folder, serial), token_of(folder, serial)
    seen = see_all(record)
    assert len(seen) == stamps
    assert hashlib.sha512(bare_token(token)).digest() in seen[0].group
    for number, each in enumerate(seen[1:], 1):
        assert {hashlib.sha512(before.archive).digest() for before in seen[:number]} <= each.group
    context = terms(folder, load_config(folder.root), 0).context
    report = verify_bytes(token, replace(context, policy=load_policy("eu-ts119312"), evidence=(record,)))
    assert report.indication is Indication.PASSED, report


def test_tokens_without_evidence_get_it_and_batches_a_further_archive_time_stamp(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> tuple[list[str], list[str]]:
        async with living(folder, monkeypatch) as life:
            one = await without(life, 3)
            two = await life.issue(2)
            await life.batcher.look()
            two += await life.issue(1)
            await life.batcher.look()
            await rotate(life)
            assert await life.renew() == {"batches": 2, "tokens": 3, "stamps": 2}
        return one, two

    one, two = asyncio.run(live())
    for serial in one:
        proves(folder, serial, 1)
    for serial in two:
        proves(folder, serial, 2)
    assert [leaf["count"] for leaf in leaves_of(folder, "evidence.renewed")] == [2], "one leaf a batch"


def test_what_was_renewed_is_due_no_more_until_its_own_end_comes(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> str:
        async with living(folder, monkeypatch) as life:
            (serial,) = await life.issue()
            await life.batcher.look()
            size = life.keeper.journal.size
            assert (await life.renew(within_us=YEAR_US))["stamps"] == 0, "it holds for ten years"
            assert life.keeper.journal.size == size, "what is not due costs no leaf"
            assert (await life.renew())["stamps"] == 0, "what would cover it ends at the same time"
            for _ in range(3):
                await rotate(life)
                assert (await life.renew())["batches"] == 1
                assert (await life.renew())["stamps"] == 0
        return serial

    proves(folder, asyncio.run(live()), 4)


def test_pieces_of_any_size_cover_each_token_and_each_batch_once(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "MAX_BATCH", 3)

    async def live() -> tuple[list[str], list[str]]:
        async with living(folder, monkeypatch) as life:
            one = await without(life, 7)
            two = []
            for _ in range(4):
                two += await life.issue()
                await life.batcher.look()
            one += await without(life, 1)
            await rotate(life)
            answer = await life.renew()
            assert (answer["batches"], answer["tokens"], answer["stamps"]) == (4, 8, 5)
        return one, two

    one, two = asyncio.run(live())
    assert [leaf["count"] for leaf in leaves_of(folder, "evidence.added")] == [3, 3, 2]
    assert [leaf["count"] for leaf in leaves_of(folder, "evidence.renewed")] == [3, 1]
    for serial in one:
        proves(folder, serial, 1)
    for serial in two:
        proves(folder, serial, 2)


def test_a_turn_that_takes_long_says_where_to_go_on(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "MAX_BATCH", 1)
    monkeypatch.setattr(renewing, "TURN_SECONDS", 0.001)

    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            one = await without(life, 2)
            for _ in range(2):
                await life.issue()
                await life.batcher.look()
            await rotate(life)
            place, stamps = None, 0
            while stamps == 0 or place is not None:
                words = {"within_us": CENTURY_US, "actor": "owner", "place": place}
                answer = await life.keeper.ask(RENEW, words)
                assert answer["ok"], answer
                place, stamps = answer["next"], stamps + answer["stamps"]
            assert stamps == 4
        return one

    for serial in asyncio.run(live()):
        proves(folder, serial, 1)
    assert [leaf["count"] for leaf in leaves_of(folder, "evidence.renewed")] == [1, 1]


def test_a_period_leaves_out_what_was_recorded_outside_of_it(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await without(life, 1)
            begins = time.time_ns() // 1_000
            serials += await without(life, 1)
            ends = time.time_ns() // 1_000
            serials += await without(life, 1)
            assert (await life.renew(from_us=begins, to_us=ends))["tokens"] == 1
        return serials

    one, two, three = asyncio.run(live())
    proves(folder, two, 1)
    assert {fault_of(folder, one), fault_of(folder, three)} == {EvidenceFault.NONE}


def test_a_record_that_was_renewed_as_a_file_is_not_taken_back_by_the_ledgers(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`tsa renew` goes on with the files that the ledger wrote; what it added is in no ledger."""
    config, wanted = load_config(folder.root), Wanted(None, None, 0)

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            (serial,) = await life.issue()
            await life.batcher.look()
            file = tmp_path / f"{serial}.tsr.er"
            assert write_files(folder, config, wanted, tmp_path, None) == 1
            first = file.read_bytes()
            await rotate(life)
            await life.renew()
            assert write_files(folder, config, wanted, tmp_path, None) == 1
            second = file.read_bytes()
            assert second == record_of(folder, serial) != first, "it goes on from what lay there"
            known = read_evidence_record(second)
            tree = HashTree("sha512", [stamp_group(known)[1]])
            query_of = query(message_imprint=imprint("sha512", tree.root))
            request = read_request(query_of)
            assert not isinstance(request, Refusal)
            draft = life.issuer.issue(request, query_of, ANYBODY)
            assert not isinstance(draft, Refusal)
            file.write_bytes(renew_time_stamp(known, tree, 0, draft.issued.token))
            longer = file.read_bytes()
            assert write_files(folder, config, wanted, tmp_path, None) == 0
            assert file.read_bytes() == longer
            file.write_bytes(b"of a later release, perhaps")
            assert write_files(folder, config, wanted, tmp_path, None) == 0
            file.unlink()
            assert write_files(folder, config, wanted, tmp_path, None) == 1
            assert file.read_bytes() == second

    asyncio.run(live())


def test_a_token_whose_octets_were_damaged_keeps_no_other_of_its_signer_from_evidence(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await without(life, 3)
            with contextlib.closing(sqlite3.connect(folder.ledger)) as damaged, damaged:
                for (name,) in damaged.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                ).fetchall():
                    damaged.execute(f"DROP TRIGGER {name}")
                damaged.execute(
                    "UPDATE token SET der = x'3000' WHERE idx = (SELECT idx FROM ix WHERE serial = ?)",
                    (serials[0],),
                )
            assert (await life.renew())["tokens"] == 2
        return serials[1:]

    for serial in asyncio.run(live()):
        proves(folder, serial, 1)


def test_a_batch_that_the_ledger_no_longer_holds_keeps_no_other_from_being_renewed(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> str:
        async with living(folder, monkeypatch) as life:
            serials = []
            for _ in range(2):
                serials += await life.issue()
                await life.batcher.look()
            with contextlib.closing(sqlite3.connect(folder.ledger)) as damaged, damaged:
                for (name,) in damaged.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                ).fetchall():
                    damaged.execute(f"DROP TRIGGER {name}")
                damaged.execute(
                    "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), ?, ?) AS BLOB)"
                    " WHERE idx = (SELECT idx FROM ix WHERE serial = ?)",
                    ('"tok512":"', '"tok512":"00', serials[0]),
                )
            assert fault_of(folder, serials[0]) is EvidenceFault.DAMAGED
            await rotate(life)
            assert (await life.renew())["batches"] == 1
            config = load_config(folder.root)
            now = Standing(terms(folder, config, 0), EvidenceRecords(folder, config), "")
            with open_reader(folder, config) as reader:
                kinds = survey(reader, now, range(reader.size())).kinds
            assert (Act.TOO_LATE, "EVIDENCE_DAMAGED", 1) in {(k.act, k.cause, count) for k, count in kinds}
        return serials[1]

    proves(folder, asyncio.run(live()), 2)


def test_a_batch_whose_tokens_are_no_longer_kept_is_not_told_as_past_renewing(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its leaf stays for a year, for the sake of younger batches under one renewal with it."""

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            serials = []
            for _ in range(2):
                serials += await life.issue()
                await life.batcher.look()
            (archive, _) = (leaf["archive"] for leaf in life.leaves("evidence.stamped"))
            with contextlib.closing(sqlite3.connect(folder.ledger)) as pruned, pruned:
                for (name,) in pruned.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'trigger'"
                ).fetchall():
                    pruned.execute(f"DROP TRIGGER {name}")
                for serial in (serials[0], archive):
                    of = pruned.execute("SELECT idx FROM ix WHERE serial = ?", (serial,)).fetchone()
                    pruned.execute("UPDATE entry SET leaf = x'' WHERE idx = ?", of)
                    pruned.execute("DELETE FROM token WHERE idx = ?", of)
            config = load_config(folder.root)
            now = Standing(terms(folder, config, 0), EvidenceRecords(folder, config), "")
            with open_reader(folder, config) as reader:
                kinds = survey(reader, now, range(reader.size())).kinds
            assert [(kind.act, count) for kind, count in kinds] == [(Act.NOT_YET, 1)]

    asyncio.run(live())


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after it"])
@pytest.mark.parametrize("turn", [0, 1], ids=["of batches", "of tokens"])
def test_who_is_killed_beside_an_append_is_gone_on_with_and_nothing_is_covered_twice(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, *, turn: int, after: bool
) -> None:
    async def first() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = [*await without(life, 2), *await life.issue(2)]
            await life.batcher.look()
            await rotate(life)
            caused, left = life.keeper._records.caused, turn

            async def killed(kind: str, fields: Mapping[str, LeafValue], *with_it: Record) -> bool:
                nonlocal left
                if left or after:
                    assert await caused(kind, fields, *with_it)
                if not left:
                    raise KilledError
                left -= 1
                return True

            monkeypatch.setattr(life.keeper._records, "caused", killed)
            with pytest.raises(KilledError):
                await life.renew()
        return serials

    async def second() -> None:
        async with living(folder, monkeypatch) as life:
            await life.renew()

    serials = asyncio.run(first())
    asyncio.run(second())
    for serial, stamps in zip(serials, (1, 1, 2, 2), strict=True):
        proves(folder, serial, stamps)


def test_two_cannot_renew_at_once_and_nobody_does_while_issuing_is_stopped(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            await without(life, 2)
            words = {"within_us": CENTURY_US, "actor": "owner"}
            answers = await asyncio.gather(*(life.keeper.ask(RENEW, words) for _ in range(2)))
            assert sorted(answer.get("code", "") for answer in answers) == ["", RUNNING]
            assert (await life.keeper.ask("stop.set", {"reason": "a drill", "actor": "owner"}))["ok"]
            assert (await life.keeper.ask(RENEW, words))["code"] == NOT_ISSUING
            assert (await life.keeper.ask(RENEW, {"actor": "owner"}))["code"] == "QUESTION_UNREADABLE"

    asyncio.run(live())


def test_a_renewal_that_had_not_seen_another_is_passed_over_by_every_reader(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack on nobody: two nodes stamp the same batches between each other's reading and writing."""

    async def live() -> str:
        async with living(folder, monkeypatch) as life:
            (serial,) = await life.issue()
            await life.batcher.look()
            await rotate(life)
            caused = life.keeper._records.caused

            async def twice(kind: str, fields: Mapping[str, LeafValue], *with_it: Record) -> bool:
                monkeypatch.setattr(life.keeper._records, "caused", caused)
                # The other node is done between our last look and our append.
                other = Renewer(
                    folder, life.keeper._config, life.keeper._records, life.keeper._present, lambda: False
                )
                assert (await other.ask(RENEW, {"within_us": CENTURY_US, "actor": "owner"}))["batches"] == 1
                return await caused(kind, fields, *with_it)

            monkeypatch.setattr(life.keeper._records, "caused", twice)
            await life.renew()
            assert len(life.leaves("evidence.renewed")) == 2
            await rotate(life)
            await life.renew()
        return serial

    proves(folder, asyncio.run(live()), 3)


def test_another_nodes_renewal_before_our_append_is_seen(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            await without(life, 1)
            await life.issue()
            await life.batcher.look()
            await rotate(life)
            renewer = life.keeper._renewer
            made, loop = renewer._made, asyncio.get_running_loop()

            def late(*words: Any) -> Any:
                found = made(*words)
                other = Renewer(
                    folder, life.keeper._config, life.keeper._records, life.keeper._present, lambda: False
                )
                asked = other.ask(RENEW, {"within_us": CENTURY_US, "actor": "owner"})
                assert asyncio.run_coroutine_threadsafe(asked, loop).result(60)["ok"]
                return found

            monkeypatch.setattr(renewer, "_made", late)
            assert (await life.renew())["stamps"] == 0

    asyncio.run(live())
    assert [leaf["count"] for leaf in leaves_of(folder, "evidence.renewed")] == [1]
    assert [leaf["count"] for leaf in leaves_of(folder, "evidence.added")] == [1]


HASHES = ("imprint", "tree", "signature-digest", "certificate-id")


def falls(ecdsa: str, sha512: str) -> Policy:
    """Make a policy by which these are relied on until then."""
    rows = (
        row("signature", ["ecdsa"], ["verify"], until=ecdsa),
        row("signature", ["ml-dsa"], ["verify"]),
        row(HASHES, ["sha256", "sha384"], ["verify"]),
        row(HASHES, ["sha512"], ["verify"], until=sha512),
    )
    return parse_policy("falls", policy_text(*rows))


def test_nothing_is_renewed_that_no_longer_holds_nor_where_the_hash_of_the_trees_falls(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 4998 §5.2: only what still holds; a time-stamp renewal keeps the hash of its chain."""
    config = load_config(folder.root)

    def surveyed(within_us: int) -> dict[tuple[bool, Act], int]:
        standing_now = Standing(terms(folder, config, within_us), EvidenceRecords(folder, config), "")
        with open_reader(folder, config) as reader:
            found = survey(reader, standing_now, range(reader.size()))
        return {(kind.batched, kind.act): count for kind, count in found.kinds}

    async def live() -> None:
        async with living(folder, monkeypatch) as life:
            await without(life, 2)
            await life.issue()
            await life.batcher.look()
            monkeypatch.setattr(standing, "load_policy", lambda _: falls("2020-12-31", "2049-12-31"))
            assert (await life.renew())["stamps"] == 0
            assert surveyed(CENTURY_US) == {(True, Act.HASH_TREE): 1, (False, Act.TOO_LATE): 2}
            assert surveyed(YEAR_US * 14) == {(True, Act.TIME_STAMP): 1, (False, Act.TOO_LATE): 2}
            monkeypatch.setattr(standing, "load_policy", lambda _: falls("2030-12-31", "2049-12-31"))
            assert surveyed(0) == {(True, Act.NOT_YET): 1, (False, Act.NOT_YET): 2}
            await rotate(life)
            answer = await life.renew(YEAR_US * 14)
            assert (answer["batches"], answer["tokens"]) == (1, 2)
            assert surveyed(YEAR_US * 10) == {(True, Act.NOT_YET): 2}

    asyncio.run(live())


def test_who_asks_waits_as_long_as_it_takes_to_look_through_a_long_ledger(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten million leaves of which nothing is due take minutes: who gives up before never comes to an end."""
    waited = {}

    def answered(_path: object, operation: str, _question: object, seconds: float) -> dict[str, Any]:
        waited[operation] = seconds
        return {"ok": True}

    monkeypatch.setattr(operating, "ask_owner", answered)
    for operation in (RENEW, SEAL, "profile.use"):
        operate(folder, operation, {})
    assert waited[RENEW] == waited[SEAL] > waited["profile.use"]
