"""`tsa verify` of sealed documents: recognised, judged offline, told in both languages, replayed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eseal import cades_create, jades_create
from eseal.cms_parts import read_parts
from eseal.jades_payload import Attached, ByUri, ByUriHash, Document, Payload
from eseal.values import MAX_PDF, Level, Material
from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES
from kokuin.trust.context import Context
from kokuin.verify import seals
from kokuin.verify.content import of_digest, of_octets
from kokuin.verify.seals import Form, recognise
from kokuin.verify.verifying import HEAD, MAX_OCTETS, most_octets, verify_bytes
from kokuin.wire import encode
from kokuin.wire.pem import write_block
from tests.eseal.pdf.plain import pages
from tests.eseal.pki import NOW_US, seal_key, seal_pki
from tests.trust.forge import order, pki, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.report import Report

DATA = b'{"invoice":"2026-11","total":1200}'
SECOND = 1_000_000
PASSED, CHANGED = ("PASSED", None), ("FAILED", "HASH_FAILURE")


def material() -> Material:
    made = seal_pki()
    certificates = (*made.chain, made.root.certificate.der, made.stamper().certificate.der)
    return Material(certificates, made.revocation())


def in_cms(level: Level = Level.B_B, *, inside: bool = True, data: bytes = DATA) -> bytes:
    return cades_create.create(
        of_octets(data),
        (seal_key(),),
        NOW_US,
        enveloping=inside,
        level=level,
        stamper=seal_pki().stamper(),
        material=material(),
    )


def in_json(level: Level = Level.B_B, payload: Payload | None = None, *suites: str) -> bytes:
    keys = [seal_key(each) for each in suites] or [seal_key()]
    given = payload or Attached(DATA)
    return jades_create.create(
        given, keys, NOW_US, level=level, stamper=seal_pki().stamper(), material=material()
    )


def in_pdf(level: Level = Level.B_B, document: bytes | None = None) -> bytes:
    from eseal.pdf.orders import PdfSealOrder  # noqa: PLC0415  # loads pyHanko, which verifying does without
    from eseal.pdf.sealing import PdfSealer  # noqa: PLC0415  # the same
    from eseal.pdf.stamping import Stamping  # noqa: PLC0415  # the same

    stream = io.BytesIO(document or pages())
    sealer = PdfSealer((seal_key(),), Stamping(seal_pki().stamper()))
    sealer.seal(stream, PdfSealOrder(level, NOW_US, material=material()))
    return stream.getvalue()


SEALED: dict[str, Callable[[Level], bytes]] = {"pdf": in_pdf, "jws": in_json, "cms": in_cms}


def judge(data: bytes, content: Callable[[str], bytes] | None = None, *, later: int = SECOND) -> Report:
    trust = seal_pki().trust
    return verify_bytes(data, Context(NOW_US + 60 * SECOND + later, trust, content))


@pytest.mark.parametrize("form", SEALED)
@pytest.mark.parametrize("level", list(Level))
def test_own_seals_pass_at_every_level_and_say_which(form: str, level: Level) -> None:
    report = judge(SEALED[form](level))
    assert verdict(report) == PASSED
    assert report.kind == f"sealed-{form}"
    (seal,) = report.parts
    assert seal.subject["level"] == level
    assert len(seal.parts) == {"B-B": 0, "B-T": 1, "B-LT": 1, "B-LTA": 2}[level]


@pytest.mark.parametrize("form", SEALED)
def test_a_seal_passes_long_after_its_certificate_by_its_archive_time_stamp_alone(form: str) -> None:
    """The unit's certificate holds for seven years more; the seal's ends in five and a half."""
    sealed = SEALED[form](Level.B_LTA)
    later = 2_100 * 86_400 * SECOND
    basic = judge(SEALED[form](Level.B_B), later=later)
    assert verdict(basic) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")
    assert "proven_time" in judge(sealed, later=later).parts[0].subject


def test_a_cms_seal_in_pem_and_one_around_a_pdf_are_judged_as_what_they_are() -> None:
    assert verdict(judge(write_block("CMS", in_cms()))) == PASSED
    around = in_cms(data=pages())
    assert b"%PDF-" in around[:HEAD]
    report = judge(around)
    assert (report.kind, verdict(report)) == ("sealed-cms", PASSED)


def test_a_token_somewhere_in_a_document_does_not_speak_for_the_document() -> None:
    token = write_block("PKCS7", order().make())
    for document in (b"%PDF-1.7\n" + token, b'{"a":"' + token + b'"}'):
        report = verify_bytes(document, Context(NOW_US, pki().trust))
        assert report.kind.startswith("sealed-")
        assert report.indication == "FAILED"


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"%PDF-1.7", Form.PDF),
        (bytes(1000) + b"%PDF-2.0\n", Form.PDF),
        (bytes(1024) + b"%PDF-2.0\n", None),
        (b"eyJhIjoxfQ.e30.AA", Form.JWS),
        (b" eyJhIjoxfQ..AA\n", Form.JWS),
        (b"eyJhIjoxfQ.e30.AA.BB.CC", None),
        (b"\xef\xbb\xbf \r\n\t{", Form.JWS),
        (b"[1]", None),
        (b"a.b.c", None),
        (b"", None),
    ],
)
def test_documents_are_recognised_by_their_form(data: bytes, form: Form | None) -> None:
    assert recognise(data) is form


def test_a_pdf_may_be_larger_than_anything_else() -> None:
    assert most_octets(b"%PDF-1.7") == MAX_PDF
    assert most_octets(b"{") == most_octets(b"\x30\x82") == MAX_OCTETS


@pytest.mark.parametrize("head", [b"%PDF-1.7\n", b"{"])
def test_a_limit_of_ours_says_nothing_against_a_file(head: bytes) -> None:
    report = judge(head + b" " * MAX_PDF)
    assert verdict(report) == ("INDETERMINATE", "FORMAT_FAILURE")
    assert report.checks[0].reason == "TOO_LARGE"


@pytest.mark.parametrize("make", [in_cms], ids=["cms"])
def test_a_detached_cms_seal_wants_its_data_and_takes_a_digest_for_it(make: Callable[..., bytes]) -> None:
    sealed = make(inside=False)
    assert verdict(judge(sealed)) == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")
    assert verdict(judge(sealed, of_octets(DATA))) == PASSED
    assert verdict(judge(sealed, of_octets(b"other"))) == CHANGED
    assert verdict(judge(sealed, of_digest(of_octets(DATA)("sha256")))) == PASSED


@pytest.mark.parametrize(
    "payload",
    [
        ByUriHash((Document("urn:x:1", DATA),)),
        ByUriHash((Document("urn:x:1", DATA),), encoded=True),
        ByUri(Document("urn:x:1", DATA)),
    ],
    ids=["hash", "hash-encoded", "uri"],
)
def test_a_detached_json_seal_wants_its_data(payload: Payload) -> None:
    sealed = in_json(Level.B_LTA, payload)
    assert verdict(judge(sealed)) == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")
    assert verdict(judge(sealed, of_octets(DATA))) == PASSED
    assert judge(sealed, of_octets(b"other")).indication == "FAILED"


def test_a_hybrid_json_seal_tells_of_both_worlds_and_of_the_half_that_was_taken_away() -> None:
    sealed = in_json(Level.B_B, None, "ecdsa-p256-sha256", "ml-dsa-65")
    report = judge(sealed)
    assert verdict(report) == PASSED
    assert (report.subject["classical"], report.subject["post_quantum"]) == ("PASSED", "PASSED")
    document = json.loads(sealed)
    for left in range(2):
        stripped = {**document, "signatures": [document["signatures"][left]]}
        refused = judge(json.dumps(stripped).encode())
        assert verdict(refused) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")


def test_a_finder_that_breaks_leaves_the_verdict_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise KeyError("Root")

    monkeypatch.setattr("eseal.jades_find.find", breaks)
    report = judge(in_json())
    assert verdict(report) == ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")
    assert report.checks[0].params == {"error": "KeyError"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for form, make in SEALED.items():
        (tmp_path / f"seal.{form}").write_bytes(make(Level.B_LTA))
    (tmp_path / "detached.p7s").write_bytes(in_cms(inside=False))
    (tmp_path / "detached.json").write_bytes(in_json(Level.B_T, ByUri(Document("urn:x:1", DATA))))
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "root.pem").write_bytes(seal_pki().root_pem)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")
    return tmp_path


TRUST = ("--trust", "root.pem")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("form", SEALED)
def test_the_command_tells_of_a_seal_in_both_languages(
    form: str, lang: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", f"seal.{form}", *TRUST, "--lang", lang]) == 0
    said = capsys.readouterr().out
    first = {"en": "PASSED: the seal is valid", "ja": "PASSED: e シールは有効です"}
    assert said.splitlines()[0] == first[lang]
    assert "B-LTA" in said
    assert "試験株式会社" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("detached.p7s", "--data", "data"), 0),
        (("detached.p7s", "--data", "other"), 1),
        (("detached.p7s",), 2),
        (("detached.json", "--data", "data"), 0),
        (("detached.json", "--data", "other"), 1),
        (("detached.json",), 2),
        (("seal.pdf", "--at", "2001-01-01T00:00:00Z"), 2),
        (("seal.absent",), 3),
        (("detached.p7s", "--data", "absent"), 3),
    ],
)
def test_the_exit_code_is_the_verdict(words: tuple[str, ...], code: int, folder: Path) -> None:
    assert main(["verify", *words, *TRUST]) == code


@pytest.mark.parametrize(
    "words",
    [("seal.pdf",), ("seal.jws",), ("detached.p7s", "--data", "data"), ("detached.json", "--data", "data")],
)
def test_what_the_command_saves_it_judges_again_alike_without_the_files(
    words: tuple[str, ...], folder: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["verify", *words, *TRUST, "--facts", "facts.json", "--json"]) == 0
    first = capsysbinary.readouterr().out
    for name in words[0], "data", "root.pem":
        (folder / name).unlink()
    assert main(["verify", "--from-facts", "facts.json", "--json"]) == 0
    assert capsysbinary.readouterr().out == first


SCRIPT = """
import sys
from kokuin.cli.main import main
if sys.argv[1] == "beside":
    import pyhanko.sign.validation
code = main(sys.argv[2:])
print("MODULES", *sys.modules, file=sys.stderr)
sys.exit(code)
"""
LIBRARIES = frozenset({"pyhanko", "pyhanko_certvalidator", "asn1crypto", "rfc8785"})


def run(how: str, folder: Path, *words: str) -> tuple[bytes, set[str]]:
    """Return what `tsa verify` prints in a process of its own, and the modules that are loaded at its end."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, how, "verify", *words, "--json"],
        cwd=folder,
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return ended.stdout, set(ended.stderr.rpartition(b"MODULES ")[2].decode().split())


def test_a_token_is_judged_without_the_finders_and_a_seal_without_pyhanko(folder: Path) -> None:
    (folder / "token.tsr").write_bytes(order().make())
    (folder / "test.pem").write_bytes(pki().root.pem)
    _, of_token = run("alone", folder, "token.tsr", "--trust", "test.pem", "--at", "2026-06-01T00:00:00Z")
    assert not of_token & (LIBRARIES | {"eseal.cades_find", "eseal.jades_find", "eseal.pdf"})
    _, of_seal = run("alone", folder, "seal.pdf", *TRUST)
    assert "eseal.pdf.find" in of_seal
    assert not of_seal & {"pyhanko", "asn1crypto", "eseal.jades_find"}


@pytest.mark.parametrize("name", ["seal.pdf", "seal.cms", "seal.jws"])
def test_the_report_is_the_same_whether_pyhanko_is_loaded_or_not(name: str, folder: Path) -> None:
    """Attack surface: libraries that change tables of other libraries when they are loaded."""
    alone, _ = run("alone", folder, name, *TRUST, "--facts", "facts.json")
    again, without = run("alone", folder, "--from-facts", "facts.json")
    beside, loaded = run("beside", folder, "--from-facts", "facts.json")
    assert "pyhanko" in loaded - without
    assert alone == again == beside


def test_a_process_that_prepares_has_every_finder() -> None:
    seals.prepare()
    assert {"eseal.cades_find", "eseal.jades_find", "eseal.pdf.find"} <= sys.modules.keys()


def test_a_seal_that_no_token_could_be_is_recognised() -> None:
    """Zeros behind it, as in a PDF, or more elements than a token may have."""
    octets = in_cms()
    padded = judge(octets + bytes(64))
    assert (padded.kind, verdict(padded)) == ("sealed-cms", PASSED)
    parts = read_parts(octets)
    entry = encode.sequence(encode.integer(1), encode.x509_time(NOW_US))
    long_list = encode.sequence(encode.sequence(*[entry] * 80_000), encode.sequence(), encode.bit_string(b""))
    long = judge(replace(parts, crls=(long_list,)).encode())
    assert (long.kind, verdict(long)) == ("sealed-cms", PASSED)
    assert judge(octets + b"\x01").kind == "timestamp-token"
