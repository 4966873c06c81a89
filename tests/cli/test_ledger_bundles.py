"""`tsa ledger export` and `tsa ledger check` on the folder of a service that issued tokens."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import time
import tomllib
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli import messages
from kokuin.cli.main import main
from kokuin.ledger.bundle_form import BundleFault
from kokuin.ledger.bundle_plan import ExportFault
from kokuin.ledger.bundle_sealed import SealedFault
from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.reader import LedgerReader
from kokuin.service.log_signing import published_keys
from pqc.envelope_suites import KemKind
from pqc.kem import generate_kem_key
from pqc.kem_files import public_pem, write_kem_key
from tests.ledger.bundle_mutations import members, pack
from tests.ledger.notes import log, verifier
from tests.service.asking import query
from tests.service.running import PATIENCE_S, prepare, serving

if TYPE_CHECKING:
    from tests.service.running import Prepared

TOKENS = 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Give a folder whose service issued tokens and published a checkpoint over them."""
    made = prepare(tmp_path_factory.mktemp("bundles") / "data", "classical")
    with serving(made) as service:
        for _ in range(TOKENS):
            assert service.post(query()).status_code == 200
        with LedgerReader(made.folder.ledger) as reader:
            kinds = [read_leaf(each.leaf)["kind"] for each in reader.walk()]
            wanted = len(kinds) - kinds[::-1].index("tst.issued")
            end = time.monotonic() + PATIENCE_S
            while (reader.execute("SELECT max(size) FROM checkpoint")[0][0] or 0) < wanted:
                assert time.monotonic() < end
                time.sleep(0.05)
        # While the service runs.
        assert run("export", "--dir", made.folder.root, "-o", made.folder.root.parent / "live")[0] == 0
    return made


def run(act: str, *words: object, aside: io.StringIO | None = None) -> tuple[int, str]:
    """Run an act in this process; return its exit code and what it printed, on standard error `aside`."""
    with pytest.MonkeyPatch.context() as patch:
        out = io.TextIOWrapper(beneath := io.BytesIO(), encoding="utf-8")
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", aside or io.StringIO())
        try:
            code = main(["ledger", act, *map(str, words), "--lang", "en"])
        except SystemExit as error:
            code = int(str(error.code))
        out.flush()
    return code, beneath.getvalue().decode()


def export(made: Prepared, path: Path, *words: object) -> dict[str, Any]:
    code, said = run("export", "--dir", made.folder.root, "-o", path, "--json", *words)
    answer: dict[str, Any] = json.loads(said)
    assert code == (0 if answer["ok"] else 1)
    return answer


def check(made: Prepared, path: Path, *words: object) -> tuple[int, dict[str, Any]]:
    code, said = run("check", path, "--log-key", made.folder.log_keys, "--json", *words)
    return code, json.loads(said)


def leaves(made: Prepared) -> list[dict[str, Any]]:
    with LedgerReader(made.folder.ledger) as reader:
        newest = reader.execute("SELECT max(size) FROM checkpoint")[0][0]
        return [dict(read_leaf(one.leaf)) for one in reader.walk(0, newest)]


def test_the_whole_ledger_is_exported_and_checked(made: Prepared, tmp_path: Path) -> None:
    answer = export(made, tmp_path / "bundle")
    assert answer["records"] == answer["size"] == len(leaves(made))
    code, said = run("check", tmp_path / "bundle", "--log-key", made.folder.log_keys)
    assert code == 0
    assert said.startswith("PASSED: complete. ")
    code, verdict = check(made, tmp_path / "bundle")
    assert (code, verdict["complete"], verdict["findings"]) == (0, True, [])
    assert verdict["root"] == answer["root"]


def test_what_was_exported_while_the_service_ran_is_good_too(made: Prepared) -> None:
    assert check(made, made.folder.root.parent / "live")[0] == 0


def test_a_token_alone(made: Prepared, tmp_path: Path) -> None:
    (index, leaf), *_ = [(at, each) for at, each in enumerate(leaves(made)) if each["kind"] == "tst.issued"]
    answer = export(made, tmp_path / "bundle", "--serial", f"0x{leaf['serial'].upper()}")
    assert answer["records"] == 1
    code, verdict = check(made, tmp_path / "bundle")
    assert (code, verdict["runs"]) == (0, [[index, index + 1]])
    assert run("check", tmp_path / "bundle", "--log-key", made.folder.log_keys)[1].startswith(
        "PASSED: 1 record is here"
    )


def test_a_tenants_records_alone(made: Prepared, tmp_path: Path) -> None:
    wanted = [at for at, leaf in enumerate(leaves(made)) if leaf.get("tenant") == "public"]
    assert len(wanted) == TOKENS
    assert export(made, tmp_path / "bundle", "--tenant", "public")["records"] == TOKENS
    code, verdict = check(made, tmp_path / "bundle")
    assert code == 0
    assert [index for run_ in verdict["runs"] for index in range(*run_)] == wanted


def test_a_period(made: Prepared, tmp_path: Path) -> None:
    issued = [leaf["at"] for leaf in leaves(made) if leaf["kind"] == "tst.issued"]
    begins, ends = (
        f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at // 10**6))}.{at % 10**6:06}Z"
        for at in issued[:2]
    )
    # Of a log of seconds everything is around; `tests/verify` has a longer one.
    answer = export(made, tmp_path / "bundle", "--from", begins, "--to", ends)
    assert answer["scope"] == {
        "kind": "range",
        "start": 0,
        "stop": answer["size"],
        "from": issued[0],
        "to": issued[1],
    }
    assert check(made, tmp_path / "bundle")[1]["runs"] == [[0, answer["size"]]]
    words = ("--format", "jsonl", "--from", begins, "--to", ends)
    assert run("export", "--dir", made.folder.root, "-o", tmp_path / "rows", *words)[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert len(rows) == sum(issued[0] <= leaf["at"] < issued[1] for leaf in leaves(made))


def test_views_for_other_programs(made: Prepared, tmp_path: Path) -> None:
    export(made, tmp_path / "lines", "--format", "jsonl")
    lines = [json.loads(line) for line in (tmp_path / "lines").read_text("utf-8").splitlines()]
    assert [line["leaf"] for line in lines] == leaves(made)
    export(made, tmp_path / "table", "--format", "csv", "--tenant", "public")
    with (tmp_path / "table").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == TOKENS


def test_a_saved_checkpoint_is_gone_on_from(made: Prepared, tmp_path: Path) -> None:
    with LedgerReader(made.folder.ledger) as reader:
        (tmp_path / "saved").write_bytes(reader.execute("SELECT note FROM checkpoint ORDER BY size")[0][0])
    old = read_checkpoint((tmp_path / "saved").read_bytes()).checkpoint.size
    since = ("--since", tmp_path / "saved")
    export(made, tmp_path / "bundle", "--tenant", "nobody", *since)
    code, verdict = check(made, tmp_path / "bundle", *since, "--save", tmp_path / "saved")
    assert (code, verdict["since"]) == (0, True)
    new = read_checkpoint((tmp_path / "saved").read_bytes()).checkpoint.size
    assert new == verdict["size"] >= old


def test_a_rewritten_log_is_not_saved(made: Prepared, tmp_path: Path) -> None:
    export(made, tmp_path / "bundle")
    origin, *_ = published_keys(made.folder).origins
    (tmp_path / "keys").write_text(verifier(log(origin, "thief")).encode(), "ascii")
    code, said = run(
        "check", tmp_path / "bundle", "--log-key", tmp_path / "keys", "--save", tmp_path / "saved"
    )
    assert code == 1
    assert said.startswith("FAILED: ")
    assert "CHECKPOINT_REFUSED" in said
    assert not (tmp_path / "saved").exists()


def test_a_checkpoint_of_another_log_is_no_past_of_this_one(made: Prepared, tmp_path: Path) -> None:
    (tmp_path / "saved").write_bytes(log().sign(2, bytes(32), 1_700_000_000))
    assert export(made, tmp_path / "bundle", "--since", tmp_path / "saved")["code"] == ExportFault.SINCE
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("suite", ["ml-kem-768-cms", "ml-kem-1024-cms", "mlkem768-x25519-hpke"])
def test_a_sealed_bundle_opens_with_the_recipients_key(made: Prepared, tmp_path: Path, suite: str) -> None:
    kinds = {"ml-kem-768-cms": KemKind.ML_KEM_768, "ml-kem-1024-cms": KemKind.ML_KEM_1024}
    key = generate_kem_key(kinds.get(suite, KemKind.MLKEM768_X25519))
    (tmp_path / "public").write_bytes(public_pem(key.recipient))
    write_kem_key(tmp_path / "private", key, None)
    words = () if suite == "ml-kem-768-cms" else ("--suite", suite)
    assert export(made, tmp_path / "bundle", "--recipient", tmp_path / "public", *words)["sealed"]
    assert b"tst.issued" not in (tmp_path / "bundle").read_bytes()
    assert check(made, tmp_path / "bundle", "--recipient-key", tmp_path / "private")[1]["complete"]
    parts = members((tmp_path / "bundle").read_bytes())
    (tmp_path / "cut").write_bytes(pack(parts[1:]))
    code, verdict = check(made, tmp_path / "cut", "--recipient-key", tmp_path / "private")
    assert (code, verdict["findings"][0]["code"]) == (1, "PART_MISSING")


@pytest.mark.parametrize("form", ["bundle", "csv", "jsonl"])
def test_an_export_of_nothing_says_so_and_makes_no_file(made: Prepared, tmp_path: Path, form: str) -> None:
    words = ("--dir", made.folder.root, "-o", tmp_path / "bundle", "--format", form, "--serial", "ab")
    code, said = run("export", *words, aside=(aside := io.StringIO()))
    assert (code, said) == (1, "")
    assert aside.getvalue().splitlines()[-1] == "No record is in the scope that was asked for."
    assert export(made, tmp_path / "bundle", *words[4:])["code"] == "EXPORT_EMPTY"
    assert not list(tmp_path.iterdir())


def test_a_recipient_of_another_kind_is_refused(made: Prepared, tmp_path: Path) -> None:
    (tmp_path / "public").write_bytes(public_pem(generate_kem_key(KemKind.ML_KEM_1024).recipient))
    answer = export(made, tmp_path / "bundle", "--recipient", tmp_path / "public")
    assert answer["code"] == "ENVELOPE_WRONG_KEY"
    (tmp_path / "public").write_bytes(b"nothing")
    answer = export(made, tmp_path / "bundle", "--recipient", tmp_path / "public")
    assert answer["code"] == "ENVELOPE_BAD_RECIPIENT"


def test_a_damaged_bundle_fails_and_says_where(made: Prepared, tmp_path: Path) -> None:
    export(made, tmp_path / "bundle")
    octets = (tmp_path / "bundle").read_bytes().replace(b'"res":"granted"', b'"res":"refused"', 1)
    (tmp_path / "bundle").write_bytes(octets)
    code, said = run("check", tmp_path / "bundle", "--log-key", made.folder.log_keys)
    assert code == 1
    assert said.startswith("FAILED: ")
    assert "ROOT_DIFFERS" in said.splitlines()[1]


def test_a_missing_witness_leaves_it_open(made: Prepared, tmp_path: Path) -> None:
    key = verifier(log()).keys(log().origin)[1]
    (tmp_path / "policy").write_text(f"witness w {key.encode()}\nquorum w\n", "ascii")
    export(made, tmp_path / "bundle")
    code, verdict = check(made, tmp_path / "bundle", "--witness-policy", tmp_path / "policy")
    assert (code, verdict["indication"]) == (2, "INDETERMINATE")
    assert [finding["code"] for finding in verdict["findings"]] == ["WITNESS_QUORUM"]


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("check", "{bundle}"),
        ("check", "{bundle}", "--dir", "{dir}"),
        ("check", "--dir", "{dir}", "--save", "{new}"),
        ("check", "{nothing}", "--log-key", "{keys}"),
        ("check", "{bundle}", "--log-key", "{bundle}"),
        ("check", "{bundle}", "--log-key", "{nothing}"),
        ("check", "{bundle}", "--log-key", "{keys}", "--since", "{keys}"),
        ("check", "{bundle}", "--log-key", "{keys}", "--witness-policy", "{bundle}"),
        ("check", "{sealed}", "--log-key", "{keys}"),
        ("check", "{sealed}", "--log-key", "{keys}", "--recipient-key", "{keys}"),
        ("export", "--dir", "{dir}"),
        ("export", "--dir", "{nothing}", "-o", "{new}"),
        ("export", "--dir", "{dir}", "-o", "{bundle}"),
        ("export", "--dir", "{dir}", "-o", "{new}", "--serial", "1", "--tenant", "x"),
        ("export", "--dir", "{dir}", "-o", "{new}", "--serial", "1", "--from", "2026-01-01"),
        ("export", "--dir", "{dir}", "-o", "{new}", "--format", "csv", "--since", "{keys}"),
        ("export", "--dir", "{dir}", "-o", "{new}", "--since", "{keys}"),
        ("export", "--dir", "{dir}", "-o", "{new}", "--since", "{nothing}"),
        ("export", "--dir", "{dir}", "-o", "{new}", "--recipient", "{nothing}"),
        ("export", "--dir", "{dir}", "-o", "{new}", "--recipient", "{keys}", "--suite", "rot13"),
        ("export", "--dir", "{dir}", "-o", "{new}", "--suite", "ml-kem-768-cms"),
        ("export", "--dir", "{dir}", "-o", "{nowhere}"),
    ],
)
def test_wrong_usage_is_told_apart_from_a_verdict(
    made: Prepared, tmp_path: Path, words: tuple[str, ...]
) -> None:
    export(made, tmp_path / "bundle")
    (tmp_path / "sealed").write_bytes(pack([("part-000000.p7m", b"x")]))
    places = {
        "bundle": tmp_path / "bundle",
        "sealed": tmp_path / "sealed",
        "new": tmp_path / "new",
        "nothing": tmp_path / "nothing",
        "nowhere": tmp_path / "nowhere" / "file",
        "dir": made.folder.root,
        "keys": made.folder.log_keys,
    }
    act, *rest = (word.format(**places) for word in words)
    assert run(act, *rest) == (3, "")
    assert not (tmp_path / "new").exists()


def test_an_interrupted_export_goes_on(
    made: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kokuin.ledger.bundle_plan.CHUNK_RECORDS", 2)
    export(made, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "bundle.part").write_bytes(whole[: len(whole) - 3000])
    assert export(made, tmp_path / "bundle")["resumed"] is True
    assert (tmp_path / "bundle").read_bytes() == whole


def test_a_bundle_is_checked_without_what_belongs_to_a_server(made: Prepared, tmp_path: Path) -> None:
    """No store, no server and nothing that Windows lacks is loaded."""
    export(made, tmp_path / "bundle")
    program = (
        "import sys; from kokuin.cli.main import main;"
        "code = main(sys.argv[1:]);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules})); sys.exit(code)"
    )
    words = ["ledger", "check", str(tmp_path / "bundle"), "--log-key", str(made.folder.log_keys)]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.decode().splitlines()[-1].split())
    assert not loaded & {
        "sqlite3",
        "sqlalchemy",
        "sqlmodel",
        "psycopg",
        "fcntl",
        "resource",
        "fastapi",
        "pydantic",
        "httpx",
    }


def test_a_file_without_log_keys_is_named(
    made: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(made, tmp_path / "bundle")
    ca = made.folder.anchors
    assert main(["ledger", "check", str(tmp_path / "bundle"), "--log-key", str(ca), "--lang", "en"]) == 3
    assert f"{ca} holds no log keys (" in capsys.readouterr().err


@pytest.mark.parametrize("lang", messages.LANGUAGES)
def test_every_code_has_a_sentence(lang: str) -> None:
    path = Path(messages.__file__).with_name("messages") / f"{lang}.toml"
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    assert {str(code) for code in chain(BundleFault, SealedFault)} == set(said["ledger.bundle_fault"])
    assert {str(code) for code in ExportFault} <= set(said["ledger.export"])


def test_the_bar_is_for_terminals_alone(
    made: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    assert (
        main(["ledger", "export", "--dir", str(made.folder.root), "-o", str(tmp_path / "x"), "--lang", "en"])
        == 0
    )
    assert re.search(r"\r\[#{30}\] 100 % leaves written\n$", shown.getvalue())
