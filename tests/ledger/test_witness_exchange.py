from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger.checkpoint import Checkpoint, read_checkpoint, sign_line, signed_message
from kokuin.ledger.log_keys import verifier_key
from kokuin.ledger.note import SignatureLine, SignatureType, VerifierKey
from kokuin.ledger.witness_exchange import (
    MAX_ANSWER,
    SIZE_TYPE,
    Conflict,
    Cosigned,
    Refused,
    WitnessRefusal,
    read_answer,
    read_request,
    request_body,
)
from tests.ledger.notes import C2SP, NOW, ORIGIN, root, signer, verifier
from tests.ledger.notes import log as log_of
from tests.ledger.rfc6962 import mth, proof
from tests.ledger.witnessing import LEAVES, MemoryStore, request, signed, witness_of

OFFERED = read_checkpoint(signed(13))
TEXT = "text/plain; charset=utf-8"
KEYS = witness_of(MemoryStore()).verifier_keys()

# C2SP tlog-witness, add-checkpoint.
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""  # noqa: E501  # a published vector, verbatim
EXAMPLE_ANSWER = """— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
— witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
"""  # noqa: E501  # a published vector, verbatim


def _answer() -> bytes:
    witness = witness_of(MemoryStore())
    return witness.add_checkpoint(request(0, 13), NOW).body


def _read(body: bytes, status: int = 200, content_type: str = TEXT) -> Cosigned | Conflict | Refused:
    return read_answer(status, content_type, body, OFFERED, KEYS)


def test_the_request_of_the_specification_is_read_and_written_alike() -> None:
    asked = read_request(EXAMPLE.encode())
    assert (asked.old_size, len(asked.proof), asked.signed.checkpoint.size) == (20852014, 4, 20852163)
    assert request_body(asked.old_size, asked.proof, asked.signed.octets) == EXAMPLE.encode()


def test_the_answer_of_the_specification_is_read_and_nobody_in_it_is_trusted() -> None:
    offered = read_request(EXAMPLE.encode()).signed
    assert read_answer(200, TEXT, EXAMPLE_ANSWER.encode(), offered, KEYS) == Refused(
        WitnessRefusal.ANSWER_UNSIGNED
    )


def test_verified_lines_of_trusted_witnesses_join_the_checkpoint() -> None:
    answer = _read(_answer())
    assert isinstance(answer, Cosigned)
    assert [found.key for found in answer.signed] == list(KEYS)
    assert {found.timestamp for found in answer.signed} == {NOW}
    octets = OFFERED.note.with_lines(answer.lines).encode()
    assert len(verifier(log_of()).check(octets).note.signatures) == 4


def test_a_witness_of_another_program_is_taken() -> None:
    keys = [VerifierKey.parse(C2SP[name]) for name in ("witness_ed25519", "witness_ml_dsa_44")]
    text, _blank, lines = C2SP["checkpoint"].partition("\n\n")
    log_lines, witness_lines = lines.splitlines(keepends=True)[:2], lines.splitlines(keepends=True)[2:]
    offered = read_checkpoint(f"{text}\n\n{''.join(log_lines)}".encode())
    answer = read_answer(200, TEXT, "".join(witness_lines).encode(), offered, keys)
    assert isinstance(answer, Cosigned)
    assert offered.note.with_lines(answer.lines).encode() == C2SP["checkpoint"].encode()


def test_lines_of_strangers_are_left_out() -> None:
    stranger = SignatureLine("stranger.example", bytes(4), b"stranger")
    answer = _read(stranger.encode().encode() + _answer() + stranger.encode().encode())
    assert isinstance(answer, Cosigned)
    assert {line.name for line in answer.lines} == {KEYS[0].name}


def test_a_witness_cannot_replace_the_logs_own_lines() -> None:
    line = replace(OFFERED.note.signatures[0], signature=bytes(64))
    answer = _read(line.encode().encode() + _answer())
    assert isinstance(answer, Cosigned)
    verifier(log_of()).check(OFFERED.note.with_lines(answer.lines).encode())


def test_a_cosignature_of_another_checkpoint_or_without_a_time_is_not_taken() -> None:
    witness = witness_of(MemoryStore())
    assert _read(witness.add_checkpoint(request(0, 12), NOW).body) == Refused(WitnessRefusal.ANSWER_WRONG)
    untimed = bytes(8) + signer("ml-dsa-44", "witness").sign(signed_message(KEYS[0], OFFERED.checkpoint, 0))
    line = SignatureLine(KEYS[0].name, KEYS[0].key_id, untimed)
    assert _read(line.encode().encode()) == Refused(WitnessRefusal.ANSWER_WRONG)
    assert _read(_answer() + _answer()) == Refused(WitnessRefusal.ANSWER_WRONG)


def test_a_cosignature_of_another_origin_is_not_taken() -> None:
    key = verifier_key(KEYS[1].name, SignatureType.ED25519_COSIGNATURE, signer("ed25519", "witness"))
    line = sign_line(key, signer("ed25519", "witness"), Checkpoint("other/1", 13, mth(LEAVES[:13])), NOW)
    assert _read(line.encode().encode()) == Refused(WitnessRefusal.ANSWER_WRONG)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"200\n",
        b"\xff\n",
        _answer()[:-1],
        _answer() + b"\n",
        b"\xe2\x80\x94 a b\n",
        bytes(MAX_ANSWER + 1),
    ],
)
def test_a_200_that_is_no_answer_is_named_so(body: bytes) -> None:
    assert _read(body) == Refused(WitnessRefusal.ANSWER_MALFORMED)


@pytest.mark.parametrize(("size", "ahead"), [(0, False), (5, False), (13, False), (14, True)])
def test_a_conflict_says_from_where_to_ask_again_and_whether_the_log_was_rolled_back(
    size: int, *, ahead: bool
) -> None:
    assert _read(b"%d\n" % size, 409, SIZE_TYPE) == Conflict(size, ahead)
    assert _read(b"%d\n" % size, 409, f"{SIZE_TYPE.upper()} ; charset=utf-8") == Conflict(size, ahead)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"5\n", TEXT),
        (b"5\n", ""),
        (b"5", SIZE_TYPE),
        (b"05\n", SIZE_TYPE),
        (b"5\n\n", SIZE_TYPE),
        (b"\xff\n", SIZE_TYPE),
        (b"9" * 30 + b"\n", SIZE_TYPE),
        (b"", SIZE_TYPE),
    ],
)
def test_a_conflict_without_its_size_is_malformed(body: bytes, content_type: str) -> None:
    assert _read(body, 409, content_type) == Refused(WitnessRefusal.ANSWER_MALFORMED)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, WitnessRefusal.BAD_REQUEST),
        (403, WitnessRefusal.FORBIDDEN),
        (404, WitnessRefusal.LOG_UNKNOWN),
        (422, WitnessRefusal.INCONSISTENT),
        (201, WitnessRefusal.STATUS),
        (302, WitnessRefusal.STATUS),
        (500, WitnessRefusal.STATUS),
    ],
)
def test_every_other_status_is_a_refusal_with_a_name(status: int, code: WitnessRefusal) -> None:
    assert _read(_answer(), status) == Refused(code)


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
)
def test_every_request_is_read_as_it_was_written(old: int, hashes: list[bytes]) -> None:
    asked = read_request(request_body(old, hashes, OFFERED.octets))
    assert (asked.old_size, asked.proof, asked.signed) == (old, tuple(hashes), OFFERED)


def test_log_and_witness_agree_after_a_conflict() -> None:
    witness = witness_of(MemoryStore())
    witness.add_checkpoint(request(0, 5), NOW)
    reply = witness.add_checkpoint(request(0, 13), NOW)
    conflict = _read(reply.body, reply.status, reply.content_type)
    assert conflict == Conflict(5, ahead=False)
    reply = witness.add_checkpoint(request_body(5, proof(5, LEAVES[:13]), OFFERED.octets), NOW)
    assert isinstance(_read(reply.body, reply.status, reply.content_type), Cosigned)


def test_a_log_that_was_rolled_back_learns_it_from_its_witness() -> None:
    witness = witness_of(MemoryStore())
    witness.add_checkpoint(request(0, 20), NOW)
    reply = witness.add_checkpoint(request_body(0, [], OFFERED.octets), NOW)
    assert _read(reply.body, reply.status, reply.content_type) == Conflict(20, ahead=True)


def test_a_log_that_signed_two_roots_learns_that_its_witness_refuses_it() -> None:
    witness = witness_of(MemoryStore())
    witness.add_checkpoint(request_body(0, [], log_of(ORIGIN).sign(13, root("another"), NOW)), NOW)
    reply = witness.add_checkpoint(request(13, 13), NOW)
    assert _read(reply.body, reply.status, reply.content_type) == Refused(WitnessRefusal.INCONSISTENT)
