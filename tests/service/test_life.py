"""A service from its first start over a stop to its second start: what stands in the ledger of it."""

from __future__ import annotations

import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.service.asking import granted, query, serial_of, tst_info
from tests.service.running import PATIENCE_S, TSA, all_unserved, leaves, read_log, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared, Service


def refused_start(folder: DataFolder, port: int) -> list[str]:
    """Start a service that cannot start; return the lines of its complaint."""
    command = [str(TSA), "serve", "--dir", str(folder.root), "--port", str(port)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (refused.returncode, refused.stdout) == (3, "")
    return refused.stderr.splitlines()


@pytest.mark.parametrize(("workers", "changes"), [(1, {}), (2, {"TSA_LEDGER__QUEUE": "77"})])
def test_stop_and_start(folder_of: Callable[[str], Prepared], workers: int, changes: dict[str, str]) -> None:
    prepared = folder_of("classical")
    folder = prepared.folder
    with serving(prepared, workers=workers, afresh=True) as first:
        token = first.post(query()).content
        for _ in range(3):
            first.post(query(version=2))
            first.post(b"")
        size = len(first.leaves())
        assert first.stop() == 0
        log = first.log
    assert not folder.owner_socket.exists()
    kinds = [str(leaf["kind"]) for leaf in leaves(folder)]
    assert kinds[:2] == ["epoch.opened", "cfg.activated"]
    assert set(kinds[2:4]) == {"service.started", "clock.fit"}
    assert (kinds[4], kinds[-1]) == ("tst.issued", "service.stopped")
    refusals: Counter[str] = Counter()
    for leaf in leaves(folder):
        if leaf["kind"] == "tst.refused":
            assert (leaf["profile"], leaf["to"] >= leaf["from"]) == ("classical", True)
            refusals[leaf["reason"]] += leaf["count"]
    assert refusals == {"REQUEST_VERSION": 3, "REQUEST_EMPTY": 3}
    assert kinds.count("tst.refused") == 2, "a leaf a reason, not a leaf a request"
    assert len(kinds) == size + 3
    assert not [event for event in read_log(log) if event["level"] not in {"info", "warning"}]

    with serving(prepared, changes, workers=workers, afresh=True) as second:
        assert second.stored(serial_of(token)) is not None
        again = second.post(query()).content
        old, new = (tst_info(granted(body))["gen_time"].native for body in (token, again))
        assert new >= old
    found = leaves(folder)
    assert [leaf["kind"] for leaf in found].count("service.started") == 2
    activated = [leaf for leaf in found if leaf["kind"] == "cfg.activated"]
    assert len(activated) == 1 + bool(changes), "the same configuration is not activated again"
    assert activated[-1]["cfg_before"] == (activated[0]["cfg"] if changes else "")
    tokens = [leaf["cfg"] for leaf in found if leaf["kind"] == "tst.issued"]
    assert tokens == [activated[0]["cfg"], activated[-1]["cfg"]]


def test_a_folder_is_served_by_one_service_only(double: Service) -> None:
    # At the same time: each of them waits until it is sure.
    (one, complaint), (other, complaints) = all_unserved(double.folder, None, (1, 2))
    assert (one, other) == (3, 3)
    assert complaint.splitlines() == [f"tsa serve: {double.folder.root} is in use by another `tsa serve`"]
    assert complaints.splitlines()[-1] == "tsa serve: keeper cannot start; its reason stands above"
    granted(double.post(query()).content)
    assert double.process.poll() is None


def test_a_port_is_served_by_one_service_only(folder_of: Callable[[str], Prepared], single: Service) -> None:
    (line,) = refused_start(folder_of("classical").folder, single.port)
    assert f"cannot listen on 127.0.0.1:{single.port}" in line
