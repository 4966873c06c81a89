"""Tokens that leave with their evidence in them, of a service with two workers."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.reader import LedgerReader
from kokuin.service.config import load_config
from kokuin.service.evidence.records import EvidenceRecords
from kokuin.trust.anchors import load_trust
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.token_form import bare_token, evidence_in
from pqc.policies import load_policy
from tests.service import survival
from tests.service.asking import DATA, granted, imprint, query, serial_of
from tests.service.evidence.embedded import NAME, embedding_folder
from tests.service.evidence.evidencing import see
from tests.service.survival import Part
from tests.service.survival_audit import audit
from tests.service.survival_clients import Clients, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared, Service


def stamp(service: Service, data: bytes = DATA, digest: str = "sha256") -> tuple[bytes, str]:
    """Have data stamped; return the token and its serial number."""
    body = query(message_imprint=imprint(digest, hashlib.new(digest, data).digest()), nonce=None)
    answer = service.post(body)
    assert answer.status_code == 200
    return granted(answer.content).dump(), serial_of(answer.content)


def test_a_token_leaves_with_its_evidence_and_the_ledger_has_it_without(embedding: Service) -> None:
    token, serial = stamp(embedding)
    (record,) = evidence_in(token)
    leaves = {leaf.get("serial"): leaf for leaf in embedding.leaves()}
    leaf = leaves[serial]
    assert leaf["profile"] == NAME
    assert leaf["tok"] == hashlib.sha256(bare_token(token)).hexdigest()
    assert not {"evidence", "doc512"} & leaf.keys(), "nothing more is owed"
    archive = leaves[leaf["embedded"]]
    assert (archive["profile"], archive["self"]) == ("evidence", True)
    assert embedding.client.get(f"/api/v1/evidence/{serial}").content == record
    again = embedding.client.get(f"/api/v1/timestamps/{serial}")
    assert granted(again.content).dump() == token
    (listed,) = (
        profile
        for profile in embedding.client.get(
            "/api/v1/profiles", headers={"authorization": f"Bearer {embedding.operator_key}"}
        ).json()["profiles"]
        if profile["name"] == NAME
    )
    assert listed["embed"] is True


def test_it_passes_by_itself_when_its_algorithm_has_fallen(embedding: Service) -> None:
    token, _ = stamp(embedding, digest="sha512")
    at = dt.datetime(2033, 1, 1, tzinfo=dt.UTC)
    context = Context(
        int(at.timestamp()) * 1_000_000,
        load_trust(embedding.folder.anchors),
        content=lambda digest: hashlib.new(digest, DATA).digest(),
        policy=load_policy("eu-ts119312"),
    )
    assert verify_bytes(token, context).indication is Indication.PASSED
    assert verify_bytes(bare_token(token), context).indication is Indication.INDETERMINATE
    other = replace(context, content=lambda digest: hashlib.new(digest, b"another").digest())
    assert verify_bytes(token, other).indication is Indication.FAILED


def test_an_export_of_the_ledger_holds_what_it_keeps_of_it(
    embedding: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, _ = stamp(embedding)
    data, file, bundle = tmp_path / "data", tmp_path / "data.tsr", tmp_path / "bundle"
    data.write_bytes(DATA)
    file.write_bytes(token)
    size = len(embedding.leaves())
    deadline = time.monotonic() + 60
    while embedding.client.get("/api/v1/ledger/checkpoint").json().get("size", 0) < size:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert main(["ledger", "export", "--dir", str(embedding.folder.root), "--out", str(bundle)]) == 0
    trust, keys = str(embedding.folder.anchors.parent), tmp_path / "log.vkey"
    keys.write_bytes(embedding.client.get("/trust/log.vkey").content)
    words = ["verify", str(file), "--data", str(data), "--trust", trust, "--log-key", str(keys)]
    capsys.readouterr()
    assert main([*words, "--require-ledger", str(bundle)]) == 0, capsys.readouterr()
    assert "Ledger: PASSED" in capsys.readouterr().out


def test_tokens_of_many_clients_at_two_workers_each_have_their_own_evidence(embedding: Service) -> None:
    found: dict[str, bytes] = {}

    def ask(number: int) -> None:
        for turn in range(5):
            token, serial = stamp(embedding, b"%d %d" % (number, turn))
            found[serial] = token

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == 80
    leaves = {leaf.get("serial"): leaf for leaf in embedding.leaves()}
    for serial, token in found.items():
        (record,) = evidence_in(token)
        seen = see(record)
        assert bytes.fromhex(leaves[serial]["tok512"]) in seen.group
        assert leaves[leaves[serial]["embedded"]]["tok512"] == hashlib.sha512(seen.archive).hexdigest()
        assert embedding.client.get(f"/api/v1/evidence/{serial}").content == record
    assert len({leaves[serial]["embedded"] for serial in found}) < len(found), "in batches"


def test_metrics_count_what_left_with_its_evidence(embedding: Service) -> None:
    def counted() -> tuple[float, float]:
        lines = embedding.client.get("/metrics").text.splitlines()
        values = dict(line.split(" ") for line in lines if line.startswith("kokuin_evidence"))
        return float(values["kokuin_evidence_batches_total"]), float(values["kokuin_evidence_tokens_total"])

    for _ in range(3):
        stamp(embedding)

    def recorded() -> tuple[float, float]:
        found = [leaf["embedded"] for leaf in embedding.leaves() if "embedded" in leaf]
        return len(set(found)), len(found)

    deadline = time.monotonic() + 60
    while counted() != recorded():  # workers report every second
        assert time.monotonic() < deadline, (counted(), recorded())
        time.sleep(0.2)


@pytest.mark.timeout(300)  # several starts, and the machine may be busy
@pytest.mark.parametrize("workers", [1, 2])
def test_no_token_that_left_lacks_its_record_or_evidence_whatever_is_killed(
    folder_of: Callable[[str], Prepared], workers: int
) -> None:
    folder = embedding_folder(folder_of).folder
    with survival.Service(folder.root, workers) as service:
        service.start()
        with Clients(service.port, 8) as clients:
            for part in (Part.KEEPER, Part.WORKER, Part.PARENT):
                clients.wait_granted(30)
                orphans = survival.children(service.process.pid)
                service.recover(part, service.kill(part), orphans)
            clients.wait_granted(10)
        received, outcomes = clients.snapshot()
        service.stop()
    assert not clients.wrong
    assert outcomes[Outcome.GRANTED] > 90
    bare = {serial: bare_token(token) for serial, token in received.items()}
    assert audit(folder.root, bare, workers=workers).violations == []
    records = EvidenceRecords(folder, load_config(folder.root))
    for serial, token in received.items():
        (record,) = evidence_in(token)
        assert records.record(serial, lambda _: True) == record
    # Also of those that nobody got, all of a batch are there.
    for serial in audit(folder.root, {}, workers=workers).tokens.keys() - received.keys():
        if _embedded(folder, serial):
            see(records.record(serial, lambda _: True))


def _embedded(folder: DataFolder, serial: str) -> bool:
    with LedgerReader(folder.ledger) as reader:
        stored = reader.by_serial(serial)
    return stored is not None and "embedded" in read_leaf(stored.leaf)
