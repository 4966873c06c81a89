"""Fetch EU DSS through Maven, compile our programs over it, run them.

The version stands in `pom.xml`, and one digest over all that Maven brings is pinned here. The jars are kept
in the user's cache, never in the repository.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conformance.interop.cache import cache
from conformance.interop.checks import AbsentError, execute

_HERE = Path(__file__).parent
_POM = _HERE / "pom.xml"
_DIGEST = "091bb36e06180cc159fe00bfa0354b12386fa694a88e9756968a53d93c5548b7"
"""SHA-256 over the names and SHA-256 of all jars, in the order of their names."""
_JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Our programs end after seconds: that the machine compiles little, and collects simply, halves them."""
EDDSA = "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE_NO_POE, The algorithm EdDSA with SHA512 is not authorised"
"""What it says of an intact seal with Ed25519: its policy, ETSI TS 119 312, names no EdDSA."""
NO_REPORT = "no report: Unsupported algorithm: ML-DSA-65"
"""What it says of a document with a key of that algorithm: it knows the signature, and not the key."""


@dataclass(frozen=True, slots=True)
class Dss:
    """The compiled programs of this folder, with their class path."""

    class_path: str

    def validate(self, folder: Path, *documents: str) -> list[str]:
        """Return what `Seals` prints of each document; raises `subprocess.CalledProcessError`."""
        said = execute([*_JAVA, "-cp", self.class_path, "Seals", folder, *documents])
        return [line for line in said.splitlines() if line]

    def judge_records(self, folder: Path, jobs: str) -> list[str]:
        """Return what `Records` prints of each job; raises `subprocess.CalledProcessError`."""
        said = execute([*_JAVA, "-cp", self.class_path, "Records", folder], given=jobs)
        return [line for line in said.splitlines() if line]

    def make(self, folder: Path, *orders: str) -> None:
        """Let `Makes` seal or raise documents; raises `subprocess.CalledProcessError`."""
        execute([*_JAVA, "-cp", self.class_path, "Makes", folder, *orders])


def dss(classes: Path) -> Dss:
    """Fetch what is not in the cache and compile the programs into `classes`.

    Raises:
        AbsentError: no JDK, no Maven, or jars that are not those that we know.
    """
    for program in ("java", "javac", "mvn"):
        if shutil.which(program) is None:
            raise AbsentError(f"no {program} here (Debian: default-jdk-headless maven)")
    folder = cache(f"dss-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]}")
    if not any(folder.glob("*.jar")):
        goal = ("dependency:copy-dependencies", f"-DoutputDirectory={folder}")
        try:
            execute(["mvn", "-q", "-B", "-f", _POM, *goal])
        except subprocess.SubprocessError:
            raise AbsentError("Maven does not deliver EU DSS") from None
    if digest_of(folder) != _DIGEST:
        shutil.rmtree(folder)
        raise AbsentError("what Maven delivers for EU DSS is not what was pinned")
    class_path = os.pathsep.join(map(str, sorted(folder.glob("*.jar"))))
    execute(["javac", "-cp", class_path, "-d", classes, *sorted(_HERE.glob("*.java"))])
    return Dss(os.pathsep.join((class_path, str(classes))))


def digest_of(folder: Path) -> str:
    """Return one SHA-256 for all jars of a folder."""
    jars = sorted(folder.glob("*.jar"))
    lines = [f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n" for jar in jars]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
