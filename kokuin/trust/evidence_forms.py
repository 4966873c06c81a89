"""The forms of a token that an evidence record may cover (RFC 4998 §A, selection method 1).

Ours cover the bare token. Whoever follows the appendix to the letter covers what was there: beside a token,
its file as it is; within it, the token without the record, with all that had been added before. Each holds
the signature and what is signed, so whatever proves one of them proves that the token existed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.evidence_tree import find_stamps
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.ers import RECORD_LIMITS, read_evidence_record
from kokuin.wire.token_form import without_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.trust.evidence_hashes import Covered


def of_octets(octets: bytes) -> Covered:
    """Return octets as a data object."""
    return lambda digest: DIGEST_BY_NAME[digest].of(octets)


def other_forms(token: bytes, within: Sequence[bytes], file: bytes | None) -> tuple[Covered, ...]:
    """Return the forms of a token but the bare one.

    Args:
        token: as `kokuin.wire.ber.definite` returned it, with one signer.
        within: the records in it.
        file: what it was found in, as that is; None when it was no file of its own.
    """
    forms = [token] if file is None else [file, token]
    if within:
        # Of several, each covers those before it: where they stand says nothing, a SET has its own order.
        in_time = sorted(within, key=_begun)
        earlier = (in_time[:count] for count in range(len(in_time)))
        forms += [without_evidence(token, each) for each in earlier]
    return tuple(map(of_octets, dict.fromkeys(forms)))


def _begun(record: bytes) -> int:
    """Return when the first archive time-stamp of a record says that it was made; it only chooses a form."""
    try:
        stamps = find_stamps(read_evidence_record(definite(record, RECORD_LIMITS)))
    except WireError:
        return 0
    return stamps[0].gen_time or 0
