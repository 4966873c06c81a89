"""Files and folders that give way to others are renamed, and stay as evidence."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pqc.newfile import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

MARK = ".before-"


def set_aside(path: Path, *companions: str) -> None:
    """Rename what lies at a path, and companions whose names are its own and an ending; all may be absent.

    Raises:
        OSError: something could not be renamed; what was stays renamed.
    """
    mark = MARK + dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    for companion in ("", *companions):
        found = path.with_name(path.name + companion)
        if found.exists():
            found.rename(path.with_name(path.name + mark + companion))
            sync_folder(path.parent)
