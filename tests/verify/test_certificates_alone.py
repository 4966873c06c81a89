"""Certificates given in the place of a token, as people do: named as what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.trust.context import Context
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.pem import write_block
from tests.trust.forge import NOW_US, order, pki

if TYPE_CHECKING:
    from pathlib import Path

ROOT, UNIT = pki().root.der, pki().unit.der


def found(data: bytes) -> tuple[str, str | None, str | None]:
    report = verify_bytes(data, Context(NOW_US, pki().trust))
    return report.indication.value, report.sub_indication, report.checks[-1].reason


def armoured(*blocks: tuple[str, bytes]) -> bytes:
    return b"subject=CN = Root\n".join(write_block(label, octets) for label, octets in blocks)


@pytest.mark.parametrize("count", [1, 2, 300])
@pytest.mark.parametrize("label", ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"])
def test_certificates_alone_are_said_to_be_no_token(label: str, count: int) -> None:
    data = armoured(*[(label, ROOT)] * count)
    assert found(data) == ("FAILED", "FORMAT_FAILURE", "ONLY_CERTIFICATES")
    report = verify_bytes(data, Context(NOW_US, pki().trust))
    assert report.checks[-1].params == {"count": count}


def test_what_holds_something_else_too_is_not_said_to_be_certificates_alone() -> None:
    token = order().make()
    assert found(armoured(("CERTIFICATE", ROOT), ("PKCS7", token)))[2] == "UNREADABLE"
    assert found(armoured(("PKCS7", token), ("PKCS7", token)))[2] == "UNREADABLE"
    assert found(ROOT)[2] == "UNREADABLE"
    assert found(b"-----BEGIN CERTIFICATE-----\n")[2] == "UNREADABLE"


def test_a_token_under_the_label_of_a_certificate_is_judged() -> None:
    assert found(armoured(("CERTIFICATE", order().make())))[0] == "PASSED"


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "certificates (2) and no time-stamp token"),
        ("ja", "証明書 2 個があり、タイムスタンプトークンはありません"),
    ],
)
def test_it_is_said_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lang: str, said: str
) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(armoured(("CERTIFICATE", UNIT), ("CERTIFICATE", ROOT)))
    assert main(["verify", str(chain), "--lang", lang]) == 1
    assert said in capsys.readouterr().out
