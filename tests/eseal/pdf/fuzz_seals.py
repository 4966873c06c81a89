"""Damaged PDFs given to the finder and the judge, measured: a verdict each, never our reader's own fault."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eseal.judging import judge_document, refuse_document
from eseal.pdf.find import find
from eseal.rules import SealReason
from eseal.values import Found
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from tests.eseal.pdf.mutations import PdfMutator, seeds
from tests.eseal.pki import NOW_US, seal_pki

if TYPE_CHECKING:
    from kokuin.trust.report import Report


@dataclass(slots=True)
class SealRun:
    """What came of the files.

    Attributes:
        verdicts: how often each.
        cpu_s: processor time of each.
        violations: what should not have been, and the file.
        slowest: processor time of the slowest, and that file.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    cpu_s: list[float] = field(default_factory=list)
    violations: list[tuple[str, bytes]] = field(default_factory=list)
    slowest: tuple[float, bytes] = (0.0, b"")


def judge(document: bytes) -> Report:
    """Judge a PDF by the tests' PKI, now."""
    context = Context(NOW_US, seal_pki().trust)
    found = find(document, None)
    if isinstance(found, Found):
        return judge_document(found, context)
    return refuse_document("pdf", found, context)


def run_seals(seed: int, count: int) -> SealRun:
    """Judge so many damaged files."""
    run = SealRun()
    files = seeds()
    mutator = PdfMutator(files, seed)
    for _ in range(count):
        octets = mutator.next()
        started = time.process_time()
        try:
            report = judge(octets)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
            run.violations.append((repr(error), octets))
            continue
        cost = time.process_time() - started
        run.cpu_s.append(cost)
        run.slowest = max(run.slowest, (cost, octets))
        run.verdicts[report.indication.value] += 1
        if f'"{SealReason.READER_FAILED}"' in report.to_json():
            run.violations.append(("our own reader failed", octets))
        if report.indication is Indication.PASSED and not _is_sound(octets, files):
            run.violations.append(("passed", octets))
    return run


def _is_sound(octets: bytes, files: tuple[bytes, ...]) -> bool:
    """Whether a file that passed begins with one that was sealed, so that its damage came after the seal."""
    return any(octets.startswith(each) for each in files)
