"""`tsa stamp`: get a time-stamp for a file from any RFC 3161 authority; only the file's hash is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli import stamp_batch
from kokuin.cli.messages import plain, text
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse

    from kokuin.cli.ledger_remote import RemoteLedger

_EVIDENCE_HASH = "sha512"
"""By which evidence of this service covers documents."""
_BLOCK = 1 << 20


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("file", type=Path, metavar="FILE|DIR", help=text(lang, "stamp.file_help"))
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
    parser.add_argument("--evidence", action="store_true", help=text(lang, "stamp.evidence_help"))
    stamp_batch.add_arguments(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Ask, check that the answer belongs to the request, and write it; 1 when the authority refused.

    With `--proof` or `--evidence` 2 when the time-stamp is written and what else was wanted is not. With
    `--batch` see `stamp_batch`.

    Raises:
        CommandError: a file or the authority cannot be reached, the file to write is there already, or the
            answer is not for this request.
    """
    from kokuin.cli.files import write_whole
    from kokuin.cli.stamp_authority import Authority, make_query, tell_refused
    from kokuin.cli.stamp_evidence import write_evidence
    from tsa.client import Refused

    authority = Authority(arguments.url, _key(arguments.key_file), arguments.lang)
    if arguments.batch:
        return stamp_batch.run(arguments, authority)
    for name in ("manifest", "trust", "crl"):
        if getattr(arguments, name):
            raise CommandError("stamp.batch.alone", option=name)
    out = _out(arguments)
    ledger = authority.service("--proof") if arguments.proof else None
    evidence = authority.service("--evidence") if arguments.evidence else None
    names = {arguments.hash, _EVIDENCE_HASH} if arguments.evidence else {arguments.hash}
    digests = _hash(arguments.file, names)
    # Of an imprint that is SHA-512 the record covers the imprint.
    document = None if arguments.hash == _EVIDENCE_HASH else digests.get(_EVIDENCE_HASH)
    certificates = not arguments.no_certificates
    query = make_query(arguments.hash, digests[arguments.hash], arguments.policy, certificates=certificates)
    granted = authority.stamp(query, document)
    if isinstance(granted, Refused):
        return tell_refused(granted, arguments.lang)
    write_whole(out, granted.response, "stamp.cannot_write")
    tell_done(out, granted.tst_info.gen_time.microseconds, arguments.lang)
    codes: list[int] = [Exit.PASSED]
    if evidence is not None:
        codes.append(write_evidence(evidence, granted, out, digests.get(_EVIDENCE_HASH), arguments.lang))
    if ledger is not None:
        codes.append(_prove(ledger, out, arguments.lang))
    return max(codes)


def tell_done(path: Path, gen_time_us: int, lang: str) -> None:
    """Tell what was written, and of which time it is."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=gen_time_us)
    print(text(lang, "stamp.done", path=plain(path), time=moment.isoformat()))


def _out(arguments: argparse.Namespace) -> Path:
    """Return what is written; an older time-stamp of the file, or evidence, proves more than the new one."""
    from kokuin.cli.keys_files import refuse_existing
    from kokuin.cli.stamp_evidence import sidecar_of

    out: Path = arguments.out or arguments.file.with_name(arguments.file.name + ".tsr")
    refuse_existing(out, devices=True)
    if arguments.evidence:
        refuse_existing(sidecar_of(out), devices=True)
    return out


def _key(key_file: Path | None) -> str | None:
    from kokuin.cli.ledger_remote import read_key

    return None if key_file is None else read_key(key_file)


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
        print(text(lang, "stamp.proof_missing", path=plain(token), code=proof.code, url=ledger.url))
        return Exit.INDETERMINATE
    write_proof(sidecar_of(token), proof)
    print(text(lang, "ledger.prove.done", path=plain(sidecar_of(token))))
    return Exit.PASSED


def _hash(path: Path, names: set[str]) -> dict[str, bytes]:
    """Return a file's digests by name, all of the same octets."""
    import hashlib

    states = {name: hashlib.new(name) for name in names}
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                for state in states.values():
                    state.update(block)
    except IsADirectoryError:
        raise CommandError("stamp.folder", path=path) from None
    except OSError as error:
        raise CommandError("stamp.cannot_read", path=path, reason=error.strerror) from None
    return {name: state.digest() for name, state in states.items()}
