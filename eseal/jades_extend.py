"""JSON seals raised to a higher level, or renewed (ETSI TS 119 182-1 §6.3).

What is added stands in `etsiU`, each element in base64url: an archive time-stamp covers the texts as they
stand, so that no reader has to agree with us on a canonical form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from eseal.jades_form import JadesError, Serialization, encode_base64, encode_base64url, write_json
from eseal.jades_header import carried_chain
from eseal.jades_unsigned import Element, carried_certificates, carried_revocation, read_unsigned
from eseal.rules import SealReason
from eseal.values import Level, StampUnavailableError
from kokuin.wire.algorithms import DIGEST_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eseal.jades_form import Jws, JwsSignature
    from eseal.values import Material, TimeStamper
    from kokuin.wire.strictjson import JsonValue


def signature_covered(signature: JwsSignature) -> bytes:
    """What a signature time-stamp covers (§5.3.4): the text of the signature value."""
    return signature.signature.encode()


def archive_covered(archived: bytes, signature: JwsSignature, before: Iterable[bytes]) -> bytes:
    """What an archive time-stamp covers (§5.3.6.3.1).

    Args:
        archived: the data, as `Payload.archived` gives it.
        signature: the signature.
        before: the elements of `etsiU` before the time-stamp: texts of base64url, or canonical JSON.
    """
    head = (archived, signature.protected.encode(), signature.signature.encode())
    return b".".join((*head, b"".join(before)))


def raise_level(
    jws: Jws, level: Level, archived: Callable[[], bytes], stamper: TimeStamper | None, material: Material
) -> Jws:
    """Bring every signature of a JWS to a level; what is there already stays as it is.

    Args:
        jws: the seal; a compact one becomes flattened, since only JSON has a place for what is added.
        level: of one that has an archive time-stamp, B-LTA renews: new validation data and a new one.
        archived: the data that an archive time-stamp covers.
        stamper: needed where a time-stamp is added.
        material: certificates and revocation data; what is carried already is not added again.

    Raises:
        JadesError: UNSIGNED_MIXED: `etsiU` has the clear form, which is read and not written; or it cannot
            be read.
        StampUnavailableError: from the stamper, or there is none.
    """
    if level is Level.B_B:
        return jws
    data = archived() if level is Level.B_LTA else b""
    signatures = tuple(_raise(each, level, data, stamper, material) for each in jws.signatures)
    compact = jws.serialization is Serialization.COMPACT
    return replace(
        jws,
        serialization=Serialization.FLATTENED if compact else jws.serialization,
        signatures=signatures,
    )


def _raise(
    signature: JwsSignature, level: Level, archived: bytes, stamper: TimeStamper | None, material: Material
) -> JwsSignature:
    elements = list(read_unsigned(signature.header))
    if any(element.text is None for element in elements):
        raise JadesError(SealReason.UNSIGNED_MIXED, "etsiU")
    names = {element.name for element in elements}
    if "sigTst" not in names:
        elements.append(_stamp("sigTst", signature_covered(signature), stamper))
    if level.rank >= Level.B_LT.rank:
        values = _new_values(signature, elements, material)
        if "arcTst" in names:
            elements += [_element("tstVD", values)] if values else []
        else:
            elements += [_element(name, value) for name, value in values.items()]
    if level is Level.B_LTA:
        before = [element.covered() for element in elements]
        elements.append(_stamp("arcTst", archive_covered(archived, signature, before), stamper))
    return replace(signature, header={"etsiU": [element.text for element in elements]})


def _element(name: str, value: JsonValue) -> Element:
    return Element(name, value, encode_base64url(write_json({name: value})))


def _stamp(name: str, covered: bytes, stamper: TimeStamper | None) -> Element:
    """§5.4.3.3: one token a container (§6.3)."""
    if stamper is None:
        raise StampUnavailableError("no time-stamp authority was named")
    token = stamper.stamp(DIGEST_BY_NAME[stamper.digest].of(covered))
    return _element(name, {"tstTokens": [{"val": encode_base64(token)}]})


def _new_values(signature: JwsSignature, elements: list[Element], material: Material) -> dict[str, JsonValue]:
    """Return `xVals` and `rVals` of what the seal does not carry yet (§5.3.5.1, §5.3.5.3)."""
    known = {*carried_chain(signature.protected), *carried_certificates(elements)}
    held = carried_revocation(elements)
    found: dict[str, JsonValue] = {}
    certificates = [each for each in dict.fromkeys(material.certificates) if each not in known]
    if certificates:
        found["xVals"] = [{"x509Cert": {"val": encode_base64(each)}} for each in certificates]
    revocation: dict[str, JsonValue] = {}
    for name, given, there in (
        ("crlVals", material.revocation.lists, held.lists),
        ("ocspVals", material.revocation.answers, held.answers),
    ):
        new: list[JsonValue] = [{"val": encode_base64(each)} for each in given if each not in there]
        if new:
            revocation[name] = new
    return found | ({"rVals": revocation} if revocation else {})
