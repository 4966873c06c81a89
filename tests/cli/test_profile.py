"""`tsa profile` as an operator meets it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.service.datafolder import FolderLock
from tests.service.running import leaves, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.running import Prepared

ACTS = ("list", "show", "use", "disable", "rollback", "unschedule")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSA_LANG", "en")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("profile") / "data", "classical")


@pytest.fixture
def prepared(template: Prepared, tmp_path: Path) -> Prepared:
    return template.copy(tmp_path / "data")


@pytest.fixture
def tsa(prepared: Prepared, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run `tsa profile WORDS` on the folder; return exit code and output."""

    def run(*words: str) -> tuple[int, str]:
        code = main(["profile", *words, "--dir", str(prepared.folder.root)])
        printed = capsys.readouterr()
        return code, printed.out or printed.err

    return run


def test_without_a_service_the_command_owns_the_folder_for_a_moment(
    prepared: Prepared, tsa: Callable[..., tuple[int, str]]
) -> None:
    code, printed = tsa("use", "pq")
    assert code == 0
    assert "In force: default pq, on: classical, pq" in printed
    assert [leaf["kind"] for leaf in leaves(prepared.folder)][-2:] == ["cfg.activated", "service.stopped"]
    # The lock is free again.
    code, printed = tsa("rollback")
    assert code == 0
    assert "In force: default classical, on: classical " in printed


def test_reading_writes_nothing(prepared: Prepared, tsa: Callable[..., tuple[int, str]]) -> None:
    for words in (("list",), ("show", "pq"), ("list", "--json")):
        code, printed = tsa(*words)
        assert code == 0
        assert "pq" in printed
    assert leaves(prepared.folder) == []
    assert not prepared.folder.active.exists()


def test_a_running_service_is_asked_and_goes_on(
    prepared: Prepared, tsa: Callable[..., tuple[int, str]]
) -> None:
    with serving(prepared) as service:
        code, printed = tsa("use", "pq", "--json")
        assert (code, json.loads(printed)["default"]) == (0, "pq")
        code, printed = tsa("list")
        lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines()}
        assert lines["pq"] == ["default", "1.3.6.1.4.1.32473.3", "ml-dsa-65"]
        assert lines["classical"][0] == "on"
        assert lines["bundle"] == ["off", "1.3.6.1.4.1.32473.4", "ecdsa-p256-sha256", "+", "ml-dsa-65"]
        code, printed = tsa("disable", "pq")
        assert code == 1
        assert "Nothing was changed: SWITCH_BLOCKED" in printed
        assert "PROFILE_IS_DEFAULT pq: use another profile first" in printed
        assert service.stop() == 0


def test_both_languages_say_what_is_in_force_and_what_stands_against_it(
    tsa: Callable[..., tuple[int, str]],
) -> None:
    code, printed = tsa("use", "nonsense", "--lang", "ja")
    assert code == 1
    assert "何も変更していません" in printed
    assert "PROFILE_UNFIT nonsense" in printed
    code, printed = tsa("use", "pq", "--lang", "ja")
    assert code == 0
    assert "適用中: 既定 pq、有効: classical, pq" in printed
    code, printed = tsa("list", "--lang", "ja")
    assert "既定" in printed
    assert "無効" in printed


def test_a_schedule_is_made_shown_and_dropped(tsa: Callable[..., tuple[int, str]]) -> None:
    at = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=100)
    local = at.astimezone(dt.timezone(dt.timedelta(hours=9)))
    code, printed = tsa("use", "pq", "--at", local.isoformat())
    assert code == 0
    assert f"At {at.isoformat()} the default becomes pq." in printed
    assert "the default becomes pq" in tsa("list")[1]
    assert tsa("unschedule")[0] == 0
    code, printed = tsa("unschedule", "--json")
    assert (code, json.loads(printed)) == (1, {"ok": False, "code": "SCHEDULE_NONE"})


@pytest.mark.parametrize("moment", ["tomorrow", "0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-09:00", ""])
def test_a_time_that_is_none_is_wrong_usage(tsa: Callable[..., tuple[int, str]], moment: str) -> None:
    with pytest.raises(SystemExit) as ended:
        tsa("use", "pq", f"--at={moment}")
    assert ended.value.code == 3


def test_json_is_the_answer_whole(tsa: Callable[..., tuple[int, str]]) -> None:
    code, printed = tsa("use", "nonsense", "--json")
    answer = json.loads(printed)
    assert (code, answer["ok"], answer["code"]) == (1, False, "SWITCH_BLOCKED")
    assert set(answer["blockers"][0]) == {"code", "subject", "detail"}
    code, printed = tsa("show", "nonsense", "--json")
    assert (code, json.loads(printed)["code"]) == (1, "PROFILE_UNKNOWN")


def test_a_folder_that_is_being_started_or_stopped_is_left_alone(
    prepared: Prepared, capsys: pytest.CaptureFixture[str]
) -> None:
    with FolderLock(prepared.folder):
        assert main(["profile", "use", "pq", "--dir", str(prepared.folder.root)]) == 3
    assert "in use by another `tsa serve`" in capsys.readouterr().err
    assert leaves(prepared.folder) == []


def test_what_is_no_folder_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "list", "--dir", str(tmp_path / "nowhere")]) == 3
    assert "no data folder" in capsys.readouterr().err


def test_init_makes_the_units_of_others_that_a_profile_signs_with(tmp_path: Path) -> None:
    root = tmp_path / "data"
    assert main(["init", "--dir", str(root), "--profile", "bundle"]) == 0
    assert main(["profile", "use", "bundle", "--dir", str(root)]) == 0
    assert {path.name for path in (root / "keys").glob("unit-*")} == {"unit-classical.pem", "unit-pq.pem"}


def test_init_makes_no_folder_whose_profile_answers_no_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--dir", str(tmp_path / "data"), "--profile", "evidence"]) == 3
    assert "evidence answers no request" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("act", ACTS)
def test_every_act_has_help(act: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["profile", act, "--lang", lang, "--help"])
    assert ended.value.code == 0
    assert "--dir" in capsys.readouterr().out
