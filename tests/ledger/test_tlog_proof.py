from __future__ import annotations

import base64
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.tlog_proof import MAX_EXTRA, MAX_HASHES, MAX_PROOF, TlogProof, read_proof
from tests.ledger.notes import C2SP, NOW, log, root

if TYPE_CHECKING:
    from collections.abc import Iterator

PROOF = C2SP["proof"].encode()
LOG = LogVerifier.parse(f"{C2SP['log_ed25519']}\n{C2SP['log_ml_dsa_44']}\n")


def _fault(octets: bytes) -> NoteFault:
    with pytest.raises(NoteError) as refusal:
        read_proof(octets)
    return refusal.value.fault


def test_a_proof_of_another_program_is_read_holds_and_is_written_alike() -> None:
    proof = read_proof(PROOF)
    assert (proof.index, proof.extra) == (9, b"extra data")
    assert proof.encode() == PROOF
    checkpoint = LOG.check(proof.checkpoint_octets).checkpoint
    assert proof.holds(leaf_hash(b"leaf 9"), checkpoint)
    assert replace(proof, extra=b"").encode() == PROOF.replace(b"extra ZXh0cmEgZGF0YQ==\n", b"")


def test_the_proof_holds_for_no_other_leaf_index_size_or_path() -> None:
    proof = read_proof(PROOF)
    checkpoint = LOG.check(proof.checkpoint_octets).checkpoint
    old = LOG.check(C2SP["old_checkpoint"].encode()).checkpoint
    assert not proof.holds(leaf_hash(b"leaf 8"), checkpoint)
    assert not proof.holds(leaf_hash(b"leaf 9"), old)
    assert not proof.holds(leaf_hash(b"leaf 9"), replace(checkpoint, root=root("another")))
    assert not replace(proof, index=8).holds(leaf_hash(b"leaf 9"), checkpoint)
    assert not replace(proof, index=13).holds(leaf_hash(b"leaf 9"), checkpoint)
    assert not replace(proof, hashes=proof.hashes[:-1]).holds(leaf_hash(b"leaf 9"), checkpoint)
    assert not replace(proof, hashes=proof.hashes[::-1]).holds(leaf_hash(b"leaf 9"), checkpoint)


def test_the_proof_of_a_tree_of_one_leaf_has_no_hashes() -> None:
    leaf = leaf_hash(b"only")
    octets = TlogProof(0, (), log().sign(1, leaf, NOW)).encode()
    assert octets.startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\n")
    proof = read_proof(octets)
    assert proof.holds(leaf, read_checkpoint(proof.checkpoint_octets).checkpoint)


_HASH = base64.b64encode(bytes(32)).decode()
_CHECKPOINT = C2SP["old_checkpoint"]


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        ("", NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\nindex 1\n", NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\nindex 1\n\n", NoteFault.FORM),
        ("c2sp.org/tlog-proof@v2\nindex 1\n\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\r\nindex 1\n\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\n\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\nextra YQ==\n\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\nextra \nindex 1\n\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\nextra YR==\nindex 1\n\n" + _CHECKPOINT, NoteFault.BASE64),
        ("c2sp.org/tlog-proof@v1\nindex 1\nextra YQ==\n\n" + _CHECKPOINT, NoteFault.BASE64),
        ("c2sp.org/tlog-proof@v1\nindex 01\n\n" + _CHECKPOINT, NoteFault.CHECKPOINT_FORM),
        ("c2sp.org/tlog-proof@v1\nindex \u0661\n\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        (f"c2sp.org/tlog-proof@v1\nindex {2**63 - 1}\n\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\nindex 1\nYQ==\n\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\nindex 1\n" + f"{_HASH}\n" * 64 + "\n" + _CHECKPOINT, NoteFault.PROOF_FORM),
        ("c2sp.org/tlog-proof@v1\nindex 1\n\n" + _CHECKPOINT + "\n", NoteFault.FORM),
        ("c" * (MAX_PROOF + 1), NoteFault.TOO_LARGE),
    ],
)
def test_octets_that_are_no_proof_are_refused_by_name(octets: str, fault: NoteFault) -> None:
    assert _fault(octets.encode()) is fault


def test_what_no_proof_can_hold_is_not_written() -> None:
    checkpoint = _CHECKPOINT.encode()
    for index, hashes, octets, extra in (
        (-1, (), checkpoint, b""),
        (2**63 - 1, (), checkpoint, b""),
        (0, (bytes(31),), checkpoint, b""),
        (0, (bytes(32),) * (MAX_HASHES + 1), checkpoint, b""),
        (0, (), checkpoint, bytes(MAX_EXTRA + 1)),
        (0, (), b"", b""),
    ):
        with pytest.raises(NoteError):
            TlogProof(index, hashes, octets, extra)


@given(
    st.integers(0, 2**63 - 2),
    st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_HASHES).map(tuple),
    st.binary(max_size=100),
)
def test_every_proof_is_read_as_it_was_written(index: int, hashes: tuple[bytes, ...], extra: bytes) -> None:
    proof = TlogProof(index, hashes, _CHECKPOINT.encode(), extra)
    assert read_proof(proof.encode()) == proof


def test_no_flipped_octet_of_a_proof_passes_unless_it_is_in_what_nobody_signs() -> None:
    chance = random.Random(6)  # noqa: S311  # a repeatable choice of mutations
    unchanged = _authenticated(read_proof(PROOF))
    for at in _places():
        changed = bytearray(PROOF)
        changed[at] ^= 1 << chance.randrange(8)
        try:
            proof = read_proof(bytes(changed))
            held = proof.holds(leaf_hash(b"leaf 9"), LOG.check(proof.checkpoint_octets).checkpoint)
        except NoteError:
            continue
        # Extra data is not authenticated, and a log's reader ignores the lines of witnesses it does not know.
        assert not held or _authenticated(proof) == unchanged


def _places() -> Iterator[int]:
    """Every octet; of the long signatures, which are alike all through, one in seven."""
    start = 0
    for line in PROOF.splitlines(keepends=True):
        yield from range(start, start + len(line), 7 if len(line) > 1000 else 1)
        start += len(line)


def _authenticated(proof: TlogProof) -> tuple[object, ...]:
    note = read_checkpoint(proof.checkpoint_octets).note
    return proof.index, proof.hashes, note.text, note.signatures[:2]
