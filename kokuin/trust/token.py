"""A time-stamp token taken apart: the facts that its checks look at, or the check that ends the reading."""

from __future__ import annotations

from dataclasses import dataclass

from kokuin.trust.report import Check, SubIndication
from kokuin.trust.rules import CONTENT_TYPE, FORMAT, SIGNER_COUNT, TST_INFO, Reason
from kokuin.wire import oids
from kokuin.wire.cms import SignedData, SignerInfo, read_signed_data
from kokuin.wire.errors import WireError
from kokuin.wire.tsp import TSTInfo, read_tst_info


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A token with one signer, as it was read."""

    signed_data: SignedData
    signer_info: SignerInfo
    content: bytes
    tst_info: TSTInfo


def read_token(octets: bytes) -> TokenFacts | Check:
    """Read a TimeStampToken (RFC 3161 §2.4.2).

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.

    Returns:
        The facts, or the check that failed where nothing further can be read.
    """
    try:
        signed_data = read_signed_data(octets)
    except WireError as error:
        return unreadable(error)
    if signed_data.content_type != oids.ID_CT_TST_INFO:
        return CONTENT_TYPE.failed(
            Reason.WRONG_CONTENT_TYPE, SubIndication.FORMAT_FAILURE, found=signed_data.content_type
        )
    if signed_data.content is None:
        return CONTENT_TYPE.failed(Reason.CONTENT_ABSENT, SubIndication.FORMAT_FAILURE)
    if len(signed_data.signer_infos) != 1:
        # The token must hold no signature but the authority's: a second one could be checked instead.
        return SIGNER_COUNT.failed(
            Reason.NOT_ONE_SIGNER, SubIndication.FORMAT_FAILURE, count=len(signed_data.signer_infos)
        )
    try:
        tst_info = read_tst_info(signed_data.content)
    except WireError as error:
        return TST_INFO.failed(Reason.UNREADABLE, SubIndication.FORMAT_FAILURE, code=error.code.value)
    return TokenFacts(signed_data, signed_data.signer_infos[0], signed_data.content, tst_info)


def unreadable(error: WireError) -> Check:
    """Return the check of octets that are no such object."""
    return FORMAT.failed(
        Reason.UNREADABLE, SubIndication.FORMAT_FAILURE, code=error.code.value, offset=error.offset
    )
