"""Signatures that pyHanko made and time-stamped: an independent writer of what our reader looks for."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from tests.trust.forge import AUTHORITY, DAY, UNIT, Party, issue, key_usage, verdict

NOW = dt.datetime.now(dt.UTC)
DOCUMENT = b"signed and time-stamped by another program"
SPAN: dict[str, Any] = {"begins": NOW - DAY, "ends": NOW + DAY}


@pytest.fixture(autouse=True)
def _tables_are_whole() -> None:
    """What pyHanko adds to asn1crypto's tables is in them, also where another test used them before."""
    importlib.import_module("pyhanko.sign.ades.api")
    cms = importlib.import_module("asn1crypto.cms")
    for kind in (cms.CMSAttributeType, cms.ContentType):
        kind._reverse_map = {name: oid for oid, name in kind._map.items()}


def _asn1(party: Party) -> tuple[Any, Any]:
    x509 = importlib.import_module("asn1crypto.x509")
    keys = importlib.import_module("asn1crypto.keys")
    key = party.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return x509.Certificate.load(party.der), keys.PrivateKeyInfo.load(key)


@pytest.fixture(scope="module")
def root() -> Party:
    return issue("Root", None, AUTHORITY, **SPAN)


@pytest.fixture(scope="module")
def signer(root: Party) -> Any:
    party = issue("Signer", root, ((key_usage("digital_signature"), True),), **SPAN)
    registry = importlib.import_module("pyhanko_certvalidator.registry").SimpleCertificateStore()
    certificate, key = _asn1(party)
    registry.register(certificate)
    signers = importlib.import_module("pyhanko.sign.signers")
    return signers.SimpleSigner(signing_cert=certificate, signing_key=key, cert_registry=registry)


@pytest.fixture(scope="module")
def stamper(root: Party) -> Any:
    unit = issue("Unit", root, UNIT, key=rsa.generate_private_key(65_537, 2048), **SPAN)
    certificate, key = _asn1(unit)
    timestamps = importlib.import_module("pyhanko.sign.timestamps")
    return timestamps.DummyTimeStamper(tsa_cert=certificate, tsa_key=key)


def judge(root: Party, octets: bytes, data: bytes | None = None) -> Any:
    trust = TrustStore((root.certificate,))
    content = None if data is None else of_octets(data)
    return verify_bytes(octets, Context(time.time_ns() // 1_000, trust, content))


def sign(signer: Any, stamper: Any, *, detached: bool, content_too: bool = False) -> Any:
    """Sign `DOCUMENT` as CAdES with a time-stamp of the signature, and maybe one of the content."""
    specified = importlib.import_module("pyhanko.sign.ades.api").CAdESSignedAttrSpec(
        timestamp_content=content_too
    )
    settings = importlib.import_module("pyhanko.sign.signers.pdf_cms").PdfCMSSignedAttributes(
        cades_signed_attrs=specified
    )
    signing = signer.async_sign_general_data(
        DOCUMENT,
        "sha256",
        detached=detached,
        use_cades=True,
        timestamper=stamper,
        signed_attr_settings=settings,
    )
    return asyncio.run(signing)


@pytest.mark.parametrize("detached", [False, True])
def test_the_seal_of_pyhanko_passes_and_its_time_stamp_fits_it_and_no_other(
    root: Party,
    signer: Any,
    stamper: Any,
    detached: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    made = sign(signer, stamper, detached=detached)
    octets = made.dump()
    report = judge(root, octets, DOCUMENT)
    assert verdict(report) == ("PASSED", None)
    (seal,) = report.parts
    assert [part.subject["stamp_role"] for part in seal.parts] == ["signature"]
    assert verdict(judge(root, octets, b"other")) == ("FAILED", "HASH_FAILURE")
    signature = made["content"]["signer_infos"][0]["signature"].native
    changed = octets.replace(signature, bytes((signature[0] ^ 1,)) + signature[1:])
    assert changed != octets
    assert verdict(judge(root, changed, DOCUMENT)) == ("FAILED", "SIG_CRYPTO_FAILURE")


def test_the_content_time_stamp_of_pyhanko_fits(root: Party, signer: Any, stamper: Any) -> None:
    report = judge(root, sign(signer, stamper, detached=False, content_too=True).dump())
    assert verdict(report) == ("PASSED", None)
    (seal,) = report.parts
    assert [part.subject["stamp_role"] for part in seal.parts] == ["content", "signature"]
    assert [check.status for part in seal.parts for check in part.checks if check.id == "imprint"] == [
        "ok",
        "ok",
    ]
