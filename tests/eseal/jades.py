"""What the tests of JSON seals share: contexts, contents, seals, and JWS taken apart by hand."""

from __future__ import annotations

import base64
import functools
import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from eseal.jades_create import create
from eseal.jades_find import find
from eseal.jades_payload import Attached
from eseal.judging import judge_document
from eseal.values import Found, Level, Material
from kokuin.trust.context import Context
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tests.eseal import pki

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.jades_payload import Payload
    from eseal.values import Content, SealKey
    from kokuin.trust.report import Check, Report

DATA = b'{"invoice":"2026-11","total":1200.50,"items":[1,2,3]}'
DECLARED = 3_600 * 1_000_000


class Beside:
    """`eseal.values.Content` of octets in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, algorithm: str, /) -> bytes:
        return DIGEST_BY_NAME[algorithm].of(self._data)

    def octets(self, most: int) -> bytes | None:
        return self._data if len(self._data) <= most else None


class DigestOnly(Beside):
    """The same of which only digests are at hand."""

    def octets(self, _: int) -> bytes | None:
        return None


@functools.cache
def material() -> Material:
    made = pki.seal_pki()
    return Material((made.authority.certificate.der, made.root.certificate.der), made.revocation())


def context(at_us: int = pki.NOW_US + DECLARED) -> Context:
    return Context(at_us, pki.seal_pki().trust)


def seal(payload: Payload | None = None, *keys: SealKey, level: Level = Level.B_B, **more: Any) -> bytes:
    return create(
        payload or Attached(DATA),
        keys or (pki.seal_key(),),
        pki.NOW_US,
        level=level,
        stamper=pki.seal_pki().stamper(),
        material=material(),
        **more,
    )


def judge(sealed: bytes, content: Content | None = None, *, at_us: int | None = None) -> Report:
    found = find(sealed, content)
    assert isinstance(found, Found), found
    return judge_document(found, context() if at_us is None else context(at_us))


def reasons(report: Report) -> set[str]:
    """Every reason of a check of the whole and of its seals that did not hold."""
    checks: list[Check] = [*report.checks, *(check for part in report.parts for check in part.checks)]
    return {str(check.reason) for check in checks if check.sub_indication is not None}


def unpack(text: str) -> bytes:
    """Octets of base64url, by the standard library alone."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pack(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def header_of(sealed: bytes, place: int = 0) -> dict[str, Any]:
    """The protected header of a seal in any serialisation."""
    if not sealed.startswith(b"{"):
        return dict(json.loads(unpack(sealed.split(b".")[0].decode())))
    document = json.loads(sealed)
    found = document.get("signatures", [document])[place]
    return dict(json.loads(unpack(found["protected"])))


def resign(sealed: bytes, key: SealKey, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A compact seal whose header was changed before its owner signed it."""
    header = header_of(sealed)
    change(header)
    return compact(header, sealed.split(b".")[1], key)


def compact(header: dict[str, Any], payload: bytes, key: SealKey) -> bytes:
    """A compact JWS of any header and payload text, signed by a key of P-256."""
    protected = pack(json.dumps(header).encode()).encode()
    value = key.signer.sign(protected + b"." + payload)
    raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(value))
    return b".".join((protected, payload, pack(raw).encode()))
