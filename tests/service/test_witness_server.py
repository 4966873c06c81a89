"""`tsa ledger witness` over HTTP: what it cosigned it remembers, whatever is done to its process."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

import httpx
import pytest

from kokuin.ledger.checkpoint import read_checkpoint, verify_line
from kokuin.ledger.note import VerifierKey
from kokuin.ledger.witness_exchange import MAX_REQUEST, SIZE_TYPE, Cosigned, read_answer, request_body
from kokuin.service.errors import StartError
from kokuin.service.witness_server import open_witness
from tests.ledger.notes import ORIGIN, log
from tests.ledger.witnessing import LEAVES, request, signed
from tests.service.running import PATIENCE_S, PLAIN
from tests.service.witnesses import local_witness, witness_process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.witnesses import WitnessProcess

NAME = "witness.example/w1"
HASH = sha256(ORIGIN.encode()).hexdigest()
OTHER = [sha256(b"another").digest(), *LEAVES[1:]]


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    path = tmp_path / "log.vkey"
    path.write_text("# ours\n" + "".join(f"{key.encode()}\n" for key in log().verifier_keys()))
    return path


def cosigned(witness: WitnessProcess, body: bytes, keys: tuple[VerifierKey, ...]) -> bool:
    answer = witness.ask(body)
    offered = read_checkpoint(body.partition(b"\n\n")[2])
    read = read_answer(answer.status_code, answer.headers["content-type"], answer.content, offered, keys)
    return isinstance(read, Cosigned) and {one.key for one in read.signed} == set(keys)


def test_a_witness_killed_between_requests_never_cosigns_a_rollback(tmp_path: Path, log_file: Path) -> None:
    folder = tmp_path / "witness"
    with witness_process(folder, NAME, log_file) as witness:
        keys = tuple(map(VerifierKey.parse, (folder / "witness.vkey").read_text().splitlines()))
        assert cosigned(witness, request(0, 13), keys)
        witness.kill()
    assert {(folder / f"{suite}.pem").stat().st_mode & 0o777 for suite in ("ed25519", "ml-dsa-44")} == {0o600}
    with witness_process(folder, NAME, log_file) as witness:
        refused = witness.ask(request(0, 5))
        assert (refused.status_code, refused.content) == (409, b"13\n")
        # Exactly so: tessera and others compare the whole value, and learn no size from another.
        assert refused.headers["content-type"] == SIZE_TYPE
        assert witness.ask(request_body(13, [], signed(13, OTHER))).status_code == 422
        served = httpx.get(f"{witness.url}/{HASH}/checkpoint", timeout=PATIENCE_S, trust_env=False)
        assert all(verify_line(key, read_checkpoint(served.content)) for key in keys)
        assert cosigned(witness, request(13, 20), keys)
        witness.process.terminate()
        assert witness.process.wait(60) == 0
        assert witness.process.stdout is not None
        told = witness.process.stdout.read()
        assert all(key.encode() in told for key in keys)
        events = [event for event in witness.events() if event["event"].startswith("WITNESS_")]
    assert [(event["event"], event["origin"], event["size"]) for event in events] == [
        ("WITNESS_SPLIT_VIEW", ORIGIN, 13)
    ]
    assert [path.name for path in (folder / "log" / HASH / "evidence").iterdir()]


def test_what_is_too_long_or_no_request_is_refused(tmp_path: Path, log_file: Path) -> None:
    with (
        local_witness(tmp_path / "w", NAME, log_file) as witness,
        httpx.Client(timeout=PATIENCE_S, trust_env=False, verify=PLAIN) as client,
    ):
        answer = client.post(f"{witness.url}/add-checkpoint", content=bytes(MAX_REQUEST + 1))
        assert answer.status_code == 413
        for body in (b"", b"old 0\n\n", b"\xff" * 100):
            assert client.post(f"{witness.url}/add-checkpoint", content=body).status_code == 400
        assert client.get(f"{witness.url}/add-checkpoint").status_code == 405
        for name in (HASH, "0" * 64, "..", "%2e%2e", "ed25519.pem"):
            assert client.get(f"{witness.url}/{name}/checkpoint").status_code == 404


def test_a_disk_that_fails_is_an_answer_500_and_no_cosignature(tmp_path: Path, log_file: Path) -> None:
    with local_witness(tmp_path / "w", NAME, log_file) as witness:
        (tmp_path / "w" / "log" / HASH).write_text("no folder")
        answer = httpx.post(
            f"{witness.url}/add-checkpoint",
            content=request(0, 5),
            timeout=PATIENCE_S,
            trust_env=False,
            verify=PLAIN,
        )
        assert (answer.status_code, answer.content) == (500, b"WITNESS_FAILED\n")


def test_a_folder_is_one_witness_for_ever(tmp_path: Path, log_file: Path) -> None:
    folder = tmp_path / "w"
    opened = open_witness(folder, NAME, [log_file])
    assert open_witness(folder, NAME, [log_file]).vkeys == opened.vkeys
    with pytest.raises(StartError, match="another witness"):
        open_witness(folder, "witness.example/w2", [log_file])
    (folder / "ed25519.pem").unlink()
    with pytest.raises(StartError, match=re.escape("ed25519.pem")):
        open_witness(folder, NAME, [log_file])


@pytest.mark.parametrize("text", ["", "# nothing\n", "x+00000000+AA\n", "\xff"])
def test_a_file_that_names_no_log_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.vkey").write_text(text, encoding="latin-1")
    with pytest.raises(StartError):
        open_witness(tmp_path / "w", NAME, [tmp_path / "log.vkey"])
    with pytest.raises(StartError):
        open_witness(tmp_path / "w", NAME, [tmp_path / "absent"])
