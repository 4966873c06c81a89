"""Files that are replaced whole, or made: what stands there afterwards, and what is never replaced."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from pqc.newfile import write_durably, write_new


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old, and longer")
    write_durably(tmp_path / "file", b"new", 0o640)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_durably(pipe, b"octets")
    stayed = pipe.is_fifo()
    assert stayed
    reader.join()
    assert heard == [b"octets"]


def test_a_device_is_written_to_and_its_name_stays(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    write_durably(link, b"octets")
    assert link.readlink() == Path(os.devnull)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_durably(tmp_path / "folder", b"octets")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def _full(_descriptor: int) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_nothing_that_is_in_the_way_of_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "unit.pem"
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", _full)
        with pytest.raises(OSError, match="No space left"):
            write_new(path, b"a key")
    assert list(tmp_path.iterdir()) == []
    write_new(path, b"a key")
    assert path.read_bytes() == b"a key"


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "unit.pem"
    write_new(path, b"a key")
    with pytest.raises(FileExistsError):
        write_new(path, b"another")
    assert path.read_bytes() == b"a key"
