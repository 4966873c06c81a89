"""An activation is spent as often as it was granted, whoever asks at once and whenever the keeper dies."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kokuin.service.config import load_config
from kokuin.service.keeper_process import make_keeper
from kokuin.service.owner import ask_owner
from tests.service.access.desks import AFTERWARDS_S, KEY, OWNER, later, leaves_of, person, proposed, until_us
from tests.service.asking import query
from tests.service.keepers import keeping
from tests.service.running import PATIENCE_S, PLAIN, QUERY, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.datafolder import DataFolder
    from tests.service.keepers import Ask
    from tests.service.running import Prepared


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


def granted(ask: Ask, client: str, count: int, kind: str = "stamp") -> str:
    """Have an activation, wanted by two."""
    asked = {"client": client, "kind": kind, "count": count, "until_us": until_us()}
    waiting = proposed(ask("activation.propose", OWNER, **asked))
    return str(ask("approval.approve", KEY, approval=waiting)["activation"])


def spend(ask: Ask, client: str, kind: str = "stamp") -> str:
    """Spend one act; return the code of the no, or nothing."""
    return str(ask("activation.spend", "worker", client=client, kind=kind).get("code", ""))


def test_an_act_wants_an_activation_of_its_client_and_kind_and_of_now(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping(folder) as ask:
        client, other = (person(ask, name, "stamp", person=False) for name in ("one", "other"))
        assert spend(ask, client) == "ACTIVATION_WANTED"
        granted(ask, client, 2)
        for wrong in ((other, "stamp"), (client, "seal"), (client, "")):
            assert spend(ask, *wrong) == "ACTIVATION_WANTED"
        assert [spend(ask, client) for _ in range(3)] == ["", "", "ACTIVATION_WANTED"]
        granted(ask, other, 5)
        assert not spend(ask, other)
        later(monkeypatch, AFTERWARDS_S)
        assert spend(ask, other) == "ACTIVATION_WANTED"


def test_nobody_grants_alone_whatever_is_configured_and_the_grant_is_on_record(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        client = person(ask, "one", "seal", person=False)
        asked = {"client": client, "kind": "seal", "count": 3, "until_us": until_us()}
        waiting = proposed(ask("activation.propose", OWNER, **asked))
        assert ask("approval.approve", OWNER, approval=waiting)["code"] == "SELF_APPROVAL"
        assert spend(ask, client, "seal") == "ACTIVATION_WANTED"
        assert ask("activation.grant", OWNER, **asked)["code"] == "OPERATION_UNKNOWN"
        made = ask("approval.approve", KEY, approval=waiting)["activation"]
        assert ask("activation.spend", OWNER, client=client, kind="seal")["code"] == "OPERATION_UNKNOWN"
        (shown,) = ask("activation.list", OWNER)["activations"]
        assert (shown["activation"], shown["left"], shown["count"]) == (made, 3, 3)
    (leaf,) = leaves_of(folder, "activation.granted")
    wanted = {"client": client, "act": "seal", "count": 3, "actor": OWNER, "approver": KEY}
    assert wanted.items() <= leaf.items()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "operate"),
        ("count", 0),
        ("count", True),
        ("count", 10**12),
        ("until_us", 1),
        pytest.param("until_us", time.time_ns() // 1_000 + 32 * 86_400_000_000, id="until_us-32-days"),
        ("until_us", "tomorrow"),
    ],
)
def test_an_activation_is_bounded_in_number_and_time(folder: DataFolder, field: str, value: object) -> None:
    with keeping(folder) as ask:
        client = person(ask, "one", "stamp", person=False)
        asked = {"client": client, "kind": "stamp", "count": 1, "until_us": until_us(), field: value}
        answer = ask("activation.propose", OWNER, **asked)
        assert (answer["code"], answer["field"]) == ("VALUE_UNFIT", field)


def test_an_activation_is_of_a_client_that_there_is(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        asked = {"client": "c-aaaaaaaaaaaaaaaa", "kind": "stamp", "count": 1, "until_us": until_us()}
        assert ask("activation.propose", OWNER, **asked)["code"] == "CLIENT_UNKNOWN"


def test_many_that_spend_at_once_spend_as_often_as_was_granted(folder: DataFolder) -> None:
    async def storm(client: str) -> Counter[str]:
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        try:
            asked: Mapping[str, Any] = {"client": client, "kind": "stamp"}
            answers = await asyncio.gather(*(keeper.ask("activation.spend", asked) for _ in range(200)))
        finally:
            await keeper.stop()
        return Counter(answer.get("code", "") for answer in answers)

    with keeping(folder) as ask:
        client = person(ask, "one", "stamp", person=False)
        granted(ask, client, 30)
        granted(ask, client, 7)
    assert asyncio.run(storm(client)) == {"": 37, "ACTIVATION_WANTED": 163}
    with keeping(folder) as ask:
        assert [each["left"] for each in ask("activation.list", OWNER)["activations"]] == [0, 0]
        assert spend(ask, client) == "ACTIVATION_WANTED"


KILLED = """
import asyncio, os, sys
from pathlib import Path
from kokuin.service.access import activations
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.keeper_process import make_keeper

async def main(root, client):
    folder = DataFolder(Path(root))
    keeper = make_keeper(folder, load_config(folder.root, {}))
    await keeper.start()
    store, real = keeper._store, keeper._store.awrite

    async def die_after(change):
        await real(change)
        print("spent", flush=True)
        os._exit(9)

    store.awrite = die_after
    await keeper.ask("activation.spend", {"client": client, "kind": "stamp"})
    print("answered", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_keeper_that_dies_between_spending_and_answering_gives_no_act_away(folder: DataFolder) -> None:
    with keeping(folder) as ask:
        client = person(ask, "one", "stamp", person=False)
        granted(ask, client, 3)
    for _ in range(2):
        died = subprocess.run(
            [sys.executable, "-c", KILLED, str(folder.root), client],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("TSA_")},
        )
        assert (died.returncode, died.stdout.splitlines()[-1]) == (9, "spent"), died.stderr
    with keeping(folder) as ask:
        assert [spend(ask, client) for _ in range(2)] == ["", "ACTIVATION_WANTED"]
    with sqlite3.connect(folder.state) as rows:
        assert rows.execute("SELECT count, spent FROM activation").fetchall() == [(3, 3)]
    rows.close()


def test_many_connections_to_two_workers_get_as_many_tokens_as_were_granted(
    folder_of: Callable[[str], Prepared],
) -> None:
    port = {"TSA_SERVER__ADMIN_PORT": "0"}
    with serving(folder_of("classical"), port, workers=2) as service, ThreadPoolExecutor(12) as threads:
        socket = service.folder.owner_socket
        words = {"tenant": "operator", "name": "bulk", "roles": ["stamp"], "activated": True}
        client = ask_owner(socket, "access.client.add", words, PATIENCE_S)["client"]
        key = ask_owner(socket, "access.key.create", {"client": client}, PATIENCE_S)["text"]
        headers = {"content-type": QUERY, "authorization": f"Bearer {key}"}

        def stamp(_: int) -> tuple[int, str]:
            # A connection for each, so that both workers are asked.
            with httpx.Client(timeout=PATIENCE_S, trust_env=False, verify=PLAIN) as client:
                answer = client.post(service.url, content=query(), headers=headers)
            return answer.status_code, answer.json()["code"] if answer.status_code != 200 else ""

        asked = {"client": client, "kind": "stamp", "count": 17, "until_us": until_us()}
        waiting = proposed(ask_owner(socket, "activation.propose", asked, PATIENCE_S))
        path = f"approvals/{waiting}/approve"
        assert service.client.post(f"/api/v1/{path}").status_code == 404
        with_key = {"authorization": f"Bearer {service.operator_key}"}
        admin = service.event(event="serving")["admin_port"]
        url = f"http://127.0.0.1:{admin}/api/v1/{path}"
        assert httpx.post(url, headers=with_key, timeout=PATIENCE_S, trust_env=False).status_code == 200
        found = Counter(threads.map(stamp, range(60)))
        assert found == {(200, ""): 17, (403, "ACTIVATION_WANTED"): 43}
        issued = [leaf for leaf in service.leaves() if leaf["kind"] == "tst.issued"]
        assert [leaf["actor"] for leaf in issued] == [client] * 17
