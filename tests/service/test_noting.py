"""Texts that can be erased: the tree stays, the text is in no file, and no guess at it can be tried."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.leaf import commitment, read_leaf
from kokuin.ledger.reader import LedgerReader
from kokuin.service import erasing
from tests.ledger.samples import check_tree, issued
from tests.service.epochs import Desked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

TEXT = "Murasaki Shikibu, 1 Kyoto, asked by telephone"
LONG = "Sei Shonagon " * 300


@pytest.fixture
def desked(folder_of: Callable[[str], Prepared]) -> Iterator[Desked]:
    desked = Desked(folder_of("classical").folder)
    desked.append(*[issued(each) for each in range(300)])
    yield desked
    desked.end()


def files_with(folder: DataFolder, text: str) -> list[str]:
    octets = text[:40].encode()
    return [path.name for path in folder.root.rglob("*") if path.is_file() and octets in path.read_bytes()]


@pytest.mark.parametrize("text", [TEXT, LONG], ids=["short", "of several pages"])
def test_an_erased_text_is_in_no_file_and_the_tree_is_unbroken(desked: Desked, text: str) -> None:
    noted = desked.ask("ledger.annotate", index=7, text=text)
    assert noted == {"ok": True, "index": 301}
    for number in range(40):  # more of them, so that pages were split
        assert desked.ask("ledger.annotate", index=number, text=f"{number} " * 400)["ok"]
    assert files_with(desked.folder, text), "the test looks in the right place"
    with LedgerReader(desked.folder.ledger) as reader:
        before = reader.head()
        stored = reader.by_index(301)
    answer = desked.ask("ledger.redact", index=301, reason="asked for")
    assert answer["ok"], answer
    assert files_with(desked.folder, text) == []
    (leaf,) = desked.leaves("redact")
    assert (leaf["about"], leaf["reason"], leaf["actor"]) == (301, "asked for", "owner")
    with LedgerReader(desked.folder.ledger) as reader:
        check_tree(reader)
        assert reader.by_index(301) == stored, "the leaf stays as it was"
        assert reader.size() == before.size + 1
        assert len(reader.execute("SELECT idx FROM side")) == 40, "the others stay"


def test_a_commitment_tells_nothing_to_who_guesses_the_text(desked: Desked) -> None:
    for _ in range(2):
        desked.ask("ledger.annotate", index=7, text=TEXT)
    with LedgerReader(desked.folder.ledger) as reader:
        one, other = (read_leaf(leaf)["personal"] for leaf in _notes(reader))
        rows = reader.execute("SELECT salt, text FROM side ORDER BY idx")
    assert one != other, "the same text twice"
    assert rows[0][0] != rows[1][0]
    assert [commitment(salt, text) for salt, text in rows] == [one, other]
    for guess in (TEXT.encode(), TEXT.encode() + b"\n", b"\x00" + TEXT.encode(), bytes(32) + TEXT.encode()):
        assert hashlib.sha256(guess).hexdigest() not in {one, other}
    assert {len(salt) for salt, _ in rows} == {32}, "a salt as long as the hash cannot be tried out"


def _notes(reader: LedgerReader) -> list[bytes]:
    return [stored.leaf for stored in reader.walk() if b'"note.added"' in stored.leaf]


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("annotate", {"index": 900, "text": "x"}, "RECORD_UNKNOWN"),
        ("annotate", {"index": -1, "text": "x"}, "RECORD_UNKNOWN"),
        ("annotate", {"index": None, "text": "x"}, "RECORD_UNKNOWN"),
        ("annotate", {"index": 1, "text": ""}, "TEXT_UNFIT"),
        ("annotate", {"index": 1, "text": "x" * 4097}, "TEXT_UNFIT"),
        ("annotate", {"index": 1, "text": "a\ud800"}, "LEAF_TOO_LARGE"),
        ("redact", {"index": 1, "reason": "no text there"}, "NOTHING_TO_REDACT"),
        ("redact", {"index": "1", "reason": "no index"}, "NOTHING_TO_REDACT"),
        ("redact", {"index": 1, "reason": ""}, "TEXT_UNFIT"),
    ],
)
def test_what_cannot_be_done_is_refused_and_not_recorded(
    desked: Desked, operation: str, arguments: dict[str, object], code: str
) -> None:
    size = desked.journal.size
    assert desked.ask(f"ledger.{operation}", **arguments)["code"] == code
    assert desked.journal.size == size


def test_a_reader_that_stays_is_told_and_the_next_attempt_finishes(
    desked: Desked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "TRIES", 2)
    index = desked.ask("ledger.annotate", index=7, text=TEXT)["index"]
    with LedgerReader(desked.folder.ledger) as reader:
        reader.execute("BEGIN")
        reader.size()
        assert desked.ask("ledger.redact", index=index, reason="once")["code"] == "ERASE_UNFINISHED"
        reader.execute("COMMIT")
    assert desked.ask("ledger.redact", index=index, reason="again")["code"] == "NOTHING_TO_REDACT"
    assert files_with(desked.folder, TEXT) == [], "whatever was left in the log is cut off by the attempt"
