"""Fetch Bouncy Castle through Maven, compile our programs over it, run them.

The jars are pinned by version and SHA-256 and kept in the user's cache, never in the repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conformance.interop.cache import cache, check_sum
from conformance.interop.checks import AbsentError, execute

VERSION = "1.86"
JARS = {
    "bcprov-jdk18on": "2af190b300cbb0b35e248ccf5f4a06b6072030aeb3da7a98ec73abe5b4cb371f",
    "bcutil-jdk18on": "1c268e15f785aafb1e4670d8d6e5f856f69475e96c162dadcd1ff9b350e9139f",
    "bcpkix-jdk18on": "8d8b41a4b149bdae8d331f059a578870954d1e3ff29f8269a9eb3ee19a7e4ef7",
}


@dataclass(frozen=True, slots=True)
class BouncyCastle:
    """Compiled programs of this folder, with their class path."""

    class_path: str

    def run(self, program: str, *words: str | Path, given: str | None = None) -> str:
        """Run the class `program` with `given` as its standard input; return what it prints.

        Raises:
            subprocess.CalledProcessError: it refused; its reason is in `stderr`.
        """
        return execute(["java", "-cp", self.class_path, program, *words], given=given)


def bouncy_castle(classes: Path) -> BouncyCastle:
    """Fetch what is not in the cache and compile every program of this folder into `classes`.

    Raises:
        AbsentError: no JDK, no Maven, or a jar that is not the one we know.
    """
    for program in ("java", "javac", "mvn"):
        if shutil.which(program) is None:
            raise AbsentError(f"no {program} here (Debian: default-jdk-headless maven)")
    folder = cache(f"bouncycastle-{VERSION}")
    jars = [_jar(folder, name, checksum) for name, checksum in JARS.items()]
    class_path = os.pathsep.join(map(str, jars))
    sources = sorted(Path(__file__).parent.glob("*.java"))
    execute(["javac", "-Xlint:all", "-Werror", "-cp", class_path, "-d", classes, *sources])
    return BouncyCastle(os.pathsep.join((class_path, str(classes))))


def _jar(folder: Path, name: str, checksum: str) -> Path:
    path = folder / f"{name}-{VERSION}.jar"
    if not path.exists():
        artefact = f"org.bouncycastle:{name}:{VERSION}"
        words = [
            "mvn",
            "-q",
            "-B",
            "dependency:copy",
            f"-Dartifact={artefact}",
            f"-DoutputDirectory={folder}",
        ]
        try:
            execute(words)
        except subprocess.SubprocessError:
            raise AbsentError(f"Maven does not deliver {artefact}") from None
    check_sum(path, checksum)
    return path
