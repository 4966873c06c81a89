"""Records as the service writes them: a few real ones, and as many of their kind as a test wants.

The many are made from a real token by another serial number within its TSTInfo, of the same length: syntax
and hashes are right, only the signature is not, which no check of the ledger asks about.
"""

from __future__ import annotations

import functools
import tempfile
import time
from hashlib import sha256, sha512
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.trust.records import TST_ISSUED, Record
from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import read_signed_data
from kokuin.wire.pem import read_blocks
from kokuin.wire.tsp import read_timestamp_request
from tests.requests import make_request
from tests.tsa.fuzz_in_process import ANYBODY, make_fit, make_issuer

if TYPE_CHECKING:
    from kokuin.service.issuing import Issuer

TENANTS = ("alpha", "beta", "gamma")
UNIT = "unit-1"


@functools.cache
def _issuer() -> tuple[Issuer, bytes]:
    with tempfile.TemporaryDirectory(prefix="kokuin-records-") as folder:
        root = Path(folder) / "data"
        issuer, trust = make_issuer(root), root / "trust"
        return issuer, (trust / "units.pem").read_bytes() + (trust / "ca.pem").read_bytes()


def certificates_pem() -> bytes:
    """PEM of the certificate of the unit that signed all these records, and of the root above it."""
    return _issuer()[1]


def certificates() -> list[bytes]:
    """DER of the same certificates."""
    return [der for _label, der in read_blocks(certificates_pem(), 10)]


def token_over(octets: bytes) -> bytes:
    """Issue a time-stamp token over octets."""
    request = read_timestamp_request(make_request(DIGEST_BY_NAME["sha512"], cert_req=True))
    issued = _issuer()[0].unit.issue(
        request._replace(imprint=sha512(octets).digest()), time.time_ns() // 1_000
    )
    return issued.token


def real_record(*, cert_req: bool = False) -> Record:
    """Issue a token and return its record."""
    body = make_request(DIGEST_BY_NAME["sha512"], nonce=2**63 + 1, cert_req=cert_req)
    issuer = _issuer()[0]
    # It was made at some time of this process, hours ago perhaps.
    make_fit(issuer)
    draft = issuer.issue(read_timestamp_request(body), body, ANYBODY)
    return draft.records[0]  # type: ignore[union-attr]


@functools.cache
def _template() -> Record:
    return real_record()


def record(number: int) -> Record:
    """Return a record of an issued token, always the same for a number."""
    template = _template()
    assert template.token is not None
    assert template.serial is not None
    assert template.gen is not None
    before = encode.integer(int(template.serial, 16))
    # As long as the template's, its first octet too: nothing around it changes.
    after = before[:3] + sha256(f"serial {number}".encode()).digest()[: len(before) - 3]
    assert template.token.count(before) == 1
    token = template.token.replace(before, after)
    content = read_signed_data(token).content
    assert content is not None
    fields = dict(template.fields)
    fields |= {
        "id": f"{number:036x}",
        "tenant": TENANTS[number % len(TENANTS)],
        "tok": sha256(token).hexdigest(),
        "tok512": sha512(token).hexdigest(),
        "tst": sha256(content).hexdigest(),
        "tst512": sha512(content).hexdigest(),
        "req": sha256(f"request {number}".encode()).hexdigest(),
    }
    serial = f"{int.from_bytes(after[2:], 'big'):x}"
    return Record(TST_ISSUED, fields, serial, token, UNIT, template.gen + number)
