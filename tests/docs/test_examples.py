"""Commands that the documents show can be typed, and every one that they name exists."""

from __future__ import annotations

import re
import shlex

import pytest

from kokuin.cli import parser
from kokuin.cli.parser import COMMANDS
from pqc.policies import shipped_policies
from tests.docs.markdown import READMES, code_blocks, documents, literals, prose, read, table_from
from tests.docs.test_documents import commands

OPERATIONS = "docs/operations.md"
TYPED = [
    (name, found[1])
    for name in documents()
    for block in code_blocks(read(name))
    if block.startswith("```sh")
    for line in block.splitlines()
    if (found := re.fullmatch(r"(?:docker compose run --rm |\w+=\$\()?(tsa .*?)\)?", line))
]


@pytest.mark.parametrize(("name", "line"), TYPED)
def test_the_grammar_takes_what_a_document_shows(
    name: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del name
    monkeypatch.setattr(parser, "_outcome", lambda _: 0)
    assert parser.run(shlex.split(line)[1:]) == 0


def test_the_readme_shows_every_act_but_those_of_seldom_days() -> None:
    shown = {" ".join(shlex.split(line)[1:3]) for name, line in TYPED if name == "README.md"}
    seldom = {"profile show", "profile unschedule", "policy export", "policy import"}
    seldom |= {f"ledger {act}" for act in ("annotate", "redact", "reenter")}
    seldom |= {
        "tenant list",
        "tenant show",
        "tenant enable",
        "client show",
        "client disable",
        "client enable",
    }
    seldom |= {"key unbind", "approval deny", "activation list", "stop show"}
    assert {act for act in commands() if " " in act} - shown == seldom


@pytest.mark.parametrize("name", documents())
def test_every_command_that_a_document_names_exists(name: str) -> None:
    acts = {command.partition(" ")[0] for command in commands() if " " in command}
    for literal in literals(prose(read(name))):
        words = literal.split()
        if words[0] != "tsa" or len(words) == 1 or words[1] == "--version":
            continue
        assert words[1] in COMMANDS, literal
        if words[1] in acts and len(words) > 2 and not words[2].startswith("-"):
            assert f"{words[1]} {words[2]}" in commands(), literal


def test_every_shipped_policy_is_named() -> None:
    rows = table_from(read(OPERATIONS), "`baseline`").rows
    assert {name for row in rows for name in literals(row[0])} == set(shipped_policies())
    for readme in READMES:
        assert set(shipped_policies()) <= set(literals(prose(read(readme))))
