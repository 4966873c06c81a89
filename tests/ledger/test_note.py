from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger.note import (
    MAX_NOTE,
    MAX_SIGNATURES,
    Note,
    SignatureLine,
    SignatureType,
    VerifierKey,
    read_note,
)
from kokuin.ledger.note_faults import NoteError, NoteFault
from tests.ledger.notes import C2SP

# C2SP signed-note, Example.
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"  # noqa: E501  # a published vector, verbatim
)
# C2SP signed-note, the first note: its text has a blank line of its own.
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"  # noqa: E501  # a published vector, verbatim
)
# golang.org/x/mod/sumdb/note, note_test.go.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
PETER_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # noqa: E501  # a published vector, verbatim
ENOCH_LINE = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"  # noqa: E501  # a published vector, verbatim


def _fault(octets: bytes) -> NoteFault:
    with pytest.raises(NoteError) as refusal:
        read_note(octets)
    return refusal.value.fault


def _vkey_fault(text: str) -> NoteFault:
    with pytest.raises(NoteError) as refusal:
        VerifierKey.parse(text)
    return refusal.value.fault


@pytest.mark.parametrize(
    ("vkey", "octets"),
    [(FOO, FOO_NOTE), (PETER, f"{GO_TEXT}\n{PETER_LINE}"), (ENOCH, f"{GO_TEXT}\n{ENOCH_LINE}")],
)
def test_published_keys_verify_their_published_notes(vkey: str, octets: str) -> None:
    key, note = VerifierKey.parse(vkey), read_note(octets.encode())
    (line,) = note.signatures
    assert key.kind is SignatureType.ED25519
    assert line.is_of(key)
    assert key.verifies(note.text.encode(), line.signature)
    assert not key.verifies(note.text.encode() + b"\n", line.signature)
    assert key.encode() == vkey
    assert note.encode() == octets.encode()


def test_the_last_blank_line_separates_so_a_text_keeps_its_own() -> None:
    note = read_note(POEM.encode())
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert [line.name for line in note.signatures] == ["quasimodo.example/salvatore"]


@pytest.mark.parametrize("name", ["log_ed25519", "log_ml_dsa_44", "witness_ed25519", "witness_ml_dsa_44"])
def test_verifier_keys_of_another_program_are_read_and_written_alike(name: str) -> None:
    assert VerifierKey.parse(C2SP[name]).encode() == C2SP[name]


def test_every_piece_and_every_mangling_of_a_verifier_key_is_refused() -> None:
    for start in range(len(PETER)):
        for end in range(start + 1, len(PETER) + 1):
            if (start, end) != (0, len(PETER)):
                _vkey_fault(PETER[start:end])
    for at, character in enumerate(PETER):
        _vkey_fault(PETER[:at] + chr(ord(character) + 1) + PETER[at + 1 :])


def _vkey(name: str, material: bytes) -> str:
    key_id = sha256(name.encode() + b"\n" + material).digest()[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(material).decode()}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
            NoteFault.BASE64,  # the published one has unused bits set
        ),
        (
            "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            NoteFault.VKEY_KIND,
        ),
        (_vkey("a", b"\x01" + bytes(33)), NoteFault.VKEY_PUBLIC),
        (_vkey("a", b"\x06" + bytes(32)), NoteFault.VKEY_PUBLIC),
        (_vkey("a", b"\x02" + bytes(32)), NoteFault.VKEY_KIND),
        (_vkey("a", b"\xff" + bytes(32)), NoteFault.VKEY_KIND),
        (_vkey("a b", b"\x01" + bytes(32)), NoteFault.NAME),
        (_vkey("a\u3000b", b"\x01" + bytes(32)), NoteFault.NAME),
        (_vkey("a" * 256, b"\x06" + bytes(1312)), NoteFault.NAME),
        (PETER.replace("c74f20a3", "C74F20A3"), NoteFault.VKEY_FORM),
        (PETER.replace("c74f20a3", "c74f20a4"), NoteFault.VKEY_ID),
        (PETER + "\n", NoteFault.VKEY_FORM),
        ("a+00000000+" + "A" * 8192, NoteFault.VKEY_FORM),
        ("a+00000000+====", NoteFault.BASE64),
    ],
)
def test_a_verifier_key_that_cannot_be_is_refused_by_name(text: str, fault: NoteFault) -> None:
    assert _vkey_fault(text) is fault


def test_the_same_key_under_another_name_or_kind_has_another_id() -> None:
    key = VerifierKey.parse(PETER)
    other_name = VerifierKey("PeterNeumann2", key.kind, key.public)
    other_kind = VerifierKey(key.name, SignatureType.ED25519_COSIGNATURE, key.public)
    assert len({key.key_id, other_name.key_id, other_kind.key_id}) == 3
    line = read_note(f"{GO_TEXT}\n{PETER_LINE}".encode()).signatures[0]
    assert line.is_of(key)
    assert not line.is_of(other_name)
    assert not line.is_of(other_kind)


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (b"", NoteFault.FORM),
        (b"\n", NoteFault.FORM),
        (GO_TEXT.encode(), NoteFault.FORM),
        ((GO_TEXT + "\n").encode(), NoteFault.FORM),
        ((GO_TEXT + "\n" + PETER_LINE[:-1]).encode(), NoteFault.FORM),
        ((GO_TEXT + "\n" + PETER_LINE + "Unexpected line.\n").encode(), NoteFault.FORM),
        ((GO_TEXT + "\n" + PETER_LINE + "\n").encode(), NoteFault.FORM),
        (("\n" + PETER_LINE).encode(), NoteFault.FORM),
        (("\x01" + GO_TEXT + "\n" + PETER_LINE).encode(), NoteFault.ENCODING),
        ((GO_TEXT + "\r\n\n" + PETER_LINE).encode(), NoteFault.ENCODING),
        (b"\xff" + (GO_TEXT + "\n" + PETER_LINE).encode(), NoteFault.ENCODING),
        (b"a\xed\xa0\x80\n\n" + PETER_LINE.encode(), NoteFault.ENCODING),
        ((GO_TEXT + "\n" + PETER_LINE.replace("—", "-")).encode(), NoteFault.FORM),
        ((GO_TEXT + "\n" + PETER_LINE.replace("— ", "—  ")).encode(), NoteFault.BASE64),
        ((GO_TEXT + "\n— Peter\u00a0Neumann x08go/Y=\n").encode(), NoteFault.NAME),
        ((GO_TEXT + "\n— Peter+Neumann x08go/Y=\n").encode(), NoteFault.NAME),
        ((GO_TEXT + "\n—  x08go/Y=\n").encode(), NoteFault.NAME),
        ((GO_TEXT + "\n— Peter\n").encode(), NoteFault.FORM),
        ((GO_TEXT + "\n— Peter x08gow==\n").encode(), NoteFault.SIGNATURE_SHORT),
        ((GO_TEXT + "\n— Peter \n").encode(), NoteFault.SIGNATURE_SHORT),
        ((GO_TEXT + "\n— Peter x08go/Y\n").encode(), NoteFault.BASE64),
        ((GO_TEXT + "\n— Peter x08go/Z=\n").encode(), NoteFault.BASE64),
        ((GO_TEXT + "\n— Peter x08go_Y=\n").encode(), NoteFault.BASE64),
        ((GO_TEXT + "\n" + PETER_LINE * (MAX_SIGNATURES + 1)).encode(), NoteFault.TOO_LARGE),
        (b"a" * MAX_NOTE + ("\n\n" + PETER_LINE).encode(), NoteFault.TOO_LARGE),
    ],
)
def test_octets_that_are_no_note_are_refused_by_name(octets: bytes, fault: NoteFault) -> None:
    assert _fault(octets) is fault


def test_sixteen_signatures_of_the_largest_kind_are_read() -> None:
    lines = tuple(SignatureLine(f"w{number}", bytes(4), bytes(5000)) for number in range(16))
    note = Note("text\n", lines)
    assert read_note(note.encode()) == note


def test_what_no_note_can_hold_is_not_written() -> None:
    line = SignatureLine("a", bytes(4), b"s")
    for text in ("", "abc", "a\tb\n", "\ud800\n"):
        with pytest.raises(NoteError):
            Note(text, (line,))
    for arguments in (
        ("", bytes(4), b"s"),
        ("a", bytes(3), b"s"),
        ("a", bytes(4), b""),
        ("\ud800", bytes(4), b"s"),
    ):
        with pytest.raises(NoteError):
            SignatureLine(*arguments)
    with pytest.raises(NoteError):
        Note("a\n", ())
    with pytest.raises(NoteError):
        Note("a\n", (line,) * (MAX_SIGNATURES + 1))
    with pytest.raises(NoteError):
        Note("a" * MAX_NOTE + "\n", (line,)).encode()


def test_a_new_signature_of_a_key_takes_the_place_of_its_old_one() -> None:
    old, other = SignatureLine("a", bytes(4), b"old"), SignatureLine("a", b"\1\0\0\0", b"other")
    new = SignatureLine("a", bytes(4), b"new")
    assert Note("t\n", (old, other)).with_lines([new]).signatures == (new, other)


def test_a_refusal_does_not_repeat_what_would_move_a_terminals_cursor() -> None:
    with pytest.raises(NoteError) as refusal:
        SignatureLine("evil\u009b2J\u202e name", bytes(4), b"s")
    assert str(refusal.value) == r"NOTE_NAME: 'evil\x9b2J\u202e name'"


_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, range(32)))), max_size=30
)
_texts = st.lists(_text, min_size=1, max_size=5).map(lambda lines: "\n".join(lines) + "\n")
_names = st.text(
    st.characters(exclude_categories=["Cs", "Z", "Cc"], exclude_characters="+"), min_size=1, max_size=20
)
_lines = st.builds(
    SignatureLine, _names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)
)


@given(_texts, st.lists(_lines, min_size=1, max_size=4).map(tuple))
def test_every_note_is_read_as_it_was_written(text: str, lines: tuple[SignatureLine, ...]) -> None:
    note = Note(text, lines)
    assert read_note(note.encode()) == note


@given(st.one_of(st.binary(max_size=200), st.text("— \nab+/=\u3000\x00AB", max_size=60).map(str.encode)))
def test_whatever_octets_come_a_note_or_a_coded_refusal(octets: bytes) -> None:
    try:
        note = read_note(octets)
    except NoteError:
        return
    assert note.encode() == octets
