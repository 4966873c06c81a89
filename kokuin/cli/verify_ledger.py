"""`tsa verify` with a ledger: the auditor's own keys, a bundle, a proof beside the token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.cli.outcome import CommandError
from kokuin.ledger import log_keys, witness_policy
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.tlog_proof import MAX_PROOF
from kokuin.ledger.witness_policy import WitnessPolicy, WitnessPolicyError
from kokuin.verify.ledger_claim import Auditor
from kokuin.verify.ledger_place import LedgerEvidence, verify_with_ledger

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from kokuin.trust.context import Context
    from kokuin.trust.report import Report

LOG_KEYS = "log.vkey"
"""In a folder of `--trust`: the keys of the ledgers that the auditor trusts."""


def judge_place(data: bytes, proof: Path | None, arguments: argparse.Namespace, context: Context) -> Report:
    """Judge a token together with what its proof and a bundle of its ledger show.

    Args:
        data: the token.
        proof: the file of its proof, when there is one.
        arguments: of the command.
        context: by what the token is judged.

    Raises:
        CommandError: keys or policy cannot be used.
        OSError: a file cannot be opened or read.
    """
    evidence = LedgerEvidence(_auditor(arguments), None if proof is None else _read(proof, MAX_PROOF))
    if arguments.require_ledger is None:
        return verify_with_ledger(data, context, evidence)
    # Loaded for those who ask: a proof beside the token is judged without it.
    from kokuin.cli.ledger_opening import open_bundle
    from kokuin.verify.ledger_bundle import reader

    with open_bundle(arguments.require_ledger, arguments.recipient_key) as stream:
        return verify_with_ledger(data, context, replace(evidence, bundle=reader(stream)))


def _auditor(arguments: argparse.Namespace) -> Auditor | None:
    witnesses, logs = _witness_policy(arguments.witness_policy), _log_keys(arguments)
    return None if logs is None else Auditor(logs, witnesses)


def _log_keys(arguments: argparse.Namespace) -> LogVerifier | None:
    path: Path | None = arguments.log_key
    if path is None and arguments.trust is not None and (arguments.trust / LOG_KEYS).is_file():
        path = arguments.trust / LOG_KEYS
    if path is None:
        return None
    try:
        return LogVerifier.parse(_read(path, log_keys.MAX_FILE).decode())
    except NoteError as error:
        raise CommandError("verify.bad_log_key", path=path, code=error.fault.value) from None
    except UnicodeDecodeError:
        raise CommandError("verify.bad_log_key", path=path, code="NOTE_ENCODING") from None


def _witness_policy(path: Path | None) -> WitnessPolicy | None:
    if path is None:
        return None
    try:
        return witness_policy.read_policy(_read(path, witness_policy.MAX_FILE))
    except WitnessPolicyError as error:
        raise CommandError(
            "verify.bad_witness_policy", path=path, code=error.fault.value, line=error.line
        ) from None


def _read(path: Path, most: int) -> bytes:
    """Return a file, of one that is too large one octet more than can be used."""
    with path.open("rb") as file:
        return file.read(most + 1)
