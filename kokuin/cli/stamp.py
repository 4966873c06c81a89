"""`tsa stamp`: get a time-stamp for a file from any RFC 3161 authority; only the file's hash is sent."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import sentence_or, text
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse

    from kokuin.cli.ledger_remote import RemoteLedger
    from tsa.client import Query

MAX_ANSWER = 1 << 20
"""Octets; real tokens with chain stay far below."""
TIMEOUT_SECONDS = 30.0


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help=text(lang, "stamp.file_help"))
    parser.add_argument("--url", default="http://127.0.0.1:3161/tsa", help=text(lang, "stamp.url_help"))
    parser.add_argument("-o", "--out", type=Path, help=text(lang, "stamp.out_help"))
    parser.add_argument(
        "--hash", choices=("sha256", "sha384", "sha512"), default="sha512", help=text(lang, "stamp.hash_help")
    )
    parser.add_argument("--policy", metavar="OID", help=text(lang, "stamp.policy_help"))
    parser.add_argument(
        "--no-certificates", action="store_true", help=text(lang, "stamp.no_certificates_help")
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help=text(lang, "stamp.key_file_help"))
    parser.add_argument("--proof", action="store_true", help=text(lang, "stamp.proof_help"))


def run(arguments: argparse.Namespace) -> int:
    """Ask, check that the answer belongs to the request, and write it; 1 when the authority refused.

    With `--proof` 2 when the time-stamp is written and its proof is not.

    Raises:
        CommandError: a file or the authority cannot be reached, the file to write is there already, or the
            answer is not for this request.
    """
    from kokuin.cli.keys_files import refuse_existing
    from kokuin.cli.ledger_remote import read_key
    from tsa.client import AnswerFault, Refused, check_answer, make_query

    out = arguments.out or arguments.file.with_name(arguments.file.name + ".tsr")
    # An older time-stamp of the file proves more than the new one.
    refuse_existing(out, devices=True)
    key = None if arguments.key_file is None else read_key(arguments.key_file)
    ledger = _ledger(arguments.url, key) if arguments.proof else None
    imprint = _hash(arguments.file, arguments.hash)
    try:
        query = make_query(
            arguments.hash, imprint, certificates=not arguments.no_certificates, policy=arguments.policy
        )
    except ValueError:
        raise CommandError("stamp.bad_policy", policy=arguments.policy) from None
    answer = _ask(arguments.url, query, key, arguments.lang)
    checked = check_answer(query, answer)
    if isinstance(checked, Refused):
        if checked.fault is AnswerFault.REJECTED:
            words = checked.text or "-"
            bits = ",".join(str(bit) for bit in sorted(checked.fail_info)) or "-"
            print(text(arguments.lang, "stamp.rejected", reason=words, bits=bits))
            return Exit.FAILED
        raise CommandError("stamp.mismatch", reason=checked.fault.value)
    _write(out, answer)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=checked.gen_time.microseconds)
    print(text(arguments.lang, "stamp.done", path=out, time=moment.isoformat()))
    return Exit.PASSED if ledger is None else _prove(ledger, out, arguments.lang)


def _ledger(url: str, key: str | None) -> RemoteLedger:
    """Find the service's other routes: they stand beside that of time-stamps."""
    from kokuin.cli.ledger_remote import RemoteLedger

    service = re.fullmatch(r"(.*)/tsa(/[a-z0-9-]+)?", url)
    if service is None:
        raise CommandError("stamp.no_ledger", url=url)
    return RemoteLedger(service[1], key)


def _prove(ledger: RemoteLedger, token: Path, lang: str) -> int:
    from kokuin.cli.ledger_proofs import (
        Refused,
        RemoteProofs,
        Wish,
        prove,
        read_token,
        sidecar_of,
        write_proof,
    )

    proof = prove(RemoteProofs(ledger), Wish(sought=read_token(token)))
    if isinstance(proof, Refused):
        print(text(lang, "stamp.proof_missing", path=token, code=proof.code, url=ledger.url))
        return Exit.INDETERMINATE
    write_proof(sidecar_of(token), proof)
    print(text(lang, "ledger.prove.done", path=sidecar_of(token)))
    return Exit.PASSED


def _hash(path: Path, digest: str) -> bytes:
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, digest).digest()
    except OSError as error:
        raise CommandError("stamp.cannot_read", path=path, reason=error.strerror) from None


def _ask(url: str, query: Query, key: str | None, lang: str) -> bytes:
    """Send the request and read at most `MAX_ANSWER` octets; no redirect is followed."""
    import httpx

    from tsa.client import REQUEST_MEDIA_TYPE

    headers = {"content-type": REQUEST_MEDIA_TYPE}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    body = bytearray()
    try:
        with httpx.stream("POST", url, content=query.der, headers=headers, timeout=TIMEOUT_SECONDS) as answer:
            for piece in answer.iter_raw(65_536):
                body += piece
                if len(body) > MAX_ANSWER:
                    raise CommandError("stamp.not_a_response", url=url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError("stamp.no_answer", url=url, reason=str(error) or type(error).__name__) from None
    if answer.status_code not in {200, 201}:
        raise _not_granted(url, answer.status_code, bytes(body), lang)
    return bytes(body)


def _not_granted(url: str, status: int, body: bytes, lang: str) -> CommandError:
    """Return what is told of an answer that speaks HTTP alone: why, where it is a refusal of access."""
    import json

    try:
        sentence = sentence_or(lang, f"access.code.{json.loads(body)['code']}", "")
    except (ValueError, TypeError, KeyError, RecursionError):
        sentence = ""
    if not sentence:
        return CommandError("stamp.http_status", url=url, status=status)
    return CommandError("stamp.denied", url=url, status=status, sentence=sentence)


def _write(path: Path, answer: bytes) -> None:
    """Write whole or not at all: a time-stamp cut short by a full disk would look like one."""
    from pqc.newfile import write_durably

    try:
        write_durably(path, answer, 0o644)
    except OSError as error:
        raise CommandError("stamp.cannot_write", path=path, reason=error.strerror) from None
