"""What every TimeStampResp must be, whatever the request was."""

from __future__ import annotations

from asn1crypto import parser  # type: ignore[import-untyped]
from asn1crypto import tsp as peer

from kokuin.wire.cms import read_signed_data
from kokuin.wire.prescan import TOKEN_LIMITS, prescan
from kokuin.wire.tsp import read_timestamp_request, read_timestamp_response, read_tst_info

REFUSAL_OCTETS = 200
"""A refusal is shorter, a token longer."""


def check_response(response: bytes, request: bytes) -> bool:
    """Check a response against its request with our own reader (RFC 3161 §2.4.2).

    Returns:
        Whether a token was granted.

    Raises:
        AssertionError, WireError: what is wrong with it.
    """
    assert prescan(response, TOKEN_LIMITS).der, "the response is not DER"
    answer = read_timestamp_response(response)
    if answer.token is None:
        assert answer.status == 2, f"status {answer.status} without a token"
        assert len(answer.fail_info) == 1, f"failInfo {sorted(answer.fail_info)}"
        assert len(answer.status_text) == 1, "no text"
        return False
    assert (answer.status, answer.fail_info) == (0, frozenset()), "a token with a failure"
    signed, asked = read_signed_data(answer.token), read_timestamp_request(request)
    assert signed.content is not None, "no TSTInfo"
    info = read_tst_info(signed.content)
    assert (info.imprint.digest_oid, info.imprint.value) == (asked.digest_oid, asked.imprint), (
        "another imprint"
    )
    assert info.nonce == asked.nonce, "another nonce"
    assert info.extensions == asked.extensions, "other extensions"
    assert asked.policy in {None, info.policy}, "another policy"
    assert bool(signed.certificates) == asked.cert_req, (
        "certificates without certReq, or certReq without them"
    )
    return True


def check_with_peer(response: bytes) -> None:
    """Let asn1crypto read every field strictly and write the same octets again.

    Raises:
        AssertionError, ValueError: it cannot, or writes others.
    """
    *_, content, trailer = parser.parse(response, strict=True)
    if len(content) < REFUSAL_OCTETS:
        # asn1crypto does not know that timeStampToken is OPTIONAL.
        read = peer.PKIStatusInfo.load(content, strict=True)
        assert read.native["status"] == "rejection", "another status"
        assert len(read.native["fail_info"]) == 1, "not one failInfo"
        assert read.dump(force=True) == content, "asn1crypto writes other octets"
    else:
        read = peer.TimeStampResp.load(response, strict=True)
        assert read.native["status"]["status"] == "granted", "another status"
        info = read["time_stamp_token"]["content"]["encap_content_info"]["content"]
        assert info.parsed.dump(force=True) == bytes(info), "asn1crypto writes another TSTInfo"
    assert trailer == b""
