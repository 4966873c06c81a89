"""Install the packages of `package-lock.json`, among them Node.js itself, and run our programs over them.

A program reads a JSON list of jobs and prints the list of answers; octets are in base64.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.interop.cache import cache
from conformance.interop.checks import AbsentError, execute

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = Path(__file__).parent
_LOCK = _HERE / "package-lock.json"


def ask(program: str, *jobs: Mapping[str, object]) -> list[Any]:
    """Give jobs to `program`.mjs and return its answers, one a job; octets go and come as `bytes`.

    Raises:
        AbsentError: npm or a package is not to be had here.
        subprocess.CalledProcessError: the program failed.
    """
    folder = _install()
    given = json.dumps(jobs, default=lambda octets: base64.b64encode(octets).decode())
    answers = json.loads(execute([_node(folder), folder / f"{program}.mjs"], given=given, folder=folder))
    return [_octets(answer) for answer in answers]


def version() -> str:
    """Return the version of OpenSSL inside the Node.js that runs here; raises as `ask`."""
    folder = _install()
    return execute([_node(folder), "-p", "process.versions.openssl"], folder=folder).strip()


def _octets(answer: Any) -> Any:
    if not isinstance(answer, dict):
        return answer
    return {name: base64.b64decode(value) for name, value in answer.items()}


@functools.cache
def _install() -> Path:
    if shutil.which("npm") is None:
        raise AbsentError("no npm here (Debian: npm)")
    # A folder of another lock holds other packages.
    folder = cache(f"npm-{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]}")
    complete = folder / "complete"
    if not complete.exists():
        for name in ("package.json", _LOCK.name):
            shutil.copy(_HERE / name, folder)
        try:
            # No package may run anything at installation: the lock's digests are all that is trusted.
            execute(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder=folder)
        except subprocess.SubprocessError:
            raise AbsentError("npm does not deliver the packages of package-lock.json") from None
        complete.touch()
    for program in _HERE.glob("*.mjs"):  # they find the packages beside themselves
        shutil.copy(program, folder)
    return folder


def _node(folder: Path) -> Path:
    found = next(folder.glob("node_modules/node-*/bin/node"), None)
    if found is None:
        raise AbsentError("npm has no Node.js for this machine in package-lock.json")
    return found
