"""From an operator to an auditor: sealed and recorded over HTTP, judged without network and service."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT
from tests.eseal.pdf.plain import pages
from tests.offline import offline
from tests.service.eseals.story import (
    Auditor,
    Documents,
    Operator,
    bare,
    records_of,
    stamps_of_json,
    stamps_of_pdf,
    tsa,
)
from tests.service.running import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECKER = ROOT / "conformance" / "ledger_check.py"
ORDER = (
    b'{"order": "2026-0417", "total": 1200, "items": [{"name": "\xe7\x8e\x89\xe9\x9c\xb2", "price": 600}]}'
)
SEALED = ("contract.sealed.pdf", "order.jws")
KEYED = {"TSA_ACCESS__TIMESTAMPS": "keyed"}


@dataclass(frozen=True)
class Left:
    """What is left when the service is gone: the auditor's folder, with the sealed documents in it."""

    home: Path
    tenant: str
    sealed: dict[str, dict[str, str]]

    def verify(self, name: str, *more: object, code: int = 0) -> str:
        return tsa("verify", name, "--trust", "published", *more, cwd=self.home, code=code)

    def check(self, bundle: str, code: int = 0) -> str:
        """Check a bundle twice: with the command, and with the program that is none of ours."""
        keys = ("--log-key", "published/log.vkey")
        told = tsa("ledger", "check", bundle, *keys, "--json", cwd=self.home, code=code)
        done = subprocess.run(
            [sys.executable, str(CHECKER), bundle, *keys], cwd=self.home, capture_output=True, check=False
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return told

    def changed(self, name: str, at: int) -> str:
        """Change one octet of a file; return the changed file's name."""
        octets = bytearray((self.home / name).read_bytes())
        octets[at] ^= 1
        (self.home / f"changed-{name}").write_bytes(octets)
        return f"changed-{name}"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, at_once: str) -> Iterator[Left]:
    operators, systems, auditors = (tmp_path_factory.mktemp(name) for name in ("operator", "system", "audit"))
    operator = Operator(operators)
    prepared = operator.begin()
    with serving(prepared, {**KEYED, "PYTHONPATH": at_once}, afresh=True) as service:
        tenant = operator.organisation("Aoyama Trading")
        operator.credential(tenant, "document system", "seal", systems / "key")
        operator.credential("operator", "auditor", "audit", auditors / "key")
        operator.credential(tenant, "archive", "stamp", operators / "key")
        url = str(service.client.base_url).rstrip("/")
        Documents(operators, url).stamp("before")
        begins = dt.datetime.now(dt.UTC)
        sealed = _sealed(Documents(systems, url))
        ends = dt.datetime.now(dt.UTC)
        for name in ("after", "later"):
            Documents(operators, url).stamp(name)
        _audited(Auditor(auditors, url), sealed, begins, ends)
        assert service.stop() == 0
    shutil.move(operators / "data", tmp_path_factory.mktemp("elsewhere") / "gone")
    for name in SEALED:
        shutil.copy(systems / name, auditors / name)
    with offline():
        yield Left(auditors, tenant, sealed)


def _sealed(documents: Documents) -> dict[str, dict[str, str]]:
    """Seal as a document system does, and ask again as one whose connection broke does."""
    home = documents.home
    (home / "contract.pdf").write_bytes(pages(2))
    (home / "order.json").write_bytes(ORDER)
    (offer,) = json.loads(documents.ask("/api/v1/seal-profiles"))["profiles"]
    assert (offer["profile"], offer["formats"]) == ("main", ["json", "pdf"])
    wanted = {
        "contract.sealed.pdf": ("/api/v1/seals/pdf", "contract.pdf", "application/pdf"),
        "order.jws": ("/api/v1/seals/json?level=B-T", "order.json", "application/json"),
    }
    answers = {}
    for into, (path, name, kind) in wanted.items():
        answers[into] = documents.seal(path, name, kind, into, f"once-{name}")
        again = documents.seal(path, name, kind, "again", f"once-{name}")
        assert again["x-seal-record"] == answers[into]["x-seal-record"]
        assert (home / "again").read_bytes() == (home / into).read_bytes()
    assert [each["x-seal-level"] for each in answers.values()] == ["B-LTA", "B-T"]
    return answers


def _audited(
    auditor: Auditor, sealed: dict[str, dict[str, str]], begins: dt.datetime, ends: dt.datetime
) -> None:
    """Export the period of the seals, between what came before and what came afterwards."""
    auditor.collect()
    for each in sealed.values():
        auditor.wait_for(each["x-seal-record"])
    auditor.fetch("ledger.bundle", "--from", begins.isoformat(), "--to", ends.isoformat())
    auditor.fetch("earlier.bundle", "--to", (begins - dt.timedelta(hours=1)).isoformat())


def test_the_documents_verify_with_what_the_operator_published_alone(left: Left) -> None:
    for name in SEALED:
        report = json.loads(left.verify(name, "--json"))
        assert (report["indication"], report["sub_indication"]) == ("PASSED", None)
        assert "株式会社青山商事" in json.dumps(report, ensure_ascii=False)


def test_without_the_roots_of_seals_the_time_stamps_roots_vouch_for_no_seal(left: Left) -> None:
    (left.home / "fewer").mkdir()
    for name in ("ca.pem", "units.pem"):
        shutil.copy(left.home / "published" / name, left.home / "fewer")
    for name in SEALED:
        tsa("verify", name, "--trust", "fewer", cwd=left.home, code=2)


def test_the_exported_period_is_whole_and_tells_of_both_seals(left: Left) -> None:
    told = json.loads(left.check("ledger.bundle"))
    assert told["complete"]
    records = records_of(left.home / "ledger.bundle")
    assert len(records) == told["records"]
    issued = {leaf["id"]: leaf for leaf in records.values() if leaf["kind"] == "seal.issued"}
    for (name, answer), document in zip(left.sealed.items(), (pages(2), ORDER), strict=True):
        leaf = issued.pop(answer["x-seal-record"])
        assert leaf["out"] == hashlib.sha256((left.home / name).read_bytes()).hexdigest()
        assert leaf["doc"] == hashlib.sha256(document).hexdigest()
        assert (leaf["tenant"], leaf["level"]) == (left.tenant, answer["x-seal-level"])
    assert issued == {}, "an idempotency key that came again sealed nothing again"


def test_the_bundle_proves_every_time_stamp_in_both_seals(left: Left) -> None:
    by_record = {
        leaf["id"]: leaf for leaf in records_of(left.home / "ledger.bundle").values() if "id" in leaf
    }
    readers = (stamps_of_pdf, stamps_of_json)
    for (name, answer), read in zip(left.sealed.items(), readers, strict=True):
        stamps = read((left.home / name).read_bytes())
        digests = [hashlib.sha256(bare(token)).hexdigest() for token, _ in stamps]
        named = by_record[answer["x-seal-record"]]["toks"]
        # The first PDF of a worker may have had a time-stamp for which its room was too small.
        assert [each for each in named if each in digests] == digests
        assert len(named) <= len(digests) + 1
        for token, covered in stamps:
            (left.home / "token").write_bytes(token)
            (left.home / "covered").write_bytes(covered)
            words = ("token", "--data", "covered", "--log-key", "published/log.vkey", "--require-ledger")
            left.verify(*words, "ledger.bundle")
            # A bundle of another period is as good, and proves nothing of this token.
            left.verify(*words, "earlier.bundle", code=2)
            (left.home / "covered").write_bytes(covered + b"\n")
            left.verify(*words, "ledger.bundle", code=1)
    assert len(stamps_of_pdf((left.home / "contract.sealed.pdf").read_bytes())) == 2, "signature and document"


@pytest.mark.parametrize(
    ("name", "what"), [("contract.sealed.pdf", b"MediaBox"), ("order.jws", b"payload")], ids=SEALED
)
def test_one_changed_octet_fails_a_sealed_document(left: Left, name: str, what: bytes) -> None:
    octets = (left.home / name).read_bytes()
    left.verify(left.changed(name, octets.index(what) + len(what) + 6), code=1)


def test_one_changed_octet_fails_the_bundle(left: Left) -> None:
    octets = (left.home / "ledger.bundle").read_bytes()
    (record,) = {each["x-seal-record"] for name, each in left.sealed.items() if name == "order.jws"}
    left.check(left.changed("ledger.bundle", octets.index(record.encode()) + 8), code=1)
