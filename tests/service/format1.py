"""The folder of the former format that the repository keeps, and the token that it issued last."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

from kokuin.service.datafolder import DataFolder

GOLDEN = Path(__file__).parents[1] / "golden" / "format-1"
TOKEN = GOLDEN / "token.tsr"
SIZE = 307


def format1(root: Path) -> DataFolder:
    """Return a copy of the folder, as the former release left it."""
    shutil.copytree(GOLDEN / "folder", root)
    folder = DataFolder(root)
    packed = folder.ledger.with_name("ledger.db.xz")
    folder.ledger.write_bytes(lzma.decompress(packed.read_bytes()))
    packed.unlink()
    return folder
