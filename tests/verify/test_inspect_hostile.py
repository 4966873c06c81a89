"""`tsa inspect` of octets made to harm: a tree within bounds, no secret, nothing for the terminal."""

from __future__ import annotations

import base64
import functools
import json
import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from hypothesis import given
from hypothesis import strategies as st

from kokuin.cli.inspect import sentences
from kokuin.cli.messages import LANGUAGES
from kokuin.verify.inspecting.ber_forms import MAX_OCTETS
from kokuin.verify.inspecting.inspection import inspect_octets
from kokuin.verify.inspecting.tree import SECRET, Entry, document, faults
from kokuin.verify.inspecting.walk import MAX_DEPTH, MAX_ENTRIES
from kokuin.wire import encode, oids
from tests import peers
from tests.ledger.notes import C2SP
from tests.mutators import Mutator, parse
from tests.trust.forge import attribute, issue, order, pki
from tests.verify.inspections import inspected, under, value, walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.verify.inspecting.inspection import Inspection

ROUNDS = 300
SEED = 20_261_121
SEEDS = (
    order(certificates=pki().chain).make(),
    pki().unit.der,
    encode.sequence(encode.sequence(encode.integer(2))),
)


def shown(found: Inspection) -> str:
    """Everything that a user or a program may see of it."""
    return "\n".join([*sentences(found, "en"), json.dumps(found.document(), ensure_ascii=False)])


def deepest(entries: Sequence[Entry]) -> int:
    return max((1 + deepest(entry.children) for entry in entries), default=0)


def check(found: Inspection) -> None:
    """A tree is within its bounds, and has a JSON form and sentences that hold nothing for a terminal."""
    assert sum(1 for _ in walk(found.entries)) <= 3 * MAX_ENTRIES
    assert deepest(found.entries) <= 2 * MAX_DEPTH
    json.dumps(found.document())
    for lang in LANGUAGES:
        assert all(line.isprintable() for line in sentences(found, lang))


@given(st.binary(max_size=300))
def test_any_octets_have_a_tree(data: bytes) -> None:
    check(inspect_octets(data))
    check(inspect_octets(b"\x30" + data))


@given(st.text(max_size=300))
def test_any_text_has_a_tree(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    for head in (
        b"",
        b"{",
        b'{"a":',
        b"c2sp.org/tlog-proof@v1\n",
        b"-----BEGIN CERTIFICATE-----\n",
        b"n+00000000+",
    ):
        check(inspect_octets(head + data))
    check(inspect_octets(data + "\n\n— ".encode() + data))


def test_changed_tokens_and_certificates_have_a_tree() -> None:
    mutator = Mutator(SEEDS, SEED)
    for _ in range(ROUNDS):
        check(inspect_octets(mutator.next()))


def test_changed_foreign_files_have_a_tree() -> None:
    folder = peers.corpus()
    files = [file for kind in ("tokens", "malformed") for file in sorted((folder / kind).rglob("*.*"))]
    mutator = Mutator([file.read_bytes() for file in files], SEED)
    for _ in range(ROUNDS):
        check(inspect_octets(mutator.next()))


def test_changed_texts_of_the_ledger_have_a_tree() -> None:
    dice = random.Random(SEED)  # noqa: S311  # a seed, to see the same again
    for _ in range(ROUNDS):
        octets = bytearray(dice.choice(list(C2SP.values())).encode())
        for _ in range(dice.randrange(1, 4)):
            octets[dice.randrange(len(octets))] = dice.choice(b"\n +=A0\x1b\xff")
        check(inspect_octets(bytes(octets)))


TERMINAL = "\x1b]0;owned\x07\x9b31m\r\u202egnihton\u2028"


def test_a_name_that_holds_terminal_sequences_is_shown_with_all_of_them_escaped() -> None:
    """Attack: a certificate whose name clears the screen, or turns what follows around."""
    text = encode.utf8_string(TERMINAL)
    evil = encode.sequence(encode.set_of(encode.sequence(encode.oid("2.5.4.3"), text)))
    for octets in (
        encode.sequence(text),
        order(certificates=[encode.sequence(evil)]).make(),
        encode.sequence(encode.sequence(encode.integer(2), encode.sequence(text))),
        json.dumps({TERMINAL: TERMINAL}).encode(),
        f"{TERMINAL}\n\n— {TERMINAL} AAAA\n".encode(),
        f"-----BEGIN {TERMINAL[:3]}-----\n".encode(),
    ):
        seen = shown(inspect_octets(octets)).replace("\n", "")
        assert seen.isprintable()
    assert r"\u{1b}]0;owned\u{7}\u{9b}31m\u{d}\u{202e}gnihton\u{2028}" in shown(
        inspect_octets(encode.sequence(text))
    )


@functools.cache
def private_keys() -> list[bytes]:
    """Private keys in the forms that programs write, each with some of its secret."""
    keys = (
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(65537, 2048),
        dsa.generate_private_key(2048),
    )
    modern = (ed25519.Ed25519PrivateKey.generate(), mldsa.MLDSA65PrivateKey.generate())
    found = [
        key.private_bytes(encoding, form, NoEncryption())
        for key in keys
        for encoding in (Encoding.DER, Encoding.PEM)
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    ]
    found += [
        key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
        for key in modern
        for encoding in (Encoding.DER, Encoding.PEM)
    ]
    found += [
        keys[0].private_bytes(encoding, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        for encoding in (Encoding.DER, Encoding.PEM)
    ]
    found.append(
        keys[0].private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x"))
    )
    found.append(modern[0].private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    found.append(
        pkcs12.serialize_key_and_certificates(b"n", pki().unit.key, pki().unit.x509, None, NoEncryption())
    )
    return found


@pytest.mark.parametrize("number", range(len(private_keys())))
def test_a_private_key_is_named_and_not_shown(number: int) -> None:
    octets = private_keys()[number]
    found = inspect_octets(octets)
    assert (found.kind, found.whole) == ("private-key", False)
    assert [fault.code for fault in faults(found.entries)] == [SECRET]
    assert not [entry for entry in walk(found.entries) if entry.value or entry.size]


def test_a_private_key_within_something_else_is_not_shown() -> None:
    """Attack on whoever sends the output to somebody: a key in an unknown structure, a string, a message."""
    key = ed25519.Ed25519PrivateKey.generate()
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secret = key.private_bytes_raw()
    vessels = [
        encode.sequence(encode.integer(7), der),
        encode.sequence(encode.octet_string(der)),
        encode.sequence(encode.octet_string(encode.octet_string(der))),
        encode.sequence(encode.bit_string(der)),
        encode.sequence(encode.explicit(0, der)),
        encode.sequence(b"\xa0" + der[1:]),
        encode.sequence(encode.implicit(0, der)),
        encode.sequence(encode.octet_string(pem)),
        encode.sequence(encode.utf8_string(pem.decode())),
        order(tst_info=der).make(),
        order(content_type=oids.ID_DATA, tst_info=pem).make(),
        order(more_attributes=[attribute("1.2.3.4", encode.octet_string(der))]).make(),
        pki().unit.pem + pem,
        pem + pki().unit.pem,
        json.dumps({"key": base64.b64encode(der).decode()}).encode(),
        json.dumps({"list": [pem.decode()]}).encode(),
        json.dumps({"kty": "OKP", "d": base64.urlsafe_b64encode(secret).decode().rstrip("=")}).encode(),
        f"{base64.b64encode(der).decode()}\n\n— name AAAAAAAA\n".encode(),
    ]
    for vessel in vessels:
        found = inspect_octets(vessel)
        seen = shown(found)
        assert SECRET in {fault.code for fault in faults(found.entries)}, found
        assert secret.hex() not in seen
        assert base64.b64encode(der).decode()[24:] not in seen
        assert base64.urlsafe_b64encode(secret).decode().rstrip("=") not in seen


def test_a_signer_key_of_a_note_is_not_shown() -> None:
    found = inspect_octets(b"PRIVATE+KEY+witness.example/w1+21adcd6b+AQYKC0z+584qNIXl790ko+khHUgmDpWn\n")
    assert (found.kind, found.whole) == ("private-key", False)


def test_public_things_are_not_taken_for_private_keys() -> None:
    named = issue("The PRIVATE KEY Company", None, ()).der
    assert "PRIVATE KEY" in (value(inspected(named, "certificate"), "subject") or "")
    key = pki().unit.key.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for octets in (spki, pki().unit.der, SEEDS[0], encode.sequence(encode.integer(1), encode.integer(2))):
        assert inspect_octets(octets).kind != "private-key"
    imprint = encode.sequence(encode.sequence(encode.oid(oids.ID_DATA)), encode.octet_string(bytes(32)))
    assert inspect_octets(imprint).whole


BOMBS = {
    "deep, definite": b"\x30\x84\x00\x7f\xff\xff" * 30_000,
    "deep, indefinite": b"\x30\x80" * 100_000,
    "deep, indefinite, in a token": order(certificates=[b"\x30\x80" * 30 + b"\x00\x00" * 30]).make(),
    "wide": encode.sequence(encode.NULL * 200_000),
    "wide within strings": encode.sequence(encode.octet_string(encode.sequence(encode.NULL * 50_000)) * 20),
    "wide within a token": order(certificates=[encode.sequence(encode.NULL * 100_000)]).make(),
    "long number": encode.sequence(encode.tlv(0x02, b"\x7f" * 1_000_000)),
    "long identifier": encode.sequence(encode.tlv(0x06, b"\xff" * 1_000_000 + b"\x01")),
    "long text": encode.sequence(encode.tlv(0x1E, b"\x20\x2e" * 500_000)),
    "long name": order(
        sid=encode.sequence(encode.sequence(encode.set_of() * 100_000), encode.integer(1))
    ).make(),
    "many blocks": pki().unit.pem * 1_000,
    "many beginnings": b"-----BEGIN CERTIFICATE-----\n" * 30_000,
    "JSON, deep": b"[" * 1_000_000,
    "JSON, wide": b'{"a":[' + b"1," * 200_000 + b"1]}",
    "note, many lines": b"\n" * 100_000 + "\n\n— ".encode() * 50_000,
    "keys": (C2SP["log_ed25519"] + "\n").encode() * 20_000,
    "blank": b"\n " * 500_000,
    "hashes": b"#\n" * 400_000,
    "too large": bytes(MAX_OCTETS + 1),
    "too large, BER": b"\x30\x84\x01\x00\x00\x10" + encode.NULL * (MAX_OCTETS // 2),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_costs_most_ends_within_bounded_work_and_memory(bomb: str) -> None:
    # Quadratic work on these sizes would run into the suite's time limit.
    check(inspect_octets(BOMBS[bomb]))


def nested(depth: int) -> bytes:
    octets = encode.NULL
    for _ in range(depth):
        octets = encode.sequence(encode.octet_string(octets))
    return octets


def test_strings_within_strings_are_followed_no_deeper_than_the_tree_goes() -> None:
    found = inspect_octets(nested(3_000))
    check(found)
    assert found.kind == "asn1"
    assert "WIRE_TOO_MANY" in {fault.code for fault in faults(found.entries)}


def test_tokens_within_tokens_are_followed_no_deeper_than_the_tree_goes() -> None:
    token = order().make()
    for _ in range(30):
        info = encode.sequence(
            encode.sequence(encode.oid("1.2.840.113549.1.9.16.2.14"), encode.set_of(token))
        )
        token = _with_unsigned(order().make(), info)
    check(inspect_octets(token))


def _with_unsigned(token: bytes, attributes: bytes) -> bytes:
    """Add unsigned attributes to the one SignerInfo of a token, which stands at its end."""
    (root,) = parse(token) or []
    assert root.children
    signer = (((root.children[1].children or [])[0].children or [])[-1].children or [])[0]
    (added,) = parse(attributes) or []
    added.tag = 0xA1
    assert signer.children is not None
    signer.children.append(added)
    return root.encode()


def test_a_large_tree_does_not_need_memory_beyond_its_file() -> None:
    octets = order(certificates=[encode.sequence(encode.NULL * 30_000)]).make()
    tracemalloc.start()
    inspect_octets(octets)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * len(octets)


def test_a_cut_token_is_shown_up_to_the_cut() -> None:
    found = inspect_octets(SEEDS[0][:150])
    assert (found.kind, found.whole) == ("asn1", False)
    assert oids.ID_CT_TST_INFO in {entry.value for entry in walk(found.entries)}
    assert "WIRE_TRUNCATED" in {fault.code for fault in faults(found.entries)}


def test_octets_behind_an_object_are_told_of_and_the_object_is_shown() -> None:
    found = inspect_octets(pki().unit.der + b"more")
    assert (found.kind, found.whole) == ("certificate", False)
    assert found.entries[-1].fault is not None
    assert (found.entries[-1].fault.code, found.entries[-1].fault.at) == (
        "WIRE_TRAILING",
        len(pki().unit.der),
    )
    assert value(found, "tbsCertificate", "subject")


def test_one_wrong_field_is_named_with_its_offset_and_the_others_are_shown() -> None:
    token = order(gen_time=b"20260230000000Z").make()
    found = inspect_octets(token)
    (gen_time,) = under(found, "genTime")
    assert gen_time.fault is not None
    assert (gen_time.fault.code, gen_time.fault.at) == ("WIRE_BAD_VALUE", token.index(b"20260230000000Z") - 2)
    assert value(found, "eContent", "serialNumber") == "4711"
    assert under(found, "signerInfos", "SignerInfo", "signature")


def test_a_missing_field_and_one_too_many_are_named_where_they_are() -> None:
    imprint = encode.sequence(encode.sequence(encode.oid(oids.ID_DATA)), encode.octet_string(bytes(32)))
    more = inspect_octets(encode.sequence(encode.integer(1), imprint, encode.TRUE, encode.NULL))
    assert [(fault.code, fault.at) for fault in faults(more.entries)] == [("WIRE_TRAILING", 57)]
    assert value(more, "certReq") == "TRUE"
    status = encode.sequence(encode.integer(0))
    less = inspect_octets(encode.sequence(status, encode.sequence()))
    assert [(fault.code, fault.at) for fault in faults(less.entries)] == [("WIRE_UNEXPECTED", 7)]
    assert value(less, "status", "status") == "0"


def test_a_token_in_the_indefinite_form_is_shown_as_the_token_that_it_is() -> None:
    inner = SEEDS[0][4:]
    found = inspected(b"\x30\x80" + inner + b"\x00\x00", "timestamp-token")
    assert found.encoding == "BER"
    assert [document(each) for each in found.entries] == [
        document(each) for each in inspected(SEEDS[0], "timestamp-token").entries
    ]


def test_objects_in_base64_within_json_are_shown_as_what_they_are() -> None:
    facts = {
        "kind": "facts",
        "schema": 1,
        "subject": base64.b64encode(SEEDS[0]).decode(),
        "trust": {"anchors": [{"certificate": base64.b64encode(pki().root.der).decode(), "until": None}]},
        "policy": {"name": "MD5", "toml": "a = 1\n"},
    }
    found = inspected(json.dumps(facts).encode(), "facts")
    (subject,) = under(found, "subject")[:1]
    assert (subject.value, subject.size) == ("timestamp-token", len(SEEDS[0]))
    assert value(found, "eContent", "serialNumber") == "4711"
    assert value(found, "anchors", "0", "certificate") == "certificate"
    assert (value(found, "until"), value(found, "policy", "name")) == ("null", "MD5")


@pytest.mark.parametrize(
    "data",
    [b"", b"0", b"%PDF-1.7", b"words\n", b'[table]\nname = "value"\n', b"\x00" * 40, "時刻".encode("cp932")],
)
def test_what_is_nothing_known_is_said_to_be_unknown(data: bytes) -> None:
    found = inspect_octets(data)
    assert (found.kind, found.encoding, found.entries, found.whole) == ("unknown", None, (), False)
