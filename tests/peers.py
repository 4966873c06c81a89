"""Independent programs and files that tests check us against.

A peer that is absent skips its test and says so; with `REQUIRE_PEERS=1` its
absence fails the test, so that a machine meant to have all of them cannot pass
by having none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def need(program: str) -> str:
    """Return the path of `program`, or skip (fail under `REQUIRE_PEERS=1`) when it is not installed."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        absent(f"peer {program!r} is not installed")
    return found


def corpus() -> Path:
    """Return the folder of foreign evidence named by `KOKUIN_CORPUS`, or skip.

    The corpus holds third parties' files under their own licences and is no
    part of the repository, so its absence never fails.
    """
    folder = os.environ.get("KOKUIN_CORPUS")
    if not folder:
        pytest.skip("KOKUIN_CORPUS is not set: foreign evidence is not tried")
    return Path(folder)


def liboqs() -> Path:
    """Return the shared library named by `KOKUIN_LIBOQS`, or skip.

    No distribution that we know of has a package of it, so its absence never fails.
    """
    library = os.environ.get("KOKUIN_LIBOQS")
    if not library:
        pytest.skip("KOKUIN_LIBOQS is not set: signing with liboqs is not tried")
    return Path(library)


def openssl_with_ml_dsa() -> str:
    """Return the OpenSSL from 3.5 on that `KOKUIN_OPENSSL` names or that is installed, or skip.

    Older distributions have none, so its absence never fails; `make interop` fetches one.
    """
    program = os.environ.get("KOKUIN_OPENSSL") or need("openssl")
    said = subprocess.run([program, "version"], check=True, capture_output=True, text=True).stdout
    version = re.match(r"OpenSSL (\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < (3, 5):
        pytest.skip(f"{said.strip()} knows no ML-DSA, and KOKUIN_OPENSSL names no other")
    return program


def absent(reason: str) -> NoReturn:
    """Skip because of a missing peer, or fail where peers are required."""
    if os.environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
