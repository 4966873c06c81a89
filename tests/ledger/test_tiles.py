from __future__ import annotations

from collections import Counter
from functools import cache
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kokuin.ledger.tile_proofs import consistency_proof, inclusion_proof, root_at, subtree
from kokuin.ledger.tiles import WIDTH, TilePath, new_tiles, parse_path
from kokuin.ledger.tree import EMPTY_ROOT, MAX_SIZE, grow, root_of, verify_consistency, verify_inclusion
from tests.ledger import rfc6962

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.ledger.tile_proofs import HashSource

COUNT = 140_000


class Rows:
    """Hashes as a store has them: leaves, and the nodes that `grow` completed; remembers what was read."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._leaves = leaves
        self._nodes = {(level, index): octets for level, index, octets in grow(0, (), leaves).nodes}
        self.reads: list[tuple[int, int, int]] = []

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        self.reads.append((level, start, stop))
        if level == 0:
            return list(self._leaves[start:stop])
        return [self._nodes[level, index] for index in range(start, stop)]


class Files:
    """Hashes as another reader of the log has them: the files of one checkpoint, by path."""

    def __init__(self, rows: Rows, size: int) -> None:
        self._files = {
            tile.path: b"".join(rows.hashes(tile.level, tile.start, tile.stop)) for tile in new_tiles(0, size)
        }

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        octets = self._files[TilePath(level, start // WIDTH, stop - start).path]
        return [octets[at : at + 32] for at in range(0, len(octets), 32)]


@cache
def _leaves() -> list[bytes]:
    return rfc6962.leaves(COUNT)


@cache
def _rows() -> Rows:
    return Rows(_leaves())


# Paths


def test_paths_are_those_of_the_specification() -> None:
    assert TilePath(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert TilePath(1, 1, 17).path == "tile/1/001.p/17"
    assert TilePath(63, 0).path == "tile/63/000"
    assert TilePath(0, 1_234_067, entries=True).path == "tile/entries/x001/x234/067"
    assert TilePath(0, 273, 112, entries=True).path == "tile/entries/273.p/112"


@pytest.mark.parametrize(
    ("index", "number"),
    [
        # From golang.org/x/mod/sumdb/tlog v0.42.0 (Tile.Path), whose `tile/8/<L>` is `tile/<L>` here.
        (0, "000"),
        (999, "999"),
        (1000, "x001/000"),
        (999_999, "x999/999"),
        (1_000_000, "x001/x000/000"),
        (36_028_797_018_963_966, "x036/x028/x797/x018/x963/966"),
    ],
)
def test_numbers_of_tiles_are_written_as_go_writes_them(index: int, number: str) -> None:
    assert TilePath(0, index).path == f"tile/0/{number}"
    assert parse_path(f"tile/0/{number}") == TilePath(0, index)


_tiles = st.builds(
    TilePath, st.integers(0, 63), st.integers(0, 2**55 - 2) | st.integers(0, 1100), st.integers(1, 256)
)


@given(_tiles)
def test_a_path_is_read_back(tile: TilePath) -> None:
    assert parse_path(tile.path) == tile
    bundle = TilePath(0, tile.index, tile.width, entries=True)
    assert parse_path(bundle.path) == bundle


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0//000",
        "tile/0/000\n",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/X001/000",
        "tile/0/001.p/0",
        "tile/0/001.p/00",
        "tile/0/001.p/01",
        "tile/0/001.p/256",
        "tile/0/001.p/999",
        "tile/0/001.p/-1",
        "tile/0/001.p/",
        "tile/0/001.p",
        "tile/0/001.P/1",
        "tile/0/001xp/1",
        "tile/0/\u0660\u0660\u0660",
        "tile/\uff11/000",
        "tile/8/0/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/entries/000",
        "tile/entries/0/000",
        "tile/0/../../secret",
        "tile/0/%30%30%30",
        "tile/0/x001/x001/x001/x001/x001/x001/000",
        "tile/0/x999/x999/x999/x999/x999/999",
        # A tree of 2**63 leaves would have it, one of 2**63 - 1 only in part.
        "tile/0/x036/x028/x797/x018/x963/967",
        "tile/0/" + "x001/" * 100_000 + "000",
    ],
)
def test_no_other_spelling_of_a_path_is_read(path: str) -> None:
    assert parse_path(path) is None


@given(st.text() | st.from_regex(r"tile/([0-9]+|entries)/(x[0-9]+/)*[0-9]+(\.p/[0-9]+)?"))
def test_whatever_is_read_as_a_path_is_written_the_same(path: str) -> None:
    tile = parse_path(path)
    assert tile is None or tile.path == path


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257), (0, 2**55 - 1, 256), (0, 2**200, 1)],
)
def test_a_tile_that_no_tree_has_has_no_path(level: int, index: int, width: int) -> None:
    with pytest.raises(ValueError, match="no tree"):
        TilePath(level, index, width)
    if level == 0:
        with pytest.raises(ValueError, match="no tree"):
            TilePath(0, index, width, entries=True)
    with pytest.raises(ValueError, match="no tree"):
        TilePath(1, 0, 1, entries=True)


# Which tiles a tree has


@pytest.mark.parametrize(
    ("size", "full", "partial"),
    [
        # The two examples of the specification's text.
        (70_000, {0: 273, 1: 1}, {0: 112, 1: 17, 2: 1}),
        (256, {0: 1}, {1: 1}),
        # Worked out by hand from floor(s / 256**l) mod 256; a width of 0 is no tile.
        (0, {}, {}),
        (1, {}, {0: 1}),
        (255, {}, {0: 255}),
        (257, {0: 1}, {0: 1, 1: 1}),
        (511, {0: 1}, {0: 255, 1: 1}),
        (512, {0: 2}, {1: 2}),
        (65_535, {0: 255}, {0: 255, 1: 255}),
        (65_536, {0: 256, 1: 1}, {2: 1}),
        (65_537, {0: 256, 1: 1}, {0: 1, 2: 1}),
        (65_792, {0: 257, 1: 1}, {1: 1, 2: 1}),
        (131_073, {0: 512, 1: 2}, {0: 1, 2: 2}),
    ],
)
def test_full_and_partial_tiles_of_a_tree(size: int, full: dict[int, int], partial: dict[int, int]) -> None:
    tiles = list(new_tiles(0, size))
    assert Counter(tile.level for tile in tiles if tile.width == WIDTH) == full
    assert {tile.level: tile.width for tile in tiles if tile.width < WIDTH} == partial
    for tile in tiles:
        if tile.width < WIDTH:
            # A partial tile stands behind all full ones of its level.
            assert tile.index == full.get(tile.level, 0)
            assert tile.path.endswith(f".p/{tile.width}")


@given(st.integers(1, MAX_SIZE), st.integers(1, 300))
@example(MAX_SIZE, 1)
@example(2**62, 1)
def test_partial_widths_of_large_trees_follow_the_formula(size: int, step: int) -> None:
    tiles = list(new_tiles(max(0, size - step), size))
    widths = {tile.level: tile.width for tile in tiles if tile.width < WIDTH}
    # The right edge of every level that the last leaves changed.
    for level in range(8):
        width = size // 256**level % 256
        changed = (size - step) // 256**level < size // 256**level
        assert widths.get(level, 0) == (width if changed or size <= step else 0)
    assert all(parse_path(tile.path) == tile for tile in tiles)


def _all_tiles(size: int) -> set[tuple[int, int, int]]:
    """Return every tile of a tree by the specification's own words."""
    found = set()
    for level in range(8):
        full, width = divmod(size // 256**level, 256)
        found |= {(level, index, 256) for index in range(full)}
        if width:
            found.add((level, full, width))
    return found


@given(st.integers(0, 200_000), st.integers(0, 70_000))
@example(65_535, 1)
@example(65_536, 1)
@example(255, 1)
@example(256, 0)
def test_new_tiles_are_those_that_the_smaller_tree_had_not(old: int, more: int) -> None:
    tiles = list(new_tiles(old, old + more))
    found = [(tile.level, tile.index, tile.width) for tile in tiles]
    assert found == sorted(_all_tiles(old + more) - _all_tiles(old))


@pytest.mark.parametrize(
    ("old", "new", "count", "digest"),
    [
        # SHA-256 over the paths, one a line, of golang.org/x/mod/sumdb/tlog v0.42.0 (NewTiles of height 8).
        (0, 1, 1, "ff9bfbfb5bdd590ac6fa6a14c2189f1cc8389e5853d028a5b373edab21ade5d6"),
        (0, 256, 2, "bd07cc86d63887efd6e26bde708290c7109f9ce91b030c71f7d7cb9a67785f86"),
        (255, 256, 2, "bd07cc86d63887efd6e26bde708290c7109f9ce91b030c71f7d7cb9a67785f86"),
        (256, 257, 1, "d97c4574f3106a39a713c7b70c651fa6895229a61423e90cc70f05b07edf4be3"),
        (70_000, 70_000, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (69_000, 70_000, 6, "efade42ea25d9ddc5da432237a1fb78a3682be2d68a6506a82d2c8c52db5c0e7"),
        (0, 70_000, 277, "5e0b0329816c2110a0bbf1431f3d1c1815ee0ea49e9ba845e16a7badaafb51f8"),
        (65_535, 65_536, 3, "012d7032d68b4efb8759342639d935c70f1c9ca7883769de941ddbec4ccc76fa"),
        (65_536, 65_537, 1, "36f3e0c2617b8010cf54785bfbdb95de3c32c59330392107695105c7264832c7"),
        (70_000, 131_073, 242, "1bec8254aa6e758006dae3529aa108e71fddbde9731e95e2a0ed2c5d362c5548"),
    ],
)
def test_new_tiles_are_those_of_gos_sumdb(old: int, new: int, count: int, digest: str) -> None:
    paths = [tile.path for tile in new_tiles(old, new)]
    assert (len(paths), sha256("\n".join(paths).encode()).hexdigest()) == (count, digest)


def test_a_tree_that_shrinks_or_is_too_large_has_no_tiles() -> None:
    for old, new in ((2, 1), (-1, 1), (0, MAX_SIZE + 1)):
        with pytest.raises(ValueError, match="shrink"):
            list(new_tiles(old, new))


# Roots and proofs


def _digest(proof: list[bytes]) -> tuple[int, str]:
    return len(proof), sha256(b"".join(proof)).hexdigest()


@pytest.mark.parametrize(
    ("index", "size", "length", "digest"),
    [
        # Over leaves that hold their index in decimal: golang.org/x/mod/sumdb/tlog v0.42.0 (ProveRecord).
        (0, 256, 8, "32c4f05f764ef4281b80bd198007dc347ca8fb9ba84f3ec693856ff87dbbf525"),
        (255, 257, 9, "5d59d769fc3396bfdca3467e38552ee96280e766cd583cb7dae27c28450b7fbb"),
        (256, 257, 1, "d8543884b063e422f6de2e558c6b11eb5e1a20528ccfe23cf27ceeb764b93a6e"),
        (65_535, 70_000, 17, "f28ab759f69c32d0a5668eb3e45b21dd05ae827916cd894222a106d20f8f61d8"),
        (65_536, 70_000, 14, "f38ccfccec8efb20ea1159d3bf46d806713aef674afc0b136298c85d170dac07"),
        (69_999, 70_000, 9, "06840adeb9aef6246e85c1dd08b547ca4a0b6f7c20da6a20ceed1be00bebfe4c"),
        (12_345, 70_000, 17, "15e3537b4677d40e7f98553df49a1f00747bdfcd478b0592c64864516e6b1f91"),
        (131_072, 131_073, 1, "27e79791f1616fb80a158fc21e8c7ffec31327eb6fadd7ce781e7035647265dd"),
        (100_000, 140_000, 18, "9e1481e965cd03888b7569c90f9db325fc45f3604071f415326062bc4b13d163"),
    ],
)
def test_inclusion_proofs_are_those_of_gos_sumdb(index: int, size: int, length: int, digest: str) -> None:
    assert _digest(inclusion_proof(_rows(), index, size)) == (length, digest)


@pytest.mark.parametrize(
    ("old", "new", "length", "digest"),
    [
        # The same tree: golang.org/x/mod/sumdb/tlog v0.42.0 (ProveTree).
        (1, 256, 8, "32c4f05f764ef4281b80bd198007dc347ca8fb9ba84f3ec693856ff87dbbf525"),
        (255, 257, 10, "9ac0efc5fea9ae47142082cbc6d6f4bbf26473e02b5b92a7c86db20bf77e49bc"),
        (256, 257, 1, "981d45e4e43aa88052c5977a60140d138c34616386a58afd1dd8c3045e7a5a50"),
        (65_535, 70_000, 18, "6b601bcdffd786cc87e031f47e1bff054df8b8ab3b492bbcd329133ac0a36b3a"),
        (65_536, 70_000, 1, "08c5072bb2047f204fc175859dde7118068845dfd749145d47cc2d450b1f351b"),
        (69_999, 70_000, 10, "ca14402a1c3a57366260e6ec029e1d346ee0f5bfffa146bd3830ed20d20fcc01"),
        (12_345, 70_000, 18, "a4655dbdc90a12523111531dac3103a2b75ce51bd3cba24fa888b7f4fc5c9f75"),
        (70_000, 131_073, 15, "6e9ca048aec50588dc5e74df0c478a4dbc4327395af741bca08deddcc6cebd58"),
        (131_072, 131_073, 1, "83f9b3d69fd60b906a423a777ff36b2e57925f9dec5f292616cd2c357cf1b636"),
        (100_000, 140_000, 14, "71ae72c26c308833541930ec545e9f52930476a8fe105970d3e882713c071f2d"),
    ],
)
def test_consistency_proofs_are_those_of_gos_sumdb(old: int, new: int, length: int, digest: str) -> None:
    assert _digest(consistency_proof(_rows(), old, new)) == (length, digest)


def test_proofs_of_all_small_trees_are_those_of_the_definition() -> None:
    leaves = _leaves()[:71]
    rows = Rows(leaves)
    for new in range(1, 71):
        for old in range(1, new + 1):
            assert consistency_proof(rows, old, new) == rfc6962.proof(old, leaves[:new]), (old, new)
            assert inclusion_proof(rows, old - 1, new) == rfc6962.path(old - 1, leaves[:new]), (old - 1, new)
        assert root_at(rows, new) == rfc6962.mth(leaves[:new])
    assert root_at(rows, 0) == EMPTY_ROOT


@given(st.integers(1, 5000), st.data())
def test_proofs_are_those_of_the_definition(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    leaves = _leaves()[:new]
    rows = _rows()
    assert inclusion_proof(rows, old - 1, new) == rfc6962.path(old - 1, leaves)
    assert consistency_proof(rows, old, new) == rfc6962.proof(old, leaves)
    assert root_at(rows, new) == rfc6962.mth(leaves)


@given(st.integers(1, COUNT), st.data())
def test_proofs_hold_and_read_each_tile_once_and_whole(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    rows = _rows()

    def reads() -> list[tuple[int, int, int]]:
        made, rows.reads = rows.reads, []
        return made

    reads()
    root = root_at(rows, new)
    of_root = reads()
    inclusion = inclusion_proof(rows, old - 1, new)
    of_inclusion = reads()
    consistency = consistency_proof(rows, old, new)
    of_consistency = reads()
    assert verify_inclusion(old - 1, new, _leaves()[old - 1], inclusion, root)
    assert verify_consistency(old, new, root_at(rows, old), root, consistency)
    for made, most in ((of_root, 1), (of_inclusion, 2), (of_consistency, 2)):
        assert max(Counter(level for level, _, _ in made).values(), default=0) <= most
        assert len(set(made)) == len(made)
        for level, start, stop in made:
            assert start % WIDTH == 0
            assert stop == min(start + WIDTH, new // 256**level)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_536, 70_000, 131_073])
def test_the_files_of_a_checkpoint_are_enough_for_its_root_and_every_proof(size: int) -> None:
    files = Files(_rows(), size)
    root = root_at(files, size)
    assert root == root_of(grow(0, (), _leaves()[:size]).peaks)
    for index in {0, size // 3, size // 2, size - 1}:
        assert verify_inclusion(index, size, _leaves()[index], inclusion_proof(files, index, size), root)
        old = root_at(_rows(), index)
        assert verify_consistency(index, size, old, root, consistency_proof(files, index, size))


@given(st.integers(0, 17), st.data())
def test_a_subtree_is_read_from_one_level(height: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, COUNT // 2**height - 1)) * 2**height
    rows = _rows()
    rows.reads.clear()
    assert subtree(rows, start, height) == rfc6962.mth(_leaves()[start : start + 2**height])
    ((level, first, last),) = rows.reads
    assert (level, last - first) == (height // 8, 2 ** (height % 8))
    assert first * 256**level == start


@pytest.mark.parametrize(("start", "height"), [(1, 1), (-2, 1), (0, 63), (0, -1), (2**63, 0), (2**62, 62)])
def test_a_subtree_that_no_tree_has_is_refused(start: int, height: int) -> None:
    with pytest.raises(ValueError, match="subtree"):
        subtree(_rows(), start, height)


def test_proofs_about_what_the_tree_has_not_are_refused() -> None:
    for index, size in ((5, 5), (-1, 5), (0, 0), (0, MAX_SIZE + 1)):
        with pytest.raises(ValueError, match="no such leaf"):
            inclusion_proof(_rows(), index, size)
    for old, new in ((6, 5), (-1, 5), (0, MAX_SIZE + 1)):
        with pytest.raises(ValueError, match="shrink"):
            consistency_proof(_rows(), old, new)
    for size in (-1, MAX_SIZE + 1):
        with pytest.raises(ValueError, match="no tree"):
            root_at(_rows(), size)


def test_nothing_needs_to_be_proven_of_the_empty_tree_or_of_the_same() -> None:
    nothing: HashSource = Rows(())
    assert consistency_proof(nothing, 0, 5) == consistency_proof(nothing, 5, 5) == []
    assert inclusion_proof(nothing, 0, 1) == []


class Liar:
    """A source that gives one hash too few or too many, or hashes cut at other places."""

    def __init__(self, way: str) -> None:
        self._way = way

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        found = _rows().hashes(level, start, stop)
        if self._way == "short":
            return found[:-1]
        if self._way == "long":
            return [*found, found[-1]]
        octets = b"".join(found)
        cuts = [0, *range(33, len(octets), 32), len(octets)] if len(found) > 1 else [0, 31]
        return [octets[at:to] for at, to in pairwise(cuts)]


@pytest.mark.parametrize("way", ["short", "long", "shifted"])
def test_a_source_that_gives_something_else_is_not_believed(way: str) -> None:
    liar = Liar(way)
    with pytest.raises(ValueError, match="source"):
        root_at(liar, 300)
    with pytest.raises(ValueError, match="source"):
        inclusion_proof(liar, 0, 200)
    with pytest.raises(ValueError, match="source"):
        consistency_proof(liar, 3, 200)
    with pytest.raises(ValueError, match="source"):
        subtree(liar, 0, 3)
