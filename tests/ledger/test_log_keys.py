from __future__ import annotations

import pytest

from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.log_keys import MAX_FILE, MAX_KEYS, LogSigner, LogVerifier
from kokuin.ledger.note import Note, SignatureType, VerifierKey
from kokuin.ledger.note_faults import NoteError, NoteFault
from tests.ledger.notes import C2SP, NOW, ORIGIN, log, root, signer, verifier

EPOCH_2 = "log.example/kokuin/2"


def _refusal(checker: LogVerifier, octets: bytes) -> NoteFault:
    with pytest.raises(NoteError) as refusal:
        checker.check(octets)
    return refusal.value.fault


def _with(octets: bytes, order: slice | list[int]) -> bytes:
    note = read_checkpoint(octets).note
    lines = note.signatures[order] if isinstance(order, slice) else tuple(note.signatures[at] for at in order)
    return Note(note.text, lines).encode()


def test_what_a_log_signs_its_keys_check() -> None:
    signed = verifier(log()).check(log().sign(7, root("seven"), NOW))
    assert (signed.checkpoint.size, signed.checkpoint.root) == (7, root("seven"))
    assert [line.key_id for line in signed.note.signatures] == [key.key_id for key in log().verifier_keys()]
    assert [key.kind for key in log().verifier_keys()] == [
        SignatureType.ED25519,
        SignatureType.ML_DSA_44_COSIGNATURE,
    ]


def test_a_log_of_another_program_is_checked() -> None:
    checker = LogVerifier.parse(f"{C2SP['log_ed25519']}\n{C2SP['log_ml_dsa_44']}\n")
    assert checker.check(C2SP["checkpoint"].encode()).checkpoint.size == 13
    assert checker.check(C2SP["old_checkpoint"].encode()).checkpoint.size == 7


def test_a_stripped_line_of_either_algorithm_is_refused() -> None:
    octets = log().sign(7, root("seven"), NOW)
    for kept in (slice(0, 1), slice(1, 2)):
        assert _refusal(verifier(log()), _with(octets, kept)) is NoteFault.SIGNATURE_MISSING


def test_the_order_of_the_lines_says_nothing() -> None:
    octets = log().sign(7, root("seven"), NOW)
    assert verifier(log()).check(_with(octets, [1, 0])).checkpoint == read_checkpoint(octets).checkpoint


def test_two_ed25519_lines_do_not_stand_for_ml_dsa() -> None:
    octets = log().sign(7, root("seven"), NOW)
    assert _refusal(verifier(log()), _with(octets, [0, 0])) is NoteFault.SIGNATURE_TWICE


def test_one_wrong_line_refuses_the_note_whichever_it_is() -> None:
    mine, other = log().sign(7, root("seven"), NOW), log().sign(8, root("eight"), NOW)
    for first, second in ((mine, other), (other, mine)):
        lines = (read_checkpoint(first).note.signatures[0], read_checkpoint(second).note.signatures[1])
        mixed = Note(read_checkpoint(mine).note.text, lines).encode()
        assert _refusal(verifier(log()), mixed) is NoteFault.SIGNATURE_WRONG


def test_keys_of_one_epoch_do_not_speak_for_another() -> None:
    checker = verifier(log(), log(EPOCH_2))
    assert checker.origins == (ORIGIN, EPOCH_2)
    assert checker.check(log(EPOCH_2).sign(9, root("nine"), NOW)).checkpoint.origin == EPOCH_2
    text = read_checkpoint(log(EPOCH_2).sign(9, root("nine"), NOW)).note.text
    stolen = Note(text, read_checkpoint(log().sign(9, root("nine"), NOW)).note.signatures).encode()
    assert _refusal(checker, stolen) is NoteFault.SIGNATURE_MISSING


def test_an_unknown_origin_is_named_as_such_even_with_signatures_of_its_own() -> None:
    octets = log("thief.example/1").sign(7, root("seven"), NOW)
    assert _refusal(verifier(log()), octets) is NoteFault.ORIGIN_UNKNOWN


def test_a_thiefs_key_under_the_logs_name_is_no_key_of_the_log() -> None:
    octets = log(ORIGIN, "thief").sign(7, root("seven"), NOW)
    assert _refusal(verifier(log()), octets) is NoteFault.SIGNATURE_MISSING


def test_the_key_file_lists_all_epochs_and_is_read_as_it_was_written() -> None:
    checker = verifier(log(), log(EPOCH_2))
    text = checker.encode()
    assert text.count("\n") == 4
    again = LogVerifier.parse("# keys\n\n" + text.replace("\n", "  \n") + "#")
    assert again.encode() == text
    assert again.keys(EPOCH_2) == log(EPOCH_2).verifier_keys()
    assert again.keys("nobody") == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", NoteFault.LOG_KEYS),
        ("# nothing\n", NoteFault.LOG_KEYS),
        (C2SP["log_ed25519"], NoteFault.LOG_KEYS),
        (C2SP["log_ml_dsa_44"], NoteFault.LOG_KEYS),
        (C2SP["log_ed25519"] + "\n" + C2SP["log_ed25519"], NoteFault.LOG_KEYS),
        (C2SP["witness_ed25519"] + "\n" + C2SP["witness_ml_dsa_44"], NoteFault.LOG_KEYS),
        (C2SP["log_ed25519"] + "\nrubbish", NoteFault.VKEY_FORM),
        ("#" * (MAX_FILE + 1), NoteFault.TOO_LARGE),
        ((C2SP["log_ed25519"] + "\n") * (MAX_KEYS + 1), NoteFault.TOO_LARGE),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused_by_name(text: str, fault: NoteFault) -> None:
    with pytest.raises(NoteError) as refusal:
        LogVerifier.parse(text)
    assert refusal.value.fault is fault


def test_a_second_ml_dsa_key_of_an_origin_is_refused() -> None:
    keys = (*log().verifier_keys(), log(ORIGIN, "thief").verifier_keys()[1])
    with pytest.raises(NoteError) as refusal:
        LogVerifier(keys)
    assert refusal.value.fault is NoteFault.LOG_KEYS


def test_signers_in_the_wrong_places_are_refused() -> None:
    for pair in (("ml-dsa-44", "ed25519"), ("ed25519", "ml-dsa-65"), ("ecdsa-p256-sha256", "ml-dsa-44")):
        with pytest.raises(NoteError):
            LogSigner(ORIGIN, *(signer(suite_id) for suite_id in pair))
    with pytest.raises(NoteError):
        LogSigner("an origin", signer("ed25519"), signer("ml-dsa-44"))


@pytest.mark.parametrize(
    ("size", "octets", "now_s"), [(-1, 32, NOW), (2**63, 32, NOW), (7, 31, NOW), (7, 32, 0)]
)
def test_no_log_signs_what_cannot_be(size: int, octets: int, now_s: int) -> None:
    with pytest.raises(NoteError):
        log().sign(size, bytes(octets), now_s)


def test_the_keys_of_another_program_are_the_keys_we_write() -> None:
    keys = [VerifierKey.parse(C2SP[name]) for name in ("log_ml_dsa_44", "log_ed25519")]
    assert LogVerifier(keys).encode() == f"{C2SP['log_ed25519']}\n{C2SP['log_ml_dsa_44']}\n"
