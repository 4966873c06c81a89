"""What every store of the ledger promises, whatever database lies under it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.faults import OpenFault, OpenRefusedError, StoreLostError, WorkRefusedError
from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.plan import MAX_TOKEN, Append
from kokuin.ledger.published import KeptCheckpoint, SecondRootError, keep_checkpoint, newest_checkpoint
from kokuin.ledger.tile_proofs import consistency_proof, inclusion_proof
from kokuin.trust.journal import AppendRefusal
from kokuin.trust.records import CFG_ACTIVATED, CLOCK_FIT, CLOCK_UNFIT, Receipt, Record
from tests.ledger import rfc6962
from tests.ledger.samples import NOW, check_ledger, issued, one, reasons

if TYPE_CHECKING:
    from kokuin.ledger.plan import Value
    from kokuin.ledger.port import LedgerStore
    from kokuin.ledger.published import Rows
    from kokuin.ledger.reader import Stored
    from kokuin.trust.records import LeafValue
    from tests.ledger.stores import Kit

DUPLICATE = AppendRefusal.DUPLICATE_SERIAL
STALE = AppendRefusal.STALE_EPOCH


def check(kit: Kit) -> list[Stored]:
    with kit.reader() as reader:
        return check_ledger(reader)


def commit_behind(store: LedgerStore, batch: list[Append]) -> list[AppendRefusal | None]:
    """Commit while another writer may have moved the head: a store may refuse that once."""
    outcomes = store.commit(batch, NOW)
    if reasons(outcomes) == [AppendRefusal.HEAD_MOVED] * len(batch):
        outcomes = store.commit(batch, NOW)
    return reasons(outcomes)


def refusal_to_open(kit: Kit) -> OpenFault:
    with pytest.raises(OpenRefusedError) as refused:
        kit.open()
    return refused.value.fault


def test_a_batch_gets_its_places_in_order_and_is_found_again(kit: Kit) -> None:
    record = issued(1)
    outcomes = kit.open().commit([one(record), one(Record("a.b"), issued(2)), one()], NOW)
    assert outcomes == [(Receipt(0, NOW),), (Receipt(1, NOW), Receipt(2, NOW)), ()]
    with kit.reader() as reader:
        stored = reader.by_serial(f"{1:032x}")
        assert stored is not None
        assert (stored.index, stored.token) == (0, record.token)
        assert read_leaf(stored.leaf)["serial"] == record.serial
        assert stored == reader.by_index(0)
        assert reader.by_index(3) is reader.by_serial("00") is None
        assert [each.index for each in reader.walk(1)] == [1, 2]
        assert [each.index for each in reader.walk(0, 2)] == [0, 1]
        assert next((each.index, each.token) for each in reader.walk(tokens=False)) == (0, None)
    check(kit)


def test_batches_of_every_size_are_whole_and_their_tree_grows_with_them(kit: Kit) -> None:
    store = kit.open()
    number = 0
    for size in (1, 63, 64, 65, 62, 1, 2, 511, 4000):
        store.commit([one(*[issued(number + each, size=32) for each in range(size)])], NOW)
        number += size
        assert len(check(kit)) == number
    assert kit.open().head == store.head


def test_at_never_falls_when_the_clock_goes_back(kit: Kit) -> None:
    store = kit.open()
    assert store.commit([one(issued(1))], NOW) == [(Receipt(0, NOW),)]
    assert store.commit([one(issued(2))], NOW - 5_000_000) == [(Receipt(1, NOW),)]
    store.close()
    assert kit.open().commit([one(issued(3))], 1) == [(Receipt(2, NOW),)]
    check(kit)


def test_a_serial_is_never_given_twice(kit: Kit) -> None:
    store = kit.open()
    batch = [one(issued(1)), one(issued(1)), one(issued(2)), one(Record("a.b"), issued(3), issued(3))]
    assert reasons(store.commit(batch, NOW)) == [None, DUPLICATE, None, DUPLICATE]
    batch = [one(issued(4)), one(Record("a.b"), issued(2)), one(issued(5))]
    assert reasons(store.commit(batch, NOW)) == [None, DUPLICATE, None]
    store.close()
    store = kit.open()
    assert reasons(store.commit([one(issued(1)), one(issued(6))], NOW)) == [DUPLICATE, None]
    assert reasons(store.commit([one(issued(2)), one(issued(6))], NOW)) == [DUPLICATE, DUPLICATE]
    assert reasons(store.commit([one(issued(7))], NOW)) == [None]
    assert [read_leaf(each.leaf)["serial"] for each in check(kit)] == [
        f"{number:032x}" for number in (1, 2, 4, 5, 6, 7)
    ]


def test_two_writers_never_give_the_same_serial(kit: Kit) -> None:
    first, second = kit.open(), kit.open()
    assert commit_behind(first, [one(issued(1)), one(issued(2))]) == [None, None]
    assert commit_behind(second, [one(issued(2)), one(issued(3))]) == [DUPLICATE, None]
    assert commit_behind(first, [one(issued(3)), one(issued(4))]) == [DUPLICATE, None]
    assert len(check(kit)) == 4


def test_an_append_refused_for_a_serial_frees_its_others_for_who_comes_after(kit: Kit) -> None:
    store = kit.open()
    store.commit([one(issued(2)), one(issued(3))], NOW)
    batch = [one(issued(3), issued(1)), one(issued(1), issued(2)), one(issued(1)), one(issued(1))]
    assert reasons(store.commit(batch, NOW)) == [DUPLICATE, DUPLICATE, None, DUPLICATE]


def test_a_leaf_that_cannot_be_made_takes_nobody_with_it(kit: Kit) -> None:
    store = kit.open()
    large = Record("a.b", {"text": "x" * 5000})
    heavy = Record("a.b", serial="00", token=b"x" * (MAX_TOKEN + 1))
    texts = [one(Record("a.b", personal=text)) for text in ("x" * 5000, "\ud800", "a\0b")]
    batch = [one(issued(1)), one(issued(2), large), one(heavy), one(issued(3)), *texts]
    refused = AppendRefusal.LEAF_TOO_LARGE
    assert reasons(store.commit(batch, NOW)) == [None, refused, refused, None, refused, refused, refused]
    assert len(check(kit)) == 2
    assert reasons(store.commit([one(issued(2))], NOW)) == [None], "a refused append has taken no serial"


def test_a_batch_of_which_nothing_can_be_written_leaves_nothing(kit: Kit) -> None:
    store = kit.open()
    head = store.head
    assert reasons(store.commit([one(issued(1, cfg_epoch=7))], NOW)) == [STALE]
    assert store.head == kit.open().head == head


def test_leaves_hold_every_octet_and_every_sign(kit: Kit) -> None:
    store = kit.open()
    token = bytes(range(256))
    fields: dict[str, LeafValue] = {
        "text": "100% ?刻印\u0000'\"\\",
        "number": 2**53 - 1,
        "none": None,
        "list": ["%s", ""],
        "yes": True,
    }
    assert reasons(store.commit([one(Record("a.b", fields, "0a", token))], NOW)) == [None]
    with kit.reader() as reader:
        stored = reader.by_serial("0a")
    assert stored is not None
    assert stored.token == token
    assert {name: read_leaf(stored.leaf)[name] for name in fields} == fields


def test_records_of_another_configuration_epoch_are_refused(kit: Kit) -> None:
    store = kit.open()
    raise_to_2 = Append((Record(CFG_ACTIVATED, cfg_epoch=0),), 2)
    batch = [
        one(issued(1, cfg_epoch=0)),
        raise_to_2,
        one(issued(2, cfg_epoch=0)),
        one(issued(3, cfg_epoch=2)),
    ]
    assert reasons(store.commit(batch, NOW)) == [None, None, STALE, None]
    assert store.head.cfg_epoch == 2
    assert reasons(store.commit([Append((Record(CFG_ACTIVATED),), 2)], NOW)) == [STALE]
    store.reopen()
    assert store.head.cfg_epoch == 2
    batch = [
        one(issued(4, cfg_epoch=0)),
        one(issued(5, cfg_epoch=3)),
        one(issued(6)),
        one(issued(7, cfg_epoch=2)),
    ]
    assert reasons(store.commit(batch, NOW)) == [STALE, STALE, None, None]
    with kit.reader() as reader:
        assert reader.head() == store.head


def test_an_epoch_of_the_ledger_is_raised_by_one_with_its_record(kit: Kit) -> None:
    store = kit.open()
    record = Record("a.b")
    batch = [Append((record,), new_epoch=3), Append((record,), new_epoch=2), Append((record,), new_epoch=2)]
    assert reasons(store.commit(batch, NOW)) == [STALE, None, STALE]
    assert (store.head.epoch, store.head.size) == (2, 1)
    assert kit.open().head == store.head


def test_the_highest_gen_of_every_unit_outlives_the_process(kit: Kit) -> None:
    store = kit.open()
    store.commit([one(issued(9, unit="a")), one(issued(5, unit="b")), one(issued(3, unit="a"))], NOW)
    store.commit([one(issued(4, unit="a"))], NOW)
    high = {"a": 1_700_000_000_000_009, "b": 1_700_000_000_000_005}
    assert store.highest_gen == high
    store.commit([one(issued(9, unit="c"))], NOW)
    assert store.highest_gen == high, "a refused record raises nothing"
    store.close()
    assert kit.open().highest_gen == high


def test_writers_in_turn_make_one_order_and_one_tree(kit: Kit) -> None:
    stores = [kit.open(), kit.open()]
    for turn in range(12):
        batch = [one(issued(turn * 100 + number, size=32)) for number in range(1 + 30 * (turn % 4))]
        assert commit_behind(stores[turn // 2 % 2], batch) == [None] * len(batch)
    assert len(check(kit)) == sum(1 + 30 * (turn % 4) for turn in range(12))


def test_a_writer_goes_on_behind_much_that_others_wrote(kit: Kit) -> None:
    first, second = kit.open(), kit.open()
    for turn in range(3):
        first.commit([one(*[issued(turn * 4000 + each, size=32) for each in range(4000)])], NOW)
    assert commit_behind(second, [one(issued(20_000))]) == [None]
    assert len(check(kit)) == 12_001


@pytest.mark.parametrize("durable", [False, True])
def test_a_commit_whose_reply_was_lost_is_what_the_ledger_says_it_is(kit: Kit, durable: bool) -> None:  # noqa: FBT001 - a parameter of the test
    store = kit.open()
    store.commit([one(issued(1))], NOW)
    kit.lose_reply(store, durable=durable)
    outcomes = store.commit([one(issued(2)), Append((issued(3, unit="u2"),), 1)], NOW)
    if durable:
        assert outcomes == [(Receipt(1, NOW),), (Receipt(2, NOW),)]
    else:
        assert reasons(outcomes) == [AppendRefusal.UNAVAILABLE] * 2
    assert (store.head.size, store.head.cfg_epoch) == ((3, 1) if durable else (1, 0))
    assert ("u2" in store.highest_gen) is durable
    assert store.commit([one(issued(4))], NOW) == [(Receipt(3 if durable else 1, NOW),)]
    check(kit)


def test_an_older_copy_put_in_the_place_of_the_ledger_is_refused(kit: Kit) -> None:
    store = kit.open()
    store.commit([one(issued(1))], NOW)
    store.close()
    older = kit.copy()
    store.reopen()
    store.commit([one(issued(2))], NOW)
    store.close()
    kit.put(older)
    with pytest.raises(OpenRefusedError) as refused:
        store.reopen()
    assert refused.value.fault is OpenFault.BEHIND


def test_a_longer_ledger_with_another_history_is_refused(kit: Kit) -> None:
    store = kit.open()
    store.close()
    empty = kit.copy()
    store.reopen()
    store.commit([one(issued(1))], NOW)
    store.close()
    kit.put(empty)
    other = kit.open()
    other.commit([one(issued(7)), one(issued(8))], NOW)
    other.close()
    with pytest.raises(OpenRefusedError) as refused:
        store.reopen()
    assert refused.value.fault is OpenFault.BEHIND


def test_a_ledger_rolled_back_while_it_is_open_ends_the_store(kit: Kit) -> None:
    store = kit.open()
    store.commit([one(issued(1))], NOW)
    before = store.head
    store.commit([one(issued(2))], NOW)
    kit.tamper("DELETE FROM entry WHERE idx = 1")
    kit.tamper("UPDATE head SET size = 1, root = ?, peaks = ?", before.root, b"".join(before.peaks))
    with pytest.raises(StoreLostError):
        store.commit([one(issued(3))], NOW)


def test_a_longer_history_of_somebody_elses_making_ends_the_store(kit: Kit) -> None:
    store, other = kit.open(), kit.open()
    store.commit([one(issued(1))], NOW)
    commit_behind(other, [one(issued(2)), one(issued(3))])
    kit.tamper("UPDATE head SET root = ?", bytes(32))
    with pytest.raises(StoreLostError):
        store.commit([one(issued(4))], NOW)


@pytest.mark.parametrize(
    "damage", ["UPDATE head SET size = 1", "UPDATE head SET size = 3", "DELETE FROM head"]
)
def test_a_head_that_does_not_fit_the_leaves_is_not_opened(kit: Kit, damage: str) -> None:
    store = kit.open()
    store.commit([one(issued(1)), one(issued(2))], NOW)
    store.close()
    kit.tamper(damage)
    assert refusal_to_open(kit) is OpenFault.INCONSISTENT


@pytest.mark.parametrize(
    ("damage", "values"),
    [
        ("UPDATE head SET root = ?", (bytes(32),)),
        ("UPDATE head SET peaks = ?", (bytes(64),)),
        ("UPDATE node SET hash = ?", (bytes(32),)),
        ("DELETE FROM node", ()),
        ("UPDATE entry SET leaf_hash = ? WHERE idx = 299", (bytes(32),)),
    ],
)
def test_a_tree_that_does_not_fit_its_head_is_not_opened(
    kit: Kit, damage: str, values: tuple[Value, ...]
) -> None:
    store = kit.open()
    store.commit([one(*[issued(number) for number in range(300)])], NOW)
    store.close()
    kit.tamper(damage, *values)
    assert refusal_to_open(kit) is OpenFault.INCONSISTENT


def test_another_releases_ledger_is_not_opened(kit: Kit) -> None:
    kit.tamper("UPDATE alembic_version SET version_num = '0000'")
    assert refusal_to_open(kit) is OpenFault.SCHEMA
    with pytest.raises(OpenRefusedError) as refused:
        kit.reader()
    assert refused.value.fault is OpenFault.SCHEMA


def test_the_newest_act_of_a_kind_is_found_and_those_before_it(kit: Kit) -> None:
    store = kit.open()
    store.commit([one(Record(CLOCK_FIT)), one(Record(CLOCK_UNFIT)), one(issued(1)), one(Record("a.b"))], NOW)
    store.commit([one(Record("a.b")), one(Record("a.b", serial="0b"))], NOW)
    with kit.reader() as reader:
        newest = reader.newest(CLOCK_FIT, CLOCK_UNFIT)
        assert newest is not None
        assert newest.index == 1
        assert reader.newest("c.d") is None
        assert [each.index for each in reader.backwards("a.b")] == [4, 3]


def test_proofs_from_the_store_are_those_of_the_definition(kit: Kit) -> None:
    store = kit.open()
    for size in (5, 250, 300):
        store.commit([one(*[issued(store.head.size + each, size=32) for each in range(size)])], NOW)
    with kit.reader() as reader:
        hashes = [each.leaf_hash for each in reader.walk()]
        assert store.head.root == rfc6962.mth(hashes)
        for index in (0, 4, 255, 256, 554):
            assert inclusion_proof(reader, index, 555) == rfc6962.path(index, hashes)
        for old in (1, 5, 255, 256, 400):
            assert consistency_proof(reader, old, 555) == rfc6962.proof(old, hashes)
        assert reader.hashes(0, 550, 555) == hashes[550:]
        assert reader.hashes(1, 0, 2) == [rfc6962.mth(hashes[:256]), rfc6962.mth(hashes[256:512])]


def test_only_leaves_that_the_service_did_not_cause_want_a_checkpoint(kit: Kit) -> None:
    store = kit.open()
    own = Record("a.b", self_caused=True)
    store.commit([one(issued(1)), one(own)], NOW)
    store.commit([one(own)], NOW)
    assert (store.head.size, store.head.acted) == (3, 1)
    store.commit([one(own), one(issued(2))], NOW)
    assert (store.head.size, store.head.acted) == (5, 5)
    assert kit.open().head == store.head


def test_a_text_that_may_be_erased_is_only_committed_to(kit: Kit) -> None:
    kit.open().commit([one(Record("a.b", {"id": "1"}, personal="刻印 花子"))], NOW)
    with kit.reader() as reader:
        ((index, salt, text),) = reader.execute("SELECT idx, salt, text FROM side")
        stored = reader.by_index(index)
    assert stored is not None
    assert text == "刻印 花子"
    assert text.encode() not in stored.leaf
    assert read_leaf(stored.leaf)["personal"] == sha256(salt + text.encode()).hexdigest()


def test_one_size_has_one_checkpoint_and_one_root(kit: Kit) -> None:
    store, second = kit.open(), kit.open()
    first, again, other = (
        KeptCheckpoint(7, root * 32, note, NOW) for root, note in ((b"a", b"1"), (b"a", b"2"), (b"b", b"3"))
    )
    assert store.transact(lambda rows: keep_checkpoint(rows, first)) == first
    assert second.transact(lambda rows: keep_checkpoint(rows, again)) == first
    for each in (store, second):
        with pytest.raises(SecondRootError):
            each.transact(lambda rows: keep_checkpoint(rows, other))
    assert store.transact(newest_checkpoint) == first
    with kit.reader() as reader:
        assert newest_checkpoint(reader) == first


def test_work_that_fails_leaves_nothing(kit: Kit) -> None:
    store = kit.open()
    kept = KeptCheckpoint(7, b"a" * 32, b"1", NOW)

    def keep_and_fail(rows: Rows) -> None:
        keep_checkpoint(rows, kept)
        raise KeyError

    def keep_and_misspell(rows: Rows) -> None:
        keep_checkpoint(rows, kept)
        rows.execute("SELECT nothing FROM nowhere")

    with pytest.raises(KeyError):
        store.transact(keep_and_fail)
    with pytest.raises(WorkRefusedError):
        store.transact(keep_and_misspell)
    assert store.transact(newest_checkpoint) is None
    assert reasons(store.commit([one(issued(1))], NOW)) == [None], "the store goes on"


@pytest.mark.parametrize("durable", [False, True])
def test_work_whose_reply_was_lost_bears_being_done_again(kit: Kit, durable: bool) -> None:  # noqa: FBT001 - a parameter of the test
    store = kit.open()
    kept = KeptCheckpoint(7, b"a" * 32, b"1", NOW)
    kit.lose_reply(store, durable=durable)
    with pytest.raises(WorkRefusedError):
        store.transact(lambda rows: keep_checkpoint(rows, kept))
    store.reopen()
    assert store.transact(newest_checkpoint) == (kept if durable else None)
    assert store.transact(lambda rows: keep_checkpoint(rows, kept)) == kept


@pytest.mark.parametrize("table", ["entry", "token", "node", "checkpoint"])
def test_the_reader_cannot_write(kit: Kit, table: str) -> None:
    with kit.reader() as reader, pytest.raises(Exception, match=r"read-?only"):
        reader.execute(f"DELETE FROM {table}")  # noqa: S608 - a parameter of the test
