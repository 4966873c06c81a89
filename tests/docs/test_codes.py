"""`docs/operations.md` explains every code that an operator meets in an answer or a blocker."""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest

from tests.docs.markdown import literals, read, tables

OPERATIONS = "docs/operations.md"
TELLING = (
    "app",
    "batch_codes",
    "desk",
    "dryrun",
    "dryrun_chain",
    "dryrun_codes",
    "export_api",
    "exporting",
    "http_problems",
    "issuing_policy",
    "joining",
    "ledger_api",
    "ledger_acts",
    "ledger_backup",
    "noting",
    "operator_api",
    "ports",
    "profile_operations",
    "profile_view",
    "pruning",
    "recovering",
    "reentering",
    "proof_api",
    "proving",
    "published_log",
    "publishing",
    "faults",
    "stamp_endpoint",
    "store_faults",
    "switching",
    "witness_client",
    "witness_server",
    "witnessing",
    "checkpoint_stamps",
    "verify_codes",
    "codes",
    "records",
    "batcher",
    "renewing",
    "renewal_watch",
)
"""Modules whose literals in capitals are codes that leave the service."""
LEDGER = {"proving", "faults", "store_faults"}
SEALS = {"codes"}
EVIDENCE = {"records", "batcher", "renewing", "renewal_watch"}
MIGRATION = {"desk", "dryrun", "dryrun_chain", "dryrun_codes"}
CODE = re.compile(r"[A-Z]+(_[A-Z]+)+|INTERNAL")
OUR_OWN = {
    "OPERATION_UNKNOWN",  # between the command and a keeper of another release
    "HTTP_CLIENT_NOT_READING",  # told to nobody
    "TSA_PASSPHRASE",
    "TSA_PIN",
}


def codes(module: str) -> set[str]:
    """Every literal of a module that has the form of a code."""
    place = "kokuin.service.migration" if module in MIGRATION else "kokuin.service"
    place = "kokuin.ledger" if module in LEDGER else place
    place = "kokuin.service.evidence" if module in EVIDENCE else place
    place = "kokuin.service.eseals" if module in SEALS else place
    tree = ast.parse(inspect.getsource(importlib.import_module(f"{place}.{module}")))
    literal = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {value for value in literal if isinstance(value, str) and CODE.fullmatch(value)}


@pytest.mark.parametrize("module", TELLING)
def test_every_code_that_is_told_is_explained(module: str) -> None:
    explained = {
        code for table in tables(read(OPERATIONS)) for row in table.rows for code in literals(row[0])
    }
    found = codes(module)
    assert found
    assert not found - explained - OUR_OWN
