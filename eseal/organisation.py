"""Identifiers of legal persons in certificates: organizationIdentifier, and the Japanese corporate number.

EN 319 412-1 §5.1.4: three letters of the register's kind (or two and a colon
for a national scheme), the country, a hyphen, and the number as that register
writes it. The corporate number (法人番号) has 13 digits; other spellings of it
are read, and `NTRJP-` with the digits is the one form that is written.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

MAX_IDENTIFIER = 64
"""Characters; RFC 5280 bounds other names of an organisation so."""

JAPANESE_REGISTER = "NTRJP-"

_ALIASES = re.compile(r"(?:NTRJP[-:]?|JCN[-:]?|0188:|法人番号:?)?(\d{13})", re.ASCII)
"""After compatibility folding: how invoices (ISO 6523 ICD 0188), forms and people write the number."""
_IDENTIFIER = re.compile(r"(?:VAT|NTR|PSD|LEI|[A-Z]{2}:)([A-Z]{2})-([!-~](?:[ -~]*[!-~])?)", re.ASCII)
_GROUPING = re.compile(r"(?<=\d)[ -](?=\d)", re.ASCII)


class IdentifierCode(StrEnum):
    """Why an identifier was refused."""

    SYNTAX = "ORGANISATION_IDENTIFIER_SYNTAX"
    """No form of EN 319 412-1 §5.1.4 and no spelling of the corporate number."""
    DIGITS = "CORPORATE_NUMBER_DIGITS"
    """A corporate number has 13 digits."""
    CHECK_DIGIT = "CORPORATE_NUMBER_CHECK_DIGIT"
    """Its first digit is not the one that the other twelve give: a digit is wrong, or two changed places."""


class IdentifierError(ValueError):
    """An identifier that no certificate should bear; `code` says why."""

    def __init__(self, code: IdentifierCode) -> None:
        super().__init__(code)
        self.code = code


def check_digit(base: str) -> int:
    """Return the first digit of a corporate number by the twelve behind it.

    9 - (Σ Pn·Qn mod 9): Pn is the n-th digit from the right, Qn is 1 where n is odd and 2 where it is even
    (ordinance of the Ministry of Finance on the designation of corporate numbers, article 2).
    """
    return 9 - sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(base))) % 9


def organisation_identifier(text: str) -> str:
    """Return the one form in which an identifier is written into certificates.

    Raises:
        IdentifierError: it is none, or a corporate number that cannot be.
    """
    folded = unicodedata.normalize("NFKC", text[: 4 * MAX_IDENTIFIER]).strip()
    japanese = _ALIASES.fullmatch(_GROUPING.sub("", folded.upper()).replace(" ", ""))
    if japanese is not None:
        return JAPANESE_REGISTER + _checked(japanese[1])
    if folded.startswith(JAPANESE_REGISTER):
        raise IdentifierError(IdentifierCode.DIGITS)
    if len(folded) > MAX_IDENTIFIER or not _IDENTIFIER.fullmatch(folded):
        raise IdentifierError(IdentifierCode.SYNTAX)
    return folded


def _checked(digits: str) -> str:
    if int(digits[0]) != check_digit(digits[1:]):
        raise IdentifierError(IdentifierCode.CHECK_DIGIT)
    return digits
