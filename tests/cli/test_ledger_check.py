"""What `tsa ledger check` tells an auditor of a bundle, beside the verdict itself, in either language."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from kokuin import __version__
from kokuin.cli import messages
from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from kokuin.ledger import schema
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_sealed import Seal, SealingSink
from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.plan import Append
from kokuin.ledger.published import KeptCheckpoint, keep_checkpoint
from kokuin.ledger.recoveries import RECOVERED
from kokuin.ledger.store import SqliteStore
from kokuin.service.epochs import Before, epoch_record
from pqc.envelope_suites import KemKind, envelope_suite
from pqc.kem import generate_kem_key
from tests.ledger import exported, issued_records
from tests.ledger.notes import NOW, log, verifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE, KNOWN = 60, 45
NEXT = log("log.example/kokuin/2")
LANGUAGES = pytest.mark.parametrize("lang", messages.LANGUAGES)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("told") / "ledger.db"
    schema.create(path)
    exported.fill(path, SIZE)
    exported.sign(path, [2, 20, SIZE], stamped=True)
    return path


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Check octets as a bundle with the log's keys, or others; return exit code and what was printed."""

    def run(octets: bytes, *words: str, keys: str = "") -> tuple[int, str]:
        (tmp_path / "bundle").write_bytes(octets)
        (tmp_path / "log.vkey").write_text(keys or verifier(log()).encode())
        given = ("ledger", "check", str(tmp_path / "bundle"), "--log-key", str(tmp_path / "log.vkey"))
        code = main([*given, *words])
        return code, capsys.readouterr().out

    return run


def document(told: tuple[int, str]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(told[1])
    return read


@LANGUAGES
def test_an_auditor_with_older_keys_is_told_to_get_newer_ones(
    store: Path, check: Callable[..., tuple[int, str]], lang: str
) -> None:
    older = verifier(log("log.example/kokuin/0")).encode()
    code, said = check(exported.export(store), "--lang", lang, keys=older)
    assert (code, said.partition(":")[0]) == (Exit.INDETERMINATE, "INDETERMINATE")
    (line,) = [line for line in said.splitlines() if "ORIGIN_UNKNOWN" in line]
    assert log().origin in line
    assert "log.vkey" in line


@pytest.fixture(scope="module")
def recovered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that had 45 records, lost all from 30 on, and goes on in an epoch that says so."""
    path = tmp_path_factory.mktemp("recovered") / "ledger.db"
    schema.create(path)
    exported.fill(path, 30)
    known = read_checkpoint(lost()).checkpoint
    before = Before(RECOVERED, log().origin, 30, b"b" * 32, known.origin, known.size, known.root)
    store = SqliteStore(path)
    store.commit([Append((epoch_record(2, NEXT, before),), new_epoch=2)], exported.AT + 60 * 1_000_000)
    exported.append(store, SIZE, first=31, batch=SIZE)
    kept = KeptCheckpoint(
        store.head.size, store.head.root, NEXT.sign(store.head.size, store.head.root, NOW), exported.AT
    )
    store.transact(lambda rows: keep_checkpoint(rows, kept))
    store.close()
    return path


def lost() -> bytes:
    """Return the newest checkpoint of the history that was lost."""
    return log().sign(KNOWN, b"k" * 32, NOW)


@LANGUAGES
def test_an_auditor_is_told_of_a_recovery(
    recovered: Path, check: Callable[..., tuple[int, str]], lang: str
) -> None:
    keys = verifier(log(), NEXT).encode()
    code, said = check(exported.export(recovered), "--lang", lang, keys=keys)
    assert code == Exit.PASSED
    wanted = {
        "en": "Recovered: epoch 2 begins at record 30; 45 were known.",
        "ja": "復旧: エポック2は記録30から始まります。確認されていた件数は45件です。",
    }
    assert wanted[lang] in said.splitlines()
    # For whoever keeps the text alone: what was checked, by whose word, with what.
    for octets in (exported.export(recovered), keys.encode()):
        assert hashlib.sha256(octets).hexdigest() in said
    assert f"kokuin {__version__}" in said
    told = document(check(exported.export(recovered), "--json", keys=keys))
    assert told["recovered"] == [
        {
            "epoch": 2,
            "index": 30,
            "known_origin": log().origin,
            "known_size": KNOWN,
            "known_root": (b"k" * 32).hex(),
            "since": False,
        }
    ]


@LANGUAGES
def test_whose_checkpoint_was_lost_by_a_recovery_is_told_so(
    recovered: Path, check: Callable[..., tuple[int, str]], tmp_path: Path, lang: str
) -> None:
    keys, since = verifier(log(), NEXT).encode(), tmp_path / "since"
    since.write_bytes(lost())
    words = ("--since", str(since), "--lang", lang)
    code, said = check(exported.export(recovered), *words, keys=keys)
    assert code == Exit.FAILED
    assert "SINCE_FORK" in said
    wanted = {
        "en": "is the one that a recovery names: its records from 30 on were lost.",
        "ja": "復旧の際に失われたと記されたものです。記録30以降は失われました。",
    }
    assert wanted[lang] in said
    assert document(check(exported.export(recovered), "--json", *words, keys=keys))["recovered"][0]["since"]
    # Of another root, the recovery says nothing.
    since.write_bytes(log().sign(KNOWN, b"x" * 32, NOW))
    assert wanted[lang] not in check(exported.export(recovered), *words, keys=keys)[1]


def test_a_lost_checkpoint_that_is_longer_than_the_log_is_no_reason_to_wait(
    check: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """The log will not come to it: it is said to be lost, not to be newer."""
    path = tmp_path / "ledger.db"
    schema.create(path)
    store = SqliteStore(path)
    before = Before(RECOVERED, log().origin, 0, b"b" * 32, log().origin, KNOWN, b"k" * 32)
    store.commit([Append((epoch_record(2, NEXT, before),), new_epoch=2)], exported.AT)
    kept = KeptCheckpoint(
        store.head.size, store.head.root, NEXT.sign(store.head.size, store.head.root, NOW), exported.AT
    )
    store.transact(lambda rows: keep_checkpoint(rows, kept))
    store.close()
    (tmp_path / "since").write_bytes(lost())
    words = ("--since", str(tmp_path / "since"), "--json")
    told = document(check(exported.export(path), *words, keys=verifier(log(), NEXT).encode()))
    assert [each["code"] for each in told["findings"]] == ["SINCE_FORK"]


@LANGUAGES
def test_a_failed_bundle_is_praised_for_nothing(
    store: Path, check: Callable[..., tuple[int, str]], lang: str
) -> None:
    bundle = exported.export(store)
    changed = bundle.replace(b'"reason":"number 27"', b'"reason":"number 28"')
    assert changed != bundle
    code, said = check(changed, "--lang", lang)
    assert code == Exit.FAILED
    for key in ("run", "history", "since", "stamps"):
        sentence = messages.text(lang, f"ledger.check.{key}", first=0, last=0, count=0, sizes=0)
        assert sentence[:14] not in said, key
    (line,) = [line for line in said.splitlines() if "ROOT_DIFFERS" in line]
    assert line.strip().startswith("ROOT_DIFFERS: ")
    assert "somewhere between records 20 and 59" in line
    (finding,) = document(check(changed, "--json"))["findings"]
    assert (finding["code"], finding["index"]) == ("ROOT_DIFFERS", None)


def test_one_record_is_no_records(store: Path, check: Callable[..., tuple[int, str]]) -> None:
    serial = issued_records.record(3).serial or ""
    said = check(exported.export(store, Scope("selection", by="serial", value=serial)), "--lang", "en")[1]
    assert said.startswith("PASSED: 1 record is here as it stands in the log, unchanged.")


@LANGUAGES
@pytest.mark.parametrize("octets", [b"\x30\x82\x0b\xad" * 800, b"some text\n", b"PK\x03\x04" + bytes(2000)])
def test_what_is_no_bundle_is_said_to_be_none(
    check: Callable[..., tuple[int, str]], octets: bytes, tmp_path: Path, lang: str
) -> None:
    code, said = check(octets, "--lang", lang)
    wanted = {"en": f"FAILED: {tmp_path / 'bundle'} is no export bundle", "ja": "FAILED: "}
    assert code == Exit.FAILED
    assert said.startswith(wanted[lang])
    assert "NOT_A_BUNDLE" in said
    assert [each["code"] for each in document(check(octets, "--json"))["findings"]] == ["NOT_A_BUNDLE"]


def test_a_bundle_that_is_cut_is_still_one(store: Path, check: Callable[..., tuple[int, str]]) -> None:
    bundle = exported.export(store)
    for size in (0, 1, 10, 11, 300, 512, 700):
        told = document(check(bundle[:size], "--json"))
        assert told["findings"][0]["code"] == "BUNDLE_TRUNCATED", size


def test_a_sealed_bundle_wants_a_key(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = generate_kem_key(KemKind.ML_KEM_768)
    sink = io.BytesIO()
    sealing = SealingSink(sink, Seal(envelope_suite("ml-kem-768-cms"), key.recipient, "1.2.3"))
    sealing.write(exported.export(store))
    sealing.finish()
    (tmp_path / "bundle").write_bytes(sink.getvalue())
    (tmp_path / "keys").write_text(verifier(log()).encode())
    words = ("check", str(tmp_path / "bundle"), "--log-key", str(tmp_path / "keys"), "--lang", "en")
    assert main(["ledger", *words]) == Exit.USAGE
    assert "the bundle is sealed; give --recipient-key" in capsys.readouterr().err
