from __future__ import annotations

import random

import pytest

from pqc.envelope import open_envelope, seal_envelope
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.envelope_suites import ENVELOPE_SUITES, EnvelopeSuite, envelope_suite
from pqc.envelope_syntax import MAX_ENVELOPE, MAX_PLAINTEXT
from pqc.kem import generate_kem_key
from pqc.profiles import load_shipped, shipped
from pqc.suites import UnknownSuiteError
from tests.mutators import Mutator
from tests.pqc.envelopes import CMS_SUITES, SUITES, TYPE, key_of, problem

EACH = pytest.mark.parametrize("suite", SUITES, ids=[suite.id for suite in SUITES])
SECRET = bytes(range(32))


def test_shipped_profiles_name_suites_of_the_table() -> None:
    assert {load_shipped(name).envelope for name in shipped()} <= ENVELOPE_SUITES.keys()


def test_no_suite_is_classical_and_an_unknown_one_is_an_error() -> None:
    assert all(suite.quantum_category >= 3 for suite in SUITES)
    with pytest.raises(UnknownSuiteError):
        envelope_suite("rsa-oaep-cms")


@EACH
@pytest.mark.parametrize("plaintext", [b"", SECRET, bytes(100_000)], ids=len)
def test_what_is_sealed_comes_back(suite: EnvelopeSuite, plaintext: bytes) -> None:
    envelope = seal_envelope(suite, key_of(suite).recipient, plaintext)
    assert open_envelope(key_of(suite), envelope) == plaintext
    assert not plaintext or plaintext not in envelope


@EACH
def test_two_envelopes_of_one_secret_share_no_key(suite: EnvelopeSuite) -> None:
    first, second = (seal_envelope(suite, key_of(suite).recipient, bytes(64)) for _ in range(2))
    assert first[-80:] != second[-80:]


@EACH
def test_another_key_is_named_as_the_reason(suite: EnvelopeSuite) -> None:
    envelope = seal_envelope(suite, key_of(suite).recipient, SECRET)
    assert problem(generate_kem_key(suite.kem), envelope) is EnvelopeProblem.WRONG_KEY
    for other in SUITES:
        if other is not suite:
            assert problem(key_of(other), envelope) is EnvelopeProblem.WRONG_KEY


@EACH
def test_a_backup_is_not_taken_for_an_export(suite: EnvelopeSuite) -> None:
    key = key_of(suite)
    for sealed_as, asked_for in ((TYPE, None), (None, TYPE), (TYPE, TYPE + ".1")):
        options = {} if sealed_as is None else {"content_type_oid": sealed_as}
        envelope = seal_envelope(suite, key.recipient, SECRET, **options)
        assert open_envelope(key, envelope, **options) == SECRET
        assert problem(key, envelope, asked_for) is EnvelopeProblem.WRONG_CONTENT


@EACH
def test_a_key_of_another_kind_is_not_sealed_to(suite: EnvelopeSuite) -> None:
    for other in SUITES:
        if other is not suite:
            with pytest.raises(EnvelopeError) as caught:
                seal_envelope(suite, key_of(other).recipient, SECRET)
            assert caught.value.problem is EnvelopeProblem.WRONG_KEY


@EACH
def test_the_largest_envelope_opens_and_a_larger_one_is_refused(suite: EnvelopeSuite) -> None:
    key = key_of(suite)
    most = bytes(MAX_PLAINTEXT)
    envelope = seal_envelope(suite, key.recipient, most)
    assert len(envelope) <= MAX_ENVELOPE
    assert open_envelope(key, envelope) == most
    with pytest.raises(EnvelopeError) as caught:
        seal_envelope(suite, key.recipient, most + b"\x00")
    assert caught.value.problem is EnvelopeProblem.TOO_LARGE
    padded = envelope + bytes(MAX_ENVELOPE + 1 - len(envelope))
    assert problem(key, padded) is EnvelopeProblem.TOO_LARGE


@pytest.mark.parametrize(
    "octets", [b"", b"\x89", b"%PDF-1.7", b"\x00" * 99, b"{}", b"\x89PNG\r\n\x1a\n" + bytes(2000)]
)
def test_other_files_are_no_envelopes(octets: bytes) -> None:
    for suite in SUITES:
        assert problem(key_of(suite), octets) in {
            EnvelopeProblem.NOT_AN_ENVELOPE,
            EnvelopeProblem.TRUNCATED,
        }


@EACH
@pytest.mark.parametrize("kind", [None, TYPE])
def test_a_flipped_bit_is_refused_wherever_it_is(suite: EnvelopeSuite, kind: str | None) -> None:
    options = {} if kind is None else {"content_type_oid": kind}
    key = key_of(suite)
    envelope = seal_envelope(suite, key.recipient, SECRET, **options)
    found = set()
    for at in range(len(envelope)):
        # The middle is the ciphertext of the KEM: one bit of each octet there, every bit around it.
        for bit in (at % 8,) if 150 < at < len(envelope) - 250 else range(8):
            damaged = bytearray(envelope)
            damaged[at] ^= 1 << bit
            found.add(problem(key, bytes(damaged), kind))
    assert EnvelopeProblem.DAMAGED in found
    assert EnvelopeProblem.WRONG_CONTENT not in found
    assert EnvelopeProblem.TOO_LARGE not in found


@EACH
def test_a_cut_envelope_is_refused_wherever_it_ends(suite: EnvelopeSuite) -> None:
    envelope = seal_envelope(suite, key_of(suite).recipient, SECRET)
    cuts = {problem(key_of(suite), envelope[:size]) for size in range(len(envelope))}
    assert cuts == {EnvelopeProblem.TRUNCATED}
    assert problem(key_of(suite), envelope + b"\x00") is EnvelopeProblem.MALFORMED


@EACH
def test_damage_ends_in_a_code_or_in_the_same_content(suite: EnvelopeSuite) -> None:
    key, other = key_of(suite), key_of(CMS_SUITES[0])
    seeds = [
        seal_envelope(suite, key.recipient, SECRET),
        seal_envelope(suite, key.recipient, SECRET, content_type_oid=TYPE),
        seal_envelope(CMS_SUITES[0], other.recipient, SECRET),
    ]
    mutator = Mutator(seeds, seed=9936)
    refused = 0
    for _ in range(1_500):
        octets = mutator.next()
        try:
            opened = open_envelope(key, octets)
        except EnvelopeError as error:
            refused += error.problem in EnvelopeProblem
        else:
            # BER has many forms of one message, and its unprotected attributes may be anything.
            assert opened == SECRET
    assert refused > 750


def test_random_octets_behind_each_magic_are_refused() -> None:
    source = random.Random(5083)  # noqa: S311  # inputs that can be made again, no secrets
    for suite in SUITES:
        start = seal_envelope(suite, key_of(suite).recipient, SECRET)
        for _ in range(300):
            kept = source.randrange(60)
            octets = start[:kept] + source.randbytes(source.randrange(3_000))
            problem(key_of(suite), octets)


@EACH
def test_a_refusal_tells_no_secret(suite: EnvelopeSuite) -> None:
    key = key_of(suite)
    damaged = bytearray(seal_envelope(suite, key.recipient, SECRET))
    damaged[-1] ^= 1
    with pytest.raises(EnvelopeError) as caught:
        open_envelope(key, bytes(damaged))
    assert str(caught.value) == "ENVELOPE_DAMAGED"
    assert key.ml_kem.private_bytes_raw().hex() not in repr(key)
