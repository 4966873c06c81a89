"""Seals of a service whose profile makes evidence: within their time-stamps, or beside the document."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from eseal.profile import Format
from eseal.values import Level, StampRole
from kokuin.cli.main import main
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.tasks import Act, Task
from kokuin.wire.token_form import bare_token, evidence_in
from tests.eseal.pdf.plain import pages
from tests.eseal.test_evidence_in_seals import found_in
from tests.service.eseals.benches import Evidence, benched, tenant_seal
from tests.service.eseals.test_sealing_http import Sealing
from tests.service.evidence.evidencing import see
from tests.service.running import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.service.running import Prepared

DATA = b'{"invoice":"2026-11"}'
OCTETS = {Format.PDF: pages(), Format.JSON: DATA, Format.CADES: DATA}


@pytest.fixture(autouse=True)
def _at_once(at_once: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", at_once)


def task(form: Format, level: Level, act: Act = Act.SEAL) -> Task:
    return Task(act, form, level=level)


@pytest.mark.parametrize("form", list(Format))
def test_evidence_is_within_before_a_seal_leaves_and_the_record_names_the_token_without(form: Format) -> None:
    async def run() -> None:
        async with benched() as bench:
            bench.evidence = Evidence.WITHIN
            sealed, octets = await bench.make(task(form, Level.B_LTA), OCTETS[form])
            (record,) = bench.journal.records
            tokens = [stamp.token for stamp in found_in(form, octets).seals[0].stamps]
            assert [len(evidence_in(token)) for token in tokens] == [1, 1]
            bare = [hashlib.sha256(bare_token(token)).hexdigest() for token in tokens]
            assert set(bare) <= set(record.fields["toks"])  # type: ignore[arg-type]  # a list
            assert (sealed.evidence, record.fields["evidence"]) == ("", "")
            raised, more = await bench.make(task(form, Level.B_LTA, Act.EXTEND), octets, beside(form))
            assert raised.evidence == ""
            stamps = found_in(form, more).seals[0].stamps
            assert [stamp.token for stamp in stamps[:2]] == tokens
            assert len(evidence_in(stamps[2].token)) == 1

    asyncio.run(run())


def beside(form: Format) -> bytes | None:
    return DATA if form is Format.CADES else None


def test_every_document_but_the_first_has_room_for_its_evidence_at_once() -> None:
    """Attack on patience: a room that is too small costs a signature and two waits for evidence each time."""

    async def run() -> None:
        async with benched() as bench:
            bench.evidence = Evidence.WITHIN
            bench.keyring.seals["invoices"] = tenant_seal()
            await bench.make(task(Format.PDF, Level.B_T), OCTETS[Format.PDF])
            before = bench.stamped
            await bench.desk.close()  # the next child has seen no token
            await bench.make(task(Format.PDF, Level.B_T), OCTETS[Format.PDF])
            assert bench.stamped == before + 1

    asyncio.run(run())


@pytest.mark.parametrize("form", list(Format))
def test_where_it_is_made_later_the_document_itself_is_stamped_once_more(form: Format) -> None:
    async def run() -> None:
        async with benched() as bench:
            bench.evidence = Evidence.OWED
            sealed, octets = await bench.make(task(form, Level.B_T), OCTETS[form])
            (record,) = bench.journal.records
            assert bench.imprints[-1] == hashlib.sha512(octets).digest()
            assert sealed.evidence == record.fields["evidence"] == f"{bench.stamped:x}"
            assert sealed.facts()["evidence"] == sealed.evidence
            raised, more = await bench.make(task(form, Level.B_LTA, Act.EXTEND), octets, beside(form))
            assert bench.imprints[-1] == hashlib.sha512(more).digest()
            assert raised.evidence != sealed.evidence

    asyncio.run(run())


def test_a_seal_without_time_stamps_owes_no_evidence() -> None:
    async def run() -> None:
        async with benched() as bench:
            bench.evidence = Evidence.OWED
            sealed, _ = await bench.make(task(Format.CADES, Level.B_B), DATA)
            assert (sealed.evidence, bench.stamped) == ("", 0)

    asyncio.run(run())


def test_what_is_promised_to_last_does_not_leave_without_the_time_stamp_for_its_evidence() -> None:
    async def run() -> None:
        async with benched() as bench:
            bench.evidence, bench.stamps_left = Evidence.OWED, 1
            with pytest.raises(SealRefusedError) as error:
                await bench.make(task(Format.CADES, Level.B_T), DATA)
            assert (error.value.code, error.value.reason) == (SealCode.STAMP_UNAVAILABLE, "CLOCK")
            assert bench.journal.records == []

    asyncio.run(run())


class Verifier:
    """Whoever has a document and the published roots."""

    def __init__(self, home: Path, sealing: Sealing, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.trust, self.capsys = home, sealing.service.folder.root / "trust", capsys
        (home / "data").write_bytes(DATA)

    def report(self, octets: bytes, *more: str, record: bytes | None = None, code: int = 0) -> dict[str, Any]:
        """Judge as in 2033; a record lies beside the document."""
        file = self.home / "sealed"
        file.write_bytes(octets)
        beside = self.home / "sealed.er"
        beside.unlink(missing_ok=True)
        if record is not None:
            beside.write_bytes(record)
        words = ["verify", str(file), "--trust", str(self.trust), "--json"]
        later = ["--at", "2033-01-01", "--policy", "eu-ts119312"]
        self.capsys.readouterr()
        assert main([*words, *later, *more]) == code
        return dict(json.loads(self.capsys.readouterr().out))


KINDS = {
    Format.PDF: "application/pdf",
    Format.JSON: "application/json",
    Format.CADES: "application/octet-stream",
}


def sealed_by(sealing: Sealing, form: Format, level: Level = Level.B_LTA) -> Any:
    answer = sealing.post(f"/seals/{form}?level={level}", OCTETS[form], content_type=KINDS[form])
    assert answer.status_code == 200, answer.text
    return answer


def words_for(home: Path, form: Format) -> list[str]:
    return ["--data", str(home / "data")] if form is Format.CADES else []


@pytest.fixture(scope="module")
def hybrid(folder_of: Callable[[str], Prepared], at_once: str) -> Iterator[Sealing]:
    with serving(folder_of("hybrid"), {"PYTHONPATH": at_once}) as service:
        yield Sealing(service)


@pytest.mark.parametrize("form", list(Format))
def test_a_seal_of_a_service_with_hybrid_passes_in_2033_by_what_is_within(
    hybrid: Sealing, form: Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = sealed_by(hybrid, form)
    assert "x-seal-evidence" not in answer.headers
    verifier = Verifier(tmp_path, hybrid, capsys)
    report = verifier.report(answer.content, *words_for(tmp_path, form))
    assert (report["indication"], report["subject"]["combined"]) == ("PASSED", "PASSED")
    tokens = {stamp.token: stamp.role for stamp in found_in(form, answer.content).seals[0].stamps}
    assert next(iter(tokens.values())) is StampRole.SIGNATURE
    leaf, known = hybrid.issued()[-1], {each.get("tok"): each for each in hybrid.service.leaves()}
    assert all(known[name]["embedded"] for name in leaf["toks"])
    assert {hashlib.sha256(bare_token(token)).hexdigest() for token in tokens} <= set(leaf["toks"])


def test_a_tenant_s_client_who_may_seal_is_given_the_evidence_of_the_tenant_alone(hybrid: Sealing) -> None:
    sealed_by(hybrid, Format.CADES, Level.B_T)
    (name,) = hybrid.issued()[-1]["toks"]
    (serial,) = [each["serial"] for each in hybrid.service.leaves() if each.get("tok") == name]
    assert hybrid.get(f"/api/v1/evidence/{serial}").status_code == 200
    other = hybrid.done("access.tenant.add", name="Other")["tenant"]
    stranger = hybrid.client(other)
    assert hybrid.get(f"/api/v1/evidence/{serial}", key=stranger).status_code == 404


SLOW = """\
import os
os.nice = lambda _: 0
import kokuin.service.evidence.embedding as embedding
embedding.SLOW_EMBEDDING_SECONDS = -1.0
"""


@pytest.fixture(scope="module")
def slow(folder_of: Callable[[str], Prepared], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealing]:
    """A service that finds its unit of evidence too slow to put evidence into tokens."""
    folder = tmp_path_factory.mktemp("slow")
    (folder / "sitecustomize.py").write_text(SLOW)
    with serving(folder_of("hybrid"), {"PYTHONPATH": str(folder)}, afresh=True) as service:
        yield Sealing(service)


@pytest.mark.parametrize("form", list(Format))
def test_where_evidence_is_slow_a_record_lies_beside_the_document(
    slow: Sealing, form: Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = sealed_by(slow, form, Level.B_T)
    path = answer.headers["x-seal-evidence"]
    assert slow.issued()[-1]["evidence"] == path.rpartition("/")[2]
    while (given := slow.get(path)).status_code == 409:
        assert given.json()["code"] == "EVIDENCE_PENDING"
        time.sleep(0.02)
    assert given.status_code == 200
    assert hashlib.sha512(answer.content).digest() in see(given.content).group
    verifier, words = Verifier(tmp_path, slow, capsys), words_for(tmp_path, form)
    assert verifier.report(answer.content, *words, code=2)["indication"] == "INDETERMINATE"
    report = verifier.report(answer.content, *words, record=given.content)
    assert (report["indication"], report["subject"]["combined"]) == ("PASSED", "PASSED")
    other = verifier.report(answer.content + b"\n", *words, record=given.content, code=1)
    assert other["indication"] == "FAILED"


def test_a_job_tells_where_the_record_is_and_a_key_gets_the_same_once_more(slow: Sealing) -> None:
    words = {"content_type": "application/json", "idempotency_key": "once"}
    first = slow.post("/seals/json?level=B-T", DATA, **words)
    again = slow.post("/seals/json?level=B-T", DATA, **words)
    assert again.content == first.content
    assert again.headers["x-seal-evidence"] == first.headers["x-seal-evidence"]
    words = {"content_type": "application/json", "prefer": "respond-async"}
    place = slow.post("/seals/json?level=B-T", DATA, **words).headers["location"]
    assert slow.ended(place)["evidence"] == f"/api/v1/evidence/{slow.issued()[-1]['evidence']}"


@pytest.mark.parametrize("how", ["over HTTP", "as the owner"])
def test_the_command_waits_for_the_record_and_writes_it_beside(
    slow: Sealing, how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "letter.json", tmp_path / "letter.json.jws"
    file.write_bytes(DATA)
    if how == "over HTTP":
        (tmp_path / "key").write_text(slow.key)
        where = ["--url", str(slow.service.client.base_url), "--key-file", str(tmp_path / "key")]
    else:
        where = ["--dir", str(slow.service.folder.root), "--tenant", slow.tenant]
    words = ["seal", str(file), "--level", "B-LTA", *where]
    assert main(words) == 0, capsys.readouterr()
    assert "letter.json.jws.er" in capsys.readouterr().out
    report = Verifier(tmp_path, slow, capsys).report(
        out.read_bytes(), record=(tmp_path / "letter.json.jws.er").read_bytes()
    )
    assert report["indication"] == "PASSED"
    out.unlink()
    assert main(words) == 3, "the record of another document is there already"
