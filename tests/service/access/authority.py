"""A small certification authority by the OpenSSL command line: servers and clients for TLS."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.peers import need

if TYPE_CHECKING:
    from pathlib import Path

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority in a folder of its own."""

    folder: Path

    @property
    def root(self) -> Path:
        """Its own certificate."""
        return self.folder / "root.pem"

    def issue(self, name: str, *extensions: str, days: int = 2, start: str = "") -> Issued:
        """Issue a certificate; `start` (YYYYMMDDHHMMSSZ) makes one that ended a day later."""
        request, key, made = (self.folder / f"{name}.{end}" for end in ("csr", "key", "pem"))
        openssl("req", "-new", *_CURVE, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        file = self.folder / f"{name}.ext"
        file.write_text("\n".join(extensions) + "\n")
        if start:
            self._backdated(request, made, file, start)
        else:
            signer = ("-CA", self.root, "-CAkey", self.folder / "root.key", "-CAcreateserial")
            openssl("x509", "-req", "-in", request, *signer, "-days", days, "-extfile", file, "-out", made)
        key.chmod(0o600)
        return Issued(made, key)

    def _backdated(self, request: Path, made: Path, file: Path, start: str) -> None:
        config = self.folder / "ca.cnf"
        (self.folder / "index.txt").touch()
        config.write_text(
            f"[ca]\ndefault_ca=c\n[c]\ndatabase={self.folder}/index.txt\nnew_certs_dir={self.folder}\n"
            "rand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
        )
        end = f"{start[:6]}{int(start[6:8]) + 1:02}{start[8:]}"
        signer = ("-cert", self.root, "-keyfile", self.folder / "root.key", "-notext", "-batch")
        moments = ("-startdate", start, "-enddate", end)
        openssl("ca", "-config", config, "-in", request, "-out", made, *signer, *moments, "-extfile", file)


def authority(folder: Path, name: str = "authority") -> Authority:
    """Make an authority."""
    folder.mkdir()
    made = Authority(folder)
    words = ("-x509", "-days", "3", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-new", *words, *_CURVE, "-keyout", folder / "root.key", "-out", made.root)
    return made


def openssl(*words: object) -> str:
    """Run the OpenSSL command line."""
    run = [need("openssl"), *map(str, words)]
    done = subprocess.run(run, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (run, done.stderr)
    return done.stdout
