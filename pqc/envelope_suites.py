"""The closed table of envelope suites: how a secret is encrypted to one recipient.

Profiles and policies name these suites. Each has a post-quantum KEM; the
hybrid one needs both of its halves broken. There is no classical suite: what is
recorded today must not be read when a quantum computer exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pqc.suites import UnknownSuiteError


class KemKind(StrEnum):
    """The kinds of recipient keys."""

    ML_KEM_768 = "ML-KEM-768"
    ML_KEM_1024 = "ML-KEM-1024"
    MLKEM768_X25519 = "MLKEM768-X25519"
    """HPKE's KEM 0x647A: both halves enter one secret, so either protects it (draft-ietf-hpke-pq)."""


class Container(StrEnum):
    """The format around the ciphertext."""

    CMS = "cms"
    """AuthEnvelopedData with one KEMRecipientInfo (RFC 5083, RFC 9629, RFC 9936)."""
    HPKE = "hpke"
    """HPKE base mode (RFC 9180) behind the header of `pqc.envelope_hpke`."""


@dataclass(frozen=True, slots=True)
class EnvelopeSuite:
    """One whole combination.

    Attributes:
        id: stable name, used in profiles, policies and reports.
        container: the format.
        kem: kind of the recipient's key.
        components: the algorithms within, for inventories.
        classical_bits: strength against classical attack, bits.
        quantum_category: NIST category against quantum attack.
        draft: True while its specification is no RFC.
    """

    id: str
    container: Container
    kem: KemKind
    components: tuple[str, ...]
    classical_bits: int
    quantum_category: int
    draft: bool = False


_CMS_PARTS = ("hkdf-sha256", "aes256-wrap", "aes256-gcm")

ENVELOPE_SUITES: dict[str, EnvelopeSuite] = {
    suite.id: suite
    for suite in (
        EnvelopeSuite(
            "ml-kem-768-cms", Container.CMS, KemKind.ML_KEM_768, ("ml-kem-768", *_CMS_PARTS), 192, 3
        ),
        EnvelopeSuite(
            "ml-kem-1024-cms", Container.CMS, KemKind.ML_KEM_1024, ("ml-kem-1024", *_CMS_PARTS), 256, 5
        ),
        EnvelopeSuite(
            "mlkem768-x25519-hpke",
            Container.HPKE,
            KemKind.MLKEM768_X25519,
            ("ml-kem-768", "x25519", "hkdf-sha256", "aes256-gcm"),
            192,
            3,
            draft=True,
        ),
    )
}
"""Every envelope suite by its id."""


def envelope_suite(suite_id: str) -> EnvelopeSuite:
    """Return the suite named `suite_id`.

    Raises:
        UnknownSuiteError: the table has no such id.
    """
    try:
        return ENVELOPE_SUITES[suite_id]
    except KeyError:
        raise UnknownSuiteError(suite_id) from None
