"""Foreign sealed documents, good ones and attacks, through the door that everybody uses: each its verdict."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import pytest

from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.report import Check, Indication, Report
from kokuin.verify import seals
from kokuin.verify.content import of_octets
from kokuin.verify.facts import AskedDigests, Facts
from kokuin.verify.facts_reading import read_facts
from kokuin.verify.verifying import verify_bytes
from tests.peers import corpus
from tests.reportschema import valid

NOW = time.time_ns() // 1_000


@dataclass(frozen=True)
class Row:
    """A file, its verdict with nobody trusted, and the reasons among which one must stand in its checks."""

    name: str
    verdict: str
    reasons: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name


NO_CHAIN = "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND"
ROWS = (
    Row("pdf/PAdES-LT.pdf", NO_CHAIN),
    Row("pdf/certified-changes-permitted.pdf", NO_CHAIN),
    Row("pdf/pdf-with-empty-sig.pdf", "FAILED FORMAT_FAILURE", frozenset({"NO_SEAL"})),
    Row("jades/jades-lta.json", NO_CHAIN),
    Row("jades/simple-detached.json", "INDETERMINATE SIGNED_DATA_NOT_FOUND"),
    Row("jades/altered-jws.json", "FAILED SIG_CRYPTO_FAILURE", frozenset({"SIGNATURE_INVALID"})),
    Row("jades/jades-b-iat-and-sigt.json", "FAILED FORMAT_FAILURE", frozenset({"HEADER_WRONG"})),
    Row("jades/jades-with-mixed-etsiU-type.json", "FAILED FORMAT_FAILURE", frozenset({"UNSIGNED_MIXED"})),
    Row("jades/jades-lta-broken-arcTst.json", "FAILED HASH_FAILURE", frozenset({"STAMP_FAILED"})),
    Row("jades/jades-t-copied-sigtst.json", "FAILED HASH_FAILURE", frozenset({"STAMP_FAILED"})),
)
ATTACKS = {
    "pdf/hide.pdf": {"CHANGED_AFTERWARDS", "HIDDEN_CONTENT", "CHANGES_UNKNOWN"},
    "pdf/siwa.pdf": {"COVERAGE_WRONG", "COVERAGE_OVERLAPS", "COVERAGE_PARTIAL"},
    "pdf/pdf-byterange-overlap.pdf": {"COVERAGE_WRONG", "COVERAGE_OVERLAPS"},
    "pdf/pdf-removed-pages.pdf": {"CHANGED_AFTERWARDS"},
}
"""What must never pass, whoever is trusted; one of these reasons must be told."""


def read(name: str) -> bytes:
    return (corpus() / name).read_bytes()


def everyone(data: bytes) -> TrustStore:
    """A store in which every certificate that a document carries is trusted."""
    form = seals.recognise(data)
    assert form is not None
    found = seals._find(form, data, None)
    if isinstance(found, Check):
        return TrustStore()
    carried = dict.fromkeys(octets for seal in found.seals for octets in seal.certificates)
    return TrustStore(tuple(map(read_certificate, carried)))


def mutant_of(data: bytes, chance: random.Random) -> bytes:
    """Return a document with a few of its octets changed, cut out, doubled or moved."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randrange(len(changed)), chance.choice((1, 1, 2, 8, 64, 1000))
        match chance.randrange(5):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.choice(b"0123456789<>[]{}()/\"',. \n")
            case 2 if len(changed) > size:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case _:
                changed[at : at + size] = chance.randbytes(size)
    return bytes(changed)


def told(report: Report) -> set[str]:
    own = {check.reason for check in report.checks if check.reason is not None}
    return own.union(*map(told, report.parts))


def verdict(report: Report) -> str:
    return " ".join(filter(None, (report.indication, report.sub_indication)))


def said(report: Report) -> None:
    """The report is of the published form, and can be said."""
    valid(report)
    for lang in LANGUAGES:
        assert all(sentences(report, lang))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_foreign_document_gets_its_verdict(row: Row) -> None:
    report = verify_bytes(read(row.name), Context(NOW, TrustStore()))
    assert verdict(report) == row.verdict
    assert row.reasons <= told(report)
    said(report)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_never_passes_whoever_is_trusted(name: str) -> None:
    data = read(name)
    for trust in (TrustStore(), everyone(data)):
        for at in (NOW, NOW - 6 * 365 * 86_400 * 1_000_000):
            report = verify_bytes(data, Context(at, trust))
            assert report.indication is not Indication.PASSED
            assert told(report) & ATTACKS[name], told(report)
            said(report)


def test_the_foreign_archive_passes_by_its_own_roots_at_its_time() -> None:
    data = read("jades/jades-lta.json")
    report = verify_bytes(data, Context(1_611_573_602 * 1_000_000, everyone(data)))
    assert verdict(report) == "PASSED"
    assert report.proofs_of_existence


@pytest.mark.parametrize("folder", ["pdf", "jades"])
def test_every_judgement_is_made_again_from_its_facts(folder: str) -> None:
    for path in sorted((corpus() / folder).iterdir()):
        data = path.read_bytes()
        digests = AskedDigests(of_octets(b"some data"))
        context = Context(NOW, everyone(data), digests)
        report = verify_bytes(data, context)
        kept = Facts(data, Context(NOW, context.trust), digests.asked, data=digests.data)
        assert read_facts(kept.encode()).judge().to_json() == report.to_json(), path.name


@pytest.mark.parametrize("name", [row.name for row in ROWS] + list(ATTACKS))
def test_whatever_happens_to_a_document_it_has_a_verdict(name: str) -> None:
    """No change makes a finder end in anything but facts, and none makes a document pass."""
    data, chance = read(name), random.Random(name)  # noqa: S311  # chance, not secrecy
    trust = everyone(data)
    for _ in range(25):
        report = verify_bytes(mutant_of(data, chance), Context(NOW, trust))
        assert "READER_FAILED" not in told(report)
        assert report.indication is not Indication.PASSED
        said(report)
