"""`tsa verify`: judge a time-stamp offline; the exit code is the verdict."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kokuin.cli import verify_batch, verify_facts, verify_revocation
from kokuin.cli.messages import text, write, write_octets
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.report_text import sentences
from kokuin.cli.verify_context import make_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.context import Context
    from kokuin.trust.report import Report
    from kokuin.wire.tsp import TimeStampReq

_OF_TOKEN = ("data", "digest", "request", "evidence", "proof", "require_ledger")
"""Options of a file that is a token."""
_EXITS = {"PASSED": Exit.PASSED, "FAILED": Exit.FAILED, "INDETERMINATE": Exit.INDETERMINATE}


class _PrintSchema(argparse.Action):
    """As `--version` does: prints, and ends before anything else is wanted."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from kokuin.verify.schema import report_schema

        write_octets(report_schema())
        parser.exit()


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("token", type=Path, nargs="?", metavar="TOKEN", help=text(lang, "verify.token_help"))
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--data", type=Path, metavar="FILE", help=text(lang, "verify.data_help"))
    data.add_argument("--digest", metavar="HEX", help=text(lang, "verify.digest_help"))
    parser.add_argument("--request", type=Path, metavar="FILE", help=text(lang, "verify.request_help"))
    parser.add_argument("--trust", type=Path, metavar="DIR|FILE", help=text(lang, "verify.trust_help"))
    parser.add_argument("--at", metavar="TIME", help=text(lang, "verify.at_help"))
    parser.add_argument("--policy", metavar="NAME|FILE", help=text(lang, "verify.policy_help"))
    verify_revocation.add_arguments(parser, lang)
    parser.add_argument("--evidence", type=Path, metavar="FILE", help=text(lang, "verify.evidence_help"))
    parser.add_argument("--proof", type=Path, metavar="FILE", help=text(lang, "verify.proof_help"))
    parser.add_argument(
        "--require-ledger", type=Path, metavar="BUNDLE", help=text(lang, "verify.ledger_help")
    )
    parser.add_argument(
        "--recipient-key", type=Path, metavar="KEY", help=text(lang, "verify.recipient_key_help")
    )
    parser.add_argument("--log-key", type=Path, metavar="FILE", help=text(lang, "verify.log_key_help"))
    parser.add_argument("--witness-policy", type=Path, metavar="FILE", help=text(lang, "verify.witness_help"))
    verify_batch.add_arguments(parser, lang)
    verify_facts.add_arguments(parser, lang)
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))
    parser.add_argument("--schema", action=_PrintSchema, nargs=0, help=text(lang, "verify.schema_help"))


def run(arguments: argparse.Namespace) -> int:
    """Judge one file, or those of a folder, and print the report; return 0 passed, 1 failed, 2 indeterminate.

    Raises:
        CommandError: a file cannot be opened, or an option cannot be read.
    """
    if arguments.token is None and arguments.from_facts is None:
        raise CommandError("verify.no_token")
    if arguments.from_facts is None and verify_batch.is_batch(arguments):
        return verify_batch.run(arguments)
    if arguments.recipient_key is not None and arguments.require_ledger is None:
        raise CommandError("verify.key_alone")
    try:
        if arguments.from_facts is None:
            report, octets = _judge_one(arguments)
        else:
            report, octets = verify_facts.replay(arguments)
    except OSError as error:
        named = error.filename or arguments.token or arguments.from_facts
        raise CommandError("verify.cannot_read", path=named, reason=error.strerror or error) from None
    if arguments.json:
        write_octets(f"{report.to_json()}\n".encode())
    else:
        write(sentences(report, arguments.lang, octets))
    return _EXITS[report.indication.value]


def _judge_one(arguments: argparse.Namespace) -> tuple[Report, bytes]:
    """Return the report, and what was judged of the file."""
    if _is_data(arguments):
        arguments.token, arguments.data = _record_beside(arguments), arguments.token
    request = _read_request(arguments.request)
    context = replace(
        make_context(arguments),
        content=_content(arguments),
        request=_request(request, arguments.request),
        evidence=_evidence(arguments),
    )
    data = _read(arguments.token)
    proof = _proof(arguments)
    if proof is None and arguments.require_ledger is None:
        _tell_unused(arguments)
    if arguments.facts is None:
        return judge(data, context, proof, arguments), data
    return verify_facts.judge_and_save(data, context, request, proof, arguments), data


def _is_data(arguments: argparse.Namespace) -> bool:
    """Whether a file has nothing to be judged in it, and a record of `tsa stamp --batch` lies beside."""
    from kokuin.verify.batch_items import TOKEN_SUFFIXES
    from kokuin.verify.verifying import holds_nothing

    if any(getattr(arguments, name) is not None for name in _OF_TOKEN):
        return False
    path: Path = arguments.token
    named = path.suffix.lower() in TOKEN_SUFFIXES
    return not named and _record_beside(arguments) is not None and holds_nothing(_read(path))


def _record_beside(arguments: argparse.Namespace) -> Path | None:
    from kokuin.verify.beside import evidence_beside

    return evidence_beside(arguments.token)


def _read(path: Path) -> bytes:
    """Return what is looked at of a file."""
    from kokuin.verify.verifying import HEAD, most_octets

    with path.open("rb") as file:
        head = file.read(HEAD)
        return head + file.read(most_octets(head) + 1 - len(head))


def judge(data: bytes, context: Context, proof: Path | None, arguments: argparse.Namespace) -> Report:
    """Judge what was read of a token, and its place in a ledger where a proof or the option asks for it.

    Raises:
        CommandError: the ledger's keys or policy of witnesses cannot be used.
        OSError: the data, the proof or a file of the ledger cannot be read.
    """
    from kokuin.verify.verifying import verify_bytes

    if proof is None and arguments.require_ledger is None:
        return verify_bytes(data, context)
    # Loaded for those who ask: a token alone is judged without the ledger's code.
    from kokuin.cli.verify_ledger import judge_place, read_ledger

    return judge_place(data, context, read_ledger(proof, arguments), arguments)


def _tell_unused(arguments: argparse.Namespace) -> None:
    """Say that there was nothing to use a ledger's keys for: whoever gave them takes it that they counted.

    No refusal: a script gives them for every token, and beside some there is no proof.
    """
    given = [name for name in ("log_key", "witness_policy") if getattr(arguments, name) is not None]
    if not given:
        return
    from kokuin.cli.verify_ledger import read_ledger

    read_ledger(None, arguments)  # what cannot be used is refused, whatever lies beside the token
    options = ", ".join("--" + name.replace("_", "-") for name in given)
    print(text(arguments.lang, "verify.unused", path=arguments.token, options=options), file=sys.stderr)


def _proof(arguments: argparse.Namespace) -> Path | None:
    """Return the file of the token's proof: the one that is named, else the one beside the token."""
    from kokuin.verify.beside import proof_beside

    named: Path | None = arguments.proof
    return proof_beside(arguments.token) if named is None else named


def _evidence(arguments: argparse.Namespace) -> tuple[bytes, ...]:
    """Return the token's evidence record: the one that is named, else the one beside the token.

    Raises:
        OSError: it cannot be read.
    """
    from kokuin.wire.ers import RECORD_LIMITS

    path: Path | None = arguments.evidence
    if path is None:
        path = _record_beside(arguments)
    if path is None:
        return ()
    with path.open("rb") as file:
        return (file.read(RECORD_LIMITS.size + 1),)


def _content(arguments: argparse.Namespace) -> Callable[[str], bytes] | None:
    from kokuin.verify.content import of_digest, of_file

    if arguments.data is not None:
        _check_readable(arguments.data)
        return of_file(arguments.data)
    if arguments.digest is None:
        return None
    try:
        return of_digest(bytes.fromhex(arguments.digest))
    except ValueError:
        raise CommandError("verify.bad_digest", digest=arguments.digest) from None


def _read_request(path: Path | None) -> bytes | None:
    from kokuin.wire.prescan import REQUEST_LIMITS

    if path is None:
        return None
    with path.open("rb") as file:
        return file.read(REQUEST_LIMITS.size + 1)


def _request(octets: bytes | None, path: Path) -> TimeStampReq | None:
    from kokuin.wire.errors import WireError
    from kokuin.wire.tsp import read_timestamp_request

    try:
        return None if octets is None else read_timestamp_request(octets)
    except WireError as error:
        raise CommandError("verify.bad_request", path=path, code=error.code.value) from None


def _check_readable(path: Path) -> None:
    """Say that the data cannot be opened even where the token would fail before it is read."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise CommandError("verify.cannot_read", path=path, reason=error.strerror or error) from None
