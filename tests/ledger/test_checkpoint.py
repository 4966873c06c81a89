from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    read_checkpoint,
    sign_line,
    signed_message,
    verify_line,
)
from kokuin.ledger.log_keys import verifier_key
from kokuin.ledger.note import Note, SignatureLine, SignatureType, VerifierKey
from kokuin.ledger.note_faults import NoteError, NoteFault
from tests.ledger.notes import C2SP, NOW, ORIGIN, log, root, signer, verifier

ED25519, COSIGNATURE, ML_DSA_44 = SignatureType
WITNESS = "witness.example/w1"

# C2SP tlog-cosignature.
SOFA = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501  # published vectors, verbatim
# A checkpoint of Go's checksum database; its origin has spaces and is not its key's name.
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB = """go.sum database tree
6476701
mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=

— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=
"""


def _refusal(octets: bytes, *keys: VerifierKey) -> NoteFault:
    with pytest.raises(NoteError) as refusal:
        _verify(octets, keys)
    return refusal.value.fault


def _verify(octets: bytes, keys: tuple[VerifierKey, ...]) -> None:
    signed = read_checkpoint(octets)
    for key in keys:
        verify_line(key, signed)


def _key(kind: SignatureType, name: str = WITNESS) -> VerifierKey:
    return verifier_key(name, kind, signer("ml-dsa-44" if kind is ML_DSA_44 else "ed25519"))


def _line(key: VerifierKey, checkpoint: Checkpoint, now_s: int = NOW) -> SignatureLine:
    return sign_line(key, signer("ml-dsa-44" if key.kind is ML_DSA_44 else "ed25519"), checkpoint, now_s)


def _signed(checkpoint: Checkpoint, *lines: SignatureLine) -> SignedCheckpoint:
    return read_checkpoint(Note(checkpoint.text(), lines).encode())


def test_the_checkpoint_of_the_specification_is_read() -> None:
    signed = read_checkpoint(SOFA.encode())
    assert (signed.checkpoint.origin, signed.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert signed.checkpoint.text() == signed.note.text
    assert [line.key_id.hex() for line in signed.note.signatures] == ["033de0ae", "8d66cf3f"]


def test_the_message_of_a_cosignature_v1_is_the_one_of_the_specification() -> None:
    message = signed_message(_key(COSIGNATURE), read_checkpoint(SOFA.encode()).checkpoint, 1679315147)
    assert message == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_a_real_checkpoint_of_a_foreign_log_verifies_although_its_origin_is_not_its_keys_name() -> None:
    signed = read_checkpoint(SUMDB.encode())
    verified = verify_line(VerifierKey.parse(SUMDB_KEY), signed)
    assert verified is not None
    assert verified.timestamp is None
    assert signed.checkpoint.origin == "go.sum database tree"


@pytest.mark.parametrize("name", ["log_ed25519", "log_ml_dsa_44", "witness_ed25519", "witness_ml_dsa_44"])
def test_signatures_of_another_program_verify(name: str) -> None:
    key, signed = VerifierKey.parse(C2SP[name]), read_checkpoint(C2SP["checkpoint"].encode())
    verified = verify_line(key, signed)
    assert verified is not None
    assert (verified.timestamp is None) is (key.kind is ED25519)
    larger = Checkpoint(signed.checkpoint.origin, 14, signed.checkpoint.root)
    assert _refusal(Note(larger.text(), signed.note.signatures).encode(), key) is NoteFault.SIGNATURE_WRONG


def test_the_ml_dsa_message_names_signer_time_origin_and_range() -> None:
    checkpoint = Checkpoint("ab", 258, bytes(range(32)))
    assert signed_message(_key(ML_DSA_44, "xyz"), checkpoint, 1) == (
        b"subtree/v1\n\0\3xyz" + bytes(7) + b"\1" + b"\2ab" + bytes(8) + bytes(6) + b"\1\2" + bytes(range(32))
    )


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        "origin\n1\n\n",
        "\n1\n" + "A" * 43 + "=\n",
        "origin\n01\n" + "A" * 43 + "=\n",
        "origin\n+1\n" + "A" * 43 + "=\n",
        "origin\n-1\n" + "A" * 43 + "=\n",
        "origin\n1_0\n" + "A" * 43 + "=\n",
        "origin\n 1\n" + "A" * 43 + "=\n",
        "origin\n\u0661\n" + "A" * 43 + "=\n",
        f"origin\n{2**63}\n" + "A" * 43 + "=\n",
        "origin\n" + "9" * 5000 + "\n" + "A" * 43 + "=\n",
        "origin\n1\n" + "A" * 42 + "==\n",
        "origin\n1\n" + "A" * 44 + "\n",
        "origin\n1\n" + "A" * 42 + "B=\n",
        "origin\n1\n" + "A" * 43 + "=\next\n\next\n",
    ],
)
def test_a_note_that_is_no_checkpoint_is_refused_by_name(text: str) -> None:
    note = Note(text, (SignatureLine("a", bytes(4), b"s"),))
    assert _refusal(note.encode()) in {NoteFault.CHECKPOINT_FORM, NoteFault.BASE64}


@pytest.mark.parametrize(
    ("origin", "size", "octets", "extensions"),
    [
        ("", 1, 32, ()),
        ("a\nb", 1, 32, ()),
        ("a", -1, 32, ()),
        ("a", 2**63, 32, ()),
        ("a", 1, 31, ()),
        ("a", 1, 32, ("",)),
        ("a", 1, 32, ("b\n",)),
        ("a\x00", 1, 32, ()),
    ],
)
def test_what_no_checkpoint_can_hold_is_not_written(
    origin: str, size: int, octets: int, extensions: tuple[str, ...]
) -> None:
    with pytest.raises(NoteError):
        Checkpoint(origin, size, bytes(octets), extensions)


_line_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, range(32)))),
    min_size=1,
    max_size=30,
)


@given(
    _line_text,
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(_line_text, max_size=3).map(tuple),
)
def test_every_checkpoint_is_read_as_it_was_written(
    origin: str, size: int, root_: bytes, extensions: tuple[str, ...]
) -> None:
    checkpoint = Checkpoint(origin, size, root_, extensions)
    assert _signed(checkpoint, SignatureLine("a", bytes(4), b"s")).checkpoint == checkpoint


@pytest.mark.parametrize("kind", SignatureType)
def test_what_we_sign_verifies_with_its_time(kind: SignatureType) -> None:
    checkpoint = Checkpoint(ORIGIN, 7, root("seven"))
    verified = verify_line(_key(kind), _signed(checkpoint, _line(_key(kind), checkpoint)))
    assert verified is not None
    assert verified.timestamp == (None if kind is ED25519 else NOW)


@pytest.mark.parametrize("kind", SignatureType)
def test_a_line_with_the_same_name_and_another_id_is_ignored_and_so_is_the_reverse(
    kind: SignatureType,
) -> None:
    checkpoint = Checkpoint(ORIGIN, 7, root("seven"))
    line = _line(_key(kind), checkpoint)
    assert verify_line(_key(kind), _signed(checkpoint, replace(line, key_id=b"\0\0\0\0"))) is None
    assert verify_line(_key(kind), _signed(checkpoint, replace(line, name="witness.example/w2"))) is None


@pytest.mark.parametrize("kind", SignatureType)
def test_a_signature_of_another_origin_size_or_root_refuses_the_note(kind: SignatureType) -> None:
    checkpoint = Checkpoint(ORIGIN, 7, root("seven"))
    line = _line(_key(kind), checkpoint)
    for other in (
        replace(checkpoint, origin="log.example/kokuin/2"),
        replace(checkpoint, size=8),
        replace(checkpoint, root=root("another")),
    ):
        assert _refusal(_signed(other, line).octets, _key(kind)) is NoteFault.SIGNATURE_WRONG


@pytest.mark.parametrize("kind", SignatureType)
def test_a_line_twice_is_refused_even_when_both_verify(kind: SignatureType) -> None:
    checkpoint = Checkpoint(ORIGIN, 7, root("seven"))
    lines = (_line(_key(kind), checkpoint), _line(_key(kind), checkpoint, NOW + 1))
    assert _refusal(_signed(checkpoint, *lines).octets, _key(kind)) is NoteFault.SIGNATURE_TWICE


@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA_44])
def test_a_moved_time_refuses_the_note(kind: SignatureType) -> None:
    checkpoint = Checkpoint(ORIGIN, 7, root("seven"))
    line = _line(_key(kind), checkpoint)
    for timestamp, fault in (
        (NOW + 1, NoteFault.SIGNATURE_WRONG),
        (0, NoteFault.SIGNATURE_WRONG),
        (2**63, NoteFault.TIMESTAMP),
        (2**64 - 1, NoteFault.TIMESTAMP),
    ):
        moved = replace(line, signature=timestamp.to_bytes(8, "big") + line.signature[8:])
        assert _refusal(_signed(checkpoint, moved).octets, _key(kind)) is fault
    for short in (b"s", line.signature[:8], line.signature[:-1], line.signature + b"\0"):
        changed = _signed(checkpoint, replace(line, signature=short))
        assert _refusal(changed.octets, _key(kind)) is NoteFault.SIGNATURE_WRONG


@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA_44])
def test_a_cosigner_that_says_nothing_of_the_time_is_read_as_such(kind: SignatureType) -> None:
    checkpoint = Checkpoint(ORIGIN, 7, root("seven"))
    key = _key(kind)
    suite_id = "ml-dsa-44" if kind is ML_DSA_44 else "ed25519"
    signature = bytes(8) + signer(suite_id).sign(signed_message(key, checkpoint, 0))
    verified = verify_line(key, _signed(checkpoint, SignatureLine(key.name, key.key_id, signature)))
    assert verified is not None
    assert verified.timestamp == 0


@pytest.mark.parametrize("now_s", [0, -1, 2**63])
def test_nothing_is_signed_at_a_time_that_cannot_be(now_s: int) -> None:
    with pytest.raises(NoteError):
        _line(_key(ML_DSA_44), Checkpoint(ORIGIN, 7, root("seven")), now_s)


def test_an_origin_too_long_for_ml_dsa_is_not_signed_and_a_claimed_signature_is_refused() -> None:
    checkpoint = Checkpoint("o" * 256, 7, root("seven"))
    key = _key(ML_DSA_44)
    with pytest.raises(NoteError):
        _line(key, checkpoint)
    line = _line(key, Checkpoint(ORIGIN, 7, root("seven")))
    assert _refusal(_signed(checkpoint, line).octets, key) is NoteFault.NAME


def test_extension_lines_are_covered_by_ed25519_and_not_by_ml_dsa() -> None:
    checkpoint = Checkpoint(ORIGIN, 7, root("seven"))
    extended = replace(checkpoint, extensions=("more",))
    assert verify_line(_key(ML_DSA_44), _signed(extended, _line(_key(ML_DSA_44), checkpoint))) is not None
    for kind in (ED25519, COSIGNATURE):
        refused = _refusal(_signed(extended, _line(_key(kind), checkpoint)).octets, _key(kind))
        assert refused is NoteFault.SIGNATURE_WRONG


def test_every_flipped_octet_of_a_checkpoint_is_refused() -> None:
    octets = log().sign(7, root("seven"), NOW)
    checker, chance = verifier(log()), random.Random(4)  # noqa: S311  # a repeatable choice of mutations
    for at in range(len(octets)):
        changed = bytearray(octets)
        changed[at] ^= 1 << chance.randrange(8)
        with pytest.raises(NoteError):
            checker.check(bytes(changed))


def test_deleted_inserted_swapped_and_cut_octets_of_a_checkpoint_are_refused() -> None:
    octets = log().sign(7, root("seven"), NOW)
    checker, chance = verifier(log()), random.Random(5)  # noqa: S311  # a repeatable choice of mutations
    for _ in range(500):
        at, other = chance.randrange(len(octets)), chance.randrange(len(octets))
        swapped = bytearray(octets)
        swapped[at], swapped[other] = swapped[other], swapped[at]
        for changed in (
            octets[:at] + octets[at + 1 :],
            octets[:at] + bytes([chance.randrange(256)]) + octets[at:],
            octets[:at],
            bytes(swapped),
        ):
            if changed == octets:
                continue
            with pytest.raises(NoteError):
                checker.check(changed)
