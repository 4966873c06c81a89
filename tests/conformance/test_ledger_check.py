"""`conformance/ledger_check.py`, which shares nothing with kokuin: alone, and beside kokuin's own check."""

from __future__ import annotations

import importlib.util
import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256, sha512
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import ledger_check
from conformance.ledger_check import values
from kokuin.ledger import schema
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.checkpoint import read_checkpoint, sign_line
from kokuin.trust.report import Indication
from tests.conformance.bundle_by_hand import Entry, Hand, entries
from tests.der import tlv
from tests.ledger import exported, rfc6962
from tests.ledger.bundle_mutations import BundleMutator
from tests.ledger.notes import NOW, log, signer, verifier
from tests.service.asking import query
from tests.service.running import TSA, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.log_keys import LogVerifier

SIZE = 150
MUTATIONS = 40
"""Of each of three bundles."""

UNCOVERED = {
    "MANIFEST_FORM",
    "MANIFEST_DIFFERS",
    "RECORD_OUTSIDE",
    "RECORDS_HIDDEN",
    "CERTIFICATES_UNREADABLE",
    "SIGNER_ABSENT",
    "REVOCATION_UNREADABLE",
}
"""What only the larger checker says: of members that the checkpoint does not cover, where hints may lie."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    schema.create(path)
    exported.fill(path, SIZE + 3, batch=40)
    exported.sign(path, [20, 64, 100], cosigned=True, stamped=True)
    exported.sign(path, [SIZE], cosigned=True)
    return path


def says(bundle: bytes, logs: LogVerifier | None = None, since: bytes | None = None) -> str:
    """Return why the checker refuses, empty when it does not."""
    keys = ledger_check.read_keys((logs or verifier(log())).encode())
    kept = None if since is None else ledger_check.read_checkpoint(since, keys)
    try:
        audit = ledger_check.Audit(ledger_check.Bundle(io.BytesIO(bundle)), keys, kept)
        audit.run()
        ledger_check.check_seals(ledger_check.Bundle(io.BytesIO(bundle)), audit.seals)
    except (ledger_check.RefusedError, ledger_check.UndecidedError) as refused:
        return str(refused)
    return ""


# ---- alone ----


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that has the checker, `cryptography`, what that needs, and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copy(str(ledger_check.__file__), folder)
    for name in ("cryptography", "cffi", "_cffi_backend"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        found = Path(spec.origin)
        found = found.parent if found.name == "__init__.py" else found
        (folder / found.name).symlink_to(found)
    return folder


def run_alone(alone: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python without any installed package (-S) and without the environment's (-E)."""
    command = [sys.executable, "-S", "-E", *map(str, words)]
    return subprocess.run(command, cwd=alone, capture_output=True, text=True, check=False, timeout=100)


def test_it_verifies_a_bundle_where_kokuin_is_not_installed(
    alone: Path, ledger: Path, tmp_path: Path
) -> None:
    for package in ("kokuin", "pqc", "tsa", "eseal", "asn1crypto"):
        assert "ModuleNotFoundError" in run_alone(alone, "-c", f"import {package}").stderr
    bundle, keys, since = tmp_path / "bundle.tar", tmp_path / "log.vkey", tmp_path / "checkpoint"
    bundle.write_bytes(exported.export(ledger))
    keys.write_text(verifier(log()).encode())
    words = ("ledger_check.py", bundle, "--log-key", keys)
    done = run_alone(alone, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"PASSED: {log().origin}, size {SIZE}, ")
    assert f"complete: 0-{SIZE - 1}\n" in done.stdout
    since.write_bytes(log().sign(64, b"\x01" * 32, NOW))
    forked = run_alone(alone, *words, "--since", since)
    assert (forked.returncode, forked.stdout) == (
        1,
        "FAILED: the tree of 64 is another than in your checkpoint\n",
    )
    bundle.write_bytes(bundle.read_bytes()[:-1])
    assert run_alone(alone, *words).returncode == 1


def test_keys_that_are_older_than_the_epoch_leave_it_undecided(
    alone: Path, ledger: Path, tmp_path: Path
) -> None:
    bundle, keys = tmp_path / "bundle.tar", tmp_path / "log.vkey"
    bundle.write_bytes(exported.export(ledger))
    keys.write_text(verifier(log("log.example/kokuin/0")).encode())
    done = run_alone(alone, "ledger_check.py", bundle, "--log-key", keys)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith(f"INDETERMINATE: the checkpoint is signed by {log().origin!r}, whose keys")
    said = run_alone(alone, "ledger_check.py", "--help").stdout
    assert "2 when it cannot be known" in " ".join(said.split())


@pytest.mark.parametrize("absent", ["bundle", "keys", "since", "option"])
def test_what_cannot_begin_is_no_verdict(alone: Path, tmp_path: Path, absent: str) -> None:
    for name in {"bundle", "keys", "since"} - {absent}:
        (tmp_path / name).write_text(verifier(log()).encode())
    rest = ("--else",) if absent == "option" else ("--since", tmp_path / "since")
    done = run_alone(alone, "ledger_check.py", tmp_path / "bundle", "--log-key", tmp_path / "keys", *rest)
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" not in done.stderr


def test_it_verifies_what_tsa_exports_of_a_served_folder(alone: Path, tmp_path: Path) -> None:
    made = prepare(tmp_path / "data", "classical")
    with serving(made) as service:
        for _ in range(20):
            assert service.post(query()).status_code == 200
    root, bundle = made.folder.root, tmp_path / "bundle.tar"
    command = [str(TSA), "ledger", "export", "--dir", str(root), "-o", str(bundle)]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    words = ("ledger_check.py", bundle, "--log-key", root / "trust" / "log.vkey")
    done = run_alone(alone, *words, "--since", root / "ledger" / "log" / "checkpoint")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    (records, tokens) = map(
        int, re.findall(r"records: (\d+), (\d+) of them with their tokens", done.stdout)[0]
    )
    assert records > tokens == 20
    assert "earlier checkpoints and yours" in done.stdout


# ---- beside kokuin's own ----


@pytest.mark.parametrize(
    "scope",
    [Scope(), Scope("range", 30, 90), Scope("range", 7, 7), Scope("selection", by="tenant", value="beta")],
    ids=["all", "range", "nothing", "selection"],
)
def test_it_accepts_what_is_exported(ledger: Path, scope: Scope) -> None:
    assert says(exported.export(ledger, scope)) == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_checkers_judge_the_same_of_damaged_bundles(ledger: Path, seed: int) -> None:
    scope = (Scope(), Scope("range", 30, 90), Scope("selection", by="tenant", value="beta"))[seed - 1]
    mutator = BundleMutator(exported.export(ledger, scope), seed)
    refused = 0
    for number in range(MUTATIONS):
        mutation = mutator.next()
        ours = exported.codes(exported.check(mutation.octets)) - UNCOVERED
        if ours and ours <= {"STAMP_UNREADABLE", "STAMP_FOREIGN"}:
            continue  # the small checker looks for the digest in a stamp, and not at its other fields
        theirs = says(mutation.octets)
        assert bool(ours) == bool(theirs), (number, mutation.act, mutation.target, ours, theirs)
        refused += bool(theirs)
    assert refused > MUTATIONS // 2


def both(bundle: bytes, logs: LogVerifier | None = None) -> tuple[bool, bool]:
    """Return whether kokuin's checker and the small one accept a bundle."""
    ours = exported.check(bundle, logs)
    return ours.indication is Indication.PASSED, not says(bundle, logs)


@pytest.mark.parametrize("limit", [4096, 1, 7])
@pytest.mark.parametrize("shown", [None, [0, 3, 6, 12], [3, 4, 5, 6], [39], range(1, 40)], ids=str)
def test_both_accept_what_another_program_wrote(shown: list[int] | None, limit: int) -> None:
    hand = Hand(entries(40), shown=shown, history=(1, 2, 13, 32), stamped=(13, 40), limit=limit)
    bundle = hand.write()
    assert says(bundle) == ""
    verdict = exported.check(bundle)
    assert (verdict.indication, verdict.findings) == (Indication.PASSED, ())


def test_a_proof_of_every_earlier_checkpoint_holds() -> None:
    made = entries(33)
    for size in range(2, 34):
        assert says(Hand(made[:size], history=tuple(range(1, size))).write()) == ""


# ---- what a log that lies would sign ----


def lies() -> dict[str, Callable[[list[Entry]], list[Entry]]]:
    """Return what is done to the entries of a log before it signs them."""

    def at(index: int, **fields: object) -> Callable[[list[Entry]], list[Entry]]:
        return lambda made: [*made[:index], made[index].but(**fields), *made[index + 1 :]]

    def without_token(made: list[Entry]) -> list[Entry]:
        return [*made[:6], replace(made[6], token=None), *made[7:]]

    return {
        "out of order": at(6, at=0),
        "a serial number twice": lambda made: [*made[:6], made[5].but(at=made[6].leaf["at"]), *made[7:]],
        "another tok": at(6, tok="00" * 32),
        "another tok512": at(6, tok512="00" * 64),
        "another tst": at(6, tst="00" * 32),
        "another tst512": at(6, tst512="00" * 64),
        "no token": without_token,
        "no tok": at(6, tok=None),
        "a token of nobody": lambda made: [*made[:9], replace(made[9], token=made[8].token), *made[10:]],
        "tokens swapped": lambda made: [
            *made[:5],
            replace(made[5], token=made[6].token),
            replace(made[6], token=made[5].token),
            *made[7:],
        ],
        "no time": at(6, at="yesterday"),
    }


@pytest.mark.parametrize("lie", lies())
def test_both_refuse_what_a_lying_log_signed(lie: str) -> None:
    assert both(Hand(lies()[lie](entries(20))).write()) == (False, False)


def test_what_was_added_to_a_token_later_is_taken_away_first() -> None:
    made = entries(20)
    token = made[6].token
    assert token is not None
    # unsignedAttrs with one attribute, put at the end of the only SignerInfo; its wrappers grow by as much.
    added = tlv(0xA1, tlv(0x30, bytes.fromhex("06032a0304"), tlv(0x31, b"\x05\x00")))
    longer = with_unsigned(token, added)
    assert sha256(longer).hexdigest() != made[6].leaf["tok"]
    bundle = Hand([*made[:6], replace(made[6], token=longer), *made[7:]]).write()
    assert both(bundle) == (True, True)
    assert ledger_check.open_token(longer)[0] == token
    assert sha512(token).hexdigest() == made[6].leaf["tok512"]


def with_unsigned(token: bytes, added: bytes) -> bytes:
    """Return a token with octets at the end of its only SignerInfo, and all that enclose them longer."""
    kind, wrapped = values(values(token)[0].content)
    *body, signers = values(values(wrapped.content)[0].content)
    (signer,) = values(signers.content)
    longer = tlv(0x31, tlv(0x30, signer.content, added))
    signed_data = tlv(0x30, *(each.octets for each in body), longer)
    return tlv(0x30, kind.octets, tlv(0xA0, signed_data))


# ---- keys, signatures, earlier checkpoints ----


def test_keys_of_another_log_or_one_key_alone_prove_nothing() -> None:
    hand = Hand(entries(9))
    assert "whose keys your file lacks" in says(hand.write(), verifier(log("log.example/kokuin/2")))
    assert "wrong signature" not in says(hand.write(), verifier(log(label="thief")))
    assert "not signed by both keys" in says(hand.write(), verifier(log(label="thief")))
    note = hand.checkpoint(9)
    text, lines = note.split(b"\n\n")
    for line in lines.splitlines(keepends=True):
        alone = replace(hand, members={"checkpoint": text + b"\n\n" + line})
        assert both(alone.write()) == (False, False)
    doubled = replace(hand, members={"checkpoint": note + lines.splitlines(keepends=True)[0]})
    assert not both(doubled.write())[1]


def test_lines_of_others_are_passed_over() -> None:
    hand = Hand(entries(9))
    note = hand.checkpoint(9)
    key = log("other.example/log/1").verifier_keys()[0]
    line = sign_line(key, signer("ed25519", "other"), read_checkpoint(note).checkpoint, NOW).encode()
    assert both(replace(hand, members={"checkpoint": note + line.encode()}).write()) == (True, True)


def test_an_earlier_checkpoint_of_another_tree_is_found() -> None:
    made = entries(20)
    fork = [*made[:5], made[5].but(reason="forged"), *made[6:]]
    proof, _, _ = history_of(Hand(made, history=(12,))).partition(b"\n\n")
    lie = proof + b"\n\n" + Hand(fork).checkpoint(12)
    bundle = Hand(made, history=(12,), members={f"history/{12:020d}": lie}).write()
    assert both(bundle) == (False, False)


def history_of(hand: Hand) -> bytes:
    (name,) = (f"history/{size:020d}" for size in hand.history)
    return hand._members()[name]


def test_a_stamp_over_something_else_is_found() -> None:
    hand = Hand(entries(20), history=(12,), stamped=(12, 20))
    other = hand._members()[f"stamps/{20:020d}-0.tst"]
    lie = replace(hand, members={f"stamps/{12:020d}-0.tst": other})
    assert both(hand.write()) == (True, True)
    assert both(replace(hand, stamped=(12,) * 11).write()) == (True, True), "the eleventh is -10"
    assert both(lie.write()) == (False, False)


def test_a_kept_checkpoint_is_held_against_the_tree() -> None:
    made = entries(40)
    whole, part = Hand(made).write(), Hand(made, shown=range(30, 40), history=(21,)).write()
    for size in range(41):
        assert says(whole, since=Hand(made).checkpoint(size)) == ""
    assert says(part, since=Hand(made).checkpoint(21)) == ""
    assert says(part, since=Hand(made).checkpoint(16)) == "", "a boundary between two hashes"
    assert "does not show" in says(part, since=Hand(made).checkpoint(20))
    assert "before your checkpoint" in says(whole, since=log().sign(41, rfc6962.mth([b"x" * 32]), NOW))
    fork = [made[0].but(reason="forged"), *made[1:]]
    for bundle, size in ((whole, 17), (whole, 40), (part, 21), (part, 16)):
        assert "another than in your checkpoint" in says(bundle, since=Hand(fork).checkpoint(size))


def test_hashes_that_overlap_or_leave_a_gap_are_found() -> None:
    hand = Hand(entries(40), shown=[20, 21])
    lines = hand._members()["chunk/000000/hashes"].splitlines(keepends=True)
    for damaged in (lines[1:], lines[:-1], [*lines, lines[-1]], [lines[1], lines[0], *lines[2:]]):
        bundle = replace(hand, members={"chunk/000000/hashes": b"".join(damaged)}).write()
        assert both(bundle) == (False, False)
