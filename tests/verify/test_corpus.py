"""Foreign tokens, good and broken, as the corpus describes them."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.anchors import TrustStore, load_trust
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.context import Context
from kokuin.verify.content import of_digest
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from kokuin.wire.tsp import read_timestamp_request, read_timestamp_response
from tests.peers import corpus

if TYPE_CHECKING:
    from kokuin.trust.report import Report

NOW = time.time_ns() // 1_000


def judge(name: str, trust: TrustStore | str | None = None, at: int = NOW) -> Report:
    if isinstance(trust, str):
        trust = load_trust(corpus() / trust)
    return verify_bytes((corpus() / name).read_bytes(), Context(trust=trust or TrustStore(), at=at))


def at_gen_time(name: str, trust: TrustStore | str) -> Report:
    moment = dt.datetime.fromisoformat(str(judge(name).subject["gen_time"]))
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return judge(name, trust, since // dt.timedelta(microseconds=1))


def own_authorities(name: str) -> TrustStore:
    """Pin the highest certificates that a token itself carries."""
    octets = (corpus() / name).read_bytes()
    try:
        token = read_timestamp_response(octets).token or b""
    except WireError:
        token = octets
    found: list[Certificate] = [read_certificate(der) for der in read_signed_data(token).certificates]
    return TrustStore(tuple(certificate for certificate in found if certificate.is_authority))


@pytest.mark.parametrize(
    ("name", "trust"),
    [
        ("tokens/identrust-multi-ess.tsr", "tokens/identrust-chain.pem"),
        ("tokens/auto-archiver-valid.tsr", "tokens/identrust-chain.pem"),
        ("tokens/globalsign-2021.p7s", "tokens/globalsign-root.crt"),
        ("tokens/sigstage/response-sha256.tsr", "tokens/sigstage/ts_chain.pem"),
        ("tokens/sigstage/response-sha384.tsr", "tokens/sigstage/ts_chain.pem"),
        ("tokens/sigstage/response-sha512.tsr", "tokens/sigstage/ts_chain.pem"),
        ("tokens/sigstage/response-no-embedded-cert.tsr", "tokens/sigstage/ts_chain.pem"),
        ("tokens/sigstage/response-sha256.tsr", "tokens/sigstage"),
        ("malformed/response-injected-certs.tsr", "malformed/test_tsa-chain.pem"),
    ],
)
def test_foreign_tokens_pass_at_their_time_with_their_chain(name: str, trust: str) -> None:
    assert at_gen_time(name, trust).indication == "PASSED"


@pytest.mark.parametrize(
    "name",
    [
        "tokens/digicert-2024.tsr",
        "tokens/freetsa-2024-ess-v1.tsr",
        "tokens/d-trust-2018-qualified.tsr",
    ],
)
def test_foreign_tokens_pass_with_their_own_root_pinned_and_not_without(name: str) -> None:
    assert at_gen_time(name, own_authorities(name)).indication == "PASSED"
    report = judge(name)
    assert (report.indication, report.sub_indication) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tokens/sinpe-costa-rica.tsr", "NO_CERTIFICATE_CHAIN_FOUND"),
        ("tokens/disig-2019-qualified.tst", "NO_CERTIFICATE_CHAIN_FOUND"),
        ("tokens/sigstage/response-no-embedded-cert.tsr", "NO_SIGNING_CERTIFICATE_FOUND"),
        ("tokens/asn1crypto-2015-sha1.tsr", "CRYPTO_CONSTRAINTS_FAILURE"),
        ("malformed/TimeStampTokenWithoutCertificate.p7s", "NO_SIGNING_CERTIFICATE_FOUND"),
    ],
)
def test_what_cannot_be_known_is_indeterminate(name: str, expected: str) -> None:
    report = judge(name)
    assert (report.indication, report.sub_indication) == ("INDETERMINATE", expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tokens/sigstage/response-invalid-signature.tsr", "SIG_CRYPTO_FAILURE"),
        ("malformed/SHA1TimeStampToken.p7s", "HASH_FAILURE"),
        ("malformed/SignedDataWithoutSignedAttributes.p7s", "FORMAT_FAILURE"),
        ("malformed/TimeStampTokenInvalidSignedAttributeContentType.p7s", "FORMAT_FAILURE"),
        ("malformed/TimeStampTokenWithInvalidContentType.p7s", "FORMAT_FAILURE"),
        ("malformed/TimeStampTokenWithInvalidSignature.p7s", "SIG_CRYPTO_FAILURE"),
        ("malformed/TimeStampTokenWithInvalidSigningCertificateV1.p7s", "FORMAT_FAILURE"),
        ("malformed/TimeStampTokenWithInvalidTSTInfo.p7s", "FORMAT_FAILURE"),
        ("malformed/TimeStampTokenWithMismatchCertHash.p7s", "SIG_CONSTRAINTS_FAILURE"),
        ("malformed/TimeStampTokenWithTSTInfoVersion2.p7s", "FORMAT_FAILURE"),
        ("malformed/TimeStampTokenWithoutSignedAttributeDigest.p7s", "FORMAT_FAILURE"),
        ("malformed/TimeStampTokenWithoutSigner.p7s", "FORMAT_FAILURE"),
        ("malformed/TimeStampTokenWithoutSigningCertificate.p7s", "FORMAT_FAILURE"),
        ("malformed/malformed.tsq", "FORMAT_FAILURE"),
        ("malformed/rejection.tsq", "FORMAT_FAILURE"),
        ("tokens/asn1crypto-2015-sha1.tsq", "FORMAT_FAILURE"),
        ("tokens/globalsign-root.crt", "FORMAT_FAILURE"),
    ],
)
def test_broken_tokens_fail_by_their_defect_whatever_is_trusted(name: str, expected: str) -> None:
    for trust in (None, "tokens/globalsign-root.crt", "tokens/sigstage/ts_chain.pem"):
        report = judge(name, trust)
        assert (report.indication, report.sub_indication) == ("FAILED", expected)


def test_a_response_belongs_to_its_request() -> None:
    for request, response in (
        ("tokens/asn1crypto-2015-sha1.tsq", "tokens/asn1crypto-2015-sha1.tsr"),
        ("tokens/sigstage/request.der", "tokens/sigstage/response-sha512.tsr"),
    ):
        imprint = read_timestamp_request((corpus() / request).read_bytes()).imprint
        octets = (corpus() / response).read_bytes()
        right = verify_bytes(octets, Context(trust=TrustStore(), at=NOW, content=of_digest(imprint)))
        wrong = verify_bytes(octets, Context(trust=TrustStore(), at=NOW, content=of_digest(imprint[::-1])))
        assert right.indication == "INDETERMINATE"
        assert (wrong.indication, wrong.sub_indication) == ("FAILED", "HASH_FAILURE")


def test_sha1_is_named_as_a_weakness() -> None:
    checks = {check.id: check.reason for check in judge("tokens/asn1crypto-2015-sha1.tsr").checks}
    assert checks["digest-algorithm"] == checks["imprint-algorithm"] == "DIGEST_WEAK"


def test_a_fraction_of_a_second_is_kept() -> None:
    assert judge("tokens/disig-2019-qualified.tst").subject["gen_time"] == "2019-04-12T09:00:32.613000Z"
