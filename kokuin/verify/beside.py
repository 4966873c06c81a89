"""What lies beside a token's file."""

from __future__ import annotations

import os
from pathlib import Path

PROOF_SUFFIX = ".tlog-proof"
"""What the name of a token's proof adds to the token's."""


def proof_beside(token: Path | str) -> Path | None:
    """Return the file where `tsa ledger prove` writes the token's proof, when there is one."""
    beside = f"{token}{PROOF_SUFFIX}"
    return Path(beside) if os.path.isfile(beside) else None  # noqa: PTH113  # Path's raises for a long name
