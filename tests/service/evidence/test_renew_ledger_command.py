"""`tsa renew --ledger` as an operator meets it, beside a service and without one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.folder_locks import held
from kokuin.cli.main import main
from kokuin.service.config import load_config
from kokuin.service.evidence.records import EvidenceRecords
from tests.service.asking import imprint, query, serial_of
from tests.service.evidence.embedded import embedding_folder
from tests.service.evidence.evidencing import see_all
from tests.service.running import PATIENCE_S, TSA, leaves, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared, Service

SOON = ("--within", "36500")


@pytest.fixture
def prepared(folder_of: Callable[[str], Prepared]) -> Prepared:
    return folder_of("hybrid")


@pytest.fixture
def tsa(prepared: Prepared, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run `tsa renew --ledger WORDS` on the folder; return exit code and output."""

    def run(*words: str, lang: str = "en") -> tuple[int, str]:
        code = main(["renew", "--ledger", *words, "--lang", lang, "--dir", str(prepared.folder.root)])
        return code, capsys.readouterr().out

    return run


def stamp(service: Service, profile: str = "") -> str:
    answer = service.post(query(message_imprint=imprint("sha256", os.urandom(32))), f"/tsa{profile}")
    return serial_of(answer.content)


def covered(service: Service) -> None:
    """Wait until all that is owed is stamped, in however many batches."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = service.leaves()
        stamped = [leaf["count"] for leaf in found if leaf["kind"] == "evidence.stamped"]
        if sum(stamped) == sum(leaf["kind"] == "tst.issued" and "evidence" in leaf for leaf in found) > 0:
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def act(prepared: Prepared, *words: str) -> None:
    assert main([*words, "--dir", str(prepared.folder.root)]) == 0


def stamps_of(folder: DataFolder, serial: str) -> int:
    return len(see_all(EvidenceRecords(folder, load_config(folder.root)).record(serial, lambda _: True)))


def kinds(folder: DataFolder) -> list[str]:
    return [leaf["kind"] for leaf in leaves(folder) if leaf["kind"].startswith("evidence.")]


def test_the_folder_that_it_writes_into_is_not_renewed_meanwhile(
    prepared: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["renew", "--ledger", "--dir", str(prepared.folder.root), "--out", str(tmp_path / "out/a")]
    (tmp_path / "out").mkdir()
    with held([tmp_path / "out"]):
        assert main(words) == 3
        assert "another renewal is at work" in capsys.readouterr().err
    (tmp_path / "file").write_bytes(b"")
    assert main([*words[:-1], str(tmp_path / "file")]) == 3
    assert capsys.readouterr().err.startswith("tsa renew: ")


def test_beside_a_service_it_is_planned_renewed_and_given_to_clients(
    prepared: Prepared, tsa: Callable[..., tuple[int, str]]
) -> None:
    with serving(prepared) as service:
        one = stamp(service)
        covered(service)
        act(prepared, "profile", "use", "classical")
        two = stamp(service, "/classical")
        act(prepared, "keys", "rotate", "evidence")
        size = len(service.leaves())
        code, printed = tsa("--plan", *SOON)
        assert code == 0
        assert "1 tokens without evidence hold until 20" in printed
        assert "1 batches of evidence hold until 20" in printed
        assert "takes 2 signatures" in printed
        assert len(service.leaves()) == size, "a plan does nothing"
        code, printed = tsa(*SOON)
        assert code == 0
        assert "2 archive time-stamps: 1 tokens have evidence now, 1 batches were covered anew" in printed
        code, printed = tsa(*SOON, "--json")
        assert json.loads(printed)["done"]["stamps"] == 0
        for serial, stamps in ((one, 2), (two, 1)):
            answer = service.client.get(f"/api/v1/evidence/{serial}")
            assert len(see_all(answer.content)) == stamps


def test_without_a_service_the_command_owns_the_folder_and_writes_files_that_verify(
    prepared: Prepared, tsa: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    with serving(prepared) as service:
        serial = stamp(service)
        covered(service)
    act(prepared, "keys", "rotate", "evidence")
    code, printed = tsa(*SOON, "--out", str(tmp_path / "out"), lang="ja")
    assert code == 0
    assert "アーカイブタイムスタンプ 1 個" in printed
    assert stamps_of(prepared.folder, serial) == 2
    token = tmp_path / "out" / f"{serial}.tsr"
    trust = ["--trust", str(prepared.folder.anchors)]
    judging = ["--at", "2033-01-01", "--policy", "eu-ts119312"]
    assert main(["verify", str(token), *trust, *judging]) == 0
    (tmp_path / "out" / f"{serial}.tsr.er").unlink()
    assert main(["verify", str(token), *trust, *judging]) == 2
    code, printed = tsa(*SOON, "--plan")
    assert "first give the unit a newer key" in printed


def test_tokens_that_carry_their_evidence_are_named_and_written_with_it(
    folder_of: Callable[[str], Prepared], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = embedding_folder(folder_of)
    with serving(prepared) as service:
        serial = stamp(service)
    words = ["renew", "--ledger", *SOON, "--lang", "en", "--dir", str(prepared.folder.root)]
    assert main([*words, "--plan"]) == 0
    assert "1 tokens carry their evidence in them" in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert kinds(prepared.folder) == [], "nobody owed it a batch"
    trust = ["--trust", str(prepared.folder.anchors)]
    judging = ["--at", "2033-01-01", "--policy", "eu-ts119312"]
    assert main(["verify", str(tmp_path / "out" / f"{serial}.tsr"), *trust, *judging]) == 0


def test_a_ledger_that_does_not_hold_what_was_stamped_is_named_where_its_files_are_written(
    folder_of: Callable[[str], Prepared], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = embedding_folder(folder_of)
    with serving(prepared) as service:
        stamp(service)
    with contextlib.closing(sqlite3.connect(prepared.folder.ledger)) as damaged, damaged:
        for (name,) in damaged.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            damaged.execute(f"DROP TRIGGER {name}")
        damaged.execute(
            "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), ?, ?) AS BLOB)"
            " WHERE instr(CAST(leaf AS TEXT), 'embedded')",
            ('"tok512":"', '"tok512":"00'),
        )
    words = ["renew", "--ledger", *SOON, "--lang", "en", "--dir", str(prepared.folder.root)]
    assert main([*words, "--out", str(tmp_path / "out")]) == 3
    assert "EVIDENCE_DAMAGED" in capsys.readouterr().err


def test_a_period_and_files_are_not_mixed(
    prepared: Prepared, tsa: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    assert tsa("--plan")[1].startswith("no tokens and no evidence")
    assert tsa("--plan", str(tmp_path))[0] == 3
    assert tsa("--plan", "--from", "2030-01-01", "--to", "2029-01-01")[0] == 3
    assert main(["renew", "--ledger", "--dir", str(tmp_path)]) == 3


def test_the_command_may_be_killed_at_any_moment_and_is_gone_on_with(
    prepared: Prepared, tsa: Callable[..., tuple[int, str]]
) -> None:
    """Each token and each batch is covered once, however often it is killed."""
    with serving(prepared) as service:
        serials = [stamp(service) for _ in range(3)]
        covered(service)
    act(prepared, "keys", "rotate", "evidence")
    act(prepared, "profile", "use", "classical")
    with serving(prepared) as service:
        serials += [stamp(service, "/classical") for _ in range(3)]
    words = [str(TSA), "renew", "--ledger", *SOON, "--dir", str(prepared.folder.root)]
    for seconds in (0.4, 0.8, 1.2, 1.6, 2.0):
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )  # our own program
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert tsa(*SOON)[0] == 0
    batches = kinds(prepared.folder).count("evidence.stamped")
    renewed = [leaf for leaf in leaves(prepared.folder) if leaf["kind"] == "evidence.renewed"]
    assert sum(leaf["count"] for leaf in renewed) == batches
    assert kinds(prepared.folder).count("evidence.added") == 1
    assert [stamps_of(prepared.folder, serial) for serial in serials] == [2, 2, 2, 1, 1, 1]
