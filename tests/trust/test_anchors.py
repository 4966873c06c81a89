from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.anchors import TrustError, load_trust
from kokuin.wire.errors import WireCode
from tests.peers import need
from tests.trust.forge import AUTHORITY, Party, issue, judge, order, pki

if TYPE_CHECKING:
    from pathlib import Path


def test_in_a_folder_self_signed_certificates_are_anchors_and_others_help(tmp_path: Path) -> None:
    second = issue("Second root", None, AUTHORITY)
    (tmp_path / "ca.pem").write_bytes(pki().root.pem + second.pem)
    (tmp_path / "units.pem").write_bytes(pki().unit.pem + pki().authority.pem)
    (tmp_path / "more.crt").write_bytes(pki().root.der)
    (tmp_path / "notes.txt").write_bytes(issue("Third root", None, AUTHORITY).pem)
    (tmp_path / "request.der").write_bytes(b"0\x00")
    trust = load_trust(tmp_path)
    assert {anchor.der for anchor in trust.anchors} == {pki().root.der, second.der}
    assert {helper.der for helper in trust.helpers} == {pki().unit.der, pki().authority.der}


def test_a_certificate_that_only_claims_to_be_self_signed_is_no_anchor(tmp_path: Path) -> None:
    pretender = issue("Root", pki().authority, AUTHORITY, issuer_name=pki().root.x509.subject)
    (tmp_path / "ca.pem").write_bytes(pretender.pem)
    assert load_trust(tmp_path).anchors == ()


def test_a_named_file_makes_its_authorities_anchors_only_when_none_is_self_signed(tmp_path: Path) -> None:
    file = tmp_path / "chain"
    file.write_bytes(b"some words\n" + pki().authority.pem + pki().unit.pem)
    assert [anchor.der for anchor in load_trust(file).anchors] == [pki().authority.der]
    file.write_bytes(pki().authority.pem + pki().root.pem)
    assert [anchor.der for anchor in load_trust(file).anchors] == [pki().root.der]
    (tmp_path / "chain.pem").write_bytes(pki().authority.pem)
    assert load_trust(tmp_path).anchors == ()


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"", WireCode.TRUNCATED),
        (b"no certificate", WireCode.TRUNCATED),
        (b"-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n", WireCode.BAD_ARMOUR),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", WireCode.UNEXPECTED),
    ],
)
def test_a_named_file_without_certificates_is_refused(tmp_path: Path, octets: bytes, code: WireCode) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(octets)
    with pytest.raises(TrustError) as caught:
        load_trust(file)
    assert (caught.value.path, caught.value.code) == (file, code)


def _cross_signed() -> tuple[Party, Party]:
    """Return an older root, and the root of the tests as that one signed it."""
    older = issue("Older root", None, AUTHORITY)
    return older, issue("Root", older, AUTHORITY, key=pki().root.key)


@pytest.mark.parametrize(
    "named",
    ["root", "authority", "both", "reversed", "all", "cross", "cross and older", "authority and cross"],
)
def test_whatever_of_a_chain_a_file_holds_does_for_a_token(named: str, tmp_path: Path) -> None:
    older, cross = _cross_signed()
    root, authority, unit = pki().root, pki().authority, pki().unit
    files: dict[str, tuple[Party, ...]] = {
        "root": (root,),
        "authority": (authority,),
        "both": (root, authority),
        "reversed": (authority, root),
        "all": (unit, authority, root),
        "cross": (cross,),
        "cross and older": (cross, older),
        "authority and cross": (authority, cross),
    }
    file = tmp_path / "ca.pem"
    file.write_bytes(b"".join(party.pem for party in files[named]))
    carried = ((*pki().chain,), (*pki().chain, root.der), (*pki().chain, cross.der, older.der))
    for certificates in carried:
        token = order(certificates=sorted(certificates)).make()
        assert judge(token, load_trust(file)).indication == "PASSED"
    if named == "all":
        assert judge(order(certificates=()).make(), load_trust(file)).indication == "PASSED"


def test_a_bag_of_certificates_by_openssl_is_read(tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(pki().root.pem + pki().authority.pem)
    for form in ("DER", "PEM"):
        bag = tmp_path / f"{form}.p7b"
        words = ("crl2pkcs7", "-nocrl", "-certfile", str(chain), "-outform", form, "-out", str(bag))
        subprocess.run([need("openssl"), *words], check=True, capture_output=True)
        for trust in (load_trust(bag), load_trust(tmp_path)):
            assert [anchor.der for anchor in trust.anchors] == [pki().root.der]
            assert [helper.der for helper in trust.helpers] == [pki().authority.der]


def test_a_signed_document_is_no_bag_of_certificates(tmp_path: Path) -> None:
    # Who signs a token chooses what is in it, and would choose whom to trust.
    token = tmp_path / "token.p7b"
    token.write_bytes(order(certificates=[pki().root.der, *pki().chain]).make())
    with pytest.raises(TrustError):
        load_trust(token)


def test_an_absent_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        load_trust(tmp_path / "absent")
