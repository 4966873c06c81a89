"""`docs/operations.md` and the commands, in both languages, explain every no of access, and the roles."""

from __future__ import annotations

import re

import pytest

from kokuin.cli.messages import LANGUAGES, sentence_or
from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.principal import Role
from tests.docs.markdown import ROOT, literals, read, table_from

OPERATIONS = "docs/operations.md"
_CODE = re.compile(r'"([A-Z]+(?:_[A-Z]+)+)"')


def desk_codes() -> set[str]:
    """Codes with which the keeper's desks for access refuse."""
    sources = (ROOT / "kokuin" / "service" / "access").glob("*.py")
    return {code for path in sources for code in _CODE.findall(path.read_text("utf-8"))} - set(DenialCode)


def test_every_denial_is_explained_with_its_status() -> None:
    rows = table_from(read(OPERATIONS), "`CREDENTIAL_WANTED`").rows
    said = {code: row[1] for row in rows for code in literals(row[0])}
    assert said == {code.value: str(Denial(code).status) for code in DenialCode}


def test_every_code_of_the_desks_is_explained() -> None:
    rows = table_from(read(OPERATIONS), "`TENANT_UNKNOWN`").rows
    codes = desk_codes()
    assert {"TENANT_UNKNOWN", "VALUE_UNFIT", "OPERATION_UNKNOWN"} < codes
    assert {code for row in rows for code in literals(row[0])} >= codes - {"OPERATION_UNKNOWN"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_no_has_a_sentence(lang: str) -> None:
    codes = {code.value for code in DenialCode} | desk_codes() | {"LEDGER_REFUSED"}
    assert not [code for code in codes if not sentence_or(lang, f"access.code.{code}", "")]


def test_the_roles_are_explained() -> None:
    rows = table_from(read(OPERATIONS), "`stamp`").rows
    assert {literals(row[0])[0] for row in rows} == {role.value for role in Role}
