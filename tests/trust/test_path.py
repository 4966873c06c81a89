from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from kokuin.trust.anchors import TrustPeriod, TrustStore
from kokuin.trust.path import MAX_SIGNATURES, PathVerdict, find_path
from kokuin.trust.report import SubIndication
from kokuin.trust.rules import Reason
from tests.trust.forge import AUTHORITY, DAY, NOW, NOW_US, UNIT, Party, issue, key_usage, name, pki

if TYPE_CHECKING:
    import random

CA = AUTHORITY[0]
POLICY_CONSTRAINTS = x509.ObjectIdentifier("2.5.29.36")


def search(leaf: Party, *others: Party, anchors: tuple[Party, ...] = ()) -> PathVerdict:
    trust = TrustStore(tuple(anchor.certificate for anchor in anchors or (pki().root,)))
    return find_path(leaf.certificate, trust, [other.certificate for other in others], NOW_US)


def below(*extensions: tuple[x509.ExtensionType, bool], **changes: object) -> PathVerdict:
    """Judge a unit below an authority with these extensions."""
    authority = issue("Odd authority", pki().root, extensions, **changes)  # type: ignore[arg-type]
    return search(issue("Unit", authority, UNIT), authority)


def reason(verdict: PathVerdict) -> Reason | None:
    assert verdict.path is not None
    return None if verdict.fault is None else verdict.fault.reason


def test_a_path_leads_from_the_unit_to_the_anchor() -> None:
    verdict = search(pki().unit, pki().authority)
    assert verdict.fault is None
    assert verdict.path == (pki().unit.certificate, pki().authority.certificate, pki().root.certificate)


def test_a_missing_authority_leaves_no_path() -> None:
    assert search(pki().unit) == PathVerdict()


def test_an_authority_of_the_right_name_and_another_key_leaves_no_path() -> None:
    assert search(pki().unit, issue("Authority", pki().root, AUTHORITY)) == PathVerdict()


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ((), Reason.NO_AUTHORITY),
        (((x509.BasicConstraints(ca=False, path_length=None), True),), Reason.NO_AUTHORITY),
        ((CA, (key_usage("digital_signature"), True)), Reason.NO_CERT_SIGN),
        (
            (CA, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)),
            Reason.PURPOSE_NOT_PERMITTED,
        ),
        (
            (
                CA,
                (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.8"), b"\x05\x00"), True),
            ),
            Reason.UNKNOWN_EXTENSION,
        ),
        (
            (CA, (x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)),
            Reason.POLICY_ABSENT,
        ),
        (
            (CA, (x509.UnrecognizedExtension(POLICY_CONSTRAINTS, b"\x04\x00"), False)),
            Reason.POLICY_ABSENT,
        ),
    ],
    ids=[
        "no constraints",
        "not an authority",
        "no certificate signing",
        "servers only",
        "unknown",
        "a policy demanded",
        "demands that cannot be read",
    ],
)
def test_an_issuer_that_may_not_issue_breaks_the_path(
    extensions: tuple[tuple[x509.ExtensionType, bool], ...], expected: Reason
) -> None:
    assert reason(below(*extensions)) is expected


def test_an_unknown_extension_that_is_not_critical_is_ignored() -> None:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.8"), b"\x05\x00")
    assert reason(below(*AUTHORITY, (extension, False))) is None


def test_an_expired_authority_is_out_of_bounds() -> None:
    verdict = below(*AUTHORITY, begins=NOW - 9 * DAY, ends=NOW - DAY)
    assert reason(verdict) is Reason.EXPIRED
    assert verdict.fault is not None
    assert verdict.fault.means is SubIndication.OUT_OF_BOUNDS_NO_POE
    assert reason(below(*AUTHORITY, begins=NOW + DAY, ends=NOW + 9 * DAY)) is Reason.NOT_YET_VALID


def test_a_unit_cannot_issue_a_unit() -> None:
    thief = issue("Thief", pki().unit, UNIT)
    assert reason(search(thief, pki().unit, pki().authority)) is Reason.NO_AUTHORITY


def test_the_length_that_an_authority_allows_is_kept() -> None:
    narrow = issue("Narrow", pki().root, ((x509.BasicConstraints(ca=True, path_length=0), True),))
    assert reason(search(issue("Unit", narrow, UNIT), narrow)) is None
    between = issue("Between", narrow, AUTHORITY)
    assert reason(search(issue("Unit", between, UNIT), between, narrow)) is Reason.PATH_TOO_LONG


def test_an_anchors_constraints_are_kept_and_its_validity_is_not_looked_at() -> None:
    narrow = issue(
        "Narrow root", None, ((x509.BasicConstraints(ca=True, path_length=0), True),), ends=NOW - DAY
    )
    between = issue("Between", narrow, AUTHORITY)
    assert reason(search(issue("Unit", narrow, UNIT), anchors=(narrow,))) is None
    assert reason(search(issue("Unit", between, UNIT), between, anchors=(narrow,))) is Reason.PATH_TOO_LONG


def test_a_self_signed_unit_is_trusted_when_it_is_the_anchor_itself() -> None:
    unit = issue("Lonely unit", None, UNIT)
    assert search(unit, anchors=(unit,)).path == (unit.certificate,)
    assert search(unit) == PathVerdict()


def test_a_cross_signed_authority_gives_a_second_way() -> None:
    old = issue("Old root", None, AUTHORITY)
    new_root = pki().root
    expired = issue("Root", old, AUTHORITY, key=new_root.key, begins=NOW - 9 * DAY, ends=NOW - DAY)
    cross = issue("Root", old, AUTHORITY, key=new_root.key)
    verdict = search(pki().unit, pki().authority, expired, cross, anchors=(old,))
    assert verdict.fault is None
    assert verdict.path is not None
    assert verdict.path[-2:] == (cross.certificate, old.certificate)


def test_certificates_that_issue_each_other_in_circles_end_the_search() -> None:
    ring = [issue(f"Ring {number}", None, AUTHORITY) for number in range(6)]
    others = [
        issue(f"Ring {number}", issuer, AUTHORITY, key=ring[number].key)
        for number in range(6)
        for issuer in ring
        if issuer is not ring[number]
    ]
    assert search(issue("Unit", ring[0], UNIT), *others) == PathVerdict()


def test_the_number_of_signatures_in_a_search_is_bounded() -> None:
    decoys = [issue("Authority", pki().root, AUTHORITY) for _ in range(MAX_SIGNATURES)]
    assert search(pki().unit, *decoys, pki().authority) == PathVerdict()
    assert search(pki().unit, *decoys[:9], pki().authority).path is not None


@given(st.randoms(use_true_random=False))
def test_the_order_of_certificates_and_what_else_lies_there_does_not_matter(chance: random.Random) -> None:
    crowd = [party.certificate for party in (pki().unit, pki().authority, *_others())]
    chance.shuffle(crowd)
    verdict = find_path(pki().unit.certificate, pki().trust, crowd, NOW_US)
    assert verdict.fault is None
    assert verdict.path == (pki().unit.certificate, pki().authority.certificate, pki().root.certificate)


@functools.cache
def _others() -> tuple[Party, ...]:
    """Return impostors of the authority, an expired twin and one that may not issue, circles, a stranger."""
    root, authority = pki().root, pki().authority
    older = issue("Older root", None, AUTHORITY)
    return (
        older,
        issue("Root", older, AUTHORITY, key=root.key),
        issue("Older root", root, AUTHORITY, key=older.key),
        issue("Authority", root, AUTHORITY, key=authority.key, begins=NOW - 9 * DAY, ends=NOW - DAY),
        issue("Authority", root, (), key=authority.key),
        issue("Authority", root, AUTHORITY),
        issue("Authority", None, AUTHORITY),
        issue("Root", authority, AUTHORITY, key=root.key),
        issue("Another unit", authority, UNIT),
    )


def test_certificates_of_other_keys_do_not_hide_the_authority_that_is_named_by_key() -> None:
    def identified(party: Party) -> tuple[x509.ExtensionType, bool]:
        return x509.SubjectKeyIdentifier.from_public_key(party.key.public_key()), False

    plain = issue("Authority", pki().root, AUTHORITY)
    authority = issue("Authority", pki().root, (*AUTHORITY, identified(plain)), key=plain.key)
    named = x509.AuthorityKeyIdentifier.from_issuer_public_key(plain.key.public_key())
    unit = issue("Unit", authority, (*UNIT, (named, False)))
    decoys = [issue("Authority", pki().root, (*AUTHORITY, identified(pki().root)))] * MAX_SIGNATURES
    assert search(unit, *decoys, authority).path is not None
    # An identifier that is wrong excludes nobody.
    wrong = issue("Authority", pki().root, (*AUTHORITY, identified(pki().root)), key=plain.key)
    assert search(unit, wrong).path is not None


def test_a_store_of_many_certificates_is_asked_for_the_ones_of_a_name() -> None:
    crowd = tuple(issue(f"Root {number}", None, AUTHORITY, key=pki().root.key) for number in range(300))
    trust = TrustStore((*(each.certificate for each in crowd), pki().root.certificate))
    verdict = find_path(pki().unit.certificate, trust, [pki().authority.certificate], NOW_US)
    assert verdict.path is not None
    assert verdict.path[-1].der == pki().root.der


def _constrained(
    *, permitted: list[x509.GeneralName] | None = None, excluded: list[x509.GeneralName] | None = None
) -> Party:
    constraints = x509.NameConstraints(permitted, excluded)
    return issue("Constrained", pki().root, (*AUTHORITY, (constraints, True)))


def _directory(organisation: str) -> x509.DirectoryName:
    return x509.DirectoryName(
        x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            ]
        )
    )


def test_directory_names_outside_the_constraints_are_not_permitted() -> None:
    for authority, expected in (
        (_constrained(permitted=[_directory("TEST ")]), None),
        (_constrained(permitted=[_directory("Other")]), Reason.NAME_NOT_PERMITTED),
        (_constrained(excluded=[_directory("Other")]), None),
        (_constrained(excluded=[_directory("Test")]), Reason.NAME_NOT_PERMITTED),
    ):
        assert reason(search(issue("Unit", authority, UNIT), authority)) is expected


def test_a_constrained_form_that_the_unit_does_not_use_does_not_matter() -> None:
    loopback = x509.IPAddress(ipaddress.ip_network("127.0.0.0/8"))
    authority = _constrained(permitted=[x509.DNSName("example.test")], excluded=[loopback])
    assert reason(search(issue("Unit", authority, UNIT), authority)) is None
    registered = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
    authority = _constrained(permitted=[registered])
    assert reason(search(issue("Unit", authority, UNIT), authority)) is None
    named = issue("Unit", authority, (*UNIT, (x509.SubjectAlternativeName([registered]), False)))
    # A form that is not known here: whether it is permitted cannot be known.
    assert reason(search(named, authority)) is Reason.NAME_NOT_PERMITTED


NETWORK = x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))
NETWORK_6 = x509.IPAddress(ipaddress.ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("base", "name", "within"),
    [
        (x509.DNSName("example.test"), x509.DNSName("EXAMPLE.test"), True),
        (x509.DNSName("example.test"), x509.DNSName("tsa.example.test"), True),
        (x509.DNSName("example.test"), x509.DNSName("badexample.test"), False),
        (x509.DNSName(""), x509.DNSName("example.test"), True),
        (x509.RFC822Name("example.test"), x509.RFC822Name("tsa@example.test"), True),
        (x509.RFC822Name("example.test"), x509.RFC822Name("tsa@sub.example.test"), False),
        (x509.RFC822Name(".example.test"), x509.RFC822Name("tsa@sub.example.test"), True),
        (x509.RFC822Name(".example.test"), x509.RFC822Name("tsa@example.test"), False),
        (x509.RFC822Name("tsa@example.test"), x509.RFC822Name("tsa@example.test"), True),
        (x509.RFC822Name("tsa@example.test"), x509.RFC822Name("root@example.test"), False),
        (
            x509.UniformResourceIdentifier("tsa.example.test"),
            x509.UniformResourceIdentifier("https://u@tsa.example.test:8443/x?y#z"),
            True,
        ),
        (
            x509.UniformResourceIdentifier(".example.test"),
            x509.UniformResourceIdentifier("https://example.test/"),
            False,
        ),
        (
            x509.UniformResourceIdentifier(".example.test"),
            x509.UniformResourceIdentifier("https://evil.test/.example.test"),
            False,
        ),
        (NETWORK, x509.IPAddress(ipaddress.ip_address("192.0.2.7")), True),
        (NETWORK, x509.IPAddress(ipaddress.ip_address("192.0.3.7")), False),
        (NETWORK, x509.IPAddress(ipaddress.ip_address("2001:db8::7")), False),
        (NETWORK_6, x509.IPAddress(ipaddress.ip_address("2001:db8::7")), True),
    ],
)
def test_a_name_of_each_form_is_held_against_the_constraints(
    base: x509.GeneralName, name: x509.GeneralName, *, within: bool
) -> None:
    for authority, expected in (
        (_constrained(permitted=[base]), within),
        (_constrained(excluded=[base]), not within),
    ):
        unit = issue("Unit", authority, (*UNIT, (x509.SubjectAlternativeName([name]), False)))
        assert reason(search(unit, authority)) is (None if expected else Reason.NAME_NOT_PERMITTED)


@pytest.mark.parametrize("base", ["example.test", ".example.test", "tsa@example.test"])
def test_a_name_that_cannot_be_held_against_a_constraint_is_not_permitted(base: str) -> None:
    for constraint, subject in (
        (x509.RFC822Name(base), x509.RFC822Name("no address")),
        (x509.UniformResourceIdentifier(base), x509.UniformResourceIdentifier("urn:example:tsa")),
    ):
        authority = _constrained(excluded=[constraint])
        unit = issue("Unit", authority, (*UNIT, (x509.SubjectAlternativeName([subject]), False)))
        assert reason(search(unit, authority)) is Reason.NAME_NOT_PERMITTED


def test_more_names_than_anybody_compares_are_not_permitted() -> None:
    authority = _constrained(permitted=[x509.DNSName(f"{number}.test") for number in range(400)])
    names = [x509.DNSName("0.test")] * 400
    unit = issue("Unit", authority, (*UNIT, (x509.SubjectAlternativeName(names), False)))
    assert reason(search(unit, authority)) is Reason.NAME_NOT_PERMITTED


def test_names_are_compared_without_case_and_repeated_spaces() -> None:
    odd = x509.Name(
        [
            x509.NameAttribute(attribute.oid, f" {str(attribute.value).upper()}  ", _validate=False)
            if attribute.oid != NameOID.COUNTRY_NAME
            else attribute
            for attribute in name("Authority")
        ]
    )
    unit = issue("Unit", pki().authority, UNIT, issuer_name=odd)
    assert search(unit, pki().authority).fault is None
    assert search(unit, pki().authority).path is not None


def _dated(anchor: Party, begins: int | None, ends: int | None, *more: Party) -> TrustStore:
    period = TrustPeriod(anchor.der, begins, ends)
    return TrustStore((anchor.certificate, *(each.certificate for each in more)), (), (period,))


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        (NOW_US, NOW_US, None),
        (NOW_US + 1, None, Reason.ANCHOR_NOT_YET_TRUSTED),
        (None, NOW_US - 1, Reason.ANCHOR_NO_LONGER_TRUSTED),
    ],
)
def test_an_anchor_counts_from_its_first_to_its_last_microsecond(
    begins: int | None, ends: int | None, expected: Reason | None
) -> None:
    trust = _dated(pki().root, begins, ends)
    verdict = find_path(pki().unit.certificate, trust, [pki().authority.certificate], NOW_US)
    assert reason(verdict) is expected
    if verdict.fault is not None:
        assert verdict.fault.means is SubIndication.NO_CERTIFICATE_CHAIN_FOUND


def test_beyond_an_anchor_that_counts_no_longer_another_one_is_looked_for() -> None:
    trust = _dated(pki().authority, None, NOW_US - 1, pki().root)
    verdict = find_path(pki().unit.certificate, trust, [], NOW_US)
    assert reason(verdict) is None
    assert verdict.path is not None
    assert verdict.path[-1].der == pki().root.der


def test_a_fault_below_an_anchor_that_counts_tells_more_than_one_that_does_not() -> None:
    narrow = issue("Root", None, ((x509.BasicConstraints(ca=True, path_length=0), True),), key=pki().root.key)
    chain = [pki().authority.certificate]
    for trust in (
        _dated(pki().root, None, NOW_US - 1, narrow),
        TrustStore(
            (narrow.certificate, pki().root.certificate), (), (TrustPeriod(pki().root.der, None, NOW_US - 1),)
        ),
    ):
        assert reason(find_path(pki().unit.certificate, trust, chain, NOW_US)) is Reason.PATH_TOO_LONG
