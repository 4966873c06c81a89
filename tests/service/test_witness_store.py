from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.witness import Inconsistency
from kokuin.service.witness_store import MAX_EVIDENCE, WitnessFolder
from tests.ledger.notes import NOW, ORIGIN
from tests.ledger.witnessing import LEAVES, request, signed, witness_of

if TYPE_CHECKING:
    from pathlib import Path

HASH = sha256(ORIGIN.encode()).hexdigest()

# Reads, waits and writes: without the lock nearly every other step is lost.
COUNTER = """
import sys, time
from pathlib import Path
from kokuin.service.witness_store import WitnessFolder

store, name = WitnessFolder(Path(sys.argv[1])), sys.argv[2]
for _ in range(25):
    with store.exclusive(name):
        count = int(store.read(name) or 0)
        time.sleep(0.001)
        store.write(name, b"%d" % (count + 1))
"""


def test_a_witness_goes_on_from_its_folder_after_a_restart(tmp_path: Path) -> None:
    assert witness_of(WitnessFolder(tmp_path)).add_checkpoint(request(0, 5), NOW).status == 200
    again = witness_of(WitnessFolder(tmp_path))
    assert again.add_checkpoint(request(0, 13), NOW).body == b"5\n"
    assert again.add_checkpoint(request(5, 13), NOW).status == 200
    assert again.checkpoint(HASH) == (tmp_path / HASH / "checkpoint").read_bytes()


def test_processes_and_threads_exclude_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COUNTER, str(tmp_path), HASH]
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(subprocess.run, command, check=True, timeout=100) for _ in range(3)]
        store = WitnessFolder(tmp_path)
        for _ in range(25):
            with store.exclusive(HASH):
                store.write(HASH, b"%d" % (int(store.read(HASH) or 0) + 1))
        for run in runs:
            run.result()
    assert store.read(HASH) == b"100"


def test_evidence_of_a_split_view_lies_in_a_file_that_names_it(tmp_path: Path) -> None:
    witness = witness_of(WitnessFolder(tmp_path))
    witness.add_checkpoint(request(0, 5), NOW)
    other = [sha256(b"another").digest(), *LEAVES[1:]]
    assert witness.add_checkpoint(request(5, 5, other), NOW).finding is Inconsistency.SPLIT_VIEW
    (file,) = (tmp_path / HASH / "evidence").iterdir()
    assert file.name.startswith("WITNESS_SPLIT_VIEW-5-")
    assert file.read_bytes().endswith(b"\n\n" + (tmp_path / HASH / "checkpoint").read_bytes())
    assert signed(5, other).partition(b"\n\n")[0] in file.read_bytes()


def test_evidence_is_bounded_and_one_kind_does_not_crowd_out_another(tmp_path: Path) -> None:
    store = WitnessFolder(tmp_path)
    with store.exclusive(HASH):
        for number in range(MAX_EVIDENCE + 5):
            store.keep_evidence(HASH, Inconsistency.UNPROVEN, str(number), b"%d" % number)
        store.keep_evidence(HASH, Inconsistency.UNPROVEN, "0", b"changed")
        store.keep_evidence(HASH, Inconsistency.SPLIT_VIEW, "0", b"two roots")
    folder = tmp_path / HASH / "evidence"
    assert len(list(folder.iterdir())) == MAX_EVIDENCE + 1
    assert (folder / "WITNESS_UNPROVEN-0").read_bytes() == b"0"
    assert (folder / "WITNESS_SPLIT_VIEW-0").read_bytes() == b"two roots"


def test_a_write_that_fails_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = WitnessFolder(tmp_path)
    witness = witness_of(store)
    witness.add_checkpoint(request(0, 5), NOW)
    before = store.read(HASH)

    def fail(_beside: Path, _path: Path) -> None:
        raise OSError("no rename")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="no rename"):
        witness.add_checkpoint(request(5, 13), NOW)
    monkeypatch.undo()
    assert store.read(HASH) == before
    assert {path.name for path in (tmp_path / HASH).iterdir()} == {"checkpoint", ".lock"}
    assert witness.add_checkpoint(request(5, 13), NOW).status == 200


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        WitnessFolder(tmp_path / "absent")
