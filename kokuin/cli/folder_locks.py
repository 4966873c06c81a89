"""Folders in which a command works alone: nobody else works in them, below them or above them.

The locks are the system's: a process that was killed holds none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST = 64
"""Folders that are locked one by one; of more, the one that holds them all."""


class FolderBusyError(Exception):
    """Another command works there.

    Attributes:
        path: the folder in which, or below which, it does.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


@contextlib.contextmanager
def held(folders: Iterable[Path]) -> Iterator[None]:
    """Keep others away from folders and from all that is in them.

    A folder is locked for this command alone, those above it together with whoever else works below them:
    the one who comes second finds taken what it would have alone. Folders that are met by links in others
    are not locked.

    Args:
        folders: that are there.

    Raises:
        FolderBusyError: somebody works in one, below or above it.
        OSError: one cannot be opened.
    """
    own = {Path(os.path.realpath(each)) for each in folders}
    if len(own) > _MOST:
        own = {Path(os.path.commonpath(own))}
    # What is in a locked folder is locked with it.
    own = {each for each in own if own.isdisjoint(each.parents)}
    with contextlib.ExitStack() as stack:
        for folder in sorted(own.union(*(each.parents for each in own))):
            try:
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except PermissionError:
                if folder in own:
                    raise
                continue  # nobody who is let in no further than this user works in all of it
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_EX if folder in own else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderBusyError(folder) from None
        yield
