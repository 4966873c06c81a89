"""`tsa verify` with a ledger: the auditor's own keys, a bundle, a proof beside the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.files import read_bounded
from kokuin.cli.outcome import CommandError
from kokuin.ledger import log_keys, witness_policy
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.tlog_proof import MAX_PROOF
from kokuin.ledger.witness_policy import WitnessPolicyError
from kokuin.verify.facts import LedgerFacts
from kokuin.verify.ledger_place import verify_with_ledger

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from kokuin.trust.context import Context
    from kokuin.trust.report import Report

LOG_KEYS = "log.vkey"
"""In a folder of `--trust`: the keys of the ledgers that the auditor trusts."""


def read_ledger(proof: Path | None, arguments: argparse.Namespace) -> LedgerFacts:
    """Read what is at hand of a ledger, but for a bundle.

    Args:
        proof: the file of the token's proof, when there is one.
        arguments: of the command.

    Raises:
        CommandError: keys or policy cannot be used.
        OSError: a file cannot be opened or read.
    """
    path = _log_keys(arguments)
    policy: Path | None = arguments.witness_policy
    ledger = LedgerFacts(
        None if path is None else _text(path),
        None if policy is None else read_bounded(policy, witness_policy.MAX_FILE),
        None if proof is None else read_bounded(proof, MAX_PROOF),
    )
    try:
        ledger.evidence()
    except NoteError as error:
        raise CommandError("verify.bad_log_key", path=path, code=error.fault.value) from None
    except WitnessPolicyError as error:
        code, line = error.fault.value, error.line
        raise CommandError("verify.bad_witness_policy", path=policy, code=code, line=line) from None
    return ledger


def judge_place(data: bytes, context: Context, ledger: LedgerFacts, arguments: argparse.Namespace) -> Report:
    """Judge a token together with what its proof and a bundle of its ledger show.

    Args:
        data: the token.
        context: by what the token is judged.
        ledger: what was read of the ledger.
        arguments: of the command.

    Raises:
        CommandError: the bundle cannot be opened.
        OSError: a file cannot be opened or read.
    """
    if arguments.require_ledger is None:
        return verify_with_ledger(data, context, ledger.evidence())
    # Loaded for those who ask: a proof beside the token is judged without it.
    from kokuin.cli.ledger_opening import open_bundle
    from kokuin.verify.ledger_bundle import reader

    with open_bundle(arguments.require_ledger, arguments.recipient_key) as stream:
        return verify_with_ledger(data, context, ledger.evidence(reader(stream)))


def _log_keys(arguments: argparse.Namespace) -> Path | None:
    path: Path | None = arguments.log_key
    if path is None and arguments.trust is not None and (arguments.trust / LOG_KEYS).is_file():
        path = arguments.trust / LOG_KEYS
    return path


def _text(path: Path) -> str:
    try:
        return read_bounded(path, log_keys.MAX_FILE).decode()
    except UnicodeDecodeError:
        raise CommandError("verify.bad_log_key", path=path, code="NOTE_ENCODING") from None
