"""Why a CMS seal is not made, or not raised to a level: one exception with a stable code."""

from __future__ import annotations

from enum import StrEnum

from eseal.refusal import RefusedError


class CadesRefusal(StrEnum):
    """Reasons of a `CadesRefusedError`."""

    TOO_LARGE = "CADES_TOO_LARGE"
    """The seal would have more octets than `eseal.values.MAX_CMS`: a detached one has room for any data."""
    KEYS = "CADES_KEYS"
    """No key, or more than a document may have seals."""
    BROKEN = "CADES_BROKEN"
    """It is no SignedData, or no one to add to."""
    NOT_SEALED = "CADES_NOT_SEALED"
    """There is no seal to extend."""
    SEAL_NOT_RIGHT = "CADES_SEAL_NOT_RIGHT"
    """A seal in it does not fit its data or its certificate: what is added would make it look better."""
    OLDER_ARCHIVE = "CADES_OLDER_ARCHIVE"
    """It has an archive time-stamp of an older kind, which covers the certificates as they are."""
    CONTENT_MISSING = "CADES_CONTENT_MISSING"
    """The sealed data lies beside the seal, and is not at hand."""
    LEVEL_REACHED = "CADES_LEVEL_REACHED"
    """It has this level already, and nothing is at hand that it lacks."""
    NO_MATERIAL = "CADES_NO_MATERIAL"
    """Nothing is at hand of what the level adds: certificates and revocation data."""


class CadesRefusedError(RefusedError[CadesRefusal]):
    """A CMS seal that is not made or extended."""
