"""CMS seals as other programs read them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from eseal.cades_create import create
from tests.eseal.pki import CLASSICAL, ED25519, NOW_US, seal_key, seal_pki
from tests.eseal.sealed_data import Data
from tests.peers import need

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"what is sealed\n"
KNOWN = tuple(each for each in CLASSICAL if each != ED25519)
"""OpenSSL before 3.2 verifies no Ed25519 with signed attributes."""


@pytest.mark.parametrize("suite_id", KNOWN)
@pytest.mark.parametrize("place", ["beside", "inside"])
def test_openssl_verifies_a_seal_and_its_binding(suite_id: str, place: str, tmp_path: Path) -> None:
    program = need("openssl")
    sealed = create(Data(DATA), (seal_key(suite_id),), NOW_US, enveloping=place == "inside")
    (tmp_path / "seal.p7s").write_bytes(sealed)
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "root.pem").write_bytes(seal_pki().root_pem)
    asked = [program, "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "seal.p7s"]
    trusted = ["-CAfile", "root.pem", "-purpose", "any", "-out", "out"]
    beside = ["-content", "data"] if place == "beside" else []
    done = subprocess.run(
        [*asked, *trusted, *beside], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == DATA
