"""CMS seals raised to a higher level, or their archive time-stamp renewed (ETSI EN 319 122-1 §5.4, §5.5, §6).

What is there stays, octet for octet: unsigned attributes are added to each SignerInfo, certificates and
revocation data to the SignedData, which an archive-time-stamp-v3 allows without limit. A seal with an archive
time-stamp of an older kind is refused: that kind covers the SignedData as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from eseal.cades_archive import archive_covered, make_index, unsigned_values, with_index
from eseal.cades_find import CMS_LIMITS, find
from eseal.cades_refusal import CadesRefusal, CadesRefusedError
from eseal.cades_stamps import OLDER
from eseal.cms_parts import other_revocation, read_parts
from eseal.cms_template import signature_time_stamp
from eseal.extending import what_is_wrong
from eseal.values import MAX_CMS, Level, Material, StampUnavailableError
from kokuin.trust.report import Check
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ber import definite
from kokuin.wire.cms import encode_attribute
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.cms_parts import SignedDataParts, SignerParts
    from eseal.values import Content, TimeStamper


def extend(
    data: bytes,
    level: Level,
    *,
    content: Content | None = None,
    stamper: TimeStamper | None = None,
    material: Material | None = None,
) -> bytes:
    """Raise every seal of a CMS to a level, or renew its archive time-stamp (B-LTA on B-LTA).

    Args:
        data: the CMS, in BER; what is not DER becomes DER.
        level: from B-T on.
        content: the data beside a detached seal, which an archive time-stamp covers.
        stamper: needed where a time-stamp is added.
        material: certificates and revocation data for B-LT and B-LTA; None: there is none.

    Returns:
        ContentInfo, DER.

    Raises:
        CadesRefusedError: any code but KEYS.
        StampUnavailableError: from the stamper, or there is none.
        OSError: from `content`.
    """
    found = find(data, content)
    if isinstance(found, Check):
        raise CadesRefusedError(CadesRefusal.BROKEN, str(found.params.get("code", "")))
    if not found.seals:
        raise CadesRefusedError(CadesRefusal.NOT_SEALED)
    wrong = what_is_wrong(found)
    if wrong is not None:
        raise CadesRefusedError(CadesRefusal.SEAL_NOT_RIGHT, wrong)
    octets = definite(data, CMS_LIMITS)
    extended = raise_level(octets, level, content=content, stamper=stamper, material=material or Material())
    if extended == octets:
        raise CadesRefusedError(CadesRefusal.LEVEL_REACHED)
    return extended


def raise_level(
    octets: bytes,
    level: Level,
    *,
    content: Callable[[str], bytes] | None,
    stamper: TimeStamper | None,
    material: Material,
) -> bytes:
    """Bring every SignerInfo to a level; of one that has an archive time-stamp, B-LTA adds a further one.

    Args:
        octets: ContentInfo with SignedData, as `kokuin.wire.ber.definite` returned it.
        level: what is to be reached; what is there already is not added again.
        content: digest of the sealed data by the name of the algorithm, where it lies beside.
        stamper: needed where a time-stamp is added.
        material: certificates and revocation data for B-LT and B-LTA.

    Raises:
        CadesRefusedError: BROKEN also where the material or a token of the stamper cannot be read.
        StampUnavailableError: from the stamper, or there is none.
        OSError: from `content`.
    """
    if level is Level.B_B:
        return octets
    try:
        before = read_parts(octets)
        _refuse_older(before)
        parts = replace(before, signers=tuple(_stamped(signer, stamper) for signer in before.signers))
        if level.rank >= Level.B_LT.rank:
            parts = _with_material(parts, material)
        if level is Level.B_LTA:
            parts = _archived(parts, content, _needed(stamper))
    except WireError as error:
        raise CadesRefusedError(CadesRefusal.BROKEN, error.code) from None
    extended = octets if parts == before else parts.encode()
    if len(extended) > MAX_CMS:
        raise CadesRefusedError(CadesRefusal.TOO_LARGE)
    return extended


def _refuse_older(parts: SignedDataParts) -> None:
    for signer in parts.signers:
        for each in unsigned_values(signer):
            if each.oid in OLDER:
                raise CadesRefusedError(CadesRefusal.OLDER_ARCHIVE, each.oid)


def _stamped(signer: SignerParts, stamper: TimeStamper | None) -> SignerParts:
    """§5.3: the signature value alone."""
    if any(each.oid == oids.ID_AA_TIME_STAMP_TOKEN for each in unsigned_values(signer)):
        return signer
    return signer.with_attribute(signature_time_stamp(_stamp(signer.signature, _needed(stamper))))


def _with_material(parts: SignedDataParts, material: Material) -> SignedDataParts:
    """§5.4: into the SignedData itself, where any archive-time-stamp-v3 leaves room for it."""
    lists, answers = material.revocation.lists, material.revocation.answers
    if not (material.certificates or lists or answers or parts.crls):
        raise CadesRefusedError(CadesRefusal.NO_MATERIAL)
    return parts.with_material(material.certificates, (*lists, *map(other_revocation, answers)))


def _archived(
    parts: SignedDataParts, content: Callable[[str], bytes] | None, stamper: TimeStamper
) -> SignedDataParts:
    """§5.5.3: each SignerInfo with all that is there now."""
    held = parts.held()
    if held is not None:
        digest = DIGEST_BY_NAME[stamper.digest].of(held)
    elif content is not None:
        digest = content(stamper.digest)
    else:
        raise CadesRefusedError(CadesRefusal.CONTENT_MISSING)
    return replace(
        parts, signers=tuple(_with_archive(parts, signer, digest, stamper) for signer in parts.signers)
    )


def _with_archive(
    parts: SignedDataParts, signer: SignerParts, content_digest: bytes, stamper: TimeStamper
) -> SignerParts:
    index = make_index(parts, signer, stamper.digest)
    token = _stamp(archive_covered(parts, signer, content_digest, index), stamper)
    return signer.with_attribute(
        encode_attribute(oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3, with_index(token, index))
    )


def _stamp(covered: bytes, stamper: TimeStamper) -> bytes:
    token = stamper.stamp(DIGEST_BY_NAME[stamper.digest].of(covered))
    return definite(token, TOKEN_LIMITS)


def _needed(stamper: TimeStamper | None) -> TimeStamper:
    if stamper is None:
        raise StampUnavailableError("no time-stamp authority was named")
    return stamper
