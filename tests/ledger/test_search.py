"""The search index against a plain filter over leaves; damaged, lying, foreign and busy indices."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokuin.ledger import search, search_file
from kokuin.ledger.search import Page, Progress, SearchIndex, find
from kokuin.ledger.search_file import SearchFault, SearchRefusedError
from kokuin.ledger.search_query import MOST_HITS, Order, Query, QueryError, QueryFault
from tests.ledger.searches import KINDS, Leaves, hexed, leaf

if TYPE_CHECKING:
    from kokuin.ledger.reader import Stored

ROOT = Path(__file__).parents[2]


def naive(ledger: Leaves, query: Query) -> list[int]:
    """Filter all leaves by the words of the conditions alone."""
    found = []
    for one in ledger.stored:
        try:
            fields = orjson.loads(one.leaf)
        except orjson.JSONDecodeError:
            continue
        if not isinstance(fields, dict) or "at" not in fields:
            continue
        if (
            (query.serial is None or fields.get("serial") == query.serial)
            and (not query.imprints or fields.get("imp") in query.imprints)
            and (query.request is None or fields.get("req") == query.request)
            and (query.token is None or query.token in {fields.get("tok"), fields.get("tok512")})
            and (query.tenant is None or fields.get("tenant") == query.tenant)
            and (not query.kinds or fields.get("kind") in query.kinds)
            and (query.since_us is None or fields["at"] >= query.since_us)
            and (query.until_us is None or fields["at"] < query.until_us)
        ):
            found.append(one.index)
    return found[::-1] if query.order is Order.NEWEST else found


def ask(index: SearchIndex, ledger: Leaves, query: Query) -> Page:
    while not isinstance(page := find(index, ledger, query), Page):
        pass
    return page


def indices(page: Page) -> list[int]:
    return [hit.index for hit in page.hits]


def all_pages(index: SearchIndex, ledger: Leaves, query: Query) -> list[int]:
    """Follow the cursors to the end."""
    found: list[int] = []
    while True:
        page = ask(index, ledger, query)
        assert len(page.hits) <= query.limit
        found += indices(page)
        if not page.next:
            return found
        query = replace(query, cursor=page.next)


@pytest.fixture
def index(tmp_path: Path) -> SearchIndex:
    return SearchIndex(tmp_path / "search.db", patience_s=0.0)


@pytest.fixture
def file(index: SearchIndex) -> Path:
    return index._path


@pytest.fixture
def ledger() -> Leaves:
    return Leaves([leaf(number) for number in range(200)])


FEW = st.integers(0, 3)
NUMBERS = st.integers(0, 40)
LEAVES = st.builds(
    leaf,
    NUMBERS,
    kind=st.sampled_from(KINDS),
    tenant=st.sampled_from(("acme", "public", "株式会社")),
    imp=FEW.map(lambda number: hexed("imp", number)),
) | st.just({"kind": "service.started", "tenant": "public", "v": 1})
QUERIES = st.builds(
    Query,
    serial=st.none() | NUMBERS.map(lambda number: f"{number:032X}"),
    imprints=st.lists(FEW.map(lambda number: hexed("imp", number)), max_size=2).map(tuple),
    request=st.none() | NUMBERS.map(lambda number: hexed("req", number)),
    token=st.none() | NUMBERS.flatmap(lambda n: st.sampled_from((hexed("tok", n), hexed("tok", n) * 2))),
    tenant=st.none() | st.sampled_from(("acme", "public", "株式会社", "nobody")),
    kinds=st.lists(st.sampled_from((*KINDS, "epoch.seal")), max_size=3).map(tuple),
    since_us=st.none() | st.integers(0, 70),
    until_us=st.none() | st.integers(0, 70),
    order=st.sampled_from(Order),
    limit=st.integers(1, 9) | st.just(MOST_HITS),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    leaves=st.lists(LEAVES, max_size=60), queries=st.lists(QUERIES, min_size=1, max_size=6), data=st.data()
)
def test_every_search_finds_what_a_filter_over_all_leaves_finds(
    leaves: list[dict[str, Any]],
    queries: list[Query],
    data: st.DataObject,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Small segments and few looks: every search crosses their bounds.
    monkeypatch.setattr(search_file, "SEGMENT", data.draw(st.sampled_from((1, 4, 16, 1 << 17))))
    monkeypatch.setattr(search_file, "BLOCK", data.draw(st.sampled_from((1, 3, 1024))))
    monkeypatch.setattr(search, "_MOST_LOOKS", data.draw(st.sampled_from((8, 20, 50_000))))
    file.unlink(missing_ok=True)
    index = SearchIndex(file)
    times = sorted(data.draw(st.lists(st.integers(0, 70), min_size=len(leaves), max_size=len(leaves))))
    ledger = Leaves([{**each, "at": at} for each, at in zip(leaves, times, strict=True)])
    step = data.draw(st.integers(1, 70))
    while not index.catch_up(ledger, step).done:
        pass
    for query in queries:
        assert all_pages(index, ledger, query) == naive(ledger, query)


@pytest.mark.parametrize("order", Order)
def test_pages_do_not_move_while_the_ledger_grows(order: Order, index: SearchIndex, ledger: Leaves) -> None:
    query = Query(tenant="acme", order=order, limit=7)
    at_first, found = naive(ledger, query), []
    page = ask(index, ledger, query)
    while page.next:
        found += indices(page)
        ledger.grow([leaf(ledger.size())])
        page = ask(index, ledger, replace(query, cursor=page.next))
    found += indices(page)
    assert found[: len(at_first)] == at_first
    assert len(found) == len(set(found))


def test_a_step_reads_no_more_than_it_may_and_nothing_is_answered_before_all_are_read(
    index: SearchIndex, ledger: Leaves
) -> None:
    assert index.catch_up(ledger, 150) == Progress(150, 200)
    assert find(index, ledger, Query(), most=49) == Progress(199, 200)
    assert ask(index, ledger, Query()).leaves == 200


def test_the_file_is_its_owners_alone(index: SearchIndex, ledger: Leaves, file: Path) -> None:
    ask(index, ledger, Query())
    for path in file.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_leaf_that_is_no_json_hides_no_other(index: SearchIndex, ledger: Leaves) -> None:
    ledger.grow([b"\xff not a leaf", *(leaf(number) for number in range(201, 300)), b"[]", b"{}"])
    for query in (Query(tenant="acme"), Query(since_us=20, until_us=110), Query(until_us=100)):
        assert all_pages(index, ledger, query) == naive(ledger, query)


@pytest.mark.parametrize("lost", [1, 100, 200])
def test_a_recovered_ledger_is_read_anew(lost: int, index: SearchIndex, ledger: Leaves) -> None:
    assert ask(index, ledger, Query(serial=f"{199:032x}")).hits
    shorter = Leaves([each.leaf for each in ledger.stored[:-lost]])
    shorter.grow([leaf(number) for number in range(1000, 1000 + 2 * lost)])
    query = Query(tenant="acme")
    assert all_pages(index, shorter, query) == naive(shorter, query)
    assert ask(index, shorter, Query(serial=f"{199:032x}")) == Page((), "", 0, shorter.size())
    empty = Leaves([])
    assert ask(index, empty, query) == Page((), "", 0, 0)


@pytest.mark.parametrize("order", Order)
def test_leaves_whose_retention_is_over_cost_a_search_nothing(
    order: Order, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_file, "BLOCK", 16)
    monkeypatch.setattr(search, "_MOST_LOOKS", 40)
    kept: list[dict[str, Any] | bytes] = [leaf(number) for number in range(1000, 1200)]
    kept[50:80] = [b""] * 30
    ledger = Leaves([b""] * 1000)
    ledger.grow(kept)
    for since, until in ((None, None), (0, None), (515, 520), (None, 540)):
        query = Query(order=order, limit=5, since_us=since, until_us=until)
        page = ask(index, ledger, query)
        assert len(page.hits) == 5
        assert all_pages(index, ledger, query) == naive(ledger, query)
    assert ask(index, ledger, Query(until_us=500, order=order)) == Page((), "", 0, 1200)
    assert ask(index, Leaves([b""] * 100), Query(order=order)) == Page((), "", 0, 100)


def spoil(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statements",
    [
        ("PRAGMA user_version = 2",),
        ("PRAGMA user_version = 0",),
        ("DROP TABLE posting",),
        ("DROP TABLE state",),
        ("DELETE FROM state",),
        ("UPDATE state SET salt = x'00'",),
        ("UPDATE state SET salt = NULL",),
        ("UPDATE state SET leaves = -1",),
        ("UPDATE state SET leaves = 9223372036854775807",),
        ("UPDATE state SET last = zeroblob(32)",),
        ("DROP TABLE state", "CREATE TABLE state (id, salt, leaves, last)"),
        ("DROP TABLE posting", "CREATE TABLE posting (segment, term, idx)", "DELETE FROM state"),
    ],
)
def test_a_file_of_another_form_is_built_anew(
    statements: tuple[str, ...], index: SearchIndex, ledger: Leaves, file: Path
) -> None:
    ask(index, ledger, Query())
    spoil(file, *statements)
    for query in (Query(serial=f"{77:032x}"), Query(tenant="acme", kinds=(KINDS[2],))):
        assert all_pages(index, ledger, query) == naive(ledger, query)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.tuples(st.integers(0, 2**17), st.binary(min_size=1, max_size=200)), max_size=6),
    length=st.none() | st.integers(0, 2**17),
)
def test_a_damaged_file_is_no_error_and_shows_nothing_wrong(
    cuts: list[tuple[int, bytes]], length: int | None, tmp_path: Path
) -> None:
    ledger = Leaves([leaf(number) for number in range(200)])
    index = SearchIndex(tmp_path / "damaged.db")
    ask(index, ledger, Query())
    octets = bytearray(index._path.read_bytes())
    for at, patch in cuts:
        octets[at % len(octets) : at % len(octets) + len(patch)] = patch
    index._path.write_bytes(octets[:length])
    for query in (Query(tenant="acme", limit=1000), Query(imprints=(hexed("imp", 3),), limit=1000)):
        # Damage that SQLite does not see may hide a leaf, as a row that was removed would.
        found = all_pages(index, ledger, query)
        assert set(found) <= set(naive(ledger, query))
        assert found == sorted(set(found), reverse=True)
    index.forget()
    assert all_pages(index, ledger, query) == naive(ledger, query)


def test_a_lying_index_shows_no_leaf_that_does_not_fit(
    index: SearchIndex, ledger: Leaves, file: Path
) -> None:
    ledger.grow([leaf(200, tenant="rival")])
    assert indices(ask(index, ledger, Query(tenant="rival"))) == [200]
    # Attack: every posting of any tenant is made to name leaves of others, and leaves that do not exist.
    spoil(file, "INSERT OR IGNORE INTO posting SELECT segment, term, idx - 1 FROM posting WHERE idx > 0")
    spoil(file, "INSERT OR IGNORE INTO posting SELECT segment, term, 5000 FROM posting")
    spoil(file, "INSERT OR IGNORE INTO posting SELECT segment, term, -7 FROM posting")
    page = ask(index, ledger, Query(tenant="rival"))
    assert (indices(page), page.stale) == ([200], 1)
    for query in (Query(tenant="acme"), Query(serial=f"{5:032x}"), Query(kinds=(KINDS[2],))):
        assert all_pages(index, ledger, query) == naive(ledger, query)


def test_a_row_that_was_removed_hides_its_leaf_until_the_index_is_built_anew(
    index: SearchIndex, ledger: Leaves, file: Path
) -> None:
    query = Query(serial=f"{42:032x}")
    assert indices(ask(index, ledger, query)) == [42]
    spoil(file, "DELETE FROM posting WHERE idx = 42")
    assert indices(ask(index, ledger, query)) == []
    index.forget()
    assert indices(ask(index, ledger, query)) == [42]


def test_a_proposal_is_checked_against_the_ledger_of_now(index: SearchIndex, ledger: Leaves) -> None:
    query = Query(imprints=(hexed("imp", 1),), limit=1000)
    index.catch_up(ledger, 1000)
    changed = Leaves([{**leaf(number), "imp": hexed("other")} for number in range(100)])
    page = index.search(changed, query)
    assert page.hits == ()
    assert page.stale == len(naive(ledger, query))


def test_imprints_that_a_client_chose_to_meet_in_one_index_do_not_meet_in_another(tmp_path: Path) -> None:
    """Attack: imprints are the client's to choose; terms are keyed, each file has a key of its own."""
    terms = []
    for name in ("one.db", "two.db"):
        with search_file.opened(tmp_path / name, 0.0) as file:
            terms.append(file.state().term("imp", "00" * 32))
    assert terms[0] != terms[1]


def test_a_field_s_value_is_not_found_under_another_field(index: SearchIndex) -> None:
    same = "ab" * 32
    ledger = Leaves([leaf(0, imp=same), leaf(1, req=same), leaf(2, tok=same), leaf(3, tenant=same)])
    asked = (Query(imprints=(same,)), Query(request=same), Query(token=same), Query(tenant=same))
    assert [indices(ask(index, ledger, query)) for query in asked] == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    "tenant",
    ["' OR 1=1 --", "../../../etc/passwd", "%", "*", "_", "acme\x00", "acme'; DROP TABLE posting; --"],
)
def test_injection_in_a_value_is_a_value(tenant: str, index: SearchIndex, ledger: Leaves) -> None:
    assert ask(index, ledger, Query(tenant=tenant)).hits == ()
    ledger.grow([leaf(200, tenant=tenant)])
    assert indices(ask(index, ledger, Query(tenant=tenant))) == [200]
    assert len(all_pages(index, ledger, Query())) == 201


@pytest.mark.parametrize(
    ("field", "conditions"),
    [
        ("serial", {"serial": ""}),
        ("serial", {"serial": "0x12"}),
        ("serial", {"serial": "a" * 65}),
        ("serial", {"serial": "a" * 10_000_000}),
        ("serial", {"serial": "İ"}),
        ("serial", {"serial": "' OR 1=1 --"}),
        ("imprint", {"imprints": ("abc",)}),
        ("imprint", {"imprints": ("",)}),
        ("imprint", {"imprints": ("ab" * 65,)}),
        ("imprint", {"imprints": ("ab" * 32,) * 17}),
        ("request", {"request": "ab" * 31}),
        ("token", {"token": "ab" * 48}),
        ("tenant", {"tenant": ""}),
        ("tenant", {"tenant": "a" * 257}),
        ("tenant", {"tenant": "\udcff"}),
        ("kind", {"kinds": ("../x",)}),
        ("kind", {"kinds": ("",)}),
        ("kind", {"kinds": ("tst.issued",) * 17}),
        ("since", {"since_us": -1}),
        ("until", {"until_us": 2**63}),
        ("limit", {"limit": 0}),
        ("limit", {"limit": MOST_HITS + 1}),
    ],
)
def test_a_value_that_no_leaf_can_have_is_refused(field: str, conditions: dict[str, Any]) -> None:
    with pytest.raises(QueryError) as refused:
        Query(**conditions)
    assert (refused.value.fault, refused.value.field) == (QueryFault.VALUE, field)


@pytest.mark.parametrize(
    "cursor", ["x", "x" * 22, "x" * 10_000, "../../../../etc/passwd", "' OR 1=1 --aaaaaaaaaaa", "é" * 22]
)
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(QueryError) as refused:
        Query(cursor=cursor)
    assert refused.value.fault is QueryFault.CURSOR


def test_a_cursor_of_another_query_is_refused_and_of_another_limit_taken(
    index: SearchIndex, ledger: Leaves
) -> None:
    query = Query(tenant="acme", kinds=KINDS, since_us=3, limit=5)
    cursor = ask(index, ledger, query).next
    assert indices(ask(index, ledger, replace(query, limit=50, cursor=cursor))) == naive(ledger, query)[5:55]
    assert replace(query, kinds=KINDS[::-1], cursor=cursor).position() is not None
    for other in (
        {"tenant": "public"},
        {"kinds": ()},
        {"since_us": 4},
        {"until_us": 4},
        {"order": Order.OLDEST},
        {"serial": "00"},
    ):
        with pytest.raises(QueryError) as refused:
            replace(query, cursor=cursor, **other)
        assert refused.value.fault is QueryFault.CURSOR


def test_a_cursor_beyond_the_end_goes_on_at_the_end(index: SearchIndex, ledger: Leaves) -> None:
    newest, oldest = Query(limit=1000), Query(limit=1000, order=Order.OLDEST)
    far = replace(newest, cursor=newest.cursor_at(2**63 - 1))
    assert indices(ask(index, ledger, far)) == naive(ledger, newest)
    far = replace(oldest, cursor=oldest.cursor_at(2**63 - 1))
    assert ask(index, ledger, far).hits == ()


def test_an_index_that_another_process_holds_is_busy_and_no_trace(
    index: SearchIndex, ledger: Leaves, file: Path
) -> None:
    ask(index, ledger, Query())
    held = os.open(file.with_name(file.name + ".lock"), os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    for act in (
        lambda: index.catch_up(ledger),
        lambda: index.search(ledger, Query()),
        index.forget,
    ):
        with pytest.raises(SearchRefusedError) as refused:
            act()
        assert refused.value.fault is SearchFault.BUSY
    os.close(held)
    assert ask(index, ledger, Query()).hits
    foreign = sqlite3.connect(file, isolation_level=None)
    foreign.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SearchRefusedError) as refused:
        index.search(ledger, Query())
    assert refused.value.fault is SearchFault.BUSY
    foreign.close()
    assert ask(index, ledger, Query()).hits


def test_a_folder_that_cannot_be_written_is_a_refusal(tmp_path: Path, ledger: Leaves) -> None:
    (tmp_path / "taken.db").mkdir()
    for path in (tmp_path / "absent" / "search.db", tmp_path / "taken.db"):
        with pytest.raises(SearchRefusedError) as refused:
            SearchIndex(path).catch_up(ledger)
        assert refused.value.fault is SearchFault.UNUSABLE


def test_an_error_of_the_ledger_is_not_the_index_s_and_removes_nothing(
    index: SearchIndex, ledger: Leaves, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(index, ledger, Query())
    before = file.read_bytes()

    def broken(_: int) -> Stored:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(ledger, "by_index", broken)
    for act in (lambda: index.catch_up(ledger), lambda: index.search(ledger, Query())):
        with pytest.raises(sqlite3.DatabaseError):
            act()
    assert file.read_bytes() == before


BUILDER = """
import sys
from pathlib import Path
from tests.ledger.searches import Leaves, leaf
from kokuin.ledger.search import SearchIndex
index, ledger = SearchIndex(Path(sys.argv[1]), 60.0), Leaves([leaf(number) for number in range(3000)])
print("ready", flush=True)
while not index.catch_up(ledger, 100).done:
    pass
"""


def test_two_processes_build_one_index_and_a_killed_one_leaves_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    command = [sys.executable, "-c", BUILDER, str(path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    both[0].kill()
    assert both[1].wait(60) == 0
    for process in both:
        process.communicate()
    ledger = Leaves([leaf(number) for number in range(3000)])
    index = SearchIndex(path)
    assert index.catch_up(ledger, 0).done
    for query in (Query(tenant="acme", limit=1000), Query(kinds=(KINDS[2],), order=Order.OLDEST)):
        assert all_pages(index, ledger, query) == naive(ledger, query)


def test_a_copied_index_is_as_good(index: SearchIndex, ledger: Leaves, file: Path) -> None:
    ask(index, ledger, Query())
    shutil.copy(file, file.with_name("copy.db"))
    assert all_pages(SearchIndex(file.with_name("copy.db")), ledger, Query()) == naive(ledger, Query())
