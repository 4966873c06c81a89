"""What the inventory finds, how long the policies give it, and what it does not leave out."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import ssl
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.reader import LedgerReader
from kokuin.service.config import load_config
from kokuin.service.migration.assets import AssetKind, Decided, Note, State
from kokuin.service.migration.counting import count_tokens
from kokuin.service.migration.inventory import document
from kokuin.service.migration.leaf_fields import UNKNOWN
from kokuin.service.migration.tls import HYBRID, supported_groups, tls_facts
from kokuin.service.snapshot import UnitReference
from kokuin.trust.records import Record
from pqc.policies import Usage
from pqc.profiles import load_shipped
from tests.ownpolicy import policy_text, row
from tests.peers import need
from tests.service.inventories import NOW, activated, find, issued, take, token, unit_digest, write
from tests.toysuite import registered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


def test_a_unit_s_key_certificate_and_anchor_are_found_with_their_periods(folder: DataFolder) -> None:
    made, digest = take(folder), unit_digest(folder)
    certificate, key = find(made, f"certificate:{digest}").facts, find(made, "key:unit-classical").facts
    (anchor,) = (each.facts for each in made.assets if "anchor" in each.facts.uses)
    assert certificate.state is key.state is anchor.state is State.IN_USE
    assert "profile:classical" in certificate.uses
    assert certificate.until_us is not None
    assert key.until_us is not None
    profile = load_shipped("classical")
    year = 86_400_000_000
    assert (certificate.until_us - key.until_us) // year == profile.certificate_days - profile.key_days
    assert certificate.details["issuer_sha256"] == anchor.details["sha256"]
    assert key.provider == "software"
    assert not key.experimental


def test_openssl_reads_the_same_period_of_the_unit_s_certificate(folder: DataFolder) -> None:
    certificate = find(take(folder), f"certificate:{unit_digest(folder)}").facts
    said = subprocess.run(
        [need("openssl"), "x509", "-in", str(folder.units), "-noout", "-enddate", "-serial"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    end, serial = (line.partition("=")[2] for line in said.splitlines())
    expected = dt.datetime.strptime(end, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=dt.UTC)
    assert certificate.until_us == int(expected.timestamp()) * 1_000_000
    assert int(certificate.details["serial"], 16) == int(serial, 16)


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        # ECDSA P-256: ETSI ends with 2030, the draft IR 8547 with 2035, CRYPTREC with 2050, baseline never.
        ("eu-ts119312", dt.datetime(2031, 1, 1, tzinfo=dt.UTC)),
        ("us", dt.datetime(2036, 1, 1, tzinfo=dt.UTC)),
        ("jp-cryptrec", dt.datetime(2051, 1, 1, tzinfo=dt.UTC)),
        ("baseline", None),
    ],
)
def test_urgency_is_years_needed_less_years_left(
    folder: DataFolder, policy: str, left: dt.datetime | None
) -> None:
    asset = find(take(folder, policy, years=10), "suite:ecdsa-p256-sha256")
    if left is None:
        assert asset.decided_by == Decided.OPEN
        assert asset.urgency is None
    else:
        years = (left - NOW) / dt.timedelta(days=365.25)
        assert asset.decided_by == policy
        assert asset.years_left == pytest.approx(years, abs=1e-6)
        assert asset.urgency == pytest.approx(10 - years, abs=1e-6)


def test_the_policy_whose_day_comes_first_decides(folder: DataFolder) -> None:
    assert find(take(folder), "suite:ecdsa-p256-sha256").decided_by == "eu-ts119312"
    assert find(take(folder, "jp-cryptrec", "us"), "suite:ecdsa-p256-sha256").decided_by == "us"


@pytest.mark.parametrize(
    ("now", "fit"),
    [("2030-12-31T23:59:59+00:00", "fit"), ("2031-01-01T00:00:00+00:00", "too late")],
)
def test_the_last_day_of_a_row_is_its_own_and_the_next_is_too_late(
    folder: DataFolder, now: str, fit: str
) -> None:
    made = take(folder, "eu-ts119312", now=dt.datetime.fromisoformat(now))
    asset = find(made, "suite:ecdsa-p256-sha256")
    assert asset.years_left is not None
    assert (asset.years_left > 0) is (fit == "fit")
    (limit,) = (each for each in asset.limits if each.usage is Usage.VERIFY)
    assert limit.status.fit is (fit == "fit")
    assert limit.last == dt.date(2030, 12, 31)
    assert "TS 119 312" in limit.source


def test_assets_are_ranked_and_what_has_no_end_comes_last(folder: DataFolder) -> None:
    urgencies = [each.urgency for each in take(folder).assets]
    known = [each for each in urgencies if each is not None]
    assert known == sorted(known, reverse=True)
    names = [each.decided_by for each in take(folder, "baseline").assets]
    assert names == sorted(names, key=lambda name: name == Decided.OPEN)


def test_a_certificate_that_ends_before_its_algorithm_sets_the_end(folder: DataFolder) -> None:
    # Its certificate was made just now, whatever day `NOW` was.
    asset = find(take(folder, "baseline", now=dt.datetime.now(dt.UTC)), f"certificate:{unit_digest(folder)}")
    assert asset.decided_by == Decided.CERTIFICATE
    assert asset.years_left == pytest.approx(11, abs=0.1)


def test_tokens_are_counted_by_profile_suite_imprint_and_certificate(folder: DataFolder) -> None:
    digest = unit_digest(folder)
    write(
        folder,
        [
            *(token(each, "classical", "ecdsa-p256-sha256", "sha256", digest) for each in range(5)),
            *(token(each, "pq", "ml-dsa-65", "sha512", "ab" * 32) for each in range(5, 8)),
        ],
    )
    made = take(folder)
    groups = {(each.profile, each.suites, each.imprint): each for each in made.source.counts.groups}
    assert [each.count for each in made.source.counts.groups] == [5, 3]
    first = groups["classical", ("ecdsa-p256-sha256",), "sha256"]
    assert first.last_us - first.first_us == 4
    assert find(made, f"certificate:{digest}").facts.tokens == 5
    assert find(made, "key:unit-classical").facts.tokens == 5
    assert find(made, "suite:ml-dsa-65").facts.tokens == 3
    assert find(made, "hash:imprint:sha512").facts.tokens == 3
    (anchor,) = (each.facts for each in made.assets if "anchor" in each.facts.uses)
    assert anchor.tokens == 5


def test_what_the_ledger_holds_and_nobody_knows_is_listed(folder: DataFolder) -> None:
    write(
        folder,
        [
            token(1, "old", "gone-1024", "whirlpool", "cd" * 32),
            issued(2),
            issued(3, suites=[], imp_alg=7, signer=None, profile=""),
            Record("clock.fit", {"id": "4"}),
        ],
    )
    made = take(folder)
    assert made.source.counts.tokens == 3
    assert sum(each.count for each in made.source.counts.groups) == 3
    assert {each.profile for each in made.source.counts.groups} == {"old", UNKNOWN}
    for name in ("suite:gone-1024", f"suite:{UNKNOWN}", "hash:imprint:whirlpool", f"hash:imprint:{UNKNOWN}"):
        asset = find(made, name)
        assert asset.facts.state is State.UNKNOWN
        assert asset.decided_by == Decided.UNKNOWN
        assert asset.facts.tokens in {1, 2}
    assert json.loads(json.dumps(document(made)))["tokens"]["tokens"] == 3


def test_a_leaf_that_is_no_json_is_counted_and_not_dropped(folder: DataFolder) -> None:
    write(folder, [issued(1), issued(2)])
    with sqlite3.connect(folder.ledger) as connection:
        connection.execute("INSERT INTO entry VALUES (2, x'00', zeroblob(32))")
        connection.execute("UPDATE head SET size = 3")
    connection.close()
    counts = take(folder).source.counts
    assert (counts.leaves, counts.tokens, counts.unreadable) == (3, 2, 1)


def test_control_characters_of_a_leaf_reach_no_terminal(folder: DataFolder) -> None:
    write(folder, [token(1, "a\x1b[2Jb", "s\r1", "h\n|", "\x07")])
    (group,) = take(folder).source.counts.groups
    assert all(each.isprintable() for each in (group.profile, *group.suites, group.imprint, group.signer))


def test_an_imprint_that_the_issuing_policy_refuses_is_not_accepted(folder: DataFolder) -> None:
    policy = folder.root / "issue.toml"
    policy.write_text(policy_text(row("imprint", ("sha512",), ("issue",))), encoding="utf-8")
    made = take(folder, settings={"TSA_POLICY__ISSUE": f'"{policy}"'})
    accepted = {
        each.facts.id
        for each in made.assets
        if each.facts.id.startswith("hash:imprint:") and each.facts.state is State.IN_USE
    }
    assert accepted == {"hash:imprint:sha512"}


def test_combinations_beyond_the_limit_are_still_counted(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kokuin.service.migration.counting.MAX_GROUPS", 2)
    write(folder, [token(each, f"p{each}", "x", "sha256", "y") for each in range(5)])
    counts = take(folder).source.counts
    assert (counts.tokens, len(counts.groups), counts.apart) == (5, 2, 3)


def test_counting_reads_no_token_and_keeps_no_leaf(folder: DataFolder) -> None:
    write(folder, [token(each, "classical", "ecdsa-p256-sha256", "sha256", "y") for each in range(6000)])
    statements: list[str] = []
    with LedgerReader(folder.ledger) as reader:
        reader._connection.set_trace_callback(statements.append)
        tracemalloc.start()
        assert count_tokens(reader).tokens == 6000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert not [each for each in statements if "token" in each.lower()]
    # A page of 512 leaves of some 300 octets; all of them would be several times that.
    assert peak < 1_000_000


def test_profiles_that_are_off_are_possible_and_not_in_use(folder: DataFolder) -> None:
    made = take(folder)
    assert find(made, "suite:ml-dsa-65").facts.state is State.POSSIBLE
    assert find(made, "suite:ecdsa-p256-sha256").facts.state is State.IN_USE
    assert find(made, "envelope:ml-kem-768-cms").quantum_category == 3
    assert {each.facts.id for each in made.assets if each.facts.kind is AssetKind.HASH} >= {
        "hash:imprint:sha3_256",
        "hash:signature-digest:sha256",
        "hash:certificate-id:sha256",
        "hash:tree:sha256",
        "hash:tree:sha512",
    }


def test_keys_in_devices_and_experimental_providers_are_named_and_no_device_is_opened(
    folder: DataFolder,
) -> None:
    settings = {
        "TSA_SIGNERS__CLASSICAL": (
            '{ backend = "pkcs11", module = "/no/such/hsm.so", token = "vault", label = "k" }'
        ),
        "TSA_SIGNERS__PQ": '{ backend = "liboqs", library = "/no/such/liboqs.so" }',
    }
    (load_config(folder.root, {}).keys / "unit-pq.pem").touch()
    made = take(folder, settings=settings)
    key = find(made, "key:unit-classical").facts
    assert (key.provider, key.details["token"]) == ("pkcs11", "vault")
    assert find(made, "device:vault:classical").facts.details["mechanism"] == "CKM_ECDSA"
    oqs = find(made, "key:unit-pq").facts
    assert (oqs.provider, oqs.experimental, oqs.state) == ("liboqs", True, State.POSSIBLE)


def test_no_private_key_is_read(folder: DataFolder) -> None:
    keys = load_config(folder.root, {}).keys
    (keys / "unit-classical.pem").write_bytes(b"\x00 no key at all")
    (keys / "archive.pem").write_bytes(b"somebody's")
    made = take(folder)
    assert find(made, "key:unit-classical").facts.state is State.IN_USE
    assert find(made, "file:archive.pem").facts.notes == (Note.NOT_A_UNIT_KEY,)


def test_keys_that_follow_each_other_are_told_apart(folder: DataFolder) -> None:
    config = load_config(folder.root, {})
    for name in ("unit-classical.2", "unit-classical.3", "unit-pq"):
        (config.keys / f"{name}.pem").touch()
    known = activated(folder, config)
    units = {"classical": replace(known.units["classical"], key="unit-classical.2")}
    made = take(folder, snapshot=replace(known, units=units))
    states = {name: find(made, f"key:{name}").facts.state for name in ("unit-classical", "unit-pq")}
    assert states == {"unit-classical": State.KEPT, "unit-pq": State.POSSIBLE}
    assert find(made, "key:unit-classical.2").facts.state is State.IN_USE
    assert find(made, "key:unit-classical.2").facts.until_us is not None
    assert find(made, "key:unit-classical.3").facts.state is State.POSSIBLE
    assert find(made, "key:unit-classical").facts.until_us is None


def test_a_key_file_beside_the_device_that_has_the_key_is_listed(folder: DataFolder) -> None:
    table = '{ backend = "pkcs11", module = "/no/such/hsm.so", token = "vault", label = "k" }'
    made = take(folder, settings={"TSA_SIGNERS__CLASSICAL": table})
    assert find(made, "key:unit-classical").facts.provider == "pkcs11"
    assert find(made, "file:unit-classical.pem").facts.notes == (Note.NOT_A_UNIT_KEY,)


def test_a_unit_of_a_profile_that_is_off_is_not_in_use(folder: DataFolder) -> None:
    config = load_config(folder.root, {})
    known = activated(folder, config)
    units = {"pq": replace(known.units["classical"], key="unit-pq")}
    made = take(folder, snapshot=replace(known, units=units))
    facts = find(made, f"certificate:{unit_digest(folder)}").facts
    assert facts.state is not State.IN_USE


def test_a_unit_whose_certificate_is_gone_is_listed_with_a_note(folder: DataFolder) -> None:
    config = load_config(folder.root, {})
    snapshot = replace(
        activated(folder, config), units={"classical": UnitReference("unit-classical", "00" * 32)}
    )
    key = find(take(folder, snapshot=snapshot), "key:unit-classical").facts
    assert key.notes == (Note.CERTIFICATE_UNKNOWN,)
    assert key.until_us is None


def test_a_foreign_rsa_2048_authority_is_forbidden_to_issue_and_named(
    folder: DataFolder, tmp_path: Path
) -> None:
    subprocess.run(
        [
            need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "4000",
            "-subj", "/CN=old root", "-keyout", str(tmp_path / "k"),
            "-out", str(folder.anchors.with_name("old.pem")),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    (asset,) = (each for each in take(folder).assets if each.facts.name == "CN=old root")
    assert asset.classical_bits == 112
    assert asset.quantum_category == 0
    assert asset.decided_by == "eu-ts119312"
    (limit,) = (each for each in asset.limits if each.policy == "eu-ts119312" and each.usage is Usage.VERIFY)
    assert limit.last == dt.date(2028, 12, 31)


def test_a_file_that_is_no_certificate_is_named(folder: DataFolder) -> None:
    (folder.anchors.parent / "broken.pem").write_bytes(
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    made = take(folder)
    assert made.unreadable == ("broken.pem",)
    assert find(made, "key:unit-classical")


def test_a_toy_suite_of_one_table_entry_is_in_the_inventory(folder: DataFolder) -> None:
    with registered() as toy:
        folder.profiles.mkdir()
        text = load_shipped("classical").text.replace('tst = "ecdsa-p256-sha256"', f'tst = "{toy.id}"')
        (folder.profiles / "own.toml").write_text(text.replace("arc = 1", "arc = 77"))
        write(folder, [token(1, "own", toy.id, "sha256", "ee" * 32)])
        made = take(folder)
    asset = find(made, f"suite:{toy.id}")
    assert asset.facts.state is State.POSSIBLE
    assert asset.facts.tokens == 1
    assert asset.classical_bits == toy.classical_bits
    (known,) = (each for each in made.mechanisms if each.id == toy.id)
    assert known.oid == toy.algorithm.oid
    # The dated policies have no row for it, and baseline takes every family of the table.
    assert {each.policy for each in asset.limits if each.status.fit} == {"baseline"}


def test_the_groups_of_tls_are_those_that_this_openssl_offers() -> None:
    facts = tls_facts()
    assert facts.library == ssl.OPENSSL_VERSION
    assert "x25519" in facts.groups
    assert facts.hybrid is (ssl.OPENSSL_VERSION_INFO >= (3, 5)) is (HYBRID in facts.groups)
    assert "TLS_AES_256_GCM_SHA384" in facts.ciphers


def test_a_hybrid_group_is_read_from_a_client_hello_of_openssl_3_5() -> None:
    groups = bytes.fromhex("11ec001d0017abcd")
    extensions = (
        b"\x00\x17\x00\x00" + b"\x00\x0a" + (len(groups) + 2).to_bytes(2) + len(groups).to_bytes(2) + groups
    )
    hello = (
        bytes(9)
        + bytes(34)
        + b"\x00"
        + b"\x00\x02\x13\x01"
        + b"\x01\x00"
        + len(extensions).to_bytes(2)
        + extensions
    )
    assert supported_groups(hello) == ("x25519mlkem768", "x25519", "secp256r1", "group-0xabcd")
    for size in range(9, len(hello)):
        with pytest.raises(ValueError, match="cut short"):
            supported_groups(hello[:size])


def test_the_proxy_s_tls_is_said_to_be_unknown(folder: DataFolder) -> None:
    asset = find(take(folder), "tls:proxy")
    assert asset.facts.state is State.UNKNOWN
    assert asset.facts.notes == (Note.PROXY_UNKNOWN,)
    assert asset.urgency is None


def test_the_same_inventory_of_a_ledger_of_its_own_python(folder: DataFolder) -> None:
    """The JSON form is stable: no set's order leaks into it."""
    code = (
        "import json,sys;from pathlib import Path;from kokuin.service.datafolder import DataFolder;"
        "from tests.service.inventories import take;from kokuin.service.migration.inventory import document;"
        "print(json.dumps(document(take(DataFolder(Path(sys.argv[1]))))))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, str(folder.root)],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
