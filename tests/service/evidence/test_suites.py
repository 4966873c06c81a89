"""Evidence by units of other suites, from the service to the command that judges in 2033."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.service.operating import operate
from kokuin.wire.cms import read_signed_data
from kokuin.wire.ers import read_evidence_record
from pqc.suites import suite
from tests.service.evidence.test_served import DOCUMENT, EVIDENCE, stamp, told
from tests.service.running import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.wire.algorithms import AlgorithmIdentifier
    from tests.service.running import Prepared

PATIENCE_S = 240.0
LATER = ("--at", "2033-01-01", "--policy", "eu-ts119312")
UNIT = """
arc = 1001
tst = "{suite}"
certificate = "{suite}"
envelope = "ml-kem-768-cms"
imprints = ["sha512"]
accuracy_ms = 1000
key_days = 365
certificate_days = 4020
"""
PROFILE = """
arc = 1002
tst = "ecdsa-p256-sha256"
certificate = "ecdsa-p256-sha256"
envelope = "ml-kem-768-cms"
unit = "classical"
evidence = "long"
imprints = ["sha256", "sha512"]
accuracy_ms = 1000
key_days = 365
certificate_days = 4015
"""


def signature_algorithm(token: bytes) -> AlgorithmIdentifier:
    (signer,) = read_signed_data(token).signer_infos
    return signer.signature_algorithm


@pytest.fixture
def _at_once(at_once: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no process that signs give way to others."""
    monkeypatch.setenv("PYTHONPATH", at_once)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.timeout(2 * PATIENCE_S + 60)
@pytest.mark.parametrize("suite_id", ["slh-dsa-sha2-192s", "mldsa65-ecdsa-p256-sha512"])
def test_detached_evidence_of_another_suite_is_made_and_proves_the_token_in_2033(
    suite_id: str,
    folder_of: Callable[[str], Prepared],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    prepared = folder_of("hybrid")
    prepared.folder.profiles.mkdir(exist_ok=True)
    (prepared.folder.profiles / "long.toml").write_text(UNIT.format(suite=suite_id))
    (prepared.folder.profiles / "lasting.toml").write_text(PROFILE)
    answer = operate(prepared.folder, "profile.use", {"name": "lasting"})
    assert answer["ok"], answer
    with serving(prepared) as service:
        # A second of SLH-DSA holds up all that the process does, and a busy machine makes many of it.
        service.client.timeout = PATIENCE_S
        token, serial = stamp(service, document_digest=told(hashlib.sha512(DOCUMENT).digest()))
        deadline = time.monotonic() + PATIENCE_S
        while (evidence := service.client.get(EVIDENCE + serial)).status_code == 409:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert evidence.status_code == 200
    (archive,) = read_evidence_record(evidence.content).chains[0].stamps
    assert signature_algorithm(archive.time_stamp) == suite(suite_id).algorithm
    (tmp_path / "letter").write_bytes(DOCUMENT)
    (tmp_path / "letter.tsr").write_bytes(token)
    words = [str(tmp_path / "letter.tsr"), "--data", str(tmp_path / "letter"), *LATER]
    trust = ["--trust", str(prepared.folder.anchors), "--json"]
    assert main(["verify", *words, *trust]) == 2
    alone = json.loads(capfd.readouterr().out)
    assert alone["sub_indication"] == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    (tmp_path / "letter.tsr.er").write_bytes(evidence.content)
    assert main(["verify", *words, *trust]) == 0
    subject = json.loads(capfd.readouterr().out)["subject"]
    # Of a composite signature, the half that is ECDSA is worth nothing by then.
    worlds = [subject[name] for name in ("classical", "post_quantum", "combined")]
    assert worlds == ["INDETERMINATE", "PASSED", "PASSED"]
