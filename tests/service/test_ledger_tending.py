"""Operators tend the ledger of a service that runs: no client notices, and the next start goes on."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from typing import TYPE_CHECKING, Any

from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store_check import check_store
from kokuin.service.log_signing import published_keys
from tests.requests import valid_requests
from tests.service.running import TSA, Service, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.running import Prepared

POLICY = "1.3.6.1.4.1.32473.1"


def tsa(service: Service, *words: str) -> tuple[int, dict[str, Any]]:
    """Run `tsa ledger` beside the service, as an operator does."""
    octets = io.BytesIO()
    with io.TextIOWrapper(octets, write_through=True) as told, contextlib.redirect_stdout(told):
        code = main(["ledger", *words, "--dir", str(service.folder.root), "--json"])
        assert code in {0, 1}
        return code, json.loads(octets.getvalue())


def stamp(service: Service) -> None:
    answer = service.post(valid_requests(POLICY)[-42])
    assert answer.status_code == 200
    assert b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04" in answer.content, "a token"


def test_epochs_copies_and_texts_of_a_running_service(
    folder_of: Callable[[str], Prepared], at_once: str
) -> None:
    prepared = folder_of("classical")
    with serving(prepared, {"PYTHONPATH": at_once}, workers=2) as service:
        stamp(service)
        code, sealed = tsa(service, "seal")
        assert (code, sealed["epoch"]) == (0, 1), sealed
        stamp(service)
        noted = tsa(service, "annotate", "3", "--text", "Murasaki Shikibu")[1]
        assert tsa(service, "redact", str(noted["index"]), "--reason", "asked for")[0] == 0
        assert tsa(service, "prune")[1]["count"] == 0
        copy = str(prepared.folder.root.with_name("copy"))
        assert tsa(service, "backup", "-o", copy)[1]["ok"]
        stamp(service)
        recovering = [str(TSA), "ledger", "recover", "--dir", str(prepared.folder.root)]
        refused = subprocess.run(recovering, capture_output=True, text=True, check=False, timeout=120)
        assert (refused.returncode, "stop" in refused.stderr) == (Exit.USAGE, True)
        assert service.stop() == 0
    with serving(prepared, {"PYTHONPATH": at_once}) as service:
        stamp(service)
        assert service.stop() == 0
    octets = LogFolder(prepared.folder.log).checkpoint()
    assert octets is not None
    assert published_keys(prepared.folder).check(octets).checkpoint.origin.endswith("/2")
    with LedgerReader(prepared.folder.ledger) as reader:
        verdict = check_store(reader, published_keys(prepared.folder), prepared.folder.log)
    assert verdict.passed, verdict.findings


def test_a_folder_that_nobody_serves_is_sealed_by_becoming_its_owner(
    folder_of: Callable[[str], Prepared], at_once: str
) -> None:
    prepared = folder_of("classical")
    with serving(prepared, {"PYTHONPATH": at_once}) as service:
        stamp(service)
        assert service.stop() == 0
        code, sealed = tsa(service, "seal")
        assert (code, sealed["epoch"]) == (0, 1), sealed
    with serving(prepared, {"PYTHONPATH": at_once}) as service:
        stamp(service)
        assert service.stop() == 0
    with LedgerReader(prepared.folder.ledger) as reader:
        assert reader.head().epoch == 2
        verdict = check_store(reader, published_keys(prepared.folder), prepared.folder.log)
    assert verdict.passed, verdict.findings
