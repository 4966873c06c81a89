"""What tenants seal with is in the inventory, the CBOM and the plan by date; no key is opened for it."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from kokuin.service.migration.assets import AssetKind, Decided, Note, State
from kokuin.service.migration.cbom import cbom
from kokuin.service.migration.roadmap import Act, roadmap
from kokuin.service.operating import operate
from tests.peers import need
from tests.service.eseals.benches import PROFILE
from tests.service.inventories import find, schema_errors, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.inventory import Inventory
    from tests.service.running import Prepared

TENANT = "operator"
SEAL = f"seal:{TENANT}/main"


def add(folder: DataFolder, name: str, *suites: str) -> None:
    text = PROFILE.format(suites=", ".join(f'"{each}"' for each in suites))
    answer = operate(folder, "seal-profile.add", {"tenant": TENANT, "name": name, "text": text})
    assert answer["ok"], answer


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    made = folder_of("classical").folder
    add(made, "main", "ecdsa-p384-sha384", "ml-dsa-87")
    return made


@pytest.fixture(scope="module")
def made(folder: DataFolder) -> Inventory:
    return take(folder, now=now())


def test_seal_keys_and_certificates_are_found_with_the_period_that_openssl_reads(
    folder: DataFolder, made: Inventory
) -> None:
    key = find(made, f"key:seals/{TENANT}/main/ecdsa-p384-sha384").facts
    assert (key.state, key.uses, key.notes) == (State.IN_USE, (SEAL,), ())
    certificate = find(made, f"certificate:{key.details['certificate_sha256']}").facts
    assert (certificate.state, certificate.uses) == (State.IN_USE, ("seal", SEAL))
    assert certificate.until_us == key.until_us
    words = [need("openssl"), "x509", "-in", str(folder.seals / TENANT / "main.pem"), "-noout", "-enddate"]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    end = dt.datetime.strptime(said.partition("=")[2].strip(), "%b %d %H:%M:%S %Y %Z").replace(tzinfo=dt.UTC)
    assert key.until_us == int(end.timestamp()) * 1_000_000


def test_every_certificate_between_a_seal_and_its_root_is_there_once(made: Inventory) -> None:
    ids = [each.facts.id for each in made.assets]
    assert len(ids) == len(set(ids))
    by_id = {each.facts.id: each.facts for each in made.assets}
    seals = [each for each in by_id.values() if "seal" in each.uses]
    assert len(seals) == 2
    for each in seals:
        steps = [each]
        while steps[-1].details["issuer_sha256"] != steps[-1].details["sha256"]:
            steps.append(by_id[f"certificate:{steps[-1].details['issuer_sha256']}"])
        assert steps[-1].uses == ("anchor",)
        assert {step.state for step in steps} == {State.IN_USE}


def test_a_suite_that_seals_alone_use_is_in_use_and_judged_by_the_policies(made: Inventory) -> None:
    suite = find(made, "suite:ml-dsa-87")
    assert suite.facts.state is State.IN_USE
    assert SEAL in suite.facts.uses
    assert SEAL in find(made, "suite:ecdsa-p384-sha384").facts.uses
    assert find(made, "suite:ecdsa-p384-sha384").decided_by not in {Decided.OPEN, Decided.UNKNOWN}
    assert SEAL in find(made, "hash:signature-digest:sha384").facts.uses


def test_a_seal_that_ends_before_its_algorithm_is_the_more_urgent_for_it(made: Inventory) -> None:
    (asset,) = [
        each
        for each in made.assets
        if "seal" in each.facts.uses and "ML-DSA" in each.facts.mechanisms[0].id.upper()
    ]
    assert asset.decided_by == Decided.CERTIFICATE
    assert asset.years_left == pytest.approx(1, abs=0.01)


def test_the_plan_says_until_when_a_seal_profile_must_be_followed_by_another(made: Inventory) -> None:
    plan = roadmap(made)
    ends = [each for each in plan.milestones if each.act is Act.SEAL_ENDS]
    assert {name for each in ends for name in each.names} == {
        f"{TENANT}/main/ecdsa-p384-sha384",
        f"{TENANT}/main/ml-dsa-87",
    }
    until = [each.facts.until_us for each in made.assets if "seal" in each.facts.uses]
    days = {dt.datetime.fromtimestamp(each // 1_000_000, dt.UTC).date() for each in until if each is not None}
    assert {each.last for each in ends} == days
    units = [each for each in plan.milestones if each.act is Act.KEY_ENDS]
    assert [each.names for each in units] == [("unit-classical",)]


def test_the_cbom_joins_seal_keys_to_their_certificates_and_is_what_the_schema_wants(made: Inventory) -> None:
    found = cbom(made)
    assert schema_errors(json.dumps(found)) is None
    by_ref = {each["bom-ref"]: each for each in found["components"]}
    for suite in ("ecdsa-p384-sha384", "ml-dsa-87"):
        ref = f"key:seals/{TENANT}/main/{suite}"
        assert by_ref[ref]["cryptoProperties"]["relatedCryptoMaterialProperties"]["state"] == "active"
        joined = [
            each
            for each in found["components"]
            for related in each["cryptoProperties"]
            .get("certificateProperties", {})
            .get("relatedCryptographicAssets", ())
            if related["ref"] == ref
        ]
        assert len(joined) == 1


def test_a_key_without_a_certificate_and_a_profile_that_cannot_be_read_are_named(
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder
    for name in ("bare", "cut", "gone"):
        add(folder, name, "ed25519")
    (folder.seals / TENANT / "bare.pem").unlink()
    (folder.seals / TENANT / "cut.toml").write_text("formats = 1")
    assert operate(folder, "seal-profile.withdraw", {"tenant": TENANT, "name": "gone"})["ok"]
    made = take(folder, now=now())
    assert find(made, f"key:seals/{TENANT}/bare/ed25519").facts.notes == (Note.CERTIFICATE_UNKNOWN,)
    assert made.unreadable == (f"seals/{TENANT}/cut.toml",)
    keys = [each.facts.id for each in made.assets if each.facts.kind is AssetKind.KEY]
    assert not [each for each in keys if "gone" in each]


def test_no_private_key_of_a_seal_is_read(folder_of: Callable[[str], Prepared]) -> None:
    folder = folder_of("classical").folder
    add(folder, "main", "ed25519")
    (folder.root / "keys" / "seals" / TENANT / "main" / "ed25519.pem").write_bytes(b"no key")
    assert find(take(folder, now=now()), f"key:seals/{TENANT}/main/ed25519").facts.state is State.IN_USE
