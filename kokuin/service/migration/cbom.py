"""The inventory as a CycloneDX 1.7 cryptographic bill of materials (ECMA-424), JSON.

Names of families and curves are those of CycloneDX's cryptography registry; an
algorithm that the registry has no family for (a composite, a toy) goes without.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import kokuin
from kokuin.service.migration.assets import AssetKind, State
from kokuin.service.migration.limits import moment_text, to_moment
from kokuin.service.migration.mechanisms import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kokuin.service.migration.assets import Asset
    from kokuin.service.migration.inventory import Inventory
    from kokuin.service.migration.mechanisms import Mechanism

SPECIFICATION = "1.7"
_SERVICE = "application:kokuin"

_PRIMITIVES: dict[Kind, tuple[str, tuple[str, ...]]] = {
    Kind.SIGNATURE: ("signature", ("keygen", "sign", "verify")),
    Kind.HASH: ("hash", ("digest",)),
    Kind.ENVELOPE: ("combiner", ("encapsulate", "decapsulate", "encrypt", "decrypt")),
    Kind.KEM: ("kem", ("keygen", "encapsulate", "decapsulate")),
    Kind.KEY_AGREEMENT: ("key-agree", ("keygen", "keyderive")),
    Kind.KEY_DERIVATION: ("kdf", ("keyderive",)),
    Kind.KEY_WRAP: ("key-wrap", ("encrypt", "decrypt")),
    Kind.CIPHER: ("ae", ("encrypt", "decrypt")),
}
_FAMILIES = {
    "rsa-pkcs1": "RSASSA-PKCS1",
    "rsa-pss": "RSASSA-PSS",
    "ecdsa": "ECDSA",
    "eddsa": "EdDSA",
    "ml-dsa": "ML-DSA",
    "slh-dsa": "SLH-DSA",
}
_FAMILIES_BY_NAME = (
    ("ml-kem-", "ML-KEM"),
    ("hkdf-", "HKDF"),
    ("aes256-", "AES"),
    ("sha3_", "SHA-3"),
    ("shake", "SHA-3"),
    ("sha1", "SHA-1"),
    ("sha", "SHA-2"),
    ("md5", "MD5"),
    ("ffdhe", "FFDH"),
)
_CURVES = {
    "P-256": "nist/P-256",
    "P-384": "nist/P-384",
    "P-521": "nist/P-521",
    "Ed25519": "other/Ed25519",
    "Ed448": "other/Ed448",
    "secp256r1": "secg/secp256r1",
    "secp384r1": "secg/secp384r1",
    "secp521r1": "secg/secp521r1",
    "x25519": "other/Curve25519",
    "x448": "other/Curve448",
}
_STATES = {State.IN_USE: "active", State.POSSIBLE: "pre-activation", State.KEPT: "deactivated"}


def cbom(made: Inventory) -> dict[str, Any]:
    """Return the CBOM of an inventory."""
    keys = {
        asset.facts.id: asset.facts.details.get("certificate_sha256")
        for asset in made.assets
        if asset.facts.kind is AssetKind.KEY
    }
    components = [_algorithm(mechanism) for mechanism in made.mechanisms]
    for asset in made.assets:
        match asset.facts.kind:
            case AssetKind.KEY:
                components.append(_key(asset))
            case AssetKind.CERTIFICATE:
                components.append(_certificate(asset, keys))
    components.append(_protocol(made))
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": _metadata(made),
        "components": components,
        "dependencies": _dependencies(made),
    }


def algorithm_ref(mechanism: str) -> str:
    """The bom-ref of a mechanism, by its id."""
    return f"algorithm:{mechanism}"


def _metadata(made: Inventory) -> dict[str, Any]:
    product = {"type": "application", "name": "kokuin", "version": kokuin.__version__}
    return {
        "timestamp": moment_text(made.made),
        "lifecycles": [{"phase": "operations"}],
        "tools": {"components": [product]},
        "component": {**product, "bom-ref": _SERVICE},
        "properties": _properties(
            cfg=made.source.snapshot.digest(),
            tokens=made.source.counts.tokens,
            leaves=made.source.counts.leaves,
            proxy_tls="unknown",
        ),
    }


def _algorithm(mechanism: Mechanism) -> dict[str, Any]:
    primitive, functions = _PRIMITIVES[mechanism.kind]
    facts = {
        "primitive": primitive,
        "algorithmFamily": _family(mechanism),
        "parameterSetIdentifier": _parameter_set(mechanism),
        "ellipticCurve": _CURVES.get(mechanism.key or mechanism.id),
        "mode": "gcm" if mechanism.id.endswith("-gcm") else None,
        "padding": {"rsa-pkcs1": "pkcs1v15", "rsa-pss": "other"}.get(mechanism.family),
        "cryptoFunctions": list(functions),
        "classicalSecurityLevel": mechanism.classical_bits,
        "nistQuantumSecurityLevel": mechanism.quantum_category,
    }
    properties: dict[str, Any] = {"assetType": "algorithm", "algorithmProperties": _present(facts)}
    if mechanism.oid is not None:
        properties["oid"] = mechanism.oid
    found = _component(algorithm_ref(mechanism.id), mechanism.id, properties)
    if mechanism.draft:
        found["properties"] = _properties(draft="true")
    return found


def _family(mechanism: Mechanism) -> str | None:
    if mechanism.kind is Kind.SIGNATURE:
        return _FAMILIES.get(mechanism.family)
    if mechanism.kind is Kind.KEY_AGREEMENT and mechanism.id in _CURVES:
        return "ECDH"
    return next((family for start, family in _FAMILIES_BY_NAME if mechanism.id.startswith(start)), None)


def _parameter_set(mechanism: Mechanism) -> str | None:
    """What tells members of a family apart: `65` of ML-DSA-65, `SHA2-192s` of SLH-DSA, `256` of SHA-256."""
    name = mechanism.key or mechanism.id
    for start in ("ML-DSA-", "SLH-DSA-", "RSA-", "ml-kem-", "sha3_"):
        if name.startswith(start):
            return name.removeprefix(start)
    found = re.fullmatch(r"(?:sha|aes|hkdf-sha|ffdhe|shake)(\d+)(?:-\w+)?", name)
    return found[1] if found else None


def _key(asset: Asset) -> dict[str, Any]:
    facts = asset.facts
    material = {
        "type": "private-key",
        "id": facts.name,
        "state": _STATES.get(facts.state),
        "activationDate": _maybe(facts.since_us),
        "expirationDate": _maybe(facts.until_us),
        "securedBy": {"mechanism": "HSM"} if facts.provider == "pkcs11" else None,
        "relatedCryptographicAssets": [
            {"type": "algorithm", "ref": algorithm_ref(each.id)} for each in facts.mechanisms
        ],
    }
    found = _component(
        facts.id,
        facts.name,
        {"assetType": "related-crypto-material", "relatedCryptoMaterialProperties": _present(material)},
    )
    found["properties"] = _properties(provider=facts.provider, experimental=str(facts.experimental).lower())
    return found


def _certificate(asset: Asset, keys: Mapping[str, str | None]) -> dict[str, Any]:
    facts = asset.facts
    related = [{"type": "algorithm", "ref": algorithm_ref(each.id)} for each in facts.mechanisms]
    signing = (ref for ref, digest in keys.items() if digest == facts.details["sha256"])
    related += [{"type": "private-key", "ref": ref} for ref in signing]
    state = _STATES.get(facts.state)
    certificate = {
        "serialNumber": facts.details["serial"],
        "subjectName": facts.name,
        "issuerName": facts.details["issuer"],
        "notValidBefore": _maybe(facts.since_us),
        "notValidAfter": _maybe(facts.until_us),
        "certificateFormat": "X.509",
        "fingerprint": {"alg": "SHA-256", "content": facts.details["sha256"]},
        "certificateState": None if state is None else [{"state": state}],
        "relatedCryptographicAssets": related,
    }
    return _component(
        facts.id,
        facts.name,
        {"assetType": "certificate", "certificateProperties": _present(certificate)},
    )


def _protocol(made: Inventory) -> dict[str, Any]:
    tls = made.source.tls
    suites = [{"name": name, "tlsGroups": list(tls.groups)} for name in tls.ciphers]
    protocol = {
        "type": "tls",
        "version": "1.3",
        "cipherSuites": suites,
        "relatedCryptographicAssets": [
            {"type": "algorithm", "ref": algorithm_ref(name)} for name in tls.groups
        ],
    }
    found = _component(
        "protocol:tls", "TLS of this process", {"assetType": "protocol", "protocolProperties": protocol}
    )
    found["properties"] = _properties(library=tls.library, x25519mlkem768=str(tls.hybrid).lower())
    return found


def _dependencies(made: Inventory) -> list[dict[str, Any]]:
    """The service depends on what is in use and provides what could be; the rest depends on its parts."""
    used: set[str] = set()
    possible: set[str] = set()
    edges: dict[str, set[str]] = {
        algorithm_ref(each.id): {algorithm_ref(part) for part in each.components} for each in made.mechanisms
    }
    by_digest = {
        asset.facts.details["sha256"]: asset.facts.id
        for asset in made.assets
        if asset.facts.kind is AssetKind.CERTIFICATE
    }
    for asset in made.assets:
        refs = {algorithm_ref(each.id) for each in asset.facts.mechanisms}
        (used if asset.facts.state in {State.IN_USE, State.KEPT} else possible).update(refs)
        if asset.facts.kind in {AssetKind.KEY, AssetKind.CERTIFICATE}:
            issuer = by_digest.get(asset.facts.details.get("issuer_sha256", ""), asset.facts.id)
            edges[asset.facts.id] = refs | ({issuer} - {asset.facts.id})
            used.add(asset.facts.id)
    edges["protocol:tls"] = {algorithm_ref(name) for name in made.source.tls.groups}
    used.add("protocol:tls")
    return [
        {"ref": _SERVICE, "dependsOn": sorted(used), "provides": sorted(possible - used)},
        *({"ref": ref, "dependsOn": sorted(edges[ref])} for ref in sorted(edges)),
    ]


def _component(ref: str, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "cryptographic-asset", "bom-ref": ref, "name": name, "cryptoProperties": properties}


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _properties(**values: object) -> list[dict[str, str]]:
    pairs: Iterable[tuple[str, object]] = values.items()
    return [
        {"name": f"kokuin:{name}", "value": str(value)} for name, value in pairs if value not in {"", None}
    ]


def _maybe(microseconds: int | None) -> str | None:
    return None if microseconds is None else moment_text(to_moment(microseconds))
