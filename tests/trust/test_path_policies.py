"""Policies that would make the tree of RFC 5280 §6.1 explode."""

from __future__ import annotations

import itertools

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from kokuin.trust.path_policies import permits_policies
from kokuin.wire import encode
from tests.trust.forge import AUTHORITY, UNIT, issue

DEPTH = 60
POLICIES = [x509.ObjectIdentifier(f"1.3.6.1.4.1.32473.9.{number}") for number in (1, 2, 3)]


def asserted(*policies: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.CertificatePolicies([x509.PolicyInformation(policy, None) for policy in policies]), True


def mapped_to_each_other() -> tuple[x509.ExtensionType, bool]:
    pairs = itertools.product([encode.oid(policy.dotted_string) for policy in POLICIES], repeat=2)
    value = encode.sequence(*(encode.sequence(*pair) for pair in pairs))
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), value), True


def test_policies_that_all_map_to_each_other_end_at_any_depth() -> None:
    """Attack: a tree with a node for each way down has three to the power of sixty leaves (RFC 9618)."""
    key = ec.generate_private_key(ec.SECP256R1())
    demand = (x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)
    extensions = (*AUTHORITY, asserted(*POLICIES), mapped_to_each_other(), demand)
    chain = [issue("Root", None, AUTHORITY, key=key)]
    for number in range(DEPTH):
        chain.append(issue(f"Authority {number}", chain[-1], extensions, key=key))
    above = tuple(party.certificate for party in reversed(chain))
    for policy, permitted in ((POLICIES[0], True), (x509.ObjectIdentifier("1.3.6.1.4.1.32473.8"), False)):
        unit = issue("Unit", chain[-1], (*UNIT, asserted(policy)), key=key)
        assert permits_policies((unit.certificate, *above)) is permitted
