"""What lies in a folder under a name that tokens have, and is none."""

from __future__ import annotations

from kokuin.verify.inspecting.inspection import inspect_octets
from kokuin.verify.inspecting.kinds import Kind

_SOMETHING_ELSE = frozenset(
    {
        Kind.REQUEST,
        Kind.CERTIFICATE,
        Kind.CERTIFICATION_REQUEST,
        Kind.CERTIFICATE_LIST,
        Kind.OCSP_RESPONSE,
        Kind.PUBLIC_KEY,
    }
)
"""What is surely no token. Other CMS is not in it: a token whose content type was changed is such."""


def is_something_else(data: bytes) -> bool:
    """Say whether octets are surely no token, and not one that was damaged either."""
    found = inspect_octets(data)
    # Of a private key nothing is shown, so that it is never whole.
    return found.kind is Kind.PRIVATE_KEY or (found.kind in _SOMETHING_ELSE and found.whole)
