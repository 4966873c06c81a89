"""Which scheme serves a suite, a key, a signature: the one table that knows every family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pqc.classical import EcdsaScheme, EddsaScheme, RsaScheme
from pqc.composite import CompositeScheme
from pqc.hashbased import SlhDsaScheme
from pqc.lattice import MlDsaScheme
from pqc.suites import Family

if TYPE_CHECKING:
    from pqc.scheme import Scheme
    from pqc.suites import Suite

_RSA = RsaScheme()

SCHEMES: dict[Family, Scheme] = {
    Family.RSA_PKCS1: _RSA,
    Family.RSA_PSS: _RSA,
    Family.ECDSA: EcdsaScheme(),
    Family.EDDSA: EddsaScheme(),
    Family.ML_DSA: MlDsaScheme(),
    Family.SLH_DSA: SlhDsaScheme(),
    Family.COMPOSITE_ML_DSA: CompositeScheme(),
}
"""Every scheme by its family."""


def scheme_of(suite: Suite) -> Scheme:
    """Return the scheme of a suite."""
    return SCHEMES[suite.family]


def scheme_of_key(oid: str) -> Scheme | None:
    """Return the scheme that reads keys of this algorithm; None when there is none."""
    return next((scheme for scheme in SCHEMES.values() if oid in scheme.key_oids), None)


def scheme_of_signature(oid: str) -> Scheme | None:
    """Return the scheme that verifies this signatureAlgorithm; None when there is none."""
    return next((scheme for scheme in SCHEMES.values() if oid in scheme.signature_oids), None)
