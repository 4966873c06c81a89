"""Zip archives as several programs write them, and as nobody should."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATED = (2023, 2, 16, 9, 0, 0)


def make_zip(path: Path, files: Mapping[str, bytes], *, encoding: str = "utf-8") -> str:
    """Write an archive, its names in `encoding`; return its SHA-256.

    Only UTF-8 is flagged; another encoding is left for the reader to guess, as Windows does it.
    """
    octets = io.BytesIO()
    standing = {}
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, (name, content) in enumerate(files.items()):
            plain = name.encode(encoding)
            written = name
            if encoding != "utf-8":
                # The library writes cp437 or flags UTF-8: a stand-in of the same length is replaced below.
                written = f"{at:04}".ljust(len(plain), "_")
                standing[written.encode()] = plain
            archive.writestr(zipfile.ZipInfo(written, DATED), content, zipfile.ZIP_DEFLATED)
    made = octets.getvalue()
    for stand_in, plain in standing.items():
        assert len(stand_in) == len(plain)
        made = made.replace(stand_in, plain)
    path.write_bytes(made)
    return hashlib.sha256(made).hexdigest()
