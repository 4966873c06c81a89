"""Nodes that share a ledger share its evidence: whoever stamps goes on where another left, and serves all."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.postgres_schema import create
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.evidence.records import EvidenceRecords
from kokuin.service.initialising import InitRequest, initialise
from kokuin.service.joining import take_certificates
from kokuin.service.ledger_store import open_reader
from kokuin.trust.anchors import read_certificates
from kokuin.wire.token_form import bare_token, evidence_in
from tests.postgres import make_postgres
from tests.service.evidence.embedded import answering, ask, token_of
from tests.service.evidence.evidencing import issuer_of, living, see, see_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from kokuin.service.stamping import Answer
    from tests.service.evidence.evidencing import Life

pytestmark = pytest.mark.timeout(300)
ROLE = "kokuin_append"


@contextlib.contextmanager
def ledger_of_two(root: Path) -> Iterator[list[DataFolder]]:
    """Give the folders of two nodes of one ledger, the second just joined."""
    server = make_postgres()
    server.start()
    try:
        database = server.database()
        server.do(f"CREATE ROLE {ROLE} LOGIN")
        create(server.dsn(database), ROLE)
        dsn, folders = server.dsn(database, ROLE), [root / "a", root / "b"]
        for folder, join in zip(folders, (None, folders[0]), strict=True):
            request = InitRequest(folder, profile="hybrid", postgres=dsn, node=folder.name, join=join)
            initialise(request)
        yield [DataFolder(folder) for folder in folders]
    finally:
        server.stop()
        server.remove()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[DataFolder]]:
    with ledger_of_two(tmp_path_factory.mktemp("nodes")) as folders:
        yield folders


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[list[DataFolder]]:
    """Give two nodes of which no test before has changed the keys."""
    with ledger_of_two(tmp_path) as folders:
        yield folders


def batches(folder: DataFolder) -> list[Mapping[str, Any]]:
    """Return the leaves of batches, of both nodes."""
    with open_reader(folder, load_config(folder.root)) as reader:
        leaves = [read_leaf(stored.leaf) for stored in reader.walk()]
    return [leaf for leaf in leaves if leaf["kind"] == "evidence.stamped"]


def proves(folder: DataFolder, serial: str) -> None:
    """Hold the record that a node serves against the leaf of the token, whichever node issued it."""
    config = load_config(folder.root)
    seen = see(EvidenceRecords(folder, config).record(serial, lambda _: True))
    with open_reader(folder, config) as reader:
        stored = reader.by_serial(serial)
    assert stored is not None
    assert bytes.fromhex(str(read_leaf(stored.leaf)["tok512"])) in seen.group
    assert all(hashlib.sha512(value).digest() in seen.group for value in seen.infos.values())


def test_one_node_covers_what_both_issued_and_each_serves_all(
    nodes: list[DataFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[str]:
        async with living(nodes[0], monkeypatch) as one, living(nodes[1], monkeypatch) as two:
            serials = [*await one.issue(2), *await two.issue(2)]
            await one.batcher.look()
            await two.batcher.look()
            serials += await two.issue(3)
            await two.batcher.look()
            await one.batcher.look()
        return serials

    before = len(batches(nodes[0]))
    serials = asyncio.run(live())
    assert [leaf["count"] for leaf in batches(nodes[0])[before:]] == [4, 3]
    for folder in nodes:
        for serial in serials:
            proves(folder, serial)


def test_a_node_that_joined_puts_the_certificates_of_the_other_into_its_evidence(
    fresh: list[DataFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> str:
        async with living(fresh[0], monkeypatch) as one, living(fresh[1], monkeypatch) as two:
            (serial,) = await one.issue(1)
            await two.batcher.look()
        return serial

    serial = asyncio.run(live())
    config = load_config(fresh[0].root)
    with open_reader(fresh[0], config) as reader:
        stored = reader.by_serial(serial)
    assert stored is not None
    signer = read_leaf(stored.leaf)["signer"]
    known = [*read_certificates(fresh[0].units), *read_certificates(fresh[0].anchors)]
    (own,) = (each for each in known if hashlib.sha256(each.der).hexdigest() == signer)
    roots = [each.der for each in known if each.subject == own.issuer]
    (values,) = see(EvidenceRecords(fresh[1], config).record(serial, lambda _: True)).infos.values()
    assert own.der in values
    assert roots
    assert all(root in values for root in roots)
    again = [each.der for each in read_certificates(fresh[1].anchors)]
    assert take_certificates(fresh[0], fresh[1]) == 0
    assert [each.der for each in read_certificates(fresh[1].anchors)] == again


def test_two_nodes_that_stamp_at_the_same_moment_write_one_batch(
    nodes: list[DataFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[str]:
        async with living(nodes[0], monkeypatch) as one, living(nodes[1], monkeypatch) as two:
            serials = await one.issue(2)
            made = two.batcher._made

            def late(*words: Any) -> Any:
                found = made(*words)
                # Between the other's stamp and its append.
                asyncio.run_coroutine_threadsafe(one.batcher.look(), loop).result(60)
                return found

            loop = asyncio.get_running_loop()
            monkeypatch.setattr(two.batcher, "_made", late)
            await two.batcher.look()
        return serials

    before = len(batches(nodes[0]))
    serials = asyncio.run(live())
    assert [leaf["count"] for leaf in batches(nodes[0])[before:]] == [2]
    for folder in nodes:
        for serial in serials:
            proves(folder, serial)


def test_what_a_node_left_when_it_died_another_covers(
    nodes: list[DataFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies() -> list[str]:
        async with living(nodes[0], monkeypatch) as one:
            return await one.issue(2)

    async def goes_on() -> None:
        async with living(nodes[1], monkeypatch) as two:
            await two.batcher.look()

    before = len(batches(nodes[1]))
    serials = asyncio.run(dies())
    asyncio.run(goes_on())
    assert [leaf["count"] for leaf in batches(nodes[1])[before:]] == [2]
    proves(nodes[0], serials[0])


def test_a_node_that_makes_evidence_again_begins_where_what_is_owed_begins(
    nodes: list[DataFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other left unstamped before that would lie behind a later batch, and be taken for covered."""

    async def act(life: Life, operation: str, name: str) -> None:
        assert (await life.keeper.ask(operation, {"name": name, "actor": "owner"}))["ok"]

    async def live() -> list[str]:
        async with living(nodes[0], monkeypatch) as one, living(nodes[1], monkeypatch) as two:
            await act(two, "profile.use", "classical")
            await act(two, "profile.disable", "hybrid")
            await two.batcher.look()
            serials = await one.issue(2)
            await two.batcher.look()
            await act(two, "profile.use", "hybrid")
            two.issuer = issuer_of(two.folder, two.keeper)
            serials += await two.issue(1)
            await two.batcher.look()
            await one.batcher.look()
        return serials

    before = len(batches(nodes[1]))
    serials = asyncio.run(live())
    assert [leaf["count"] for leaf in batches(nodes[1])[before:]] == [3]
    for serial in serials:
        proves(nodes[0], serial)


def test_what_left_with_its_evidence_from_either_node_each_makes_again(
    nodes: list[DataFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[Answer]:
        async with (
            living(nodes[0], monkeypatch) as one,
            living(nodes[1], monkeypatch) as two,
            answering(one) as here,
            answering(two) as there,
        ):
            # At the same moment: the leaves of one batch stand together, whoever else appends.
            both = await asyncio.gather(*(ask(each, 5) for each in (here, there, here, there)))
            await one.batcher.look()
            await two.batcher.look()
        return [answer for answers in both for answer in answers]

    before = len(batches(nodes[0]))
    answers = asyncio.run(live())
    assert len(batches(nodes[0])) == before, "nothing more is owed"
    for folder in nodes:
        records = EvidenceRecords(folder, load_config(folder.root))
        for answer in answers:
            (record,) = evidence_in(token_of(answer))
            assert records.record(answer.serial, lambda _: True) == record
            assert hashlib.sha512(bare_token(token_of(answer))).digest() in see(record).group


def chain(folder: DataFolder, serial: str) -> list[bytes]:
    """Return the archive tokens of a record as a node serves it, each of which covers those before."""
    seen = see_all(EvidenceRecords(folder, load_config(folder.root)).record(serial, lambda _: True))
    for number, each in enumerate(seen):
        assert {hashlib.sha512(before.archive).digest() for before in seen[:number]} <= each.group
    return [each.archive for each in seen]


def test_what_one_node_renewed_the_other_serves_and_renews_no_more(
    fresh: list[DataFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node renews what another's key stamped where it trusts the root above that."""

    async def live() -> list[str]:
        async with living(fresh[0], monkeypatch) as one, living(fresh[1], monkeypatch) as two:
            serials = [*await one.issue(1), *await two.issue(1)]
            await one.batcher.look()
            first = await two.renew()
            assert first["batches"] >= 1
            assert (await two.renew())["stamps"] == 0
        return serials

    for serial in asyncio.run(live()):
        served = [chain(folder, serial) for folder in fresh]
        assert served[0] == served[1]
        assert len(served[0]) >= 2


def test_two_nodes_that_renew_at_the_same_moment_leave_one_chain(
    nodes: list[DataFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> str:
        async with living(nodes[0], monkeypatch) as one, living(nodes[1], monkeypatch) as two:
            (serial,) = await one.issue(1)
            await one.batcher.look()
            for life in (one, two):
                words = {"name": "evidence", "actor": "owner"}
                assert (await life.keeper.ask("keys.rotate", words))["ok"]
            answers = await asyncio.gather(one.renew(), two.renew())
            assert sum(answer["stamps"] for answer in answers) >= 1
        return serial

    serial = asyncio.run(live())
    served = [chain(folder, serial) for folder in nodes]
    assert served[0] == served[1]
    assert len(served[0]) >= 2
