"""Who vouches for a checkpoint may take as long as we say, whatever patience the library for HTTP has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kokuin.service.config import load_config
from kokuin.service.witness_server import make_witness_app, open_witness
from tests.service.authorities import FalseAuthority, answered, look, stamper
from tests.service.vouched import Vouched, policy, rounds
from tests.service.witnesses import LocalWitness, served
from tests.units import load_configured_unit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.running import Prepared

SLOW_S = 0.3


@pytest.fixture(autouse=True)
def impatient_library(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = httpx.AsyncClient.__init__.__kwdefaults__
    assert defaults is not None
    assert "timeout" in defaults
    monkeypatch.setitem(defaults, "timeout", httpx.Timeout(SLOW_S / 10))


def test_a_slow_authority_stamps(folder_of: Callable[[str], Prepared]) -> None:
    folder, theirs = folder_of("classical").folder, folder_of("classical").folder
    unit = load_configured_unit(theirs, load_config(theirs.root, {})).unit

    def slowly(*asked: Any) -> bytes:
        time.sleep(SLOW_S)
        return answered(*asked)

    with served(FalseAuthority(unit, slowly)) as url:
        settings = {"URL": url, "TRUST": str(theirs.anchors)}
        life = Vouched(folder, {f"TSA_LEDGER__STAMPS__{name}": value for name, value in settings.items()})
        asking = stamper(life)
        life.grow()
        look(asking)
        (said,) = asking.status()
        life.close()
    assert (said["detail"], said["size"]) == ("", 1)


def test_a_slow_witness_cosigns(folder_of: Callable[[str], Prepared], tmp_path: Path) -> None:
    folder = folder_of("classical").folder
    opened = open_witness(tmp_path / "w", "w.example", [folder.log_keys])
    answering = make_witness_app(opened.witness)

    async def slowly(scope: Any, receive: Any, send: Any) -> None:
        time.sleep(SLOW_S)  # noqa: ASYNC251  # this server answers nobody else
        await answering(scope, receive, send)

    with served(slowly) as url:
        life = Vouched(folder, policy(tmp_path / "policy", "quorum W", W=LocalWitness(opened, url)))
        asking = life.witnessing()
        life.grow()
        rounds(asking)
        (said,) = asking.status()["witnesses"]
        life.close()
    assert (said["problem"], said["size"]) == ("", 1)
