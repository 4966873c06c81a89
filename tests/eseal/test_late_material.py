"""Validation data that came after a time-stamp is not proven by it, in each of the three formats.

The scene: a seal and its time-stamp of a hundred days ago by ECDSA, which the policy accepts no more since
fifty days; an archive time-stamp by ML-DSA of sixty days ago, which carries over what it covers.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eseal import cades_create, cades_extend, jades_create, jades_extend
from eseal.cms_parts import read_parts
from eseal.jades_payload import Attached
from eseal.pdf.extending import add_store, extend_pdf
from eseal.pdf.orders import PdfSealOrder
from eseal.pdf.sealing import PdfSealer
from eseal.pdf.stamping import Stamping
from eseal.values import Level, Material
from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.name import distinguished_name
from kokuin.trust.report import Ending
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.verify.verifying import verify_bytes
from pqc.policies import parse_policy
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
from tests.eseal.found import past, verdict
from tests.eseal.jades import pack
from tests.eseal.pdf.plain import pages
from tests.eseal.pki import BEGAN, DAY, NOW, NOW_US, P256, SealPki, Stamper, seal_key, seal_pki
from tests.eseal.sealed_data import Data
from tests.ownpolicy import policy_text, row

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from eseal.values import SealKey
    from kokuin.trust.report import Report
    from pqc.policies import Policy

PQ = "ml-dsa-65"
DATA = Data(b"what is sealed")
FORMATS = ("cades", "jades", "pades")
SEALED_US = int(past(days=100).timestamp()) * 1_000_000


def sealed(form: str, level: Level, material: Material, stamper: Stamper, key: SealKey) -> bytes:
    if form == "cades":
        return cades_create.create(
            DATA, (key,), SEALED_US, enveloping=True, level=level, stamper=stamper, material=material
        )
    if form == "jades":
        payload = Attached(b"{}")
        return jades_create.create(
            payload, (key,), SEALED_US, level=level, stamper=stamper, material=material
        )
    stream = io.BytesIO(pages())
    order = PdfSealOrder(level, SEALED_US, material=material)
    PdfSealer((key,), Stamping(stamper)).seal(stream, order)
    return stream.getvalue()


def renewed(form: str, octets: bytes, material: Material, stamper: Stamper) -> bytes:
    if form == "cades":
        return cades_extend.extend(octets, Level.B_LTA, content=None, stamper=stamper, material=material)
    if form == "jades":
        return jades_extend.extend(octets, Level.B_LTA, stamper=stamper, material=material)
    stream = io.BytesIO(octets)
    extend_pdf(stream, Level.B_LTA, Stamping(stamper), material)
    return stream.getvalue()


def added(form: str, octets: bytes, material: Material) -> bytes:
    """What anybody can do: put validation data beside a seal, behind its last time-stamp."""
    certificates, lists = material.certificates, material.revocation.lists
    if form == "cades":
        return read_parts(octets).with_material(certificates, lists).encode()
    if form == "pades":
        stream = io.BytesIO(octets)
        add_store(stream, material)
        return stream.getvalue()
    document = json.loads(octets)
    elements = document["header"]["etsiU"]
    values = {"xVals": [{"x509Cert": value} for value in _values(certificates)]}
    elements.append(pack(json.dumps(values).encode()))
    elements.append(pack(json.dumps({"rVals": {"crlVals": _values(lists)}}).encode()))
    return json.dumps(document).encode()


def _values(items: Iterable[bytes]) -> list[dict[str, str]]:
    return [{"val": base64.b64encode(each).decode()} for each in items]


def of_then(*, next_days_ago: int = 40) -> Material:
    """What clears the seal of a hundred days ago, by ECDSA."""
    pki = seal_pki()
    lists = pki.crls(this_update=past(days=101), next_update=past(days=next_days_ago))
    return Material((*pki.chain, pki.stamper().certificate.der), RevocationData(lists=lists))


def of_archive() -> Material:
    """Of the archive time-stamp, by ML-DSA; of no use for the seal."""
    pki = seal_pki(PQ)
    lists = pki.crls(this_update=past(days=101), next_update=past(days=40))
    return Material((*pki.chain, pki.stamper(PQ).certificate.der), RevocationData(lists=lists))


def both(*materials: Material) -> Material:
    found = Material()
    for each in materials:
        found = Material(
            (*found.certificates, *each.certificates), found.revocation.with_more(each.revocation)
        )
    return found


def archived(form: str, early: Material, key: SealKey | None = None) -> bytes:
    first = sealed(form, Level.B_T, Material(), seal_pki().stamper(at=past(days=100)), key or seal_key())
    return renewed(form, first, early, seal_pki(PQ).stamper(PQ, at=past(days=60)))


def aged(day: dt.date | None = None) -> Policy:
    hashes = ("imprint", "signature-digest", "certificate-id")
    rows = (
        row("signature", ["ecdsa"], ["verify"], until=str(day or past(days=50).date())),
        row("signature", ["ml-dsa"], ["verify"]),
        row(hashes, ["sha256", "sha384", "sha512"], ["verify"]),
    )
    return parse_policy("aged", policy_text(*rows))


def judged(
    octets: bytes,
    policy: Policy | None = None,
    more: RevocationData | None = None,
    at: int = NOW_US + 60_000_000,
) -> Report:
    trust = TrustStore((seal_pki().root.certificate, seal_pki(PQ).root.certificate))
    revocation = seal_pki(PQ).revocation().with_more(more or RevocationData())
    context = Context(at, trust, revocation=revocation)
    context = replace(context, revocation_mode=RevocationMode.REQUIRED)
    return verify_bytes(octets, context if policy is None else replace(context, policy=policy))


def level(report: Report) -> object:
    return report.parts[0].subject["level"]


@pytest.mark.parametrize("form", FORMATS)
def test_what_the_archive_time_stamp_covers_outlives_its_algorithm(form: str) -> None:
    report = judged(archived(form, both(of_archive(), of_then())), aged())
    assert (verdict(report), level(report)) == ("PASSED", Level.B_LTA)


@pytest.mark.parametrize("form", FORMATS)
def test_renewals_over_years_pass_and_keep_the_level(form: str) -> None:
    first = sealed(form, Level.B_T, Material(), seal_pki().stamper(at=past(days=100)), seal_key())
    second = renewed(form, first, of_then(), seal_pki().stamper(at=past(days=80)))
    third = renewed(form, second, of_archive(), seal_pki(PQ).stamper(PQ, at=past(days=60)))
    last = renewed(form, third, of_archive(), seal_pki(PQ).stamper(PQ, at=past(days=20)))
    report = judged(last, aged())
    assert (verdict(report), level(report)) == ("PASSED", Level.B_LTA)


@pytest.mark.parametrize("form", FORMATS)
def test_a_list_forged_after_the_last_time_stamp_clears_nothing(form: str) -> None:
    """Attack: ECDSA is broken by now, and its lists can be made at will."""
    octets = added(form, archived(form, of_archive()), of_then())
    report = judged(octets, aged())
    assert verdict(report).startswith("INDETERMINATE")
    assert verdict(judged(octets)) == "PASSED"  # as long as nobody can forge them


@pytest.mark.parametrize("form", FORMATS)
def test_a_certificate_added_after_the_last_time_stamp_joins_no_path(form: str) -> None:
    """Attack: by then the authority's key can be computed, and certified by a signature that was forged."""
    pki = seal_pki()
    key = replace(seal_key(), chain=())
    then = of_then()
    octets = archived(form, both(of_archive(), replace(then, certificates=then.certificates[1:])), key)
    late = added(form, octets, Material(pki.chain, then.revocation))
    report = judged(late, aged())
    assert verdict(report) == "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
    assert verdict(judged(late)) == "PASSED"
    assert verdict(judged(archived(form, both(of_archive(), then), key), aged())) == "PASSED"


@pytest.mark.parametrize("form", FORMATS)
def test_data_that_came_after_makes_no_archived_level(form: str) -> None:
    late = judged(added(form, archived(form, of_archive()), of_then()))
    assert (verdict(late), level(late)) == ("PASSED", Level.B_LT)


@pytest.mark.parametrize("form", FORMATS)
def test_a_list_by_a_key_that_was_stolen_meanwhile_clears_nothing(form: str) -> None:
    pki = seal_pki()
    stolen = Revocation(past(days=30), RevocationReason.KEY_COMPROMISE, None)
    entries = {pki.authority.certificate.serial: stolen}
    known = pki.root.crl(entries, number=9, this_update=NOW - DAY, next_update=NOW + DAY)
    now = RevocationData(lists=(known,))
    assert verdict(judged(archived(form, both(of_archive(), of_then())), more=now)) == "PASSED"
    late = added(form, archived(form, of_archive()), of_then())
    assert verdict(judged(late, more=now)) == "INDETERMINATE TRY_LATER"


@pytest.mark.parametrize("form", FORMATS)
def test_a_seal_passes_no_longer_than_what_no_time_stamp_covers(form: str) -> None:
    """The time-stamp outlives ECDSA; the authority's certificate, which it does not cover, does not."""
    stamper = seal_pki(PQ).stamper(PQ, at=past(days=2))
    octets = sealed(form, Level.B_T, Material(), stamper, replace(seal_key(), chain=()))
    octets = added(form, octets, Material(seal_pki().chain, seal_pki().revocation()))
    policy = aged((NOW + 3 * DAY).date())
    report = judged(octets, policy)
    end = report.parts[0].verifiable_until
    assert (verdict(report), end and end.cause) == ("PASSED", Ending.ALGORITHM_ENDS)
    assert end is not None
    assert verdict(judged(octets, policy, at=end.time)) == "PASSED"
    assert verdict(judged(octets, policy, at=end.time + 1)) != "PASSED"


@pytest.mark.parametrize("form", FORMATS)
def test_an_authority_certified_by_a_stolen_key_is_none_though_its_certificate_claims_to_be_old(
    form: str,
) -> None:
    """Attack: his own seal, time-stamped years ago; the key above is stolen now, and makes him one."""
    root, middle, below = _three_levels()
    key = replace(SealPki(root, below).seal_key(), chain=())
    entries = {middle.certificate.serial: Revocation(past(days=30), RevocationReason.KEY_COMPROMISE, None)}
    known = root.crl(entries, number=1, this_update=NOW - DAY, next_update=NOW + DAY)
    anchors = (root.certificate, seal_pki().root.certificate, seal_pki(PQ).root.certificate)
    context = Context(NOW_US, TrustStore(anchors), revocation=RevocationData(lists=(known,)))
    upper, lower = Material((middle.certificate.der,)), Material((below.certificate.der,))
    filler = of_archive()
    late = added(form, archived(form, both(filler, upper), key), lower)
    assert verdict(verify_bytes(late, context)) == "INDETERMINATE REVOKED_CA_NO_POE"
    early = archived(form, both(filler, upper, lower), key)
    assert verdict(verify_bytes(early, context)) == "PASSED"


def _three_levels() -> tuple[CertificateAuthority, CertificateAuthority, CertificateAuthority]:
    signers = [SoftwareSigner(suite(P256), generate_key(suite(P256))) for _ in range(3)]
    names = [distinguished_name("三段認証局", each) for each in ("root", "middle", "below")]
    root = CertificateAuthority.root(signers[0], names[0], now=BEGAN, days=5_000, path_length=2)
    issued = root.issue_ca(signers[1].public_key, names[1], now=BEGAN, days=4_500, path_length=1)
    middle = CertificateAuthority(signers[1], issued.der)
    issued = middle.issue_ca(signers[2].public_key, names[2], now=BEGAN, days=4_400, path_length=0)
    return root, middle, CertificateAuthority(signers[2], issued.der)
