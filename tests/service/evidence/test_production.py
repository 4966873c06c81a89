"""A folder for production whose units, that of evidence among them, an authority of its own certifies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.service.activation import first_snapshot, load_installation
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.initialising import InitRequest, initialise
from kokuin.service.migration.gathering import gather
from kokuin.service.operating import operate
from tests.service.operator_ca import OperatorCa

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_each_unit_of_the_default_profile_gets_a_request_and_a_certificate_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This authority knows no privateKeyUsagePeriod.
    monkeypatch.setenv("TSA_CHECKS", "rfc3161")
    folder, ca = DataFolder(tmp_path / "data"), OperatorCa()
    initialise(InitRequest(folder.root, production=True, clock="kernel", organisation="Some Company"))
    assert {path.name for path in folder.anchors.parent.glob("*.csr")} == {"unit.csr", "evidence.csr"}
    for name in ("classical", "evidence"):
        request = operate(folder, "keys.csr", {"name": name})["pem"]
        certificates = {"certificates": ca.sign(request) + ca.issuing_pem, "anchors": ca.root_pem}
        assert operate(folder, "keys.import", {"name": name, **certificates})["ok"]
    config = load_config(folder.root, {"TSA_CHECKS": "rfc3161"})
    found = load_installation(folder, config, first_snapshot(folder, config))
    assert found.issuers.keys() == {"hybrid"}
    assert found.evidence.keys() == {"evidence"}


def test_an_inventory_is_made_before_the_first_certificate_has_come(tmp_path: Path) -> None:
    request = InitRequest(tmp_path / "data", production=True, clock="kernel", organisation="Example")
    initialise(request)
    folder = DataFolder(request.root)
    made = gather(folder, load_config(folder.root), "baseline", 12.0)
    assert made.evidence == ()
    assert {"key:unit-classical", "key:unit-evidence"} <= {asset.facts.id for asset in made.assets}
