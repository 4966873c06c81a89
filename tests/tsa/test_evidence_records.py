from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.evidence_hashes import climb, renewed, renewed_sorted
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.cms import Attribute
from kokuin.wire.ers import encode_archive_time_stamp, encode_chain, encode_evidence_record
from tests.trust.forge import order
from tests.tsa.evidence_made import hashes, read, token_over, top
from tsa.evidence.records import make_record, object_group, renew_hash_tree, renew_time_stamp, stamp_group
from tsa.evidence.refusals import EvidenceError, EvidenceRefusal
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.evidence_hashes import Covered
    from kokuin.wire.ers import EvidenceRecord

SHA512 = DIGEST_BY_NAME["sha512"].oid
DATA = [b"document %d" % number for number in range(5)]


def content(data: bytes) -> Covered:
    return lambda digest: hashlib.new(digest, data).digest()


def batch(digest: str = "sha512", *groups: tuple[bytes, ...]) -> tuple[HashTree, bytes, list[EvidenceRecord]]:
    """Return the tree over groups of objects, its token and its records."""
    tree = HashTree(digest, [hashes(digest, *group) for group in groups or [(data,) for data in DATA]])
    token = token_over(tree)
    return tree, token, [read(make_record(tree, place, token)) for place in range(len(tree))]


def refusal(run: Callable[..., object], *given: object, **named: object) -> EvidenceRefusal:
    with pytest.raises(EvidenceError) as refused:
        run(*given, **named)
    return refused.value.code


def test_a_record_has_one_chain_of_one_archive_time_stamp() -> None:
    tree, token, records = batch()
    info = Attribute(oids.ID_AA_ETS_CERT_VALUES, (encode.sequence(),))
    for place, record in enumerate(records):
        (chain,) = record.chains
        (stamp,) = chain.stamps
        assert record.digests == (AlgorithmIdentifier(SHA512),)
        assert (record.crypto_infos, record.encryption) == ((), None)
        assert stamp.digest == AlgorithmIdentifier(SHA512)
        assert stamp.attributes == ()
        assert stamp.time_stamp == token
        assert top("sha512", stamp.reduced, hashes("sha512", DATA[place])) == tree.root
    assert read(make_record(tree, 0, token, [info])).crypto_infos == (info,)


def test_a_token_over_something_else_makes_no_record() -> None:
    tree, _, _ = batch()
    other = HashTree("sha512", [hashes("sha512", b"other")])
    same_octets = order(imprint_oid=DIGEST_BY_NAME["sha3_512"].oid, imprint=tree.root).make()
    for token in (token_over(other), same_octets):
        assert refusal(make_record, tree, 0, token) == EvidenceRefusal.NOT_STAMPED
    for none in (b"\x30\x00", b"", order(content_type="1.2.3").make()):
        assert refusal(make_record, tree, 0, none) == EvidenceRefusal.NO_TOKEN


def test_a_time_stamp_renewal_covers_the_time_stamp_before_in_the_same_chain() -> None:
    tree, token, records = batch()
    other_tree, other_token, others = batch("sha512", (b"another batch",))
    # All records of one batch have one group: renewed together, they share a leaf.
    wanted = [stamp_group(record) for record in (*records, *others)]
    assert {digest for digest, _ in wanted} == {"sha512"}
    second = HashTree("sha512", [group for _, group in wanted])
    assert second.group(0) == hashes("sha512", token)
    assert second.group(5) == hashes("sha512", other_token)
    renewal = token_over(second, gen_us=order().gen_us + 1)
    for place, before in enumerate((*records, *others)):
        record = read(renew_time_stamp(before, second, place, renewal))
        (chain,) = record.chains
        first, last = chain.stamps
        assert first.octets == before.chains[0].stamps[0].octets
        assert last.time_stamp == renewal
        assert climb("sha512", last.reduced, wanted[place][1]) == second.root
        assert record.digests == before.digests
    assert tree.root != other_tree.root


def test_a_renewal_of_one_record_alone_covers_the_time_stamp_itself() -> None:
    _, token, (record, *_) = batch()
    tree = HashTree("sha512", [stamp_group(record)[1]])
    assert tree.root == hashlib.sha512(token).digest()
    last = read(renew_time_stamp(record, tree, 0, token_over(tree))).chains[0].stamps[-1]
    assert last.reduced is None


def test_a_later_renewal_covers_all_time_stamps_of_its_chain() -> None:
    """§5.2 wants the last alone; Bouncy Castle reads a chain of three only when the first is covered too."""
    _, token, (record, *_) = batch()
    tokens = [token]
    for second in range(1, 4):
        digest, group = stamp_group(record)
        assert group == tuple(sorted(hashes("sha512", *tokens)))
        tree = HashTree(digest, [group, hashes("sha512", b"another")])
        tokens.append(token_over(tree, gen_us=order().gen_us + second))
        record = read(renew_time_stamp(record, tree, 0, tokens[-1]))
        last = record.chains[0].stamps[-1]
        assert climb("sha512", last.reduced, hashes("sha512", tokens[-2])) == tree.root
    assert len(record.chains[0].stamps) == 4


def test_a_renewal_keeps_what_else_the_record_holds() -> None:
    _, token, (first, *_) = batch()
    info, encryption = Attribute("1.2.3", (encode.NULL,)), encode.explicit(1, encode.oid("1.2.4"))
    stamp = encode_archive_time_stamp(token, attributes=[info], reduced=first.chains[0].stamps[0].reduced)
    record = read(
        encode_evidence_record(
            first.digests, [encode_chain([stamp])], crypto_infos=[info], encryption=encryption
        )
    )
    tree = HashTree("sha512", [stamp_group(record)[1]])
    renewal = read(renew_time_stamp(record, tree, 0, token_over(tree)))
    assert (renewal.crypto_infos, renewal.encryption) == ((info,), encryption)
    assert renewal.chains[0].stamps[0].octets == stamp


def test_a_time_stamp_renewal_keeps_to_the_chain_s_algorithm_and_to_its_own_time_stamp() -> None:
    _, token, (record, *_) = batch()
    sha256 = HashTree("sha256", [hashes("sha256", token)])
    foreign = HashTree("sha512", [hashes("sha512", b"something else"), hashes("sha512", token)])
    assert refusal(renew_time_stamp, record, sha256, 0, token_over(sha256)) == EvidenceRefusal.OTHER_HASH
    assert refusal(renew_time_stamp, record, foreign, 0, token_over(foreign)) == EvidenceRefusal.OTHER_GROUP
    assert refusal(renew_time_stamp, record, foreign, 1, token) == EvidenceRefusal.NOT_STAMPED


def rehashed(
    record: EvidenceRecord, digest: str, objects: list[bytes], *, alone: bool = False
) -> EvidenceRecord:
    group = object_group(record, digest, [content(data) for data in objects], alone=alone)
    tree = HashTree(digest, [hashes(digest, b"of another record"), group])
    return read(renew_hash_tree(record, tree, 1, token_over(tree)))


def test_a_hash_tree_renewal_covers_objects_and_all_chains_before() -> None:
    _, _, (before, *_) = batch("sha256", (DATA[0], DATA[1], DATA[2]), (DATA[3],))
    record = rehashed(before, "sha512", [DATA[2], DATA[0], DATA[1]])
    assert record.chains[0].octets == before.chains[0].octets
    assert [each.oid for each in record.digests] == [DIGEST_BY_NAME["sha256"].oid, SHA512]
    (stamp,) = record.chains[1].stamps
    assert stamp.digest == AlgorithmIdentifier(SHA512)
    assert stamp.reduced is not None
    expected = {renewed("sha512", own, before.sequence) for own in hashes("sha512", *DATA[:3])}
    assert set(stamp.reduced[0]) == expected

    again = rehashed(record, "sha3_512", DATA[:3])
    assert [each.octets for each in again.chains[:2]] == [each.octets for each in record.chains]
    lists = again.chains[2].stamps[0].reduced
    assert lists is not None
    assert set(lists[0]) == {
        renewed("sha3_512", own, record.sequence) for own in hashes("sha3_512", *DATA[:3])
    }


def test_a_chain_is_continued_by_its_own_algorithm() -> None:
    _, _, (before, *_) = batch("sha256", (DATA[0], DATA[1]))
    record = rehashed(before, "sha512", DATA[:2])
    digest, group = stamp_group(record)
    assert digest == "sha512"
    tree = HashTree(digest, [group])
    renewal = read(renew_time_stamp(record, tree, 0, token_over(tree)))
    assert [len(chain.stamps) for chain in renewal.chains] == [1, 2]
    assert renewal.chains[0].octets == record.chains[0].octets


@pytest.mark.parametrize("order_of", [renewed, renewed_sorted])
def test_a_chain_of_either_order_is_renewed_again(order_of: Callable[[str, bytes, bytes], bytes]) -> None:
    """Whoever sorted h(i) and H(sequence), as the RFC's figure 4 does, has covered the object as well."""
    _, _, (record, *_) = batch("sha256", (DATA[0], DATA[1]))
    objects = hashes("sha512", *DATA[:2])
    tree = HashTree("sha512", [tuple(order_of("sha512", own, record.sequence) for own in objects)])
    second = read(renew_hash_tree(record, tree, 0, token_over(tree)))
    assert len(rehashed(second, "sha512", DATA[:2]).chains) == 3


def test_a_hash_tree_renewal_is_refused_while_an_original_is_missing() -> None:
    _, _, (group, single) = batch("sha256", (DATA[0], DATA[1], DATA[2]), (DATA[3],))
    for objects in (DATA[:2], DATA[1:3], DATA[:1], []):
        assert refusal(rehashed, group, "sha512", objects) == EvidenceRefusal.ORIGINAL_MISSING
    # A neighbour in the tree looks as a missing object does: who knows that there is one object says so.
    assert refusal(rehashed, single, "sha512", [DATA[3]]) == EvidenceRefusal.ORIGINAL_MISSING
    assert len(rehashed(single, "sha512", [DATA[3]], alone=True).chains) == 2
    assert refusal(rehashed, single, "sha512", [], alone=True) == EvidenceRefusal.ORIGINAL_MISSING
    assert refusal(rehashed, group, "sha512", DATA[:3], alone=True) == EvidenceRefusal.NOT_ALONE


def test_a_hash_tree_renewal_covers_nothing_that_was_not_covered() -> None:
    _, _, (record, *_) = batch("sha256", (DATA[0], DATA[1]))
    changed = [DATA[0], DATA[1] + b"!"]
    assert refusal(rehashed, record, "sha512", changed) == EvidenceRefusal.NOT_COVERED
    assert refusal(rehashed, record, "sha512", [*DATA[:2], b"new"]) == EvidenceRefusal.NOT_COVERED
    second = rehashed(record, "sha512", DATA[:2])
    assert refusal(rehashed, second, "sha512", changed) == EvidenceRefusal.NOT_COVERED


def test_objects_that_travel_in_the_record_are_no_missing_originals() -> None:
    value = encode.sequence(encode.integer(5))
    tree = HashTree("sha512", [hashes("sha512", DATA[0], value), hashes("sha512", DATA[1])])
    infos = [Attribute(oids.ID_AA_ETS_CERT_VALUES, (value,)), Attribute("1.2.3", (encode.NULL,))]
    record = read(make_record(tree, 0, token_over(tree), infos))
    second = rehashed(record, "sha3_512", [DATA[0]])
    lists = second.chains[1].stamps[0].reduced
    assert lists is not None
    assert len(lists[0]) == 2
    assert second.crypto_infos == tuple(infos)


def test_a_record_of_an_unknown_algorithm_or_without_a_token_is_not_renewed() -> None:
    odd = encode_archive_time_stamp(order().make(), digest=AlgorithmIdentifier("1.2.3"))
    empty = encode_archive_time_stamp(b"\x30\x00")
    for stamp, code in ((odd, EvidenceRefusal.HASH_UNKNOWN), (empty, EvidenceRefusal.NO_TOKEN)):
        record = read(encode_evidence_record((), [encode_chain([stamp])]))
        assert refusal(stamp_group, record) == code
        assert refusal(object_group, record, "sha512", [content(b"")]) == code
