from __future__ import annotations

import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger.checkpoint import Checkpoint, read_checkpoint, sign_line, signed_message
from kokuin.ledger.log_keys import verifier_key
from kokuin.ledger.note import Note, SignatureLine, SignatureType, VerifierKey
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.witness_policy import (
    MAX_FILE,
    MAX_LINES,
    MAX_OF_A_KIND,
    WitnessPolicy,
    WitnessPolicyError,
    WitnessPolicyFault,
    read_policy,
)
from tests.ledger.notes import C2SP, NOW, ORIGIN, log, root, signer

COSIGNATURE, ML_DSA_44 = SignatureType.ED25519_COSIGNATURE, SignatureType.ML_DSA_44_COSIGNATURE
# Published: transparency-dev/formats, note_cosigv1_test.go.
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
# A key that signs whole notes: no cosigner's.
SIGSUM = "sigsum.org+e4ade967+AZuUY6B08pW3QVHu8uvsrxWPcAv9nykap2Nb4oxCee+r"


def _key(name: str) -> VerifierKey:
    return verifier_key(f"witness.example/{name}", COSIGNATURE, signer("ed25519", name))


_X = [_key(f"x{number}") for number in (1, 2, 3)]
_Y = [_key(f"y{number}") for number in (1, 2, 3)]

# C2SP tlog-policy, Example policy, with keys.
EXAMPLE = "".join(
    [
        f"log {C2SP['log_ml_dsa_44']}\n\n",
        *(f"witness X{number} {key.encode()}\n" for number, key in enumerate(_X, 1)),
        "group X-witnesses 2 X1 X2 X3\n\n",
        *(f"witness Y{number} {key.encode()}\n" for number, key in enumerate(_Y, 1)),
        "group Y-witnesses any Y1 Y2 Y3\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
    ]
)


def _refusal(text: str | bytes) -> tuple[WitnessPolicyFault, int]:
    with pytest.raises(WitnessPolicyError) as refusal:
        read_policy(text if isinstance(text, bytes) else text.encode())
    return refusal.value.fault, refusal.value.line


def _policy(text: str) -> WitnessPolicy:
    return read_policy(text.encode())


def _vkey(name: bytes, public: bytes, kind: int = 4) -> bytes:
    """Return a vkey whose name may be any octets."""
    material = bytes([kind]) + public
    key_id = sha256(name + b"\n" + material).digest()[:4]
    return name + b"+" + key_id.hex().encode() + b"+" + base64.b64encode(material)


def test_the_example_of_the_specification_means_what_it_says() -> None:
    policy = _policy(EXAMPLE)
    assert [entry.key.name for entry in policy.logs] == [ORIGIN]
    assert [witness.name for witness in policy.witnesses] == ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    assert policy.satisfied_by({_X[0], _X[2], _Y[1]})
    assert policy.satisfied_by({*_X, *_Y})
    assert not policy.satisfied_by({*_X})
    assert not policy.satisfied_by({_X[0], *_Y})
    assert not policy.satisfied_by(set())


@given(st.sets(st.sampled_from([*_X, *_Y])))
def test_two_of_three_and_one_of_three(keys: set[VerifierKey]) -> None:
    assert _policy(EXAMPLE).satisfied_by(keys) is (len(keys & {*_X}) >= 2 and len(keys & {*_Y}) >= 1)


def test_a_quorum_of_none_needs_nobody_and_a_single_witness_needs_that_one() -> None:
    assert _policy("quorum none").satisfied_by(set())
    single = _policy(f"witness w {REMORA} https://witness.example/\nquorum w\n")
    assert not single.satisfied_by({_X[0]})
    assert single.satisfied_by({VerifierKey.parse(REMORA)})
    assert single.witnesses[0].url == "https://witness.example/"


def test_space_tabs_comments_and_the_order_of_lines_do_not_matter() -> None:
    policy = _policy(
        "# 証人\n\t\n \tquorum \t none \t\n  #\twitness\n"
        f"witness  w\t{REMORA}\nlog {C2SP['log_ed25519']}  u\n"
    )
    assert policy.satisfied_by(set())
    assert policy.logs[0].url == "u"


def test_names_are_octets_so_a_kelvin_sign_is_no_k() -> None:
    text = f"witness K {REMORA}\nquorum K\n".encode()
    assert _refusal(text.replace(b"quorum K", "quorum \u212a".encode())) == (
        WitnessPolicyFault.NAME_UNKNOWN,
        2,
    )
    strange = read_policy(f"witness K {REMORA}\n".encode().replace(b" K ", b" \xff ") + b"quorum \xff\n")
    assert strange.satisfied_by({VerifierKey.parse(REMORA)})
    assert strange.witnesses[0].name == "\ufffd"
    assert _refusal(b"witness K " + _vkey(b"\xff", bytes(32))) == (WitnessPolicyFault.KEY, 1)


W = f"witness w {REMORA}\n"


@pytest.mark.parametrize(
    ("text", "fault", "line"),
    [
        ("", WitnessPolicyFault.QUORUM, 0),
        (W, WitnessPolicyFault.QUORUM, 0),
        ("quorum none\nquorum none\n", WitnessPolicyFault.QUORUM, 2),
        ("quorum none\r\n", WitnessPolicyFault.ENCODING, 1),
        ("# \x7f\nquorum none\n", WitnessPolicyFault.ENCODING, 1),
        ("# \x00\nquorum none\n", WitnessPolicyFault.ENCODING, 1),
        ("quorum\n", WitnessPolicyFault.FORM, 1),
        ("quorum none # nobody\n", WitnessPolicyFault.FORM, 1),
        ("quorum\u00a0none\n", WitnessPolicyFault.FORM, 1),
        ("Quorum none\n", WitnessPolicyFault.FORM, 1),
        ("log\n", WitnessPolicyFault.FORM, 1),
        ("witness w\n", WitnessPolicyFault.FORM, 1),
        (W.replace("\n", " url more\n"), WitnessPolicyFault.FORM, 1),
        (f"log {C2SP['log_ed25519']} url more\n", WitnessPolicyFault.FORM, 1),
        (W + "group g 1\n", WitnessPolicyFault.FORM, 2),
        ("quorum w\n" + W, WitnessPolicyFault.NAME_UNKNOWN, 1),
        (W + "group g any w v\n", WitnessPolicyFault.NAME_UNKNOWN, 2),
        (W + "group g any g\n", WitnessPolicyFault.NAME_UNKNOWN, 2),
        (W + "group g any none\n", WitnessPolicyFault.NAME_UNKNOWN, 2),
        (W + "group g 0 w\n", WitnessPolicyFault.THRESHOLD, 2),
        (W + "group g 2 w\n", WitnessPolicyFault.THRESHOLD, 2),
        (W + "group g 01 w\n", WitnessPolicyFault.THRESHOLD, 2),
        (W + "group g -1 w\n", WitnessPolicyFault.THRESHOLD, 2),
        (W + "group g most w\n", WitnessPolicyFault.THRESHOLD, 2),
        (W + "group w any w\n", WitnessPolicyFault.TWICE, 2),
        (W + "group none any w\n", WitnessPolicyFault.TWICE, 2),
        (W + "group g any w w\n", WitnessPolicyFault.TWICE, 2),
        (W + "group g any w\ngroup h any w\n", WitnessPolicyFault.TWICE, 3),
        (W + f"witness v {REMORA}\n", WitnessPolicyFault.TWICE, 2),
        (W + f"witness w {_X[0].encode()}\n", WitnessPolicyFault.TWICE, 2),
        (f"witness none {REMORA}\n", WitnessPolicyFault.TWICE, 1),
        (f"log {C2SP['log_ed25519']}\nlog {C2SP['log_ed25519']}\n", WitnessPolicyFault.TWICE, 2),
        (f"witness w {SIGSUM}\n", WitnessPolicyFault.KEY, 1),
        (f"log {REMORA}\n", WitnessPolicyFault.KEY, 1),
        ("log rubbish\n", WitnessPolicyFault.KEY, 1),
        ("#" * (MAX_FILE + 1), WitnessPolicyFault.TOO_LARGE, 0),
        ("\n" * MAX_LINES, WitnessPolicyFault.TOO_LARGE, 0),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_with_its_line(
    text: str, fault: WitnessPolicyFault, line: int
) -> None:
    assert _refusal(text) == (fault, line)


def test_one_public_key_under_two_names_is_one_witness() -> None:
    first = VerifierKey.parse(REMORA)
    renamed = replace(first, name="other.example")
    assert _refusal(f"witness a {first.encode()}\nwitness b {renamed.encode()}\n") == (
        WitnessPolicyFault.TWICE,
        2,
    )
    log_key = VerifierKey.parse(C2SP["log_ed25519"])
    renamed = replace(log_key, name="other.example")
    assert _refusal(f"log {log_key.encode()}\nlog {renamed.encode()}\n") == (WitnessPolicyFault.TWICE, 2)


def _many(number: int) -> bytes:
    logs = b"".join(b"log %b\n" % _vkey(b"l%d" % n, (256 + n).to_bytes(32, "big"), 1) for n in range(number))
    witnesses = b"".join(
        b"witness w%d %b\n" % (n, _vkey(b"w", (256 + n).to_bytes(32, "big"))) for n in range(number)
    )
    groups = b"".join(b"group g%d any w%d\n" % (n, n) for n in range(number))
    return logs + witnesses + groups + b"group all %d " % number


def test_as_many_logs_witnesses_and_groups_as_everybody_must_accept_are_read() -> None:
    names = b" ".join(b"g%d" % number for number in range(32))
    policy = read_policy(_many(32) + names + b"\nquorum all\n")
    assert (len(policy.logs), len(policy.witnesses)) == (32, 32)
    assert policy.satisfied_by({witness.key for witness in policy.witnesses})
    assert not policy.satisfied_by({witness.key for witness in policy.witnesses[1:]})


def test_more_than_we_read_is_refused_by_name() -> None:
    assert _refusal(_many(MAX_OF_A_KIND + 1))[0] is WitnessPolicyFault.TOO_LARGE


def _cosigned(*lines: SignatureLine) -> bytes:
    return Note(read_checkpoint(log().sign(7, root("seven"), NOW)).note.text, lines).encode()


def _line(key: VerifierKey, label: str, checkpoint: Checkpoint | None = None) -> SignatureLine:
    return sign_line(key, signer("ed25519", label), checkpoint or Checkpoint(ORIGIN, 7, root("seven")), NOW)


def test_only_verified_cosignatures_of_the_policys_witnesses_count() -> None:
    policy = _policy(EXAMPLE)
    stranger = verifier_key("witness.example/z", COSIGNATURE, signer("ed25519", "z"))
    signed = read_checkpoint(_cosigned(_line(_Y[0], "y1"), _line(stranger, "z"), _line(_X[0], "x1")))
    cosigners = policy.cosigners(signed)
    assert [(one.witness.name, one.timestamp) for one in cosigners] == [("X1", NOW), ("Y1", NOW)]
    assert not policy.satisfied_by({one.witness.key for one in cosigners})


def test_a_witness_of_another_program_is_a_cosigner_with_both_kinds() -> None:
    policy = _policy(
        f"witness a {C2SP['witness_ed25519']}\nwitness b {C2SP['witness_ml_dsa_44']}\n"
        "group g all a b\nquorum g\n"
    )
    cosigners = policy.cosigners(read_checkpoint(C2SP["checkpoint"].encode()))
    assert policy.satisfied_by({one.witness.key for one in cosigners})


def test_a_cosignature_of_another_tree_refuses_the_note() -> None:
    line = _line(_X[0], "x1", Checkpoint(ORIGIN, 7, root("another")))
    with pytest.raises(NoteError) as refusal:
        _policy(EXAMPLE).cosigners(read_checkpoint(_cosigned(line)))
    assert refusal.value.fault is NoteFault.SIGNATURE_WRONG


def test_a_cosignature_without_a_time_does_not_count() -> None:
    message = signed_message(_X[0], Checkpoint(ORIGIN, 7, root("seven")), 0)
    line = SignatureLine(_X[0].name, _X[0].key_id, bytes(8) + signer("ed25519", "x1").sign(message))
    assert _policy(EXAMPLE).cosigners(read_checkpoint(_cosigned(line))) == ()


@given(
    st.one_of(
        st.binary(max_size=100),
        st.lists(
            st.sampled_from(
                [W.encode(), b"quorum w\n", b"group g any w\n", b"quorum none\n", b"#\n", b" \t", b"x"]
            )
        ).map(b"".join),
    )
)
def test_whatever_octets_come_a_policy_or_a_coded_refusal(octets: bytes) -> None:
    try:
        policy = read_policy(octets)
    except WitnessPolicyError:
        return
    assert policy.satisfied_by({witness.key for witness in policy.witnesses})
