"""`docs/operations.md` says what every code of keys, certificates and backups means."""

from __future__ import annotations

import inspect
import re

from kokuin.service import keys_operations
from kokuin.service.backup_archive import BackupProblem
from kokuin.service.certificate_import import ImportProblem
from pqc.envelope_errors import EnvelopeProblem
from pqc.keyfiles import KeyFileProblem
from tests.docs.markdown import literals, read, tables

OPERATIONS = "docs/operations.md"


def test_every_code_is_there() -> None:
    said = {code for table in tables(read(OPERATIONS)) for row in table.rows for code in literals(row[0])}
    problems = (ImportProblem, BackupProblem, EnvelopeProblem, KeyFileProblem)
    known = {problem.value for kind in problems for problem in kind}
    own = set(re.findall(r'(?:Error\(|code, detail = )"([A-Z_]{6,})"', inspect.getsource(keys_operations)))
    assert len(own) > 6
    assert not known - said
    assert not own - said
