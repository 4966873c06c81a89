"""The test PKI itself, judged by OpenSSL and pyca/cryptography: a fault here is one everywhere."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.x509 import ocsp

from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.judge import judge_token
from kokuin.trust.path import find_path
from kokuin.trust.report import Indication
from kokuin.wire.ber import definite
from kokuin.wire.pem import write_block
from kokuin.wire.prescan import TOKEN_LIMITS
from tests.eseal import pki
from tests.peers import need

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("suite_id", pki.EVERY)
def test_a_seal_of_every_suite_leads_to_the_root(suite_id: str) -> None:
    key = pki.seal_key(suite_id)
    leaf = read_certificate(key.certificate)
    between = [read_certificate(each) for each in key.chain]
    assert leaf.public_key == key.signer.public_key
    found = find_path(leaf, pki.seal_pki().trust, between, pki.NOW_US)
    assert found.path == (leaf, *between, pki.seal_pki().root.certificate)
    assert found.fault is None


@pytest.mark.parametrize("suite_id", pki.CLASSICAL)
def test_openssl_accepts_the_chain_and_the_lists(suite_id: str, tmp_path: Path) -> None:
    need("openssl")
    made, key = pki.seal_pki(), pki.seal_key(suite_id)
    lists = b"".join(write_block("X509 CRL", each) for each in made.crls())
    chain = b"".join(write_block("CERTIFICATE", each) for each in key.chain)
    for name, octets in (
        ("root.pem", made.root_pem + lists),
        ("chain.pem", chain),
        ("seal.pem", write_block("CERTIFICATE", key.certificate)),
    ):
        (tmp_path / name).write_bytes(octets)
    command = ["openssl", "verify", "-crl_check_all", "-x509_strict", "-CAfile", "root.pem"]
    done = subprocess.run(
        [*command, "-untrusted", "chain.pem", "seal.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_answers_are_read_by_another() -> None:
    made, key = pki.seal_pki(), pki.seal_key()
    answer = ocsp.load_der_ocsp_response(made.answer(key.certificate))
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert answer.serial_number == read_certificate(key.certificate).serial


@pytest.mark.parametrize("suite_id", [pki.P256, pki.RSA, "ml-dsa-65"])
def test_its_tokens_pass(suite_id: str) -> None:
    made = pki.seal_pki()
    stamper = made.stamper(suite_id, at=pki.NOW - 30 * pki.DAY)
    data = b"octets of a seal"
    token = stamper.stamp(pki.digest(stamper.digest, data))
    context = Context(pki.NOW_US, made.trust, lambda name: pki.digest(name, data))
    assert judge_token(definite(token, TOKEN_LIMITS), context).indication is Indication.PASSED
