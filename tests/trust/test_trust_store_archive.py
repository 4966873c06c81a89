"""Archives of certificates, from a ministry or from an attacker."""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.trust import trust_store_archive
from kokuin.trust.anchors import TrustError
from kokuin.trust.trust_store_archive import MAX_FILE_OCTETS, Contents, Omission, read_archive, roles_of
from kokuin.trust.trust_store_list import Role, StoreCode
from tests.trust.archives import make_zip
from tests.trust.forge import AUTHORITY, issue, pki

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def read(folder: Path, octets: bytes) -> Contents:
    path = folder / "service.zip"
    path.write_bytes(octets)
    return read_archive(path)


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content, method)
    return octets.getvalue()


def refusal(folder: Path, octets: bytes) -> str:
    with pytest.raises(TrustError) as caught:
        read(folder, octets)
    return caught.value.code


def omissions(contents: Contents) -> dict[str, Omission]:
    return {omitted.name: omitted.reason for omitted in contents.omitted}


@pytest.mark.parametrize("encoding", ["cp932", "utf-8"])
def test_names_in_japanese_are_read_as_their_writer_meant_them(encoding: str, tmp_path: Path) -> None:
    # ソ and 表 have the octet of a backslash in code page 932.
    files = {"時刻認証/ソフト表/ルート.cer": pki().root.der, "時刻認証/申請.pdf": b"%PDF-"}
    path = tmp_path / "service.zip"
    sha256 = make_zip(path, files, encoding=encoding)
    contents = read_archive(path)
    assert [name for name, _ in contents.certificates] == ["時刻認証/ソフト表/ルート.cer"]
    assert omissions(contents) == {"時刻認証/申請.pdf": Omission.OTHER_KIND}
    assert (contents.archive.sha256, contents.archive.dated) == (sha256, "2023-02-16")


def test_names_in_utf_8_without_the_flag_are_read_too(tmp_path: Path) -> None:
    octets = bytearray(zipped(("ルート.cer", pki().root.der)))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        octets[octets.index(header) + flags + 1] &= ~0x08
    assert read(tmp_path, bytes(octets)).certificates[0][0] == "ルート.cer"


def test_a_name_that_begins_with_an_octet_of_zero_is_a_name_like_others(tmp_path: Path) -> None:
    # Some readers end a name there, and have none.
    octets = zipped(("root.cer", pki().root.der)).replace(b"root.cer", b"\0oot.cer")
    contents = read(tmp_path, octets)
    assert [name for name, _ in contents.certificates] == ["\N{REPLACEMENT CHARACTER}oot.cer"]
    flagged = bytearray(octets)
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        flagged[flagged.index(header) + flags + 1] |= 0x08
    assert omissions(read(tmp_path, bytes(flagged))) == {"": Omission.OTHER_KIND}


def test_an_escape_sequence_in_a_name_reaches_no_terminal(tmp_path: Path) -> None:
    contents = read(tmp_path, zipped(("\x1b[2J.cer", b"?"), ("x" * 1_000 + ".cer", b"?")))
    assert all(omitted.name.isprintable() and len(omitted.name) <= 300 for omitted in contents.omitted)


def test_no_path_of_an_archive_is_written_to(tmp_path: Path) -> None:
    names = ("../../evil.cer", "/etc/evil.cer", "C:\\evil.cer")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    contents = read(folder, zipped(*((name, pki().root.der) for name in names)))
    assert len(contents.certificates) == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["service.zip"]


def test_one_certificate_in_two_files_is_taken_once(tmp_path: Path) -> None:
    files = (("root.cer", pki().root.der), ("all.pem", pki().root.pem + pki().authority.pem))
    certificates = read(tmp_path, zipped(*files)).certificates
    assert [name for name, _ in certificates] == ["root.cer", "all.pem"]


def test_files_that_are_not_opened_are_named_with_the_reason(tmp_path: Path) -> None:
    octets = zipped(
        ("inner.ZIP", zipped(("root.cer", pki().root.der))),
        ("._root.cer", b"resource fork"),
        ("key.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ("bomb.cer", b"\x00" * 500_000),
        ("large.pem", hashlib.shake_128().digest(MAX_FILE_OCTETS + 1)),
    )
    assert omissions(read(tmp_path, octets)) == {
        "inner.ZIP": Omission.ARCHIVE_INSIDE,
        "._root.cer": Omission.OTHER_KIND,
        "key.pem": Omission.UNREADABLE,
        "bomb.cer": Omission.TOO_LARGE,
        "large.pem": Omission.TOO_LARGE,
    }


def _patched(octets: bytes, local: int, central: int, value: bytes) -> bytes:
    """Change a field of the only file, in its header and in the directory."""
    changed = bytearray(octets)
    for header, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = changed.index(header) + offset
        changed[at : at + len(value)] = value
    return bytes(changed)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda octets: _patched(octets, 6, 8, b"\x01\x00"), Omission.ENCRYPTED),
        (lambda octets: _patched(octets, 8, 10, b"\x0c\x00"), Omission.METHOD),
        (lambda octets: _patched(octets, 14, 16, b"\x00\x00\x00\x00"), Omission.DAMAGED),
        # Says that it unfolds to little, and does not: what is read ends where it said.
        (lambda octets: _patched(octets, 22, 24, struct.pack("<I", 10)), Omission.DAMAGED),
        (lambda octets: _patched(octets, 22, 24, struct.pack("<I", 2**31)), Omission.TOO_LARGE),
    ],
    ids=["encrypted", "another method", "another checksum", "smaller than it is", "larger than it is"],
)
def test_a_file_that_cannot_be_unfolded_is_left_out(
    spoil: Callable[[bytes], bytes], reason: Omission, tmp_path: Path
) -> None:
    contents = read(tmp_path, spoil(zipped(("root.cer", pki().root.der))))
    assert omissions(contents) == {"root.cer": reason}
    assert contents.certificates == ()


def test_an_archive_of_too_many_files_is_refused_before_they_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = zipped(*((f"{number}", b"") for number in range(2_001)))
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert refusal(tmp_path, octets) == StoreCode.ARCHIVE_TOO_LARGE
    assert refusal(tmp_path, b"PK" + bytes(16 * 1024 * 1024)) == StoreCode.ARCHIVE_TOO_LARGE


def test_an_archive_that_unfolds_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_store_archive, "MAX_TOTAL_OCTETS", 2_000)
    files = [(f"{number}.cer", pki().root.der) for number in range(10)]
    assert refusal(tmp_path, zipped(*files)) == StoreCode.ARCHIVE_TOO_LARGE


@pytest.mark.parametrize("octets", [b"", b"PK\x05\x06", b"no archive", zipped(("a.cer", b"x"))[:-5]])
def test_what_is_no_archive_is_refused(octets: bytes, tmp_path: Path) -> None:
    assert refusal(tmp_path, octets) == StoreCode.ARCHIVE_UNREADABLE


WHOLE = zipped(("時刻/root.cer", pki().root.der), ("b/unit.p7b", b"0\x00"), ("c.txt", b"c" * 99))


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=8)).map(
        lambda change: WHOLE[: change[0]] + change[1] + WHOLE[change[0] + len(change[1]) :]
    )
)
def test_a_damaged_archive_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, octets: bytes
) -> None:
    with contextlib.suppress(TrustError):
        assert read(tmp_path_factory.getbasetemp(), octets).archive.name == "service.zip"


def test_an_archive_without_a_root_pins_its_authorities() -> None:
    unit, authority = pki().unit.certificate, pki().authority.certificate
    assert roles_of([unit, authority]) == {unit.der: Role.HELPER, authority.der: Role.PIN}
    root = issue("Another root", None, AUTHORITY).certificate
    assert roles_of([authority, root]) == {authority.der: Role.HELPER, root.der: Role.ANCHOR}
