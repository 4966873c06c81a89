"""Evidence records, and tokens with some, that would cost a careless verifier minutes or all memory."""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.cms import Attribute
from kokuin.wire.ers import (
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from tests.trust.evidences import DATA, P256, first, moment, unit
from tests.unsigned import attribute, with_unsigned
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kokuin.wire.ers import ArchiveTimeStamp

BY = unit(P256, 2026)
STAMPED, COVERED = moment(2026, 6, 1), moment(2026, 6, 2)
SHA512 = AlgorithmIdentifier(DIGEST_BY_NAME["sha512"].oid)
HARMLESS = frozenset({"much material", "renewed 199 times", "many attributes", "many algorithms"})
"""Those that hold: what is too much of them is not looked at, or costs what it is worth."""


def record_bombs() -> dict[str, Callable[[], bytes]]:
    """Return makers of bombs by what they are."""
    return {
        "many lists": lambda: _of_one(lists=[[bytes(64)]] * 60_000),
        "a long list": lambda: _of_one(lists=[[bytes(64)] * 180_000]),
        "empty lists": lambda: _of_one(lists=[[]] * 150_000),
        "an empty list": lambda: _of_one(lists=[[]]),
        "many chains": lambda: _of(*[[_stamp().octets]] * 900),
        "as many chains as are judged": lambda: _of(*[[_stamp().octets]] * 32),
        "many archive time-stamps": lambda: _of([_stamp().octets] * 900),
        "as many time-stamps as are judged": lambda: _of([_stamp().octets] * 200),
        "renewed 199 times": _renewed,
        "long chains": lambda: _of(*[[_remade(lists=[[bytes(64)] * 6_800])]] * 28),
        "much material": _much_material,
        "many attributes": lambda: _of([_remade(attributes=[Attribute("1.2.3", (encode.NULL,))] * 30_000)]),
        "many algorithms": lambda: encode_evidence_record(
            [SHA512] * 40_000, [encode_chain([_stamp().octets])]
        ),
        "four long records within a token": _within_a_token,
        "records within the tokens of records": lambda: _nested(2),
        "a record of 17 MiB": lambda: encode.sequence(
            encode.integer(1), encode.octet_string(bytes(17 << 20))
        ),
        "deep": lambda: encode.sequence(encode.integer(1)) + b"\x30\x80" * 10_000,
    }


@functools.cache
def _stamp() -> ArchiveTimeStamp:
    return read_evidence_record(first(BY, COVERED, DATA)).chains[0].stamps[0]


def _remade(*, lists: Sequence[Sequence[bytes]] | None = None, attributes: Sequence[Attribute] = ()) -> bytes:
    stamp = _stamp()
    reduced = stamp.reduced if lists is None else lists
    return encode_archive_time_stamp(stamp.time_stamp, digest=SHA512, attributes=attributes, reduced=reduced)


def _of(*chains: Sequence[bytes]) -> bytes:
    return encode_evidence_record((SHA512,), [encode_chain(each) for each in chains])


def _of_one(*, lists: Sequence[Sequence[bytes]]) -> bytes:
    return _of([_remade(lists=lists)])


def _renewed() -> bytes:
    """As many archive time-stamps as are looked at, all of which hold."""
    algorithm, stamps = DIGEST_BY_NAME["sha512"], [_stamp().octets]
    last = _stamp().time_stamp
    for number in range(199):
        tree = HashTree("sha512", [[algorithm.of(last)], [algorithm.of(b"neighbour")]])
        last = BY.stamp("sha512", tree.root, COVERED + dt.timedelta(weeks=1 + number))
        stamps.append(encode_archive_time_stamp(last, digest=SHA512, reduced=tree.reduced(0)))
    return _of(stamps)


def _much_material() -> bytes:
    values = tuple(encode.sequence(encode.octet_string(bytes((each,)))) for each in range(200))
    infos = (
        Attribute(oids.ID_AA_ETS_CERT_VALUES, values),
        Attribute(oids.ID_AA_ETS_REVOCATION_VALUES, values),
    )
    return encode_evidence_record((SHA512,), [encode_chain([_stamp().octets])], crypto_infos=infos)


def _within_a_token() -> bytes:
    records = [_of(*[[_remade(lists=[[bytes(64)] * 1_500])]] * 28)] * 4
    return with_unsigned(_token(), *(attribute(oids.ID_AA_ER_INTERNAL, each) for each in records))


def _nested(depth: int) -> bytes:
    """Make a token with a record, whose archive time-stamp has a record, and so on."""
    record = first(BY, COVERED, DATA)
    for _ in range(depth):
        token = with_unsigned(_stamp().time_stamp, attribute(oids.ID_AA_ER_INTERNAL, record))
        record = _of([encode_archive_time_stamp(token, digest=SHA512, reduced=_stamp().reduced)])
    return with_unsigned(_token(), attribute(oids.ID_AA_ER_INTERNAL, record))


def _token() -> bytes:
    return BY.stamp("sha512", DIGEST_BY_NAME["sha512"].of(DATA), STAMPED, crl=False)
