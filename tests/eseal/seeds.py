"""Seals of JSON and of any file, of every form and level, from which damaged ones are made."""

from __future__ import annotations

import functools

from eseal.cades_create import create
from eseal.jades_form import Serialization
from eseal.jades_http import HttpMessage
from eseal.jades_payload import Attached, ByUri, ByUriHash, Document
from eseal.values import Level, Material
from tests.eseal.cms_forge import DATA as CMS_DATA
from tests.eseal.jades import DATA, Beside, seal
from tests.eseal.pki import NOW_US, seal_key, seal_pki
from tests.eseal.sealed_data import Data

BESIDE = Beside(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nbody")


@functools.cache
def jades_seeds() -> tuple[bytes, ...]:
    """JSON seals: attached, detached in every way, unencoded, by two keys, at low and high levels."""
    return (
        seal(),
        seal(level=Level.B_LTA),
        seal(None, seal_key(), seal_key("ml-dsa-44"), level=Level.B_LT),
        seal(Attached(DATA, encoded=False), serialization=Serialization.FLATTENED),
        seal(ByUriHash((Document("a", b"a"), Document("b", b"b"))), level=Level.B_T),
        seal(ByUri(Document("a", b"a"))),
        seal(HttpMessage((("Host", "a"),), b"body"), level=Level.B_LTA),
    )


@functools.cache
def cades_seeds() -> tuple[bytes, ...]:
    """CMS seals, enveloping and detached, by one key and by two, and a time-stamp, which is none."""
    pki = seal_pki()
    given_material = Material(pki.chain, pki.revocation())
    made = [
        create(
            Data(CMS_DATA),
            keys,
            NOW_US,
            enveloping=enveloping,
            level=level,
            stamper=pki.stamper(),
            material=given_material,
        )
        for keys in ((seal_key(),), (seal_key(), seal_key("ed25519")))
        for enveloping in (False, True)
        for level in (Level.B_B, Level.B_LTA)
    ]
    return (*made, pki.stamper().stamp(bytes(32)))
