"""Stored tokens and records renewed over the decades: what is written or refused, and that it verifies."""

from __future__ import annotations

import functools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from kokuin.verify.renewal import writing
from kokuin.verify.renewal.planning import Act
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.pem import write_block
from kokuin.wire.prescan import Limits
from kokuin.wire.token_form import bare_token
from pqc.policies import Policy, parse_policy
from tests.ownpolicy import policy_text, row
from tests.trust.evidences import DATA, P256, PQ, first, moment, unit
from tests.trust.forge import reasons, verdict
from tests.unsigned import attribute, with_unsigned
from tests.verify.renewals import Stage
from tsa.evidence.records import make_record
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from pathlib import Path

HASHES = ("imprint", "tree", "signature-digest", "certificate-id")
STAMPING = unit(P256, 2026, 1_800)
FIRST, SECOND = unit(PQ, 2027), unit(PQ, 2035)
THIRD = unit("ml-dsa-87", 2044, 3_700, "sha3_512")


def policy() -> Policy:
    return parse_policy(
        "later",
        policy_text(
            row("signature", ["ecdsa"], ["verify"], until="2029-12-31"),
            row("signature", ["ml-dsa"], ["verify"]),
            row(HASHES, ["sha256"], ["verify"], until="2040-12-31"),
            row(HASHES, ["sha512"], ["verify"], until="2045-12-31"),
            row(HASHES, ["sha3_512"], ["verify"]),
        ),
    )


@functools.cache
def token(data: bytes = DATA, digest: str = "sha256") -> bytes:
    return STAMPING.stamp(digest, DIGEST_BY_NAME[digest].of(data), moment(2026, 6, 1))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Three tokens, two of them with their documents, and things that are none."""
    folder, home = tmp_path / "archive", tmp_path / "home"
    (folder / "2026").mkdir(parents=True)
    home.mkdir()
    (folder / "2026/a").write_bytes(DATA)
    (folder / "2026/a.tsr").write_bytes(token())
    (folder / "b.tsr").write_bytes(token(b"b"))
    (folder / "c.tsr").write_bytes(token(b"c", "sha512"))
    (folder / "c").write_bytes(b"c")
    (folder / "notes.txt").write_bytes(b"no token")
    return Stage(folder, home, (STAMPING, FIRST, SECOND, THIRD), FIRST, policy())


def test_nothing_is_done_before_it_is_due(stage: Stage) -> None:
    outcomes, entries = stage.renew(moment(2027, 2), moment(2028))
    assert (outcomes, stage.asked) == (Counter(), [])
    assert {each.act for each in entries} == {Act.NOT_YET}


def test_one_time_stamp_renews_all_and_each_verifies_when_its_own_algorithm_has_fallen(stage: Stage) -> None:
    assert stage.judge("2026/a.tsr", moment(2033)).indication == "INDETERMINATE"
    outcomes, entries = stage.renew(moment(2029), moment(2030))
    assert outcomes == {"renewed": 3}
    assert len(stage.asked) == 1
    assert [each.token for each in entries] == ["b.tsr", "c.tsr", "2026/a.tsr"]
    for name, data in (("2026/a.tsr", DATA), ("b.tsr", b"b"), ("c.tsr", b"c")):
        assert verdict(stage.judge(name, moment(2033), data)) == ("PASSED", None), name
        assert stage.judge(name, moment(2033), b"other").indication == "FAILED"
    assert sorted(each.name for each in stage.folder.rglob("*.er")) == ["a.tsr.er", "b.tsr.er", "c.tsr.er"]


def test_the_record_carries_what_the_token_was_judged_by_and_protects_it(stage: Stage) -> None:
    (stage.folder / "b.tsr").write_bytes(
        STAMPING.stamp("sha256", DIGEST_BY_NAME["sha256"].of(b"b"), moment(2026, 6, 1), crl=False)
    )
    stage.renew(moment(2029), moment(2030))
    record = read_evidence_record((stage.folder / "2026/a.tsr.er").read_bytes())
    assert [each.oid for each in record.crypto_infos] == [
        oids.ID_AA_ETS_CERT_VALUES,
        oids.ID_AA_ETS_REVOCATION_VALUES,
    ]
    values = [value for each in record.crypto_infos for value in each.values]
    assert STAMPING.root.certificate.der in values[0]
    assert STAMPING.crl in values[1]
    listed = set((record.chains[0].stamps[0].reduced or ((),))[0])
    covered = (bare_token(token()), *values, DATA)
    assert listed == {DIGEST_BY_NAME["sha512"].of(each) for each in covered}
    # Where no list is at hand, none is in the record.
    alone = read_evidence_record((stage.folder / "b.tsr.er").read_bytes())
    assert [each.oid for each in alone.crypto_infos] == [oids.ID_AA_ETS_CERT_VALUES]


def test_decades_of_renewals_from_one_token_to_three_chains(stage: Stage) -> None:
    stage.renew(moment(2029), moment(2030))
    before = (stage.folder / "2026/a.tsr.er").read_bytes()
    stage.by = SECOND
    assert stage.renew(moment(2036), moment(2038))[0] == {"renewed": 3}
    renewed = (stage.folder / "2026/a.tsr.er").read_bytes()
    old, new = read_evidence_record(before), read_evidence_record(renewed)
    assert new.chains[0].stamps[0].octets == old.chains[0].stamps[0].octets
    assert [len(each.stamps) for each in new.chains] == [2]
    # The records of one tree share a leaf: what they cover is the same time-stamp.
    assert len({(stage.folder / f"{name}.tsr.er").read_bytes()[-500:] for name in ("b", "c", "2026/a")}) == 1
    stage.by, stage.digest = THIRD, "sha3_512"
    outcomes, entries = stage.renew(moment(2044, 6, 1), moment(2046))
    assert outcomes == {"renewed": 3}
    assert {each.token: (each.act, each.reason) for each in entries} == {
        "b.tsr": (Act.HASH_TREE, "BINDING_NO_LONGER_FIT"),
        "c.tsr": (Act.HASH_TREE, None),
        "2026/a.tsr": (Act.HASH_TREE, None),
    }
    for name, data in (("2026/a.tsr", DATA), ("c.tsr", b"c")):
        assert verdict(stage.judge(name, moment(2050), data)) == ("PASSED", None), name
    # Of b no document was at hand, so nothing but its own imprint ever bound the data.
    report = stage.judge("b.tsr", moment(2050), b"b")
    assert report.parts[0].indication == "PASSED"
    assert reasons(report)["imprint-algorithm"] == "BINDING_NO_LONGER_FIT"


def test_a_record_of_another_s_making_is_renewed_in_its_armour_and_over_its_own_form(stage: Stage) -> None:
    """Over the file with all its unsigned attributes: a new hash of what it covers is not for us to make."""
    laden = with_unsigned(token(), attribute("1.2.3.4", b"\x05\x00"))
    (stage.folder / "2026/a.tsr").write_bytes(laden)
    record = first(FIRST, moment(2028), laden)
    (stage.folder / "2026/a.tsr.er").write_bytes(write_block("EVIDENCE RECORD", record))
    stage.by = SECOND
    outcomes, _ = stage.renew(moment(2036), moment(2038))
    assert outcomes["renewed"] == 1
    renewed = read_evidence_record((stage.folder / "2026/a.tsr.er").read_bytes())
    assert renewed.chains[0].stamps[0].octets == read_evidence_record(record).chains[0].stamps[0].octets
    assert verdict(stage.judge("2026/a.tsr", moment(2039))) == ("PASSED", None)
    stage.by, stage.digest = THIRD, "sha3_512"
    _, entries = stage.renew(moment(2044, 6, 1), moment(2046))
    found = {each.token: each.act for each in entries}
    assert found["2026/a.tsr"] in {Act.MISSING, Act.TOO_LATE}


def test_a_hash_tree_renewal_names_the_original_that_is_missing_and_leaves_the_record(stage: Stage) -> None:
    stage.renew(moment(2029), moment(2030))
    stage.by = SECOND
    stage.renew(moment(2036), moment(2038))
    before = (stage.folder / "2026/a.tsr.er").read_bytes()
    (stage.folder / "2026/a").unlink()
    stage.by, stage.digest = THIRD, "sha3_512"
    outcomes, entries = stage.renew(moment(2044, 6, 1), moment(2046))
    assert outcomes == {"renewed": 2}
    (missing,) = (each for each in entries if each.act is Act.MISSING)
    assert (missing.token, missing.reason) == ("2026/a.tsr", "EVIDENCE_ORIGINAL_MISSING")
    assert (stage.folder / "2026/a.tsr.er").read_bytes() == before


@pytest.mark.parametrize(
    ("bound", "most"),
    [("MAX_STAMPS", 2), ("MAX_CHAINS", 1), ("RECORD_LIMITS", Limits(1 << 24, 64, elements=100))],
)
def test_no_record_grows_beyond_what_is_judged(
    stage: Stage, bound: str, most: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A record that passes would give way to one of which nobody can say more than that it is too long.
    stage.renew(moment(2029), moment(2030))
    stage.by = SECOND
    stage.renew(moment(2036), moment(2038))
    older = {each: each.read_bytes() for each in stage.folder.rglob("*.er")}
    monkeypatch.setattr(writing, bound, most)
    if bound == "RECORD_LIMITS":
        monkeypatch.setattr(writing, "_SURE", 1_000)
    stage.by, stage.digest = THIRD, "sha3_512"
    assert stage.renew(moment(2044, 6, 1), moment(2046))[0] == {"too-long": 3}
    assert {each: each.read_bytes() for each in older} == older


def test_what_no_longer_passes_gets_no_evidence(stage: Stage) -> None:
    # Attack: whoever can forge today has his forgery made to last.
    outcomes, entries = stage.renew(moment(2030, 6, 1), moment(2032))
    assert (outcomes, stage.asked) == (Counter(), [])
    assert {(each.act, each.reason) for each in entries} == {(Act.TOO_LATE, "NO_LONGER_FIT")}
    assert not list(stage.folder.rglob("*.er"))


def test_a_token_that_is_damaged_or_of_other_data_is_named_and_the_rest_renewed(stage: Stage) -> None:
    (stage.folder / "c").write_bytes(b"changed")
    (stage.folder / "b.tsr").write_bytes(token(b"b")[:-7])
    outcomes, entries = stage.renew(moment(2029), moment(2030))
    assert outcomes == {"renewed": 1}
    found = {each.token: each.reason for each in entries if each.act is Act.TOO_LATE}
    assert found == {"b.tsr": "UNREADABLE", "c.tsr": "CONTENT_DIFFERS"}


def test_evidence_within_a_token_goes_on_beside_it(stage: Stage) -> None:
    embedded = with_unsigned(
        token(), attribute(oids.ID_AA_ER_INTERNAL, first(FIRST, moment(2027, 6, 1), bare_token(token())))
    )
    (stage.folder / "2026/a.tsr").write_bytes(embedded)
    stage.by = SECOND
    outcomes, entries = stage.renew(moment(2036), moment(2038))
    assert outcomes == {"renewed": 1}
    assert next(each for each in entries if each.token == "2026/a.tsr").act is Act.TIME_STAMP
    assert (stage.folder / "2026/a.tsr").read_bytes() == embedded
    assert verdict(stage.judge("2026/a.tsr", moment(2039))) == ("PASSED", None)
    # The next one goes on with the longer record.
    stage.by, stage.digest = THIRD, "sha3_512"
    outcomes, _ = stage.renew(moment(2044, 6, 1), moment(2046))
    assert outcomes == {"renewed": 1}
    assert len(read_evidence_record((stage.folder / "2026/a.tsr.er").read_bytes()).chains) == 2


def test_evidence_from_within_a_token_needs_no_document_for_a_new_hash(stage: Stage) -> None:
    """It covers the token alone: the hash beside it is a neighbour's, also when it lies beside the token."""
    own, other = (DIGEST_BY_NAME["sha512"].of(each) for each in (bare_token(token()), b"a neighbour"))
    tree = HashTree("sha512", [[own], [other]])
    record = make_record(tree, 0, FIRST.stamp("sha512", tree.root, moment(2027, 6, 1)))
    (stage.folder / "2026/a.tsr").write_bytes(
        with_unsigned(token(), attribute(oids.ID_AA_ER_INTERNAL, record))
    )
    (stage.folder / "2026/a").unlink()
    stage.by = SECOND
    assert stage.renew(moment(2036), moment(2038))[0] == {"renewed": 1}
    stage.by, stage.digest = THIRD, "sha3_512"
    outcomes, entries = stage.renew(moment(2044, 6, 1), moment(2046))
    assert {each.act for each in entries if each.token == "2026/a.tsr"} == {Act.HASH_TREE}
    assert outcomes == {"renewed": 1}
    assert stage.judge("2026/a.tsr", moment(2050), None).parts[0].indication == "PASSED"


def test_a_record_beside_a_document_is_renewed_in_its_place(stage: Stage) -> None:
    for name in ("b.tsr", "c.tsr", "c", "2026/a.tsr"):
        (stage.folder / name).unlink()
    (stage.folder / "2026/a.er").write_bytes(first(FIRST, moment(2027, 6, 1), DATA))
    (stage.folder / "elsewhere.er").write_bytes(first(FIRST, moment(2027, 6, 1), b"kept elsewhere"))
    stage.by = SECOND
    assert stage.renew(moment(2036), moment(2038))[0] == {"renewed": 2}
    stage.by, stage.digest = THIRD, "sha3_512"
    outcomes, entries = stage.renew(moment(2044, 6, 1), moment(2046))
    assert outcomes == {"renewed": 1}
    assert {each.token: each.reason for each in entries if each.act is Act.MISSING} == {
        "elsewhere.er": "EVIDENCE_ORIGINAL_MISSING"
    }
    assert verdict(stage.judge("2026/a.er", moment(2050))) == ("PASSED", None)


def test_with_a_folder_of_their_own_records_go_there_and_go_on_from_there(stage: Stage) -> None:
    stage.out = stage.home / "records"
    stage.renew(moment(2029), moment(2030))
    assert not list(stage.folder.rglob("*.er"))
    stage.by = SECOND
    assert stage.renew(moment(2036), moment(2038))[0] == {"renewed": 3}
    assert verdict(stage.judge("2026/a.tsr", moment(2039))) == ("PASSED", None)
    assert len(read_evidence_record((stage.out / "2026/a.tsr.er").read_bytes()).chains[0].stamps) == 2


def test_a_time_stamp_that_ends_no_later_gains_nothing_and_replaces_nothing(stage: Stage) -> None:
    stage.renew(moment(2029), moment(2030))
    before = (stage.folder / "b.tsr.er").read_bytes()
    assert stage.renew(moment(2030), moment(2045))[0] == {"no-gain": 3}
    assert (stage.folder / "b.tsr.er").read_bytes() == before
