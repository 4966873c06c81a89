"""`tsa verify --facts` and `--from-facts`: what a judgement looked at, saved and judged again."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse

    from kokuin.trust.context import Context
    from kokuin.trust.report import Report
    from kokuin.verify.facts import Facts

_ALONE = (
    "token",
    "data",
    "digest",
    "request",
    "trust",
    "at",
    "policy",
    "revocation",
    "crl",
    "ocsp",
    "evidence",
    "proof",
    "log_key",
    "witness_policy",
    "facts",
    "begins",
    "ends",
    "manifest",
    "out",
    "resume",
    "jobs",
)
"""Options that would say anew what the facts say."""
_ANCHORS_TOLD = 8
_NAMES = {"token": "TOKEN", "begins": "--from", "ends": "--to"}


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options."""
    parser.add_argument("--facts", type=Path, metavar="FILE", help=text(lang, "verify.facts_help"))
    parser.add_argument("--from-facts", type=Path, metavar="FILE", help=text(lang, "verify.from_facts_help"))


def judge_and_save(
    data: bytes, context: Context, request: bytes | None, proof: Path | None, arguments: argparse.Namespace
) -> Report:
    """Judge a token, and save what the judgement looked at.

    Args:
        data: what was read of the token.
        context: by what it is judged.
        request: octets of the request in the context.
        proof: the file of its proof, when there is one.
        arguments: of the command.

    Raises:
        CommandError: the facts are too large or would stand in the place of what they are about, or what is
            at hand of a ledger cannot be used.
        OSError: a file cannot be read or written.
    """
    from kokuin.verify.facts import AskedDigests, Facts
    from kokuin.verify.verifying import verify_bytes

    _refuse_evidence(arguments.facts, proof, arguments)
    digests = None if context.content is None else AskedDigests(context.content)
    asked, ledger = replace(context, content=digests), None
    if proof is None and arguments.require_ledger is None:
        report = verify_bytes(data, asked)
    else:
        from kokuin.cli.verify_ledger import judge_place, read_ledger

        ledger = read_ledger(proof, arguments)
        report = judge_place(data, asked, ledger, arguments)
        if arguments.require_ledger is not None:
            ledger = replace(ledger, bundle_sha256=digest_of(arguments.require_ledger))
    kept = replace(context, content=None, request=None)
    if digests is None:
        facts = Facts(data, kept, None, request, ledger)
    else:
        facts = Facts(data, kept, digests.asked, request, ledger, digests.data)
    _save(arguments.facts, facts)
    return report


def _refuse_evidence(path: Path, proof: Path | None, arguments: argparse.Namespace) -> None:
    """A slip of the hand must not cost the only copy of a token, or of what it is judged with."""
    from kokuin.verify.beside import evidence_beside

    named = (
        arguments.token,
        arguments.evidence or evidence_beside(arguments.token),
        arguments.data,
        arguments.request,
        arguments.trust,
        arguments.require_ledger,
        proof,
    )
    read = [each for each in (*named, *(arguments.crl or ()), *(arguments.ocsp or ())) if each is not None]
    if path.is_file() and any(each.exists() and each.samefile(path) for each in read):
        raise CommandError("verify.facts_over", path=path)


def _save(path: Path, facts: Facts) -> None:
    from kokuin.verify.facts import MAX_OCTETS
    from pqc.newfile import write_durably

    octets = facts.encode()
    if len(octets) > MAX_OCTETS:
        raise CommandError("verify.facts_too_large", most=MAX_OCTETS)
    write_durably(path, octets, mode=0o644)


def replay(arguments: argparse.Namespace) -> tuple[Report, bytes]:
    """Make the judgement of a file of facts again, and tell on standard error by what it is made.

    Returns:
        The report, and the octets that it is about.

    Raises:
        CommandError: the file cannot be used, or another option contradicts it.
        OSError: a file cannot be read.
    """
    from kokuin.verify.facts import DigestAbsentError

    for name in _ALONE:
        if getattr(arguments, name) not in (None, []):
            option = _NAMES.get(name, "--" + name.replace("_", "-"))
            raise CommandError("verify.facts_alone", option=option)
    facts = _read(arguments.from_facts)
    _tell(facts.context, arguments)
    wanted = None if facts.ledger is None else facts.ledger.bundle_sha256
    try:
        if wanted is None and arguments.require_ledger is None:
            return facts.judge(), facts.subject
        return _judge_with_bundle(facts, wanted, arguments), facts.subject
    except DigestAbsentError as error:
        raise CommandError("verify.facts_digest", algorithm=error.algorithm) from None


def _tell(context: Context, arguments: argparse.Namespace) -> None:
    """Attack: a file with a forger's own anchors, or his own policy under a known one's name."""
    from kokuin.trust.anchors import fingerprint
    from kokuin.trust.name import display
    from pqc.policies import load_policy, shipped_policies

    policy, anchors, lang = context.policy, context.trust.anchors, arguments.lang
    lines = [text(lang, "verify.facts_told", path=arguments.from_facts, count=len(anchors))]
    for anchor in anchors[:_ANCHORS_TOLD]:
        named, digest = display(anchor.subject), fingerprint(anchor)
        lines.append("  " + text(lang, "verify.facts_anchor", anchor=named, digest=digest))
    if policy.name not in shipped_policies() or load_policy(policy.name) != policy:
        lines.append("  " + text(lang, "verify.facts_policy", policy=policy.name))
    for line in lines:
        print(line, file=sys.stderr)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, hex.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _judge_with_bundle(facts: Facts, wanted: str | None, arguments: argparse.Namespace) -> Report:
    from kokuin.cli.ledger_opening import open_bundle
    from kokuin.verify.ledger_bundle import reader

    bundle: Path | None = arguments.require_ledger
    if bundle is None or wanted is None or digest_of(bundle) != wanted:
        key = "facts_no_bundle" if wanted is None else "facts_bundle"
        raise CommandError(f"verify.{key}", digest=wanted)
    with open_bundle(bundle, arguments.recipient_key) as stream:
        return facts.judge(reader(stream))


def _read(path: Path) -> Facts:
    from kokuin.verify.facts import MAX_OCTETS
    from kokuin.verify.facts_fields import FactsError
    from kokuin.verify.facts_reading import read_facts

    with path.open("rb") as file:
        octets = file.read(MAX_OCTETS + 1)
    try:
        return read_facts(octets)
    except FactsError as error:
        key = "verify.facts_newer" if error.newer else "verify.bad_facts"
        raise CommandError(key, path=path, place=error.place) from None
