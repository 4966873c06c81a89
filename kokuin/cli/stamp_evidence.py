"""The evidence record of a token that was just issued: waited for, looked through, and written beside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kokuin.cli.files import write_whole
from kokuin.cli.messages import plain, text
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.cli.ledger_remote import RemoteLedger
    from kokuin.cli.stamp_authority import Granted

PATIENCE_SECONDS = 60.0
"""How long a record is waited for: a service whose evidence takes longer refuses such requests."""
_SOONEST, _LATEST = 0.1, 10.0
"""Bounds of what a Retry-After is taken for, seconds."""
_WRONG = "EVIDENCE_WRONG"
"""What came is no record of this token."""


class EvidenceMissingError(Exception):
    """There is no record yet, or none at all; the text is the code that says why."""


def sidecar_of(path: Path) -> Path:
    """Return where `tsa verify` looks for the evidence record of a token's file, or of any other."""
    from kokuin.verify.beside import EVIDENCE_SUFFIX

    return path.with_name(path.name + EVIDENCE_SUFFIX)


def write_evidence(
    service: RemoteLedger, granted: Granted, path: Path, document: bytes | None, lang: str
) -> int:
    """Get a token's evidence record and write it beside the token; tell what became of it.

    Args:
        service: that issued the token.
        granted: the token.
        path: its file, which is written.
        document: the digest that the record must cover too, where it was sent.
        lang: of what is told.

    Returns:
        0, or 2 when the record is not there: the token is.

    Raises:
        CommandError: the record cannot be written.
    """
    if evidence_within(granted) is not None:
        print(text(lang, "stamp.evidence_within", path=plain(path)))
        return Exit.PASSED
    beside = sidecar_of(path)
    try:
        record = fetch_evidence(service, granted, () if document is None else (document,))
    except (EvidenceMissingError, CommandError) as error:
        told = {"path": plain(path), "reason": why(error, lang), "beside": plain(beside)}
        print(text(lang, "stamp.evidence_missing", **told, url=f"{service.url}{_path(granted)}"))
        return Exit.INDETERMINATE
    write_whole(beside, record, "stamp.cannot_write")
    print(text(lang, "stamp.evidence_done", path=plain(beside)))
    return Exit.PASSED


def why(error: EvidenceMissingError | CommandError, lang: str) -> str:
    """Return what is told of evidence that did not come."""
    return text(lang, error.key, **error.params) if isinstance(error, CommandError) else str(error)


def evidence_within(granted: Granted) -> bytes | None:
    """Return the evidence record that stands in a token, as it stands there; None: none that covers it does.

    Any authority is asked, and what it puts into an unsigned attribute is anything at all.
    """
    from kokuin.wire.algorithms import DIGESTS
    from kokuin.wire.token_form import bare_token, evidence_in

    bare = bare_token(granted.token)
    for octets in evidence_in(granted.token):
        if any(_covers(octets, (each.of(bare),), each.name) for each in DIGESTS):
            return octets
    return None


def fetch_evidence(service: RemoteLedger, granted: Granted, covered: tuple[bytes, ...] = ()) -> bytes:
    """Return a token's evidence record, waiting for it, and look through it: it covers the token.

    Who made it is not asked: that is for whoever verifies, with anchors of his own.

    Args:
        service: that issued the token.
        granted: the token.
        covered: SHA-512 of what else it must cover.

    Raises:
        EvidenceMissingError: there is none.
        CommandError: the service cannot be reached.
    """
    from kokuin.wire.algorithms import DIGEST_BY_NAME
    from kokuin.wire.token_form import bare_token

    own = DIGEST_BY_NAME["sha512"].of(bare_token(granted.token))
    return fetch_record(service, _path(granted), (own, *covered))


def fetch_record(service: RemoteLedger, path: str, covered: tuple[bytes, ...]) -> bytes:
    """Return an evidence record, waiting for it, and look through it; see `fetch_evidence`.

    Args:
        service: that makes it.
        path: where it is fetched.
        covered: SHA-512 of all that it must cover.

    Raises:
        EvidenceMissingError: there is none.
        CommandError: the service cannot be reached.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := service.get(path, {})).code:
        if answer.retry_after is None or time.monotonic() > deadline:
            raise EvidenceMissingError(answer.code)
        time.sleep(min(max(answer.retry_after, _SOONEST), _LATEST))
    if not _covers(answer.content, covered, "sha512"):
        raise EvidenceMissingError(_WRONG)
    return answer.content


def _path(granted: Granted) -> str:
    return f"/api/v1/evidence/{granted.tst_info.serial:x}"


def _covers(octets: bytes, covered: tuple[bytes, ...], digest: str) -> bool:
    """Say whether octets are a record whose first archive time-stamp covers all of that, by that hash."""
    from kokuin.trust.evidence_hashes import climb, digest_of, stamped
    from kokuin.wire.algorithms import DIGEST_BY_NAME
    from kokuin.wire.ber import definite
    from kokuin.wire.errors import WireError
    from kokuin.wire.ers import RECORD_LIMITS, read_evidence_record

    algorithm = DIGEST_BY_NAME[digest]
    try:
        first = read_evidence_record(definite(octets, RECORD_LIMITS)).chains[0].stamps[0]
        imprint = stamped(first.time_stamp).imprint
        root = climb(digest, first.reduced, covered)
        return digest_of(first) == digest and (imprint.digest_oid, imprint.value) == (algorithm.oid, root)
    except WireError:
        return False
