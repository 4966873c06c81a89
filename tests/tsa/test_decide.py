from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGESTS, DigestAlgorithm
from kokuin.wire.tsp import Extension, TimeStampReq
from tsa import status
from tsa.decide import MAX_EXTENSIONS, MAX_NONCE, IssuingRules, decide

if TYPE_CHECKING:
    from tsa.status import Refusal

POLICY, ACCEPTED = "1.3.6.1.4.1.32473.1", "1.3.6.1.4.1.32473.99.1"
RULES = IssuingRules(POLICY, frozenset({"sha256", "sha512"}), frozenset({ACCEPTED}))
GOOD = TimeStampReq(1, DIGEST_BY_NAME["sha256"].oid, encode.NULL, bytes(32), None, None, None, False, ())
ASKED = Extension(ACCEPTED, critical=False, value=encode.NULL)


def nonce(octets: int) -> TimeStampReq:
    number = 1 << 8 * octets - 2
    return GOOD._replace(nonce=number, nonce_der=encode.integer(number))


def extended(*extensions: Extension) -> TimeStampReq:
    return GOOD._replace(extensions=extensions)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (GOOD, None),
        (GOOD._replace(imprint_parameters=None), None),
        (GOOD._replace(policy=POLICY), None),
        (GOOD._replace(digest_oid=DIGEST_BY_NAME["sha512"].oid, imprint=bytes(64)), None),
        (nonce(MAX_NONCE), None),
        (extended(ASKED), None),
        (GOOD._replace(version=0), status.VERSION),
        (GOOD._replace(version=2), status.VERSION),
        (GOOD._replace(version=-1), status.VERSION),
        (GOOD._replace(digest_oid="1.2.3"), status.HASH_UNKNOWN),
        (GOOD._replace(digest_oid=DIGEST_BY_NAME["sha1"].oid, imprint=bytes(20)), status.HASH_REFUSED),
        (GOOD._replace(digest_oid=DIGEST_BY_NAME["sha384"].oid, imprint=bytes(48)), status.HASH_REFUSED),
        (GOOD._replace(imprint_parameters=encode.integer(1)), status.IMPRINT_PARAMETERS),
        (GOOD._replace(imprint_parameters=b""), status.IMPRINT_PARAMETERS),
        (GOOD._replace(imprint=bytes(31)), status.IMPRINT_LENGTH),
        (GOOD._replace(imprint=bytes(33)), status.IMPRINT_LENGTH),
        (GOOD._replace(imprint=b""), status.IMPRINT_LENGTH),
        (nonce(MAX_NONCE + 1), status.NONCE_TOO_LONG),
        (GOOD._replace(policy=POLICY + ".1"), status.POLICY_UNKNOWN),
        (extended(replace(ASKED, oid="1.2.3")), status.EXTENSION),
        (extended(replace(ASKED, critical=True)), status.EXTENSION),
        (extended(ASKED, ASKED), status.EXTENSION),
        (extended(*(replace(ASKED, oid=f"1.2.{n}") for n in range(MAX_EXTENSIONS + 1))), status.EXTENSION),
        (extended(replace(ASKED, value=b"")), status.EXTENSION_VALUE),
        (extended(replace(ASKED, value=b"\x30\x80\x00\x00")), status.EXTENSION_VALUE),
        (extended(replace(ASKED, value=encode.NULL * 2)), status.EXTENSION_VALUE),
    ],
)
def test_a_request_earns_its_refusal(request_: TimeStampReq, expected: Refusal | None) -> None:
    assert decide(request_, RULES) is expected


def test_a_client_hears_first_what_it_can_mend_itself() -> None:
    wrong = GOOD._replace(version=9, digest_oid="1.2.3", imprint=b"", policy="1.2.3")
    assert decide(wrong, RULES) is status.VERSION
    assert decide(wrong._replace(version=1), RULES) is status.HASH_UNKNOWN
    assert decide(GOOD._replace(imprint=b"", policy="1.2.3"), RULES) is status.IMPRINT_LENGTH


def test_a_critical_extension_passes_only_where_the_rules_say_so() -> None:
    request = extended(replace(ASKED, critical=True))
    assert decide(request, replace(RULES, critical_extensions=True)) is None


@pytest.mark.parametrize("digest", DIGESTS, ids=lambda digest: digest.name)
def test_a_known_hash_is_granted_exactly_when_the_rules_name_it(digest: DigestAlgorithm) -> None:
    request = GOOD._replace(digest_oid=digest.oid, imprint=bytes(digest.size))
    named = replace(RULES, imprints=frozenset({digest.name}))
    assert decide(request, named) is None
    assert decide(request, replace(RULES, imprints=frozenset())) is status.HASH_REFUSED
