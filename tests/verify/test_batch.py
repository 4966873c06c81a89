"""Many files judged at once: which count, what each comes to, and that order and processes change nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kokuin.cli.main import main
from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.verify import batch_items, batch_run
from kokuin.verify.batch import judge_batch
from kokuin.verify.batch_items import Item, walk
from kokuin.verify.batch_judge import PassedOver, judge_item, pass_over
from kokuin.verify.batch_run import AHEAD, KilledError, judge_all
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tests.requests import make_request
from tests.trust import forge
from tests.trust.evidences import PQ, first, unit
from tests.trust.forge import order
from tests.trust.revoking import answer, crl
from tests.verify.batches import AT, AT_US, FATAL, NOW_US, authority, die_of_fatal, fill, terms
from tests.verify.enclosing import Enclosing

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.verify.batch_judge import Outcome, Terms

DATA = b"a document"


def judged(folder: Path, by: Terms | None = None) -> dict[str, dict[str, Any] | str]:
    """Return the line of every file, or why it has none."""
    found: dict[str, dict[str, Any] | str] = {}
    for item in walk(folder):
        outcome = judge_item(item, by or terms(folder))
        found[item.token] = outcome.value if isinstance(outcome, PassedOver) else json.loads(outcome)
    return found


def verdict(line: dict[str, Any] | str) -> tuple[str, str | None, str | None]:
    assert isinstance(line, dict)
    return line["indication"], line["sub_indication"], line["reason"]


PASSED = ("PASSED", None, None)


def test_a_token_is_judged_with_the_data_beside_it(tmp_path: Path) -> None:
    for name, data in (("right", DATA), ("wrong", b"another document")):
        (tmp_path / name).write_bytes(data)
        for suffix in (".tsr", ".tst", ".der", ".TSR"):
            (tmp_path / (name + suffix)).write_bytes(authority().stamp(DATA))
    (tmp_path / "alone.tsr").write_bytes(authority().stamp(DATA))
    found = judged(tmp_path)
    for suffix in (".tsr", ".tst", ".der", ".TSR"):
        assert verdict(found["right" + suffix]) == PASSED
        assert verdict(found["wrong" + suffix]) == ("FAILED", "HASH_FAILURE", "CONTENT_DIFFERS")
    assert found["right"] == found["wrong"] == "data"
    alone = found["alone.tsr"]
    assert isinstance(alone, dict)
    assert verdict(alone) == PASSED
    assert "CONTENT_NOT_COMPARED" in alone["limits"]


def test_a_file_named_like_a_token_that_is_none_has_failed(tmp_path: Path) -> None:
    token = authority().stamp(DATA)
    for name, octets in {"empty.tsr": b"", "cut.tst": token[:-1], "damaged.der": b"\x31" + token[1:]}.items():
        (tmp_path / name).write_bytes(octets)
    for line in judged(tmp_path).values():
        assert verdict(line)[:2] == ("FAILED", "FORMAT_FAILURE")


def test_a_token_under_any_name_is_found_and_the_rest_is_only_counted(tmp_path: Path) -> None:
    token = authority().stamp(DATA)
    (tmp_path / "token.bin").write_bytes(token)
    (tmp_path / "text").write_bytes(authority().pem.replace(b"CERTIFICATE", b"PKCS7"))
    (tmp_path / "empty").touch()
    (tmp_path / "root.der").write_bytes(authority().root)
    (tmp_path / "root.pem").write_bytes(authority().pem)
    (tmp_path / "cut").write_bytes(token[:-1])
    found = judged(tmp_path)
    assert verdict(found.pop("token.bin")) == PASSED
    assert set(found.values()) == {"other"}


def test_a_der_file_that_is_something_else_is_only_counted(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=unit")
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    others = {
        "request.der": make_request(DIGEST_BY_NAME["sha256"], nonce=7, cert_req=True),
        "csr.der": csr.public_bytes(Encoding.DER),
        "public.der": key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "private.der": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "list.der": crl(forge.pki().authority),
        "answer.der": answer(forge.pki().authority, forge.pki().unit),
        "root.der": authority().root,
    }
    for file_name, octets in others.items():
        (tmp_path / file_name).write_bytes(octets)
    assert judged(tmp_path) == dict.fromkeys(others, "other")
    assert judged(tmp_path, terms(tmp_path, begins=NOW_US)) == dict.fromkeys(others, "other")
    (tmp_path / "request.tsr").write_bytes(others["request.der"])
    assert verdict(judged(tmp_path)["request.tsr"])[:2] == ("FAILED", "FORMAT_FAILURE")


def test_a_damaged_token_in_a_der_file_is_never_taken_for_something_else(tmp_path: Path) -> None:
    token = authority().stamp(DATA)
    for place in range(8 * 64):
        damaged = bytearray(token)
        damaged[place // 8] ^= 1 << place % 8
        (tmp_path / f"{place}.der").write_bytes(damaged)
    assert not [name for name, line in judged(tmp_path).items() if isinstance(line, str)]


def test_proofs_are_counted_apart_from_files_that_have_no_time_stamp(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "data.tsr").write_bytes(authority().stamp(DATA))
    for name in ("data.tsr.tlog-proof", "alone.tlog-proof", "unstamped.pdf"):
        (tmp_path / name).touch()
    found = judged(tmp_path)
    assert verdict(found.pop("data.tsr")) == PASSED
    assert found == {
        "data": "data",
        "data.tsr.tlog-proof": "proof",
        "alone.tlog-proof": "other",
        "unstamped.pdf": "other",
    }


def test_a_token_of_any_name_and_the_record_beside_it_are_one(tmp_path: Path) -> None:
    keeper = unit(PQ, 2026)
    at_once = dt.datetime(2026, 6, 2, tzinfo=dt.UTC)
    token, signature = authority().stamp(DATA), Enclosing(unsigned=()).make()
    # Any other file may be what the record is about: a signature without a time-stamp, say.
    for name, octets in (("odd.p7s", token), ("other.p7s", signature)):
        (tmp_path / name).write_bytes(octets)
        (tmp_path / f"{name}.er").write_bytes(first(keeper, at_once, octets))
    trust = TrustStore((*authority().trust.anchors, keeper.root.certificate))
    by = dataclasses.replace(terms(tmp_path), context=Context(AT_US, trust))
    found = judged(tmp_path, by)
    line = found["odd.p7s"]
    assert verdict(line) == PASSED
    assert isinstance(line, dict)
    assert line["evidence_state"]
    assert found["odd.p7s.er"] == "evidence"
    assert (found["other.p7s"], verdict(found["other.p7s.er"])) == ("data", PASSED)
    for item in walk(tmp_path):
        passed_over = pass_over(item, by)
        assert passed_over == (found[item.token] if isinstance(found[item.token], str) else None)
    # What somebody names is judged.
    assert not isinstance(judge_item(Item("odd.p7s.er", data="odd.p7s"), by), PassedOver)
    # A record that is none speaks against its token, and that once.
    (tmp_path / "odd.p7s.er").write_bytes(b"no record")
    found = judged(tmp_path, by)
    assert (verdict(found["odd.p7s"])[0], found["odd.p7s.er"]) == ("FAILED", "evidence")


def test_a_token_that_is_itself_the_data_of_a_token_is_judged(tmp_path: Path) -> None:
    token = authority().stamp(DATA)
    (tmp_path / "token").write_bytes(token)
    (tmp_path / "token.tsr").write_bytes(authority().stamp(token))
    found = judged(tmp_path)
    assert verdict(found["token"]) == verdict(found["token.tsr"]) == PASSED


def test_the_tokens_in_a_signature_are_judged_and_have_their_period(tmp_path: Path) -> None:
    (tmp_path / "signed.p7m").write_bytes(Enclosing().make())
    (tmp_path / "unstamped.p7m").write_bytes(Enclosing(unsigned=()).make())
    by = dataclasses.replace(terms(tmp_path), context=Context(forge.NOW_US, forge.pki().trust))
    found = judged(tmp_path, by)
    line = found["signed.p7m"]
    assert verdict(line) == PASSED
    assert isinstance(line, dict)
    assert (line["kind"], line["gen_time"]) == ("cms-with-timestamps", "2026-06-01T00:00:00Z")
    assert found["unstamped.p7m"] == "other"
    assert verdict(judged(tmp_path, dataclasses.replace(by, begins=forge.NOW_US))["signed.p7m"]) == PASSED
    assert judged(tmp_path, dataclasses.replace(by, begins=forge.NOW_US + 1))["signed.p7m"] == "outside"


def test_a_pipe_is_not_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tsr")
    os.mkfifo(tmp_path / "other")
    os.mkfifo(tmp_path / "data")
    (tmp_path / "data.tsr").write_bytes(authority().stamp(DATA))
    found = judged(tmp_path)
    assert verdict(found["pipe.tsr"]) == ("FAILED", "FORMAT_FAILURE", "FILE_UNREADABLE")
    assert found["other"] == "other"
    assert verdict(found["data.tsr"]) == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND", "CONTENT_UNREADABLE")


def test_a_token_that_cannot_be_read_has_failed(tmp_path: Path) -> None:
    (tmp_path / "gone.tsr").symlink_to(tmp_path / "nowhere")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    found = judged(tmp_path)
    assert verdict(found["gone.tsr"]) == ("FAILED", "FORMAT_FAILURE", "FILE_UNREADABLE")
    assert found["gone"] == "data"


def test_a_folder_that_cannot_be_listed_has_failed_and_the_others_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "a", 1)
    (tmp_path / "b").mkdir()
    fill(tmp_path / "c", 1)
    listed = batch_items._list

    def fail(root: Path, folder: Any) -> Any:
        if folder.path == "b":
            raise PermissionError(13, "Permission denied")
        return listed(root, folder)

    monkeypatch.setattr(batch_items, "_list", fail)
    found = judged(tmp_path)
    assert verdict(found["b"]) == ("FAILED", "FORMAT_FAILURE", "FILE_UNREADABLE")
    assert verdict(found["a/000/00000.txt.tsr"]) == verdict(found["c/000/00000.txt.tsr"]) == PASSED


def test_a_folder_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(walk(tmp_path / "absent"))


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    fill(tmp_path / "elsewhere", 2)
    archive.mkdir()
    for name in ("one", "two"):
        (archive / name).symlink_to(tmp_path / "elsewhere")
    (archive / "circle").symlink_to(archive)
    tokens = [item.token for item in walk(archive) if item.named]
    assert tokens == ["one/000/00000.txt.tsr", "one/000/00001.txt.tsr"]


def test_folders_are_told_apart_by_their_paths_where_the_file_system_numbers_them_all_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 250)
    same = os.stat_result((0o40755, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    monkeypatch.setattr("pathlib.Path.stat", lambda *_, **__: same)
    assert sum(item.named for item in walk(tmp_path)) == 250


def test_a_link_back_into_the_archive_does_not_hide_what_it_leads_to(tmp_path: Path) -> None:
    fill(tmp_path / "z", 1)
    (tmp_path / "a").symlink_to(tmp_path / "z")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "z" / "up").symlink_to(tmp_path)
    assert [item.token for item in walk(tmp_path) if item.named] == ["z/000/00000.txt.tsr"]


def test_the_order_is_that_of_the_names_octets(tmp_path: Path) -> None:
    names = ["Z.tsr", "a.tsr", "\u3042.tsr", os.fsdecode(b"\xff.tsr")]
    for name in reversed(names):
        (tmp_path / name).touch()
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / name).touch()
    assert [item.token for item in walk(tmp_path)] == [*names, *(f"folder/{name}" for name in names)]


def test_the_folder_of_the_results_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.jsonl.part").touch()
    assert [item.token for item in walk(tmp_path, tmp_path / "out")] == ["000/00000.txt", "000/00000.txt.tsr"]


def test_the_period_is_of_genTime_with_both_ends_and_leaves_no_failure_out(tmp_path: Path) -> None:  # noqa: N802  # the standard's name
    for day in range(4):
        (tmp_path / f"{day}.tsr").write_bytes(authority().stamp(DATA, NOW_US + day))
    (tmp_path / "bad.tsr").touch()
    found = judged(tmp_path, terms(tmp_path, NOW_US + 1, NOW_US + 2))
    assert found["0.tsr"] == found["3.tsr"] == "outside"
    assert verdict(found["1.tsr"]) == verdict(found["2.tsr"]) == PASSED
    assert verdict(found["bad.tsr"])[0] == "FAILED"
    assert judged(tmp_path, terms(tmp_path, begins=NOW_US + 3))["2.tsr"] == "outside"
    assert judged(tmp_path, terms(tmp_path, ends=NOW_US))["1.tsr"] == "outside"


@pytest.mark.parametrize("data", ["absent", ".", "\u3042"])
def test_data_that_a_list_names_and_that_cannot_be_read_leave_it_open(tmp_path: Path, data: str) -> None:
    (tmp_path / "token").write_bytes(authority().stamp(DATA))
    outcome = judge_item(Item("token", data=data), terms(tmp_path))
    assert isinstance(outcome, bytes)
    found = verdict(json.loads(outcome))
    assert found == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND", "CONTENT_UNREADABLE")


def test_a_forged_token_fails_whether_its_data_can_be_read_or_not(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(order(flip_signature=True).make())
    outcome = judge_item(Item("token", data="absent"), terms(tmp_path))
    assert isinstance(outcome, bytes)
    assert verdict(json.loads(outcome))[:2] == ("FAILED", "SIG_CRYPTO_FAILURE")


def test_what_a_hostile_token_says_is_cut_short(tmp_path: Path) -> None:
    (tmp_path / "t.tsr").write_bytes(order(serial=1 << 800_000).make())
    (line,) = judged(tmp_path).values()
    assert len(json.dumps(line)) < 20_000


def test_one_process_and_two_find_the_same_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_run, "CHUNK", 7)
    fill(tmp_path, 60)
    (tmp_path / "bad.tsr").touch()
    one, two = ([*itertools.chain(*judge_all(walk(tmp_path), terms(tmp_path), jobs))] for jobs in (1, 2))
    assert len(one) == 121
    assert one == two


def test_files_are_asked_for_only_as_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "CHUNK", 10)
    (tmp_path / "t.tsr").write_bytes(authority().stamp(DATA))
    asked = itertools.count(1)
    endless = (Item("t.tsr") for _ in asked)
    outcomes = judge_all(endless, terms(tmp_path), 2)
    for chunks in range(1, 4):
        assert len(next(outcomes)) == 10
        assert next(asked) - 1 <= 10 * (2 * AHEAD + chunks + 2)
    outcomes.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_process_that_is_killed_ends_the_batch_by_name_and_after_what_was_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever has too little memory: the system kills the largest process.
    monkeypatch.setattr(batch_run, "CHUNK", 7)
    fill(tmp_path, 60)
    (tmp_path / "000" / "00050.txt").write_bytes(FATAL)
    by = dataclasses.replace(terms(tmp_path), judge=die_of_fatal)
    outcomes: list[Outcome] = []
    with pytest.raises(KilledError):
        outcomes.extend(itertools.chain.from_iterable(judge_all(walk(tmp_path), by, 2)))
    assert outcomes == [judge_item(item, by) for item in itertools.islice(walk(tmp_path), len(outcomes))]
    assert len(outcomes) < 100


def test_who_is_told_that_a_process_was_killed_is_told_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")
    fill(tmp_path / "archive", 3)
    (tmp_path / "root.pem").write_bytes(authority().pem)
    verify = ("verify", "archive", "--trust", "root.pem", "--at", AT)
    renew = ("renew", "archive", "--trust", "root.pem")

    def killed(*_: object) -> NoReturn:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("kokuin.verify.batch.judge_all", killed)
        patched.setattr("kokuin.verify.renewal.renewing.work_all", killed)
        for words, said in (
            (verify, "nothing is decided"),
            ((*verify, "-o", "out"), "--resume"),
            ((*renew, "--plan"), "nothing is decided"),
            (renew, "the same command"),
        ):
            assert main(list(words)) == 3
            out, err = capsys.readouterr()
            assert (out, len(err.splitlines())) == ("", 1)
            assert said in err
            assert "--jobs" in err
    assert main([*verify, "-o", "out", "--resume"]) == 0


def test_a_single_chunk_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "ProcessPoolExecutor", None)
    fill(tmp_path, 3)
    assert (
        sum(
            isinstance(each, bytes)
            for chunk in judge_all(walk(tmp_path), terms(tmp_path), 2)
            for each in chunk
        )
        == 3
    )


def test_thousands_of_our_own_tokens_pass(tmp_path: Path) -> None:
    fill(tmp_path, 1_500)
    tally = judge_batch(walk(tmp_path), terms(tmp_path), 2)
    summary = tally.summary()
    assert summary["indication"] == "PASSED"
    assert summary["verdicts"] == {"PASSED": 1_500, "INDETERMINATE": 0, "FAILED": 0}
    assert summary["passed_over"] == {"outside": 0, "data": 1_500, "proof": 0, "evidence": 0, "other": 0}
    assert [month["tokens"] for month in summary["calendar"]] == [1_500]
    (end,) = summary["earliest"]
    assert (end["tokens"], end["first"]) == (1_500, "000/00000.txt.tsr")
