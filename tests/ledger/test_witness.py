from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger.checkpoint import Checkpoint, read_checkpoint, sign_line, verify_line
from kokuin.ledger.note import Note, SignatureLine, SignatureType, VerifierKey, read_lines
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.witness import Inconsistency, Witness, WitnessReply, WitnessStateError
from kokuin.ledger.witness_exchange import MAX_REQUEST, request_body
from tests.ledger.notes import C2SP, NOW, ORIGIN, log, root, signer, verifier
from tests.ledger.rfc6962 import leaves, mth, proof
from tests.ledger.witnessing import LEAVES, NAME, MemoryStore, request, signed, witness_of

HASH = sha256(ORIGIN.encode()).hexdigest()
OTHER_VIEW = [*LEAVES[:3], sha256(b"another leaf").digest(), *LEAVES[4:]]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def witness(store: MemoryStore) -> Witness:
    return witness_of(store)


def _size(store: MemoryStore) -> int:
    return read_checkpoint(store.kept[HASH]).checkpoint.size


def _conflict(reply: WitnessReply) -> bytes:
    assert (reply.status, reply.content_type) == (409, "text/x.tlog.size")
    return reply.body


def test_a_log_that_grows_is_cosigned_with_both_kinds_and_a_time(
    witness: Witness, store: MemoryStore
) -> None:
    for old, size in ((0, 5), (5, 5), (5, 13), (13, 14), (14, 64)):
        reply = witness.add_checkpoint(request(old, size), NOW + size)
        assert reply.status == 200
        octets = signed(size) + reply.body
        cosigned = read_checkpoint(octets)
        for key in witness.verifier_keys():
            line = verify_line(key, cosigned)
            assert line is not None
            assert line.timestamp == NOW + size
        assert [key.kind for key in witness.verifier_keys()] == [
            SignatureType.ML_DSA_44_COSIGNATURE,
            SignatureType.ED25519_COSIGNATURE,
        ]
        assert _size(store) == size
    assert not store.evidence


def test_what_is_served_has_the_logs_signatures_and_the_witnesss_alone(witness: Witness) -> None:
    stray = SignatureLine("stray.example", bytes(4), b"stray")
    octets = read_checkpoint(signed(5)).note.with_lines([stray]).encode()
    reply = witness.add_checkpoint(request_body(0, [], octets), NOW)
    served = witness.checkpoint(HASH)
    assert served is not None
    note = verifier(log()).check(served).note
    assert note.signatures[2:] == read_lines(reply.body.decode())
    assert [line.name for line in note.signatures] == [ORIGIN, ORIGIN, NAME, NAME]


@pytest.mark.parametrize("name", [HASH, HASH.upper(), "../" + HASH, "", sha256(b"other").hexdigest()])
def test_nothing_is_served_before_a_cosignature_nor_under_another_name(witness: Witness, name: str) -> None:
    assert witness.checkpoint(name) is None
    witness.add_checkpoint(request(0, 5), NOW)
    assert (witness.checkpoint(name) is not None) is (name == HASH)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        signed(5),
        b"old 0\n" + signed(5),
        b"old 00\n\n" + signed(5),
        b"old -1\n\n" + signed(5),
        b"old\n\n" + signed(5),
        b"Old 0\n\n" + signed(5),
        b"old 0\r\n\n" + signed(5),
        b"old 0\nAAAA\n\n" + signed(5),
        b"old 0\n\n\n" + signed(5),
        b"old 0\n\n" + signed(5)[:-1],
        b"old 0\n\n" + b"not a checkpoint\n\n" + b"\xe2\x80\x94 a AAAAAAA=\n",
        request_body(0, [bytes(32)] * 64, signed(5)),
        request_body(6, [], signed(5)),
        b"old 0\n\n" + b"a" * (1 << 18),
    ],
)
def test_a_request_that_breaks_the_form_is_a_bad_one(
    witness: Witness, store: MemoryStore, body: bytes
) -> None:
    assert witness.add_checkpoint(body, NOW).status == 400
    assert not store.kept


@pytest.mark.parametrize(("room", "status"), [(0, 200), (1, 400)])
def test_the_longest_request_is_answered_although_the_kept_note_grows(
    witness: Witness, store: MemoryStore, room: int, status: int
) -> None:
    pair = (signer("ed25519", ORIGIN), signer("ml-dsa-44", ORIGIN))

    def body(length: int) -> bytes:
        checkpoint = Checkpoint(ORIGIN, 5, mth(LEAVES[:5]), ("x" * length,))
        lines = tuple(
            sign_line(key, one, checkpoint, NOW) for key, one in zip(log().verifier_keys(), pair, strict=True)
        )
        return request_body(0, [], Note(checkpoint.text(), lines).encode())

    longest = MAX_REQUEST - len(body(1)) + 1
    assert witness.add_checkpoint(body(longest + room), NOW).status == status
    assert (HASH in store.kept) is (status == 200)


def test_an_unknown_log_is_not_found(witness: Witness) -> None:
    octets = log("other.example/1").sign(5, mth(LEAVES[:5]), NOW)
    assert witness.add_checkpoint(request_body(0, [], octets), NOW).status == 404


def _relined(octets: bytes, lines: tuple[SignatureLine, ...]) -> bytes:
    return request_body(0, [], Note(read_checkpoint(octets).note.text, lines).encode())


def test_a_signature_that_is_missing_wrong_or_a_thiefs_is_forbidden(
    witness: Witness, store: MemoryStore
) -> None:
    lines = read_checkpoint(signed(5)).note.signatures
    others = read_checkpoint(signed(6)).note.signatures
    thief = read_checkpoint(log(ORIGIN, "thief").sign(5, mth(LEAVES[:5]), NOW)).note.signatures
    for changed in (
        lines[:1],  # the ML-DSA line stripped
        lines[1:],  # the Ed25519 line stripped
        (lines[0], others[1]),
        (others[0], lines[1]),
        thief,
        (replace(lines[0], key_id=bytes(4)), lines[1]),
        (lines[0], lines[0], lines[1]),
    ):
        assert witness.add_checkpoint(_relined(signed(5), changed), NOW).status == 403
    assert not store.kept


def test_a_stale_old_size_is_told_the_newest_one(witness: Witness, store: MemoryStore) -> None:
    assert _conflict(witness.add_checkpoint(request(3, 5), NOW)) == b"0\n"
    witness.add_checkpoint(request(0, 5), NOW)
    assert _conflict(witness.add_checkpoint(request(0, 13), NOW)) == b"5\n"
    assert _conflict(witness.add_checkpoint(request(4, 13), NOW)) == b"5\n"
    assert _conflict(witness.add_checkpoint(request(6, 13), NOW)) == b"5\n"
    assert _size(store) == 5
    assert not store.evidence


def test_a_rollback_is_never_cosigned(witness: Witness, store: MemoryStore) -> None:
    witness.add_checkpoint(request(0, 13), NOW)
    for old in range(6):
        assert _conflict(witness.add_checkpoint(request(old, 5), NOW)) == b"13\n"
    assert witness.add_checkpoint(request_body(13, [], signed(5)), NOW).status == 400
    assert _size(store) == 13


def test_a_split_view_is_refused_named_and_kept_as_evidence(witness: Witness, store: MemoryStore) -> None:
    witness.add_checkpoint(request(0, 5), NOW)
    kept = store.kept[HASH]
    body = request_body(5, [], signed(5, OTHER_VIEW))
    reply = witness.add_checkpoint(body, NOW)
    assert (reply.status, reply.finding) == (422, Inconsistency.SPLIT_VIEW)
    assert store.kept[HASH] == kept
    ((origin_hash, finding, _name),) = store.evidence
    assert (origin_hash, finding) == (HASH, Inconsistency.SPLIT_VIEW)
    (evidence,) = store.evidence.values()
    assert evidence == body + b"\n" + kept
    first, second = (verifier(log()).check(one).checkpoint for one in (signed(5, OTHER_VIEW), kept))
    assert first.size == second.size
    assert first.root != second.root


def test_a_split_view_is_found_even_under_a_stale_old_size(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 5), NOW)
    reply = witness.add_checkpoint(request_body(0, [], signed(5, OTHER_VIEW)), NOW)
    assert (reply.status, reply.finding) == (409, Inconsistency.SPLIT_VIEW)


def test_a_larger_tree_over_another_view_is_refused_and_kept(witness: Witness, store: MemoryStore) -> None:
    witness.add_checkpoint(request(0, 5), NOW)
    reply = witness.add_checkpoint(request(5, 13, OTHER_VIEW), NOW)
    assert (reply.status, reply.finding) == (422, Inconsistency.UNPROVEN)
    assert _size(store) == 5
    assert len(store.evidence) == 1


def test_evidence_is_named_by_what_the_log_signed_so_replays_do_not_fill_the_folder(
    witness: Witness, store: MemoryStore
) -> None:
    witness.add_checkpoint(request(0, 5), NOW)
    for number in range(20):
        note = read_checkpoint(signed(13)).note
        octets = note.with_lines([SignatureLine("x", bytes(4), b"%d" % number)]).encode()
        assert witness.add_checkpoint(request_body(5, [root(str(number))], octets), NOW).status == 422
    assert len(store.evidence) == 1


def test_a_proof_for_another_size_is_refused(witness: Witness, store: MemoryStore) -> None:
    witness.add_checkpoint(request(0, 5), NOW)
    right = proof(5, LEAVES[:13])
    for wrong in (
        proof(4, LEAVES[:13]),
        proof(5, LEAVES[:12]),
        right[:-1],
        [*right, bytes(32)],
        [],
        right[::-1],
    ):
        assert witness.add_checkpoint(request_body(5, wrong, signed(13)), NOW).status == 422
    assert witness.add_checkpoint(request_body(5, right, signed(13)), NOW).status == 200


def test_a_proof_from_nothing_or_to_the_same_size_must_be_empty(witness: Witness) -> None:
    reply = witness.add_checkpoint(request_body(0, [bytes(32)], signed(5)), NOW)
    assert (reply.status, reply.finding) == (422, None)
    witness.add_checkpoint(request(0, 5), NOW)
    reply = witness.add_checkpoint(request_body(5, [bytes(32)], signed(5)), NOW)
    assert (reply.status, reply.finding) == (422, None)


def test_the_empty_tree_has_one_root(witness: Witness, store: MemoryStore) -> None:
    wrong = witness.add_checkpoint(request_body(0, [], log().sign(0, root("empty"), NOW)), NOW)
    assert (wrong.status, wrong.finding) == (422, Inconsistency.EMPTY_ROOT)
    assert witness.add_checkpoint(request(0, 0), NOW).status == 200
    assert _size(store) == 0
    assert witness.add_checkpoint(request(0, 5), NOW).status == 200


def test_a_clock_set_back_does_not_date_a_newer_state_before_an_older_one(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 5), NOW)
    reply = witness.add_checkpoint(request(5, 13), NOW - 3600)
    cosigned = read_checkpoint(signed(13) + reply.body)
    assert {line.timestamp for key in witness.verifier_keys() if (line := verify_line(key, cosigned))} == {
        NOW
    }


@pytest.mark.parametrize("persisted", [False, True])
def test_a_write_that_fails_gives_no_cosignature_and_the_log_gets_one_when_it_asks_again(
    witness: Witness, store: MemoryStore, *, persisted: bool
) -> None:
    witness.add_checkpoint(request(0, 5), NOW)
    store.fail_before, store.fail_after = not persisted, persisted
    with pytest.raises(OSError, match="persisted"):
        witness.add_checkpoint(request(5, 13), NOW)
    store.fail_before = store.fail_after = False
    again = witness.add_checkpoint(request(5, 13), NOW)
    if persisted:
        assert _conflict(again) == b"13\n"
        again = witness.add_checkpoint(request(13, 13), NOW)
    assert again.status == 200
    assert _size(store) == 13


@pytest.mark.parametrize("octets", [b"", b"rubbish", signed(5), C2SP["checkpoint"].encode()])
def test_a_state_that_the_witness_did_not_write_stops_it(
    witness: Witness, store: MemoryStore, octets: bytes
) -> None:
    store.kept[HASH] = octets
    with pytest.raises(WitnessStateError):
        witness.add_checkpoint(request(5, 13), NOW)


def test_the_state_of_another_log_stops_it(store: MemoryStore) -> None:
    logs = {origin: log(origin).verifier_keys() for origin in (ORIGIN, "log.example/2")}
    witness = Witness(NAME, signer("ml-dsa-44", "witness"), signer("ed25519", "witness"), logs, store)
    other = log("log.example/2").sign(13, mth(LEAVES[:13]), NOW)
    witness.add_checkpoint(request_body(0, [], other), NOW)
    store.kept[HASH] = store.kept.pop(sha256(b"log.example/2").hexdigest())
    with pytest.raises(WitnessStateError):
        witness.add_checkpoint(request(13, 14), NOW)


def test_requests_at_once_make_one_chain_and_no_size_is_cosigned_twice_with_two_roots(
    store: MemoryStore,
) -> None:
    witness = witness_of(store)
    chance = random.Random(7)  # noqa: S311  # a repeatable choice of sizes
    views = [LEAVES, OTHER_VIEW]
    asked: list[tuple[list[bytes], int, int]] = []
    for _ in range(120):
        old, size = sorted(chance.choices(range(20), k=2))
        asked.append((chance.choice(views), old, size))
    bodies = [request(old, size, view) for view, old, size in asked]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda body: witness.add_checkpoint(body, NOW), bodies))
    roots = {
        (size, mth(view[:size]))
        for (view, _old, size), reply in zip(asked, replies, strict=True)
        if reply.status == 200
    }
    assert roots
    assert len(roots) == len({size for size, _root in roots})
    assert max(size for size, _root in roots) == _size(store)
    assert any(roots <= {(n, mth(view[:n])) for n in range(21)} for view in views)


def test_a_witness_of_a_log_of_another_program(store: MemoryStore) -> None:
    keys = [VerifierKey.parse(C2SP[name]) for name in ("log_ed25519", "log_ml_dsa_44")]
    witness = Witness(
        NAME, signer("ml-dsa-44", "witness"), signer("ed25519", "witness"), {ORIGIN: keys}, store
    )
    assert witness.add_checkpoint(b"old 0\n\n" + C2SP["old_checkpoint"].encode(), NOW).status == 200
    body = f"old 7\n{C2SP['consistency']}\n\n{C2SP['checkpoint']}".encode()
    assert witness.add_checkpoint(body, NOW).status == 200
    assert _size(store) == 13


def test_a_log_with_one_kind_of_key_needs_that_one_and_rotated_keys_stand_for_each_other(
    store: MemoryStore,
) -> None:
    ed25519 = log().verifier_keys()[0]
    retired = log(ORIGIN, "retired").verifier_keys()[0]
    witness = Witness(
        NAME,
        signer("ml-dsa-44", "witness"),
        signer("ed25519", "witness"),
        {ORIGIN: [retired, ed25519]},
        store,
    )
    only = read_checkpoint(signed(5)).note.signatures[:1]
    assert witness.add_checkpoint(_relined(signed(5), only), NOW).status == 200


def test_a_witness_that_could_trust_nobody_is_not_made(store: MemoryStore) -> None:
    cosigner = VerifierKey.parse(C2SP["witness_ed25519"])
    unusable: list[tuple[str, list[VerifierKey]]] = [
        (ORIGIN, []),
        (ORIGIN, [cosigner]),
        ("o" * 256, list(log().verifier_keys())),
    ]
    for origin, keys in unusable:
        with pytest.raises(NoteError) as refusal:
            Witness(NAME, signer("ml-dsa-44", "witness"), signer("ed25519", "witness"), {origin: keys}, store)
        assert refusal.value.fault is NoteFault.LOG_KEYS


@given(first=st.integers(0, 40), old=st.integers(0, 40), size=st.integers(0, 40), honest=st.booleans())
def test_only_a_tree_that_begins_with_the_last_one_is_ever_cosigned(
    first: int, old: int, size: int, *, honest: bool
) -> None:
    store = MemoryStore()
    witness = witness_of(store)
    witness.add_checkpoint(request(0, first), NOW)
    view = LEAVES if honest else leaves(2) + LEAVES[3:]
    old, size = sorted((old, size))
    reply = witness.add_checkpoint(request(old, size, view), NOW)
    follows = view[:first] == LEAVES[:first]
    assert (reply.status == 200) is (old == first and follows)
    assert _size(store) == (size if reply.status == 200 else first)
