"""NIST's Public Key Interoperability Test Suite (PKITS 1.0.1): what it says of paths, not of revocation.

The search gets every authority of the suite at once and has to find each path
among them. `KOKUIN_PKITS` names the folder of the suite's certificates.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest

from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.path import find_path
from kokuin.trust.rules import Reason

AT_US = 1_420_070_400_000_000
"""2015, within the validity of what is valid."""

BY_REVOCATION = re.compile(
    r"Revoked|[cC]RL|[dD]istributionPoint|onlySomeReasons|onlyContains|delta"
    r"|Invalid(?:LongSerialNumberTest18|NegativeSerialNumberTest15)"
    r"|InvalidBasicSelfIssued(?:NewWithOldTest5|OldWithNewTest2)"
)
"""Invalid for their lists alone: as paths they are whole."""

WITHOUT_COMMON_POLICY = frozenset(f"DifferentPoliciesTest{number}EE" for number in (4, 5, 7, 8, 9, 12))
"""With the settings that we have (any policy, none demanded) the paths whose own authorities demand one."""

DSA = re.compile(r"ValidDSA")
"""No authority of today signs with DSA, and we do not know it."""


def suite() -> Path:
    folder = os.environ.get("KOKUIN_PKITS")
    if not folder:
        pytest.skip("KOKUIN_PKITS is not set: NIST's test suite is not tried")
    return Path(folder)


@cache
def authorities() -> tuple[Certificate, ...]:
    files = sorted(path for path in suite().glob("*.crt") if not path.name.endswith("EE.crt"))
    return tuple(read_certificate(path.read_bytes()) for path in files if "TrustAnchorRoot" not in path.name)


def fault(leaf: Path) -> Reason | None:
    certificate = read_certificate(leaf.read_bytes())
    anchor = read_certificate((suite() / "TrustAnchorRootCertificate.crt").read_bytes())
    verdict = find_path(certificate, TrustStore((anchor,)), authorities(), AT_US)
    if verdict.path is None:
        return Reason.NO_PATH
    if verdict.fault is not None:
        return verdict.fault.reason
    return None if certificate.valid_at(AT_US) else Reason.EXPIRED


def test_every_path_of_the_suite_has_the_verdict_that_nist_gives() -> None:
    leaves = [path for path in sorted(suite().glob("*EE.crt")) if not BY_REVOCATION.search(path.stem)]
    faults = {path.stem: fault(path) for path in leaves}
    assert len(faults) > 150
    for name, found in faults.items():
        if DSA.match(name):
            assert found is Reason.NO_PATH, name
        elif name in WITHOUT_COMMON_POLICY:
            assert found is Reason.POLICY_ABSENT, name
        else:
            assert (found is not None) is name.startswith("Invalid"), (name, found)
