"""The commands about access on a real folder: served and not, and what a key that they made opens."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.wire.algorithms import DIGESTS
from tests.docs.markdown import read
from tests.peers import need
from tests.requests import make_request
from tests.service.running import TSA, leaves, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.running import Prepared, Service

REQUEST = make_request(next(digest for digest in DIGESTS if digest.name == "sha256"))
KEYED = {"TSA_ACCESS__TIMESTAMPS": "keyed"}


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TSA_LANG", "en")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("access") / "data", "classical")


@pytest.fixture
def prepared(template: Prepared, tmp_path: Path) -> Prepared:
    return template.copy(tmp_path / "tsa-data")


@pytest.fixture
def tsa(prepared: Prepared, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `tsa WORDS` on the folder; return what it printed alone, of a refusal what it said beside."""
    del prepared

    def run(*words: str, code: int = 0) -> str:
        ended = main(list(words))
        printed = capsys.readouterr()
        assert ended == code, printed
        if code == 1 and words[:2] != ("stop", "show"):
            assert not printed.out
            return printed.err.rstrip("\n")
        return printed.out.rstrip("\n")

    return run


def stamped(service: Service, key: str) -> int:
    return service.post(REQUEST, authorization=f"Bearer {key}").status_code


def test_reading_needs_no_owner_and_writes_nothing(prepared: Prepared, tsa: Callable[..., str]) -> None:
    assert "operator" in tsa("tenant", "list")
    assert tsa("client", "list").startswith("CLIENT")
    assert tsa("key", "list").startswith("KEY")
    assert "CLIENT_UNKNOWN" in tsa("client", "show", "c-aaaaaaaaaaaaaaaa", code=1)
    assert leaves(prepared.folder) == []


def test_lists_and_the_stop_are_read_without_a_leaf(prepared: Prepared, tsa: Callable[..., str]) -> None:
    client = tsa("client", "add", "operator", "bulk", "--role", "stamp", "--activated")
    words = ("activation", "propose", client, "stamp", "--count", "20", "--valid-days", "3")
    waiting = json.loads(tsa(*words, "--json"))["approval"]
    tsa("stop", "set", "--reason", "a key is missing")
    before = leaves(prepared.folder)
    assert waiting in tsa("approval", "list")
    assert tsa("activation", "list").splitlines()[1:] == []
    assert "Reason: a key is missing" in tsa("stop", "show", code=1)
    assert leaves(prepared.folder) == before


def test_what_was_made_without_a_service_opens_the_door_of_the_next(
    prepared: Prepared, tsa: Callable[..., str]
) -> None:
    tenant = tsa("tenant", "add", "青山商事　本社")
    made = tsa("client", "add", tenant, "archive", "--role", "stamp", "--network", "127.0.0.0/8")
    key = tsa("key", "create", made, "--valid-days", "2")
    kinds = [
        (leaf["act"], leaf["actor"]) for leaf in leaves(prepared.folder) if leaf["kind"] == "access.changed"
    ]
    assert kinds == [(act, "owner") for act in ("tenant.added", "client.added", "key.created")]
    with serving(prepared, KEYED) as service:
        assert service.post(REQUEST).status_code == 401
        assert stamped(service, key) == 200
        assert tsa("key", "revoke", key.split("_")[1]).startswith("Revoked")
        assert stamped(service, key) == 401


def test_a_running_service_takes_what_the_commands_do(prepared: Prepared, tsa: Callable[..., str]) -> None:
    with serving(prepared, KEYED) as service:
        tenant = tsa("tenant", "add", "Aoyama")
        made = tsa("client", "add", tenant, "archive", "--role", "stamp")
        first = tsa("key", "create", made)
        tsa("key", "rotate", first.split("_")[1], "--grace", "1h", "-o", "second")
        second = Path("second").read_text(encoding="ascii").strip()
        assert [stamped(service, each) for each in (first, second)] == [200, 200]
        tsa("client", "disable", made)
        assert stamped(service, second) == 403
        tsa("client", "enable", made)
        tsa("tenant", "disable", tenant)
        assert stamped(service, second) == 403
        tsa("tenant", "enable", tenant)
        assert "unfit" not in tsa("client", "change", made, "--profile", "pq", "--per-day", "3")
        shown = json.loads(tsa("client", "show", made, "--json"))
        assert (shown["client"]["profiles"], shown["client"]["per_day"]) == (["pq"], 3)
        assert [key["replaced"] for key in shown["keys"]] == [True, False]
        assert "VALUE_UNFIT" in tsa("tenant", "add", "Aoyama", code=1)


def test_a_stop_from_the_command_line_stops_and_two_release_it(
    prepared: Prepared, tsa: Callable[..., str]
) -> None:
    with serving(prepared) as service:
        assert tsa("stop", "show") == "Not stopped."
        assert "STOP_NONE" in tsa("stop", "release", code=1)
        tsa("stop", "set", "--reason", "a key is missing")
        assert "Reason: a key is missing" in tsa("stop", "show", code=1)
        assert service.client.get("/readyz").status_code == 503
        proposed = tsa("stop", "release")
        assert "stop.release" in tsa("approval", "list")
        assert "SELF_APPROVAL" in tsa("approval", "approve", proposed, code=1)
        assert tsa("approval", "deny", proposed) == f"Denied: {proposed}"
        assert "APPROVAL_UNKNOWN" in tsa("approval", "approve", proposed, code=1)


def test_an_activation_waits_for_another_person(prepared: Prepared, tsa: Callable[..., str]) -> None:
    with serving(prepared):
        made = tsa("client", "add", "operator", "bulk", "--role", "stamp", "--activated")
        words = ("activation", "propose", made, "stamp", "--count", "20", "--valid-days")
        assert tsa(*words, "3").startswith("p-")
        assert "VALUE_UNFIT" in tsa(*words, "40", code=1)
        assert tsa("activation", "list").splitlines()[1:] == []


def test_the_story_of_the_readme_runs_and_each_of_its_ways_is_granted(
    prepared: Prepared, tmp_path: Path
) -> None:
    need("curl")
    need("openssl")
    section = read("README.md").partition("## Who may stamp\n")[2].partition("\n## ")[0]
    opened, field, netrc, _ = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (tmp_path / "document").write_text("a document\n", encoding="ascii")
    with serving(prepared, KEYED) as service:
        address = f"127.0.0.1:{service.port}"
        for number, block in enumerate((opened, field, netrc)):
            words = block.replace("127.0.0.1:3161", address).replace(
                "--key-file", f"--url {service.url} --key-file"
            )
            script = f"set -eo pipefail\nF=document\n{words}"
            environment = {**os.environ, "PATH": f"{TSA.parent}:{os.environ['PATH']}"}
            subprocess.run(["bash", "-c", script], env=environment, check=True, capture_output=True)
            written = tmp_path / ("document.tsr" if number else "document.keyed.tst")
            answer = written.read_bytes()
            assert answer[:9].find(bytes.fromhex("020100")) >= 0, "granted (RFC 3161 §2.4.2)"
            written.rename(tmp_path / f"{number}.tsr")
        assert stat.S_IMODE((tmp_path / "field").stat().st_mode) == 0o600


def test_tsa_stamp_sends_the_key_of_a_file(
    prepared: Prepared, tsa: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("document").write_text("a document\n", encoding="ascii")
    with serving(prepared, KEYED) as service:
        made = tsa("client", "add", "operator", "archive", "--role", "stamp")
        tsa("key", "create", made, "-o", "key")
        assert tsa("stamp", "document", "--url", service.url, "--key-file", "key").startswith(
            "document.tsr: "
        )
        Path("wrong").write_text("kokuin_wrong\n", encoding="ascii")
        for words, why in (
            ((), "The service wants a key or another credential."),
            (("--key-file", "wrong"), "The service does not know this credential."),
        ):
            assert main(["stamp", "document", "--url", service.url, "-o", "other", *words]) == 3
            printed = capsys.readouterr()
            assert printed.err == f"tsa stamp: {service.url} answered HTTP 401: {why}\n"
            assert "kokuin_wrong" not in printed.out
