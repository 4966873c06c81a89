"""A document system is told what it may have sealed, its own tenant's alone, and nothing of keys."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.service.eseals.benches import PROFILE
from tests.service.eseals.test_sealing_http import Sealing, code_of
from tests.service.running import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service.running import Prepared

PATH = "/api/v1/seal-profiles"


@pytest.fixture(scope="module")
def sealing(folder_of: Callable[[str], Prepared], at_once: str) -> Iterator[Sealing]:
    with serving(folder_of("classical"), {"PYTHONPATH": at_once}) as service:
        assert code_of(service.client.get("/trust/seals.pem"), 404) == "NOT_FOUND"
        yield Sealing(service)


def test_what_may_be_asked_for_is_told_with_the_certificate_that_seals(sealing: Sealing) -> None:
    (offer,) = sealing.get(PATH).json()["profiles"]
    (certificate,) = offer.pop("certificates")
    assert offer == {
        "profile": "invoices",
        "formats": ["cades", "json", "pdf"],
        "suites": ["ecdsa-p256-sha256"],
        "level": "B-T",
        "min_level": "B-B",
        "activation": False,
        "problem": "",
    }
    stored = sealing.service.folder.seals / sealing.tenant / "invoices.pem"
    own = x509.load_pem_x509_certificates(stored.read_bytes())[0]
    der = own.public_bytes(Encoding.DER)
    assert certificate["certificate"] == hashlib.sha256(der).hexdigest()
    assert certificate["ends_us"] == int(own.not_valid_after_utc.timestamp()) * 1_000_000
    assert "株式会社むらさき" in certificate["subject"]


def test_another_tenant_and_a_client_held_to_other_profiles_see_none_of_it(sealing: Sealing) -> None:
    stranger = sealing.client(sealing.done("access.tenant.add", name="Genji")["tenant"])
    assert sealing.get(PATH, key=stranger).json() == {"profiles": []}
    held = sealing.client(profiles=["letters"])
    assert sealing.get(PATH, key=held).json() == {"profiles": []}
    assert code_of(sealing.get(PATH, key=sealing.client(roles=["stamp"])), 403) == "ROLE_WANTED"


def test_a_profile_that_cannot_seal_is_told_by_its_code_and_one_withdrawn_is_not(sealing: Sealing) -> None:
    text = PROFILE.format(suites='"ed25519"')
    tenant = sealing.done("access.tenant.add", name="Yugiri")["tenant"]
    key = sealing.client(tenant)
    for name in ("bare", "cut", "gone"):
        sealing.done("seal-profile.add", tenant=tenant, name=name, text=text)
    folder = sealing.service.folder.seals / tenant
    (folder / "bare.pem").unlink()
    (folder / "cut.toml").write_text(text[:40])
    sealing.done("seal-profile.withdraw", tenant=tenant, name="gone")
    told = {each["profile"]: each["problem"] for each in sealing.get(PATH, key=key).json()["profiles"]}
    assert told == {"bare": "SEAL_NOT_CERTIFIED", "cut": "SEAL_FILE_UNUSABLE"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_about_profiles_is_changed_over_http(sealing: Sealing, method: str) -> None:
    assert code_of(sealing.get(PATH, method=method), 405) == "METHOD_NOT_ALLOWED"


def test_the_roots_of_seals_are_published_and_are_none_of_time_stamps(sealing: Sealing) -> None:
    published = sealing.service.client.get("/trust/seals.pem")
    assert published.status_code == 200
    assert published.content == sealing.service.folder.seal_anchors.read_bytes()
    roots = x509.load_pem_x509_certificates(published.content)
    units = x509.load_pem_x509_certificates(sealing.service.client.get("/trust/ca.pem").content)
    assert roots
    assert not {each.public_bytes(Encoding.DER) for each in roots} & {
        each.public_bytes(Encoding.DER) for each in units
    }
