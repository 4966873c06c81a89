from __future__ import annotations

import re
from importlib import resources

import pytest

from kokuin.wire import encode
from pqc.profiles import DEVELOPMENT_ARC, Profile, ProfileError, load_shipped, parse_profile, shipped

TEXT = (resources.files("pqc") / "profiles" / "classical.toml").read_text(encoding="utf-8")


def changed(line: str) -> str:
    name = line.partition(" =")[0]
    text, count = re.subn(rf"^{name} = .*$", line, TEXT, flags=re.MULTILINE)
    assert count == 1
    return text


def test_shipped_profiles_load_under_policies_of_their_own() -> None:
    profiles = [load_shipped(name) for name in shipped()]
    assert {"classical", "classical-rsa", "pq"} <= {profile.name for profile in profiles}
    policies = [profile.policy(DEVELOPMENT_ARC) for profile in profiles]
    assert len(set(policies)) == len(policies)
    for policy in policies:
        encode.oid(policy)


@pytest.mark.parametrize("name", shipped())
def test_no_shipped_profile_takes_a_weak_hash_or_outlives_its_certificate(name: str) -> None:
    profile: Profile = load_shipped(name)
    assert not {"md5", "sha1", "sha224"} & set(profile.imprints)
    assert profile.key_days < profile.certificate_days
    assert profile.accuracy_us <= 1_000_000


def test_an_unknown_profile_is_refused_with_those_that_exist() -> None:
    for name in ("nobody", "../classical", "classical.toml", ""):
        with pytest.raises(ProfileError, match="classical, classical-rsa"):
            load_shipped(name)


@pytest.mark.parametrize(
    "line",
    [
        *(f"arc = {value}" for value in ("0", "-1", "2147483648", "1.5", "true", '"1"', "[1]")),
        *(f"tst = {value}" for value in ('"none"', '"rsa2048-pkcs1-sha256"', "1", '["ed25519"]')),
        *(f"certificate = {value}" for value in ('"none"', '"rsa2048-pss-sha256"', "{}")),
        *(f"envelope = {value}" for value in ('"none"', '"ml-kem-512-cms"', '"rsa-oaep"', "1", "[]")),
        *(f"imprints = {value}" for value in ("[]", '["sha0"]', '"sha256"', "5", '[["sha256"]]', "[256]")),
        *(f"accuracy_ms = {value}" for value in ("0", "1001", "0.5")),
        *(f"key_days = {value}" for value in ("0", "4015", "9999", "36501")),
        "certificate_days = 365",
        "certificate_days = 36501",
    ],
)
def test_a_field_that_is_out_of_range_is_refused(line: str) -> None:
    with pytest.raises(ProfileError):
        parse_profile("mine", changed(line))


@pytest.mark.parametrize("name", re.findall(r"^(\w+) =", TEXT, flags=re.MULTILINE))
def test_a_missing_field_is_named(name: str) -> None:
    text = re.sub(rf"^{name} = .*\n", "", TEXT, flags=re.MULTILINE)
    with pytest.raises(ProfileError, match=f"mine: .*{name}"):
        parse_profile("mine", text)


def test_unknown_fields_and_broken_toml_are_refused() -> None:
    with pytest.raises(ProfileError, match="mine: unknown fields colour"):
        parse_profile("mine", TEXT + 'colour = "red"\n')
    with pytest.raises(ProfileError, match="mine: "):
        parse_profile("mine", TEXT + "arc =\n")


@pytest.mark.parametrize("value", ["[" * 4000, "1" * 5000], ids=["deep", "long number"])
def test_toml_that_its_reader_cannot_bear_is_refused(value: str) -> None:
    with pytest.raises(ProfileError, match="mine"):
        parse_profile("mine", f"{TEXT}\nmore = {value}\n")


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", "Mine", ""])
def test_no_profile_is_or_uses_a_name_that_is_a_path(name: str) -> None:
    for field in ("unit", "twin", "evidence"):
        text = f'{TEXT}\n{field} = "{name}"\n'
        with pytest.raises(ProfileError, match="no name of a profile"):
            parse_profile("mine", text)
    with pytest.raises(ProfileError, match="no name of a profile"):
        parse_profile(name, TEXT)


def test_evidence_comes_from_a_unit_that_answers_no_request() -> None:
    hybrid = load_shipped("hybrid")
    assert hybrid.answering == ("classical",)
    assert hybrid.units == ("classical", "evidence")
    assert load_shipped("classical").units == load_shipped("classical").answering == ("classical",)
    for more in ('evidence = "mine"', 'unit = "other"\nevidence = "other"', 'twin = "pq"\nevidence = "pq"'):
        with pytest.raises(ProfileError, match="mine: evidence must come from another unit"):
            parse_profile("mine", f"{TEXT}\n{more}\n")
    with pytest.raises(ProfileError, match="no name"):
        parse_profile("mine", f"{TEXT}\nevidence = true\n")


def test_evidence_is_put_into_tokens_only_where_there_is_some() -> None:
    assert not load_shipped("hybrid").embed
    assert parse_profile("mine", f'{TEXT}\nevidence = "other"\nembed = true\n').embed
    with pytest.raises(ProfileError, match="embed without"):
        parse_profile("mine", f"{TEXT}\nembed = true\n")
    for value in ("1", '"yes"', "[]"):
        with pytest.raises(ProfileError, match="neither true nor false"):
            parse_profile("mine", f'{TEXT}\nevidence = "other"\nembed = {value}\n')


def test_a_certificate_of_evidence_is_valid_for_ten_years_after_the_last_signature_of_its_key() -> None:
    evidence = load_shipped("evidence")
    assert evidence.certificate_days - evidence.key_days >= 3653
    assert evidence.tst.quantum_category
    assert evidence.certificate.quantum_category
