"""`tsa verify`: judge a time-stamp offline; the exit code is the verdict."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write, write_octets
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.context import Context
    from kokuin.trust.report import Check, Report
    from kokuin.wire.tsp import TimeStampReq

_EXITS = {"PASSED": Exit.PASSED, "FAILED": Exit.FAILED, "INDETERMINATE": Exit.INDETERMINATE}
_SHOWN = frozenset(
    {"gen_time", "accuracy_us", "imprint_algorithm", "policy", "serial", "signer", "origin", "size", "index"}
)


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("token", type=Path, metavar="TOKEN", help=text(lang, "verify.token_help"))
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--data", type=Path, metavar="FILE", help=text(lang, "verify.data_help"))
    data.add_argument("--digest", metavar="HEX", help=text(lang, "verify.digest_help"))
    parser.add_argument("--request", type=Path, metavar="FILE", help=text(lang, "verify.request_help"))
    parser.add_argument("--trust", type=Path, metavar="DIR|FILE", help=text(lang, "verify.trust_help"))
    parser.add_argument("--at", metavar="TIME", help=text(lang, "verify.at_help"))
    parser.add_argument(
        "--policy", default="baseline", metavar="NAME|FILE", help=text(lang, "verify.policy_help")
    )
    parser.add_argument("--proof", type=Path, metavar="FILE", help=text(lang, "verify.proof_help"))
    parser.add_argument(
        "--require-ledger", type=Path, metavar="BUNDLE", help=text(lang, "verify.ledger_help")
    )
    parser.add_argument(
        "--recipient-key", type=Path, metavar="KEY", help=text(lang, "verify.recipient_key_help")
    )
    parser.add_argument("--log-key", type=Path, metavar="FILE", help=text(lang, "verify.log_key_help"))
    parser.add_argument("--witness-policy", type=Path, metavar="FILE", help=text(lang, "verify.witness_help"))
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))


def run(arguments: argparse.Namespace) -> int:
    """Judge one file and print the report; return 0 passed, 1 failed, 2 indeterminate.

    Raises:
        CommandError: a file cannot be opened, or an option cannot be read.
    """
    from kokuin.verify.verifying import MAX_OCTETS

    context = replace(
        make_context(arguments), content=_content(arguments), request=_request(arguments.request)
    )
    try:
        with arguments.token.open("rb") as file:
            data = file.read(MAX_OCTETS + 1)
        report = judge(data, context, _proof(arguments), arguments)
    except OSError as error:
        raise CommandError(
            "verify.cannot_read", path=error.filename or arguments.token, reason=error.strerror or error
        ) from None
    if arguments.json:
        write_octets(f"{report.to_json()}\n".encode())
    else:
        write(sentences(report, arguments.lang))
    return _EXITS[report.indication.value]


def make_context(arguments: argparse.Namespace) -> Context:
    """Return by what tokens are judged: what the options say of all of them alike.

    Raises:
        CommandError: a file cannot be opened, or an option cannot be read.
    """
    from kokuin.cli.policy import read_policy
    from kokuin.trust.context import Context

    return Context(_moment(arguments.at), _trust(arguments.trust), policy=read_policy(arguments.policy))


def judge(data: bytes, context: Context, proof: Path | None, arguments: argparse.Namespace) -> Report:
    """Judge what was read of a token, and its place in a ledger where a proof or the option asks for it.

    Raises:
        CommandError: the ledger's keys or policy of witnesses cannot be used.
        OSError: the data, the proof or a file of the ledger cannot be read.
    """
    from kokuin.verify.verifying import verify_bytes

    report = verify_bytes(data, context)
    if proof is None and arguments.require_ledger is None:
        return report
    # Loaded for those who ask: a token alone is judged without the ledger's code.
    from kokuin.cli.verify_ledger import judge_place

    return judge_place(report, data, proof, arguments, replace(context, content=None, request=None))


def proof_beside(token: Path) -> Path | None:
    """Return the file where `tsa ledger prove` writes the token's proof, when there is one."""
    beside = Path(f"{token}.tlog-proof")
    return beside if beside.is_file() else None


def _proof(arguments: argparse.Namespace) -> Path | None:
    """Return the file of the token's proof: the one that is named, else the one beside the token."""
    named: Path | None = arguments.proof
    return proof_beside(arguments.token) if named is None else named


def _moment(option: str | None) -> int:
    """Return `--at` (ISO 8601; UTC where it names no offset), default now, in microseconds since 1970 UTC."""
    if option is None:
        return time.time_ns() // 1_000
    try:
        moment = datetime.fromisoformat(option)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise CommandError("verify.bad_time", time=option) from None


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


def _request(path: Path | None) -> TimeStampReq | None:
    from kokuin.wire.errors import WireError
    from kokuin.wire.prescan import REQUEST_LIMITS
    from kokuin.wire.tsp import read_timestamp_request

    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return read_timestamp_request(file.read(REQUEST_LIMITS.size + 1))
    except OSError as error:
        raise CommandError("verify.cannot_read", path=path, reason=error.strerror or error) from None
    except WireError as error:
        raise CommandError("verify.bad_request", path=path, code=error.code.value) from None


def _check_readable(path: Path) -> None:
    """Say that the data cannot be opened even where the token would fail before it is read."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise CommandError("verify.cannot_read", path=path, reason=error.strerror or error) from None


def _trust(path: Path | None) -> TrustStore:
    from kokuin.trust.anchors import TrustError, TrustStore, load_trust

    if path is None:
        return TrustStore()
    try:
        return load_trust(path)
    except OSError as error:
        raise CommandError(
            "verify.cannot_read", path=error.filename or path, reason=error.strerror or error
        ) from None
    except TrustError as error:
        raise CommandError("verify.bad_trust", path=error.path, code=error.code.value) from None


def sentences(report: Report, lang: str) -> Iterator[str]:
    """Say the verdict and its meaning first, then what the token says, then each check, then the limits."""
    from kokuin.trust.report import iso_time

    meaning = text(lang, f"report.{_meaning(report)}")
    yield f"{_verdict(report)}: {meaning}"
    if report.policy is not None:
        name, edition = report.policy.name, report.policy.edition
        yield "  " + text(lang, "report.judged_by", name=name, edition=edition)
    end = report.verifiable_until
    if end is not None:
        cause = text(lang, f"ending.{end.cause}", **end.params)
        yield "  " + text(lang, "report.verifiable_until", time=iso_time(end.time), cause=cause)
    for part in report.parts or (report,):
        if report.parts:
            yield "  " + text(lang, f"report.part_{part.kind}", verdict=_verdict(part))
        yield from _particulars(part, lang)
    for proof in report.proofs_of_existence:
        yield "  " + text(lang, f"report.{proof.code}", time=iso_time(proof.time), **proof.params)
    for limit in report.limits:
        yield "  " + text(lang, f"report.{limit}")


def _meaning(report: Report) -> str:
    """Return which sentence says what the verdict means: a sub-indication may have more than one cause."""
    from kokuin.trust.report import Status
    from kokuin.trust.rules import LEDGER_RULES

    checks = (check for part in report.parts or (report,) for check in part.checks)
    failed = next((check.id for check in checks if check.status is Status.FAILED), None)
    if failed in {rule.id for rule in LEDGER_RULES}:
        return "against"
    return report.sub_indication or report.indication


def _verdict(report: Report) -> str:
    return report.indication + (f" / {report.sub_indication}" if report.sub_indication else "")


def _particulars(report: Report, lang: str) -> Iterator[str]:
    signer = next((check.params for check in report.checks if check.id == "signer"), {})
    for name, value in {**report.subject, "signer": signer.get("certificate")}.items():
        if name in _SHOWN and value is not None:
            yield "  " + text(lang, f"report.{name}", value=value)
    for check in report.checks:
        yield _check_sentence(check, lang)


def _check_sentence(check: Check, lang: str) -> str:
    line = f"  [{text(lang, f'report.{check.status}')}] {text(lang, f'check.{check.id}')}"
    if check.reason is not None:
        line += ": " + text(lang, f"reason.{check.reason}", **check.params)
    return f"{line} ({check.clause})"
