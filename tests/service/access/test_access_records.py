"""What remains of changes of access: in the ledger, in `state.db`, in the log, and after a crash anywhere."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from kokuin.service.access.state_backup import copy_state, place_state
from kokuin.service.owner import ask_owner
from tests.service.access.desks import leaves_of, person
from tests.service.keepers import keeping
from tests.service.running import PATIENCE_S, leaves, serving, unserved

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.datafolder import DataFolder
    from tests.service.keepers import Ask
    from tests.service.running import Prepared

OWNER = "owner"
PROGRAM = Path(__file__).with_name("killed_keeper.py")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


def killed(folder: DataFolder, point: str, operation: str, **arguments: object) -> None:
    """Ask a keeper that dies at a point."""
    words = [sys.executable, str(PROGRAM), str(folder.root), point, operation, json.dumps(arguments)]
    done = subprocess.run(
        words, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=100, check=False
    )
    assert done.returncode == -signal.SIGKILL, done


def clients(folder: DataFolder) -> dict[str, dict[str, Any]]:
    with keeping(folder) as ask:
        return {each["client"]: each for each in ask("access.client.list", OWNER)["clients"]}


@pytest.mark.parametrize(
    ("point", "recorded", "made"),
    [("before-leaf", False, False), ("before-commit", True, False), ("after-commit", True, True)],
)
def test_a_keeper_that_is_killed_has_made_no_change_without_its_leaf(
    folder: DataFolder, point: str, *, recorded: bool, made: bool
) -> None:
    with keeping(folder) as ask:
        client = person(ask, "Genji", "stamp", "audit")
        key = ask("access.key.create", OWNER, client=client)["key"]
    killed(folder, point, "access.client.change", client=client, roles=["stamp", "operate"])
    changed = [leaf for leaf in leaves_of(folder, "access.changed") if leaf["act"] == "client.changed"]
    assert [leaf["about"] for leaf in changed] == [client] * recorded
    assert ("operate" in clients(folder)[client]["roles"]) is made
    # Whoever heard nothing asks again, and then it is so.
    with keeping(folder) as ask:
        assert ask("access.client.change", OWNER, client=client, roles=["operate", "stamp"])["ok"]
        assert ask("access.key.revoke", OWNER, key=key)["ok"]
    assert clients(folder)[client]["roles"] == ["operate", "stamp"]


def test_a_key_whose_making_was_cut_short_opens_nothing(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        client = person(ask, "Genji", "stamp")
    killed(folder, "before-commit", "access.key.create", client=client)
    (leaf,) = [leaf for leaf in leaves_of(folder, "access.changed") if leaf["act"] == "key.created"]
    with keeping(folder) as ask:
        assert ask("access.key.list", OWNER)["keys"] == []
        assert ask("access.key.revoke", OWNER, key=leaf["about"])["code"] == "KEY_UNKNOWN"


def revoke_and_more(folder: DataFolder) -> tuple[Callable[[], set[str]], Callable[[Ask], None]]:
    """Give a client with all that can be taken away, and what takes it; tell what is still open."""
    with keeping(folder) as ask:
        tenant = str(ask("access.tenant.add", OWNER, name="Murasaki")["tenant"])
        clients = [person(ask, name, "stamp", tenant=tenant) for name in ("Genji", "Aoi")]
        keys = [ask("access.key.create", OWNER, client=clients[0])["key"] for _ in range(2)]
        bound = {"client": clients[0], "issuer": "i", "subject": "s"}
        binding = ask("access.binding.add", OWNER, **bound)["binding"]

    def take(ask: Ask) -> None:
        assert ask("access.key.revoke", OWNER, key=keys[0])["ok"]
        assert ask("access.key.rotate", OWNER, key=keys[1], grace_seconds=0)["ok"]
        assert ask("access.binding.remove", OWNER, binding=binding)["ok"]
        assert ask("access.client.disable", OWNER, client=clients[0])["ok"]
        assert ask("access.client.disable", OWNER, client=clients[1])["ok"]
        assert ask("access.client.enable", OWNER, client=clients[1])["ok"]

    def still_open() -> set[str]:
        with keeping(folder) as ask:
            shown = ask("access.client.show", OWNER, client=clients[0])
            other = ask("access.client.show", OWNER, client=clients[1])["client"]
        usable = {each["key"] for each in shown["keys"] if not each["revoked"] and not each["replaced"]}
        bound = {each["binding"] for each in shown["bindings"]}
        enabled = {each["client"] for each in (shown["client"], other) if each["enabled"]}
        return (usable & set(keys)) | bound | enabled

    assert still_open() == {*keys, binding, *clients}
    return still_open, take


def test_an_older_copy_of_the_state_gives_nothing_back_that_was_taken_away(
    folder: DataFolder, tmp_path: Path
) -> None:
    still_open, take = revoke_and_more(folder)
    copy = tmp_path / "state.copy"
    digest = copy_state(folder.state, copy)
    with keeping(folder) as ask:
        take(ask)
    left = still_open()
    assert len(left) == 1, "the client that was enabled again"
    folder.state.unlink()
    assert place_state(copy, digest, folder.state)
    assert still_open() == left


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"roles": ["approve", "operate"]}, {"roles": []}),
        ({"person": True}, {"person": False}),
        ({"activated": False}, {"activated": True}),
        ({"profiles": None}, {"profiles": ["pq"]}),
        ({"profiles": ["pq", "twin"]}, {"profiles": ["pq"]}),
        ({"classes": ["deed"]}, {"classes": []}),
        ({"begins_us": None, "ends_us": None}, {"begins_us": 10, "ends_us": 20}),
        ({"ends_us": 30}, {"ends_us": 20}),
        ({"rate": None, "per_day": 9}, {"rate": 0.25, "burst": 3, "per_day": 0}),
    ],
)
def test_an_older_copy_of_the_state_gives_no_client_back_what_it_lost(
    folder: DataFolder, tmp_path: Path, before: dict[str, object], after: dict[str, object]
) -> None:
    with keeping(folder) as ask:
        client = person(ask, "Genji", "stamp")
        assert ask("access.client.change", OWNER, client=client, **before)["ok"]
    copy = tmp_path / "state.copy"
    digest = copy_state(folder.state, copy)
    with keeping(folder) as ask:
        assert ask("access.client.change", OWNER, client=client, **after)["ok"]
    now = clients(folder)[client]
    folder.state.unlink()
    assert place_state(copy, digest, folder.state)
    assert clients(folder)[client] == now


def test_an_older_copy_of_the_state_gives_a_client_nothing_by_what_was_granted_since(
    folder: DataFolder, tmp_path: Path
) -> None:
    with keeping(folder) as ask:
        client = person(ask, "Genji", "stamp", person=False)
        less = {"profiles": ["pq"], "ends_us": 20, "rate": 1.5, "per_day": 3, "activated": True}
        assert ask("access.client.change", OWNER, client=client, **less)["ok"]
    copy, then = tmp_path / "state.copy", clients(folder)[client]
    digest = copy_state(folder.state, copy)
    with keeping(folder) as ask:
        more: dict[str, object] = dict.fromkeys(("profiles", "ends_us", "rate", "per_day"))
        more |= {"activated": False, "roles": ["operate", "stamp"], "person": True}
        assert ask("access.client.change", OWNER, client=client, **more)["ok"]
    folder.state.unlink()
    assert place_state(copy, digest, folder.state)
    assert clients(folder)[client] == then


def test_a_revocation_on_record_counts_though_its_keeper_was_killed(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        client = person(ask, "Genji", "stamp")
        key = ask("access.key.create", OWNER, client=client)["key"]
    killed(folder, "before-commit", "access.key.revoke", key=key)
    with keeping(folder) as ask:
        assert [each["revoked"] for each in ask("access.key.list", OWNER)["keys"]] == [True]
    acts = [leaf["act"] for leaf in leaves_of(folder, "access.changed")]
    assert acts == ["client.added", "key.created", "key.revoked"]


def test_names_and_secrets_stand_nowhere_but_where_they_belong(folder_of: Callable[[str], Prepared]) -> None:
    prepared = folder_of("classical")
    folder, secrets = prepared.folder, []
    names = ["Murasaki-Shikibu-KK", "Genji-no-Kimi", "issuer.murasaki.example", "genji@murasaki.example"]
    with serving(prepared, {"TSA_ACCESS__TIMESTAMPS": "keyed"}) as service:

        def ask(operation: str, **arguments: object) -> dict[str, Any]:
            answer = ask_owner(folder.owner_socket, f"access.{operation}", arguments, PATIENCE_S)
            assert answer["ok"], answer
            return answer

        tenant = ask("tenant.add", name=names[0])["tenant"]
        client = ask("client.add", tenant=tenant, name=names[1], roles=["stamp", "audit"])["client"]
        ask("binding.add", client=client, issuer=names[2], subject=names[3])
        made = ask("key.create", client=client)
        secrets += [made["text"], ask("key.rotate", key=made["key"], grace_seconds=60)["text"]]
        for text in secrets:
            assert service.client.get(
                "/api/v1/ledger", headers={"authorization": f"Bearer {text}"}
            ).status_code
        refused = ask_owner(folder.owner_socket, "access.tenant.add", {"name": names[0]})
        assert refused["code"] == "VALUE_UNFIT"
        ask("client.disable", client=client)
        assert service.stop() == 0
        log = service.log.read_bytes()
    for name in names:
        assert name.encode() in folder.state.read_bytes(), "else this test looks for nothing"
        assert name.encode() not in log
        for path in folder.root.rglob("*"):
            assert path == folder.state or not path.is_file() or name.encode() not in path.read_bytes(), path
    for text in secrets:
        secret = text.split("_", 2)[2].encode()
        assert secret not in log
        for path in folder.root.rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes(), path
    acts = [leaf["act"] for leaf in leaves(folder) if leaf["kind"] == "access.changed"]
    assert acts == [
        "tenant.added",
        "client.added",
        "binding.added",
        "key.created",
        "key.rotated",
        "client.disabled",
    ]


def damaged(folder: DataFolder) -> None:
    folder.state.write_bytes(folder.state.read_bytes()[:4096] + b"\xa5" * 8192)


def unfit(folder: DataFolder) -> None:
    connection = sqlite3.connect(folder.state)
    connection.execute(
        "INSERT INTO client VALUES ('c-x', 'operator', 'x', 1, 1, 'no JSON', 0, NULL, NULL, '[]', NULL, NULL,"
        " NULL, 1, NULL, 0)"
    )
    connection.commit()
    connection.close()


def newer(folder: DataFolder) -> None:
    octets = folder.state.read_bytes()
    assert octets.count(b"0001") >= 1
    folder.state.write_bytes(octets.replace(b"0001", b"0999"))


@pytest.mark.parametrize(
    ("spoil", "code", "workers"),
    [
        (lambda folder: folder.state.unlink(), "STATE_MISSING", 1),
        (damaged, "STATE_UNREADABLE", 1),
        (unfit, "STATE_UNREADABLE", 1),
        (newer, "STATE_REVISION", 1),
        (newer, "STATE_REVISION", 2),
    ],
    ids=["missing", "damaged", "unfit", "newer", "newer-2"],
)
def test_a_folder_whose_state_cannot_be_read_is_not_served_and_writes_no_leaf(
    folder: DataFolder, spoil: Callable[[DataFolder], None], code: str, workers: int
) -> None:
    spoil(folder)
    exit_code, complaint = unserved(folder, workers=workers)
    assert exit_code == Exit.USAGE
    assert code in complaint
    assert "Traceback" not in complaint
    assert leaves(folder) == []


def test_an_operation_on_a_folder_whose_state_is_damaged_says_so(
    folder: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged(folder)
    for words in (["list"], ["add", "Murasaki"]):
        assert main(["tenant", *words, "--dir", str(folder.root)]) == Exit.USAGE
        assert "STATE_UNREADABLE" in capsys.readouterr().err
    assert leaves(folder) == []
