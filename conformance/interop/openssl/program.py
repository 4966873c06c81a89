"""Find OpenSSL: `openssl` of this machine, and one from 3.5 on, fetched from Debian when nobody names one.

The packages are pinned by version and SHA-256, unpacked into the user's cache and run there with their
own libraries; nothing is installed. The machine's apt is asked with a configuration of its own, which
reads and writes nothing of the system but the archive's key and the mirror's address.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conformance.interop.cache import cache, check_sum
from conformance.interop.checks import AbsentError, execute

VARIABLE = "KOKUIN_OPENSSL"
"""Environment variable with the path of an OpenSSL from 3.5 on."""

PACKAGES = {
    "openssl": ("3.6.5-1", "6f79a040c684879a5ea444ad215616247d26ce2ee068d9c463f00597fdcd6a3d"),
    "libssl3t64": ("3.6.5-1", "0a0ec84fe860c5c93c74d53cbb071aea0793327a3761b483080e9d7b73c21b37"),
    # The libraries that it needs, of an older suite, which changes less.
    "libc6": ("2.41-12+deb13u4", "967aa62605721081c3eb2a17650611a792aa802d76a6511d1840242623d204c9"),
    "libzstd1": ("1.5.7+dfsg-1", "2f6a2aeacfc925eba8b00ac9139bc4bfccf8cacb09eb93de067074b26948eef9"),
    "zlib1g": (
        "1:1.3.dfsg+really1.3.1-1+b1",
        "015be740d6236ad114582dea500c1d907f29e16d6db00566ca32fb68d71ac90d",
    ),
}
"""For amd64, from the suites `trixie` and `sid`."""

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_CONFIGURATION = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
"""
_SCRIPT = """\
#!/bin/sh
here=$(dirname "$0")
libraries=$here/root/usr/lib/x86_64-linux-gnu
OPENSSL_CONF=$here/root/etc/ssl/openssl.cnf
export OPENSSL_CONF
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$here/root/usr/bin/openssl" "$@"
"""


@dataclass(frozen=True, slots=True)
class OpenSSL:
    """A program with its version, the first two numbers."""

    path: Path
    version: tuple[int, int]

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it, and leave it to the caller what its exit code means."""
        command = [str(word) for word in (self.path, *words)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    def do(self, *words: str | Path) -> None:
        """Run what must succeed.

        Raises:
            subprocess.CalledProcessError: it did not.
        """
        execute([self.path, *words])


def of_this_machine() -> OpenSSL:
    """Return the `openssl` on the path; raises `AbsentError`."""
    found = shutil.which("openssl")
    if found is None:
        raise AbsentError("no openssl here")
    return _open(Path(found))


def post_quantum() -> OpenSSL:
    """Return an OpenSSL from 3.5 on; raises `AbsentError`."""
    named = os.environ.get(VARIABLE)
    program = _open(Path(named) if named else _from_debian())
    if program.version < (3, 5):
        raise AbsentError(f"{program.path} is OpenSSL {program.version}: it knows no ML-DSA before 3.5")
    return program


def _open(path: Path) -> OpenSSL:
    try:
        said = execute([path, "version"])
    except (OSError, subprocess.SubprocessError) as error:
        raise AbsentError(f"{path} does not run: {error}") from None
    version = re.match(r"OpenSSL (\d+)\.(\d+)", said)
    if version is None:
        raise AbsentError(f"{path} is {said.strip()}")
    return OpenSSL(path, (int(version[1]), int(version[2])))


def _from_debian() -> Path:
    machine = (os.uname().sysname, os.uname().machine)
    if machine != ("Linux", "x86_64") or not _KEYRING.exists() or shutil.which("apt-get") is None:
        raise AbsentError(f"{VARIABLE} names no OpenSSL, and this machine is no Debian on amd64")
    folder = cache(f"openssl-{PACKAGES['openssl'][0]}")
    script = folder / "openssl"
    if not script.exists():
        for package in _download(folder):
            execute(["dpkg-deb", "--extract", package, folder / "root"])
        shutil.rmtree(folder / "apt")
        script.write_text(_SCRIPT)
        script.chmod(0o755)
    return script


def _download(folder: Path) -> list[Path]:
    apt = folder / "apt"
    shutil.rmtree(apt, ignore_errors=True)  # what was cut short before
    for name in ("state/lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    (apt / "apt.conf").write_text(_CONFIGURATION.format(folder=apt))
    lines = (f"deb [signed-by={_KEYRING}] {_mirror()} {suite} main\n" for suite in ("trixie", "sid"))
    (apt / "sources.list").write_text("".join(lines))
    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf")}
    wanted = [f"{name}={version}" for name, (version, _) in PACKAGES.items()]
    try:
        execute(["apt-get", "-qq", "update"], environment=environment)
        execute(["apt-get", "-qq", "download", *wanted], folder=apt, environment=environment)
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
        raise AbsentError(f"Debian does not deliver it; {VARIABLE} may name another: {said}") from None
    found = []
    for name, (_, checksum) in PACKAGES.items():
        (path,) = apt.glob(f"{name}_*.deb")
        check_sum(path, checksum)
        found.append(path)
    return found


def _mirror() -> str:
    """The Debian mirror that this machine's apt uses."""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
    lines = execute(words).split()
    if not lines:
        raise AbsentError(f"{VARIABLE} names no OpenSSL, and apt knows no Debian mirror")
    return lines[0]
