"""Published corporate numbers, the spellings that are read, and mistakes that the check digit finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eseal.organisation import (
    IdentifierCode,
    IdentifierError,
    check_digit,
    organisation_identifier,
)

PUBLISHED = {
    "National Tax Agency": "7000012050002",
    "Ministry of Internal Affairs and Communications": "2000012020001",
    "Digital Agency": "8000012010038",
    "Ministry of Justice": "1000012030001",
    "Ministry of Finance": "8000012050001",
    "Toyota Motor": "1180301018771",
    "Nippon Telegraph and Telephone": "7010001065142",
    "Sony Group": "5010401067252",
    "Nintendo": "1130001011420",
}
"""From the public register, https://www.houjin-bangou.nta.go.jp/."""
NUMBER = "7000012050002"


def refused(text: str) -> IdentifierCode:
    with pytest.raises(IdentifierError) as error:
        organisation_identifier(text)
    return error.value.code


@pytest.mark.parametrize("number", PUBLISHED.values(), ids=PUBLISHED)
def test_the_check_digit_is_that_of_published_numbers(number: str) -> None:
    assert check_digit(number[1:]) == int(number[0])
    assert organisation_identifier(number) == f"NTRJP-{number}"


@pytest.mark.parametrize(
    "text",
    [
        f"NTRJP-{NUMBER}",
        f"ntrjp-{NUMBER}",
        f"NTRJP{NUMBER}",
        f"JCN{NUMBER}",
        f"JCN-{NUMBER}",
        f"JCN: {NUMBER}",
        f"0188:{NUMBER}",
        f"法人番号 {NUMBER}",
        f"法人番号\uff1a{NUMBER}",
        "7-0000-1205-0002",
        "7 0000 1205 0002",
        "".join(chr(0xFEE0 + ord(digit)) for digit in NUMBER),
        f"  {NUMBER}\n",
    ],
)
def test_every_spelling_becomes_the_one_that_is_written(text: str) -> None:
    assert organisation_identifier(text) == f"NTRJP-{NUMBER}"


@pytest.mark.parametrize(
    "text",
    [
        "VATDE-123456789",
        "NTRDE-HRB 12345",
        "PSDFI-FINFSA-1234",
        "LEIXG-5299000J2N45DDNE4Y28",
        "XX:JP-1",
        "VATJP-T1234567890123",
    ],
)
def test_other_registers_are_taken_as_they_are(text: str) -> None:
    assert organisation_identifier(text) == text


@given(st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_found(place: int, by: int) -> None:
    """A change of 9 in a place of weight 1 or 2 is the one that casting out nines cannot see."""
    wrong = (int(NUMBER[place]) + by) % 10
    changed = NUMBER[:place] + str(wrong) + NUMBER[place + 1 :]
    if place and abs(wrong - int(NUMBER[place])) == 9:
        assert organisation_identifier(changed)
    else:
        assert refused(changed) is IdentifierCode.CHECK_DIGIT


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("6000012050002", IdentifierCode.CHECK_DIGIT),
        ("7000012050020", IdentifierCode.CHECK_DIGIT),
        ("NTRJP-700001205000", IdentifierCode.DIGITS),
        ("NTRJP-70000120500022", IdentifierCode.DIGITS),
        ("NTRJP-7000012050oo2", IdentifierCode.DIGITS),
        ("700001205000", IdentifierCode.SYNTAX),
        ("VATJP", IdentifierCode.SYNTAX),
        ("VATJP-", IdentifierCode.SYNTAX),
        ("VATjp-1", IdentifierCode.SYNTAX),
        ("ABCJP-1", IdentifierCode.SYNTAX),
        ("VATDE-1\u202e2", IdentifierCode.SYNTAX),
        ("VATDE-" + "1" * 64, IdentifierCode.SYNTAX),
        ("", IdentifierCode.SYNTAX),
    ],
)
def test_what_is_no_identifier_is_refused_by_its_reason(text: str, code: IdentifierCode) -> None:
    assert refused(text) is code


@given(st.text(max_size=80))
def test_any_text_ends_in_an_identifier_or_a_code(text: str) -> None:
    try:
        found = organisation_identifier(text)
    except IdentifierError:
        return
    assert organisation_identifier(found) == found
