"""OpenSSL makes the tokens, we judge them."""

from __future__ import annotations

import hashlib
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.anchors import load_trust
from kokuin.trust.context import Context
from kokuin.verify.content import of_file, of_octets
from kokuin.verify.verifying import verify_bytes
from tests.peers import need

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/unit.pem
certs = {folder}/ca.pem
signer_key = {folder}/unit.key
signer_digest = {digest}
default_policy = 1.3.6.1.4.1.32473.1
digests = sha1, sha256, sha384, sha512
accuracy = secs:1, millisecs:20, microsecs:3
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = yes
ess_cert_id_alg = {ess}
"""
KEYS = {
    "rsa": ("-newkey", "rsa:2048"),
    "p256": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
}


@dataclass
class Authority:
    """A folder in which `openssl ts` is an authority."""

    folder: Path
    openssl: str

    def run(self, *words: str) -> None:
        subprocess.run([self.openssl, *words], cwd=self.folder, check=True, capture_output=True)

    def stamp(self, data: Path, *query: str, reply: tuple[str, ...] = (), ess: str = "sha256") -> bytes:
        return self.answer("-data", str(data), *query, reply=reply, ess=ess)

    def answer(self, *query: str, reply: tuple[str, ...] = (), ess: str = "sha256") -> bytes:
        configuration = CONFIGURATION.format(folder=self.folder, digest="sha256", ess=ess)
        (self.folder / "tsa.cnf").write_text(configuration)
        self.run("ts", "-query", *query, "-out", "query.tsq")
        self.run(
            *("ts", "-reply", "-config", "tsa.cnf", "-section", "here", "-queryfile", "query.tsq"),
            *("-out", "reply.tsr", *reply),
        )
        return (self.folder / "reply.tsr").read_bytes()


@pytest.fixture(scope="module", params=sorted(KEYS))
def authority(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp(request.param), KEYS[request.param])


def make_authority(folder: Path, key: tuple[str, ...], days: int = 30) -> Authority:
    made = Authority(folder, need("openssl"))
    common = ("-nodes", "-days", f"{days}", "-sha256")
    made.run(
        "req", "-x509", *key, *common, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/C=JP/CN=OpenSSL CA"
    )
    made.run(
        "req", *key, *common[:1], "-keyout", "unit.key", "-out", "unit.csr", "-subj", "/C=JP/CN=OpenSSL unit"
    )
    (made.folder / "unit.ext").write_text(
        "extendedKeyUsage=critical,timeStamping\nkeyUsage=digitalSignature\n"
    )
    made.run(
        *("x509", "-req", "-in", "unit.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", f"{days}"),
        *("-extfile", "unit.ext", "-out", "unit.pem"),
    )
    (made.folder / "serial").write_text("0100")
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "data"
    file.write_bytes(b"stamped" * 1_000)
    return file


def now() -> int:
    return time.time_ns() // 1_000


@pytest.mark.parametrize("query", [("-cert",), ("-cert", "-sha384", "-no_nonce"), ("-cert", "-sha512")])
def test_tokens_of_openssl_pass(authority: Authority, data: Path, query: tuple[str, ...]) -> None:
    response = authority.stamp(data, *query)
    trust = load_trust(authority.folder / "ca.pem")
    report = verify_bytes(response, Context(trust=trust, at=now(), content=of_file(data)))
    assert report.indication == "PASSED"
    assert report.subject["accuracy_us"] == 1_020_003
    wrong = verify_bytes(response, Context(trust=trust, at=now(), content=of_octets(b"other")))
    assert wrong.sub_indication == "HASH_FAILURE"


def test_a_bare_token_and_pem_armour_are_recognised(authority: Authority, data: Path) -> None:
    authority.stamp(data, "-cert")
    authority.run("ts", "-reply", "-in", "reply.tsr", "-token_out", "-out", "token.der")
    authority.run("pkcs7", "-inform", "DER", "-in", "token.der", "-out", "token.pem")
    trust = load_trust(authority.folder / "ca.pem")
    for name in ("token.der", "token.pem"):
        octets = (authority.folder / name).read_bytes()
        assert (
            verify_bytes(octets, Context(trust=trust, at=now(), content=of_file(data))).indication == "PASSED"
        )


def test_a_token_without_certificates_passes_when_the_store_has_them(
    authority: Authority, data: Path
) -> None:
    response = authority.stamp(data)
    alone = load_trust(authority.folder / "ca.pem")
    assert (
        verify_bytes(response, Context(trust=alone, at=now())).sub_indication
        == "NO_SIGNING_CERTIFICATE_FOUND"
    )
    assert (
        verify_bytes(response, Context(trust=load_trust(authority.folder), at=now())).indication == "PASSED"
    )


def test_version_one_of_the_signing_certificate_passes_as_weak(authority: Authority, data: Path) -> None:
    response = authority.stamp(data, "-cert", ess="sha1")
    report = verify_bytes(response, Context(trust=load_trust(authority.folder), at=now()))
    assert report.indication == "PASSED"
    assert [check.status for check in report.checks if check.id == "signer"] == ["weak"]


def test_a_sha1_imprint_is_indeterminate(authority: Authority, data: Path) -> None:
    response = authority.stamp(data, "-cert", "-sha1")
    report = verify_bytes(
        response, Context(trust=load_trust(authority.folder), at=now(), content=of_file(data))
    )
    assert (report.indication, report.sub_indication) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")


def test_a_refusal_of_openssl_fails_with_its_status(authority: Authority, data: Path) -> None:
    response = authority.stamp(data, "-cert", "-md5")
    report = verify_bytes(response, Context(trust=load_trust(authority.folder), at=now()))
    assert report.indication == "FAILED"
    assert report.checks[0].params == {"status_code": 2, "fail_info": ["0"]}


def test_a_digest_of_another_length_cannot_be_compared(authority: Authority, data: Path) -> None:
    response = authority.stamp(data, "-cert", "-sha512")
    digest = hashlib.sha256(data.read_bytes()).digest()
    report = verify_bytes(
        response, Context(trust=load_trust(authority.folder), at=now(), content=lambda _algorithm: digest)
    )
    assert (report.indication, report.sub_indication) == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")
