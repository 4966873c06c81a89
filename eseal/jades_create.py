"""JSON seals made: JAdES baseline B-B (ETSI TS 119 182-1 §6), by one key or by several at once.

    sealed = create(Attached(octets), (key,), at_us)
    sealed = create(Attached(octets), (classical, post_quantum), at_us, level=Level.B_T, stamper=unit)

The signing input is put together by hand, so that the key may live anywhere and the unsigned header may grow.
Where several keys sign, each protected header names all of them: whoever takes one signature away, because he
can forge the other, is found out by the one that is left.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.jades_algorithms import jose_name, to_jose
from eseal.jades_critical import REQUIRED
from eseal.jades_extend import raise_level, written
from eseal.jades_form import (
    Jws,
    JwsSignature,
    Serialization,
    encode_base64,
    encode_base64url,
    write_json,
)
from eseal.jades_refusal import JadesRefusal, JadesRefusedError
from eseal.values import MAX_SEALS, Level, Material
from kokuin.trust.certificate import read_certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eseal.jades_form import JsonObject
    from eseal.jades_payload import Payload
    from eseal.values import SealKey, TimeStamper

PROOF_OF_ORIGIN = "http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin"
"""The commitment of an organisation's seal: that the data comes from it (ETSI TS 119 172-1 Annex B)."""


@dataclass(frozen=True, slots=True)
class _Named:
    """What a header says of a key: `x5t#S256` and `x5c`."""

    thumbprint: str
    chain: tuple[str, ...]


def create(  # noqa: PLR0913  # each is one choice of whoever seals
    payload: Payload,
    keys: Sequence[SealKey],
    at_us: int,
    *,
    serialization: Serialization | None = None,
    level: Level = Level.B_B,
    stamper: TimeStamper | None = None,
    material: Material | None = None,
    commitment: str | None = PROOF_OF_ORIGIN,
) -> bytes:
    """Seal a payload.

    Args:
        payload: what is covered.
        keys: one, or several that all must be there for the seal to hold.
        at_us: the claimed time, microseconds since 1970 UTC; whole seconds of it are written.
        serialization: None: compact for B-B by one key, flattened for a higher level, general for several.
        level: B-T and B-LTA ask the stamper, B-LT and B-LTA carry the material.
        stamper: needed from B-T on.
        material: certificates and revocation data, from B-LT on.
        commitment: URI of the commitment type; None: none is claimed.

    Raises:
        JadesRefusedError: KEYS, SUITE, CERTIFICATE, SERIALIZATION, PAYLOAD, REFERENCES, NO_MATERIAL or
            TOO_LARGE.
        StampUnavailableError: from the stamper, or there is none.
        SignerError: from a key.
    """
    chosen = serialization or _default(len(keys), level)
    if len({key.certificate for key in keys}) != len(keys):
        raise JadesRefusedError(JadesRefusal.KEYS, "one key twice")
    _check_form(payload, len(keys), chosen, level)
    jws = _sign(payload, keys, at_us, chosen, commitment)
    return written(raise_level(jws, level, payload.archived, stamper, material or Material()))


def _default(keys: int, level: Level) -> Serialization:
    if keys > 1:
        return Serialization.GENERAL
    return Serialization.COMPACT if level is Level.B_B else Serialization.FLATTENED


def _check_form(payload: Payload, keys: int, chosen: Serialization, level: Level) -> None:
    single = chosen is not Serialization.GENERAL
    if not 0 < keys <= MAX_SEALS or (single and keys > 1):
        raise JadesRefusedError(JadesRefusal.KEYS, str(keys))
    if chosen is not Serialization.COMPACT:
        return
    # Only JSON has a place for what is not signed, and for a payload with points and quotes (RFC 7797 §5.2).
    if level is not Level.B_B:
        raise JadesRefusedError(JadesRefusal.SERIALIZATION, level)
    if not payload.encoded and payload.written() is not None:
        raise JadesRefusedError(JadesRefusal.SERIALIZATION, "b64")


def _sign(
    payload: Payload, keys: Sequence[SealKey], at_us: int, chosen: Serialization, commitment: str | None
) -> Jws:
    signed = payload.signed()
    members = payload.members()
    required = _required(keys)
    signatures = []
    for key in keys:
        header = _header(payload, members, key, at_us, commitment) | required
        protected = encode_base64url(write_json(_with_critical(header)))
        value = key.signer.sign(protected.encode() + b"." + signed)
        signatures.append(JwsSignature(protected, encode_base64url(to_jose(key.signer.suite, value))))
    return Jws(chosen, payload.written(), tuple(signatures))


def _header(
    payload: Payload, members: JsonObject, key: SealKey, at_us: int, commitment: str | None
) -> JsonObject:
    """ETSI TS 119 182-1 §6.3, B-B."""
    named = _name(key.certificate, key.chain)
    if read_certificate(key.certificate).public_key != key.signer.public_key:
        raise JadesRefusedError(JadesRefusal.CERTIFICATE)
    header: JsonObject = {"alg": jose_name(key.signer.suite)}
    header |= members
    header["iat"] = at_us // 1_000_000
    header["x5t#S256"] = named.thumbprint
    header["x5c"] = list(named.chain)
    if commitment is not None:
        header["srCms"] = [{"commId": {"id": commitment}}]
    if not payload.encoded:
        header["b64"] = False
    return header


def _with_critical(header: JsonObject) -> JsonObject:
    """`crit` (RFC 7515 §4.1.11): a reader that does not know these would verify something else."""
    critical = [name for name in ("sigD", "b64") if name in header]
    return header | {"crit": list(critical)} if critical else header


def _required(keys: Sequence[SealKey]) -> JsonObject:
    if len(keys) < 2:
        return {}
    return {
        REQUIRED: [
            {"alg": jose_name(key.signer.suite), "x5t#S256": _name(key.certificate, key.chain).thumbprint}
            for key in keys
        ]
    }


@functools.lru_cache(maxsize=64)
def _name(certificate: bytes, chain: tuple[bytes, ...]) -> _Named:
    """Seals of one key name it in the same way."""
    thumbprint = encode_base64url(hashlib.sha256(certificate).digest())
    return _Named(thumbprint, tuple(encode_base64(each) for each in (certificate, *chain)))
