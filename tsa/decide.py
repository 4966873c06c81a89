"""Whether a request is granted: a pure decision over values (RFC 3161 §2.4.1, §2.4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import REQUEST_LIMITS, prescan
from tsa import status

if TYPE_CHECKING:
    from kokuin.wire.tsp import Extension, TimeStampReq
    from tsa.status import Refusal

MAX_NONCE = 64
"""Octets; real clients send 8 to 20."""
MAX_EXTENSIONS = 8
_NO_PARAMETERS = (None, b"\x05\x00")


@dataclass(frozen=True, slots=True)
class IssuingRules:
    """What one profile grants.

    Attributes:
        policy: the profile's policy OID, dotted; the only reqPolicy that it meets.
        imprints: names of the hash algorithms accepted in a messageImprint.
        extensions: OIDs of request extensions that are copied into the token.
        critical_extensions: whether such an extension may be critical (EN 319 422 §5.2.2 forbids it).
    """

    policy: str
    imprints: frozenset[str]
    extensions: frozenset[str] = frozenset()
    critical_extensions: bool = False


def decide(request: TimeStampReq, rules: IssuingRules) -> Refusal | None:
    """Return the refusal that the request earns, None when it is granted.

    The order is from the message's form to the service's rules, so that a
    client hears first what it can mend itself.
    """
    if request.version != 1:
        return status.VERSION
    refusal = _decide_imprint(request, rules)
    if refusal is not None:
        return refusal
    if request.nonce_der is not None and len(request.nonce_der) > MAX_NONCE + 2:
        return status.NONCE_TOO_LONG
    if request.policy is not None and request.policy != rules.policy:
        return status.POLICY_UNKNOWN
    return _decide_extensions(request.extensions, rules) if request.extensions else None


def _decide_imprint(request: TimeStampReq, rules: IssuingRules) -> Refusal | None:
    """RFC 3161 §2.4.1: the hash is known, sufficiently strong, and of the length of its imprint."""
    digest = DIGEST_BY_OID.get(request.digest_oid)
    if digest is None:
        return status.HASH_UNKNOWN
    if request.imprint_parameters not in _NO_PARAMETERS:
        return status.IMPRINT_PARAMETERS
    if len(request.imprint) != digest.size:
        return status.IMPRINT_LENGTH
    return None if digest.name in rules.imprints else status.HASH_REFUSED


def _decide_extensions(extensions: tuple[Extension, ...], rules: IssuingRules) -> Refusal | None:
    """RFC 3161 §2.4.1: an extension that is not recognised is refused, critical or not."""
    if len(extensions) > MAX_EXTENSIONS or len({item.oid for item in extensions}) != len(extensions):
        return status.EXTENSION
    for extension in extensions:
        if extension.oid not in rules.extensions or (extension.critical and not rules.critical_extensions):
            return status.EXTENSION
        try:
            scan = prescan(extension.value, REQUEST_LIMITS)
        except WireError:
            return status.EXTENSION_VALUE
        if not scan.der:
            return status.EXTENSION_VALUE
    return None
