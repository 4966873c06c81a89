"""Tokens of foreign authorities renewed by foreign authorities: OpenSSL stamps and judges, hashlib climbs."""

from __future__ import annotations

import hashlib
import subprocess
import time
from typing import TYPE_CHECKING

from asn1crypto import cms, core, ocsp, tsp, x509  # type: ignore[import-untyped]  # it has none
from asn1crypto import crl as peer_crl

from kokuin.trust.anchors import TrustStore, load_trust
from kokuin.trust.context import Context, RevocationData
from kokuin.trust.token import TokenFacts, read_token
from kokuin.verify.batch_items import walk
from kokuin.verify.batch_journal import Journal
from kokuin.verify.renewal.book import Book
from kokuin.verify.renewal.material import Gatherer
from kokuin.verify.renewal.places import Places
from kokuin.verify.renewal.renewing import Renewing, plan
from kokuin.verify.renewal.surveying import Terms
from kokuin.verify.verifying import TakenToken, take_token
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.token_form import bare_token
from tests.trust.forge import AUTHORITY, NOW_US, issue, order, pki
from tests.trust.revoking import answer, both_clear, crl
from tests.tsa.evidence_made import top
from tests.verify.test_openssl_tokens import KEYS, Authority, make_authority

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class _Lists(core.SequenceOf):  # type: ignore[misc]  # asn1crypto has no types
    _child_spec = peer_crl.CertificateList


class _Answers(core.SequenceOf):  # type: ignore[misc]  # asn1crypto has no types
    _child_spec = ocsp.BasicOCSPResponse


class _RevocationValues(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = (
        ("crl_vals", _Lists, {"explicit": 0, "optional": True}),
        ("ocsp_vals", _Answers, {"explicit": 1, "optional": True}),
    )


class _Certificates(core.SequenceOf):  # type: ignore[misc]  # asn1crypto has no types
    _child_spec = x509.Certificate


DAY_US = 86_400 * 1_000_000


def taken(response: bytes) -> bytes:
    found = take_token(response)
    assert isinstance(found, TakenToken)
    return found.octets


def now() -> int:
    return time.time_ns() // 1_000


def test_responses_of_openssl_are_renewed_by_openssl(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for name in ("archive", "old", "new"):
        (tmp_path / name).mkdir()
    old = make_authority(tmp_path / "old", KEYS["rsa"], 30)
    new = make_authority(tmp_path / "new", KEYS["p256"], 90)
    for number in range(3):
        (archive / f"{number}").write_bytes(b"%d" % number)
        (archive / f"{number}.tsr").write_bytes(old.stamp(archive / f"{number}", "-cert"))
    anchors = tuple(anchor for each in (old, new) for anchor in load_trust(each.folder / "ca.pem").anchors)
    terms = Terms(Places(archive), Context(now(), TrustStore(anchors)), now() + 60 * DAY_US, "sha512")

    def ask(digest: str, root: bytes) -> bytes:
        return taken(new.answer(f"-{digest}", "-digest", root.hex(), "-cert"))

    with Journal.begin(tmp_path / "journal", {}) as journal:
        book = Book(journal)
        plan(lambda: walk(archive), terms, 1, book, lambda _: None)
        assert Renewing(book, terms, ask, now).run(lambda _: None) == {"renewed": 3}
    for number in range(3):
        check(new, archive, number)


def check(authority: Authority, archive: Path, number: int) -> None:
    """Hash as RFC 4998 §4.3 says, and let OpenSSL judge the time-stamp over it."""
    octets = (archive / f"{number}.tsr.er").read_bytes()
    record = read_evidence_record(octets)
    stamp = record.chains[0].stamps[0]
    token = bare_token(taken((archive / f"{number}.tsr").read_bytes()))
    values = [value for each in record.crypto_infos for value in each.values]
    group = [hashlib.sha512(each).digest() for each in (token, *values, b"%d" % number)]
    root = top("sha512", stamp.reduced, group)
    content = cms.ContentInfo.load(stamp.time_stamp)["content"]["encap_content_info"]["content"]
    imprint = tsp.TSTInfo.load(content.parsed.dump())["message_imprint"]["hashed_message"].native
    assert imprint == root
    (authority.folder / "archive.tst").write_bytes(stamp.time_stamp)
    assert root is not None
    words = ("ts", "-verify", "-token_in", "-in", "archive.tst", "-CAfile", "ca.pem", "-digest")
    run = subprocess.run(
        [authority.openssl, *words, root.hex()], cwd=authority.folder, check=False, capture_output=True
    )
    assert b"Verification: OK" in run.stdout, run.stderr
    changed = bytes(64).hex()
    wrong = subprocess.run(
        [authority.openssl, *words, changed], cwd=authority.folder, check=False, capture_output=True
    )
    assert wrong.returncode
    # What travels is what other programs can read.
    named = [each.subject.native["common_name"] for each in _Certificates.load(values[0])]
    assert named == ["OpenSSL unit", "OpenSSL CA"]


def facts() -> TokenFacts:
    found = read_token(order().make())
    assert isinstance(found, TokenFacts)
    return found


def test_of_all_lists_and_answers_at_hand_only_those_travel_that_speak_of_the_path() -> None:
    mine, unit, authority = both_clear(), pki().unit, pki().authority
    mine_too = answer(authority, unit)
    stranger = issue("Root", None, AUTHORITY)
    data = RevocationData(
        (*mine, crl(stranger), b"no list"), (mine_too, answer(stranger, unit), b"no answer")
    )
    parts = Gatherer(context(data)).parts(facts())
    assert set(parts.revocation.lists) == set(mine)
    assert parts.revocation.answers == (mine_too,)
    assert parts.certificates == (unit.der, authority.der, pki().root.der)
    assert parts.complete
    # As RFC 5126 §6.3.4 has them: by a reader that is not ours.
    values = _RevocationValues.load(parts.material().revocation or b"")
    assert len(values["crl_vals"]) == len(mine)
    assert len(values["ocsp_vals"]) == 1


def context(data: RevocationData) -> Context:
    return Context(NOW_US, TrustStore((pki().root.certificate,)), revocation=data)


def test_lists_that_are_too_large_stay_behind_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = both_clear()
    monkeypatch.setattr("kokuin.verify.renewal.material.MOST_OCTETS", len(min(mine, key=len)))
    parts = Gatherer(context(RevocationData(mine))).parts(facts())
    assert (len(parts.revocation.lists), parts.complete) == (1, False)
