"""What a batch judges: the files of a folder, each with the data that lies beside it."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.verify.beside import EVIDENCE_SUFFIX, PROOF_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kokuin.trust.report import Indication

TOKEN_SUFFIXES = frozenset({".tsr", ".tst", ".der", EVIDENCE_SUFFIX})
"""A file so named is a token by its name, or an evidence record, and `X.tsr` is the one of `X`."""

READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""How a file is opened that may turn out to be a pipe."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file that a batch looks at.

    Attributes:
        token: its path from the batch's folder, with `/` between the names.
        data: path of the data that it was made for; None when it is not at hand.
        digest: their digest instead of them.
        expected: the verdict that a manifest foretells.
        named: it is a token by its name, so that it has failed when it cannot be read. Of others, those that
            hold a token are judged, and the rest is only counted.
        stamped: it is the data of a token beside it.
        proof: it is the proof of a token beside it.
        evidence: it is the evidence record of a token beside it.
        met: it was met in a folder, as was its data; nobody named it.
    """

    token: str
    data: str | None = None
    digest: bytes | None = None
    expected: Indication | None = None
    named: bool = True
    stamped: bool = False
    proof: bool = False
    evidence: bool = False
    met: bool = False


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that is waiting: its path from the root, its real one, and whether a link leads there."""

    path: str
    real: str
    linked: bool = False


def walk(root: Path, without: Path | None = None) -> Iterator[Item]:
    """Yield every file of a folder and the folders in it, in an order that its names alone decide.

    Memory grows with the names of the largest single folder. Links to folders are followed, each of those
    once, unless they lead back into `root`: an archive whose years are links is checked whole, and one that
    contains itself ends.

    Args:
        root: the folder.
        without: a folder that is passed over, since the batch writes into it; not `root` by another name.

    Raises:
        OSError: `root` itself cannot be listed. Of a folder in it that cannot, the path is yielded as a
            token's: whether tokens are in it nobody knows, and that is no reason to pass.
    """
    top = os.path.realpath(root)
    over = set() if without is None else {os.path.realpath(without)} - {top}
    waiting = [_Folder("", top)]
    while waiting:
        folder = waiting.pop()
        if folder.real in over or (folder.linked and _within(folder.real).startswith(_within(top))):
            continue
        if folder.linked:
            over.add(folder.real)
        try:
            files, folders = _list(root, folder)
        except OSError:
            if not folder.path:
                raise
            yield Item(folder.path)
            continue
        yield from _pair(folder.path, files)
        waiting += reversed(folders)


def named_item(path: Path) -> Item:
    """Return one file as `walk` yields it, taken for a token whatever its name.

    The evidence record of a token stands for its token.
    """
    name, present = path.name, {path.name}
    of = _stem(name)
    if of is not None and (path.parent / of).is_file():
        if _is_record_of_token(name, of):
            return named_item(path.with_name(of))
        present.add(of)
    return replace(
        next(each for each in _pair("", sorted(present)) if each.token == name), named=True, met=False
    )


def read_regular(path: str, most: int) -> bytes:
    """Return a file's octets, of one that is too large one more than `most`.

    Raises:
        OSError: it cannot be read, or is no regular file: a pipe of that name would be waited on for ever.
    """
    descriptor = os.open(path, READING)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            code = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
            raise OSError(code, os.strerror(code), path)
        # Not `most` outright: memory is taken for what is asked for.
        size = min(found.st_size, most)
        octets = os.read(descriptor, size + 1)
        while len(octets) < size and (more := os.read(descriptor, size + 1 - len(octets))):
            octets += more
        return octets
    finally:
        os.close(descriptor)


def _list(root: Path, folder: _Folder) -> tuple[list[str], list[_Folder]]:
    """Return the names of a folder's files, and the folders in it, both in the order of the names' octets."""
    files: list[str] = []
    folders: list[_Folder] = []
    with os.scandir(root / folder.path) as entries:
        for entry in entries:
            if not entry.is_dir():
                files.append(entry.name)
                continue
            linked = entry.is_symlink()
            real = os.path.realpath(entry.path) if linked else _within(folder.real) + entry.name
            folders.append(_Folder(_join(folder.path, entry.name), real, linked))
    return sorted(files, key=os.fsencode), sorted(folders, key=lambda each: os.fsencode(each.path))


def _pair(folder: str, names: list[str]) -> Iterator[Item]:
    present = set(names)
    stamped = {stem for name in names if (stem := _stem(name)) in present}
    for name in names:
        stem = _stem(name)
        data = _join(folder, stem) if stem in stamped else None
        proof = name.endswith(PROOF_SUFFIX) and name.removesuffix(PROOF_SUFFIX) in present
        # Of a token it is looked at with the token; of any other file it is judged with that.
        evidence = stem is not None and stem in present and _is_record_of_token(name, stem)
        named = stem is not None and not evidence
        yield Item(_join(folder, name), data, None, None, named, name in stamped, proof, evidence, met=True)


def _is_record_of_token(name: str, stem: str) -> bool:
    of = _stem(stem)
    return name.endswith(EVIDENCE_SUFFIX) and of is not None and not stem.endswith(EVIDENCE_SUFFIX)


def _stem(name: str) -> str | None:
    """Return what a token, or an evidence record, of this name was made for; None when it is no such name."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122  # a third of the time of a `Path`, for every file
    return stem if suffix.lower() in TOKEN_SUFFIXES else None


def _within(real: str) -> str:
    """Return how the paths of what is in a folder begin."""
    return real if real.endswith(os.sep) else real + os.sep


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
