"""Tokens made to order, each with one thing that is unusual or wrong; its name says what."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import mldsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from tests.trust import forge
from tests.trust.forge import DATA, DAY, NOW, NOW_US, UNIT, YEAR_US, order, pki

if TYPE_CHECKING:
    from tests.trust.forge import Order, Party

_STAMPING, _SERVER = ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH
_ESS_V1, _ESS_V2 = oids.ID_AA_SIGNING_CERTIFICATE, oids.ID_AA_SIGNING_CERTIFICATE_V2
_ARC = "1.3.6.1.4.1.32473"


def forgeries() -> dict[str, Order]:
    """Return the orders by what is unusual or wrong; all are for `DATA`, and judged at `NOW`."""
    return {**_statements(), **_attributes(), **_signatures(), **_certificates(), **_units()}


def _statements() -> dict[str, Order]:
    extension = encode.sequence(encode.oid(f"{_ARC}.9"), encode.octet_string(b""))
    critical = encode.sequence(encode.oid(f"{_ARC}.9"), encode.TRUE, encode.octet_string(b""))
    named = encode.explicit(0, encode.explicit(4, pki().unit.certificate.subject))
    misnamed = encode.explicit(0, encode.explicit(4, pki().root.certificate.subject))
    return {
        "right": order(),
        "no accuracy": order(accuracy=b""),
        "millis of 1000": order(accuracy=encode.sequence(b"\x80\x02\x03\xe8")),
        "version 2": order(version=2),
        "no TSTInfo": order(tst_info=encode.sequence(encode.NULL)),
        "an extension": order(tst_extensions=encode.explicit(1, extension)),
        "a critical extension": order(tst_extensions=encode.explicit(1, critical)),
        "the unit's name": order(tst_extensions=named),
        "another's name": order(tst_extensions=misnamed),
        "time with an offset": order(gen_time=b"20260601090000+0900"),
        "time with trailing zeros": order(gen_time=b"20260601000000.500Z"),
        "from before the certificate": order(gen_us=NOW_US - YEAR_US),
        "from after the certificate": order(gen_us=NOW_US + YEAR_US),
        "from tomorrow": order(gen_us=NOW_US + 86_400_000_000),
        "imprint of 31 octets": order(imprint=bytes(31)),
        "imprint of other data": order(imprint=hashlib.sha256(b"other").digest()),
        **{f"imprint by {name}": _imprint(name) for name in ("md5", "sha1", "sha512", "sha3_512")},
        "imprint by an unknown digest": order(imprint_oid=f"{_ARC}.7"),
    }


def _imprint(name: str) -> Order:
    return order(imprint_oid=DIGEST_BY_NAME[name].oid, imprint=hashlib.new(name, DATA).digest())


def _attributes() -> dict[str, Order]:
    unit, authority, root = (party.der for party in (pki().unit, pki().authority, pki().root))
    second = forge.attribute(oids.ID_MESSAGE_DIGEST, encode.octet_string(bytes(32)))
    issuer = encode.sequence(encode.explicit(4, pki().root.certificate.issuer))
    other = encode.sequence(issuer, encode.integer(pki().root.certificate.serial))
    wrong_protection = encode.sequence(
        encode.sequence(encode.oid(DIGEST_BY_NAME["sha512"].oid), encode.NULL),
        encode.explicit(1, encode.oid(oids.ECDSA_WITH_SHA256)),
    )
    values: dict[str, dict[str, bytes | None]] = {
        "no content-type attribute": {oids.ID_CONTENT_TYPE: None},
        "another content-type attribute": {oids.ID_CONTENT_TYPE: encode.oid(oids.ID_DATA)},
        "no message-digest": {oids.ID_MESSAGE_DIGEST: None},
        "another message-digest": {oids.ID_MESSAGE_DIGEST: encode.octet_string(bytes(32))},
        "no signing certificate attribute": {_ESS_V2: None},
        "no id in the signing certificate": {_ESS_V2: encode.sequence(encode.sequence())},
        "id by SHA-1 alone": {_ESS_V1: forge.ess_v1(unit), _ESS_V2: None},
        "ids of both versions": {_ESS_V1: forge.ess_v1(unit)},
        "ids of both versions that differ": {_ESS_V1: forge.ess_v1(root)},
        "ids of the chain": {_ESS_V2: forge.ess_v2(unit, authority)},
        "id of an absent certificate": {_ESS_V2: forge.ess_v2(unit, b"a certificate that is nowhere")},
        "ids swapped": {_ESS_V2: forge.ess_v2(authority, unit)},
        "id of another certificate": {_ESS_V2: forge.ess_v2(root)},
        "id with the serial number of another": {_ESS_V2: forge.ess_v2(unit, issuer_serial=other)},
        "id by SHA-512": {_ESS_V2: forge.ess_v2(unit, digest="sha512")},
        "algorithm protection that differs": {oids.ID_CMS_ALGORITHM_PROTECT: wrong_protection},
    }
    return {
        **{name: order(attributes=changed) for name, changed in values.items()},
        "two message-digests": order(more_attributes=[second]),
        "attributes sent and signed out of order": order(reverse_sent=True, reverse_signed=True),
        "attributes sent out of order": order(reverse_sent=True),
        "attributes signed out of order": order(reverse_signed=True),
    }


def _signatures() -> dict[str, Order]:
    sha1 = hashes.SHA1()  # noqa: S303  # the weakness is the point
    ecdsa_sha1 = AlgorithmIdentifier(oids.ECDSA_WITH_SHA1)
    return {
        "signature changed": order(flip_signature=True),
        "two signers": order(signers=2),
        "no signer": order(signers=0),
        "another content type": order(content_type=oids.ID_DATA),
        "CMS version 1": order(cms_version=1),
        "digested by MD5": order(digest="md5"),
        "signed over SHA-1": order(digest="sha1", algorithm=ecdsa_sha1, signed_digest=sha1),
        "an unknown signature algorithm": order(algorithm=AlgorithmIdentifier(f"{_ARC}.7")),
        "RSA named, ECDSA made": order(algorithm=AlgorithmIdentifier(oids.SHA256_WITH_RSA)),
        **{f"ML-DSA-65 with {digest}": _ml_dsa(digest) for digest in ("sha512", "sha256")},
        "ML-DSA-65 with parameters": _ml_dsa("sha512", encode.NULL),
    }


def _ml_dsa(digest: str, parameters: bytes | None = None) -> Order:
    unit = forge.issue("PQ unit", pki().authority, UNIT, key=mldsa.MLDSA65PrivateKey.generate())
    return _of(unit, algorithm=AlgorithmIdentifier(oids.ID_ML_DSA_65, parameters), digest=digest)


def _certificates() -> dict[str, Order]:
    unit, chain = pki().unit, pki().chain
    serial = unit.x509.serial_number
    impostor = forge.issue("Unit", None, UNIT, serial=serial, issuer_name=unit.x509.issuer)
    signed_by_impostor = {_ESS_V2: forge.ess_v2(unit.der)}
    reissued = forge.issue("Unit", pki().authority, UNIT, key=unit.key)
    stranger = forge.issue("Stranger", None, forge.AUTHORITY)
    return {
        "no certificates": order(certificates=()),
        "the unit's certificate alone": order(certificates=[unit.der]),
        "chain in another order with strangers": order(
            certificates=[stranger.der, pki().root.der, *reversed(chain)]
        ),
        "an injected certificate of the same name": order(certificates=[impostor.der, *chain]),
        "an impostor under the unit's name and id": order(
            signer=impostor, certificates=[impostor.der, chain[1]], attributes=signed_by_impostor
        ),
        "an impostor beside the unit's certificate": order(
            signer=impostor, certificates=[impostor.der, *chain], attributes=signed_by_impostor
        ),
        "a reissued certificate in place of the unit's": order(certificates=[reissued.der, chain[1]]),
        "a reissued certificate named by the sid": order(
            certificates=[reissued.der, chain[1]], sid=forge.issuer_and_serial(reissued)
        ),
        "a reissued certificate beside the unit's": order(certificates=[reissued.der, *chain]),
    }


def _units() -> dict[str, Order]:
    stamping = (x509.ExtendedKeyUsage([_STAMPING]), True)
    both = x509.ExtendedKeyUsage([_STAMPING, _SERVER])
    before = x509.PrivateKeyUsagePeriod(NOW - 9 * DAY, NOW - DAY)
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    identifier = x509.SubjectKeyIdentifier(b"the unit's key")
    extensions: dict[str, tuple[tuple[x509.ExtensionType, bool], ...]] = {
        "unit without purpose": (),
        "unit for web servers": ((x509.ExtendedKeyUsage([_SERVER]), True),),
        "unit with two purposes": ((both, True),),
        "unit whose purpose is not critical": ((stamping[0], False),),
        "unit without key usage": (stamping,),
        "unit that may repudiate nothing": (stamping, (forge.key_usage("content_commitment"), True)),
        "unit that enciphers keys": (stamping, (forge.key_usage("key_encipherment"), True)),
        "unit that signs certificates too": (
            stamping,
            (forge.key_usage("digital_signature", "key_cert_sign"), True),
        ),
        "authority as unit": forge.AUTHORITY,
        "authority that may stamp": (constraints, *UNIT),
        "unit after its key's period": (*UNIT, (before, False)),
        "unit with an unknown critical extension": (*UNIT, (_unknown(), True)),
    }
    by_key = forge.issue("SKI unit", pki().authority, (*UNIT, (identifier, False)))
    return {
        **{name: _of(forge.issue("Odd", pki().authority, each)) for name, each in extensions.items()},
        "unit named by its key": _of(by_key, sid=encode.implicit(0, identifier.digest)),
        "unit named by another key": _of(by_key, sid=encode.implicit(0, b"another key")),
        "unit of RSA-1024": _rsa(1_024),
        "unit of RSA-2048": _rsa(2_048),
    }


def _rsa(bits: int) -> Order:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    unit = forge.issue("RSA unit", pki().authority, UNIT, key=key)
    return _of(unit, algorithm=AlgorithmIdentifier(oids.SHA256_WITH_RSA, encode.NULL))


def _unknown() -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_ARC}.8"), b"\x05\x00")


def _of(unit: Party, **changes: Any) -> Order:
    settings: dict[str, Any] = {"signer": unit, "certificates": [unit.der, pki().authority.der]}
    return order(**{**settings, **changes})
