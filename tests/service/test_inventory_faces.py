"""`tsa inventory` and `GET /api/v1/inventory`, beside a running service and without one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.service.config import load_config
from kokuin.service.migration import desk
from kokuin.service.migration.desk import InventoryDesk
from tests.service.asking import query
from tests.service.inventories import schema_errors
from tests.service.running import TSA, Service, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from tests.service.running import Prepared


def _get(service: Service, path: str = "/api/v1/inventory") -> httpx.Response:
    return service.client.get(path, headers={"Authorization": f"Bearer {service.operator_key}"})


@pytest.mark.parametrize("service", ["single", "double"], indirect=True)
def test_a_running_service_tells_what_it_uses(service: Service) -> None:
    assert service.post(query()).status_code == 200
    answer = _get(service)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["default"] == "classical"
    assert found["tokens"]["tokens"] >= 1
    assert found["tokens"]["groups"][0]["suites"] == ["ecdsa-p256-sha256"]
    (key,) = (each for each in found["assets"] if each["id"] == "key:unit-classical")
    assert key["state"] == "in-use"
    assert key["until"] is not None
    assert key["tokens"] == found["tokens"]["tokens"]
    assert found["as_of"].endswith("Z")


def test_a_policy_and_years_can_be_asked_for(single: Service) -> None:
    found = _get(single, "/api/v1/inventory?policy=us&years=20").json()
    assert [each["name"] for each in found["policies"]] == ["us"]
    assert found["years_needed"] == 20
    suite = next(each for each in found["assets"] if each["id"] == "suite:ecdsa-p256-sha256")
    assert suite["decided_by"] == "us"
    assert suite["urgency"] == pytest.approx(20 - suite["years_left"], abs=0.011)


def test_the_cbom_over_http_is_valid(single: Service) -> None:
    answer = _get(single, "/api/v1/inventory?format=cbom")
    assert answer.headers["content-type"] == "application/vnd.cyclonedx+json"
    assert schema_errors(answer.text) is None


def test_nobody_without_the_operator_key_is_told(single: Service) -> None:
    assert single.client.get("/api/v1/inventory").status_code == 401
    wrong = single.client.get("/api/v1/inventory", headers={"Authorization": "Bearer no"})
    assert wrong.status_code == 401
    assert wrong.json()["code"] == "CREDENTIAL_WRONG"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("policy=/etc/passwd", 404, "POLICY_UNKNOWN"),
        ("policy=", 404, "POLICY_UNKNOWN"),
        ("years=0", 422, "REQUEST_INVALID"),
        ("years=nan", 422, "REQUEST_INVALID"),
        ("years=1e99", 422, "REQUEST_INVALID"),
        ("format=xml", 422, "REQUEST_INVALID"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_and_no_file_is_named(
    single: Service, path: str, status: int, code: str
) -> None:
    answer = _get(single, f"/api/v1/inventory?{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "passwd" not in answer.text


@pytest.fixture
def unniced(at_once: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children of this process give way to nobody."""
    monkeypatch.setenv("PYTHONPATH", at_once)


@pytest.mark.usefixtures("unniced")
def test_two_at_once_are_not_taken_and_the_next_is(folder_of: Callable[[str], Prepared]) -> None:
    folder = folder_of("classical").folder
    taking = InventoryDesk(folder, load_config(folder.root, {}))

    async def both() -> list[dict[str, object]]:
        return list(await asyncio.gather(taking.take("json"), taking.take("json")))

    first, second = asyncio.run(both())
    assert first["ok"]
    assert second == {"ok": False, "code": "INVENTORY_BUSY"}
    assert asyncio.run(taking.take("cbom"))["ok"]


@pytest.mark.usefixtures("unniced")
def test_a_child_that_takes_too_long_is_ended(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("classical").folder
    monkeypatch.setattr(desk, "CHILD_SECONDS", 0.0)
    taking = InventoryDesk(folder, load_config(folder.root, {}))
    assert asyncio.run(taking.take("json")) == {"ok": False, "code": "INVENTORY_TOO_LONG"}


@pytest.mark.usefixtures("unniced")
def test_a_ledger_that_cannot_be_read_is_a_problem(folder_of: Callable[[str], Prepared]) -> None:
    folder = folder_of("classical").folder
    taking = InventoryDesk(folder, load_config(folder.root, {}))
    folder.ledger.write_bytes(b"no database")
    answer = asyncio.run(taking.take("json"))
    assert (answer["ok"], answer["code"]) == (False, "INVENTORY_FAILED")


def test_stamping_goes_on_while_the_inventory_is_taken(single: Service) -> None:
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(_get(single).status_code))
    asking.start()
    stamped = [single.post(query()).status_code for _ in range(50)]
    asking.join(60)
    assert answers == [200]
    assert stamped == [200] * 50


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> Path:
    return folder_of("classical").folder.root


def test_the_command_reads_beside_the_service_and_says_what_it_says(
    folder_of: Callable[[str], Prepared], at_once: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(folder_of("classical"), {"PYTHONPATH": at_once}) as service:
        service.post(query())
        over_http = _get(service).json()
        assert main(["inventory", "--dir", str(service.folder.root), "--json"]) == 0
        from_files = json.loads(capsys.readouterr().out)
    assert from_files["cfg"] == over_http["cfg"]
    assert from_files["tokens"]["groups"] == over_http["tokens"]["groups"]
    assert [each["id"] for each in from_files["assets"]] == [each["id"] for each in over_http["assets"]]


@pytest.mark.parametrize(("lang", "word"), [("en", "in use"), ("ja", "使用中")])
def test_the_command_writes_table_cbom_and_roadmap(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], lang: str, word: str
) -> None:
    cbom, plan = tmp_path / "cbom.json", tmp_path / "plan.md"
    words = ["--dir", str(folder), "--cbom", str(cbom), "--roadmap", str(plan), "--lang", lang]
    assert main(["inventory", *words]) == 0
    out = capsys.readouterr().out
    assert word in out
    assert "ecdsa-p256-sha256" in out
    assert str(cbom) in out
    assert schema_errors(cbom.read_text(encoding="utf-8")) is None
    assert plan.read_text(encoding="utf-8").startswith("# ")


def test_a_terminal_of_cp932_survives(folder: Path) -> None:
    for lang in ("en", "ja"):
        run = subprocess.run(
            [str(TSA), "inventory", "--dir", str(folder), "--lang", lang],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "cp932"},
        )
        assert run.returncode == 0, run.stderr
        assert "ecdsa-p256-sha256" in run.stdout.decode("cp932")


@pytest.mark.parametrize(
    "words",
    [
        ["--dir", "/no/such/folder"],
        ["--policy", "no-such-policy"],
        ["--years", "0"],
        ["--years", "nan"],
        ["--cbom", "/no/such/folder/cbom.json"],
    ],
)
def test_wrong_use_ends_with_a_sentence_and_no_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    try:
        code = main(["inventory", "--dir", str(folder), *words])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 3
    err = capsys.readouterr().err
    assert err
    assert "Traceback" not in err


def test_the_folder_is_only_read(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert main(["inventory", "--dir", str(folder), "--json"]) == 0
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    assert {path.name for path in after.keys() - before.keys()} <= {"ledger.db-wal", "ledger.db-shm"}


def test_retention_is_the_configuration_s(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "config.toml"
    config.write_text("retention_years = 25\n" + config.read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["inventory", "--dir", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["years_needed"] == 25
