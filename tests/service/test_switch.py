"""The default moves between algorithms under load, and back; nobody notices but by what they verify."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.service.asking import POLICY
from tests.service.survival import Service, make_folder
from tests.service.switching_load import (
    MixedClients,
    Received,
    Wish,
    activations,
    check_books,
    do,
    entries,
    fetch,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("patient")

WISHES = [Wish()] * 10 + [Wish(policy=POLICY)] * 3 + [Wish(path="/tsa/classical")] * 3
ACTS = (("use", "bundle"), ("use", "pq"), ("rollback", ""), ("use", "composite"))
DEFAULTS = ["classical", "bundle", "pq", "bundle", "composite"]
TOKENS = 60
"""Between two switches."""


@pytest.mark.timeout(300)  # starts and keys of every suite, and the machine may be busy
@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_while_the_default_moves_through_every_kind_of_algorithm(
    tmp_path: Path, workers: int
) -> None:
    root = make_folder(tmp_path)
    with Service(root, workers) as service:
        service.start()
        with MixedClients(service.port, WISHES) as clients:
            clients.wait_for(TOKENS)
            for act, name in ACTS:
                answer = do(root, act, name=name)
                assert answer["ok"], answer
                clients.wait_for(TOKENS)
        assert clients.failures == []
        for item in [item for item in clients.received if item.link][:20]:
            _check_twin(service.port, item)
        assert service.stop() == 0
    check_books(root, clients.received)
    leaves = activations(entries(root))
    assert [leaf["profile"] for leaf in leaves] == DEFAULTS
    assert [leaf["act"] for leaf in leaves] == ["start", "use", "use", "rollback", "use"]
    assert [leaf["actor"] for leaf in leaves] == ["keeper", *["owner"] * 4]
    assert [(after["cfg_before"], before["cfg"]) for before, after in itertools.pairwise(leaves)] == [
        (leaf["cfg"], leaf["cfg"]) for leaf in leaves[:-1]
    ]
    assert leaves[1]["enabled"] == leaves[3]["enabled"] == ["bundle", "classical"]


def _check_twin(port: int, item: Received) -> None:
    twin = fetch(port, item.link)
    assert twin != item.token
    assert fetch(port, f"/api/v1/timestamps/{item.serial}") == item.token
