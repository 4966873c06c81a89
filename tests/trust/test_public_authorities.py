"""Tokens as public authorities send them, made anew with their oddities: right, so they pass.

What each shape has was seen in tokens of the authority that it is named after; none of these octets is
theirs. Weaknesses are named, and only what cannot be known from the token is open.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import AlgorithmIdentifier
from tests.trust import forge
from tests.trust.forge import (
    AUTHORITY,
    DAY,
    NOW,
    NOW_US,
    YEAR_US,
    attribute,
    ess_id,
    ess_v1,
    ess_v2,
    issue,
    key_usage,
    reasons,
    verdict,
)
from tests.trust.public_shapes import (
    SHA1,
    SIGNING_TIME,
    TIME_STAMPING,
    USUAL,
    V1,
    V2,
    Chain,
    chain_to,
    judge,
    response,
    rsa_key,
    shaped,
    usual,
    weaknesses,
    with_sha1,
)
from tests.verify.token_seeds import indefinite, segmented


def test_digicert_both_versions_of_the_pin_a_strong_digest_and_no_accuracy() -> None:
    chain = usual()
    token = shaped(
        chain,
        digest="sha512",
        signed_digest=hashes.SHA512(),
        attributes={
            oids.ID_SIGNING_TIME: SIGNING_TIME,
            V1: ess_v1(chain.unit.der),
            V2: ess_v2(chain.unit.der),
        },
    ).make()
    report = judge(response(token), chain.root)
    assert verdict(report) == ("PASSED", None)
    assert weaknesses(report) == {}


def test_digicert_a_root_that_another_root_certified_is_found_by_either_and_by_the_authority_alone() -> None:
    chain = usual()
    old = issue("Older root", None, AUTHORITY, key=rsa_key(3))
    cross = issue("Public root", old, AUTHORITY, key=rsa_key(0))
    token = shaped(chain, certificates=[*chain.der, cross.der]).make()
    for trusted in (chain.root, old, chain.authority, cross):
        assert verdict(judge(token, trusted)) == ("PASSED", None)
    assert verdict(judge(token, issue("Public root", None, AUTHORITY))) == (
        "INDETERMINATE",
        "NO_CERTIFICATE_CHAIN_FOUND",
    )


def test_sectigo_three_ids_of_which_a_cross_signed_chain_lacks_one() -> None:
    chain = usual()
    elsewhere = issue("Another root", None, AUTHORITY, key=rsa_key(3))
    ids = [ess_id(party, version=1) for party in (chain.unit, chain.authority, elsewhere)]
    pins = {V1: encode.sequence(encode.sequence(*ids)), V2: None}
    name = encode.explicit(0, encode.explicit(4, chain.unit.certificate.subject))
    token = shaped(
        chain, attributes=pins, digest="sha384", signed_digest=hashes.SHA384(), tst_extensions=name
    )
    report = judge(response(token.make()), chain.root)
    assert verdict(report) == ("PASSED", None)
    assert weaknesses(report) == {"signer": "DIGEST_WEAK"}


def test_apple_sha1_throughout_passes_with_each_weakness_named() -> None:
    new = usual()
    chain = Chain(
        with_sha1(new.root, new.root),
        with_sha1(new.authority, new.root),
        with_sha1(new.unit, new.authority),
    )
    token = shaped(
        chain,
        policy="1.2.3",
        digest="sha1",
        signed_digest=SHA1,
        attributes={oids.ID_SIGNING_TIME: SIGNING_TIME, V1: ess_v1(chain.unit.der), V2: None},
    ).make()
    report = judge(response(token), chain.root)
    assert verdict(report) == ("PASSED", None)
    assert weaknesses(report) == {
        "digest-algorithm": "DIGEST_WEAK",
        "signature-algorithm": "DIGEST_WEAK",
        "signer": "DIGEST_WEAK",
        "path-algorithms": "DIGEST_WEAK",
    }


def test_apple_a_unit_of_six_weeks_passes_at_its_time_and_is_open_later() -> None:
    chain = usual()
    unit = issue("Six weeks", chain.authority, USUAL, key=rsa_key(2), ends=NOW + 20 * DAY)
    token = shaped(chain, signer=unit, certificates=[unit.der, chain.authority.der]).make()
    assert verdict(judge(token, chain.root)) == ("PASSED", None)
    assert verdict(judge(token, chain.root, at=NOW_US + YEAR_US)) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")


def _attribute_certificate() -> bytes:
    """v1AttrCert [1] among the certificates (RFC 5652 §10.2.2), as clocks of one maker send it."""
    return encode.explicit(1, encode.sequence(encode.integer(0)) + encode.sequence(b""))


def test_microsoft_milliseconds_a_purpose_not_critical_and_ids_and_certificates_of_other_kinds() -> None:
    chain = chain_to((TIME_STAMPING, False), (key_usage("digital_signature", "content_commitment"), True))
    elsewhere = issue("Not at hand", None, AUTHORITY, key=rsa_key(3))
    ids = encode.sequence(encode.sequence(ess_id(chain.unit), ess_id(elsewhere)))
    name = encode.explicit(0, encode.explicit(4, chain.unit.certificate.subject.replace(b"\x0c", b"\x13")))
    token = shaped(
        chain,
        certificates=[*chain.der, _attribute_certificate()],
        gen_time=b"20260601000000.123Z",
        accuracy=encode.sequence(b"\x80\x02\x01\xf4"),
        attributes={V2: ids},
        tst_extensions=name,
    ).make()
    report = judge(token, chain.root, at=NOW_US + 1_000_000)
    assert verdict(report) == ("PASSED", None)
    assert weaknesses(report) == {"unit-purpose": "PURPOSE_NOT_CRITICAL"}
    assert report.subject["gen_time"] == "2026-06-01T00:00:00.123000Z"
    assert report.subject["accuracy_us"] == 500_000


def test_globalsign_algorithms_protected_and_the_signature_named_with_its_digest() -> None:
    chain = usual()
    algorithm = AlgorithmIdentifier(oids.SHA256_WITH_RSA, encode.NULL)
    protection = encode.sequence(
        encode.sequence(encode.oid(DIGEST_SHA256), encode.NULL),
        encode.tlv(0xA1, encode.oid(oids.SHA256_WITH_RSA)),
    )
    pins = {
        oids.ID_CMS_ALGORITHM_PROTECT: protection,
        V2: encode.sequence(encode.sequence(ess_id(chain.unit))),
    }
    certificates = [*chain.der, chain.root.der]
    token = shaped(chain, algorithm=algorithm, attributes=pins, certificates=certificates).make()
    report = judge(token, chain.root)
    assert verdict(report) == ("PASSED", None)
    assert weaknesses(report) == {}


DIGEST_SHA256 = "2.16.840.1.101.3.4.2.1"


def test_entrust_ber_throughout_and_failure_bits_that_are_all_zero() -> None:
    chain = usual()
    token = shaped(chain).make()
    status = encode.sequence(encode.utf8_string("Operation Okay")) + encode.tlv(0x03, b"\x00\x00\x00\x00")
    for octets in (
        response(token, status),
        indefinite(token),
        indefinite(response(token)),
        segmented(token),
        b"-----BEGIN CMS-----\n" + base64.encodebytes(indefinite(token)) + b"-----END CMS-----\n",
    ):
        assert verdict(judge(octets, chain.root)) == ("PASSED", None)


def test_freetsa_ordering_a_name_and_a_tree_of_its_own() -> None:
    chain = usual()
    name = encode.explicit(0, encode.explicit(4, chain.unit.certificate.subject))
    token = shaped(
        chain,
        policy="1.2.3.4.1",
        tst_extensions=encode.TRUE + name,
        attributes={V1: ess_v1(chain.unit.der), V2: None},
    )
    report = judge(response(token.make()), chain.root)
    assert verdict(report) == ("PASSED", None)
    assert report.subject["ordering"] is True


def test_without_certificates_inside_the_file_of_the_authority_may_hold_them_all() -> None:
    chain = usual()
    token = shaped(chain, certificates=()).make()
    below = (chain.authority, chain.unit)
    assert verdict(judge(token, chain.root, helpers=below)) == ("PASSED", None)
    assert verdict(judge(token, chain.root)) == ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND")
    # An intermediate alone as anchor, with the unit beside it.
    assert verdict(judge(token, chain.authority, helpers=(chain.unit,))) == ("PASSED", None)


def test_certificates_inside_that_cannot_be_read_do_not_spoil_the_token() -> None:
    chain = usual()
    token = shaped(chain, certificates=[encode.sequence(encode.NULL), *chain.der]).make()
    report = judge(token, chain.root)
    assert verdict(report) == ("PASSED", None)
    assert "CERTIFICATES_IGNORED" in report.limits


@pytest.mark.parametrize(
    "serial", [b"\x02\x01\x00", b"\x02\x01\xff", b"\x02\x14" + b"\x7f" * 20, b"\x02\x15\x00" + b"\xff" * 20]
)
def test_serial_numbers_of_any_kind_are_shown(serial: bytes) -> None:
    chain = usual()
    order = shaped(chain)
    order.serial = int.from_bytes(serial[2:], "big", signed=True)
    report = judge(order.make(), chain.root)
    assert verdict(report) == ("PASSED", None)
    assert report.subject["serial"] == f"{order.serial:x}"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"20260601000000.5Z", "2026-06-01T00:00:00.500000Z"),
        (b"20260601000000.123456789Z", "2026-06-01T00:00:00.123456Z"),
        (b"20260601000000.500Z", "2026-06-01T00:00:00.500000Z"),
        (b"20260601000000.0Z", "2026-06-01T00:00:00Z"),
        (b"202606010000Z", "2026-06-01T00:00:00Z"),
    ],
)
def test_times_with_fractions_and_without_seconds_are_read(text: bytes, moment: str) -> None:
    chain = usual()
    report = judge(shaped(chain, gen_time=text).make(), chain.root, at=NOW_US + 1_000_000)
    assert verdict(report) == ("PASSED", None)
    assert report.subject["gen_time"] == moment


def test_an_issuer_in_the_pin_that_is_no_directory_name_is_not_compared() -> None:
    chain = usual()
    names = encode.sequence(encode.tlv(0x86, b"https://ca.example/"))
    digest = encode.octet_string(hashlib.sha256(chain.unit.der).digest())
    pin = encode.sequence(digest, encode.sequence(names, encode.integer(chain.unit.certificate.serial)))
    token = shaped(chain, attributes={V2: encode.sequence(encode.sequence(pin))}).make()
    assert verdict(judge(token, chain.root)) == ("PASSED", None)


def test_policies_in_the_pin_and_unsigned_attributes_behind_it_change_nothing() -> None:
    chain = usual()
    information = encode.sequence(encode.sequence(encode.oid("1.3.6.1.4.1.32473.5")))
    pin = {V2: encode.sequence(encode.sequence(ess_id(chain.unit)), information)}
    token = shaped(chain, attributes=pin, unsigned=[attribute("1.3.6.1.4.1.32473.6", encode.NULL)]).make()
    report = judge(token, chain.root)
    assert verdict(report) == ("PASSED", None)
    assert weaknesses(report) == {}


def test_a_token_judged_at_its_own_time_needs_no_certificate_that_is_valid_today() -> None:
    chain = usual()
    then = NOW - 4000 * DAY
    moment = int(then.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    spans: dict[str, Any] = {"begins": then - DAY, "ends": then + 400 * DAY}
    root = issue("Root of then", None, AUTHORITY, key=rsa_key(0), **spans)
    authority = issue("CA of then", root, AUTHORITY, key=rsa_key(1), **spans)
    unit = issue("Unit of then", authority, USUAL, key=rsa_key(2), **spans)
    order = shaped(chain, signer=unit, certificates=[unit.der, authority.der], gen_us=moment, attributes={})
    report = judge(order.make(), root, at=moment)
    assert verdict(report) == ("PASSED", None)
    assert "signature" not in reasons(report)
    assert judge(order.make(), root, at=forge.NOW_US).indication == "INDETERMINATE"
