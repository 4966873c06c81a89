"""Mutated evidence records, alone, beside tokens and within them: a verdict each, and nothing else proven."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import Attribute
from kokuin.wire.token_form import bare_token
from pqc.policies import load_policy
from tests.measured import Run, take_all
from tests.mutators import Mutator
from tests.trust.evidences import DATA, P256, PQ, again, anew, first, moment, trust, unit, us
from tests.unsigned import attribute, with_unsigned
from tests.verify.fuzz_tokens import examine

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.report import Report
    from tests.trust.evidences import Unit

LIMIT = 262_144
"""Octets of the longest input: records of three time-stamps with ML-DSA have some 50,000."""
PEAK_KIB = 64 * 1024
"""Memory that one judgement may take above what was taken before, KiB."""
SAMPLE = 50
"""One report in so many is also made anew, and told in every language."""
MODES = ("alone", "beside", "within", "token")
"""A record by itself, beside a token, as an attribute of one; and a token with its record, mutated whole."""
STAMPED, COVERED = "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"
AT = us(moment(2043))


@dataclass(frozen=True)
class Seeds:
    """Sound records over `DATA`, a token that has ended, and sound records over that."""

    own: Unit
    token: bytes
    alone: tuple[bytes, ...]
    of_token: tuple[bytes, ...]
    context: Context


def make_seeds() -> Seeds:
    """Make them with new keys; all are judged well beyond the token's own time."""
    own, units = unit(P256, 2026, 1_500), (unit(P256, 2026), unit(PQ, 2026), unit(P256, 2034), unit(PQ, 2034))
    digest = DIGEST_BY_NAME["sha512"].of(DATA)
    token = own.stamp("sha512", digest, moment(2026, 6, 1), crl=False)
    values = encode.sequence(own.unit.certificate, own.root.certificate.der)
    group, infos = (DATA, values), (Attribute(oids.ID_AA_ETS_CERT_VALUES, (values,)),)
    alone, of_token = [], []
    for begins, goes_on in ((units[0], units[2]), (units[1], units[3])):
        record = again(first(begins, moment(2026, 6, 2), *group, infos=infos), goes_on, moment(2035))
        alone += [record, anew(record, goes_on, moment(2036), "sha3_512", DATA)]
        record = first(begins, moment(2026, 6, 2), bare_token(token), *group, infos=infos)
        of_token.append(again(record, goes_on, moment(2035)))
    context = Context(AT, trust(own, *units), of_octets(DATA), policy=load_policy("baseline"))
    return Seeds(own, token, tuple(alone), tuple(of_token), context)


class Inputs:
    """An endless source of mutated records, and of tokens with them."""

    def __init__(self, seeds: Seeds, seed: int) -> None:
        self._seeds = seeds
        self._random = random.Random(seed)  # noqa: S311  # inputs that can be made again, no secrets
        within = [
            with_unsigned(seeds.token, attribute(oids.ID_AA_ER_INTERNAL, each)) for each in seeds.of_token
        ]
        sources = {"alone": seeds.alone, "token": within}
        self._mutators = {mode: Mutator(sources.get(mode, seeds.of_token), seed, LIMIT) for mode in MODES}
        self.mode = MODES[0]

    def next(self) -> bytes:
        """Return the next input; `mode` says what it is."""
        self.mode = self._random.choice(MODES)
        octets = self._mutators[self.mode].next()
        if self.mode == "within":
            return with_unsigned(self._seeds.token, attribute(oids.ID_AA_ER_INTERNAL, octets))
        return octets

    def judge(self, octets: bytes) -> Report:
        """Judge the input that was made last."""
        context = self._seeds.context
        if self.mode == "beside":
            return verify_bytes(self._seeds.token, replace(context, evidence=(octets,)))
        return verify_bytes(octets, context)


def run_records(seed: int, count: int) -> Run:
    """Judge `count` inputs one after the other and examine every report."""
    inputs = Inputs(make_seeds(), seed)
    done = 0

    def work(octets: bytes) -> Callable[[], str]:
        nonlocal done
        done += 1
        report, mode = inputs.judge(octets), inputs.mode
        close = done % SAMPLE == 0

        def examined() -> str:
            examine(report)
            examine_proof(report, mode)
            if close:
                assert inputs.judge(octets).to_json() == report.to_json(), "another report for the same input"
                assert all(list(sentences(report, lang)) for lang in LANGUAGES)
            return f"{mode} {report.indication} {report.sub_indication or ''}".rstrip()

        return examined

    return take_all(count, inputs.next, work)


def examine_proof(report: Report, mode: str) -> None:
    """What passes is what was signed, since when it was; and a token that has ended by its record alone.

    Raises:
        AssertionError: it is not so.
    """
    records = report.parts
    if mode == "alone":
        records = (report,)
        passed = report.indication is Indication.PASSED
        assert report.subject.get("proven_time") == (COVERED if passed else None)
    elif report.indication is Indication.PASSED:
        assert report.subject["gen_time"] == STAMPED
        assert any(each.indication is Indication.PASSED for each in records), "passed without its record"
    for each in records:
        if each.indication is Indication.PASSED:
            assert each.subject["proven_time"] == COVERED, "proven since when nobody signed"
