"""`docs/operations.md` and the command, in both languages, say what every code of a seal profile means."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from eseal.certificate import CertificateProblem
from eseal.material import MaterialProblem
from eseal.profile import parse_seal_profile
from kokuin.cli.messages import LANGUAGES, sentence_or
from kokuin.service.certificate_import import ImportProblem
from kokuin.service.eseals.values import SealProblem
from tests.docs.markdown import ROOT, literals, read, tables

OPERATIONS = "docs/operations.md"
_CODE = re.compile(r'"((?:SEAL|TENANT|FILE)_[A-Z_]+)"')


def codes() -> set[str]:
    """Codes with which the desk for seal profiles refuses, and those of a profile that cannot seal."""
    sources = (ROOT / "kokuin" / "service" / "eseals").glob("profiles_*.py")
    own = {code for path in sources for code in _CODE.findall(path.read_text("utf-8"))}
    return own | {each.value for kind in (SealProblem, CertificateProblem) for each in kind}


IMPORTING = {each.value for each in ImportProblem if not each.value.startswith("ETSI_")} - {
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_PURPOSE",
}
"""Those of units that are said of seals too; two others have names of their own there."""


def test_every_code_is_explained() -> None:
    said = {code for table in tables(read(OPERATIONS)) for row in table.rows for code in literals(row[0])}
    assert {"SEAL_PROFILE_UNFIT", "SEAL_KEY_SHARED", "TENANT_UNKNOWN"} < codes()
    assert not (codes() | IMPORTING | {each.value for each in MaterialProblem}) - said


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_code_has_a_sentence(lang: str) -> None:
    told = codes() | IMPORTING | {"LEDGER_REFUSED"}
    assert not [code for code in told if not sentence_or(lang, f"seal-profile.code.{code}", "")]


def test_the_profile_that_is_shown_is_whole_and_can_be_added() -> None:
    (shown,) = (
        block for block in re.findall(r"```toml\n(.*?)```", read(OPERATIONS), re.DOTALL) if "suites" in block
    )
    profile = parse_seal_profile("shown", shown)
    assert profile.appearance is not None
    for value, unsaid in (
        (profile, {"name", "text", "person", "statements"}),
        (profile.appearance, set[str]()),
    ):
        for each in fields(value):
            assert each.name in unsaid or re.search(rf"^\[?{each.name}\b", shown, re.MULTILINE), each.name
    statements = re.search(r"A certificate makes statements.*?\n\n", read(OPERATIONS), re.DOTALL)
    assert statements is not None
    wanted = {
        each.name for each in fields(parse_seal_profile("qc", shown + "\n[qc]\n").statements or profile)
    }
    assert wanted <= set(literals(statements[0]))
