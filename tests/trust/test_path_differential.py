"""Paths judged by OpenSSL too: arrangements of policies by chance, and certificates as the world has them."""

from __future__ import annotations

import functools
import random
import subprocess
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from kokuin.trust.anchors import TrustStore
from kokuin.trust.path import find_path
from tests.peers import need
from tests.trust.forge import AUTHORITY, NOW, NOW_US, UNIT, Party, issue

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


def openssl_accepts(folder: Path, root: Party, between: Sequence[Party], leaf: Party) -> bool:
    for name, parties in (("root", [root]), ("between", between), ("leaf", [leaf])):
        (folder / f"{name}.pem").write_bytes(b"".join(party.pem for party in parties))
    files = ("-CAfile", "root.pem", "-untrusted", "between.pem")
    options = (
        "-policy_check",
        "-policy",
        ANY.dotted_string,
        "-no-CApath",
        "-no-CAstore",
        "-attime",
        str(int(NOW.timestamp())),
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
