"""What `tsa verify` says of a foreign program's token."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from conformance.interop.checks import SECONDS
from tests.service.running import TSA

if TYPE_CHECKING:
    from pathlib import Path


def judge_answer(path: Path, root: Path, content: bytes) -> None:
    """Verify a TimeStampResp or a token; refuse it when damaged or with another content.

    Raises:
        AssertionError: our verdict is not as it should be.
    """
    data, other = path.with_suffix(".data"), path.with_suffix(".other")
    data.write_bytes(content)
    other.write_bytes(content + b".")
    good = _verdict(path, root, data)
    assert (good["exit"], good["indication"]) == (0, "PASSED"), good
    assert _verdict(path, root, other)["sub_indication"] == "HASH_FAILURE"
    octets = bytearray(path.read_bytes())
    octets[-1] ^= 1  # the signature is last
    damaged = path.with_suffix(".damaged")
    damaged.write_bytes(octets)
    bad = _verdict(damaged, root, data)
    assert (bad["exit"], bad["sub_indication"]) == (1, "SIG_CRYPTO_FAILURE"), bad


def _verdict(path: Path, root: Path, data: Path) -> dict[str, Any]:
    words = [str(word) for word in (TSA, "verify", path, "--trust", root, "--data", data, "--json")]
    done = subprocess.run(words, check=False, capture_output=True, timeout=SECONDS)
    report: dict[str, Any] = json.loads(done.stdout)
    return {**report, "exit": done.returncode}
