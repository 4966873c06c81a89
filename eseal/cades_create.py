"""CMS seals made: CAdES baseline (ETSI EN 319 122-1 §6), by one key or by several at once.

sealed = create(content, (key,), at_us)                                     # detached, B-B
sealed = create(content, (key,), at_us, enveloping=True, level=Level.B_T, stamper=unit)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.cades_extend import raise_level
from eseal.cades_refusal import CadesRefusal, CadesRefusedError
from eseal.cms_several import name_others
from eseal.cms_template import CmsTemplate, encode_signed_data
from eseal.values import MAX_CMS, MAX_SEALS, Level, Material
from kokuin.wire import oids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eseal.cms_template import SealedDigest
    from eseal.values import Content, SealKey, TimeStamper


def create(  # noqa: PLR0913  # each is one choice of whoever seals
    content: Content,
    keys: Sequence[SealKey],
    at_us: int,
    *,
    enveloping: bool = False,
    level: Level = Level.B_B,
    stamper: TimeStamper | None = None,
    material: Material | None = None,
    commitment: str | None = oids.ID_CTI_ETS_PROOF_OF_ORIGIN,
) -> bytes:
    """Seal some data.

    Args:
        content: the data; read once for each digest, and as a whole when it is enveloped.
        keys: one, or several that all must be there for the seal to hold; one SignerInfo each.
        at_us: the claimed time, microseconds since 1970 UTC; whole seconds of it are written.
        enveloping: put the data into the seal; else it stays beside.
        level: B-T and B-LTA ask the stamper, B-LT and B-LTA carry the material.
        stamper: needed from B-T on.
        material: certificates and revocation data from B-LT on; None: there is none.
        commitment: OID of the commitment type; None: none is claimed.

    Returns:
        ContentInfo, DER.

    Raises:
        CadesRefusedError: TOO_LARGE, KEYS, NO_MATERIAL.
        KeyMismatchError: a certificate is another key's.
        SignerError: from a key.
        StampUnavailableError: from the stamper, or there is none.
        OSError: from `content`.
    """
    if not 0 < len(keys) <= MAX_SEALS:
        raise CadesRefusedError(CadesRefusal.KEYS, str(len(keys)))
    held = content.octets(MAX_CMS) if enveloping else None
    if enveloping and held is None:
        raise CadesRefusedError(CadesRefusal.TOO_LARGE)
    templates = [CmsTemplate(key, commitment=commitment) for key in keys]
    sealed = _sign(templates, {each.digest: content(each.digest) for each in templates}, at_us)
    octets = encode_signed_data([(each, ()) for each in sealed], held)
    if len(octets) > MAX_CMS:
        raise CadesRefusedError(CadesRefusal.TOO_LARGE)
    return raise_level(octets, level, content=content, stamper=stamper, material=material or Material())


def _sign(templates: Sequence[CmsTemplate], digests: Mapping[str, bytes], at_us: int) -> list[SealedDigest]:
    """Sign with each key; of several, each signature names the others."""
    alone = [(each, each.signed_attributes(digests[each.digest], at_us)) for each in templates]
    sealed = []
    for at, template in enumerate(templates):
        others = [*alone[:at], *alone[at + 1 :]]
        named = (name_others(template, others),) if others else ()
        sealed.append(template.sign(digests[template.digest], signing_time_us=at_us, attributes=named))
    return sealed
