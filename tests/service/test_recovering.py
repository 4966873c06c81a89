"""A recovery names what was lost and forks nothing; lost tokens come back with proofs, forged ones not."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.leaf import leaf_hash, make_leaf
from kokuin.ledger.log_keys import LogSigner
from kokuin.ledger.published import newest_checkpoint
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.ledger.store_check import check_store
from kokuin.ledger.tile_proofs import consistency_proof
from kokuin.ledger.tlog_proof import TlogProof, read_proof
from kokuin.ledger.tree import node_hash, verify_consistency
from kokuin.service import recovering
from kokuin.service.config import load_config
from kokuin.service.log_signing import open_log_signer, published_keys
from kokuin.service.recovering import RecoverError, recover
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
from tests.ledger import rfc6962
from tests.ledger.samples import check_tree, issued
from tests.service.epochs import Desked
from tests.service.recoveries import Lost, record, token
from tests.service.running import unserved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.ledger.checkpoint import Checkpoint
    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture
def lost(folder: DataFolder) -> Lost:
    return Lost(folder)


def recovered(lost: Lost) -> Desked:
    recover(lost.folder, load_config(lost.folder.root, {}))
    return Desked(lost.folder)


def reenter(desked: Desked, der: bytes, proof: bytes) -> dict[str, object]:
    words = {"token": base64.b64encode(der).decode(), "proof": base64.b64encode(proof).decode()}
    return desked.ask("ledger.reenter", **words)


def test_a_store_that_is_behind_is_not_served_and_the_remedy_is_named(lost: Lost) -> None:
    with pytest.raises(OpenRefusedError) as refused:
        Desked(lost.folder)
    assert refused.value.fault is OpenFault.BEHIND
    code, complaint = unserved(lost.folder)
    assert code == Exit.USAGE
    assert "LEDGER_ROLLED_BACK" in complaint
    assert "tsa ledger recover" in complaint


def test_a_check_of_the_folder_names_what_serve_refuses(
    lost: Lost, capsys: pytest.CaptureFixture[str]
) -> None:
    """Attack: the published log is put back too, so that it fits the store; the high-water file is not."""
    words = ["ledger", "check", "--dir", str(lost.folder.root), "--lang", "en"]
    for _ in range(2):
        assert main(words) == Exit.FAILED
        head, first, *_ = capsys.readouterr().out.splitlines()
        assert head.startswith("FAILED: ")
        assert first.startswith("  STORE_BEHIND: the store is behind ")
        if lost.folder.log.exists():
            lost.folder.log.rename(lost.folder.root / "elsewhere")


def test_the_epoch_commits_to_what_is_there_and_to_what_is_known(
    lost: Lost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", "recover", "--dir", str(lost.folder.root), "--lang", "en"]) == Exit.PASSED
    said = capsys.readouterr().out
    assert "Epoch 2" in said
    assert "witnesses must be restarted with it" in said
    desked = Desked(lost.folder)
    leaf = desked.leaves("epoch.opened")[-1]
    known = published_keys(lost.folder).check(lost.checkpoint).checkpoint
    assert (leaf["why"], leaf["epoch"], leaf["before_size"]) == ("recovered", 2, 5)
    assert (leaf["known_origin"], leaf["known_size"], leaf["known_root"]) == (
        known.origin,
        known.size,
        known.root.hex(),
    )
    assert leaf["before_origin"] == known.origin != leaf["origin"]
    assert not lost.folder.log.exists()
    evidence = list(lost.folder.ledger.parent.glob("log.before-*/checkpoint"))
    assert [path.read_bytes() for path in evidence] == [lost.checkpoint]
    assert [path.read_bytes() for path in lost.folder.ledger.parent.glob("high-water.before-*")] != []
    desked.append(issued(91))
    desked.publish()
    assert desked.shown().origin.endswith("/2")
    with LedgerReader(lost.folder.ledger) as reader:
        check_tree(reader)
        verdict = check_store(reader, published_keys(lost.folder), lost.folder.log)
    # The records of these tests have no real tokens; all else is whole, and the files are those of the store.
    assert {str(finding.code) for finding in verdict.findings} <= {"TOKEN_CHANGED", "RECORD_FORM"}, verdict
    desked.end()
    with pytest.raises(RecoverError, match="NOTHING_LOST"):
        recover(lost.folder, desked.config)


def test_no_size_gets_a_second_root_under_one_name(lost: Lost) -> None:
    desked = recovered(lost)
    desked.append(*[issued(each) for each in range(200, 210)])
    desked.publish()
    keys = published_keys(lost.folder)
    seen: dict[tuple[str, int], bytes] = {}
    with LedgerReader(lost.folder.ledger) as reader:
        notes = [row[0] for row in reader.execute("SELECT note FROM checkpoint")]
    for note in (*notes, lost.checkpoint):
        checkpoint = keys.check(note).checkpoint
        assert seen.setdefault((checkpoint.origin, checkpoint.size), checkpoint.root) == checkpoint.root
    assert {origin.rpartition("/")[2] for origin, _ in seen} == {"1", "2"}
    desked.end()


def test_an_epoch_that_the_lost_history_opened_is_not_opened_again(folder: DataFolder) -> None:
    older = folder.ledger.read_bytes()
    desked = Desked(folder)
    desked.append(issued(1))
    assert desked.ask("ledger.seal")["ok"]
    desked.append(issued(2))
    desked.publish()
    desked.end()
    folder.ledger.write_bytes(older)
    done = recover(folder, desked.config)
    assert (done.epoch, done.size) == (3, 0)
    again = Desked(folder)
    assert again.journal.head.epoch == 3
    assert again.leaves("epoch.opened")[-1]["known_origin"].endswith("/2")
    again.end()


def test_what_only_a_witness_remembers_is_enough(lost: Lost) -> None:
    config = load_config(lost.folder.root, {})
    for path in (config.ledger.high_water, lost.folder.log / "checkpoint"):
        path.unlink()
    desked = Desked(lost.folder)
    desked.end()  # nothing here knows of the loss
    done = recover(lost.folder, config, [("a witness", lost.checkpoint)])
    assert (done.known.source, done.known.size) == ("a witness", lost.size)
    with pytest.raises(RecoverError, match="NOTHING_LOST"):
        recover(lost.folder, config)


def test_nothing_is_recovered_that_is_not_lost_and_by_nobodys_word(lost: Lost, folder: DataFolder) -> None:
    config = load_config(folder.root, {})
    forged = lost.checkpoint.replace(f"\n{lost.size}\n".encode(), f"\n{lost.size + 9}\n".encode(), 1)
    for octets in (forged, b"", b"x" * 99):
        with pytest.raises(RecoverError, match="CHECKPOINT_NOT_OURS"):
            recover(folder, config, [("a stranger", octets)])
    assert (folder.log / "checkpoint").exists()
    with LedgerReader(folder.ledger) as reader:
        kept = newest_checkpoint(reader)
        assert reader.head().epoch == 1
    assert kept is not None


class PowerLossError(BaseException):
    """The process is gone; nothing is handled."""


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["make_log_keys", "commit", "log", "high-water"])
def test_a_recovery_that_breaks_off_is_taken_up(
    lost: Lost, monkeypatch: pytest.MonkeyPatch, step: str, *, done: bool
) -> None:
    owner, name = {
        "make_log_keys": (recovering, "make_log_keys"),
        "commit": (SqliteStore, "commit"),
        "log": (recovering, "set_aside"),
        "high-water": (recovering, "set_aside"),
    }[step]
    real = getattr(owner, name)

    def broken(*arguments: object, **named: object) -> object:
        if step in {"log", "high-water"} and arguments[0].name != step:  # type: ignore[attr-defined]
            return real(*arguments, **named)
        if done:
            real(*arguments, **named)
        raise PowerLossError

    config = load_config(lost.folder.root, {})
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, broken)
        with pytest.raises(PowerLossError):
            recover(lost.folder, config)
    if step == "high-water" and done:
        with pytest.raises(RecoverError, match="NOTHING_LOST"):
            recover(lost.folder, config)
    else:
        with pytest.raises(OpenRefusedError):
            Desked(lost.folder)
        recover(lost.folder, config)
    desked = Desked(lost.folder)
    assert [leaf["why"] for leaf in desked.leaves("epoch.opened")] == ["begun", "recovered"]
    assert len(list(lost.folder.ledger.parent.glob("*.before-*"))) == 2
    desked.append(issued(91))
    desked.publish()
    desked.end()


def test_a_lost_token_is_entered_again_with_its_old_place(lost: Lost) -> None:
    desked = recovered(lost)
    for der, octets in lost.tokens:
        proof = read_proof(octets)
        answer = reenter(desked, der, octets)
        assert (answer["ok"], answer["old_index"]) == (True, proof.index), answer
        with LedgerReader(lost.folder.ledger) as reader:
            stored = reader.by_index(int(str(answer["index"])))
        assert stored is not None
        assert stored.token == der
        leaf = desked.leaves("tst.reentered")[-1]
        assert leaf["old_leaf"].encode() == proof.extra
        root = bytes.fromhex(leaf["old_root"])
        assert proof.holds(leaf_hash(proof.extra), replace(published(lost), root=root))
        assert leaf["old_origin"] == published(lost).origin
        assert reenter(desked, der, octets)["code"] == "TOKEN_PRESENT"
    with LedgerReader(lost.folder.ledger) as reader:
        codes = {
            str(finding.code) for finding in check_store(reader, published_keys(lost.folder), None).findings
        }
    assert not {code for code in codes if code.startswith("TOKEN")}
    desked.end()


def published(lost: Lost) -> Checkpoint:
    return published_keys(lost.folder).check(lost.checkpoint).checkpoint


def test_a_token_that_is_in_the_ledger_is_refused(lost: Lost) -> None:
    desked = recovered(lost)
    assert reenter(desked, lost.kept, lost.kept_proof)["code"] == "TOKEN_PRESENT"
    desked.end()


def forged_by(signer: LogSigner) -> tuple[bytes, bytes]:
    """Return a forged token with a proof from a tree of two leaves that a signer vouches for."""
    forged, other = token(77), leaf_hash(b"other")
    leaf = make_leaf(record(forged), 1)
    note = signer.sign(2, node_hash(leaf_hash(leaf), other), 1_700_000_000)
    return forged, TlogProof(0, (other,), note, leaf).encode()


def test_a_thief_does_not_get_in(lost: Lost) -> None:
    """Whoever has a unit's key has no proof: not by keys of his own, not by another's proof or place."""
    desked = recovered(lost)
    origin = f"{desked.config.ledger.origin}/1"
    own = LogSigner(
        origin, *(SoftwareSigner(suite(name), generate_key(suite(name))) for name in ("ed25519", "ml-dsa-44"))
    )
    assert reenter(desked, *forged_by(own))["code"] == "PROOF_REFUSED"
    own_log = LogSigner("thief.example/log/1", *(signer for _, signer in own._signers))
    assert reenter(desked, *forged_by(own_log))["code"] == "PROOF_REFUSED"
    der, octets = lost.tokens[0]
    forged = token(78)
    assert reenter(desked, forged, octets)["code"] == "PROOF_OF_ANOTHER_TOKEN"
    proof = read_proof(octets)
    swapped = replace(proof, extra=make_leaf(record(forged), 1)).encode()
    assert reenter(desked, forged, swapped)["code"] == "PROOF_REFUSED"
    assert reenter(desked, der, replace(proof, index=proof.index + 1).encode())["code"] == "PROOF_REFUSED"
    assert reenter(desked, der, b"junk")["code"] == "PROOF_REFUSED"
    assert reenter(desked, b"junk", octets)["code"] == "TOKEN_UNREADABLE"
    assert desked.ask("ledger.reenter", token="*", proof="*")["code"] == "TOKEN_UNREADABLE"
    desked.end()


def test_a_thief_with_the_old_epochs_keys_fails_by_the_tiles_that_were_kept(lost: Lost) -> None:
    desked = recovered(lost)
    old = open_log_signer(lost.folder, desked.config, 1, None)
    forged = token(77)
    leaf = make_leaf(record(forged), 1)
    # A tree of as many leaves as was known, with the forged one last.
    with LedgerReader(lost.folder.ledger) as reader:
        hashes = reader.hashes(0, 0, 5)

    tree = [*hashes, leaf_hash(b"x"), leaf_hash(b"y"), leaf_hash(leaf)]
    note = old.sign(len(tree), rfc6962.mth(tree), 1_700_000_000)
    proof = TlogProof(7, tuple(rfc6962.path(7, tree)), note, leaf).encode()
    assert reenter(desked, forged, proof)["code"] == "PROOF_REFUSED"
    desked.end()


def test_the_new_epochs_own_proofs_and_restored_places_are_none_that_were_lost(lost: Lost) -> None:
    desked = recovered(lost)
    new = open_log_signer(lost.folder, desked.config, 2, None)
    forged = token(79)
    leaf = make_leaf(record(forged), 1)
    tree = [leaf_hash(bytes([each])) for each in range(5)] + [leaf_hash(leaf)]

    note = new.sign(6, rfc6962.mth(tree), 1_700_000_000)
    proof = TlogProof(5, tuple(rfc6962.path(5, tree)), note, leaf).encode()
    assert reenter(desked, forged, proof)["code"] == "NOT_LOST"
    desked.end()


def test_a_ledger_that_lost_nothing_takes_nothing_in_again(folder: DataFolder) -> None:
    lost = Lost(folder)
    der, octets = lost.tokens[0]
    for path in (folder.log / "checkpoint", load_config(folder.root, {}).ledger.high_water):
        path.unlink()
    desked = Desked(folder)
    assert reenter(desked, der, octets)["code"] == "NOT_LOST"
    desked.end()


def test_the_command_enters_a_token_again(
    lost: Lost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desked = recovered(lost)
    desked.end()
    files = [tmp_path / "token.tst", tmp_path / "token.tlog-proof"]
    for path, octets in zip(files, lost.tokens[0], strict=True):
        path.write_bytes(octets)
    words = ["ledger", "reenter", str(files[0]), "--proof", str(files[1]), "--dir", str(lost.folder.root)]
    assert main([*words, "--lang", "en"]) == Exit.PASSED, capsys.readouterr()
    assert "Entered again" in capsys.readouterr().out
    with LedgerReader(lost.folder.ledger) as reader:
        size = reader.size()
    assert main([*words, "--lang", "ja"]) == Exit.FAILED
    assert "TOKEN_PRESENT" in capsys.readouterr().err
    with LedgerReader(lost.folder.ledger) as reader:
        assert reader.size() == size, "a refusal leaves no record of start and stop"


def test_consistency_ends_where_records_were_lost(lost: Lost) -> None:
    desked = recovered(lost)
    desked.append(*[issued(each) for each in range(200, 210)])
    known = published(lost)
    with LedgerReader(lost.folder.ledger) as reader:
        size = reader.size()
        proof = consistency_proof(reader, known.size, size)
        assert not verify_consistency(known.size, size, known.root, reader.head().root, proof)
    desked.end()
