"""JSON seals raised to a higher level, or renewed (ETSI TS 119 182-1 §6.3).

What is added stands in `etsiU`, each element in base64url: an archive time-stamp covers the texts as they
stand, so that no reader has to agree with us on a canonical form.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from eseal.extending import what_is_wrong
from eseal.jades_content import cover
from eseal.jades_find import find
from eseal.jades_form import Serialization, encode_base64, encode_base64url, read_jws, write_json, write_jws
from eseal.jades_header import read_protected
from eseal.jades_refusal import JadesRefusal, JadesRefusedError
from eseal.jades_unsigned import (
    Element,
    archive_covered,
    carried_certificates,
    carried_revocation,
    read_unsigned,
    signature_covered,
)
from eseal.values import MAX_JWS, Level, Material, StampUnavailableError
from kokuin.trust.report import Check
from kokuin.wire.algorithms import DIGEST_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.jades_form import Jws, JwsSignature
    from eseal.values import Content, TimeStamper
    from kokuin.wire.strictjson import JsonValue

_VALUES = frozenset({"xVals", "rVals", "tstVD", "anyValData"})


def extend(
    data: bytes,
    level: Level,
    *,
    content: Content | None = None,
    stamper: TimeStamper | None = None,
    material: Material | None = None,
) -> bytes:
    """Raise every seal of a JWS to a level, or renew its archive time-stamp (B-LTA on B-LTA).

    Args:
        data: the JWS; a compact one becomes flattened, since only JSON has a place for what is added.
        level: from B-T on.
        content: the data beside a detached seal, which an archive time-stamp covers.
        stamper: needed where a time-stamp is added.
        material: certificates and revocation data for B-LT and B-LTA; None: there is none.

    Raises:
        JadesRefusedError: BROKEN, SEAL_NOT_RIGHT, CLEAR_FORM, CONTENT_MISSING, LEVEL_REACHED, NO_MATERIAL or
            TOO_LARGE.
        StampUnavailableError: from the stamper, or there is none.
        OSError: from `content`.
    """
    found = find(data, content)
    if isinstance(found, Check):
        raise JadesRefusedError(JadesRefusal.BROKEN, str(found.reason))
    wrong = what_is_wrong(found)
    if wrong is not None:
        raise JadesRefusedError(JadesRefusal.SEAL_NOT_RIGHT, wrong)
    jws = read_jws(data)
    archived = functools.partial(_archived, jws, content)
    extended = raise_level(jws, level, archived, stamper, material or Material())
    if extended.signatures == jws.signatures:
        raise JadesRefusedError(JadesRefusal.LEVEL_REACHED)
    return written(extended)


def written(jws: Jws) -> bytes:
    """Return the octets of a seal.

    Raises:
        JadesRefusedError: TOO_LARGE: nobody could read it.
    """
    octets = write_jws(jws)
    if len(octets) > MAX_JWS:
        raise JadesRefusedError(JadesRefusal.TOO_LARGE, str(len(octets)))
    return octets


def _archived(jws: Jws, content: Content | None) -> bytes:
    """Return what archive time-stamps cover first: of every signature the same."""
    found = {
        cover(read_protected(each.protected), jws.payload, content).archived() for each in jws.signatures
    }
    data = found.pop()
    if data is None or found:
        # Signatures over different data beside would need different octets here.
        raise JadesRefusedError(JadesRefusal.CONTENT_MISSING)
    return data


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
        JadesRefusedError: CLEAR_FORM, NO_MATERIAL, or from `archived`.
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
        raise JadesRefusedError(JadesRefusal.CLEAR_FORM)
    names = {element.name for element in elements}
    if "sigTst" not in names:
        elements.append(_stamp("sigTst", signature_covered(signature), stamper))
    if level.rank >= Level.B_LT.rank:
        values = _new_values(signature, elements, material)
        if not values and not names & _VALUES:
            raise JadesRefusedError(JadesRefusal.NO_MATERIAL)
        if "arcTst" in names:
            elements += [_element("tstVD", values)] if values else []
        else:
            elements += [_element(name, value) for name, value in values.items()]
    if level is Level.B_LTA:
        before = [element.covered() for element in elements]
        covered = b"".join((archived, *archive_covered(signature, before)))
        elements.append(_stamp("arcTst", covered, stamper))
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
    known = {*read_protected(signature.protected).chain, *carried_certificates(elements)}
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
