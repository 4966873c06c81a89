"""Where tokens and records of a renewal lie, and where the new records go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.verify.batch_items import read_regular
from kokuin.verify.beside import EVIDENCE_SUFFIX
from kokuin.wire.ers import RECORD_LIMITS

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of a renewal.

    Attributes:
        root: paths of tokens and records begin from it.
        out: new records go here, by the same paths; None: beside the tokens. A record that is there already
            is newer than the one beside the token.
    """

    root: Path
    out: Path | None = None

    def file(self, token: str) -> str:
        """Return the path of a file."""
        return os.path.join(self.root, token)  # noqa: PTH118  # a `Path` takes ten times as long

    def target(self, token: str, *, record: bool) -> str:
        """Return where the new record of a token goes, or that of a file that is a record itself."""
        name = token if record else token + EVIDENCE_SUFFIX
        return os.path.join(self.out or self.root, name)  # noqa: PTH118  # as above

    def holds(self, token: str) -> bool:
        """Say whether the path of a token leads nowhere but into the folder of new records.

        Attack: a list with paths that lead out of it, `../` or absolute.
        """
        if self.out is None:
            return True
        inside = os.path.normpath(os.path.join("/", token)) == os.path.join("/", os.path.normpath(token))  # noqa: PTH118  # as above
        return inside and not token.startswith("/")

    def current(self, token: str, *, record: bool) -> bytes | None:
        """Return the newest record as a file: of a token, or the file itself; None: there is none.

        Raises:
            OSError: it cannot be read.
        """
        for path in (
            self.target(token, record=record),
            self.file(token) + ("" if record else EVIDENCE_SUFFIX),
        ):
            try:
                return read_regular(path, RECORD_LIMITS.size)
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None
