"""Who signed: the certificates that a token names, carries and lacks."""

from __future__ import annotations

import pytest
from cryptography import x509

from kokuin.trust.anchors import TrustStore
from kokuin.wire import encode, oids
from tests.trust.forge import (
    AUTHORITY,
    UNIT,
    Party,
    attribute,
    ess_id,
    ess_v1,
    ess_v2,
    issue,
    issuer_and_serial,
    judge,
    order,
    pki,
    reasons,
    verdict,
)

V1, V2 = oids.ID_AA_SIGNING_CERTIFICATE, oids.ID_AA_SIGNING_CERTIFICATE_V2


def _ids(*ids: bytes) -> dict[str, bytes]:
    return {V2: encode.sequence(encode.sequence(*ids))}


@pytest.mark.parametrize("repeated", [V1, V2])
def test_a_signing_certificate_attribute_given_twice_fails_though_another_version_is_right(
    repeated: str,
) -> None:
    attributes = {V1: ess_v1(pki().unit.der)}
    second = attribute(repeated, ess_v2(pki().root.der) if repeated == V2 else ess_v1(pki().root.der))
    report = judge(order(attributes=attributes, more_attributes=[second]).make())
    assert verdict(report) == ("FAILED", "FORMAT_FAILURE")
    assert reasons(report)["signer"] == "ATTRIBUTE_ABSENT"


def test_a_signing_certificate_attribute_with_two_values_fails() -> None:
    two = attribute(V2, ess_v2(pki().unit.der), ess_v2(pki().root.der))
    report = judge(order(attributes={V2: None}, more_attributes=[two]).make())
    assert verdict(report) == ("FAILED", "FORMAT_FAILURE")


def test_a_swapped_ess_id_fails_in_either_version() -> None:
    sibling = issue("Sibling", pki().authority, UNIT)
    for swapped in ({V2: ess_v2(sibling.der)}, {V2: None, V1: ess_v1(sibling.der)}):
        token = order(attributes=swapped, certificates=[*pki().chain, sibling.der]).make()
        report = judge(token)
        assert verdict(report) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
        assert reasons(report)["signer"] == "CERTIFICATE_DIFFERS"


def test_further_ids_of_the_chain_or_of_absent_certificates_are_right() -> None:
    unit, authority, root = pki().unit, pki().authority, pki().root
    elsewhere = issue("Elsewhere", None, AUTHORITY)
    report = judge(order(attributes=_ids(*map(ess_id, (unit, authority, root, elsewhere)))).make())
    assert verdict(report) == ("PASSED", None)
    (check,) = [check for check in report.checks if check.id == "certificate-ids"]
    assert (check.status, check.params) == ("ok", {"count": 3})


def test_a_further_id_of_which_another_certificate_is_here_is_named() -> None:
    unit, authority = pki().unit, pki().authority
    other = ess_id(authority, digest_of=b"the authority's certificate before it was made again")
    report = judge(order(attributes=_ids(ess_id(unit), other)).make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["certificate-ids"] == "CHAIN_DIFFERS"
    assert any("CN=Authority" in str(check.params.get("certificate")) for check in report.checks)


def test_three_ids_in_version_one_as_public_authorities_send_them_pass_as_weak() -> None:
    chain = (pki().unit, pki().authority, pki().root)
    ids = encode.sequence(encode.sequence(*(ess_id(party, version=1) for party in chain)))
    report = judge(order(attributes={V2: None, V1: ids}).make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report) | {"signer": "DIGEST_WEAK"} == reasons(report)


def test_a_hundred_thousand_ids_cost_little_and_change_nothing() -> None:
    ids = _ids(ess_id(pki().unit), *[encode.sequence(encode.octet_string(bytes(32)))] * 60_000)
    assert verdict(judge(order(attributes=ids).make())) == ("PASSED", None)


def _reissued() -> Party:
    """The unit's key and name once more under another serial number, without the purpose's limits."""
    unit = pki().unit
    return issue("Unit", pki().authority, UNIT, key=unit.key)


def test_a_reissued_certificate_of_the_same_key_and_name_is_not_the_one_signed_for() -> None:
    reissued = _reissued()
    # In the place of the certificate: issuer and serial number of the SignerInfo name another.
    swapped = order(certificates=[reissued.der, pki().authority.der]).make()
    assert verdict(judge(swapped)) == ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND")
    # With the sid, which is not signed, changed to fit: the signed id names another.
    token = order(certificates=[reissued.der, pki().authority.der], sid=issuer_and_serial(reissued))
    assert verdict(judge(token.make())) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
    # With both inside, the unit's own decides.
    both = order(certificates=[reissued.der, *pki().chain]).make()
    assert verdict(judge(both)) == ("PASSED", None)


def test_a_token_of_another_authority_under_our_names_is_not_ours() -> None:
    root = issue("Root", None, AUTHORITY)
    authority = issue("Authority", root, AUTHORITY)
    unit = issue("Unit", authority, UNIT, serial=pki().unit.x509.serial_number)
    token = order(signer=unit, certificates=[unit.der, authority.der, root.der]).make()
    assert verdict(judge(token)) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
    assert verdict(judge(token, TrustStore((root.certificate,)))) == ("PASSED", None)
    # Our own certificates beside it do not lend it their path.
    mixed = order(signer=unit, certificates=[unit.der, authority.der, *pki().chain]).make()
    assert verdict(judge(mixed)) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
    # Nor does our authority in the place of theirs: it did not sign this unit.
    mixed = order(signer=unit, certificates=[unit.der, pki().authority.der]).make()
    assert verdict(judge(mixed)) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")


def test_a_ca_certificate_is_no_unit_even_when_it_may_stamp() -> None:
    bare = issue("CA as unit", pki().root, AUTHORITY)
    report = judge(order(signer=bare, certificates=[bare.der]).make())
    assert verdict(report) == ("FAILED", "CHAIN_CONSTRAINTS_FAILURE")
    assert reasons(report)["unit-purpose"] == "PURPOSE_ABSENT"
    stamping = issue("CA that stamps", pki().root, (*AUTHORITY, UNIT[0]))
    report = judge(order(signer=stamping, certificates=[stamping.der]).make())
    assert verdict(report) == ("INDETERMINATE", "CHAIN_CONSTRAINTS_FAILURE")
    assert reasons(report)["unit-key-usage"] == "KEY_USAGE"


def test_a_ca_certificate_without_key_usage_is_no_unit_and_one_that_may_only_sign_data_is_named() -> None:
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    for extensions, expected in (((constraints, UNIT[0]), "INDETERMINATE"), ((constraints, *UNIT), "PASSED")):
        unit = issue("CA", pki().root, extensions)
        report = judge(order(signer=unit, certificates=[unit.der]).make())
        assert report.indication == expected
        assert reasons(report)["unit-purpose"] == "IS_AUTHORITY"
