"""Seal profiles: what a whole one says, and each field that is refused by its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eseal.profile import MAX_PROFILE, Format, SealProfile, parse_seal_profile
from eseal.profile_fields import SealProfileError
from eseal.qc import Disclosure
from eseal.values import Level

CERTIFICATE = """
[certificate]
organisation = "試験株式会社"
identifier = "7000012050002"
common_name = "試験株式会社 電子印"
days = 730
"""
LEAST = f"""
formats = ["pdf"]
suites = ["ecdsa-p256-sha256"]
level = "B-T"
{CERTIFICATE}"""
WHOLE = f"""
formats = ["pdf", "json"]
suites = ["ecdsa-p256-sha256", "ml-dsa-65"]
level = "B-LTA"
min_level = "B-B"
activation = true
{CERTIFICATE}
country = "JP"

[qc]
compliance = true
device = true
seal = true
legislation = ["JP"]
retention_years = 20

[[qc.disclosures]]
url = "https://example.jp/pds"
language = "ja"

[appearance]
page = -1
box = [400, 40, 560, 120]
text = \"\"\"{{organisation}}
{{time}}\"\"\"
link = "https://example.jp/verify"
image = true
font = true
"""


def parsed(text: str) -> SealProfile:
    return parse_seal_profile("main", text)


def refused(text: str, name: str = "main") -> str:
    with pytest.raises(SealProfileError) as error:
        parse_seal_profile(name, text)
    return error.value.field


def test_the_least_profile_promises_nothing_more() -> None:
    found = parsed(LEAST)
    assert found.formats == {Format.PDF}
    assert [each.id for each in found.suites] == ["ecdsa-p256-sha256"]
    assert (found.level, found.min_level) == (Level.B_T, Level.B_T)
    assert found.person.identifier == "NTRJP-7000012050002"
    assert found.person.country == "JP"
    assert (found.statements, found.appearance, found.activation) == (None, None, False)


def test_a_whole_profile_says_what_it_was_told() -> None:
    found = parsed(WHOLE)
    assert [each.id for each in found.suites] == ["ecdsa-p256-sha256", "ml-dsa-65"]
    assert (found.level, found.min_level, found.activation) == (Level.B_LTA, Level.B_B, True)
    assert found.statements is not None
    assert found.statements.supervised
    assert found.statements.disclosures == (Disclosure("https://example.jp/pds", "ja"),)
    assert found.appearance is not None
    assert found.appearance.text == "{organisation}\n{time}"
    assert (found.appearance.page, found.appearance.box) == (-1, (400, 40, 560, 120))
    assert found.text == WHOLE


@pytest.mark.parametrize(
    ("was", "becomes", "field"),
    [
        ('formats = ["pdf", "json"]\n', "", "formats"),
        ('"pdf", "json"', '"pdf", "xml"', "formats"),
        ('"pdf", "json"', '"pdf", "pdf"', "formats"),
        ('formats = ["pdf", "json"]', 'formats = "pdf"', "formats"),
        ('"ml-dsa-65"]', '"ml-dsa-65", "ml-dsa-87"]', "suites"),
        ('"ml-dsa-65"]', '"ecdsa-p384-sha384"]', "suites"),
        ('"ecdsa-p256-sha256", "ml-dsa-65"', '"ml-dsa-65", "ecdsa-p256-sha256"', "suites"),
        ('"ecdsa-p256-sha256", "ml-dsa-65"', '"rsa2048-pkcs1-sha256"', "suites"),
        ('"ecdsa-p256-sha256", "ml-dsa-65"', '"nonsense"', "suites"),
        ('"ecdsa-p256-sha256", "ml-dsa-65"', '"mldsa65-ecdsa-p256-sha512"', "suites"),
        ('level = "B-LTA"\nmin', 'level = "B-XL"\nmin', "level"),
        ('level = "B-LTA"\nmin', "level = 1\nmin", "level"),
        ('min_level = "B-B"\nactivation', 'min_level = "LT"\nactivation', "min_level"),
        ("activation = true", 'activation = "yes"', "activation"),
        ("activation = true", "activated = true", "activated"),
        ('identifier = "7000012050002"', 'identifier = "7000012050003"', "certificate.identifier"),
        ("common_name", "commonName", "certificate.common_name"),
        ('organisation = "試験株式会社"', 'organisation = ""', "certificate.organisation"),
        ('organisation = "試験株式会社"', 'organisation = "試\\u202e験"', "certificate.organisation"),
        ('organisation = "試験株式会社"', f'organisation = "{"x" * 65}"', "certificate.organisation"),
        ("days = 730", "days = 0", "certificate.days"),
        ("days = 730", "days = 730.5", "certificate.days"),
        ("days = 730", "days = true", "certificate.days"),
        ('country = "JP"', 'country = "Japan"', "certificate.country"),
        ('country = "JP"', 'nation = "JP"', "certificate.nation"),
        ('legislation = ["JP"]', 'legislation = ["jp"]', "qc.legislation"),
        ("retention_years = 20", "retention_years = -1", "qc.retention_years"),
        ("retention_years = 20", "qualified = true", "qc.qualified"),
        ('url = "https://example.jp/pds"', 'url = "http://example.jp/pds"', "qc.disclosures.url"),
        ('language = "ja"', 'language = "japanese"', "qc.disclosures.language"),
        ("page = -1", "page = 0", "appearance.page"),
        ("box = [400, 40, 560, 120]", "box = [560, 40, 400, 120]", "appearance.box"),
        ("box = [400, 40, 560, 120]", "box = [400, 40, 560]", "appearance.box"),
        ("box = [400, 40, 560, 120]", "box = [400, 40, 560, 99999]", "appearance.box"),
        ('link = "https://example.jp/verify"', 'link = "javascript:alert(1)"', "appearance.link"),
        ('link = "https://example.jp/verify"', f'link = "https://{"x" * 1993}"', "appearance.link"),
        ('"pdf", "json"', '"json", "cades"', "appearance"),
        ("[appearance]", "[[appearance]]", "appearance"),
    ],
)
def test_an_unfit_field_is_named(was: str, becomes: str, field: str) -> None:
    assert WHOLE.count(was) == 1
    assert refused(WHOLE.replace(was, becomes)) == field


def test_only_the_names_of_a_text_stand_for_something() -> None:
    """Attack: a format string that reaches into what it formats."""
    shown = 'text = "{organisation} {identifier} {nobody} {0} {common_name.__class__} {{time}} {time}"'
    appearance = parsed(LEAST + f"\n[appearance]\npage = 1\nbox = [1, 1, 9, 9]\n{shown}\n").appearance
    assert appearance is not None
    person = parsed(LEAST).person
    said = "試験株式会社 NTRJP-7000012050002 {nobody} {0} {common_name.__class__} {now} now"
    assert appearance.shown(person, "now") == said


def test_an_outage_lowers_no_seal_above_its_level() -> None:
    assert refused(LEAST.replace('level = "B-T"', 'level = "B-T"\nmin_level = "B-LT"')) == "min_level"


def test_a_composite_seals_what_has_no_json() -> None:
    composite = LEAST.replace("ecdsa-p256-sha256", "mldsa65-ecdsa-p256-sha512")
    assert parsed(composite).suites[0].draft
    assert refused(composite.replace('"pdf"', '"pdf", "json"')) == "suites"


@pytest.mark.parametrize("name", ["", "Main", "../x", "a/b", "a.b", "-a", "1a", "x" * 64, "é", "a\n"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    """Attack: the profile's files would lie elsewhere."""
    assert refused(LEAST, name) == "name"


@pytest.mark.parametrize(
    "text",
    ["", "x", "a = ", LEAST + "\n" + "#" * MAX_PROFILE, "a = " + "9" * 5_000, "a = " + "[" * 3_000, "\x00"],
)
def test_what_is_no_profile_at_all_is_refused(text: str) -> None:
    with pytest.raises(SealProfileError):
        parsed(text)


@given(st.text(max_size=300))
def test_any_text_ends_in_a_profile_or_a_refusal(text: str) -> None:
    for each in (text, LEAST + text, text + LEAST):
        try:
            parsed(each)
        except SealProfileError as error:
            assert str(error)  # noqa: PT017  # either outcome is right; only another exception is wrong
