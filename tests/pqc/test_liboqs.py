"""liboqs is used only when and as the configuration says, and never fetched."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from pqc import liboqs as module
from pqc.liboqs import LiboqsSigner
from pqc.signing import KeyMismatchError, SignerError, SignerProblem
from pqc.suites import suite
from tests.peers import liboqs
from tests.pqc.keys import key_of

if TYPE_CHECKING:
    from pqc.suites import Suite

ML_DSA = suite("ml-dsa-65")
ALARM = """#!/bin/sh
touch "$ALARM"
exit 1
"""
IMPORTING = """
from pathlib import Path
from pqc.liboqs import _surroundings
with _surroundings(Path("/nowhere/liboqs.so")):
    import oqs
"""
OPENING = """
import sys
from kokuin.service import keystore, worker
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
SoftwareSigner(suite("ml-dsa-65"), generate_key(suite("ml-dsa-65"))).sign(b"x")
print([name for name in ("oqs", "pkcs11", "pqc.liboqs", "pqc.pkcs11") if name in sys.modules])
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OQS", "PYOQS"))}
    return subprocess.run(
        words, check=False, capture_output=True, text=True, env={**inherited, **environment}
    )


def test_a_service_without_such_keys_loads_neither_library() -> None:
    done = run(OPENING)
    assert done.stdout == "[]\n", done.stderr


def test_liboqs_python_that_finds_no_library_starts_no_program(tmp_path: Path) -> None:
    """Without our precautions it would call git and cmake: here they would raise an alarm."""
    for program in ("git", "cmake"):
        path = tmp_path / program
        path.write_text(ALARM, encoding="ascii")
        path.chmod(0o755)
    alarm = tmp_path / "alarm"
    searched = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = run(IMPORTING, PATH=searched, ALARM=str(alarm), HOME=str(tmp_path))
    assert not alarm.exists()
    assert not (tmp_path / "_oqs").exists()
    assert done.stdout == "", "standard output belongs to the command"
    if done.returncode == 0:
        pytest.skip("the system has a liboqs of its own, which was found")
    assert "Cannot install liboqs version 'none'" in done.stderr


@pytest.mark.parametrize("text", [None, b"no library"], ids=["missing", "no library"])
def test_a_library_that_cannot_be_loaded_is_refused_before_anything_is_imported(
    tmp_path: Path, text: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib, "import_module", pytest.fail)
    path = tmp_path / "liboqs.so"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(SignerError) as caught:
        LiboqsSigner(ML_DSA, key_of(ML_DSA), path)
    assert caught.value.problem is SignerProblem.BACKEND_MISSING


def test_a_library_that_is_not_the_loaded_one_is_refused() -> None:
    LiboqsSigner(ML_DSA, key_of(ML_DSA), liboqs())
    other = next(
        Path(line.split()[-1]) for line in Path("/proc/self/maps").read_text().splitlines() if "libm." in line
    )
    with pytest.raises(SignerError) as caught:
        LiboqsSigner(ML_DSA, key_of(ML_DSA), other)
    assert caught.value.problem is SignerProblem.BACKEND_MISSING


def test_loading_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYOQS_VERSION", "0.16.0")
    monkeypatch.delenv("OQS_INSTALL_PATH", raising=False)
    before = dict(os.environ)
    LiboqsSigner(ML_DSA, key_of(ML_DSA), liboqs())
    assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"])
def test_an_expansion_that_is_not_of_the_keys_seed_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expand, each = module._expand, suite(name)

    def expand_another(oqs: Any, used: Suite, seed: bytes) -> tuple[bytes, bytes]:
        return expand(oqs, used, bytes((seed[0] ^ 1,)) + seed[1:])

    monkeypatch.setattr(module, "_expand", expand_another)
    with pytest.raises(KeyMismatchError):
        LiboqsSigner(each, key_of(each), liboqs())


def test_after_an_expansion_liboqs_draws_from_the_system_again() -> None:
    """Had the seed stayed its source, two keys or two hedged signatures would be alike."""
    key = key_of(ML_DSA)
    assert isinstance(key, mldsa.MLDSA65PrivateKey)
    signer = LiboqsSigner(ML_DSA, key, liboqs())
    assert signer.sign(b"x") != signer.sign(b"x")
    oqs = module._load(liboqs())
    made = {bytes(oqs.Signature("ML-DSA-65").generate_keypair()) for _ in range(2)}
    assert len(made) == 2
    assert key.public_key().public_bytes_raw() not in made
