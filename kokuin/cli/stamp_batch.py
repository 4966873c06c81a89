"""`tsa stamp DIR --batch`: one time-stamp for many files, and an evidence record (RFC 4998) for each."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import plain, text
from kokuin.cli.outcome import CommandError, Exit
from kokuin.cli.progress import bar
from kokuin.cli.verify_revocation import add_lists, read_lists

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from kokuin.cli.ledger_remote import RemoteLedger
    from kokuin.cli.stamp_authority import Authority, Granted
    from kokuin.cli.stamp_batch_files import BatchFolder
    from kokuin.trust.context import Context
    from kokuin.wire.ers import EvidenceRecord
    from tsa.client import Refused
    from tsa.evidence.tree import HashTree

DIGEST = "sha512"
MAX_FILES = 65_536
"""Of one tree: sixteen hashes up to the root, and some 30 MB of memory."""
_OF_ONE = {"hash": DIGEST, "no_certificates": False, "proof": False}
"""Options of one file, and what they are when they are not given."""


@dataclass(slots=True)
class _Run:
    """What a run does and has done."""

    authority: Authority
    policy: str | None
    service: RemoteLedger | None
    folder: BatchFolder
    context: Context | None
    show: Callable[[int], None]
    made: int = 0
    unproven: bool = False


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options of a batch."""
    parser.add_argument("--batch", action="store_true", help=text(lang, "stamp.batch.batch_help"))
    parser.add_argument("--manifest", type=Path, metavar="FILE", help=text(lang, "stamp.batch.manifest_help"))
    parser.add_argument("--trust", type=Path, metavar="DIR|FILE", help=text(lang, "stamp.batch.trust_help"))
    add_lists(parser, lang)


def run(arguments: argparse.Namespace, authority: Authority) -> int:
    """Stamp what has no record yet; 1 when the authority refused, 2 when something could not be covered.

    Raises:
        CommandError: an option or folder cannot be used, or the authority cannot be reached.
    """
    from kokuin.cli.folder_locks import FolderBusyError
    from kokuin.cli.keys_files import refuse_existing
    from kokuin.cli.stamp_batch_files import BatchFolder

    for name, default in _OF_ONE.items():
        if getattr(arguments, name) != default:
            raise CommandError("stamp.batch.one_file", option=name.replace("_", "-"))
    root: Path = arguments.file
    if not root.is_dir():
        raise CommandError("stamp.batch.no_folder", path=root)
    if arguments.manifest is not None:
        refuse_existing(arguments.manifest)
    service = authority.service("--evidence") if arguments.evidence else None
    context = _context(arguments)
    folder = BatchFolder(root, arguments.out, arguments.manifest)
    try:
        with folder.locked():
            show = _counting(folder, arguments.lang)
            act = _Run(authority, arguments.policy, service, folder, context, show)
            refused = _stamp_all(act)
            if refused is None and arguments.manifest is not None:
                _write_manifest(folder, arguments.manifest, arguments.lang)
    except FolderBusyError as error:
        raise CommandError("stamp.batch.busy", path=error.path) from None
    except OSError as error:
        path = error.filename or arguments.out or root
        raise CommandError("stamp.cannot_write", path=path, reason=error.strerror) from None
    return _tell(act, refused, arguments.lang)


def _context(arguments: argparse.Namespace) -> Context | None:
    """Return by what time-stamps are judged before records rest on them; None: they are as they come."""
    if arguments.trust is None:
        if arguments.crl:
            raise CommandError("stamp.batch.trust_wanted")
        return None
    from kokuin.cli.trust_reading import read_trust
    from kokuin.trust.context import Context

    trust = read_trust(arguments.trust, arguments.lang)
    return Context(time.time_ns() // 1_000, trust, revocation=read_lists(arguments.crl, (), arguments.trust))


def _stamp_all(act: _Run) -> Refused | None:
    """Stamp batch after batch; return why the authority gave no token for one."""
    for files in _batches(act):
        refused = _stamp(act, files)
        if refused is not None:
            return refused
    return None


def _batches(act: _Run) -> Iterator[list[tuple[str, bytes]]]:
    files: list[tuple[str, bytes]] = []
    for name, digest in act.folder.digests():
        if digest is None:
            act.show(2)
            continue
        act.show(1)
        files.append((name, digest))
        if len(files) == MAX_FILES:
            yield files
            files = []
    if files:
        yield files


def _stamp(act: _Run, files: list[tuple[str, bytes]]) -> Refused | None:
    from kokuin.cli.stamp_authority import make_query
    from kokuin.cli.stamp_evidence import evidence_within
    from kokuin.cli.values import moment_text
    from kokuin.wire.token_form import bare_token
    from tsa.client import Refused
    from tsa.evidence.tree import HashTree

    tree, lang = HashTree(DIGEST, [(digest,) for _, digest in files]), act.authority.lang
    granted = act.authority.stamp(make_query(DIGEST, tree.root, act.policy))
    if isinstance(granted, Refused):
        return granted
    later = _later(act, granted, tree)
    # What the authority's own evidence covers is the token without anything that was added to it.
    token = granted.token if later is None else bare_token(granted.token)
    if act.context is not None:
        whole = evidence_within(granted) is not None or later is not None
        token = _judged(act, token, tree, act.context, whole=whole)
    act.made += act.folder.write(_records(act, files, tree, token, later))
    told = {
        "time": moment_text(granted.tst_info.gen_time.microseconds),
        "serial": f"{granted.tst_info.serial:x}",
    }
    print(text(lang, "stamp.batch.one", count=len(files), **told))
    return None


def _judged(act: _Run, token: bytes, tree: HashTree, context: Context, *, whole: bool) -> bytes:
    """Return the time-stamp over a tree as it stands in records, with its path and lists; it passes.

    Args:
        act: of the run.
        token: as it came.
        tree: that it covers.
        context: by what it is judged.
        whole: its octets are covered already, so that nothing may be added.

    Raises:
        CommandError: it does not pass.
    """
    from kokuin.verify.renewal.archiving import ArchiveError, complete, judge_archive
    from kokuin.wire.cms import read_signed_data

    now = replace(context, at=time.time_ns() // 1_000)
    lasting = token if whole else complete(token, now)
    try:
        judge_archive(lasting, tree.root, now)
    except ArchiveError as error:
        told = {"url": act.authority.url, "reason": error.reason or "-"}
        raise CommandError(f"stamp.batch.{error.fault}", **told) from None
    if not whole and not read_signed_data(lasting).crls:
        print(text(act.authority.lang, "stamp.batch.no_lists"), file=sys.stderr)
    return lasting


def _records(
    act: _Run,
    files: list[tuple[str, bytes]],
    tree: HashTree,
    token: bytes,
    later: EvidenceRecord | None,
) -> Iterator[tuple[str, bytes]]:
    from kokuin.wire.ers import read_evidence_record
    from tsa.evidence.joining import join_record
    from tsa.evidence.records import make_record

    for place, (name, _) in enumerate(files):
        record = make_record(tree, place, token)
        yield name, record if later is None else join_record(read_evidence_record(record), later)
        act.show(1)


def _later(act: _Run, granted: Granted, tree: HashTree) -> EvidenceRecord | None:
    """Return the evidence of the batch's token: that within it, or the service's where that is wanted."""
    from kokuin.cli.stamp_evidence import EvidenceMissingError, evidence_within, fetch_evidence, why
    from kokuin.wire.ber import definite
    from kokuin.wire.ers import RECORD_LIMITS, read_evidence_record
    from kokuin.wire.token_form import bare_token
    from tsa.evidence.joining import join_record
    from tsa.evidence.records import make_record
    from tsa.evidence.refusals import EvidenceError

    try:
        found = evidence_within(granted)
        if found is None and act.service is not None:
            found = fetch_evidence(act.service, granted, (tree.root,))
        if found is None:
            return None
        later = read_evidence_record(definite(found, RECORD_LIMITS))
        # By another hash, say, it cannot go on: then it stays in the token, where it is.
        join_record(read_evidence_record(make_record(tree, 0, bare_token(granted.token))), later)
    except (EvidenceError, EvidenceMissingError, CommandError) as error:
        if act.service is not None:
            reason = error.code if isinstance(error, EvidenceError) else why(error, act.authority.lang)
            act.unproven = True
            print(text(act.authority.lang, "stamp.batch.unproven", reason=reason), file=sys.stderr)
        return None
    return later


def _write_manifest(folder: BatchFolder, path: Path, lang: str) -> None:
    unlisted = folder.write_manifest(path)
    if unlisted:
        print(text(lang, "stamp.batch.unlisted", count=unlisted, path=plain(path)), file=sys.stderr)


def _counting(folder: BatchFolder, lang: str) -> Callable[[int], None]:
    """Return what is told of each file once when it is hashed, and once when its record is made."""
    show = bar(text(lang, "stamp.batch.phase"))
    if show is None:
        return lambda _: None
    # Counted only when somebody looks.
    done, total = 0, 2 * folder.count()

    def count(more: int) -> None:
        nonlocal done
        done += more
        show(min(done, total), total)

    return count


def _tell(act: _Run, refused: Refused | None, lang: str) -> int:
    from kokuin.cli.stamp_authority import tell_refused

    folder = act.folder
    for path, reason in folder.failed:
        print(text(lang, "stamp.cannot_read", path=plain(path), reason=reason), file=sys.stderr)
    for path in folder.changed:
        print(text(lang, "stamp.batch.changed", path=plain(path)), file=sys.stderr)
    print(text(lang, "stamp.batch.done", made=act.made, kept=folder.kept, passed=folder.passed))
    if refused is not None:
        return tell_refused(refused, lang)
    return Exit.INDETERMINATE if folder.failed or folder.changed or act.unproven else Exit.PASSED
