"""Revocation lists and OCSP answers out of files (DER or PEM); what they are worth is judged later."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.context import RevocationData
from kokuin.trust.ocsp_reader import ANSWER_LIMITS, read_answer
from kokuin.trust.revocation_reader import MAX_LIST_OCTETS, read_revocation_list
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.pem import is_armoured, read_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_ELEMENTS = 2_000
"""Lists, and as many answers."""


class RevocationFileError(ValueError):
    """Revocation data that cannot be read.

    Attributes:
        path: the file or folder.
        code: why.
    """

    def __init__(self, path: Path, code: WireCode) -> None:
        super().__init__(f"{path}: {code}")
        self.path = path
        self.code = code


@dataclass(frozen=True, slots=True)
class _Kind:
    """Lists or answers: the suffix that names them in any folder, their label in PEM, size and reader."""

    suffix: str
    label: str
    size: int
    read: Callable[[bytes], object]


_LISTS = _Kind(".crl", "X509 CRL", MAX_LIST_OCTETS, read_revocation_list)
_ANSWERS = _Kind(".ocsp", "OCSP RESPONSE", 4 * ANSWER_LIMITS.size, read_answer)
_COMMON = frozenset({".der", ".pem"})


def read_revocation_files(
    lists: Sequence[Path] = (), answers: Sequence[Path] = (), trust: Path | None = None
) -> RevocationData:
    """Read revocation data from files and folders.

    Args:
        lists: files, or folders whose `*.crl`, `*.der` and `*.pem` are read.
        answers: files, or folders whose `*.ocsp`, `*.der` and `*.pem` are read.
        trust: a trust store; where it is a folder, its `*.crl` and `*.ocsp` are read as well.

    What in a folder holds something else is passed over; a damaged `*.crl` or `*.ocsp` is kept, so that the
    report can say that it was not understood.

    Raises:
        OSError: a file cannot be opened or read.
        RevocationFileError: a named file is too large or holds something else, or there are too many.
    """
    return RevocationData(_collect(_LISTS, lists, trust), _collect(_ANSWERS, answers, trust))


def take_lists(data: bytes) -> tuple[bytes, ...]:
    """Return the lists in octets that somebody calls some (DER, or PEM with one or more).

    Raises:
        WireError: they are too long, or hold something else.
    """
    return tuple(_take_whole(_LISTS, data))


def take_answers(data: bytes) -> tuple[bytes, ...]:
    """Return the OCSP answers in octets that somebody calls some (DER, or PEM with one or more).

    Raises:
        WireError: they are too long, or hold something else.
    """
    return tuple(_take_whole(_ANSWERS, data))


def _collect(kind: _Kind, paths: Sequence[Path], trust: Path | None) -> tuple[bytes, ...]:
    found: dict[bytes, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(_read_folder(kind, path, _COMMON | {kind.suffix}))
        else:
            found |= dict.fromkeys(_read_file(kind, path, _take_whole))
    if trust is not None and trust.is_dir():
        found |= dict.fromkeys(_read_folder(kind, trust, frozenset({kind.suffix})))
    if len(found) > MAX_ELEMENTS:
        raise RevocationFileError(paths[-1] if trust is None else trust, WireCode.TOO_MANY)
    return tuple(found)


def _read_folder(kind: _Kind, folder: Path, suffixes: frozenset[str]) -> list[bytes]:
    found: list[bytes] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or not path.is_file():
            continue
        with contextlib.suppress(RevocationFileError):
            found += _read_file(kind, path, _take_whole if path.suffix.lower() in _COMMON else _take)
    return found


def _read_file(kind: _Kind, path: Path, take: Callable[[_Kind, bytes], list[bytes]]) -> list[bytes]:
    with path.open("rb") as file:
        data = file.read(kind.size + 1)
    try:
        return take(kind, data)
    except WireError as error:
        raise RevocationFileError(path, error.code) from None


def _take(kind: _Kind, data: bytes) -> list[bytes]:
    """Take what may be damaged out of its armour."""
    if len(data) > kind.size:
        raise WireError(WireCode.TOO_LARGE, kind.size)
    if not is_armoured(data):
        return [data]
    return [octets for label, octets in read_blocks(data, MAX_ELEMENTS) if label == kind.label]


def _take_whole(kind: _Kind, data: bytes) -> list[bytes]:
    """Take what is whole, one element at least."""
    found = _take(kind, data)
    for octets in found:
        kind.read(octets)
    if not found:
        raise WireError(WireCode.UNEXPECTED, 0)
    return found
