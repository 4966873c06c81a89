"""Paths judged by OpenSSL too: arrangements of policies by chance, and certificates as the world has them."""

from __future__ import annotations

import functools
import random
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.path import find_path
from kokuin.wire import encode
from tests.peers import need
from tests.trust.forge import AUTHORITY, ECDSA, NOW, NOW_US, UNIT, Party, issue, key_usage, name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Extensions = list[tuple[x509.ExtensionType, bool]]

ROUNDS = 120
P1, P2, P3 = (x509.ObjectIdentifier(f"1.3.6.1.4.1.32473.9.{number}") for number in (1, 2, 3))
ANY = x509.ObjectIdentifier("2.5.29.32.0")


@functools.cache
def key(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def openssl_accepts(folder: Path, root: Party, between: Sequence[Party], leaf: Party, *more: str) -> bool:
    for file, parties in (("root", [root]), ("between", between), ("leaf", [leaf])):
        (folder / f"{file}.pem").write_bytes(b"".join(party.pem for party in parties))
    files = ("-CAfile", "root.pem", *(("-untrusted", "between.pem") if between else ()))
    options = (
        "-policy_check",
        "-policy",
        ANY.dotted_string,
        "-no-CApath",
        "-no-CAstore",
        "-attime",
        str(int(NOW.timestamp())),
        *more,
    )
    done = subprocess.run(
        [need("openssl"), "verify", *files, *options, "leaf.pem"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def we_accept(root: Party, between: Sequence[Party], leaf: Party) -> bool:
    others = [party.certificate for party in between]
    verdict = find_path(leaf.certificate, TrustStore((root.certificate,)), others, NOW_US)
    return verdict.path is not None and verdict.fault is None


def _policies(chance: random.Random, *, authority: bool) -> Extensions:
    found: Extensions = []
    policies = [policy for policy in (P1, P2, P3, ANY) if chance.random() < 0.45]
    if policies:
        information = [x509.PolicyInformation(policy, None) for policy in policies]
        found.append((x509.CertificatePolicies(information), chance.random() < 0.5))
    if chance.random() < 0.35:
        explicit = chance.choice([None, 0, 1, 2])
        mapping = chance.choice([None, 0, 1]) if explicit is not None else chance.choice([0, 1])
        found.append((x509.PolicyConstraints(explicit, mapping), True))
    if authority and chance.random() < 0.3:
        found.append((x509.InhibitAnyPolicy(chance.choice([0, 1, 2])), True))
    return found


def _mappings(chance: random.Random, *, anything: bool) -> Extensions:
    """Mappings of anyPolicy are forbidden; OpenSSL sees them only beside policies (`anything`)."""
    if chance.random() < 0.6:
        return []
    ends = (P1, P2, P3, ANY) if anything and chance.random() < 0.1 else (P1, P2, P3)
    pairs = {(chance.choice(ends), chance.choice(ends)) for _ in range(chance.choice([1, 1, 2]))}
    value = b"".join(_sequence(_oid(one) + _oid(other)) for one, other in sorted(pairs, key=str))
    unrecognised = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), _sequence(value))
    return [(unrecognised, chance.random() < 0.5)]


def _sequence(content: bytes) -> bytes:
    return bytes((0x30, len(content))) + content


def _oid(oid: x509.ObjectIdentifier) -> bytes:
    arcs = [int(arc) for arc in oid.dotted_string.split(".")]
    octets = bytes((arcs[0] * 40 + arcs[1],))
    for arc in arcs[2:]:
        groups = [arc >> shift & 0x7F for shift in (28, 21, 14, 7, 0)]
        while len(groups) > 1 and not groups[0]:
            groups.pop(0)
        octets += bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])
    return bytes((6, len(octets))) + octets


def _identifiers(own: int, issuer: int) -> Extensions:
    """OpenSSL tries one issuer of a name: it must be told which."""
    return [
        (x509.SubjectKeyIdentifier.from_public_key(key(own).public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer).public_key()), False),
    ]


def _chain(chance: random.Random) -> tuple[Party, list[Party], Party]:
    root = issue("Root", None, AUTHORITY, key=key(0))
    above, between = root, list[Party]()
    for number in range(chance.choice([1, 2, 2, 3])):
        # An authority with a new key may certify itself: such certificates are not counted.
        own = chance.random() < 0.25 and above is not root
        name = str(above.x509.subject.rfc4514_string().partition("CN=")[2].partition(",")[0])
        policies = _policies(chance, authority=True)
        extensions = [
            *AUTHORITY,
            *policies,
            *_mappings(
                chance, anything=any(isinstance(each, x509.CertificatePolicies) for each, _ in policies)
            ),
        ]
        extensions += _identifiers(number + 1, number)
        party = issue(name if own else f"Authority {number}", above, extensions, key=key(number + 1))
        above, between = party, [*between, party]
    extensions = [*UNIT, *_policies(chance, authority=False), *_identifiers(9, len(between))]
    leaf = issue("Unit", above, extensions, key=key(9))
    return root, between, leaf


def test_policies_are_processed_as_openssl_does(tmp_path: Path) -> None:
    chance = random.Random(20_261_121)  # noqa: S311  # the same chains on every machine
    accepted = 0
    for _ in range(ROUNDS):
        root, between, leaf = _chain(chance)
        ours, theirs = we_accept(root, between, leaf), openssl_accepts(tmp_path, root, between, leaf)
        same = ours is theirs or (theirs and any(map(_maps_what_it_does_not_say, between)))
        assert same, b"".join(party.pem for party in (root, *between, leaf)).decode()
        accepted += ours
    # Both verdicts occur often, else nothing was compared.
    assert ROUNDS / 10 < accepted < ROUNDS * 9 / 10


def _maps_what_it_does_not_say(party: Party) -> bool:
    """Whether a certificate maps policies that it has by anyPolicy alone.

    OpenSSL takes them as said, also where anyPolicy is inhibited; RFC 5280 §6.1.4 (b) wants anyPolicy to be
    valid there.
    """
    extensions = party.x509.extensions
    if not any(isinstance(each.value, x509.UnrecognizedExtension) for each in extensions):
        return False
    said = [each.value for each in extensions if isinstance(each.value, x509.CertificatePolicies)]
    return any(policy.policy_identifier == ANY for policies in said for policy in policies)


def _with(*extensions: tuple[x509.ExtensionType, bool]) -> Extensions:
    return list(extensions)


BASIC, SIGNING = AUTHORITY
PURPOSES = ExtendedKeyUsageOID
OTHER = x509.NameConstraints([x509.DirectoryName(name("Unit"))], None)

CASES: dict[str, tuple[Extensions, bool, bool]] = {
    "as usual": (_with(*AUTHORITY), True, True),
    "no keyUsage": (_with(BASIC), True, True),
    "basicConstraints not critical": (_with((BASIC[0], False), SIGNING), True, True),
    "every purpose": (
        _with(*AUTHORITY, (x509.ExtendedKeyUsage([PURPOSES.ANY_EXTENDED_KEY_USAGE]), False)),
        True,
        True,
    ),
    "time-stamping": (
        _with(*AUTHORITY, (x509.ExtendedKeyUsage([PURPOSES.TIME_STAMPING]), False)),
        True,
        True,
    ),
    "no extensions": ([], False, False),
    "keyUsage without basicConstraints": (_with(SIGNING), False, False),
    "no authority": (_with((x509.BasicConstraints(ca=False, path_length=None), True)), False, False),
    "signs lists alone": (_with(BASIC, (key_usage("crl_sign"), True)), False, False),
    "an unknown critical extension": (
        _with(*AUTHORITY, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)),
        False,
        False,
    ),
    "constrained to the unit": (_with(*AUTHORITY, (OTHER, True)), True, True),
    "constrained to another name": (
        _with(*AUTHORITY, (x509.NameConstraints([x509.DirectoryName(name("Other"))], None), True)),
        False,
        False,
    ),
    # OpenSSL asks what an authority is meant for when it serves TLS or mail, not when it vouches for units.
    "servers alone": (
        _with(*AUTHORITY, (x509.ExtendedKeyUsage([PURPOSES.SERVER_AUTH]), False)),
        False,
        True,
    ),
}
"""Extensions of an authority below the root, our verdict, and OpenSSL's."""


@pytest.mark.parametrize("case", CASES)
def test_an_authority_is_judged_as_openssl_does_or_for_a_reason_otherwise(case: str, tmp_path: Path) -> None:
    extensions, ours, theirs = CASES[case]
    root = issue("Root", None, AUTHORITY, key=key(0))
    authority = issue("Authority", root, extensions, key=key(1))
    leaf = issue("Unit", authority, UNIT, key=key(2))
    assert we_accept(root, [authority], leaf) is ours
    assert openssl_accepts(tmp_path, root, [authority], leaf) is theirs


@pytest.mark.parametrize("extensions", [[], _with(SIGNING)], ids=["no extensions", "keyUsage alone"])
def test_an_anchor_as_the_first_ones_were_issues(extensions: Extensions, tmp_path: Path) -> None:
    root = issue("Root", None, extensions, key=key(0))
    if not extensions:
        root = _version_1(root, root)
        assert root.x509.version is x509.Version.v1
    leaf = issue("Unit", root, UNIT, key=key(2))
    assert we_accept(root, [], leaf)
    assert openssl_accepts(tmp_path, root, [], leaf)


@pytest.mark.parametrize("pinned", range(4))
def test_a_path_ends_at_whatever_certificate_is_pinned(pinned: int, tmp_path: Path) -> None:
    root = issue("Root", None, AUTHORITY, key=key(0))
    above = issue("Above", root, AUTHORITY, key=key(1))
    below = issue("Below", above, AUTHORITY, key=key(2))
    leaf = issue("Unit", below, UNIT, key=key(3))
    pin, between = (root, above, below, leaf)[pinned], [below, above, root]
    assert we_accept(pin, between, leaf)
    assert openssl_accepts(tmp_path, pin, between, leaf, "-partial_chain")
    stranger = issue("Stranger", below, UNIT, key=key(4))
    trusted = pin is not leaf
    assert we_accept(pin, between, stranger) is trusted
    assert openssl_accepts(tmp_path, pin, between, stranger, "-partial_chain") is trusted


def test_a_certificate_without_extensions_below_an_anchor_is_no_authority(tmp_path: Path) -> None:
    root = issue("Root", None, AUTHORITY, key=key(0))
    other = issue("Root", root, [], key=key(1))
    rolled = _version_1(other, root)
    assert rolled.certificate.self_issued
    leaf = issue("Unit", rolled, UNIT, key=key(2))
    assert not we_accept(root, [rolled], leaf)
    assert not openssl_accepts(tmp_path, root, [rolled], leaf)


def _version_1(party: Party, issuer: Party) -> Party:
    """Issue a certificate anew in version 1, which pyca/cryptography does not write."""
    facts, algorithm = party.certificate, encode.algorithm(ECDSA)
    validity = encode.sequence(encode.x509_time(facts.not_before), encode.x509_time(facts.not_after))
    tbs = encode.sequence(
        encode.integer(1), algorithm, facts.issuer, validity, facts.subject, facts.public_key
    )
    signature = encode.bit_string(issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256())))
    return Party(party.key, x509.load_der_x509_certificate(encode.sequence(tbs, algorithm, signature)))


def _by_openssl(folder: Path, root: Party, subject: str, *words: str) -> bytes:
    """Have OpenSSL issue what pyca/cryptography does not write; with the root's key, no extensions; DER."""
    (folder / "root.pem").write_bytes(root.pem)
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(root.key.private_bytes(*form))
    request = ("req", "-new", "-key", "key.pem", "-subj", subject, "-out", "made.csr")
    certificate = ("x509", "-req", "-in", "made.csr", "-days", "3650", "-outform", "DER", "-out", "made.der")
    for each in (request, (*certificate, *words)):
        subprocess.run([need("openssl"), *each], cwd=folder, check=True, capture_output=True)
    return (folder / "made.der").read_bytes()


@pytest.mark.parametrize("serial", ["0", "-7", "0x" + "7f" * 40])
def test_serial_numbers_that_no_authority_should_give_are_read(serial: str, tmp_path: Path) -> None:
    root = issue("Root", None, AUTHORITY, key=key(0))
    words = ("-CA", "root.pem", "-CAkey", "key.pem", "-set_serial", serial)
    unit = read_certificate(_by_openssl(tmp_path, root, "/CN=Unit", *words))
    assert unit.serial == int(serial, 0)
    verdict = find_path(unit, TrustStore((root.certificate,)), [], NOW_US)
    assert verdict.path is not None
    assert verdict.fault is None


@pytest.mark.parametrize("kind", ["PrintableString", "T61String", "BMPString", "UniversalString"])
def test_an_issuer_written_in_another_string_type_is_the_same(kind: str, tmp_path: Path) -> None:
    root = issue("Root", None, AUTHORITY, key=key(0))
    attributes = [
        x509.NameAttribute(each.oid, each.value, _type=_ASN1Type[kind])
        if each.oid != NameOID.COUNTRY_NAME
        else each
        for each in root.x509.subject
    ]
    leaf = issue("Unit", root, UNIT, key=key(2), issuer_name=x509.Name(attributes))
    assert leaf.certificate.issuer != root.certificate.subject
    assert we_accept(root, [], leaf)
    assert openssl_accepts(tmp_path, root, [], leaf)
