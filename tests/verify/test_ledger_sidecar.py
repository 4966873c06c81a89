"""The proof beside a token: found, checked, and what is made of one that is not right."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli.main import main
from kokuin.verify.ledger_claim import LIMITS
from tests.ledger.notes import log, verifier
from tests.unsigned import attribute, with_unsigned
from tests.verify import ledgers
from tests.verify.ledgers import Ledger, at, authority, genuine, issue, issued_leaf

if TYPE_CHECKING:
    from kokuin.ledger.tlog_proof import TlogProof

AT = "2026-06-01T01:00:00Z"
INDEX = at(0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A token with its proof, and a folder of trust with root and log keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "ca.der").write_bytes(authority().certificate.der)
    (tmp_path / "trust" / "log.vkey").write_text(verifier(log()).encode())
    (tmp_path / "token").write_bytes(genuine()[INDEX].token)
    (tmp_path / "token.tlog-proof").write_bytes(Ledger().proof(INDEX).encode())
    return tmp_path


def judge(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code = main(["verify", "token", "--at", AT, "--json", *words])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == {"PASSED": 0, "FAILED": 1, "INDETERMINATE": 2}[report["indication"]]
    report["place"] = next((check for check in report["checks"] if check["id"] == "in-ledger"), None)
    return report


@pytest.mark.usefixtures("folder")
def test_a_proof_beside_the_token_is_found_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    report = judge(capsys, "--trust", "trust")
    assert report["indication"] == "PASSED"
    assert (report["place"]["status"], report["place"]["params"]) == ("ok", {"index": INDEX})
    assert {limit.value for limit in LIMITS} < set(report["limits"])
    assert report["parts"] == []


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_nine_limits_are_said(folder: Path, capsys: pytest.CaptureFixture[str], lang: str) -> None:
    assert main(["verify", "token", "--at", AT, "--trust", "trust", "--lang", lang]) == 0
    said = capsys.readouterr().out
    (folder / "token.tlog-proof").unlink()
    assert main(["verify", "token", "--at", AT, "--trust", "trust", "--lang", lang]) == 0
    before = capsys.readouterr().out
    word = {"en": "Limit: ", "ja": "限界: "}[lang]
    assert said.count(word) == before.count(word) + 9


def test_without_a_proof_nothing_is_said_of_a_ledger(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "token.tlog-proof").unlink()
    report = judge(capsys, "--trust", "trust")
    assert report["place"] is None
    assert not [limit for limit in report["limits"] if "LEDGER" in limit]


def test_without_log_keys_the_proof_is_not_looked_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "token.tlog-proof").write_bytes(b"whatever")
    report = judge(capsys, "--trust", "trust/ca.der")
    assert report["indication"] == "PASSED"
    assert (report["place"]["status"], report["place"]["reason"]) == ("not-done", "LEDGER_KEYS_ABSENT")
    assert "LEDGER_PROOF_NOT_CHECKED" in report["limits"]
    assert not [limit for limit in report["limits"] if limit.startswith("LEDGER_LIMIT")]


def test_keys_and_proof_may_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "token.tlog-proof").rename(folder / "elsewhere")
    (folder / "trust" / "log.vkey").rename(folder / "keys")
    report = judge(capsys, "--trust", "trust", "--proof", "elsewhere", "--log-key", "keys")
    assert report["place"]["status"] == "ok"


def test_the_proof_fits_the_token_with_attributes_that_were_added_later(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    added = with_unsigned(genuine()[INDEX].token, attribute("0.4.0.1733.2.4", b"\x05\x00"))
    (folder / "token").write_bytes(added)
    assert judge(capsys, "--trust", "trust")["place"]["status"] == "ok"


def unsigned(proof: TlogProof, kind: int) -> TlogProof:
    """Strip one of the log's two signatures."""
    lines = proof.checkpoint_octets.decode().splitlines(keepends=True)
    del lines[4 + kind]
    return replace(proof, checkpoint_octets="".join(lines).encode())


def spoilt(proof: TlogProof) -> TlogProof:
    """Flip a bit of the last signature."""
    *lines, last = proof.checkpoint_octets.decode().splitlines()
    start, encoded = last.rsplit(" ", 1)
    octets = bytearray(base64.b64decode(encoded))
    octets[-1] ^= 1
    line = f"{start} {base64.b64encode(octets).decode()}\n"
    return replace(proof, checkpoint_octets="".join([*(f"{each}\n" for each in lines), line]).encode())


RIGHT = Ledger().proof(INDEX)
OTHERS = Ledger(Ledger().leaves, log("other.example/log"))
THIEFS = Ledger([*Ledger().leaves[:INDEX], issued_leaf(issue(1.0))], log(label="thief"))


@pytest.mark.parametrize(
    ("proof", "reason", "detail"),
    [
        (Ledger().proof(INDEX + 1), "LEDGER_PROOF_OTHER_TOKEN", INDEX + 1),
        (replace(Ledger().proof(INDEX + 1), extra=RIGHT.extra), "LEDGER_PROOF_WRONG", INDEX + 1),
        (replace(RIGHT, index=INDEX + 1), "LEDGER_PROOF_WRONG", INDEX + 1),
        (replace(RIGHT, index=10**9), "LEDGER_PROOF_WRONG", 10**9),
        (replace(RIGHT, hashes=RIGHT.hashes[:-1]), "LEDGER_PROOF_WRONG", INDEX),
        (replace(RIGHT, hashes=()), "LEDGER_PROOF_WRONG", INDEX),
        (unsigned(RIGHT, 0), "LEDGER_CHECKPOINT_REFUSED", "NOTE_SIGNATURE_MISSING"),
        (unsigned(RIGHT, 1), "LEDGER_CHECKPOINT_REFUSED", "NOTE_SIGNATURE_MISSING"),
        (spoilt(RIGHT), "LEDGER_CHECKPOINT_REFUSED", "NOTE_SIGNATURE_WRONG"),
        (
            replace(RIGHT, checkpoint_octets=THIEFS.checkpoint(600)),
            "LEDGER_CHECKPOINT_REFUSED",
            "NOTE_SIGNATURE_MISSING",
        ),
        (replace(RIGHT, extra=RIGHT.extra + b" "), "LEDGER_PROOF_UNREADABLE", "LEAF_FORM"),
    ],
    ids=[
        "another token's",
        "another's place",
        "another index",
        "an index beyond the log",
        "a hash too few",
        "no hashes",
        "without Ed25519",
        "without ML-DSA",
        "a flipped signature",
        "a thief's log of the same name",
        "a leaf that is none",
    ],
)
def test_a_proof_that_is_not_right_fails_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str], proof: TlogProof, reason: str, detail: str | int
) -> None:
    (folder / "token.tlog-proof").write_bytes(proof.encode())
    report = judge(capsys, "--trust", "trust")
    assert (report["indication"], report["sub_indication"]) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
    assert report["place"]["reason"] == reason
    assert detail in report["place"]["params"].values()
    assert not [limit for limit in report["limits"] if "LEDGER" in limit]


def test_a_proof_without_its_leaf_shows_nothing_and_accuses_nobody(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "token.tlog-proof").write_bytes(replace(RIGHT, extra=b"").encode())
    report = judge(capsys, "--trust", "trust")
    assert (report["indication"], report["place"]["reason"]) == ("PASSED", "LEDGER_LEAF_ABSENT")
    assert [limit for limit in report["limits"] if "LEDGER" in limit] == ["LEDGER_PROOF_NOT_CHECKED"]


def test_a_proof_of_a_log_or_epoch_whose_keys_are_not_at_hand_accuses_nobody(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys were saved before the log began a new epoch: what was issued since is as good as before."""
    (folder / "token.tlog-proof").write_bytes(OTHERS.proof(INDEX).encode())
    report = judge(capsys, "--trust", "trust")
    assert (report["indication"], report["place"]["status"]) == ("PASSED", "not-done")
    assert report["place"]["reason"] == "LEDGER_KEYS_ABSENT"
    assert [limit for limit in report["limits"] if "LEDGER" in limit] == ["LEDGER_PROOF_NOT_CHECKED"]


@pytest.mark.parametrize("octets", [b"", b"\x00" * 10, b"c2sp.org/tlog-proof@v1\n\n", bytes(600_000)])
def test_what_is_no_proof_fails_by_name(
    folder: Path, capsys: pytest.CaptureFixture[str], octets: bytes
) -> None:
    (folder / "token.tlog-proof").write_bytes(octets)
    assert judge(capsys, "--trust", "trust")["place"]["reason"] == "LEDGER_PROOF_UNREADABLE"


def test_a_swapped_token_beside_a_right_proof_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "token").write_bytes(genuine()[INDEX + 1].token)
    assert judge(capsys, "--trust", "trust")["place"]["reason"] == "LEDGER_PROOF_OTHER_TOKEN"


def test_what_is_no_token_is_judged_as_such_whatever_its_proof(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "token").write_bytes(b"no token")
    report = judge(capsys, "--trust", "trust")
    assert (report["indication"], report["place"]) == ("FAILED", None)


def test_witnesses_of_the_policy_count_for_a_proof_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "witnesses").write_bytes(ledgers.policy(1, "w1", "w2"))
    words = ("--trust", "trust", "--witness-policy", "witnesses")
    report = judge(capsys, *words)
    assert (report["indication"], report["sub_indication"]) == ("INDETERMINATE", "NO_POE")
    assert report["place"] is None
    cosigned = ledgers.cosigner("w2", 700)(RIGHT.checkpoint_octets)
    (folder / "token.tlog-proof").write_bytes(replace(RIGHT, checkpoint_octets=cosigned).encode())
    report = judge(capsys, *words)
    assert report["indication"] == "PASSED"
    (proof,) = report["proofs_of_existence"]
    assert (proof["code"], proof["time"]) == ("LEDGER_WITNESSED", "2026-06-01T00:11:40Z")
    assert main(["verify", "token", "--at", AT, *words]) == 0
    assert "Existed by 2026-06-01T00:11:40Z: cosigned by the witnesses w2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("--proof", "absent"),
        ("--log-key", "absent"),
        ("--log-key", "token"),
        ("--log-key", "trust/ca.der"),
        ("--witness-policy", "absent"),
        ("--witness-policy", "token"),
        ("--require-ledger", "absent"),
        ("--require-ledger", "trust"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_files_that_cannot_be_used_are_told_from_verdicts(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["verify", "token", "--at", AT, "--trust", "trust", *words]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "were not used: --log-key, --witness-policy"), ("ja", "使われませんでした: --log-key")],
)
@pytest.mark.parametrize("facts", [(), ("--facts", "facts")])
def test_options_of_a_ledger_are_said_to_be_unused_where_no_proof_lies_beside_the_token(
    folder: Path, capsys: pytest.CaptureFixture[str], facts: tuple[str, ...], lang: str, words: str
) -> None:
    (folder / "token.tlog-proof").unlink()
    (folder / "keys").write_bytes((folder / "trust" / "log.vkey").read_bytes())
    (folder / "witnesses").write_bytes(ledgers.policy(1, "w1", "w2"))
    given = ["verify", "token", "--at", AT, "--trust", "trust", "--lang", lang, *facts]
    code, alone = main(given), capsys.readouterr()
    options = ["--log-key", "keys", "--witness-policy", "witnesses"]
    assert main([*given, *options]) == code
    told = capsys.readouterr()
    assert (told.out, alone.err) == (alone.out, "")
    (line,) = told.err.splitlines()
    assert words in line
    for unusable in (("--log-key", "token"), ("--witness-policy", "absent")):
        assert main([*given, *unusable]) == 3
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_recipients_key_without_a_bundle_is_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["token"], ["--from-facts", "token"]):
        assert main(["verify", *words, "--recipient-key", "absent"]) == 3
        assert "--require-ledger" in capsys.readouterr().err
    assert main(["verify", str(folder), "--recipient-key", "absent"]) == 3
    assert "--recipient-key goes with one token" in capsys.readouterr().err


def test_no_library_of_the_server_is_loaded_for_a_proof(folder: Path) -> None:
    script = "import sys; from kokuin.cli.main import main; code = main(sys.argv[1:])"
    script += "; print('MODULES', *sys.modules, file=sys.stderr); sys.exit(code)"
    done = subprocess.run(
        [sys.executable, "-c", script, "verify", "token", "--at", AT, "--trust", "trust"],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    loaded = set(done.stderr.split("MODULES ")[1].split())
    assert "kokuin.ledger.tlog_proof" in loaded
    assert not loaded & {"sqlite3", "fcntl", "resource", "sqlalchemy", "fastapi", "httpx", "pydantic"}


def test_a_proof_that_was_changed_anywhere_does_not_pass(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    octets, chance = RIGHT.encode(), random.Random(3161)  # noqa: S311  # the same mutations every time
    for _ in range(200):
        place, count = chance.randrange(len(octets)), chance.choice((0, 1, 1, 40))
        changed = octets[:place] + chance.randbytes(chance.choice((0, 1, 40))) + octets[place + count :]
        if changed == octets:
            continue
        (folder / "token.tlog-proof").write_bytes(changed)
        report = judge(capsys, "--trust", "trust")
        assert report["place"]["status"] == "failed"
