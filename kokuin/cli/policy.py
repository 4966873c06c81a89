"""`tsa policy`: which algorithms are fit, and until when; catalogues of ETSI TS 119 322 in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.acts import add_acts
from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pqc.catalogue import Refused
    from pqc.policies import Policy, Row

ACTS = ("list", "show", "export", "import")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's acts and their options."""
    for act, command in add_acts(parser, lang, "policy", ACTS):
        if act in {"show", "export"}:
            command.add_argument("name", metavar="NAME|FILE", help=text(lang, "policy.name_help"))
        if act == "import":
            command.add_argument("file", type=Path, metavar="FILE", help=text(lang, "policy.file_help"))
        if act in {"export", "import"}:
            command.add_argument(
                "-o", "--out", type=Path, required=True, metavar="FILE", help=text(lang, "policy.out_help")
            )
        command.add_argument("--json", action="store_true", help=text(lang, "cli.json"))
        command.add_argument("--lang", choices=("en", "ja"), help=text(lang, "cli.lang"))


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit 0, or 1 when a part of a catalogue was refused.

    Raises:
        CommandError: a policy, a catalogue or a file cannot be read or written.
    """
    match arguments.act:
        case "list":
            return _list(arguments)
        case "show":
            return _show(arguments)
        case "export":
            return _export(arguments)
        case _:
            return _import(arguments)


def read_policy(name: str) -> Policy:
    """Load a policy by name or path.

    Raises:
        CommandError: there is none, or it cannot be read.
    """
    from pqc.policies import PolicyError, load_policy

    try:
        return load_policy(name)
    except PolicyError as error:
        raise CommandError("policy.unusable", reason=error) from None


def _list(arguments: argparse.Namespace) -> int:
    from pqc.policies import load_policy, shipped_policies

    policies = [load_policy(name) for name in shipped_policies()]
    if arguments.json:
        write_json([_head(policy) for policy in policies])
    else:
        write(text(arguments.lang, "policy.listed", **_head(policy)) for policy in policies)
    return Exit.PASSED


def _show(arguments: argparse.Namespace) -> int:
    policy = read_policy(arguments.name)
    if arguments.json:
        rows = [_row(row) for row in policy.rows]
        write_json({**_head(policy), "rows": rows})
    else:
        write([text(arguments.lang, "policy.listed", **_head(policy)), *_sentences(policy, arguments.lang)])
    return Exit.PASSED


def _export(arguments: argparse.Namespace) -> int:
    import datetime as dt

    from pqc.catalogue_writing import write_catalogue

    exported = write_catalogue(read_policy(arguments.name), dt.datetime.now(dt.UTC))
    _save(arguments.out, exported.octets)
    if arguments.json:
        write_json({"file": str(arguments.out), "left_out": exported.left_out})
    else:
        write([text(arguments.lang, "policy.written", path=arguments.out)])
        write(text(arguments.lang, "policy.left_out", name=name) for name in exported.left_out)
    return Exit.PASSED


def _import(arguments: argparse.Namespace) -> int:
    from pqc.catalogue import MAX_OCTETS, CatalogueError, read_catalogue
    from pqc.policy_text import write_policy

    try:
        with arguments.file.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
        imported = read_catalogue(arguments.out.stem, octets)
    except OSError as error:
        raise CommandError("policy.cannot_read", path=arguments.file, reason=error.strerror) from None
    except CatalogueError as error:
        raise CommandError("policy.no_catalogue", path=arguments.file, reason=error) from None
    _save(arguments.out, write_policy(imported.policy).encode())
    if arguments.json:
        refused = [{**_refused(each), "code": each.code.value} for each in imported.refused]
        write_json({"file": str(arguments.out), "refused": refused})
    else:
        write([text(arguments.lang, "policy.written", path=arguments.out)])
        for each in imported.refused:
            reason = text(arguments.lang, f"policy.{each.code}")
            write([text(arguments.lang, "policy.refused", reason=reason, **_refused(each))])
    return Exit.FAILED if imported.refused else Exit.PASSED


def _refused(refused: Refused) -> dict[str, str]:
    """Return place, name and OID; what a stranger's file says must not steer the terminal."""
    found = {"place": refused.place, "name": refused.name, "oid": refused.oid}
    return {
        field: "".join(each if each.isprintable() else "?" for each in said) for field, said in found.items()
    }


def _save(path: Path, octets: bytes) -> None:
    try:
        path.write_bytes(octets)
    except OSError as error:
        raise CommandError("policy.cannot_write", path=path, reason=error.strerror) from None


def _head(policy: Policy) -> dict[str, str]:
    return {"name": policy.name, "edition": policy.edition, "source": policy.source}


def _row(row: Row) -> dict[str, object]:
    pattern = row.subject
    return {
        "roles": sorted(pattern.roles),
        "algorithms": sorted(pattern.algorithms),
        "keys": sorted(pattern.keys),
        "digests": sorted(pattern.digests),
        "bits": [pattern.least, pattern.most],
        "usage": row.usage,
        "status": row.status,
        "until": None if row.until is None else str(row.until),
        "weakness": row.weakness,
        "source": row.source,
        "edition": row.edition,
        "clause": row.clause,
    }


def _sentences(policy: Policy, lang: str) -> Iterator[str]:
    for row in policy.rows:
        yield text(
            lang,
            "policy.row" if row.until is None else "policy.row_until",
            usage=text(lang, f"policy.{row.usage}"),
            status=text(lang, f"policy.{row.status}"),
            until=row.until,
            subject=_subject(row, lang),
            source=row.cited,
        )


def _subject(row: Row, lang: str) -> str:
    """Say whom a row speaks of: names, then lengths, then hashes, then roles."""
    from pqc.policy_rows import MAX_BITS

    pattern = row.subject
    parts = [", ".join(sorted(pattern.keys or pattern.algorithms))]
    if (pattern.least, pattern.most) != (0, MAX_BITS):
        most = "" if pattern.most == MAX_BITS else str(pattern.most)
        parts.append(text(lang, "policy.bits", least=pattern.least, most=most))
    if pattern.digests:
        parts.append("/ " + ", ".join(sorted(pattern.digests)))
    roles = ", ".join(text(lang, f"policy.{role}") for role in sorted(pattern.roles))
    return f"{' '.join(parts)} [{roles}]"
