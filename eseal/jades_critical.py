"""What a protected header says that its reader must understand (`crit`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.jades_fields import take_texts
from eseal.jades_form import JadesError
from eseal.jades_payload import MAX_DOCUMENTS
from eseal.rules import SealReason

if TYPE_CHECKING:
    from eseal.jades_form import JsonObject

REQUIRED = "kokuin-required"
"""Protected header parameter: `alg` and thumbprint of every signature that must be there, this one too."""

# fmt: off
_NEVER_CRITICAL = frozenset({
    "alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit",
    "epk", "apu", "apv", "iv", "tag", "p2s", "p2c", "enc", "zip",
})
"""RFC 7515 §4.1.11: names of RFC 7515 and RFC 7518."""
_UNDERSTOOD = frozenset({
    "sigT", "iat", "exp", "x5t#o", "sigX5ts", "srCms", "sigPl", "srAts", "adoTst", "sigPId", "sigD", "b64",
    "etsiU", REQUIRED,
})
# fmt: on
_MUST_BE_CRITICAL = ("sigD", "b64")


def check_critical(header: JsonObject) -> None:
    """RFC 7515 §4.1.11, RFC 7797 §6, ETSI TS 119 182-1 §5.1.9.

    Raises:
        JadesError: CRITICAL_WRONG or CRITICAL_UNKNOWN with the name of the parameter.
    """
    critical: tuple[str, ...] = ()
    if "crit" in header:
        try:
            critical = take_texts(header, "crit", MAX_DOCUMENTS)
        except JadesError:
            raise JadesError(SealReason.CRITICAL_WRONG, "crit") from None
    for name in critical:
        if name in _NEVER_CRITICAL or (name not in header and name != "etsiU"):
            raise JadesError(SealReason.CRITICAL_WRONG, name)
        if name not in _UNDERSTOOD:
            raise JadesError(SealReason.CRITICAL_UNKNOWN, name)
    for name in _MUST_BE_CRITICAL:
        if name in header and name not in critical:
            raise JadesError(SealReason.CRITICAL_WRONG, name)
