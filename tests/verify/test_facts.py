"""What a judgement looked at, saved and judged again: the same report, and nothing for strangers to twist."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from kokuin import __version__
from kokuin.cli.main import main
from kokuin.trust.anchors import TrustPeriod, TrustStore
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.verify.content import of_octets
from kokuin.verify.facts import KIND, MAX_OCTETS, AskedDigests, DigestAbsentError, Facts, LedgerFacts
from kokuin.verify.facts_fields import FactsError
from kokuin.verify.facts_reading import read_facts
from kokuin.verify.ledger_place import verify_with_ledger
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.policies import load_policy, parse_policy, shipped_policies
from tests.ledger.notes import log, verifier
from tests.ownpolicy import policy_text, row
from tests.requests import make_request
from tests.trust.forge import DATA, DAY, NOW, NOW_US, order, pki
from tests.verify import ledgers

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.report import Report

AT = "2026-06-01T00:00:00.000001Z"
REQUEST = make_request(DIGEST_BY_NAME["sha256"])
EVERYTHING = Context(
    NOW_US + 1,
    TrustStore(
        (pki().root.certificate, pki().authority.certificate),
        (pki().unit.certificate,),
        (TrustPeriod(pki().root.der, NOW_US - 5, NOW_US + 5_000_000),),
    ),
    policy=load_policy("eu-ts119312"),
    revocation_mode=RevocationMode.REQUIRED,
)


def crl() -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(pki().authority.x509.subject)
    dated = builder.last_update(NOW - DAY).next_update(NOW + DAY)
    return dated.sign(pki().authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def replay(facts: Facts) -> Report:
    again = read_facts(facts.encode())
    assert again.encode() == facts.encode()
    return again.judge()


def everything() -> Facts:
    revocation = RevocationData((crl(), b"no list"), (b"no answer",))
    digests = AskedDigests(of_octets(DATA))
    context = replace(EVERYTHING, revocation=revocation)
    request = REQUEST
    verify_bytes(order().make(), replace(context, content=digests))
    return Facts(order().make(), context, digests.asked, request)


def test_facts_are_read_as_they_were_written() -> None:
    facts = everything()
    again = read_facts(facts.encode())
    assert replace(again, context=facts.context) == facts
    one, other = facts.context, again.context
    assert (one.at, one.proven, one.policy, one.revocation) == (
        other.at,
        other.proven,
        other.policy,
        other.revocation,
    )
    assert one.revocation_mode is other.revocation_mode
    for store in ("anchors", "helpers"):
        found = [[each.der for each in getattr(context.trust, store)] for context in (one, other)]
        assert found[0] == found[1]
    assert one.trust.periods == other.trust.periods


@pytest.mark.parametrize("name", shipped_policies())
def test_every_shipped_policy_survives_whole(name: str) -> None:
    facts = Facts(b"", Context(NOW_US, TrustStore(), policy=load_policy(name)))
    assert read_facts(facts.encode()).context.policy == load_policy(name)


@pytest.mark.parametrize("subject", [order().make(), b"", b"no token", order(flip_signature=True).make()])
@pytest.mark.parametrize("data", [DATA, b"other", None])
def test_the_same_judgement_is_made_again(subject: bytes, data: bytes | None) -> None:
    digests = None if data is None else AskedDigests(of_octets(data))
    context = Context(NOW_US, pki().trust)
    first = verify_bytes(subject, replace(context, content=digests))
    facts = Facts(subject, context, None if digests is None else digests.asked)
    assert replay(facts).to_json() == first.to_json()


def test_the_same_judgement_is_made_again_with_everything_in_it() -> None:
    facts = everything()
    assert replay(facts).to_json() == facts.judge().to_json()
    assert facts.judge().checks != Facts(facts.subject, facts.context).judge().checks


@pytest.mark.parametrize("proven", [None, NOW_US - 7, -1])
@pytest.mark.parametrize("at", [NOW_US, -62_135_596_800_000_000, 253_402_300_799_999_999])
def test_every_moment_survives(at: int, proven: int | None) -> None:
    facts = Facts(order().make(), Context(at, pki().trust, proven=proven))
    again = read_facts(facts.encode()).context
    assert (again.at, again.proven) == (at, proven)
    assert replay(facts).to_json() == facts.judge().to_json()


def test_a_policy_of_the_verifier_s_own_goes_along() -> None:
    rows = (
        row(("imprint", "signature-digest", "certificate-id"), ["sha256"], ["verify"], until="2026-01-01"),
    )
    policy = parse_policy("刻印の方針", policy_text(*rows))
    facts = Facts(order().make(), Context(NOW_US, pki().trust, policy=policy))
    report = replay(facts)
    assert report.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE"
    assert report.policy == policy


def test_a_digest_that_was_not_asked_for_is_missed_and_not_guessed() -> None:
    facts = Facts(order().make(), Context(NOW_US, pki().trust), {"sha512": bytes(64)})
    with pytest.raises(DigestAbsentError) as missed:
        facts.judge()
    assert missed.value.algorithm == "sha256"


def test_the_proof_beside_a_token_is_kept_whole() -> None:
    issued = ledgers.genuine()[ledgers.at(0)]
    made = ledgers.Ledger().proof(ledgers.at(0))
    cosigned = ledgers.cosigner("w1", 700)(made.checkpoint_octets)
    ledger = LedgerFacts(
        verifier(log()).encode(), ledgers.policy(1, "w1"), replace(made, checkpoint_octets=cosigned).encode()
    )
    late = replace(ledgers.context(), at=ledgers.NOW_US + 250 * 86_400 * ledgers.SECOND)
    first = verify_with_ledger(issued.token, late, ledger.evidence())
    assert first.indication == "PASSED"
    assert replay(Facts(issued.token, late, ledger=ledger)).to_json() == first.to_json()


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(everything().encode())
    change(value)
    return json.dumps(value).encode()


def put(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(facts: dict[str, Any]) -> None:
        place: Any = facts
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (put("kind", value="report"), "kind"),
        (put("schema", value=0), "schema"),
        (put("schema", value=True), "schema"),
        (put("schema", value="1"), "schema"),
        (put("later", value=None), "'later'"),
        (lambda facts: facts.pop("digests"), "digests"),
        (put("release", value="\x1b[2J"), "release"),
        (put("subject", value="?"), "subject"),
        (put("subject", value=None), "subject"),
        (put("at", value="2026-06-01T00:00:00"), "at"),
        (put("at", value="2026-06-01T00:00:00+09:00"), "at"),
        (put("at", value="\uff12\uff10\uff12\uff16-06-01T00:00:00Z"), "at"),
        (put("at", value="2026-13-01T00:00:00Z"), "at"),
        (put("at", value=0), "at"),
        (put("trust", "anchors", value=["x"]), "trust.anchors[0]"),
        (put("trust", "anchors", 0, "certificate", value="AAAA"), "trust.anchors[0].certificate"),
        (put("trust", "anchors", 0, "until", value="never"), "trust.anchors[0].until"),
        (put("trust", "anchors", 0, "untill", value=None), "trust.anchors[0].'untill'"),
        (put("trust", "helpers", value=["AAAA"]), "trust.helpers"),
        (put("trust", "helpers", value=[""] * 2001), "trust.helpers"),
        (put("policy", "toml", value="edition ="), "policy.toml"),
        (put("policy", "toml", value=" " * (1 << 23)), "policy.toml"),
        (put("policy", "name", value="\x1b]0;owned\x07"), "policy.name"),
        (put("policy", "name", value="x" * 501), "policy.name"),
        (put("revocation", "mode", value="never"), "revocation.mode"),
        (put("revocation", "lists", value=[1]), "revocation.lists"),
        (put("revocation", "answers", value={}), "revocation.answers"),
        (put("digests", value={"md4": "00"}), "digests.'md4'"),
        (put("digests", value={"sha256": "zz"}), "digests.sha256"),
        (put("digests", value={"sha256": "00" * 65_537}), "digests.sha256"),
        (put("request", value="AAAA"), "request"),
        (put("ledger", value=[]), "ledger"),
        (put("ledger", value={"log_keys": "no key"}), "ledger.witnesses"),
    ],
)
def test_facts_of_a_stranger_are_refused_by_place(
    change: Callable[[dict[str, Any]], object], place: str
) -> None:
    with pytest.raises(FactsError) as refused:
        read_facts(changed(change))
    assert (refused.value.place, refused.value.newer) == (place, False)


def of_ledger(**fields: object) -> bytes:
    whole = {"log_keys": None, "witnesses": None, "proof": None, "bundle_sha256": None, **fields}
    return changed(put("ledger", value=whole))


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"log_keys": "no key"}, "ledger.log_keys"),
        ({"witnesses": base64.b64encode(b"no policy").decode()}, "ledger.witnesses"),
        ({"proof": base64.b64encode(bytes(1 << 20)).decode()}, "ledger.proof"),
        ({"bundle_sha256": "../../etc/passwd"}, "ledger.bundle_sha256"),
    ],
)
def test_a_ledger_s_facts_of_a_stranger_are_refused_by_place(fields: dict[str, object], place: str) -> None:
    assert read_facts(of_ledger()).ledger == LedgerFacts()
    with pytest.raises(FactsError) as refused:
        read_facts(of_ledger(**fields))
    assert refused.value.place == place


@pytest.mark.parametrize(
    ("octets", "place"),
    [
        (b"", "JSON_SYNTAX"),
        (b"[]", ""),
        (b"[" * 100_000, "JSON_TOO_DEEP"),
        (b'{"kind": "facts", "kind": "facts"}', "JSON_DUPLICATE_NAME"),
        (b'{"schema": 1e999}', "JSON_FLOAT"),
        (b"\xff", "JSON_ENCODING"),
        (b" " * (MAX_OCTETS + 1), "JSON_TOO_LARGE"),
    ],
)
def test_what_is_no_strict_json_is_refused(octets: bytes, place: str) -> None:
    with pytest.raises(FactsError) as refused:
        read_facts(octets)
    assert refused.value.place == place


def test_facts_of_a_later_release_are_named_so() -> None:
    with pytest.raises(FactsError) as refused:
        read_facts(changed(put("schema", value=3)))
    assert refused.value.newer


PIECES = (b"", b'"', b"0", b"A", b"}", b",", b"null", b"\xc3")


def test_mutated_facts_are_refused_or_judged() -> None:
    octets, rng = bytearray(everything().encode()), random.Random(5)  # noqa: S311  # a reproducible choice
    outcomes = set()
    for _ in range(400):
        mutated = bytearray(octets)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(mutated))
            mutated[at : at + rng.randint(0, 2)] = rng.choice(
                [b"", b'"', b"0", b"A", b"}", b",", b"null", b"\xc3"]
            )
        try:
            outcomes.add(read_facts(bytes(mutated)).judge().indication.value)
        except (FactsError, DigestAbsentError) as error:
            outcomes.add(type(error).__name__)
    assert {"FactsError", "FAILED"} <= outcomes


def test_an_existence_that_the_facts_claim_is_named_as_a_claim() -> None:
    """Attack: a file of facts of an expired unit's token, with a proof of existence that is not there."""
    expired = Context(NOW_US + 150 * 86_400_000_000, pki().trust)
    assert replay(Facts(order().make(), expired)).indication == "INDETERMINATE"
    report = replay(Facts(order().make(), replace(expired, proven=NOW_US)))
    assert (report.indication, report.checks[-1].reason) == ("PASSED", "EXISTENCE_CLAIMED")
    assert "EXISTENCE_CLAIMED" in report.to_json()


# The command.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "token.tsr").write_bytes(order().make())
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    (tmp_path / "unit.crl").write_bytes(crl())
    (tmp_path / "request.tsq").write_bytes(REQUEST)
    return tmp_path


GIVEN = ("token.tsr", "--trust", "root.pem", "--at", AT, "--policy", "jp-cryptrec", "--crl", "unit.crl")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "words",
    [("--data", "data"), ("--data", "unit.crl"), ("--request", "request.tsq"), ("--digest", "00" * 999)],
)
@pytest.mark.parametrize("form", [("--json",), ("--lang", "en"), ("--lang", "ja")])
def test_what_the_command_saves_it_judges_again_alike_and_from_nothing_else(
    words: tuple[str, ...], form: tuple[str, ...], folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code = main(["verify", *GIVEN, *words, *form, "--facts", "facts.json"])
    first = capfdbinary.readouterr().out
    for file in folder.iterdir():
        if file.name != "facts.json":
            file.unlink()
    assert main(["verify", "--from-facts", "facts.json", *form]) == code
    assert capfdbinary.readouterr().out == first
    value = json.loads((folder / "facts.json").read_bytes())
    assert (value["kind"], value["release"]) == (KIND, __version__)
    assert [each.name for each in folder.iterdir()] == ["facts.json"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "words",
    [
        ("token.tsr",),
        ("--data", "data"),
        ("--at", AT),
        ("--trust", "root.pem"),
        ("--crl", "unit.crl"),
        ("--policy", "us"),
        ("--revocation", "required"),
    ],
)
def test_options_that_the_facts_speak_of_are_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["verify", *GIVEN, "--facts", "facts.json"])
    capsys.readouterr()
    assert main(["verify", "--from-facts", "facts.json", *words]) == 3
    assert "cannot stand beside --from-facts" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["token.tsr", "linked", "data", "request.tsq", "token.tsr.tlog-proof", "root.pem"]
)
def test_facts_are_never_saved_over_what_they_are_about(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "linked").hardlink_to(folder / "token.tsr")
    (folder / "token.tsr.tlog-proof").write_bytes(b"no proof")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    words = ("--data", "data", "--request", "request.tsq", "--facts", name)
    assert main(["verify", *GIVEN, *words]) == 3
    assert "nothing is overwritten" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from-facts", "absent.json"), "absent.json: "),
        (("--from-facts", "token.tsr"), "token.tsr is no file of facts (JSON_"),
        (("token.tsr", "--facts", "no/such/folder"), "no/such/"),
        (("--facts", "facts.json"), "name a time-stamp"),
        ((".", "--facts", "facts.json"), "--facts"),
    ],
)
def test_what_cannot_be_saved_or_read_is_wrong_usage(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", *words]) == 3
    assert said in capsys.readouterr().err
    assert not Path("facts.json").exists()


def test_facts_about_a_bundle_want_the_very_bundle(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bundle").write_bytes(b"no bundle")
    (folder / "other").write_bytes(b"another")
    asked = (*GIVEN, "--require-ledger", "bundle", "--facts", "facts.json", "--json")
    assert main(["verify", *asked]) == 2
    first = capsys.readouterr().out
    again = ("verify", "--from-facts", "facts.json", "--json")
    assert main([*again, "--require-ledger", "bundle"]) == 2
    assert capsys.readouterr().out == first
    for words in ((), ("--require-ledger", "other")):
        assert main([*again, *words]) == 3
        assert hashlib.sha256(b"no bundle").hexdigest() in capsys.readouterr().err
    main(["verify", *GIVEN, "--facts", "facts.json"])
    capsys.readouterr()
    assert main([*again, "--require-ledger", "bundle"]) == 3
    assert "about no bundle" in capsys.readouterr().err


def test_whoever_judges_by_facts_is_told_that_trust_and_policy_are_the_file_s(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Attack: a forger's own anchor of a known name, and his own policy under a known one's name."""
    main(["verify", *GIVEN, "--facts", "facts.json"])
    assert main(["verify", "--from-facts", "facts.json", "--json"]) == 0
    told = capsys.readouterr().err
    assert "not what you chose" in told
    assert hashlib.sha256(pki().root.der).hexdigest() in told
    assert "none of this release" not in told
    value = json.loads((folder / "facts.json").read_bytes())
    value["policy"]["name"] = "baseline"
    (folder / "facts.json").write_text(json.dumps(value))
    main(["verify", "--from-facts", "facts.json", "--json"])
    assert "the policy baseline in it is none of this release" in capsys.readouterr().err
