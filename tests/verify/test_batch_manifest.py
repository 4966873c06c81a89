"""Lists of tokens as people keep them: from spreadsheets and programs, right and wrong."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from kokuin.trust.report import Indication
from kokuin.verify.batch import judge_batch
from kokuin.verify.batch_items import Item
from kokuin.verify.batch_manifest import MAX_LINE, Manifest, ManifestError
from tests.verify.batches import authority, terms

DIGEST = hashlib.sha256(b"x").digest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list"


def read(path: Path, text: str | bytes) -> list[Item]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    manifest = Manifest.of(path)
    found = list(manifest.items())
    assert manifest.count == len(found)
    return found


WANTED = [
    Item("a.tsr", "a", None, Indication.PASSED),
    Item("b.tsr", None, DIGEST, Indication.FAILED),
    Item("c.tsr"),
]


def test_a_table_is_read_by_the_names_of_its_columns(path: Path) -> None:
    table = f"""Expected,,DIGEST,token , data
PASSED,"1, or 2",,a.tsr,a
failed,,{DIGEST.hex().upper()},b.tsr,
,,,c.tsr,

"""
    assert read(path, table) == WANTED
    assert read(path, table.replace("\n", "\r\n")) == WANTED


def test_a_short_row_lacks_its_last_fields(path: Path) -> None:
    assert read(path, "token,data\na.tsr\n") == [Item("a.tsr")]


def test_lines_of_json_are_read(path: Path) -> None:
    rows = [
        {"token": "a.tsr", "data": "a", "digest": "", "expected": "PASSED"},
        {"token": "b.tsr", "digest": DIGEST.hex(), "expected": "FAILED"},
        {"token": "c.tsr", "data": None},
    ]
    assert read(path, "\n\n".join(json.dumps(row) for row in rows)) == WANTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_names_in_japanese_are_read_as_spreadsheets_save_them(path: Path, encoding: str) -> None:
    # The second octet of some of these characters is a backslash, or a bar, in cp932.
    name = "請求書_表ソ能ポ.tsr"
    assert read(path, f'token,data\r\n"{name}",表\r\n'.encode(encoding)) == [Item(name, "表")]


def test_a_name_may_contain_what_separates_others(path: Path) -> None:
    assert read(path, 'token\n"a,""b""\nc.tsr"\n') == [Item('a,"b"\nc.tsr')]


@pytest.mark.parametrize("text", ["", "\n", "token\n"])
def test_an_empty_list_names_nothing(path: Path, text: str) -> None:
    assert read(path, text) == []


@pytest.mark.parametrize(
    ("text", "fault", "line"),
    [
        (b"token\n\x81\x20\n", "MANIFEST_ENCODING", 0),
        ("token\n" + "a" * (MAX_LINE + 1), "MANIFEST_LINE_TOO_LONG", 2),
        ('token\n"' + "a\n" * 100_000, "MANIFEST_SYNTAX", None),
        ('token\na\n"b" c\n', "MANIFEST_SYNTAX", 3),
        ('{"token":"a"}\nno json\n', "MANIFEST_SYNTAX", 2),
        ('{"token":"a"}\n[1]\n', "MANIFEST_SYNTAX", 2),
        ('{"token":"a","token":"b"}\n', "MANIFEST_SYNTAX", 1),
        ("data\na\n", "MANIFEST_TOKEN_ABSENT", 2),
        ("token,data\na,\n,b\n", "MANIFEST_TOKEN_ABSENT", 3),
        ('{"data":"a"}\n', "MANIFEST_TOKEN_ABSENT", 1),
        ('{"token":1}\n', "MANIFEST_PATH", 1),
        ('{"token":["a"]}\n', "MANIFEST_PATH", 1),
        ('{"token":"a\\u0000"}\n', "MANIFEST_PATH", 1),
        ("token,digest\na,xyz\n", "MANIFEST_DIGEST", 2),
        ('{"token":"a","digest":{}}\n', "MANIFEST_DIGEST", 1),
        ("token,data,digest\na,b,00\n", "MANIFEST_DATA_AND_DIGEST", 2),
        ("token,expected\na,maybe\n", "MANIFEST_EXPECTED", 2),
        ('{"token":"a","expected":true}\n', "MANIFEST_EXPECTED", 1),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_its_line(
    path: Path, text: str | bytes, fault: str, line: int | None
) -> None:
    with pytest.raises(ManifestError) as refused:
        read(path, text)
    assert refused.value.fault == fault
    assert line in {None, refused.value.line}


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("token,expcted\na,PASSED\n", 1, "expcted"),
        ("token,data,Data\na,b,c\n", 1, "data"),
        ('{"token":"a"}\n{"token":"a","Expected":"PASSED"}\n', 2, "Expected"),
    ],
)
def test_a_misspelt_field_is_refused_by_its_name(path: Path, text: str, line: int, field: str) -> None:
    with pytest.raises(ManifestError) as refused:
        read(path, text)
    assert (refused.value.fault, refused.value.line, refused.value.field) == ("MANIFEST_FIELD", line, field)


def test_a_list_that_could_not_be_read_again_is_refused(path: Path) -> None:
    os.mkfifo(path)
    for name in (path, Path(os.devnull), Path("/dev/zero")):
        with pytest.raises(ManifestError) as refused:
            Manifest.of(name)
        assert refused.value.fault == "MANIFEST_NO_FILE"


def test_a_list_pairs_tokens_with_data_and_says_what_is_expected(tmp_path: Path, path: Path) -> None:
    for name, data in (("one", b"1"), ("two", b"2")):
        (tmp_path / name).write_bytes(authority().stamp(data))
        (tmp_path / f"{name}.data").write_bytes(data)
    table = f"""token,data,digest,expected
one,one.data,,PASSED
one,two.data,,FAILED
two,,{hashlib.sha256(b"2").hexdigest()},PASSED
two,,{hashlib.sha256(b"1").hexdigest()},PASSED
two,,{hashlib.sha512(b"2").hexdigest()},INDETERMINATE
three,one.data,,FAILED
"""
    summary = judge_batch(read(path, table), terms(tmp_path), 1).summary()
    assert summary["verdicts"] == {"PASSED": 2, "INDETERMINATE": 1, "FAILED": 3}
    assert summary["unexpected_total"] == 1
    (unexpected,) = summary["unexpected"]
    assert {name: unexpected[name] for name in ("token", "indication", "expected")} == {
        "token": "two",
        "indication": "FAILED",
        "expected": "PASSED",
    }


@pytest.mark.parametrize("name", ["/", "..", ".", "~", "x" * 5_000, "\u3042" * 300, "a/" * 3_000, "\n"])
def test_any_path_in_a_list_gets_a_verdict(tmp_path: Path, path: Path, name: str) -> None:
    (tmp_path / "one").write_bytes(authority().stamp(b"1"))
    items = read(path, json.dumps({"token": name}) + "\n" + json.dumps({"token": "one", "data": name}))
    summary = judge_batch(items, terms(tmp_path), 1).summary()
    assert summary["verdicts"] == {"PASSED": 0, "INDETERMINATE": 1, "FAILED": 1}


def test_a_verdict_better_than_expected_is_no_success(tmp_path: Path, path: Path) -> None:
    (tmp_path / "one").write_bytes(authority().stamp(b"1"))
    tally = judge_batch(read(path, "token,expected\none,FAILED\n"), terms(tmp_path), 1)
    assert tally.summary()["verdicts"]["PASSED"] == 1
    assert tally.indication == "FAILED"
