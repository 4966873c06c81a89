"""Why a JSON seal is not made, or not raised to a level: one exception with a stable code."""

from __future__ import annotations

from enum import StrEnum

from eseal.refusal import RefusedError


class JadesRefusal(StrEnum):
    """Reasons of a `JadesRefusedError`."""

    TOO_LARGE = "JADES_TOO_LARGE"
    """The document is larger than `eseal.values.MAX_JSON`, or the seal than `eseal.values.MAX_JWS`."""
    KEYS = "JADES_KEYS"
    """No key, one key twice, or more than a document may have seals."""
    SUITE = "JADES_SUITE"
    """JOSE has no name for the algorithm of a key, or seals are not made with it any more."""
    CERTIFICATE = "JADES_CERTIFICATE"
    """A certificate is of another key than it stands beside."""
    SERIALIZATION = "JADES_SERIALIZATION"
    """The form has no place for what is asked: several signatures, time-stamps, or a payload as it is."""
    PAYLOAD = "JADES_PAYLOAD"
    """It is no JSON that all readers read alike (RFC 7493), or no text where it is to stand as it is."""
    REFERENCES = "JADES_REFERENCES"
    """No document, too many, or two of one name."""
    BROKEN = "JADES_BROKEN"
    """It is no JWS, or no one to add to."""
    SEAL_NOT_RIGHT = "JADES_SEAL_NOT_RIGHT"
    """A seal in it does not fit its data or its certificate: what is added would make it look better."""
    CLEAR_FORM = "JADES_CLEAR_FORM"
    """Its unsigned part is in the clear form, which is read and never written."""
    CONTENT_MISSING = "JADES_CONTENT_MISSING"
    """The sealed data lies beside the seal, and is not at hand."""
    LEVEL_REACHED = "JADES_LEVEL_REACHED"
    """It has this level already, and nothing is at hand that it lacks."""
    NO_MATERIAL = "JADES_NO_MATERIAL"
    """Nothing is at hand of what the level adds: certificates and revocation data."""


class JadesRefusedError(RefusedError[JadesRefusal]):
    """A JSON seal that is not made or extended."""
