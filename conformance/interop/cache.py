"""Where foreign programs lie between two runs: the user's cache, never the repository."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from conformance.interop.checks import AbsentError


def cache(name: str) -> Path:
    """Return the folder of that name, made when it is not there."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "kokuin" / "interop" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_sum(path: Path, sha256: str) -> None:
    """Compare a file with what we know.

    Raises:
        AbsentError: it is another.
    """
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise AbsentError(f"{path} is not the file that we know: its SHA-256 is another")
