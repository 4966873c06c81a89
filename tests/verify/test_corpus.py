"""Foreign tokens, good and broken, as the corpus describes them: each file, its verdict, what is named."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import time
from dataclasses import dataclass, replace

import pytest

from kokuin.trust.anchors import TrustStore, load_trust
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.context import Context
from kokuin.trust.report import Report, Status
from kokuin.verify.content import of_digest
from kokuin.verify.facts import Facts
from kokuin.verify.facts_reading import read_facts
from kokuin.verify.verifying import take_token, verify_bytes
from kokuin.wire.cms import read_signed_data
from kokuin.wire.tsp import read_timestamp_request
from pqc.policies import load_policy, shipped_policies
from tests.peers import corpus, need

NOW = time.time_ns() // 1_000
FOLDERS = ("tokens", "malformed")
OWN = "its own authorities"
"""Stands for a store in which the highest certificates of the token itself are pinned."""
SIGSTAGE = "tokens/sigstage/ts_chain.pem"
IDENTRUST = "tokens/identrust-chain.pem"
GLOBALSIGN = "tokens/globalsign-root.crt"


@dataclass(frozen=True)
class Row:
    """One file under one trust store.

    Attributes:
        name: the file.
        verdict: indication and sub-indication.
        named: id and reason of a check that must be among those that did not hold.
        trust: file of the anchors; None: nobody is trusted.
        at_gen_time: judged at the token's genTime, else now.
    """

    name: str
    verdict: str
    named: str | None = None
    trust: str | None = None
    at_gen_time: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{'now' if not self.at_gen_time else 'then'}-{self.trust}"


def passes(name: str, trust: str, named: str | None = None) -> Row:
    return Row(name, "PASSED", named, trust, at_gen_time=True)


def no_chain(name: str) -> Row:
    return Row(name, "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND", "path NO_ANCHOR")


SHA1_PIN = "signer DIGEST_WEAK"
GOOD = (
    passes("tokens/identrust-multi-ess.tsr", IDENTRUST, SHA1_PIN),
    passes("tokens/auto-archiver-valid.tsr", IDENTRUST, SHA1_PIN),
    passes("tokens/globalsign-2021.p7s", GLOBALSIGN),
    passes("tokens/digicert-2024.tsr", OWN),
    passes("tokens/freetsa-2024-ess-v1.tsr", OWN, SHA1_PIN),
    passes("tokens/d-trust-2018-qualified.tsr", OWN),
    passes("tokens/sigstage/response-sha256.tsr", SIGSTAGE),
    passes("tokens/sigstage/response-sha256.tsr", "tokens/sigstage"),
    passes("tokens/sigstage/response-sha384.tsr", SIGSTAGE),
    passes("tokens/sigstage/response-sha512.tsr", SIGSTAGE),
    passes("tokens/sigstage/response-no-embedded-cert.tsr", SIGSTAGE),
    passes("malformed/response-injected-certs.tsr", "malformed/test_tsa-chain.pem"),
)
OPEN = (
    *(no_chain(row.name) for row in GOOD if row.trust != SIGSTAGE or "no-embedded" not in row.name),
    no_chain("tokens/sinpe-costa-rica.tsr"),
    no_chain("tokens/disig-2019-qualified.tst"),
    Row(
        "tokens/sigstage/response-no-embedded-cert.tsr",
        "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
        "signer CERTIFICATE_ABSENT",
    ),
    Row(
        "tokens/asn1crypto-2015-sha1.tsr",
        "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
        "imprint-algorithm DIGEST_WEAK",
    ),
    Row(
        "tokens/asn1crypto-2015-sha1.tsr",
        "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE",
        "digest-algorithm DIGEST_WEAK",
    ),
    Row(
        "malformed/TimeStampTokenWithoutCertificate.p7s",
        "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND",
        "signer CERTIFICATE_ABSENT",
    ),
)
BROKEN = (
    Row(
        "tokens/sigstage/response-invalid-signature.tsr",
        "FAILED SIG_CRYPTO_FAILURE",
        "signature SIGNATURE_INVALID",
    ),
    Row("malformed/SHA1TimeStampToken.p7s", "FAILED HASH_FAILURE", "message-digest DIGEST_DIFFERS"),
    Row(
        "malformed/SignedDataWithoutSignedAttributes.p7s",
        "FAILED FORMAT_FAILURE",
        "content-type WRONG_CONTENT_TYPE",
    ),
    Row(
        "malformed/TimeStampTokenInvalidSignedAttributeContentType.p7s",
        "FAILED FORMAT_FAILURE",
        "signed-content-type ATTRIBUTE_DIFFERS",
    ),
    Row(
        "malformed/TimeStampTokenWithInvalidContentType.p7s",
        "FAILED FORMAT_FAILURE",
        "content-type WRONG_CONTENT_TYPE",
    ),
    Row(
        "malformed/TimeStampTokenWithInvalidSignature.p7s",
        "FAILED SIG_CRYPTO_FAILURE",
        "signature SIGNATURE_INVALID",
    ),
    Row(
        "malformed/TimeStampTokenWithInvalidSigningCertificateV1.p7s",
        "FAILED FORMAT_FAILURE",
        "signer ATTRIBUTE_UNREADABLE",
    ),
    Row(
        "malformed/TimeStampTokenWithInvalidTSTInfo.p7s",
        "FAILED FORMAT_FAILURE",
        "tst-info UNREADABLE",
    ),
    Row(
        "malformed/TimeStampTokenWithMismatchCertHash.p7s",
        "FAILED SIG_CONSTRAINTS_FAILURE",
        "signer CERTIFICATE_DIFFERS",
    ),
    Row(
        "malformed/TimeStampTokenWithTSTInfoVersion2.p7s",
        "FAILED FORMAT_FAILURE",
        "tst-info UNKNOWN_VERSION",
    ),
    Row(
        "malformed/TimeStampTokenWithoutSignedAttributeDigest.p7s",
        "FAILED FORMAT_FAILURE",
        "message-digest ATTRIBUTE_ABSENT",
    ),
    Row(
        "malformed/TimeStampTokenWithoutSigner.p7s",
        "FAILED FORMAT_FAILURE",
        "signer-count NOT_ONE_SIGNER",
    ),
    Row(
        "malformed/TimeStampTokenWithoutSigningCertificate.p7s",
        "FAILED FORMAT_FAILURE",
        "signer ATTRIBUTE_ABSENT",
    ),
    Row("malformed/malformed.tsq", "FAILED FORMAT_FAILURE", "format UNREADABLE"),
    Row("malformed/rejection.tsq", "FAILED FORMAT_FAILURE", "response-status REQUEST_REFUSED"),
    Row("malformed/test_tsa-chain.pem", "FAILED FORMAT_FAILURE", "format ONLY_CERTIFICATES"),
    Row("tokens/asn1crypto-2015-sha1.tsq", "FAILED FORMAT_FAILURE", "format NOT_RECOGNISED"),
    Row("tokens/sigstage/request.der", "FAILED FORMAT_FAILURE", "format NOT_RECOGNISED"),
    Row(SIGSTAGE, "FAILED FORMAT_FAILURE", "format ONLY_CERTIFICATES"),
    Row(IDENTRUST, "FAILED FORMAT_FAILURE", "format UNREADABLE"),
    Row(GLOBALSIGN, "FAILED FORMAT_FAILURE", "format ONLY_CERTIFICATES"),
)


def judge(name: str, trust: str | None = None, at: int = NOW) -> Report:
    return verify_bytes((corpus() / name).read_bytes(), Context(trust=store(name, trust), at=at))


def store(name: str, trust: str | None) -> TrustStore:
    if trust is None:
        return TrustStore()
    return own_authorities(name) if trust == OWN else load_trust(corpus() / trust)


def gen_time(name: str) -> int:
    moment = dt.datetime.fromisoformat(str(judge(name).subject["gen_time"]))
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def own_authorities(name: str) -> TrustStore:
    """Pin the authorities that a token itself carries."""
    taken = take_token((corpus() / name).read_bytes())
    octets = getattr(taken, "octets", b"")
    found: list[Certificate] = [read_certificate(der) for der in read_signed_data(octets).certificates]
    return TrustStore(tuple(certificate for certificate in found if certificate.is_authority))


def shown(report: Report) -> str:
    return " ".join(part.value for part in (report.indication, report.sub_indication) if part)


def named(report: Report) -> set[str]:
    """What the report names as not wholly right."""
    held = (Status.OK, Status.NOT_DONE)
    return {f"{check.id} {check.reason}" for check in report.checks if check.status not in held}


@pytest.mark.parametrize("row", [*GOOD, *OPEN, *BROKEN], ids=str)
def test_every_file_gets_its_verdict_with_a_reason_that_names_the_defect(row: Row) -> None:
    report = judge(row.name, row.trust, gen_time(row.name) if row.at_gen_time else NOW)
    assert shown(report) == row.verdict
    assert row.named is None or row.named in named(report)


@pytest.mark.parametrize("row", BROKEN, ids=str)
def test_no_trust_store_mends_what_is_broken(row: Row) -> None:
    for trust in (GLOBALSIGN, SIGSTAGE, IDENTRUST):
        report = judge(row.name, trust)
        assert shown(report) == row.verdict
        assert row.named in named(report)


def test_whatever_else_lies_in_the_folders_gets_a_verdict_and_a_reason() -> None:
    """Also a file of a larger corpus than the table knows; all others are tried again, at no cost."""
    for folder in FOLDERS:
        for path in sorted(file for file in (corpus() / folder).rglob("*") if file.is_file()):
            report = judge(str(path.relative_to(corpus())))
            assert json.loads(report.to_json())["indication"] != "PASSED", path  # nobody was trusted
            assert report.sub_indication, path
            assert named(report), path


def test_the_injected_certificate_of_the_same_name_is_never_the_signer() -> None:
    name = "malformed/response-injected-certs.tsr"
    chain = load_trust(corpus() / "malformed/test_tsa-chain.pem")
    octets = getattr(take_token((corpus() / name).read_bytes()), "octets", b"")
    right = {certificate.der for certificate in (*chain.anchors, *chain.helpers)}
    injected = [read_certificate(der) for der in read_signed_data(octets).certificates if der not in right]
    assert injected
    pinned = TrustStore(tuple(injected))
    report = verify_bytes((corpus() / name).read_bytes(), Context(trust=pinned, at=gen_time(name)))
    assert shown(report) == "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND"


def answered(request_name: str, response_name: str) -> Report:
    request = read_timestamp_request((corpus() / request_name).read_bytes())
    octets = (corpus() / response_name).read_bytes()
    return verify_bytes(octets, Context(trust=load_trust(corpus() / SIGSTAGE), at=NOW, request=request))


def test_a_response_belongs_to_its_request() -> None:
    report = answered("tokens/asn1crypto-2015-sha1.tsq", "tokens/asn1crypto-2015-sha1.tsr")
    assert shown(report) == "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"
    assert not {each for each in named(report) if each.startswith("request-")}


@pytest.mark.parametrize(
    ("response_name", "expected"),
    [
        # The same data, which is all that joins the two: the request has a nonce, the response none.
        ("tokens/sigstage/response-sha512.tsr", "FAILED SIG_CONSTRAINTS_FAILURE"),
        ("tokens/sigstage/response-sha256.tsr", "FAILED HASH_FAILURE"),
        ("tokens/sigstage/response-sha384.tsr", "FAILED HASH_FAILURE"),
    ],
)
def test_a_response_to_another_request_fails_as_openssl_says_too(response_name: str, expected: str) -> None:
    request_name = "tokens/sigstage/request.der"
    assert shown(answered(request_name, response_name)) == expected
    words = ("ts", "-verify", "-in", corpus() / response_name, "-queryfile", corpus() / request_name)
    trusted = ("-CAfile", corpus() / SIGSTAGE, "-attime", str(gen_time(response_name) // 1_000_000))
    done = subprocess.run([need("openssl"), *words, *trusted], check=False, capture_output=True, text=True)
    assert "Verification: FAILED" in done.stdout
    assert "mismatch" in done.stderr


def test_the_data_decides_where_no_request_is_at_hand() -> None:
    imprint = read_timestamp_request((corpus() / "tokens/sigstage/request.der").read_bytes()).imprint
    octets = (corpus() / "tokens/sigstage/response-sha512.tsr").read_bytes()
    right = verify_bytes(octets, Context(trust=TrustStore(), at=NOW, content=of_digest(imprint)))
    wrong = verify_bytes(octets, Context(trust=TrustStore(), at=NOW, content=of_digest(imprint[::-1])))
    assert right.indication == "INDETERMINATE"
    assert shown(wrong) == "FAILED HASH_FAILURE"


def test_a_fraction_of_a_second_is_kept() -> None:
    assert judge("tokens/disig-2019-qualified.tst").subject["gen_time"] == "2019-04-12T09:00:32.613000Z"


@pytest.mark.parametrize("policy", shipped_policies())
@pytest.mark.parametrize("row", GOOD, ids=str)
def test_a_real_token_ends_when_it_is_said_to_and_its_facts_give_the_same_report(
    row: Row, policy: str
) -> None:
    data = (corpus() / row.name).read_bytes()
    context = Context(gen_time(row.name), store(row.name, row.trust), policy=load_policy(policy))
    report = verify_bytes(data, context)
    assert read_facts(Facts(data, context).encode()).judge().to_json() == report.to_json()
    end = report.verifiable_until
    assert (end is not None) == (report.indication == "PASSED")
    if end is not None:
        last, after = (verify_bytes(data, replace(context, at=end.time + later)) for later in (0, 1))
        assert (last.indication, last.verifiable_until) == ("PASSED", end)
        assert after.indication == "INDETERMINATE"
