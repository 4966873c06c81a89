"""Tokens to begin with: of every suite and in every form that is read, by whom to judge them, and bombs."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kokuin.trust.anchors import TrustStore, load_trust
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.name import distinguished_name
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.tsp import TimeStampReq
from pqc.suites import Family, suite
from tests.mutators import Element, parse
from tests.pqc.keys import ISSUING, signer_of
from tests.trust import forge
from tests.trust.authorities import DAY_US, NOW, NOW_US
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from pqc.suites import Suite

EVERY = tuple(sorted(each.id for each in ISSUING))
DATA = forge.DATA
JUDGED_AT = NOW_US + DAY_US
REQUEST = TimeStampReq(
    version=1,
    digest_oid=DIGEST_BY_NAME["sha256"].oid,
    imprint_parameters=encode.NULL,
    imprint=hashlib.sha256(DATA).digest(),
    policy=None,
    nonce=7,
    nonce_der=b"\x02\x01\x07",
    cert_req=True,
    extensions=(),
)
"""What the suites' tokens answer."""
QUICK_CHAIN = suite("ecdsa-p256-sha256")
_TOKENS = frozenset({".tsr", ".tst", ".p7s"})


@dataclass(frozen=True)
class Made:
    """What a unit of one suite stamped over `DATA`.

    Attributes:
        token: with the unit's certificate and the authority's.
        bare: without any.
        response: the answer around `token`.
        root: the anchor.
        below: the authority and the unit.
    """

    token: bytes
    bare: bytes
    response: bytes
    root: Certificate
    below: tuple[Certificate, ...]


@dataclass(frozen=True)
class Seeds:
    """Messages to mutate, and the store by which the good ones of them pass.

    Attributes:
        octets: the messages.
        anchors: certificates to trust.
        helpers: certificates of those below them, for the tokens that carry none.
    """

    octets: tuple[bytes, ...]
    anchors: tuple[Certificate, ...]
    helpers: tuple[Certificate, ...]

    @property
    def trust(self) -> TrustStore:
        return TrustStore(self.anchors, self.helpers)


@functools.cache
def made_by(suite_id: str) -> Made:
    """Issue and stamp with one suite; each has a root of its own name."""
    chosen = suite(suite_id)
    signer = signer_of(chosen)
    # A signature of SLH-DSA takes more than a second: only the token has one.
    issuing = signer_of(QUICK_CHAIN) if chosen.family is Family.SLH_DSA else signer
    names = [distinguished_name("Test", f"{each} {suite_id}") for each in ("root", "authority", "unit")]
    root = CertificateAuthority.root(issuing, names[0], now=NOW, days=900, path_length=1)
    below = root.issue_ca(issuing.public_key, names[1], now=NOW, days=800, path_length=0)
    authority = CertificateAuthority(issuing, below.der)
    issued = authority.issue_unit(signer.public_key, names[2], now=NOW, days=700, key_days=365)
    unit = _unit(chosen, issued.der, below.der)
    token = unit.issue(REQUEST, NOW_US).token
    return Made(
        token,
        bare(token),
        encode.sequence(encode.sequence(encode.integer(0)), token),
        root.certificate,
        (authority.certificate, read_certificate(issued.der)),
    )


@functools.cache
def current_unit() -> forge.Party:
    """A unit below the forger's authority that is valid today."""
    ends = NOW + 300 * forge.DAY
    return forge.issue("Today's unit", forge.pki().authority, forge.UNIT, begins=NOW - forge.DAY, ends=ends)


def _unit(chosen: Suite, certificate: bytes, authority: bytes) -> TimeStampUnit:
    read = read_certificate(certificate)
    return TimeStampUnit(
        unit_id="unit",
        signer=signer_of(chosen),
        identity=SignerIdentity(certificate, read.issuer, read.serial, read.subject, (authority,)),
        policy=forge.POLICY,
        accuracy_us=1_000_000,
        period=KeyPeriod(NOW_US, NOW_US + 1_000_000),
        name_in_token=True,
    )


def bare(token: bytes) -> bytes:
    """Return a token without its certificates, which no signature covers."""
    root = _tree(token)
    fields = signed_data(root)
    fields[:] = [field for field in fields if field.tag != 0xA0]
    return root.encode()


def signed_data(root: Element) -> list[Element]:
    """Return the fields of the SignedData in a token."""
    return ((root.children or [])[1].children or [])[0].children or []


def make_seeds(suite_ids: tuple[str, ...] = EVERY) -> Seeds:
    """Return tokens of the suites, responses, BER forms, armour, odd ones, and what the corpus holds."""
    every = [made_by(suite_id) for suite_id in suite_ids]
    tokens = [octets for made in every for octets in (made.token, made.bare, made.response)]
    quick = made_by(QUICK_CHAIN.id)
    forms = (
        indefinite(quick.token),
        indefinite(quick.response),
        segmented(quick.token),
        armoured(quick.token),
    )
    foreign, known = _corpus()
    return Seeds(
        (*tokens, *forms, *odd_tokens(), *foreign),
        (*(made.root for made in every), forge.pki().root.certificate, *known.anchors),
        (*(each for made in every for each in made.below), current_unit().certificate, *known.helpers),
    )


def odd_tokens() -> tuple[bytes, ...]:
    """Return right tokens with what few have: both ESS versions, further ids, another order, no accuracy."""
    unit, authority = current_unit(), forge.pki().authority
    settings: Any = {"signer": unit, "certificates": [unit.der, authority.der], "gen_us": NOW_US}
    orders = (
        forge.order(**settings, attributes={oids.ID_AA_SIGNING_CERTIFICATE: forge.ess_v1(unit.der)}),
        forge.order(
            **settings,
            attributes={oids.ID_AA_SIGNING_CERTIFICATE_V2: forge.ess_v2(unit.der, authority.der)},
        ),
        forge.order(**settings, accuracy=b""),
        forge.order(**settings, reverse_sent=True, reverse_signed=True),
    )
    return tuple(each.make() for each in orders)


def indefinite(octets: bytes) -> bytes:
    """Return the same in BER with no definite length of a constructed element at all."""
    root = _tree(octets)
    waiting = [root]
    while waiting:
        element = waiting.pop()
        element.indefinite = element.children is not None
        waiting.extend(element.children or ())
    return root.encode()


def segmented(octets: bytes) -> bytes:
    """Return a token whose eContent is cut in two, as some authorities send it."""
    root = _tree(octets)
    content = ((signed_data(root)[2]).children or [])[1].children or []
    whole = content[0].content
    content[0] = Element(0x24, children=[Element(4, whole[:50]), Element(4, whole[50:])], indefinite=True)
    return root.encode()


def armoured(octets: bytes) -> bytes:
    """Return the same as PEM."""
    return b"-----BEGIN PKCS7-----\n" + base64.encodebytes(octets) + b"-----END PKCS7-----\n"


def _tree(octets: bytes) -> Element:
    return (parse(octets) or [])[0]


def _corpus() -> tuple[list[bytes], TrustStore]:
    """Return the tokens of `KOKUIN_CORPUS` and the chains beside them; nothing when it is not set."""
    folder = os.environ.get("KOKUIN_CORPUS")
    if not folder:
        return [], TrustStore()
    files = [path for name in ("tokens", "malformed") for path in sorted((Path(folder) / name).rglob("*.*"))]
    stores = [load_trust(path) for path in files if path.suffix in {".pem", ".crt"}]
    return (
        [path.read_bytes() for path in files if path.suffix in _TOKENS],
        TrustStore(
            tuple(each for store in stores for each in store.anchors),
            tuple(each for store in stores for each in store.helpers),
        ),
    )
