"""What the store over PostgreSQL promises beyond the contract: nodes, settings, and a server that fails."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo
from psycopg.errors import IdleInTransactionSessionTimeout

from kokuin.ledger import postgres as postgres_module
from kokuin.ledger import postgres_link
from kokuin.ledger.faults import OpenFault, OpenRefusedError, StoreLostError, WorkRefusedError
from kokuin.ledger.plan import Append
from kokuin.ledger.postgres import PostgresStore
from kokuin.ledger.postgres_reader import PostgresReader
from kokuin.ledger.published import KeptCheckpoint, keep_checkpoint, newest_checkpoint
from kokuin.trust.journal import AppendRefusal
from kokuin.trust.records import CFG_ACTIVATED, STOP_RELEASED, STOP_SET, Receipt, Record
from tests.ledger.samples import NOW, check_ledger, issued, one, reasons
from tests.ledger.stores import PostgresKit
from tests.postgres_proxy import Cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres import Postgres

PATIENCE_S = 60.0
UNAVAILABLE = AppendRefusal.UNAVAILABLE
KEPT = KeptCheckpoint(7, b"a" * 32, b"1", NOW)


@pytest.fixture
def own(own_postgres: Postgres) -> Iterator[PostgresKit]:
    """A ledger on a server that the test may stop."""
    made = PostgresKit(own_postgres)
    yield made
    made.hang_up()


def refusal_to_open(kit: PostgresKit) -> OpenFault:
    with pytest.raises(OpenRefusedError) as refused:
        kit.open()
    return refused.value.fault


def reload(server: Postgres, setting: str, value: str) -> None:
    """Change a setting of a running server, and wait until it is in force."""
    server.do(f"ALTER SYSTEM SET {setting} = {value}")
    server.do("SELECT pg_reload_conf()")
    while server.do(f"SHOW {setting}") != [(value.strip("'"),)]:
        pass
    # Whether commits wait for a standby is for the checkpointer to say to all, and it may be slow to hear: a
    # second checkpoint begins only after it has looked at what it heard before the first.
    for _ in range(2):
        server.do("CHECKPOINT")


def until(server: Postgres, question: str) -> list[tuple[object, ...]]:
    """Wait until a query has an answer, and return that."""
    deadline = time.monotonic() + PATIENCE_S
    while not (rows := server.do(question)):
        assert time.monotonic() < deadline, question
    return rows


# Nodes.


def test_every_node_has_a_configuration_epoch_of_its_own(shared: PostgresKit) -> None:
    first, second = shared.open(), shared.open()
    assert reasons(first.commit([Append((Record(CFG_ACTIVATED),), 3)], NOW)) == [None]
    assert reasons(second.commit([one(issued(1, cfg_epoch=0))], NOW)) == [None]
    assert reasons(first.commit([one(issued(2, cfg_epoch=0)), one(issued(3, cfg_epoch=3))], NOW)) == [
        AppendRefusal.STALE_EPOCH,
        None,
    ]
    assert (first.head.cfg_epoch, second.head.cfg_epoch) == (3, 0)
    first.reopen()
    assert first.head.cfg_epoch == 3
    with shared.reader("node1") as reader, shared.reader("nobody yet") as stranger:
        assert (reader.head().cfg_epoch, stranger.head().cfg_epoch) == (0, 0)


def test_a_node_finds_its_own_acts_and_every_nodes_tokens(shared: PostgresKit) -> None:
    first, second = shared.open(), shared.open()
    first.commit([one(Record(CFG_ACTIVATED)), one(issued(1))], NOW)
    second.commit([one(Record(CFG_ACTIVATED)), one(issued(2))], NOW)
    second.commit([one(Record(CFG_ACTIVATED))], NOW)
    with shared.reader("node0") as reader:
        newest = reader.newest(CFG_ACTIVATED)
        assert newest is not None
        assert newest.index == 0
        assert [each.index for each in reader.backwards(CFG_ACTIVATED)] == [0]
        found = reader.by_serial(f"{2:032x}")
        assert found is not None
        assert found.index == 3
    with shared.reader("node1") as reader:
        assert [each.index for each in reader.backwards(CFG_ACTIVATED)] == [4, 2]


def test_the_newest_act_of_all_nodes_is_found_from_each(shared: PostgresKit) -> None:
    first, second = shared.open(), shared.open()
    first.commit([one(Record(STOP_SET)), one(issued(1))], NOW)
    for node in ("node0", "node1"):
        with shared.reader(node) as reader:
            newest = reader.newest_of_all(STOP_SET, STOP_RELEASED)
            assert newest is not None
            assert newest.index == 0
            assert reader.newest_of_all(STOP_RELEASED) is None
    second.commit([one(Record(STOP_RELEASED))], NOW)
    with shared.reader("node0") as reader:
        newest = reader.newest_of_all(STOP_SET, STOP_RELEASED)
        assert newest is not None
        assert newest.index == 2


def test_a_node_goes_on_at_once_behind_another(shared: PostgresKit) -> None:
    first, second = shared.open(), shared.open()
    assert first.commit([one(issued(1)), one(issued(2))], NOW + 9) == [
        (Receipt(0, NOW + 9),),
        (Receipt(1, NOW + 9),),
    ]
    assert second.commit([one(issued(3))], NOW) == [(Receipt(2, NOW + 9),)]
    assert second.highest_gen == {"u1": 1_700_000_000_000_003}


def test_another_nodes_leaves_are_seen_by_whoever_does_other_work(shared: PostgresKit) -> None:
    first, second = shared.open(), shared.open()
    first.commit([one(issued(1))], NOW)
    assert second.head.size == 0
    second.transact(newest_checkpoint)
    assert second.head.size == 1


def test_whoever_moves_the_head_without_the_lock_is_noticed(
    shared: PostgresKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shared.open()
    begin = store._begin

    def begin_too_late() -> None:
        begin()
        shared.tamper("UPDATE head SET epoch = epoch + 1")

    monkeypatch.setattr(store, "_begin", begin_too_late)
    assert reasons(store.commit([one(issued(1))], NOW)) == [AppendRefusal.HEAD_MOVED]
    monkeypatch.undo()
    assert store.commit([one(issued(1))], NOW) == [(Receipt(0, NOW),)]
    with shared.reader() as reader:
        check_ledger(reader)


@pytest.mark.parametrize("before", ["_write", "_send_commit"])
def test_a_node_that_stops_in_a_transaction_does_not_hold_up_the_others(
    shared: PostgresKit, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    frozen, other = shared.open(), shared.open()
    monkeypatch.setattr(frozen, before, lambda *_: None)
    frozen.commit([one(issued(2))], NOW)
    # Shorter from here on, and for this node alone: the other may be slow and is at work.
    limit = "idle_in_transaction_session_timeout"
    assert frozen._link.execute(f"SHOW {limit}") == [("5s",)]
    frozen._link.execute(f"SET {limit} = '100ms'")
    assert other.commit([one(issued(1))], NOW) == [(Receipt(0, NOW),)]
    with pytest.raises(IdleInTransactionSessionTimeout):
        frozen._link.execute("SELECT 1")


def test_waiting_for_another_node_ends(shared: PostgresKit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert b"'10s'" in postgres_link._SETTINGS
    monkeypatch.setattr(postgres_link, "_SETTINGS", postgres_link._SETTINGS.replace(b"'10s'", b"'100ms'"))
    busy, other = shared.open(), shared.open()
    # However long the others are at it, it is busy all the time.
    busy._link.execute("SET idle_in_transaction_session_timeout = 0")
    busy._begin()
    assert reasons(other.commit([one(issued(1))], NOW)) == [UNAVAILABLE]
    with pytest.raises(WorkRefusedError):
        other.transact(newest_checkpoint)
    assert refusal_to_open(shared) is OpenFault.UNREADABLE
    busy._roll_back()
    assert other.commit([one(issued(1))], NOW) == [(Receipt(0, NOW),)]


# Settings.


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
def test_a_role_whose_commits_do_not_wait_for_the_disk_is_refused(shared: PostgresKit, value: str) -> None:
    store = shared.open()
    shared.server.do(f"ALTER DATABASE {shared.name} SET synchronous_commit = {value}")
    assert refusal_to_open(shared) is OpenFault.NOT_DURABLE
    with pytest.raises(OpenRefusedError):
        store.reopen()


def test_a_setting_of_the_session_itself_is_noticed(shared: PostgresKit) -> None:
    store = shared.open()
    store._link.execute("SET synchronous_commit = off")
    with pytest.raises(StoreLostError, match="synchronous_commit=off"):
        store.commit([one(issued(1))], NOW)
    assert shared.open().head.size == 0


def test_a_server_that_takes_nothing_is_refused(shared: PostgresKit) -> None:
    shared.server.do(f"ALTER DATABASE {shared.name} SET default_transaction_read_only = on")
    assert refusal_to_open(shared) is OpenFault.UNREADABLE


def test_a_server_without_fsync_or_whole_pages_is_refused_also_while_it_runs(own: PostgresKit) -> None:
    store = own.open()
    reload(own.server, "full_page_writes", "off")
    with pytest.raises(StoreLostError, match="full_page_writes=off"):
        store.commit([one(issued(1))], NOW)
    assert refusal_to_open(own) is OpenFault.NOT_DURABLE
    reload(own.server, "full_page_writes", "on")
    store.reopen()
    reload(own.server, "fsync", "off")
    with pytest.raises(StoreLostError, match="fsync=off"):
        store.transact(newest_checkpoint)
    assert refusal_to_open(own) is OpenFault.NOT_DURABLE
    with own.reader() as reader:
        assert reader.size() == 0


# A server that fails.


def test_a_server_that_was_restarted_between_two_batches_is_no_refusal(own: PostgresKit) -> None:
    store, reader = own.open(), own.reader()
    store.commit([one(issued(1))], NOW)
    assert reader.size() == 1
    own.server.restart()
    assert store.commit([one(issued(2))], NOW) == [(Receipt(1, NOW),)]
    assert len(check_ledger(reader)) == 2
    reader.close()


def test_a_server_that_is_gone_is_a_refusal_until_it_is_back_with_everything(own: PostgresKit) -> None:
    store, reader = own.open(), own.reader()
    store.commit([one(issued(1))], NOW)
    own.server.kill()
    assert reasons(store.commit([one(issued(2))], NOW)) == [UNAVAILABLE]
    with pytest.raises(WorkRefusedError) as refused:
        store.transact(newest_checkpoint)
    assert refused.value.reason is UNAVAILABLE
    with pytest.raises(OpenRefusedError) as unreadable:
        reader.size()
    assert unreadable.value.fault is refusal_to_open(own) is OpenFault.UNREACHABLE
    own.server.start()
    assert store.commit([one(issued(2))], NOW) == [(Receipt(1, NOW),)]
    assert len(check_ledger(reader)) == 2
    reader.close()


def test_a_stale_copy_of_the_server_is_refused_by_writer_and_reader(own: PostgresKit) -> None:
    store, reader = own.open(), own.reader()
    store.commit([one(issued(1))], NOW)
    own.server.stop()
    stale = own.server.copy()
    own.server.start()
    store.commit([one(issued(2))], NOW)
    assert reader.size() == 2
    own.server.kill()
    own.server.put(stale)
    own.server.start()
    with pytest.raises(StoreLostError, match=OpenFault.BEHIND):
        store.commit([one(issued(3))], NOW)
    with pytest.raises(OpenRefusedError) as behind:
        store.reopen()
    assert behind.value.fault is OpenFault.BEHIND
    with pytest.raises(OpenRefusedError) as behind:
        reader.size()
    assert behind.value.fault is OpenFault.BEHIND


def test_an_idle_node_does_not_go_on_over_a_copy_that_lacks_what_it_showed_of_another_node(
    own: PostgresKit,
) -> None:
    idle, busy = own.open(), own.open()
    own.server.stop()
    stale = own.server.copy()
    own.server.start()
    busy.commit([one(issued(1))], NOW)
    idle.know(busy.head.size, busy.head.root)
    own.server.kill()
    own.server.put(stale)
    own.server.start()
    with pytest.raises(StoreLostError, match=OpenFault.BEHIND):
        idle.commit([one(issued(2))], NOW)


def test_a_server_that_was_killed_before_a_commit_is_asked_when_it_is_back(
    own: PostgresKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = own.open()
    send, killed = store._send_commit, threading.Event()

    def send_to_the_dead() -> None:
        own.server.kill()
        killed.set()
        send()

    monkeypatch.setattr(store, "_send_commit", send_to_the_dead)
    with ThreadPoolExecutor() as pool:
        outcomes = pool.submit(store.commit, [one(issued(1))], NOW)
        killed.wait()
        own.server.start()
        assert reasons(outcomes.result()) == [UNAVAILABLE]
    monkeypatch.undo()
    assert store.commit([one(issued(1))], NOW) == [(Receipt(0, NOW),)]


def test_a_server_that_does_not_come_back_after_a_commit_ends_the_store(
    own: PostgresKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = own.open()
    send = store._send_commit

    def send_to_the_dead() -> None:
        own.server.kill()
        send()

    monkeypatch.setattr(store, "_send_commit", send_to_the_dead)
    monkeypatch.setattr(postgres_module, "SETTLE_SECONDS", 0.3)
    with pytest.raises(StoreLostError):
        store.commit([one(issued(1))], NOW)


def test_a_commit_that_the_server_is_still_at_is_not_called_lost(own: PostgresKit) -> None:
    """The server waits for a standby that there is not; the client is cut off and asks anew meanwhile."""
    store = own.open()
    own.cut_at_commit(store, Cut.UNDERWAY)
    reload(own.server, "synchronous_standby_names", "'nobody'")
    with ThreadPoolExecutor() as pool:
        outcomes = pool.submit(store.commit, [one(issued(1))], NOW)
        # It asks anew, behind the commit that waits.
        until(own.server, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        reload(own.server, "synchronous_standby_names", "''")
        assert outcomes.result() == [(Receipt(0, NOW),)]
    with own.reader() as reader:
        check_ledger(reader)


def test_a_commit_whose_backend_was_ended_while_it_waited_for_a_standby_waits_again(own: PostgresKit) -> None:
    """The server has committed and says nothing: found again, it is still on no standby."""
    store = own.open()
    reload(own.server, "synchronous_standby_names", "'nobody'")
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with ThreadPoolExecutor() as pool:
        outcomes = pool.submit(store.commit, [one(issued(1))], NOW)
        [(pid,)] = until(own.server, waiting)
        own.server.do(f"SELECT pg_terminate_backend({pid}, {PATIENCE_S * 1000:.0f})")
        while not own.server.do(waiting):
            assert not outcomes.done(), "acknowledged"
        reload(own.server, "synchronous_standby_names", "''")
        assert outcomes.result() == [(Receipt(0, NOW),)]


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.commit([one(issued(1))], NOW),
        lambda store: store.transact(lambda rows: keep_checkpoint(rows, KEPT)),
    ],
)
def test_a_commit_that_no_standby_confirmed_is_not_acknowledged(
    own: PostgresKit, act: Callable[[PostgresStore], object]
) -> None:
    store = own.open()
    reload(own.server, "synchronous_standby_names", "'nobody'")
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with ThreadPoolExecutor() as pool:
        done = pool.submit(act, store)
        until(own.server, cancel)
        with pytest.raises(StoreLostError, match="synchronous replication"):
            done.result()
    reload(own.server, "synchronous_standby_names", "''")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("53100", AppendRefusal.FULL),
        ("58030", UNAVAILABLE),
        ("40P01", UNAVAILABLE),
        ("57014", UNAVAILABLE),
    ],
)
def test_an_error_of_the_servers_leaves_nothing_and_the_next_batch_is_taken(
    shared: PostgresKit, code: str, reason: AppendRefusal
) -> None:
    store = shared.open()
    store.commit([one(issued(1))], NOW)
    raise_at(shared, "token", code)
    assert reasons(store.commit([one(issued(2)), one(issued(3))], NOW)) == [reason, reason]
    with shared.reader() as reader:
        assert store.head.size == len(check_ledger(reader)) == 1
    shared.tamper("DROP TRIGGER raising ON token")
    assert store.commit([one(issued(2))], NOW) == [(Receipt(1, NOW),)]


@pytest.mark.parametrize("code", ["XX001", "XX002"])
def test_files_that_the_server_finds_damaged_end_the_store(shared: PostgresKit, code: str) -> None:
    store = shared.open()
    raise_at(shared, "entry", code)
    with pytest.raises(StoreLostError):
        store.commit([one(issued(1))], NOW)


def raise_at(kit: PostgresKit, table: str, code: str) -> None:
    """Let the server raise an error at an insert."""
    kit.tamper(
        "CREATE FUNCTION raising() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{code}'; END $$"
    )
    kit.tamper(f"CREATE TRIGGER raising BEFORE INSERT ON {table} EXECUTE FUNCTION raising()")


@pytest.mark.parametrize("step", ["_write", "_send_commit"])
def test_a_backend_ended_by_the_administrator_leaves_nothing(
    shared: PostgresKit, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store = shared.open()
    go_on = getattr(store, step)

    def end_and_go_on(*values: object) -> None:
        pid = store._link.connection.info.backend_pid
        shared.server.do(f"SELECT pg_terminate_backend({pid}, {PATIENCE_S * 1000:.0f})")
        go_on(*values)

    monkeypatch.setattr(store, step, end_and_go_on)
    assert reasons(store.commit([one(issued(1))], NOW)) == [UNAVAILABLE]
    monkeypatch.undo()
    assert store.commit([one(issued(1))], NOW) == [(Receipt(0, NOW),)]


# What is no ledger.


def test_what_is_no_ledger_is_not_opened(shared: PostgresKit) -> None:
    empty = shared.server.database()
    role = "kokuin_append"
    absent = make_conninfo(shared.dsn, host="/nonexistent")
    faults = {
        shared.server.dsn(empty, role): OpenFault.SCHEMA,
        shared.server.dsn("no_such_database", role): OpenFault.UNREADABLE,
        shared.server.dsn(shared.name, "no_such_role"): OpenFault.UNREADABLE,
        absent: OpenFault.UNREACHABLE,
        "no = dsn": OpenFault.UNREADABLE,
    }
    for dsn, fault in faults.items():
        for opener in (PostgresStore, PostgresReader):
            with pytest.raises(OpenRefusedError) as refused:
                opener(dsn, "node0")
            assert refused.value.fault is fault, dsn


def test_a_password_does_not_show_in_a_refusal(shared: PostgresKit) -> None:
    dsn = make_conninfo(shared.server.dsn(shared.name, tcp=True), user="kokuin_append", password="hunter2")
    with pytest.raises(OpenRefusedError) as refused:
        PostgresStore(dsn, "node0")
    assert "hunter2" not in str(refused.value)
