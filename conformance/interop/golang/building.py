"""Build programs of Go from modules that `go.sum` pins."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from conformance.interop.checks import AbsentError, execute

if TYPE_CHECKING:
    from pathlib import Path


def build(module: Path, program: Path, package: str = ".") -> Path:
    """Build a package of a module, or of one that it requires.

    Args:
        module: the folder of `go.mod` and `go.sum`.
        program: where to put it.
        package: its path.

    Raises:
        AbsentError: there is no Go, or it cannot get the modules.
    """
    if shutil.which("go") is None:
        raise AbsentError("no Go here (Debian: golang)")
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    try:
        execute(["go", "mod", "download"], folder=module, environment=environment)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or [""]
        raise AbsentError(f"Go does not deliver the modules of go.sum: {reason[0]}") from None
    execute(
        ["go", "build", "-buildvcs=false", "-o", program, package], folder=module, environment=environment
    )
    return program
