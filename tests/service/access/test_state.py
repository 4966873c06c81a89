"""`state.db`: whole or refused, durable or not at all, and nobody's but its owner's."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine
from sqlmodel import select

from kokuin.service.access import state, state_backup
from kokuin.service.access.state import StateStore, create
from kokuin.service.access.state_backup import copy_state, place_state
from kokuin.service.access.state_faults import StateFault, StateRefusedError
from kokuin.service.access.state_models import StateTable, Tenant
from kokuin.service.setting_aside import set_aside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlmodel import Session


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a b%20#.db"
    create(made)
    return made


@contextlib.contextmanager
def opened(path: Path) -> Iterator[StateStore]:
    store = StateStore(path)
    try:
        yield store
    finally:
        store.close()


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def tenants(session: Session) -> list[str]:
    return [row.id for row in session.exec(select(Tenant).order_by(Tenant.id))]


def add(session: Session, tenant: str = "t-one") -> None:
    session.add(Tenant(id=tenant, name=tenant, created_us=1))


def refusal(path: Path) -> StateFault:
    with pytest.raises(StateRefusedError) as refused:
        StateStore(path)
    return refused.value.fault


def test_a_new_state_is_its_owners_alone_and_knows_only_the_operator(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    with opened(path) as store:
        assert store.read(tenants) == ["operator"]
        for beside in path.parent.iterdir():
            assert stat.S_IMODE(beside.stat().st_mode) == 0o600, beside


def test_the_migrations_make_the_tables_of_the_models(path: Path) -> None:
    engine = create_engine(URL.create("sqlite", database=str(path)))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), StateTable.metadata) == []
    engine.dispose()


def test_what_was_written_is_there_after_the_file_is_opened_again(path: Path) -> None:
    with opened(path) as store:
        store.write(add)
    with opened(path) as store:
        assert store.read(tenants) == ["operator", "t-one"]


def test_commits_wait_for_the_disk(path: Path) -> None:
    def setting(name: str) -> object:
        pragma = f"PRAGMA {name}"
        return store.read(lambda session: session.connection().exec_driver_sql(pragma).scalar())

    with opened(path) as store:
        found = [setting(name) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]


def test_a_change_that_fails_halfway_leaves_nothing(path: Path) -> None:
    def broken(session: Session) -> None:
        add(session)
        session.flush()
        raise KeyError

    with opened(path) as store:
        with pytest.raises(KeyError):
            store.write(broken)
        with pytest.raises(StateRefusedError) as refused:
            store.write(lambda session: add(session, "operator"))
        assert refused.value.fault is StateFault.UNWRITABLE
        assert store.read(tenants) == ["operator"]


def test_a_state_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert refusal(tmp_path / "state.db") is StateFault.MISSING
    assert list(tmp_path.iterdir()) == []


def test_a_state_is_never_made_over_another(path: Path) -> None:
    with pytest.raises(FileExistsError):
        create(path)


def test_a_making_that_broke_off_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(state, "_migrate", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            create(tmp_path / "state.db")
    assert not (tmp_path / "state.db").exists()
    create(tmp_path / "state.db")
    with opened(tmp_path / "state.db") as store:
        assert store.read(tenants) == ["operator"]


def test_a_state_of_a_newer_release_is_refused(path: Path) -> None:
    execute(path, "UPDATE alembic_version SET version_num = '0999'")
    assert refusal(path) is StateFault.REVISION


def test_a_database_that_is_no_state_is_refused(path: Path) -> None:
    execute(path, "DROP TABLE alembic_version")
    assert refusal(path) is StateFault.REVISION


@pytest.mark.parametrize("at", [0, 4096])
def test_a_damaged_state_is_refused(path: Path, at: int) -> None:
    octets = bytearray(path.read_bytes())
    octets[at : at + 4096] = b"\xa5" * 4096
    path.write_bytes(octets)
    assert refusal(path) is StateFault.UNREADABLE


@pytest.mark.parametrize("octets", [b"", b"not a database, but long enough to be looked at"])
def test_what_is_no_database_is_refused(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(octets)
    assert refusal(path) in {StateFault.UNREADABLE, StateFault.REVISION}


def test_a_copy_is_of_one_moment_while_the_state_is_in_use(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with opened(path) as store:
        store.write(add)
        digest = copy_state(path, copy)
        store.write(lambda session: add(session, "t-two"))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    target = tmp_path / "elsewhere.db"
    assert place_state(copy, digest, target)
    with opened(target) as store:
        assert store.read(tenants) == ["operator", "t-one"]


def test_a_copy_takes_the_place_of_a_state_that_knows_nobody(path: Path, tmp_path: Path) -> None:
    with opened(path) as store:
        store.write(add)
    digest = copy_state(path, tmp_path / "copy")
    target = tmp_path / "fresh.db"
    create(target)
    assert place_state(tmp_path / "copy", digest, target)
    with opened(target) as store:
        assert store.read(tenants) == ["operator", "t-one"]
    assert list(tmp_path.glob("fresh.db.before-*"))


def test_an_older_copy_does_not_let_revoked_keys_in_again(path: Path, tmp_path: Path) -> None:
    with opened(path) as store:
        store.write(add)
    digest = copy_state(path, tmp_path / "copy")
    with opened(path) as store:
        store.write(lambda session: add(session, "t-two"))
    assert not place_state(tmp_path / "copy", digest, path)
    with opened(path) as store:
        assert store.read(tenants) == ["operator", "t-one", "t-two"]


def test_a_damaged_copy_replaces_nothing(path: Path, tmp_path: Path) -> None:
    copy, target = tmp_path / "copy", tmp_path / "fresh.db"
    digest = copy_state(path, copy)
    octets = bytearray(copy.read_bytes())
    octets[-1] ^= 1
    copy.write_bytes(octets)
    create(target)
    with pytest.raises(StateRefusedError) as refused:
        place_state(copy, digest, target)
    assert refused.value.fault is StateFault.UNREADABLE
    copy.unlink()
    with pytest.raises(StateRefusedError) as refused:
        place_state(copy, digest, target)
    assert refused.value.fault is StateFault.MISSING
    with opened(target) as store:
        assert store.read(tenants) == ["operator"]


def test_a_state_that_is_not_whole_is_not_copied(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StateRefusedError) as refused:
        copy_state(tmp_path / "absent", tmp_path / "copy")
    assert refused.value.fault is StateFault.MISSING
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StateRefusedError) as refused:
        copy_state(path, tmp_path / "copy")
    assert refused.value.fault is StateFault.UNREADABLE
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_placing_that_breaks_off_leaves_no_state_to_serve_and_is_taken_up(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as store:
        store.write(add)
    digest, target = copy_state(path, tmp_path / "copy"), tmp_path / "fresh.db"
    create(target)

    def broken(found: Path, *companions: str) -> None:
        real(found, *companions)
        raise KeyboardInterrupt

    real = set_aside
    with monkeypatch.context() as patch:
        patch.setattr(state_backup, "set_aside", broken)
        with pytest.raises(KeyboardInterrupt):
            place_state(tmp_path / "copy", digest, target)
    assert refusal(target) is StateFault.MISSING
    assert place_state(tmp_path / "copy", digest, target)
