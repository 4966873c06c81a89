"""Every sentence gets what it needs to be said, in both languages."""

from __future__ import annotations

import ast
import string
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kokuin
from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.trust.fitness import Constraints, judge_key
from kokuin.trust.judge import make_report
from kokuin.trust.rules import SIGNATURE_ALGORITHM
from kokuin.wire import oids
from pqc.scheme import KeyFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOM = Path(kokuin.__file__).parent
OUTCOMES = frozenset({"weak", "not_done", "failed", "indeterminate"})
TELLERS = frozenset({"tell_made", "_make", "write_whole"})
"""Functions that give the sentence which is named to them what it needs themselves."""


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("bits", [1024, 512])
def test_a_weak_key_is_named_to_people(lang: str, bits: int) -> None:
    key, context = KeyFacts("rsa", f"RSA-{bits}", bits), Context(0, TrustStore())
    constraints = Constraints(context.policy, 0, 0)
    check = judge_key(SIGNATURE_ALGORITHM, key, "sha256", oids.SHA256_WITH_RSA, constraints)
    assert any(f"RSA-{bits}" in line for line in sentences(make_report({}, context, (check,)), lang))


def _said() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield place, key and parameters of every sentence that a call names outright."""
    for path in (*ROOM.rglob("*.py"), *ROOM.with_name("eseal").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or any(word.arg is None for word in call.keywords):
                continue
            if isinstance(call.func, ast.Name) and call.func.id in TELLERS:
                continue
            names = frozenset(str(word.arg) for word in call.keywords)
            outcome = isinstance(call.func, ast.Attribute) and call.func.attr in OUTCOMES
            for argument in call.args:
                place = f"{path.name}:{call.lineno}"
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield place, argument.value, names
                elif outcome and ast.unparse(argument).startswith(("Reason.", "SealReason.")):
                    yield place, f"reason.{ast.unparse(argument).rpartition('.')[2]}", names


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_sentence_is_given_its_parameters(lang: str) -> None:
    source = (ROOM / "cli" / "messages" / f"{lang}.toml").read_text(encoding="utf-8")
    known = {
        f"{area}.{code}": text
        for area, codes in tomllib.loads(source).items()
        for code, text in codes.items()
    }
    seen = set()
    for place, key, names in _said():
        if key in known:
            seen.add(key)
            wanted = {field for _, field, _, _ in string.Formatter().parse(known[key]) if field}
            assert wanted <= names, f"{place}: {key}"
    assert len(seen) > 50
