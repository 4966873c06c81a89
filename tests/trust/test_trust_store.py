"""Stores of trust: what their lists may say, and that no two writers undo each other."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.trust import trust_store
from kokuin.trust.anchors import TrustError, fingerprint, load_trust
from kokuin.trust.trust_store import Outcome, Terms, enter
from kokuin.trust.trust_store_list import ListError, Role, StoreCode, read_list, write_list
from kokuin.wire.errors import WireCode
from pqc.newfile import write_durably
from tests.trust.forge import AUTHORITY, NOW_US, UNIT, Party, issue, pki

if TYPE_CHECKING:
    from pathlib import Path

SHA256 = fingerprint(pki().root.certificate)
ENTRY = {
    "file": "root.pem",
    "sha256": SHA256,
    "subject": "CN=Root",
    "role": "anchor",
    "added": "2026-06-01T00:00:00Z",
    "from": "2026-01-01T00:00:00+09:00",
    "until": "2027-01-01T00:00:00Z",
    "source": "https://ca.example/",
    "archive": {"name": "service.zip", "sha256": "0" * 64, "dated": "2023-02-16"},
}
NOTHING_SAID = Terms()


def listed(*entries: object, **more: object) -> bytes:
    return json.dumps({"schema": 1, "certificates": entries, **more}).encode()


def written(folder: Path, octets: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "trust.json").write_bytes(octets)
    return folder


def put(folder: Path, party: Party, role: Role, terms: Terms = NOTHING_SAID) -> Outcome:
    (entered,) = enter(folder, [(party.certificate, role)], terms, NOW_US)
    return entered.outcome


def test_a_list_is_read_and_written_alike() -> None:
    (entry,) = read_list(listed(ENTRY))
    assert (entry.begins, entry.ends) == (1_767_193_200_000_000, 1_798_761_600_000_000)
    again = write_list([entry])
    assert read_list(again) == (entry,)
    assert json.loads(again)["certificates"] == [{**ENTRY, "from": "2025-12-31T15:00:00Z"}]
    inside = {name: value for name, value in ENTRY.items() if name in {"sha256", "subject", "role", "added"}}
    inside["certificate"] = base64.b64encode(pki().root.der).decode()
    assert read_list(listed(inside))[0].certificate == pki().root.der


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"until": None}, "until"),
        ({"until": "2027-01-01"}, "until"),
        ({"until": "2027-01-01T00:00:00"}, "until"),
        ({"until": "0001-01-01T00:00:00+23:00"}, "until"),
        ({"unitl": "2027-01-01T00:00:00Z"}, "unitl"),
        ({"role": "root"}, "role"),
        ({"sha256": SHA256.upper()}, "sha256"),
        ({"file": "../root.pem"}, "file"),
        ({"file": "/etc/ssl/root.pem"}, "file"),
        ({"file": "C:\\root.pem"}, "file"),
        ({"file": ".."}, "file"),
        ({"file": ""}, "file"),
        ({"certificate": base64.b64encode(pki().root.der).decode()}, "file"),
        ({"certificate": "?"}, "certificate"),
        ({"added": 0}, "added"),
        ({"subject": "\x1b[2J"}, "subject"),
        ({"source": "x" * 1001}, "source"),
        ({"archive": {"name": "a", "sha256": "0" * 64, "dated": "yesterday"}}, "archive.dated"),
        ({"archive": {"name": "a", "sha256": "0" * 64, "path": "/"}}, "archive.'path'"),
        ({"archive": "a.zip"}, "archive."),
    ],
)
def test_an_entry_that_is_not_exactly_one_is_refused_with_its_place(changed: Any, place: str) -> None:
    with pytest.raises(ListError) as caught:
        read_list(listed({**ENTRY, **changed}))
    assert caught.value.code is StoreCode.LIST_UNREADABLE
    assert place in caught.value.detail
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"", StoreCode.LIST_UNREADABLE),
        (b"[]", StoreCode.LIST_UNREADABLE),
        (b"{}", StoreCode.LIST_UNREADABLE),
        (listed(7), StoreCode.LIST_UNREADABLE),
        (listed(comment="x"), StoreCode.LIST_UNREADABLE),
        (listed(schema=0), StoreCode.LIST_UNREADABLE),
        (listed(schema=True), StoreCode.LIST_UNREADABLE),
        (listed(schema=2), StoreCode.LIST_NEWER),
        (listed(ENTRY, ENTRY), StoreCode.LIST_UNREADABLE),
        (listed(*[ENTRY] * 2_001), StoreCode.LIST_UNREADABLE),
        (b'{"schema": 1, "schema": 1, "certificates": []}', StoreCode.LIST_UNREADABLE),
        (b'{"schema": 1, "certificates": [' + b" " * 16 * 1024 * 1024 + b"]}", StoreCode.LIST_UNREADABLE),
    ],
)
def test_a_list_that_is_none_is_refused(octets: bytes, code: StoreCode) -> None:
    with pytest.raises(ListError) as caught:
        read_list(octets)
    assert caught.value.code is code


@given(st.binary() | st.text().map(lambda text: listed({**ENTRY, text: text})))
def test_whatever_a_list_holds_the_answer_is_a_list_or_a_refusal(octets: bytes) -> None:
    with contextlib.suppress(ListError):
        assert all(entry.subject.isprintable() for entry in read_list(octets))


def test_a_listed_file_may_hold_others_and_only_the_one_that_is_named_counts(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(pki().authority.pem + pki().root.pem)
    trust = load_trust(written(tmp_path, listed(ENTRY)))
    assert [anchor.der for anchor in trust.anchors] == [pki().root.der]
    assert trust.helpers == ()
    (period,) = trust.periods
    assert trust.period_of(trust.anchors[0]) is period
    assert (period.begins, period.ends) == (1_767_193_200_000_000, 1_798_761_600_000_000)


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (None, StoreCode.FILE_ABSENT),
        (pki().authority.pem, StoreCode.FILE_CHANGED),
        (b"no certificate", StoreCode.FILE_CHANGED),
    ],
)
def test_a_listed_file_that_changed_refuses_the_whole_store(
    octets: bytes | None, code: StoreCode, tmp_path: Path
) -> None:
    if octets is not None:
        (tmp_path / "root.pem").write_bytes(octets)
    with pytest.raises(TrustError) as caught:
        load_trust(written(tmp_path, listed(ENTRY)))
    assert (caught.value.path, caught.value.code) == (tmp_path / "root.pem", code)


def test_an_empty_list_trusts_nobody(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    assert load_trust(written(tmp_path, listed())).anchors == ()


def test_a_role_rises_and_never_falls(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    assert put(folder, pki().authority, Role.HELPER) is Outcome.ADDED
    assert put(folder, pki().authority, Role.PIN) is Outcome.CHANGED
    assert put(folder, pki().authority, Role.HELPER) is Outcome.UNCHANGED
    assert put(folder, pki().authority, Role.ANCHOR) is Outcome.UNCHANGED
    assert [anchor.der for anchor in load_trust(folder).anchors] == [pki().authority.der]


def test_what_is_not_said_again_stays(tmp_path: Path) -> None:
    put(tmp_path, pki().root, Role.ANCHOR, Terms(begins=1, ends=NOW_US, source="a book"))
    assert put(tmp_path, pki().root, Role.ANCHOR, Terms(ends=NOW_US + 1)) is Outcome.CHANGED
    (entry,) = read_list((tmp_path / "trust.json").read_bytes())
    assert (entry.begins, entry.ends, entry.source) == (1, NOW_US + 1, "a book")


def test_a_store_holds_a_bounded_number_and_refuses_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_store, "MAX_CERTIFICATES", 1)
    put(tmp_path, pki().root, Role.ANCHOR)
    before = (tmp_path / "trust.json").read_bytes()
    with pytest.raises(TrustError) as caught:
        put(tmp_path, pki().authority, Role.PIN)
    assert caught.value.code is WireCode.TOO_MANY
    assert (tmp_path / "trust.json").read_bytes() == before


def test_a_list_that_cannot_be_read_is_not_overwritten(tmp_path: Path) -> None:
    written(tmp_path, b"{")
    with pytest.raises(TrustError) as caught:
        put(tmp_path, pki().root, Role.ANCHOR)
    assert caught.value.code is StoreCode.LIST_UNREADABLE
    assert (tmp_path / "trust.json").read_bytes() == b"{"


def test_a_death_before_the_list_is_written_leaves_the_trust_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, pki().root, Role.ANCHOR)

    def dying(path: Path, octets: bytes, mode: int) -> None:
        if path.name == "trust.json":
            raise KeyboardInterrupt
        write_durably(path, octets, mode)

    with monkeypatch.context() as context:
        context.setattr(trust_store, "write_durably", dying)
        with pytest.raises(KeyboardInterrupt):
            put(tmp_path, pki().authority, Role.PIN)
    assert [anchor.der for anchor in load_trust(tmp_path).anchors] == [pki().root.der]
    assert put(tmp_path, pki().authority, Role.PIN) is Outcome.ADDED


def test_another_writer_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_store, "PATIENCE_S", 0.1)
    with trust_store._locked(tmp_path), pytest.raises(TrustError) as caught:
        put(tmp_path, pki().root, Role.ANCHOR)
    assert caught.value.code is StoreCode.BUSY
    assert put(tmp_path, pki().root, Role.ANCHOR) is Outcome.ADDED


def test_writers_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    parties = [issue(f"Root {number}", None, AUTHORITY) for number in range(4)]
    for number, party in enumerate(parties):
        (tmp_path / f"{number}.pem").write_bytes(party.pem)
    store = tmp_path / "store"
    # None of them gives up, however long the others and the disk keep it waiting.
    program = (
        "import sys; from kokuin.trust import trust_store; trust_store.PATIENCE_S = 3600; "
        "from kokuin.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, "trust", "add", f"{number}.pem", "--store", "store"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        for number in range(len(parties))
    ]
    assert [process.wait() for process in running] == [0] * len(parties)
    assert {anchor.der for anchor in load_trust(store).anchors} == {party.der for party in parties}


def test_a_self_signed_certificate_of_a_unit_gets_no_role() -> None:
    assert trust_store.role_of(pki().root.certificate) is Role.ANCHOR
    assert trust_store.role_of(pki().authority.certificate) is Role.HELPER
    assert trust_store.role_of(issue("Unit", None, UNIT).certificate) is None
