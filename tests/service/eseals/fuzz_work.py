"""Damaged documents sealed and extended as a child does it: so that it holds, or refused with a code."""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.jades_payload import canonical_json
from eseal.profile import Format, SealProfile, parse_seal_profile
from eseal.values import Found, Level, Material, StampUnavailableError
from kokuin.service.eseals import work
from kokuin.service.eseals.codes import STATUS, SealRefusedError
from kokuin.service.eseals.stamping import DIGEST
from kokuin.service.eseals.tasks import Act
from kokuin.trust.report import Indication
from tests.eseal.fuzz_judging import TARGETS
from tests.eseal.json_mutator import JsonMutator
from tests.eseal.pdf.mutations import PdfMutator
from tests.eseal.pdf.mutations import seeds as pdf_seeds
from tests.eseal.pdf.plain import compressed_pages, pages
from tests.eseal.pki import seal_key, seal_pki
from tests.eseal.sealed_data import Data
from tests.eseal.seeds import jades_seeds
from tests.measured import take_all
from tests.service.eseals.benches import PROFILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.measured import Run

SEEN = """
[appearance]
page = 1
box = [300, 40, 560, 140]
text = "{{identifier}} {{time}}"
"""
DOCUMENTS = (
    b'{"invoice":"2026-11","total":1200.50,"items":[1,2,3],"to":{"name":"\\u8cb4\\u65b9","tax":null}}',
    json.dumps([{"n": n, "text": "x" * n} for n in range(20)]).encode(),
    b'{"a":' * 60 + b"1" + b"}" * 60,
    b"[1e308,-0,0.1,123456789012345678901234567890,true]",
)
JUDGED = 10
"""One seal in so many that were extended is judged before and after."""
WORKS = (
    (Act.SEAL, Format.PDF),
    (Act.SEAL, Format.JSON),
    (Act.EXTEND, Format.PDF),
    (Act.EXTEND, Format.JSON),
    (Act.EXTEND, Format.CADES),
)
"""Any octets are sealed by CAdES, which looks at none of them."""
DOWN = 0.1
"""Part of the requests while no time-stamp can be had."""


def sources(act: Act, form: Format, seed: int) -> Callable[[], bytes]:
    """Return what makes documents to be sealed, or sealed ones to be extended."""
    if act is Act.EXTEND:
        return TARGETS[form].source(seed)
    if form is Format.PDF:
        return PdfMutator((pages(), pages(3), compressed_pages(), *pdf_seeds()), seed).next
    return JsonMutator((*DOCUMENTS, *jades_seeds()[:4]), seed).next


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        act, form: what is to be done, and of which format.
        level, least: to be reached, and the lowest allowed.
        options: of the format.
        seen: whether the seal is seen.
        down: whether no time-stamp can be had.
    """

    act: Act
    form: Format
    level: Level
    least: Level
    options: dict[str, str]
    seen: bool
    down: bool


class Requests:
    """An endless source of what may be asked."""

    def __init__(self, act: Act, form: Format, seed: int) -> None:
        self._act, self._form = act, form
        self._random = random.Random(seed)  # noqa: S311  # inputs that can be made again, no secrets

    def next(self) -> Asked:
        """Return the next."""
        levels = list(Level)
        level = self._random.choice(levels)
        least = self._random.choice(levels[: levels.index(level) + 1])
        draw = self._random.random
        options = {} if self._act is Act.EXTEND else self._options()
        return Asked(self._act, self._form, level, least, options, seen=draw() < 0.3, down=draw() < DOWN)

    def _options(self) -> dict[str, str]:
        choose = self._random.choice
        if self._form is Format.PDF:
            field = choose(("", "", "", "Signature1", "first", "second", "a.b", "x" * 256))
            return {
                "field": field,
                "reason": choose(("", "issued", "発行")),
                "location": choose(("", "()\\")),
            }
        options: dict[str, str] = {}
        if self._random.random() < 0.3:
            options |= {"form": "detached", "uri": choose(("a", "urn:x", "https://example.jp/a?b=c"))}
        if self._random.random() < 0.3:
            options["canonical"] = "rfc8785"
        if self._random.random() < 0.5:
            options["serialization"] = choose(("compact", "flattened", "general"))
        return options


def run_work(act: Act, form: Format, seed: int, count: int) -> Run:
    """Seal or extend so many damaged documents."""
    requests, doing = Requests(act, form, seed), work.work_of(form)
    judged = random.Random(seed)  # noqa: S311  # as above
    pki = seal_pki()
    material = Material(pki.chain, pki.revocation())
    unit, profiles = pki.stamper("ed25519"), (profile_of(""), profile_of(SEEN))

    def one(octets: bytes) -> Callable[[], str]:
        asked = requests.next()

        def stamp(imprint: bytes) -> bytes:
            if asked.down:
                raise StampUnavailableError("down")
            unit.at = dt.datetime.now(dt.UTC)
            return unit.stamp(imprint)

        beside = TARGETS[form].content if act is Act.EXTEND else None
        order = work.Order(
            octets,
            None if beside is None else beside.octets(1 << 20),
            (seal_key(),) if act is Act.SEAL else (),
            asked.options,
            profiles[asked.seen] if act is Act.SEAL else None,
        )
        try:
            made, level = work.make(
                doing,
                act,
                order,
                (asked.level, asked.least),
                work.Counting(stamp, DIGEST),
                lambda _: material,
            )
        except SealRefusedError as error:
            code = f"{error.code} {error.reason}".rstrip()
            status = STATUS[error.code]
            return lambda: _refused(code, status)
        except StampUnavailableError:
            return lambda: _unstamped(asked)
        return lambda: _examine(asked, octets, made, level, closely=judged.random() < 1 / JUDGED)

    return take_all(count, sources(act, form, seed), one)


def profile_of(more: str) -> SealProfile:
    """Return a seal profile with these lines more."""
    return parse_seal_profile("invoices", (PROFILE + more).format(suites='"ecdsa-p256-sha256"'))


def _refused(code: str, status: int) -> str:
    assert status < 500, code
    return code


def _unstamped(asked: Asked) -> str:
    assert asked.down
    return "no time-stamp"


def _examine(asked: Asked, octets: bytes, made: bytes, level: Level, *, closely: bool) -> str:
    """Return what came of it.

    Raises:
        AssertionError: what was made does not hold, or is worse than what came in.
    """
    assert asked.least.rank <= level.rank <= asked.level.rank, f"{level} was reached"
    if asked.form is Format.PDF:
        assert made.startswith(octets), "what was there is not there any more"
    target, now_us = TARGETS[asked.form], time.time_ns() // 1_000
    if asked.act is Act.SEAL:
        sealed = canonical_json(octets) if "canonical" in asked.options else octets
        beside = Data(sealed) if "form" in asked.options else None
        report = replace(target, content=beside).judge(asked.form, made, now_us)
        own = report.parts[-1] if report.parts else report
        assert own.indication is Indication.PASSED, f"sealed, and {own.to_json()}"
        # What was there before may have seals of its own, which are as good as they were.
        return f"sealed, and the whole {report.indication}"
    found = target.find(made, target.content)
    assert isinstance(found, Found), f"extended, and not found: {found}"
    assert found.seals, "extended, and without a seal"
    if closely:
        before, after = (target.judge(asked.form, each, now_us).indication for each in (octets, made))
        assert before is not Indication.PASSED or after is Indication.PASSED, f"{before} became {after}"
    return "extended"
