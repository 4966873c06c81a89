"""The CBOM against CycloneDX's own schema, and its OIDs against other people's tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import algos  # type: ignore[import-untyped]
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID
from cyclonedx.model.bom import Bom
from cyclonedx.model.crypto import CryptoAssetType

from kokuin.service.migration.cbom import SPECIFICATION, cbom
from kokuin.service.migration.mechanisms import closure, component, of_envelope, of_suite
from pqc.envelope_suites import ENVELOPE_SUITES
from pqc.suites import SUITES
from tests.service.inventories import NOW, schema_errors, take, token, unit_digest, write
from tests.toysuite import registered

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.x509 import ObjectIdentifier

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.inventory import Inventory
    from tests.service.running import Prepared


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    found = folder_of("classical").folder
    digest = unit_digest(found)
    write(
        found,
        [
            token(1, "classical", "ecdsa-p256-sha256", "sha256", digest),
            token(2, "old", "gone-1024", "whirlpool", "cd" * 32),
        ],
    )
    return found


def _components(bom: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["bom-ref"]: each for each in bom["components"]}


def test_the_cbom_is_what_the_published_schema_wants(folder: DataFolder) -> None:
    bom = cbom(take(folder))
    assert bom["specVersion"] == SPECIFICATION == "1.7"
    assert schema_errors(json.dumps(bom)) is None


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("primitive", "signing"),
        ("algorithmFamily", "Dilithium"),
        ("nistQuantumSecurityLevel", 7),
        ("ellipticCurve", "P-256"),
        ("strength", 128),
    ],
)
def test_the_schema_would_see_what_it_does_not_want(folder: DataFolder, field: str, wrong: object) -> None:
    bom = cbom(take(folder))
    found = _components(bom)["algorithm:ecdsa-p256-sha256"]
    found["cryptoProperties"]["algorithmProperties"][field] = wrong
    assert schema_errors(json.dumps(bom)) is not None


def test_the_schema_takes_every_suite_and_a_key_in_a_device(folder: DataFolder) -> None:
    settings = {
        "TSA_SIGNERS__CLASSICAL": (
            '{ backend = "pkcs11", module = "/no/such/hsm.so", token = "vault", label = "k" }'
        )
    }
    with registered():
        write(folder, [token(9 + at, "any", name, "sha512", "aa" * 32) for at, name in enumerate(SUITES)])
        bom = cbom(take(folder, settings=settings))
        names = set(SUITES)
    assert schema_errors(json.dumps(bom)) is None
    found = _components(bom)
    assert {f"algorithm:{name}" for name in names} <= found.keys()
    key = found["key:unit-classical"]["cryptoProperties"]["relatedCryptoMaterialProperties"]
    assert key["securedBy"] == {"mechanism": "HSM"}


def _oids(made: Inventory) -> dict[str, str | None]:
    return {
        each["name"]: each["cryptoProperties"].get("oid")
        for each in cbom(made)["components"]
        if each["cryptoProperties"]["assetType"] == "algorithm"
    }


def test_every_oid_is_that_of_the_table_of_suites(folder: DataFolder) -> None:
    oids = _oids(take(folder))
    shared = {name: suite.algorithm.oid for name, suite in SUITES.items() if name in oids}
    assert len(shared) >= 5
    assert {name: oids[name] for name in shared} == shared


INDEPENDENT: dict[str, str | ObjectIdentifier] = {
    "ecdsa-p256-sha256": SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    "ecdsa-p384-sha384": SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    "ecdsa-p521-sha512": SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    "rsa3072-pkcs1-sha256": SignatureAlgorithmOID.RSA_WITH_SHA256,
    "rsa3072-pss-sha256": SignatureAlgorithmOID.RSASSA_PSS,
    "ed25519": SignatureAlgorithmOID.ED25519,
    "ed448": SignatureAlgorithmOID.ED448,
    "x25519": PublicKeyAlgorithmOID.X25519,
    "x448": PublicKeyAlgorithmOID.X448,
    "ml-dsa-44": SignatureAlgorithmOID.ML_DSA_44,
    "ml-dsa-65": SignatureAlgorithmOID.ML_DSA_65,
    "ml-dsa-87": SignatureAlgorithmOID.ML_DSA_87,
    "slh-dsa-sha2-192s": "2.16.840.1.101.3.4.3.22",  # RFC 9814 §3
    "slh-dsa-sha2-256s": "2.16.840.1.101.3.4.3.24",
    "ml-kem-768": PublicKeyAlgorithmOID.ML_KEM_768,
    "ml-kem-1024": PublicKeyAlgorithmOID.ML_KEM_1024,
    "aes256-wrap": "2.16.840.1.101.3.4.1.45",  # RFC 3565 §2.3.2
    "aes256-gcm": "2.16.840.1.101.3.4.1.46",  # RFC 5084 §3.2
    "hkdf-sha256": "1.2.840.113549.1.9.16.3.28",  # RFC 8619 §2
    "mldsa65-ecdsa-p256-sha512": "1.3.6.1.5.5.7.6.45",  # draft-ietf-lamps-pq-composite-sigs-19 §6
    "mldsa65-ed25519-sha512": "1.3.6.1.5.5.7.6.48",
}
"""Of pyca/cryptography where it has them, else from the documents themselves."""


def test_every_oid_of_a_mechanism_is_the_one_that_others_give_it() -> None:
    known = closure(
        [*map(of_suite, SUITES.values()), *map(of_envelope, ENVELOPE_SUITES.values()), component("x448")]
    )
    oids = {each.id: each.oid for each in known}
    for name, oid in INDEPENDENT.items():
        assert oids[name] == (oid if isinstance(oid, str) else oid.dotted_string), name
    for name in ("sha256", "sha384", "sha512"):
        assert algos.DigestAlgorithmId.map(oids[name]) == name
    without = {each.id for each in known if each.oid is None}
    assert without == set(ENVELOPE_SUITES)


def test_the_library_of_cyclonedx_reads_the_same_out_of_it(folder: DataFolder) -> None:
    made = take(folder)
    read = Bom.from_json(json.loads(json.dumps(cbom(made))))  # type: ignore[attr-defined]  # made by a decorator
    assert read.validate()
    found = {
        each.name: each.crypto_properties
        for each in read.components
        if each.crypto_properties.asset_type is CryptoAssetType.ALGORITHM
    }
    assert found.keys() == {each.id for each in made.mechanisms}
    for mechanism in made.mechanisms:
        properties = found[mechanism.id]
        assert properties.oid == mechanism.oid
        algorithm = properties.algorithm_properties
        assert algorithm.classical_security_level == mechanism.classical_bits
        assert algorithm.nist_quantum_security_level == mechanism.quantum_category


def test_every_reference_leads_to_a_component(folder: DataFolder) -> None:
    bom = cbom(take(folder))
    refs = [each["bom-ref"] for each in bom["components"]]
    assert len(refs) == len(set(refs))
    known = {*refs, bom["metadata"]["component"]["bom-ref"]}
    for edge in bom["dependencies"]:
        assert {edge["ref"], *edge["dependsOn"], *edge.get("provides", ())} <= known
    for each in bom["components"]:
        for properties in each["cryptoProperties"].values():
            if isinstance(properties, dict):
                related = properties.get("relatedCryptographicAssets", ())
                assert {item["ref"] for item in related} <= known


def test_the_service_depends_on_what_is_in_use_and_provides_what_could_be(folder: DataFolder) -> None:
    bom = cbom(take(folder))
    (edge,) = (each for each in bom["dependencies"] if each["ref"] == "application:kokuin")
    assert {"algorithm:ecdsa-p256-sha256", "key:unit-classical", "algorithm:gone-1024"} <= set(
        edge["dependsOn"]
    ) | set(edge["provides"])
    assert "algorithm:ecdsa-p256-sha256" in edge["dependsOn"]
    assert "algorithm:ml-dsa-65" in edge["provides"]
    assert not set(edge["dependsOn"]) & set(edge["provides"])
    composite = next(
        each for each in bom["dependencies"] if "composite" in each["ref"] or "mldsa65" in each["ref"]
    )
    assert set(composite["dependsOn"]) == {"algorithm:ml-dsa-65", "algorithm:ecdsa-p256-sha256"}


def test_strengths_and_parameter_sets_are_said(folder: DataFolder) -> None:
    found = {
        ref: each["cryptoProperties"].get("algorithmProperties")
        for ref, each in _components(cbom(take(folder))).items()
    }
    assert found["algorithm:ml-dsa-65"] == {
        "primitive": "signature",
        "algorithmFamily": "ML-DSA",
        "parameterSetIdentifier": "65",
        "cryptoFunctions": ["keygen", "sign", "verify"],
        "classicalSecurityLevel": 192,
        "nistQuantumSecurityLevel": 3,
    }
    assert found["algorithm:sha3_512"]["algorithmFamily"] == "SHA-3"
    assert found["algorithm:ml-kem-768"]["primitive"] == "kem"
    assert found["algorithm:ecdsa-p256-sha256"]["ellipticCurve"] == "nist/P-256"
    # Nothing is made up of what nobody knows.
    assert "classicalSecurityLevel" not in found["algorithm:gone-1024"]
    assert "algorithmFamily" not in found["algorithm:gone-1024"]


def test_every_cbom_has_a_number_of_its_own_and_says_when(folder: DataFolder) -> None:
    made = take(folder)
    one, other = cbom(made), cbom(made)
    assert one["serialNumber"] != other["serialNumber"]
    assert one["metadata"]["timestamp"] == NOW.isoformat().replace("+00:00", "Z")
