"""`tsa inspect` of what a ledger publishes: notes, checkpoints, proofs, keys, and bundles."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import schema
from kokuin.ledger.bundle_sealed import Seal, SealingSink
from kokuin.ledger.note import SignatureType, VerifierKey
from kokuin.ledger.tlog_proof import read_proof
from kokuin.trust.report import iso_time
from kokuin.verify.inspecting.bundles import inspect_bundle
from kokuin.verify.inspecting.inspection import inspect_octets
from kokuin.verify.inspecting.tree import document, faults
from kokuin.wire import oids
from pqc.envelope_suites import ENVELOPE_SUITES, KemKind
from pqc.kem import generate_kem_key
from tests.ledger import exported, issued_records
from tests.ledger.bundle_mutations import members, pack
from tests.ledger.notes import C2SP, NOW, log, verifier
from tests.verify.inspections import inspected, under, value, walk

if TYPE_CHECKING:
    from kokuin.verify.inspecting.inspection import Inspection

KEYS = [C2SP[name] for name in ("log_ed25519", "log_ml_dsa_44", "witness_ed25519", "witness_ml_dsa_44")]


def test_a_checkpoint_of_another_program_is_shown_with_its_lines_and_times() -> None:
    found = inspected(C2SP["checkpoint"].encode(), "checkpoint")
    origin, size, _root = C2SP["checkpoint"].split("\n")[:3]
    assert (value(found, "origin"), value(found, "size")) == (origin, size)
    keys = {(key.name, key.key_id.hex()): key for key in map(VerifierKey.parse, KEYS)}
    lines = under(found, "signatures", "signature")
    shown = {(line.value or "", line.children[0].value or ""): line for line in lines}
    assert shown.keys() == keys.keys()
    timed = {each: line for each, line in shown.items() if line.children[1].name == "timestamp"}
    assert {keys[each].kind for each in timed} == {
        SignatureType.ED25519_COSIGNATURE,
        SignatureType.ML_DSA_44_COSIGNATURE,
    }


def test_a_checkpoint_of_ours_tells_when_the_signature_with_a_time_was_made() -> None:
    found = inspected(log().sign(7, bytes(32), NOW), "checkpoint")
    assert value(found, "root") == bytes(32).hex()
    assert value(found, "timestamp") == iso_time(NOW * 1_000_000)


def test_a_note_that_is_no_checkpoint_is_a_note() -> None:
    note = "words\nfor people\n\n" + C2SP["checkpoint"].partition("\n\n")[2]
    found = inspected(note.encode(), "signed-note")
    assert [entry.value for entry in under(found, "text", "line")] == ["words", "for people"]


def test_a_note_that_cannot_be_read_says_why() -> None:
    found = inspect_octets(C2SP["checkpoint"].replace("\n\n", "\t\n\n", 1).encode())
    assert (found.kind, [fault.code for fault in faults(found.entries)]) == ("signed-note", ["NOTE_ENCODING"])


def test_a_proof_is_shown_with_its_leaf_and_its_checkpoint() -> None:
    theirs = inspected(C2SP["proof"].encode(), "tlog-proof")
    assert (value(theirs, "index"), value(theirs, "extra")) == ("9", b"extra data".hex())
    assert len(under(theirs, "hashes", "hash")) == len(read_proof(C2SP["proof"].encode()).hashes)
    assert value(theirs, "checkpoint", "size") == "13"
    broken = inspect_octets(C2SP["proof"].replace("index 9", "index x").encode())
    assert [fault.code for fault in faults(broken.entries)] == ["CHECKPOINT_FORM"]


def test_verifier_keys_are_shown_each_and_a_wrong_one_beside_them() -> None:
    good = C2SP["log_ed25519"]
    wrong = good.replace(good[good.index("+") + 1], "f" if good[good.index("+") + 1] != "f" else "0", 1)
    found = inspect_octets(f"# keys\n\n{good}\n{C2SP['log_ml_dsa_44']}\n{wrong}\n".encode())
    assert found.kind == "log-keys"
    first, second, third = found.entries
    assert [each.value for each in first.children[:2]] == [VerifierKey.parse(good).key_id.hex(), "0x01"]
    assert second.children[1].note == "ml-dsa-44"
    assert third.fault is not None
    assert third.fault.code == "VKEY_ID"
    assert inspected(verifier(log()).encode().encode(), "log-keys").entries[0].value == log().origin


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("inspect") / "ledger.db"
    schema.create(path)
    exported.fill(path, 40)
    exported.sign(path, [20, 40], stamped=True)
    return exported.export(path)


def bundle_found(octets: bytes) -> Inspection:
    found = inspect_bundle(io.BytesIO(octets), len(octets))
    assert found is not None
    return found


def test_a_bundle_is_shown_with_manifest_checkpoint_and_counts(bundle: bytes) -> None:
    found = bundle_found(bundle)
    assert (found.kind, found.whole) == ("ledger-bundle", True)
    verdict = exported.check(bundle)
    assert verdict.manifest is not None
    shown = {entry.name: entry.value for entry in under(found, "manifest")[0].children if entry.value}
    told = json.loads(verdict.manifest.encode())
    assert {name: str(each) for name, each in told.items() if name != "scope"} == shown
    assert value(found, "checkpoint", "size") == "40"
    counts = {entry.name: int(entry.value or "") for entry in under(found, "members")[0].children}
    assert counts["records"] == verdict.records == 40
    assert counts["stamp"] == len(verdict.stamps)
    assert counts["history"] == len(verdict.history)
    assert counts["certificates"] == len(verdict.certificates)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [("cut", "BUNDLE_TRUNCATED"), ("manifest", "MANIFEST_FORM"), ("gone", "MEMBER_MISSING")],
)
def test_a_spoiled_bundle_is_shown_as_far_as_it_goes(bundle: bytes, spoil: str, code: str) -> None:
    parts = members(bundle)
    if spoil == "cut":
        octets = bundle[: len(bundle) // 2]
    elif spoil == "manifest":
        octets = pack([(name, b"{}" if name == "manifest.json" else each) for name, each in parts])
    else:
        octets = pack([(name, each) for name, each in parts if name != "checkpoint"])
    found = bundle_found(octets)
    assert code in {fault.code for fault in faults(found.entries)}
    assert under(found, "members")
    assert not found.whole


def test_a_sealed_bundle_shows_to_whom_it_is_sealed_and_nothing_within(bundle: bytes) -> None:
    key, sink = generate_kem_key(KemKind.ML_KEM_768), io.BytesIO()
    sealing = SealingSink(sink, Seal(ENVELOPE_SUITES["ml-kem-768-cms"], key.recipient, "1.3.6.1.4.1.32473.1"))
    sealing.write(bundle)
    sealing.finish()
    found = bundle_found(sink.getvalue())
    assert (found.kind, found.whole) == ("sealed-ledger-bundle", True)
    assert value(found, "ori", "oriType") == oids.ID_ORI_KEM
    assert value(found, "oriValue", "kem") == oids.ID_ML_KEM_768
    assert value(found, "members") == "2"
    assert log().origin not in str([document(entry) for entry in found.entries])
    cut = bundle_found(sink.getvalue()[:-700])
    assert [fault.code for fault in faults(cut.entries)] == ["BUNDLE_TRUNCATED"]


def test_what_begins_as_no_bundle_is_left_to_the_other_readers() -> None:
    stream = io.BytesIO(issued_records.certificates_pem())
    assert inspect_bundle(stream, 1) is None
    assert stream.tell() == 0


def test_every_entry_of_a_bundle_has_a_json_form(bundle: bytes) -> None:
    found = bundle_found(bundle)
    assert json.loads(json.dumps(found.document()))["kind"] == "ledger-bundle"
    assert sum(1 for _ in walk(found.entries)) < 200
