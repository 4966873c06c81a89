"""What lies beside a token's file."""

from __future__ import annotations

import os
from pathlib import Path

PROOF_SUFFIX = ".tlog-proof"
"""What the name of a token's proof adds to the token's."""


EVIDENCE_SUFFIX = ".er"
"""What the name of a token's evidence record adds to the token's, and that of a file's to the file's."""


def evidence_beside(token: Path | str) -> Path | None:
    """Return the file where a token's evidence record lies, when there is one."""
    beside = f"{token}{EVIDENCE_SUFFIX}"
    return Path(beside) if os.path.isfile(beside) else None  # noqa: PTH113  # Path's raises for a long name


def proof_beside(token: Path | str) -> Path | None:
    """Return the file where `tsa ledger prove` writes the token's proof, when there is one."""
    beside = f"{token}{PROOF_SUFFIX}"
    return Path(beside) if os.path.isfile(beside) else None  # noqa: PTH113  # Path's raises for a long name
