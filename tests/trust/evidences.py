"""Units of every time, the tokens they make, and evidence records over those."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.cms_parts import read_parts
from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.evidence import judge_evidence
from kokuin.trust.name import distinguished_name
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID
from kokuin.wire.ers import (
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from kokuin.wire.token_form import bare_token
from kokuin.wire.tsp import TimeStampReq
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
from tests.pqc.keys import signer_of
from tests.reportschema import valid
from tsa.evidence.records import (
    make_record,
    object_group,
    renew_hash_tree,
    renew_time_stamp,
    stamp_group,
)
from tsa.evidence.tree import HashTree
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kokuin.trust.context import Context
    from kokuin.trust.evidence_hashes import Covered
    from kokuin.trust.evidenced import Evidenced
    from kokuin.wire.cms import Attribute

P256, PQ = "ecdsa-p256-sha256", "ml-dsa-65"
DATA = b"what is kept for thirty years"
_NUMBERS = itertools.count(1)


def moment(year: int, month: int = 1, day: int = 1) -> dt.datetime:
    return dt.datetime(year, month, day, tzinfo=dt.UTC)


def us(at: dt.datetime) -> int:
    return int(at.timestamp()) * 1_000_000


@dataclass(frozen=True)
class Unit:
    """A unit under an authority of its own time, and the list that this authority made then."""

    root: CertificateAuthority
    unit: TimeStampUnit
    crl: bytes

    def stamp(self, digest: str, value: bytes, at: dt.datetime, *, crl: bool = True) -> bytes:
        """Return a token over a digest; it carries the chain with the root, and the list."""
        algorithm = DIGEST_BY_NAME[digest]
        request = TimeStampReq(
            1, algorithm.oid, algorithm.parameters, value, None, None, None, cert_req=True, extensions=()
        )
        token = self.unit.issue(request, us(at)).token
        return replace(read_parts(token), crls=(self.crl,)).encode() if crl else token


@functools.cache
def unit(suite_id: str, year: int, days: int = 3_700, digest: str | None = None) -> Unit:
    """Return a unit whose certificate begins with a year; its root lives as long.

    Its tokens sign a digest of their own choice where one is named.
    """
    now, chosen = moment(year), suite(suite_id)
    signer = signer_of(chosen)
    if digest is not None:
        signer = SoftwareSigner(replace(chosen, digest=digest), generate_key(chosen))
    number = next(_NUMBERS)
    root = CertificateAuthority.root(
        signer, distinguished_name("Test", f"root {number}"), now=now, days=days + 1, path_length=0
    )
    name = distinguished_name("Test", f"unit {number} of {year}")
    issued = root.issue_unit(signer.public_key, name, now=now, days=days, key_days=days - 1)
    certificate = read_certificate(issued.der)
    identity = SignerIdentity(
        certificate.der,
        certificate.issuer,
        certificate.serial,
        certificate.subject,
        (root.certificate.der,),
    )
    made = TimeStampUnit(
        unit_id="unit",
        signer=signer,
        identity=identity,
        policy="1.3.6.1.4.1.32473.1",
        accuracy_us=1_000_000,
        period=KeyPeriod(us(now), us(now) + days * 86_400 * 1_000_000),
        name_in_token=True,
    )
    crl = root.crl({}, this_update=now, next_update=now + dt.timedelta(days=days), number=1)
    return Unit(root, made, crl)


def trust(*units: Unit) -> TrustStore:
    return TrustStore(tuple(each.root.certificate for each in units))


def of(data: bytes) -> Covered:
    return lambda digest: DIGEST_BY_NAME[digest].of(data)


def first(  # what a record begins with
    by: Unit,
    at: dt.datetime,
    *group: bytes,
    digest: str = "sha512",
    neighbours: int = 2,
    infos: Iterable[Attribute] = (),
) -> bytes:
    """Return a record over a group of data objects, in a tree with some others."""
    hashed = [[DIGEST_BY_NAME[digest].of(each) for each in group]]
    hashed += [[DIGEST_BY_NAME[digest].of(b"neighbour %d" % each)] for each in range(neighbours)]
    tree = HashTree(digest, hashed)
    return make_record(tree, 0, by.stamp(digest, tree.root, at), infos)


def again(record: bytes, by: Unit, at: dt.datetime, neighbours: int = 2) -> bytes:
    """Return the record with a time-stamp renewal."""
    read = read_evidence_record(record)
    digest, group = stamp_group(read)
    others = [[DIGEST_BY_NAME[digest].of(b"other %d" % each)] for each in range(neighbours)]
    tree = HashTree(digest, [group, *others])
    return renew_time_stamp(read, tree, 0, by.stamp(digest, tree.root, at))


def again_of_last(record: bytes, by: Unit, at: dt.datetime) -> bytes:
    """Return the record renewed as §5.2 says and no further: of the chain, the last time-stamp is covered."""
    (chain,) = read_evidence_record(record).chains
    stamp = chain.stamps[-1]
    assert stamp.digest is not None
    algorithm = DIGEST_BY_OID[stamp.digest.oid]
    tree = HashTree(algorithm.name, [[algorithm.of(stamp.time_stamp)], [algorithm.of(b"other")]])
    token = by.stamp(algorithm.name, tree.root, at)
    last = encode_archive_time_stamp(token, digest=stamp.digest, reduced=tree.reduced(0))
    stamps = [*(each.octets for each in chain.stamps), last]
    return encode_evidence_record([stamp.digest], [encode_chain(stamps)])


def anew(record: bytes, by: Unit, at: dt.datetime, digest: str, *group: bytes, alone: bool = False) -> bytes:
    """Return the record with a hash-tree renewal over its data objects."""
    read = read_evidence_record(record)
    hashes = object_group(read, digest, [of(each) for each in group], alone=alone)
    tree = HashTree(digest, [hashes, [DIGEST_BY_NAME[digest].of(b"else")]])
    return renew_hash_tree(read, tree, 0, by.stamp(digest, tree.root, at))


def judge(
    record: bytes, context: Context, *objects: bytes, given: Callable[[str], bytes] | None = None
) -> Evidenced:
    """Judge a record over data objects."""
    covered = tuple(of(each) for each in objects) if given is None else (given,)
    found = judge_evidence(record, covered, context)
    valid(found.report)
    return found


def bare(token: bytes) -> bytes:
    return bare_token(token)
