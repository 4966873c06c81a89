"""What an attacker may do to a bundle, and that an auditor learns of it by name."""

from __future__ import annotations

import io
import tarfile
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import bundle_check, bundle_form, bundle_plan, bundle_verdict, schema
from kokuin.ledger.bundle_check import check_bundle
from kokuin.ledger.bundle_manifest import Scope, read_manifest
from kokuin.ledger.bundle_readme import README
from kokuin.ledger.bundle_tar import BundleError, TarReader
from kokuin.ledger.bundle_verdict import UNAUTHENTICATED
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.serials import SerialWatch
from kokuin.trust.report import Indication
from tests.ledger import exported, issued_records
from tests.ledger.bundle_mutations import assault, bundles, flip_octets, items, members, pack
from tests.ledger.exported import check, codes, export
from tests.ledger.notes import NOW, log, verifier

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 60


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attacked") / "ledger.db"
    schema.create(path)
    exported.fill(path, SIZE)
    exported.sign(path, [2, 20, SIZE], cosigned=True, stamped=True)
    return path


def changed(bundle: bytes, **octets: bytes | None) -> bytes:
    """Return the bundle with members replaced, or left out; `_` stands for what names cannot hold."""
    wanted = {
        name.replace("__", "/").replace("_pem", ".pem").replace("_json", ".json"): new
        for name, new in octets.items()
    }
    parts = [(name, wanted.get(name, old)) for name, old in members(bundle)]
    assert set(wanted) <= {name for name, _ in parts}
    return pack([(name, new) for name, new in parts if new is not None])


def part(bundle: bytes, name: str) -> bytes:
    return dict(members(bundle))[name]


def test_a_flipped_octet_is_refused_or_of_a_member_that_nothing_vouches_for(ledger: Path) -> None:
    """One octet in eleven here; `make fuzz` flips every one."""
    bundle = export(ledger, size=2)
    passed = flip_octets(bundle, range(3, len(bundle), 11))
    # Of the checkpoint only lines of witnesses that no policy names.
    assert {name for name in passed if not name.startswith(UNAUTHENTICATED)} <= {"checkpoint"}


def test_mutations_of_ten_thousand_records_are_named(tmp_path: Path) -> None:
    """The full volume is `make fuzz`."""
    path = tmp_path / "ledger.db"
    schema.create(path)
    for number, bundle in enumerate(bundles(path)):
        assert not assault(bundle, number, 4 - number)


@pytest.mark.parametrize("records", [1, 16])
def test_mutations_of_bundles_of_many_chunks_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    monkeypatch.setattr(bundle_plan, "CHUNK_RECORDS", records)
    path = tmp_path / "ledger.db"
    schema.create(path)
    for number, bundle in enumerate(bundles(path, 50)):
        assert not assault(bundle, number, 50)


def test_a_thiefs_own_bundle_does_not_help_him(ledger: Path) -> None:
    thief = verifier(log("log.example/kokuin/1", "thief"))
    verdict = check(export(ledger), thief)
    assert (verdict.indication, codes(verdict)) == (Indication.FAILED, {"CHECKPOINT_REFUSED"})
    assert verdict.checkpoint is None
    assert verdict.records == 0


def test_a_log_whose_keys_the_auditor_lacks_is_accused_of_nothing(ledger: Path) -> None:
    """After a seal or a recovery the log signs under another origin; an older `log.vkey` lacks its keys."""
    elsewhere = log("log.example/kokuin/2")
    verdict = check(export(ledger), verifier(elsewhere))
    assert (verdict.indication, codes(verdict)) == (Indication.INDETERMINATE, {"ORIGIN_UNKNOWN"})
    assert verdict.findings[0].detail == log().origin
    assert (verdict.checkpoint, verdict.records, verdict.complete) == (None, 0, False)
    # Attack: the name is changed so that nobody looks at the signatures: it does not pass.
    renamed = part(export(ledger), "checkpoint").replace(b"kokuin/1\n", b"kokuin/3\n", 1)
    assert codes(check(changed(export(ledger), checkpoint=renamed))) == {"ORIGIN_UNKNOWN"}


def test_an_earlier_checkpoint_of_an_unknown_origin_and_its_stamp_are_left_open(ledger: Path) -> None:
    bundle, name = export(ledger), f"history/{20:020}"
    renamed = part(bundle, name).replace(b"kokuin/1\n", b"kokuin/0\n", 1)
    verdict = check(changed(bundle, **{name: renamed}))
    assert (verdict.indication, codes(verdict)) == (Indication.INDETERMINATE, {"ORIGIN_UNKNOWN"})
    assert [stamp.size for stamp in verdict.stamps] == [2, SIZE]


def test_a_thiefs_checkpoint_over_his_records_is_refused(ledger: Path) -> None:
    bundle = export(ledger)
    forged = log("log.example/kokuin/1", "thief").sign(SIZE, sha256(b"x").digest(), NOW)
    assert codes(check(changed(bundle, checkpoint=forged))) == {"CHECKPOINT_REFUSED"}


def test_a_checkpoint_without_one_of_the_two_signatures_is_refused(ledger: Path) -> None:
    bundle = export(ledger)
    lines = part(bundle, "checkpoint").splitlines(keepends=True)
    for line in (4, 5):
        stripped = b"".join(lines[:line] + lines[line + 1 :])
        assert codes(check(changed(bundle, checkpoint=stripped))) == {"CHECKPOINT_REFUSED"}


def test_a_record_replaced_by_its_hash_is_said_to_be_hidden(ledger: Path) -> None:
    bundle = export(ledger)
    lines = part(bundle, "chunk/000000/records").splitlines(keepends=True)
    tokens = items("tokens", part(bundle, "chunk/000000/tokens"))
    leaf = lines.pop(3).removeprefix(b"3 ").removesuffix(b"\n")
    del tokens[3]
    hidden = changed(
        bundle,
        chunk__000000__records=b"".join(lines),
        chunk__000000__tokens=b"".join(tokens),
        chunk__000000__hashes=f"3 0 {leaf_hash(leaf).hex()}\n".encode(),
    )
    verdict = check(hidden)
    assert codes(verdict) == {"RECORDS_HIDDEN", "MANIFEST_DIFFERS"}
    assert not verdict.complete
    manifest = read_manifest(part(bundle, "manifest.json"))
    assert manifest is not None
    adjusted = part(bundle, "manifest.json").replace(b'"records":60', b'"records":59')
    verdict = check(changed(hidden, manifest_json=adjusted))
    assert (verdict.indication, codes(verdict)) == (Indication.INDETERMINATE, {"RECORDS_HIDDEN"})
    assert (verdict.findings[0].index, verdict.hidden) == (3, 1)


def test_a_changed_record_is_placed_between_earlier_checkpoints(ledger: Path) -> None:
    bundle = export(ledger)
    records = part(bundle, "chunk/000000/records")
    forged = records.replace(b'"reason":"number 27"', b'"reason":"number 28"')
    assert forged != records
    verdict = check(changed(bundle, chunk__000000__records=forged))
    assert codes(verdict) == {"ROOT_DIFFERS"}
    # Which of them it was, no hash can tell.
    assert verdict.findings[0].index is None
    assert verdict.findings[0].detail == "somewhere between records 20 and 59"
    early = records.replace(b'"reason":"number 13"', b'"reason":"number 12"')
    verdict = check(changed(bundle, chunk__000000__records=early))
    assert verdict.findings[0].detail == "somewhere between records 2 and 19"


def test_two_records_of_one_serial_are_found_by_looking_twice(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = export(ledger)
    monkeypatch.setattr(SerialWatch, "prefix", lambda _self, _serial: 7)
    assert check(bundle).indication is Indication.PASSED
    monkeypatch.undo()
    lines = part(bundle, "chunk/000000/records").splitlines(keepends=True)
    lines[5] = lines[4].replace(b"4 ", b"5 ", 1)
    verdict = check(changed(bundle, chunk__000000__records=b"".join(lines)))
    assert {"SERIAL_TWICE", "ROOT_DIFFERS"} <= codes(verdict)
    assert [one.index for one in verdict.findings if one.code == "SERIAL_TWICE"] == [5]


def test_an_earlier_checkpoint_of_another_history_is_named(ledger: Path) -> None:
    bundle = export(ledger)
    name = f"history/{20:020}"
    proof, _, _note = part(bundle, name).partition(b"\n\n")
    fork = log().sign(20, sha256(b"another").digest(), NOW)
    verdict = check(changed(bundle, **{name: proof + b"\n\n" + fork}))
    assert codes(verdict) == {"HISTORY_INCONSISTENT", "STAMP_FOREIGN"}
    assert [one.signed.checkpoint.size for one in verdict.history] == [2]


def test_a_stamp_over_another_checkpoint_is_named(ledger: Path) -> None:
    bundle = export(ledger)
    names = [f"stamps/{size:020}-0.tst" for size in (2, 20)]
    swapped = changed(bundle, **{names[0]: part(bundle, names[1])})
    assert codes(check(swapped)) == {"STAMP_FOREIGN"}
    assert len(check(swapped).stamps) == len(check(bundle).stamps) - 1


def test_a_record_outside_the_promised_scope_is_named(ledger: Path) -> None:
    selection = export(ledger, Scope("selection", by="tenant", value="alpha"))
    other = part(selection, "manifest.json").replace(b'"alpha"', b'"gamma"')
    assert "RECORD_OUTSIDE" in codes(check(changed(selection, manifest_json=other)))


def test_a_foreign_token_in_the_place_of_one_is_named(ledger: Path) -> None:
    bundle = export(ledger)
    tokens = items("tokens", part(bundle, "chunk/000000/tokens"))
    tokens[3] = issued_records.record(1000).token or b""
    verdict = check(changed(bundle, chunk__000000__tokens=b"".join(tokens)))
    assert [(one.code, one.index) for one in verdict.findings] == [("TOKEN_CHANGED", 3)]


def test_the_visitor_never_sees_a_token_that_its_leaf_does_not_name(ledger: Path) -> None:
    bundle = export(ledger)
    tokens = items("tokens", part(bundle, "chunk/000000/tokens"))
    tokens[3] = tokens[3][:-1] + bytes([tokens[3][-1] ^ 1])
    shown: dict[int, bytes | None] = {}
    check(
        changed(bundle, chunk__000000__tokens=b"".join(tokens)),
        visit=lambda index, _leaf, _fields, token: shown.update({index: token}),
    )
    assert shown[3] is None
    assert shown[2] == tokens[2]


def test_members_larger_than_any_are_not_read(ledger: Path) -> None:
    for name in ("README_txt", "checkpoint"):
        plain = name.replace("_txt", ".txt")
        large = pack(
            [(each, bytes(200_000) if each == plain else old) for each, old in members(export(ledger))]
        )
        assert codes(check(large)) >= {"BUNDLE_LIMIT"}


def test_more_records_in_a_chunk_than_any_has_are_not_read(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = export(ledger)
    monkeypatch.setattr(bundle_check, "CHUNK_RECORDS", SIZE - 1)
    assert "BUNDLE_LIMIT" in codes(check(bundle))


def test_more_earlier_checkpoints_than_any_has_are_not_read(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = export(ledger)
    monkeypatch.setattr("kokuin.ledger.bundle_read.MAX_HISTORY", 1)
    assert "BUNDLE_LIMIT" in codes(check(bundle))


def test_findings_are_counted_and_not_all_kept(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_verdict, "MOST_FINDINGS", 10)
    verdict = check(changed(export(ledger), chunk__000000__tokens=b""))
    assert len(verdict.findings) == 10
    assert verdict.more_findings > 30


def test_an_absent_member_is_named_first_however_much_follows_from_it(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a chunk's records, each of its tokens is one too many: the cause must not drown in them."""
    monkeypatch.setattr(bundle_verdict, "MOST_FINDINGS", 10)
    parts = [each for each in members(export(ledger)) if each[0] != "chunk/000000/records"]
    verdict = check(pack(parts))
    assert verdict.findings[0].code == "MEMBER_MISSING"
    assert "TOKEN_INSERTED" in codes(verdict)


@pytest.mark.parametrize("octets", [b"", b"\0" * 1024, b"\0" * 512, b"x" * 5000, b"\x30\x80" * 900])
def test_what_is_no_bundle_ends_in_a_verdict(octets: bytes) -> None:
    assert check(octets).indication is Indication.FAILED


def test_a_header_has_one_form(ledger: Path) -> None:
    """Another program's header of the same member is refused: nothing may hide in a tar."""
    info = tarfile.TarInfo("README.txt")
    info.size = len(README)
    reader = TarReader(io.BytesIO(info.tobuf(tarfile.USTAR_FORMAT) + README))
    assert reader.next() is not None
    for name, value in (("mtime", 1), ("mode", 0o755), ("uid", 1), ("uname", "x"), ("type", tarfile.SYMTYPE)):
        other = tarfile.TarInfo("README.txt")
        other.size = len(README)
        setattr(other, name, value)
        with pytest.raises(BundleError) as refused:
            TarReader(io.BytesIO(other.tobuf(tarfile.USTAR_FORMAT))).next()
        assert refused.value.fault is bundle_form.BundleFault.TAR


def test_what_the_stream_raises_goes_through() -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        check_bundle(Broken(), verifier(log()))
