"""The client's half of RFC 3161, without any network: make a request, and check that an answer belongs to it.

Whether the answer's signature and certificate can be believed is the
verifier's question, not this module's.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum

from kokuin.trust.token import TokenFacts, read_token
from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.tsp import TSTInfo, read_timestamp_response

REQUEST_MEDIA_TYPE = "application/timestamp-query"
NONCE_BITS = 64


class AnswerFault(StrEnum):
    """Why an answer is not the one that was asked for."""

    UNREADABLE = "RESPONSE_UNREADABLE"
    REJECTED = "RESPONSE_REJECTED"
    NO_TOKEN = "RESPONSE_WITHOUT_TOKEN"  # noqa: S105  # a code, no secret
    IMPRINT = "RESPONSE_FOR_OTHER_DATA"
    NONCE = "RESPONSE_WITH_OTHER_NONCE"
    POLICY = "RESPONSE_UNDER_OTHER_POLICY"


@dataclass(frozen=True, slots=True)
class Query:
    """A request that was made, and what its answer must repeat.

    Attributes:
        der: the TimeStampReq.
        digest: name of the hash.
        imprint: the hash value.
        nonce: 64 random bits.
        policy: the policy asked for, dotted; None: the authority's default.
    """

    der: bytes
    digest: str
    imprint: bytes
    nonce: int
    policy: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is of no use: the code, and the authority's own words where it has any."""

    fault: AnswerFault
    status: int | None = None
    fail_info: frozenset[int] = frozenset()
    text: str = ""


def make_query(digest: str, imprint: bytes, *, certificates: bool, policy: str | None = None) -> Query:
    """Make a TimeStampReq (RFC 3161 §2.4.1) with a fresh nonce.

    Args:
        digest: name of the hash (`sha512`).
        imprint: the hash of the data.
        certificates: ask for the signer's certificates in the token.
        policy: ask for this policy, dotted OID.
    """
    nonce = secrets.randbits(NONCE_BITS)
    algorithm = encode.sequence(encode.oid(DIGEST_BY_NAME[digest].oid), encode.NULL)
    der = encode.sequence(
        encode.integer(1),
        encode.sequence(algorithm, encode.octet_string(imprint)),
        encode.oid(policy) if policy else b"",
        encode.integer(nonce),
        encode.TRUE if certificates else b"",
    )
    return Query(der, digest, imprint, nonce, policy)


def check_answer(query: Query, octets: bytes) -> TSTInfo | Refused:
    """Check that a TimeStampResp answers `query` (RFC 3161 §2.2): status, imprint, nonce, policy."""
    try:
        response = read_timestamp_response(definite(octets, TOKEN_LIMITS))
    except WireError:
        return Refused(AnswerFault.UNREADABLE)
    if response.status > 1:
        words = " ".join(response.status_text)
        return Refused(AnswerFault.REJECTED, response.status, response.fail_info, words)
    if response.token is None:
        return Refused(AnswerFault.NO_TOKEN, response.status)
    token = read_token(response.token)
    if not isinstance(token, TokenFacts):
        return Refused(AnswerFault.UNREADABLE, response.status)
    fault = _mismatch(query, token.tst_info)
    return Refused(fault, response.status) if fault else token.tst_info


def _mismatch(query: Query, tst_info: TSTInfo) -> AnswerFault | None:
    imprint = tst_info.imprint
    if (imprint.digest_oid, imprint.value) != (DIGEST_BY_NAME[query.digest].oid, query.imprint):
        return AnswerFault.IMPRINT
    if tst_info.nonce != query.nonce:
        # An old answer replayed by somebody between us and the authority.
        return AnswerFault.NONCE
    if query.policy is not None and tst_info.policy != query.policy:
        return AnswerFault.POLICY
    return None
