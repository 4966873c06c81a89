"""`tsa profile dry-run` as an operator meets it, and its page."""

from __future__ import annotations

import ast
import html.parser
import json
import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kokuin.cli import dryrun as face
from kokuin.cli.main import main
from kokuin.service.issuing_policy import BlockerCode
from kokuin.service.migration import dryrun_effects, dryrun_process
from kokuin.service.migration.html import page
from kokuin.service.migration.report import Finding, read_report
from kokuin.service.migration.report_tokens import Asset, RenewalStep, StatusChange
from tests.service.dryruns import TOKENS, issue_tokens
from tests.service.running import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.service.migration.report import DryRunReport

ROOT = Path(__file__).parents[2]
MIGRATION = ROOT / "kokuin" / "service" / "migration"
HOSTILE = "<script>alert('1')</script>&\"x"
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Every tag closed in order; what is named, drawn and written."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture(scope="module", autouse=True)
def _at_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no rehearsal give way to others: on a busy machine a niced one may need minutes."""
    folder = tmp_path_factory.mktemp("at-once")
    (folder / "sitecustomize.py").write_text("import os\nos.nice = lambda _: 0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = prepare(tmp_path_factory.mktemp("dry") / "data", "classical")
    issue_tokens(made.folder)
    return made.folder.root


@pytest.fixture(scope="module")
def written(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the JSON report of one rehearsal."""
    path = tmp_path_factory.mktemp("report") / "out.json"
    words = ["--dir", str(root), "--requests", "20", "--policy", "us", "--report", str(path)]
    assert main(["profile", "dry-run", "pq", *words]) == 0
    return path


@pytest.fixture
def report(written: Path) -> DryRunReport:
    return read_report(json.loads(written.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("lang", "sentence"), [("en", "nothing stands in the way"), ("ja", "妨げるものはありません")]
)
def test_the_summary_in_both_languages(
    lang: str, sentence: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.html"
    words = ["--dir", str(root), "--requests", "6", "--policy", "us", "--lang", lang, "--report", str(path)]
    assert main(["profile", "dry-run", "pq", *words]) == 0
    said = capsys.readouterr()
    assert sentence in said.out
    assert f"{TOKENS}" in said.out
    assert f"2036-01-01 {TOKENS}: " in said.out
    assert "tsa profile rollback" in said.out
    assert said.err == "", "no progress where there is no terminal"
    assert Page(path.read_text(encoding="utf-8")).tags.count("section") == 9


def test_blockers_are_named_and_the_exit_says_so(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.html"
    words = ["--dir", str(root), "--requests", "6", "--policy", "eu-ts119312", "--report", str(path)]
    assert main(["profile", "dry-run", "classical-rsa", *words, "--lang", "en"]) == 1
    said = capsys.readouterr().out
    assert "CERTIFICATE_OUTLIVES_ALGORITHM" in said
    assert "2030-12-31" in said
    assert "CERTIFICATE_OUTLIVES_ALGORITHM" in Page(path.read_text(encoding="utf-8")).text


def test_json_is_the_report(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--dir", str(root), "--from-ledger", "7d", "--json"]
    assert main(["profile", "dry-run", "rot13", *words]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    found = read_report(document["report"])
    assert [each.code for each in found.consequences.blockers] == ["PROFILE_UNKNOWN"]
    assert found.inventory.tokens == TOKENS


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--requests", "0"), "--requests"),
        (("--requests", "10001"), "--requests"),
        (("--from-ledger", "7y"), "7y"),
        (("--report", "out.pdf"), "out.pdf"),
        (("--policy", "nowhere.toml"), "DRY_RUN_POLICY_UNUSABLE"),
        (("--requests", "1", "--report", "nowhere/out.html"), "nowhere"),
    ],
)
def test_options_that_cannot_be_used(
    words: tuple[str, ...],
    reason: str,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(root.parent)
    assert main(["profile", "dry-run", "pq", "--dir", str(root), *words, "--lang", "en"]) == 3
    assert reason in capsys.readouterr().err


def test_a_killed_child_is_our_fault_and_has_a_code(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dryrun_process, "SECONDS", 0.05)
    assert main(["profile", "dry-run", "pq", "--dir", str(root), "--json", "--lang", "en"]) == 4
    said = capsys.readouterr()
    assert json.loads(said.out)["code"] == "DRY_RUN_TOO_LONG"
    assert "DRY_RUN_TOO_LONG" in said.err


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_page_is_whole_and_asks_nobody_for_anything(lang: str, report: DryRunReport) -> None:
    text = page(report, lang, lambda key, **params: face.say(lang, key, **params))
    found = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert ("lang", lang) in found.attributes
    assert found.tags.count("section") == 9
    assert found.tags.count("svg") >= 6
    assert not {"script", "link", "img", "iframe", "object", "embed", "use", "image"} & set(found.tags)
    assert not [
        name for name, _ in found.attributes if name in {"src", "href", "xlink:href", "srcset", "data"}
    ]
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", text)
    assert "default-src 'none'" in text
    assert f"{TOKENS}" in found.text
    assert "ml-dsa-65" in found.text
    assert "2036-01-01" in found.text
    assert "{" not in found.text, "every sentence got what it names"


@pytest.mark.parametrize(
    ("lang", "wanted"),
    [
        (
            "en",
            (
                "<td>device mechanism</td>",
                "Validity of the signer&#x27;s",
                "no end known",
                "less than a day",
                "<td>receive buffer of some clients</td>",
                "<td>OpenSSL 3.5 or later, openssl cms</td>",
            ),
        ),
        (
            "ja",
            (
                "<td>装置のメカニズム</td>",
                "署名者の証明書の有効期間",
                "期限の定めなし",
                "1 日未満",
                "<td>一部のクライアントの受信バッファ</td>",
                "<td>OpenSSL 3.5 以降",
            ),
        ),
    ],
)
def test_the_page_names_things_in_its_language(
    lang: str, wanted: tuple[str, ...], report: DryRunReport
) -> None:
    asset = Asset("certificate:00ff", "CN=a unit", "device-mechanism", "", None)
    change = StatusChange(
        "2037-11-18T00:00:00Z", "passed", "needs-proof", "unit-validity", "EXPIRED", "x", "sha256", 3
    )
    step = RenewalStep("2037-11-18T00:00:00Z", 3, hash_tree=False, batches=1, minutes=0.001, octets=9)
    since, until = "2026-11-21T00:00:00Z", "2026-11-21T00:00:15Z"
    observed = replace(report.measured.observed, since=since, until=until)
    named = replace(
        report,
        inventory=replace(report.inventory, assets=(asset,)),
        artefacts=replace(report.artefacts, changes=(change,)),
        renewal=replace(report.renewal, steps=(step,)),
        measured=replace(report.measured, observed=observed),
    )
    text = page(named, lang, lambda key, **params: face.say(lang, key, **params))
    assert all(each in text for each in wanted)
    assert "CN=a unit" in text
    assert not [code for code in ("certificate:00ff", "client-buffer", "openssl-") if code in text]
    assert "&lt; 0.1" in text


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_what_others_wrote_is_escaped(lang: str, report: DryRunReport) -> None:
    change = StatusChange(HOSTILE, "passed", "failed", HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1)
    blocker = Finding("PROFILE_UNFIT", HOSTILE, HOSTILE)
    hostile = replace(
        report,
        profile=HOSTILE,
        product=HOSTILE,
        diff=replace(report.diff, after=HOSTILE),
        artefacts=replace(report.artefacts, changes=(change,)),
        renewal=replace(report.renewal, steps=(RenewalStep(HOSTILE, 5000, True, 5, 1.0, 10**13),)),
        consequences=replace(report.consequences, blockers=(blocker,)),
        clients=replace(report.clients, fallbacks=(HOSTILE,)),
    )
    text = page(hostile, lang, lambda key, **params: face.say(lang, key, **params))
    found = Page(text)
    assert "script" not in found.tags
    assert HOSTILE in found.text
    assert "10.0 TB" in found.text


def _codes(name: str) -> set[str]:
    """Return the first words of every `Finding("...")` of a module."""
    calls = ast.walk(ast.parse((MIGRATION / name).read_text(encoding="utf-8")))
    return {
        call.args[0].value
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "Finding"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_code_has_a_sentence(lang: str) -> None:
    path = ROOT / "kokuin" / "cli" / "messages" / f"{lang}.toml"
    words = tomllib.loads(path.read_text(encoding="utf-8"))["dryrun"]
    codes = {code for name in ("dryrun.py", "dryrun_chain.py", "dryrun_effects.py") for code in _codes(name)}
    assert len(codes) > 15
    codes |= {code.value for code in BlockerCode}
    codes |= {"POLICY_OID_TAKEN", "ACCURACY_NOT_GUARDED", "EVIDENCE_UNIT_ANSWERS", "EVIDENCE_UNIT_SLOW"}
    assert {f"code_{code}" for code in codes} <= words.keys()


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_limit_and_every_verifier_has_a_name(lang: str) -> None:
    limits = {name for name, _ in dryrun_effects._LIMITS}
    programs = {name for readers in dryrun_effects._READERS.values() for name, _ in readers} | {"kokuin"}
    for key in (*(f"limit_{name}" for name in limits), *(f"program_{name}" for name in programs)):
        assert face.say(lang, key.replace(".", "-"))


@pytest.mark.parametrize("count", [1, 2])
def test_blockers_are_counted_in_good_english(count: int, report: DryRunReport) -> None:
    found = (Finding("PROFILE_UNFIT", "pq"),) * count
    blocked = replace(report, consequences=replace(report.consequences, blockers=found))
    wanted = f"The switch cannot be made. Blockers: {count}."
    assert wanted in page(blocked, "en", lambda key, **params: face.say("en", key, **params))
    assert wanted in face._lines(blocked, "en")


def test_a_terminal_sees_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tell: Callable[[str, int, int], None] = face._progress("en")
    tell("trial", 1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    tell = face._progress("en")
    tell("trial", 1, 2)
    tell("ledger", 0, 0)
    said = capsys.readouterr().err
    assert f"[{'#' * 15}{' ' * 15}] trial issuing" in said
    assert said.endswith("\n")
