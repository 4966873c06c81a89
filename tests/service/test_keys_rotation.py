"""Keys replace each other while tokens are issued; the one before never signs again, its tokens verify."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service import keystore, profile_operations
from kokuin.service.activation import last_snapshot, starting_snapshot
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.operating import operate
from kokuin.service.unit_errors import UnitEndedError
from pqc.profiles import load_shipped
from tests.service.asking import POLICY
from tests.service.keepers import keeping
from tests.service.operator_ca import OperatorCa
from tests.service.running import PATIENCE_S, serving
from tests.service.survival import Service, make_folder
from tests.service.switching_load import (
    MixedClients,
    Wish,
    activations,
    check_books,
    do,
    entries,
    snapshot_of,
)
from tests.softhsm import TOKEN, SoftHsm, library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.snapshot import Snapshot
    from tests.service.running import Prepared

WISHES = [Wish()] * 6 + [Wish(policy=POLICY)] * 2 + [Wish(path="/tsa/classical")] * 2
TOKENS = 40
"""Between two rotations."""
TWO = {"TSA_SWITCH__APPROVALS": "2"}


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


def act(folder: DataFolder, what: str, **arguments: object) -> dict[str, Any]:
    return operate(folder, f"keys.{what}", arguments)


def in_force(folder: DataFolder) -> Snapshot:
    return last_snapshot(folder, activations(entries(folder.root))[-1]["cfg"])


def key_of(folder: DataFolder, profile: str = "classical") -> str:
    return in_force(folder).units[profile].key


def by_operator(folder: DataFolder) -> None:
    """Let the folder's certificates come from the operator's own CA from now on."""
    text = folder.config.read_text().replace('pki = "development"', 'pki = "operator"')
    folder.config.write_text(text)


def listed(folder: DataFolder, profile: str = "classical") -> dict[str, str]:
    rows = [row for row in act(folder, "list")["keys"] if row["profile"] == profile]
    return {row["key"]: row["use"] for row in rows}


@pytest.mark.timeout(300)  # starts, and the machine may be busy
@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_and_no_token_is_of_the_key_before_while_keys_are_rotated(
    tmp_path: Path, workers: int
) -> None:
    root = make_folder(tmp_path)
    with Service(root, workers) as service:
        service.start()
        with MixedClients(service.port, WISHES) as clients:
            clients.wait_for(TOKENS)
            for _ in range(2):
                answer = act(DataFolder(root), "rotate", name="classical")
                assert answer["ok"], answer
                clients.wait_for(TOKENS)
        assert clients.failures == []
        assert service.stop() == 0
    check_books(root, clients.received)
    found = entries(root)
    assert [leaf["act"] for leaf in activations(found)] == ["start", "rotate", "rotate"]
    signers: dict[str, str] = {}
    for entry in found:
        if entry.leaf["kind"] == "tst.issued":
            unit = snapshot_of(root, entry.leaf["cfg"]).units["classical"]
            assert entry.leaf["signer"] == unit.certificate
            signers[unit.key] = unit.certificate
    assert list(signers) == ["unit-classical", "unit-classical.2", "unit-classical.3"]
    assert len(set(signers.values())) == 3


def test_a_rotation_outlives_restarts_and_rollbacks_and_profiles_that_go_and_come_back(
    folder: DataFolder,
) -> None:
    assert act(folder, "rotate", name="classical")["ok"]
    for name, profile in (("use", "pq"), ("rollback", ""), ("use", "pq"), ("disable", "classical")):
        assert do(folder.root, name, name=profile)["ok"]
        assert key_of(folder) == "unit-classical.2"
    assert do(folder.root, "use", name="classical")["ok"]
    assert key_of(folder) == "unit-classical.2"
    assert listed(folder) == {"unit-classical": "retired", "unit-classical.2": "active"}
    assert keystore.key_file(load_config(folder.root), "classical").exists(), "the old key is kept"


def test_a_key_of_a_profile_that_is_off_is_replaced_before_the_profile_comes_back(folder: DataFolder) -> None:
    assert do(folder.root, "use", name="pq")["ok"]
    assert do(folder.root, "disable", name="classical")["ok"]
    assert act(folder, "rotate", name="classical")["ok"]
    assert (key_of(folder), sorted(in_force(folder).enabled)) == ("unit-classical.2", ["pq"])
    assert do(folder.root, "use", name="classical")["ok"]
    assert key_of(folder) == "unit-classical.2"


def test_a_key_that_was_never_in_use_is_not_rotated(folder: DataFolder) -> None:
    for name in ("pq", "bundle", "nobody", "../classical"):
        answer = act(folder, "rotate", name=name)
        assert [item["code"] for item in answer["blockers"]] == ["KEY_NOT_IN_USE"]
    assert act(folder, "generate", name="bundle")["code"] == "PROFILE_WITHOUT_KEY"


def test_with_an_operators_ca_the_blockers_name_what_is_to_be_done(folder: DataFolder) -> None:
    assert do(folder.root, "use", name="classical")["ok"]
    by_operator(folder)
    ca = OperatorCa()
    (blocker,) = act(folder, "rotate", name="classical")["blockers"]
    assert blocker["code"] == "UNIT_MISSING"
    assert "`tsa keys generate classical --next`" in blocker["detail"]
    assert act(folder, "generate", name="classical", next=True)["key"] == "unit-classical.2"
    (blocker,) = act(folder, "rotate", name="classical")["blockers"]
    assert "`tsa keys csr classical --key unit-classical.2`" in blocker["detail"]
    assert key_of(folder) == "unit-classical", "nothing changed so far"
    made = act(folder, "csr", name="classical")
    assert made["key"] == "unit-classical.2", "the one that still wants a certificate"
    certificate = ca.sign(made["pem"]) + ca.issuing_pem
    assert act(folder, "import", name="classical", certificates=certificate, anchors=ca.root_pem)["ok"]
    assert act(folder, "rotate", name="classical")["ok"]
    assert key_of(folder) == "unit-classical.2"
    kinds = [entry.leaf["kind"] for entry in entries(folder.root)]
    done = [kind for kind in kinds if kind.partition(".")[0] in {"key", "certificate", "anchor"}]
    assert done == ["key.generated", "certificate.requested", "anchor.added", "certificate.imported"]
    assert kinds.count("cfg.refused") == 2


def test_a_certificate_that_begins_later_keeps_the_key_before_in_force(folder: DataFolder) -> None:
    assert do(folder.root, "use", name="classical")["ok"]
    by_operator(folder)
    ca = OperatorCa()
    act(folder, "generate", name="classical", next=True)
    later = ca.sign(act(folder, "csr", name="classical")["pem"], days=(2, 700)) + ca.issuing_pem
    assert act(folder, "import", name="classical", certificates=later, anchors=ca.root_pem)["ok"]
    (blocker,) = act(folder, "rotate", name="classical")["blockers"]
    assert blocker["code"] == "UNIT_UNFIT"
    assert key_of(folder) == "unit-classical"


def certified(folder: DataFolder, ca: OperatorCa) -> str:
    """Make the next key, have it certified and let it sign; return its certificate."""
    assert act(folder, "generate", name="classical", next=True)["ok"]
    unit = ca.sign(act(folder, "csr", name="classical")["pem"])
    anchors = "" if ca.root_pem in folder.anchors.read_text() else ca.root_pem
    question = {"name": "classical", "certificates": unit + ca.issuing_pem, "anchors": anchors}
    assert act(folder, "import", **question)["ok"]
    assert act(folder, "rotate", name="classical")["ok"]
    return unit


def test_after_a_revocation_the_next_key_brings_a_stopped_service_back(
    folder_of: Callable[[str], Prepared],
) -> None:
    prepared, ca = folder_of("classical"), OperatorCa()
    folder = prepared.folder
    assert do(folder.root, "use", name="classical")["ok"]
    by_operator(folder)
    revoked = certified(folder, ca)
    (folder.anchors.parent / "issuing.crl").write_bytes(ca.revoke(revoked))
    with pytest.raises(UnitEndedError, match="revoked"):
        starting_snapshot(folder, load_config(folder.root), activations(entries(folder.root))[-1]["cfg"])
    certified(folder, ca)
    assert key_of(folder) == "unit-classical.3"
    with serving(prepared) as service:
        assert service.client.get("/readyz").status_code == 200


def test_the_unit_of_a_twin_is_rotated_for_every_profile_that_uses_it(folder: DataFolder) -> None:
    assert do(folder.root, "use", name="bundle")["ok"]
    assert act(folder, "rotate", name="pq")["ok"]
    assert (key_of(folder, "pq"), key_of(folder)) == ("unit-pq.2", "unit-classical")
    assert do(folder.root, "use", name="pq")["ok"]
    assert listed(folder, "pq") == {"unit-pq": "retired", "unit-pq.2": "active"}


def test_two_must_want_a_rotation_where_two_approvals_are_configured(folder: DataFolder) -> None:
    assert do(folder.root, "use", name="classical")["ok"]
    with keeping(folder, TWO) as ask:
        proposed = ask("keys.rotate", "operator-key", name="classical")
        assert proposed["state"] == "proposed"
        assert key_of(folder) == "unit-classical"
        assert (
            ask("approval.approve", "operator-key", approval=proposed["approval"])["code"] == "SELF_APPROVAL"
        )
        assert ask("approval.approve", "owner", approval=proposed["approval"])["ok"]
        assert ask("keys.rotate", "one", name="nobody")["code"] == "SWITCH_BLOCKED", "not even proposed"
    assert key_of(folder) == "unit-classical.2"
    leaf = activations(entries(folder.root))[-1]
    assert (leaf["act"], leaf["actor"]) == ("rotate", "operator-key+owner")


def test_a_scheduled_rotation_comes_in_time_and_is_not_dropped_for_another_switch(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping(folder) as ask:
        now_us = time.time_ns() // 1_000
        # Whoever asks is never too late for a moment that is near, however busy the machine.
        monkeypatch.setattr(profile_operations, "time", SimpleNamespace(time_ns=lambda: now_us * 1_000))
        at_us, far = now_us + 1_000_000, now_us + 10**9
        scheduled = ask("keys.rotate", "owner", name="classical", at_us=far)
        assert (scheduled["state"], scheduled["act"]) == ("scheduled", "rotate")
        assert ask("profile.use", "owner", name="pq", at_us=far)["code"] == "SCHEDULE_TAKEN"
        assert ask("keys.rotate", "owner", name="classical", at_us=at_us)["ok"], "the same may be moved"
        deadline = time.monotonic() + PATIENCE_S
        while ask("profile.list", "owner")["scheduled"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert key_of(folder) == "unit-classical.2"
    assert time.time_ns() // 1_000 >= at_us


def test_a_key_in_a_device_is_followed_by_another_in_the_device(softhsm: SoftHsm, folder: DataFolder) -> None:
    table = f'\n[signers.classical]\nbackend = "pkcs11"\nmodule = "{library()}"\ntoken = "{TOKEN}"\n'
    text = folder.config.read_text() + table + f'label = "rotated"\npin_file = "{softhsm.pin_file}"\n'
    folder.config.write_text(text)
    assert do(folder.root, "use", name="classical")["ok"]
    before = list(folder.root.rglob("unit-*.pem"))
    assert act(folder, "rotate", name="classical")["ok"]
    assert listed(folder) == {"unit-classical": "retired", "unit-classical.2": "active"}
    assert {row["provider"] for row in act(folder, "list")["keys"]} == {"pkcs11"}
    assert list(folder.root.rglob("unit-*.pem")) == before, "no key became a file"
    config, suite = load_config(folder.root), load_shipped("classical").tst
    first, second = (keystore.open_signer(config, "classical", suite, None, number) for number in (1, 2))
    assert first.public_key != second.public_key


def test_no_two_profiles_can_mean_one_key() -> None:
    names = {
        keystore.key_name(profile, number) for profile in ("classical", "classical-2") for number in (1, 2)
    }
    assert len(names) == 4
    assert keystore.key_number("classical", keystore.key_name("classical", 12)) == 12
    for name in (
        "unit-classical-2",
        "unit-classical.1",
        "unit-classical.02",
        "unit-pq",
        "unit-classical.",
        "",
    ):
        assert keystore.key_number("classical", name) is None, name
