"""Who may say what was revoked, of what, and until when it is believed."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.trust import revocation_reader
from kokuin.trust.anchors import TrustStore
from kokuin.trust.revocation_statement import shelf_of
from kokuin.wire import encode, oids
from pqc.policies import load_policy
from tests.trust.forge import (
    AUTHORITY,
    DAY,
    NOW,
    NOW_US,
    UNIT,
    Pki,
    attribute,
    issue,
    key_usage,
    order,
    pki,
)
from tests.trust.revoking import RESPONDER, Reason, Taken, answer, checks, crl, judge, responder, said

REVOKED = Taken(pki().unit, NOW - DAY, Reason.key_compromise)
FAILED = ("FAILED", "REVOKED", "REVOKED")
HERE, ELSEWHERE = ("http://crl.example/unit.crl", "http://crl.example/other.crl")
DAY_US = 86_400 * 1_000_000
SECOND_US = 1_000_000
PRINTABLE = x509.name._ASN1Type.PrintableString  # pyca has no other way to choose it


def silence(reason: str) -> tuple[str, None, str]:
    return "PASSED", None, reason


def point(  # noqa: PLR0913  # as many as IssuingDistributionPoint has fields
    *,
    at: str | None = None,
    users: bool = False,
    authorities: bool = False,
    reasons: frozenset[x509.ReasonFlags] | None = None,
    indirect: bool = False,
    attributes: bool = False,
) -> tuple[x509.ExtensionType, bool]:
    names = None if at is None else [x509.UniformResourceIdentifier(at)]
    return (
        x509.IssuingDistributionPoint(names, None, users, authorities, reasons, indirect, attributes),
        True,
    )


def pointing_unit(*urls: str, distribution: x509.ExtensionType | None = None) -> Pki:
    """Return the test PKI with a unit that says where its lists are."""
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    extension = distribution or x509.CRLDistributionPoints(points)
    unit = issue("Pointing unit", pki().authority, (*UNIT, (extension, False)))
    return Pki(pki().root, pki().authority, unit)


def token(of: Pki) -> bytes:
    return order(signer=of.unit, certificates=of.chain).make()


# Lists


def test_a_list_by_an_impostor_of_the_same_name_says_nothing() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    for entries in ((), (REVOKED,)):
        forged = crl(pki().authority, *entries, key=stranger)
        assert said(judge(forged)) == silence("REVOCATION_FOREIGN_SIGNER")


def test_a_list_by_a_namesake_whom_the_same_root_certified_says_nothing() -> None:
    namesake = issue("Authority", pki().root, AUTHORITY)
    certificates = [*pki().chain, namesake.der]
    for entries in ((), (REVOKED,)):
        report = judge(crl(namesake, *entries), token=order(certificates=certificates).make())
        assert said(report) == silence("REVOCATION_FOREIGN_SIGNER")


def test_a_list_of_an_authority_that_may_not_sign_lists_says_nothing() -> None:
    extensions = (
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (key_usage("key_cert_sign"), True),
    )
    authority = issue("No lists", pki().root, extensions)
    unit = issue("Unit", authority, UNIT)
    found = Pki(pki().root, authority, unit)
    taken = Taken(unit, NOW - DAY, Reason.key_compromise)
    assert said(judge(crl(authority, taken), token=token(found))) == silence("REVOCATION_FOREIGN_SIGNER")


def test_a_list_of_another_authority_says_nothing() -> None:
    assert said(judge(crl(pki().root, REVOKED))) == silence("REVOCATION_OF_OTHERS")


def test_a_changed_list_says_nothing() -> None:
    der = bytearray(crl(pki().authority))
    der[-1] ^= 1
    assert said(judge(bytes(der))) == silence("REVOCATION_FOREIGN_SIGNER")


@pytest.mark.parametrize(
    "scope",
    [
        point(authorities=True),
        point(at=ELSEWHERE),
        point(reasons=frozenset({Reason.superseded})),
        point(attributes=True),
        (x509.DeltaCRLIndicator(1), True),
    ],
    ids=["authorities alone", "another part", "some reasons", "attribute certificates", "delta"],
)
def test_a_list_whose_scope_does_not_include_the_unit_can_only_revoke(
    scope: tuple[x509.ExtensionType, bool],
) -> None:
    assert said(judge(crl(pki().authority, extensions=[scope]))) == silence("REVOCATION_PARTIAL")
    assert said(judge(crl(pki().authority, REVOKED, extensions=[scope]))) == FAILED


@pytest.mark.parametrize("scope", [point(users=True), point(indirect=True)], ids=["users alone", "indirect"])
def test_a_list_whose_scope_includes_the_unit_clears_it(scope: tuple[x509.ExtensionType, bool]) -> None:
    assert said(judge(crl(pki().authority, extensions=[scope]))) == ("PASSED", None, None)


def test_a_list_of_users_alone_does_not_clear_an_authority() -> None:
    for scope, found in ((point(users=True), "REVOCATION_PARTIAL"), (point(authorities=True), None)):
        report = judge(crl(pki().authority), crl(pki().root, extensions=[scope]))
        assert [check.reason for check in checks(report)] == [None, found]


def test_a_part_of_a_list_clears_the_unit_that_points_to_it_and_no_other() -> None:
    for urls, found in (
        ((ELSEWHERE, HERE), None),
        ((ELSEWHERE,), "REVOCATION_PARTIAL"),
        ((), "REVOCATION_PARTIAL"),
    ):
        of = pointing_unit(*urls, distribution=None if urls else x509.OCSPNoCheck())
        report = judge(crl(of.authority, extensions=[point(at=HERE)]), token=token(of))
        assert said(report) == ("PASSED", None, found)


def test_a_part_that_is_named_relative_to_its_issuer_clears_the_unit_that_names_it_so() -> None:
    relative = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "part 1")])
    of = pointing_unit(
        distribution=x509.CRLDistributionPoints([x509.DistributionPoint(None, relative, None, None)])
    )
    scope = x509.IssuingDistributionPoint(None, relative, False, False, None, False, False)
    for unit, found in ((of, None), (pki(), "REVOCATION_PARTIAL")):
        report = judge(crl(of.authority, extensions=[(scope, True)]), token=token(unit))
        assert said(report) == ("PASSED", None, found)


def test_an_entry_of_an_indirect_list_counts_for_the_issuer_that_it_names() -> None:
    """RFC 5280 §5.3.3: the issuer holds for the entries that follow, until another is named."""
    other = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Other")])
    own = pki().authority.x509.subject
    stranger = issue("Stranger", None, UNIT)

    def entry(issuer: x509.Name | None, of: Taken = REVOKED) -> Taken:
        return Taken(of.party, of.at, of.reason, issuer=issuer)

    indirect = [point(indirect=True)]
    theirs = crl(pki().authority, entry(other), extensions=indirect)
    assert said(judge(theirs)) == ("PASSED", None, None)
    following = crl(
        pki().authority, entry(other, Taken(stranger, NOW - DAY)), entry(None), extensions=indirect
    )
    assert said(judge(following)) == ("PASSED", None, None)
    ours = crl(pki().authority, entry(other, Taken(stranger, NOW - DAY)), entry(own), extensions=indirect)
    assert said(judge(ours)) == FAILED


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.9"), b"\x05\x00")


def test_a_list_with_an_unknown_critical_extension_is_not_used() -> None:
    for critical, found in ((True, "REVOCATION_UNREADABLE"), (False, None)):
        report = judge(crl(pki().authority, extensions=[(UNKNOWN, critical)]))
        assert said(report) == ("PASSED", None, found)


def test_an_entry_with_an_unknown_critical_extension_makes_the_list_unusable() -> None:
    """RFC 5280 §5.3: it may change what another entry means."""
    for critical, found in ((True, "REVOCATION_UNREADABLE"), (False, None)):
        stranger = x509.RevokedCertificateBuilder(4711, NOW - DAY).add_extension(UNKNOWN, critical).build()
        builder = x509.CertificateRevocationListBuilder(
            pki().authority.x509.subject, NOW - DAY, NOW + DAY, [], [stranger]
        )
        der = builder.sign(pki().authority.key, hashes.SHA256()).public_bytes(Encoding.DER)
        assert said(judge(der)) == ("PASSED", None, found)


def test_a_reason_that_is_not_defined_counts_as_none_and_so_as_the_worst() -> None:
    reason = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.21"), b"\x0a\x01\x07")
    entry = x509.RevokedCertificateBuilder(pki().unit.x509.serial_number, NOW + DAY)
    builder = x509.CertificateRevocationListBuilder(
        pki().authority.x509.subject,
        NOW - DAY,
        NOW + 7 * DAY,
        [],
        [entry.add_extension(reason, critical=False).build()],
    )
    der = builder.sign(pki().authority.key, hashes.SHA256()).public_bytes(Encoding.DER)
    report = judge(der, at=NOW_US + 2 * DAY_US)
    assert said(report) == ("INDETERMINATE", "REVOKED_NO_POE", "REVOKED_NO_POE")
    assert checks(report)[0].params["why"] == "absent"


@pytest.mark.parametrize("octets", [b"", b"\x30\x80", b"\x30\x03\x02\x01\x00", b"no list at all"])
def test_octets_that_are_no_revocation_data_are_named(octets: bytes) -> None:
    assert said(judge(octets, answers=[octets])) == silence("REVOCATION_UNREADABLE")


# How old


def test_a_list_tells_until_its_next_update_and_then_can_only_revoke() -> None:
    ends = NOW + 7 * DAY
    last = NOW_US + 7 * DAY_US
    for at, found in ((last, None), (last + 1, "REVOCATION_STALE")):
        report = judge(crl(pki().authority, until=ends), at=at)
        assert said(report) == ("PASSED", None, found)
    stale = judge(crl(pki().authority, until=ends), at=last + 1, required=True)
    assert said(stale) == ("INDETERMINATE", "TRY_LATER", "REVOCATION_STALE")
    assert checks(stale)[0].params["until"] == "2026-06-08T00:00:00Z"
    assert said(judge(crl(pki().authority, REVOKED, until=ends), at=last + 1)) == FAILED


def test_stale_data_suffices_for_a_token_that_is_proven_to_be_older() -> None:
    report = judge(crl(pki().authority), at=NOW_US + 30 * DAY_US, proven=NOW_US + DAY_US)
    assert said(report) == ("PASSED", None, None)


def test_an_answer_without_next_update_tells_of_its_own_time() -> None:
    current = answer(pki().authority, pki().unit, this=NOW, until=None)
    for at, found in (
        (NOW_US, None),
        (NOW_US + 60 * SECOND_US, None),
        (NOW_US + 61 * SECOND_US, "REVOCATION_STALE"),
    ):
        assert said(judge(answers=[current], at=at)) == ("PASSED", None, found)


def expired() -> Pki:
    """Return a unit whose certificate expired five days ago."""
    unit = issue("Expired", pki().authority, UNIT, ends=NOW - 5 * DAY)
    return Pki(pki().root, pki().authority, unit)


def test_data_from_after_the_expiry_does_not_clear_because_revocations_may_have_been_dropped() -> None:
    of = expired()
    old = order(signer=of.unit, certificates=of.chain, gen_us=NOW_US - 10 * DAY_US).make()
    for this, found in ((NOW - 6 * DAY, None), (NOW - 4 * DAY, "REVOCATION_AFTER_EXPIRY")):
        report = judge(crl(of.authority, this=this), token=old, at=NOW_US - 8 * DAY_US)
        assert checks(report)[0].reason == found
        report = judge(answers=[answer(of.authority, of.unit, this=this)], token=old, at=NOW_US - 8 * DAY_US)
        assert checks(report)[0].reason == found


def test_whoever_keeps_the_revocations_of_expired_certificates_clears_them_too() -> None:
    of = expired()
    old = order(signer=of.unit, certificates=of.chain, gen_us=NOW_US - 10 * DAY_US).make()
    for since, found in ((NOW - 5 * DAY, None), (NOW - 4 * DAY, "REVOCATION_AFTER_EXPIRY")):
        kept = b"\x18\x0f" + since.strftime("%Y%m%d%H%M%SZ").encode()
        oid = x509.ObjectIdentifier("2.5.29.60")
        der = crl(of.authority, extensions=[(x509.UnrecognizedExtension(oid, kept), False)])
        report = judge(der, token=old, at=NOW_US - 8 * DAY_US)
        assert checks(report)[0].reason == found
        cutoff = answer(of.authority, of.unit, extensions=[("archive_cutoff", since)])
        report = judge(answers=[cutoff], token=old, at=NOW_US - 8 * DAY_US)
        assert checks(report)[0].reason == found


# Answers


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_an_answer_finds_the_certificate_by_any_digest_and_the_responder_by_name_or_key(
    digest: str,
    by_key: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    for who in (None, responder()):
        good = answer(pki().authority, pki().unit, responder=who, digest=digest, by_key=by_key)
        assert said(judge(answers=[good])) == ("PASSED", None, None)
        taken = answer(pki().authority, pki().unit, REVOKED, responder=who, digest=digest, by_key=by_key)
        assert said(judge(answers=[taken])) == FAILED


def test_an_issuer_whose_name_is_spelt_in_two_ways_is_found_by_both() -> None:
    spelt = x509.Name(
        [x509.NameAttribute(each.oid, each.value, PRINTABLE) for each in pki().authority.x509.subject]
    )
    assert spelt.public_bytes() != pki().authority.x509.subject.public_bytes()
    unit = issue("Unit", pki().authority, UNIT, issuer_name=spelt)
    of = Pki(pki().root, pki().authority, unit)
    for name in (spelt, None):
        report = judge(answers=[answer(of.authority, unit, issuer_name=name)], token=token(of))
        assert said(report) == ("PASSED", None, None)
    taken = crl(of.authority, Taken(unit, NOW - DAY))
    assert said(judge(taken, token=token(of))) == FAILED


def other_extensions(*purposes: x509.ObjectIdentifier) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return ((x509.ExtendedKeyUsage(list(purposes)), False), (key_usage("digital_signature"), True))


@pytest.mark.parametrize("entries", [None, REVOKED], ids=["good", "revoked"])
def test_an_answer_signed_by_a_certificate_without_ocsp_signing_says_nothing(entries: Taken | None) -> None:
    """Attack: any customer of the authority answers for it; `anyExtendedKeyUsage` names nobody."""
    for extensions in (
        (),
        other_extensions(ExtendedKeyUsageOID.TIME_STAMPING),
        other_extensions(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),
    ):
        who = issue("Customer", pki().authority, extensions)
        forged = answer(pki().authority, pki().unit, entries, responder=who)
        assert said(judge(answers=[forged])) == silence("REVOCATION_FOREIGN_SIGNER")


@pytest.mark.parametrize("entries", [None, REVOKED], ids=["good", "revoked"])
def test_an_answer_of_somebody_elses_responder_says_nothing(entries: Taken | None) -> None:
    impostor = issue("Authority", None, AUTHORITY)
    for who in (
        responder(pki().root),
        responder(impostor),
        responder(issuer_name=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Other")])),
        responder(begins=NOW - 100 * DAY, ends=NOW - 2 * DAY),
        responder(begins=NOW, ends=NOW + DAY),
        responder(extensions=((RESPONDER[0]), (key_usage("key_encipherment"), True))),
    ):
        forged = answer(pki().authority, pki().unit, entries, responder=who)
        assert said(judge(answers=[forged])) == silence("REVOCATION_FOREIGN_SIGNER")
    forged = answer(impostor, pki().unit, entries)
    assert said(judge(answers=[forged])) == silence("REVOCATION_OF_OTHERS")


def test_an_answer_whose_signature_is_not_the_named_responders_says_nothing() -> None:
    one, other = responder(), responder()
    for forged in (
        answer(pki().authority, pki().unit, responder=one, carried=[other], by_key=True),
        answer(pki().authority, pki().unit, responder=one, named=other, by_key=True),
        answer(pki().authority, pki().unit, responder=one, named=pki().authority),
    ):
        assert said(judge(answers=[forged])) == silence("REVOCATION_FOREIGN_SIGNER")
    der = bytearray(answer(pki().authority, pki().unit))
    der[-1] ^= 1
    assert said(judge(answers=[bytes(der)])) == silence("REVOCATION_FOREIGN_SIGNER")


def test_an_answer_replayed_for_another_certificate_says_nothing() -> None:
    other = issue("Unit", pki().authority, UNIT)
    for entries in (None, Taken(other, NOW - DAY, Reason.key_compromise)):
        replayed = answer(pki().authority, other, entries)
        assert said(judge(answers=[replayed])) == silence("REVOCATION_OF_OTHERS")
    renamed = issue("Other name", None, AUTHORITY, key=pki().authority.key)
    replayed = answer(renamed, pki().unit, responder=pki().authority)
    assert said(judge(answers=[replayed])) == silence("REVOCATION_OF_OTHERS")
    same_serial = issue("Unit", pki().root, UNIT, serial=pki().unit.x509.serial_number)
    replayed = answer(pki().root, same_serial)
    assert said(judge(answers=[replayed])) == silence("REVOCATION_OF_OTHERS")


def test_an_unknown_certificate_is_not_cleared() -> None:
    unknown = answer(pki().authority, pki().unit, status="unknown")
    assert said(judge(answers=[unknown])) == silence("REVOCATION_UNKNOWN")
    assert said(judge(answers=[unknown], required=True)) == (
        "INDETERMINATE",
        "TRY_LATER",
        "REVOCATION_UNKNOWN",
    )


def test_a_responder_that_was_taken_back_itself_says_nothing() -> None:
    """Attack: the key of a responder was stolen and goes on saying that all is good."""
    who = responder()
    good = answer(pki().authority, pki().unit, responder=who)
    taken = crl(pki().authority, Taken(who, NOW - DAY), extensions=[point(authorities=True)])
    assert said(judge(taken, answers=[good])) == silence("REVOCATION_PARTIAL")
    assert said(judge(taken, answers=[good], required=True))[0] == "INDETERMINATE"


def test_a_responder_that_the_verifier_s_list_took_back_says_nothing_in_a_token_either() -> None:
    """Attack: the thief of a responder's key has his answer in the token, and an old list that clears him."""
    who = responder(extensions=RESPONDER[:2])
    good = answer(pki().authority, pki().unit, responder=who)
    choice = encode.explicit(
        0, encode.sequence(crl(pki().authority, this=NOW - 40 * DAY, until=NOW - 30 * DAY))
    )
    values = encode.sequence(choice, encode.explicit(1, encode.sequence(good)))
    carrying = order(unsigned=[attribute(oids.ID_AA_ETS_REVOCATION_VALUES, values)]).make()
    part = [point(authorities=True)]
    taken, open_one = (crl(pki().authority, *each, extensions=part) for each in ([Taken(who, NOW - DAY)], []))
    root = crl(pki().root)
    assert said(judge(root, taken, token=carrying))[0] == "PASSED"
    assert {check.reason for check in checks(judge(root, taken, token=carrying))} == {
        "REVOCATION_STALE",
        None,
    }
    assert said(judge(root, taken, token=carrying, required=True))[0] == "INDETERMINATE"
    # Nor does the old list clear him, where nobody took him back.
    report = judge(root, open_one, token=carrying, required=True)
    assert said(report) == ("INDETERMINATE", "TRY_LATER", "REVOCATION_STALE")


def test_a_list_of_the_verifier_s_clears_the_responder_of_an_answer_in_the_token() -> None:
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(HERE)], None, None, None)]
    )
    who = responder(extensions=(*RESPONDER[:2], (points, False)))
    good = answer(pki().authority, pki().unit, responder=who)
    values = encode.sequence(encode.explicit(1, encode.sequence(good)))
    carrying = order(unsigned=[attribute(oids.ID_AA_ETS_REVOCATION_VALUES, values)]).make()
    for at, found in ((HERE, None), (ELSEWHERE, "REVOCATION_RESPONDER_OPEN")):
        part = crl(pki().authority, extensions=[point(at=at)])
        assert said(judge(crl(pki().root), part, token=carrying, required=True))[2] == found
    part = crl(pki().authority, extensions=[point(at=HERE)], until=NOW + 2 * DAY)
    end = judge(crl(pki().root), part, token=carrying, required=True).verifiable_until
    assert end is not None
    assert end.time == NOW_US + 2 * DAY_US
    for moment, verdict in ((end.time, "PASSED"), (end.time + 1, "INDETERMINATE")):
        assert said(judge(crl(pki().root), part, token=carrying, required=True, at=moment))[0] == verdict


def test_an_answer_tells_no_longer_than_its_responder_s_certificate_is_valid() -> None:
    """Attack: the key of a responder that expired long ago signs an answer of then, good for ever."""
    who = responder(begins=NOW - 90 * DAY, ends=NOW - 60 * DAY)
    old = NOW - 70 * DAY
    good = answer(pki().authority, pki().unit, responder=who, produced=old, this=old, until=NOW + 999 * DAY)
    root = crl(pki().root)
    assert said(judge(root, answers=[good], required=True)) == (
        "INDETERMINATE",
        "TRY_LATER",
        "REVOCATION_STALE",
    )
    # By its issuer's own key, and while the responder's certificate is valid, it tells.
    by_issuer = answer(pki().authority, pki().unit, produced=old, this=old, until=NOW + 999 * DAY)
    assert said(judge(root, answers=[by_issuer], required=True)) == ("PASSED", None, None)
    ends = NOW_US + 5 * 86_400_000_000
    until = responder(ends=NOW + 5 * DAY)
    short = answer(pki().authority, pki().unit, responder=until)
    for at, found in ((ends + 999_999, None), (ends + 1_000_000, "REVOCATION_STALE")):
        assert said(judge(root, answers=[short], required=True, at=at))[2] == found


def test_a_responder_without_nocheck_must_be_cleared_where_revocation_data_is_required() -> None:
    open_one, unasked = responder(extensions=RESPONDER[:2]), responder()
    root = crl(pki().root)
    for who, found in ((open_one, "REVOCATION_RESPONDER_OPEN"), (unasked, None)):
        good = answer(pki().authority, pki().unit, responder=who)
        assert said(judge(root, answers=[good])) == ("PASSED", None, None)
        assert said(judge(root, answers=[good], required=True))[2] == found
        assert said(judge(root, crl(pki().authority), answers=[good], required=True)) == (
            "PASSED",
            None,
            None,
        )


def test_a_list_that_clears_the_responder_suffices_though_it_is_not_the_unit_s() -> None:
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(HERE)], None, None, None)]
    )
    who = responder(extensions=(*RESPONDER[:2], (points, False)))
    good, root = answer(pki().authority, pki().unit, responder=who), crl(pki().root)
    for at, found in ((HERE, None), (ELSEWHERE, "REVOCATION_RESPONDER_OPEN")):
        part = crl(pki().authority, extensions=[point(at=at)])
        assert said(judge(root, part, answers=[good], required=True))[2] == found


def test_an_answer_with_an_unknown_critical_extension_is_not_used() -> None:
    unknown = [("1.3.6.1.4.1.32473.9", b"\x05\x00")]
    for critical, found in ((True, "REVOCATION_UNREADABLE"), (False, None)):
        each = answer(pki().authority, pki().unit, extensions=unknown, critical=critical)
        assert said(judge(answers=[each])) == ("PASSED", None, found)


def test_an_answer_may_give_reason_and_date_as_a_list_does() -> None:
    """RFC 6960 §4.4.5: extensions of entries stand in answers too; the field comes before the extension."""
    later = NOW_US + 2 * DAY_US
    for field, extension, why in (
        (None, "superseded", "superseded"),
        (None, "key_compromise", "keyCompromise"),
        (Reason.superseded, "key_compromise", "superseded"),
    ):
        each = answer(
            pki().authority,
            pki().unit,
            Taken(pki().unit, NOW + DAY, field),
            extensions=[("crl_reason", extension)],
        )
        assert checks(judge(answers=[each], at=later))[0].params["why"] == why
    stolen = answer(
        pki().authority,
        pki().unit,
        Taken(pki().unit, NOW + DAY, Reason.key_compromise),
        extensions=[("invalidity_date", NOW - DAY)],
    )
    assert said(judge(answers=[stolen], at=later)) == FAILED


def test_an_answer_that_is_an_error_says_nothing() -> None:
    good = answer(pki().authority, pki().unit)
    for status in range(1, 7):
        error = bytes((0x30, 0x03, 0x0A, 0x01, status))
        with_octets = good.replace(b"\x0a\x01\x00", bytes((0x0A, 0x01, status)), 1)
        for each in (error, with_octets):
            assert said(judge(answers=[each])) == silence("REVOCATION_UNREADABLE")


# Algorithms


def test_data_signed_with_an_algorithm_that_the_policy_refuses_says_nothing() -> None:
    """Whoever can forge such a signature could revoke and clear at will."""
    dated = load_policy("us")
    for number, found in ((1, None), (pki().unit.x509.serial_number, "REVOKED")):
        weak_list = written(number, signed_by=pki().authority.key, sha1=True)
        assert said(judge(weak_list))[2] == found
        assert said(judge(weak_list, policy=dated)) == silence("REVOCATION_UNFIT")
    short = rsa.generate_private_key(65_537, 1024)  # noqa: S505  # a weak one is refused
    for weak_answer in (
        answer(pki().authority, pki().unit, signing="sha1_ecdsa"),
        answer(pki().authority, pki().unit, signing="sha256_rsa", responder=responder(key=short)),
    ):
        assert said(judge(answers=[weak_answer])) == ("PASSED", None, None)
        assert said(judge(answers=[weak_answer], policy=dated)) == silence("REVOCATION_UNFIT")


# Paths


def test_the_search_prefers_a_path_with_no_revoked_certificate() -> None:
    """The authority was certified by two roots; one of them took its certificate back."""
    other_root = issue("Other root", None, AUTHORITY, ends=NOW + 3000 * DAY)
    crossed = issue("Authority", other_root, AUTHORITY, key=pki().authority.key)
    taken = crl(pki().root, Taken(pki().authority, NOW - DAY, Reason.superseded))
    crossing = order(certificates=[*pki().chain, crossed.der]).make()
    for anchors in ((pki().root, other_root), (other_root, pki().root)):
        trust = TrustStore(tuple(anchor.certificate for anchor in anchors))
        report = judge(taken, trust=trust, token=crossing)
        assert report.indication.value == "PASSED"
        (path,) = (check.params["path"] for check in report.checks if check.id == "path")
        assert isinstance(path, list)
        assert path[-1].startswith("CN=Other root")
    alone = judge(taken, token=crossing)
    assert (alone.indication.value, alone.sub_indication) == ("INDETERMINATE", "REVOKED_CA_NO_POE")


def test_the_search_prefers_a_path_of_which_everything_is_known_where_that_is_required() -> None:
    other_root = issue("Other root", None, AUTHORITY, ends=NOW + 3000 * DAY)
    crossed = issue("Authority", other_root, AUTHORITY, key=pki().authority.key)
    trust = TrustStore((pki().root.certificate, other_root.certificate))
    crossing = order(certificates=[*pki().chain, crossed.der]).make()
    report = judge(crl(pki().authority), crl(other_root), trust=trust, token=crossing, required=True)
    assert report.indication.value == "PASSED"


# Size


def huge(*, signed_by: ec.EllipticCurvePrivateKey, last: int) -> bytes:
    """Return a list of 200,000 entries in the authority's name; the last one bears the number `last`."""
    # None of these numbers holds the octets of a critical extension's flag.
    numbers = [*(2**62 + 4_096 * number for number in range(199_999)), last]
    return written(*numbers, signed_by=signed_by)


def written(*numbers: int, signed_by: ec.EllipticCurvePrivateKey, sha1: bool = False) -> bytes:
    """Return a list of the authority; pyca signs none with SHA-1, and large ones slowly."""
    algorithm = encode.sequence(encode.oid(oids.ECDSA_WITH_SHA1 if sha1 else oids.ECDSA_WITH_SHA256))
    date = encode.x509_time(NOW_US - DAY_US)
    tbs = encode.sequence(
        encode.integer(1),
        algorithm,
        pki().authority.certificate.subject,
        date,
        encode.x509_time(NOW_US + DAY_US),
        encode.sequence(*(encode.sequence(encode.integer(number), date) for number in numbers)),
    )
    digest = hashes.SHA1() if sha1 else hashes.SHA256()  # noqa: S303  # the weak one is what is tested
    return encode.sequence(tbs, algorithm, encode.bit_string(signed_by.sign(tbs, ec.ECDSA(digest))))


def test_a_huge_list_finds_the_unit_and_is_walked_only_when_it_is_genuine_and_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attack: a token may carry a large list of anybody's making."""
    serial = pki().unit.x509.serial_number
    genuine = huge(signed_by=pki().authority.key, last=serial)
    assert said(judge(genuine)) == FAILED
    monkeypatch.setattr(revocation_reader, "_walk", None)
    forged = huge(signed_by=ec.generate_private_key(ec.SECP256R1()), last=serial)
    assert said(judge(forged)) == silence("REVOCATION_FOREIGN_SIGNER")
    others = huge(signed_by=pki().authority.key, last=serial + 1)
    assert said(judge(others)) == ("PASSED", None, None)


def test_a_list_above_the_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    der = crl(pki().authority, Taken(issue("Another", None, UNIT), NOW - DAY))
    monkeypatch.setattr(revocation_reader, "MAX_LIST_OCTETS", len(der) - 1)
    assert said(judge(der)) == silence("REVOCATION_UNREADABLE")
    monkeypatch.setattr(revocation_reader, "MAX_LIST_OCTETS", len(der))
    shelf_of.cache_clear()
    assert said(judge(der)) == ("PASSED", None, None)
