"""Pure checks of what a token says, before it matters who signed it (RFC 3161 §2.4.2, RFC 5652 §5)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kokuin.trust.fitness import PURE_DIGESTS, judge_digest
from kokuin.trust.report import SubIndication, iso_time
from kokuin.trust.rules import (
    ALGORITHM_PROTECTION,
    DIGEST_ALGORITHM,
    IMPRINT,
    IMPRINT_ALGORITHM,
    MESSAGE_DIGEST,
    SIGNED_CONTENT_TYPE,
    SIGNING_TIME,
    TIME,
    TST_INFO,
    VERSIONS,
    Reason,
)
from kokuin.trust.token_subject import read_signing_time
from kokuin.wire import asn1, encode, oids
from kokuin.wire.algorithms import DIGEST_BY_OID, AlgorithmIdentifier
from kokuin.wire.cms import IssuerAndSerial
from kokuin.wire.der import Fields, read_whole
from kokuin.wire.errors import WireError
from kokuin.wire.tsp import read_algorithm
from pqc.policies import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.fitness import Constraints
    from kokuin.trust.report import Check
    from kokuin.trust.token import TokenFacts
    from kokuin.wire.cms import SignerInfo
    from kokuin.wire.tsp import TSTInfo

CLOCK_SKEW = 60 * 1_000_000
"""Microseconds by which the verifier's own clock may be slow: a token just made must pass."""

SIGNATURE_DIGESTS = {
    oids.MD5_WITH_RSA: "md5",
    oids.SHA1_WITH_RSA: "sha1",
    oids.OIW_SHA1_WITH_RSA: "sha1",
    oids.ECDSA_WITH_SHA1: "sha1",
    oids.SHA224_WITH_RSA: "sha224",
    oids.ECDSA_WITH_SHA224: "sha224",
    oids.SHA256_WITH_RSA: "sha256",
    oids.ECDSA_WITH_SHA256: "sha256",
    oids.SHA384_WITH_RSA: "sha384",
    oids.ECDSA_WITH_SHA384: "sha384",
    oids.SHA512_WITH_RSA: "sha512",
    oids.ECDSA_WITH_SHA512: "sha512",
}
"""Signature algorithms that some writers put where a digest must stand, and the digest in them."""

_OF_TST_INFO = (encode.oid(oids.ID_CT_TST_INFO),)
_SHORT = 512
"""Octets of an attribute that is remembered."""
_MAX_ACCURACY = 86_400 * 1_000_000


def judge_versions(facts: TokenFacts) -> Check:
    """CMS versions follow from what the structure holds; other numbers are odd, and change nothing."""
    expected = 1 if isinstance(facts.signer_info.sid, IssuerAndSerial) else 3
    if facts.signed_data.version != 3 or facts.signer_info.version != expected:
        return VERSIONS.weak(
            Reason.UNEXPECTED_VERSION,
            signed_data=facts.signed_data.version,
            signer_info=facts.signer_info.version,
        )
    return VERSIONS.ok()


def judge_tst_info(facts: TokenFacts) -> Check:
    """RFC 3161 §2.4.2: version 1, fields within their ranges, no critical extension that we do not know."""
    info = facts.tst_info
    if info.version != 1:
        return TST_INFO.failed(Reason.UNKNOWN_VERSION, SubIndication.FORMAT_FAILURE, version=info.version)
    accuracy = info.accuracy
    if accuracy is not None and not (
        0 <= (accuracy.seconds or 0) * 1_000_000 <= _MAX_ACCURACY
        and all(part is None or 0 <= part <= 999 for part in (accuracy.millis, accuracy.micros))
    ):
        return TST_INFO.failed(Reason.BAD_ACCURACY, SubIndication.FORMAT_FAILURE)
    if any(extension.critical for extension in info.extensions):
        return TST_INFO.indeterminate(Reason.CRITICAL_EXTENSION, SubIndication.SIG_CONSTRAINTS_FAILURE)
    if not info.gen_time.der:
        return TST_INFO.weak(Reason.TIME_NOT_DER)
    if accuracy is not None and 0 in (accuracy.millis, accuracy.micros):
        # Out of 1..999, but it says what an absent field says.
        return TST_INFO.weak(Reason.ACCURACY_ZERO)
    return TST_INFO.ok()


def judge_content_type(signer_info: SignerInfo) -> Check:
    """The signed content-type attribute binds the signature to TSTInfo and to no other use of the octets."""
    values = signer_info.signed_values(oids.ID_CONTENT_TYPE)
    if values is None:
        return SIGNED_CONTENT_TYPE.failed(Reason.ATTRIBUTE_ABSENT, SubIndication.FORMAT_FAILURE)
    if values != _OF_TST_INFO:
        return SIGNED_CONTENT_TYPE.failed(Reason.ATTRIBUTE_DIFFERS, SubIndication.FORMAT_FAILURE)
    return SIGNED_CONTENT_TYPE.ok()


def judge_message_digest(facts: TokenFacts) -> Check:
    """The signed message-digest attribute is the digest of TSTInfo."""
    values = facts.signer_info.signed_values(oids.ID_MESSAGE_DIGEST)
    if values is None or len(values) != 1:
        return MESSAGE_DIGEST.failed(Reason.ATTRIBUTE_ABSENT, SubIndication.FORMAT_FAILURE)
    algorithm = facts.signer_info.digest_algorithm.oid
    digest = DIGEST_BY_OID.get(algorithm)
    if digest is None:
        return MESSAGE_DIGEST.indeterminate(
            Reason.DIGEST_UNKNOWN, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, algorithm=algorithm
        )
    computed = digest.of(facts.content)
    if values[0] != encode.octet_string(computed):
        return MESSAGE_DIGEST.failed(Reason.DIGEST_DIFFERS, SubIndication.HASH_FAILURE)
    return MESSAGE_DIGEST.ok(algorithm=digest.name)


def judge_algorithm_protection(signer_info: SignerInfo) -> Check:
    """RFC 6211 §2: when the attribute is there, it repeats the SignerInfo's algorithms."""
    if all(each.oid != oids.ID_CMS_ALGORITHM_PROTECT for each in signer_info.signed_attributes or ()):
        return ALGORITHM_PROTECTION.ok(present=False)
    value = (signer_info.signed_values(oids.ID_CMS_ALGORITHM_PROTECT) or (b"",))[0]
    judge = _judge_repeated if len(value) <= _SHORT else _judge_repeated.__wrapped__
    return judge(value, signer_info.digest_algorithm, signer_info.signature_algorithm)


@functools.lru_cache(maxsize=64)
def _judge_repeated(
    value: bytes, digest_algorithm: AlgorithmIdentifier, signature_algorithm: AlgorithmIdentifier
) -> Check:
    """The tokens of one unit repeat the same algorithms."""
    try:
        fields = Fields(read_whole(value, asn1.SEQUENCE))
        digest = read_algorithm(fields.take_any())
        signature = read_algorithm(fields.take_any(), asn1.context(1))
        fields.finish()
    except WireError:
        return ALGORITHM_PROTECTION.failed(Reason.ATTRIBUTE_UNREADABLE, SubIndication.FORMAT_FAILURE)
    if not _same(digest, digest_algorithm) or not _same(signature, signature_algorithm):
        # Substituting a weaker algorithm that fits the same signature is what the attribute is there to stop.
        return ALGORITHM_PROTECTION.failed(Reason.ATTRIBUTE_DIFFERS, SubIndication.SIG_CONSTRAINTS_FAILURE)
    return ALGORITHM_PROTECTION.ok(present=True)


def _same(one: AlgorithmIdentifier, other: AlgorithmIdentifier) -> bool:
    """Absent parameters and NULL are one and the same (RFC 5754 §2)."""
    return one.oid == other.oid and (one.parameters or encode.NULL) == (other.parameters or encode.NULL)


def judge_digest_algorithm(signer_info: SignerInfo, constraints: Constraints) -> Check:
    """The digest over TSTInfo: acceptable, and as strong as a post-quantum signature (RFC 9882 §3.3)."""
    algorithm = signer_info.digest_algorithm.oid
    check = judge_digest(DIGEST_ALGORITHM, algorithm, Role.SIGNATURE_DIGEST, constraints)
    fitting = PURE_DIGESTS.get(signer_info.signature_algorithm.oid)
    digest = DIGEST_BY_OID.get(algorithm)
    if fitting is not None and digest is not None and digest.name not in fitting:
        return DIGEST_ALGORITHM.failed(
            Reason.DIGEST_TOO_SHORT, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, algorithm=digest.name
        )
    return check


def judge_imprint_algorithm(facts: TokenFacts, constraints: Constraints) -> Check:
    """The digest over the stamped data."""
    imprint = facts.tst_info.imprint
    within = SIGNATURE_DIGESTS.get(imprint.digest_oid)
    if within is not None:
        return IMPRINT_ALGORITHM.indeterminate(
            Reason.DIGEST_IS_SIGNATURE,
            SubIndication.CRYPTO_CONSTRAINTS_FAILURE,
            algorithm=within,
            found=imprint.digest_oid,
        )
    digest = DIGEST_BY_OID.get(imprint.digest_oid)
    if digest is not None and digest.size != len(imprint.value):
        return IMPRINT_ALGORITHM.failed(
            Reason.DIGEST_LENGTH, SubIndication.FORMAT_FAILURE, algorithm=digest.name
        )
    return judge_digest(IMPRINT_ALGORITHM, imprint.digest_oid, Role.IMPRINT, constraints)


def judge_imprint(facts: TokenFacts, content: Callable[[str], bytes] | None) -> Check:
    """The stamped data is the data at hand; `content` gives its digest by the name of the algorithm."""
    imprint = facts.tst_info.imprint
    if content is None:
        return IMPRINT.not_done(Reason.CONTENT_NOT_GIVEN)
    digest = DIGEST_BY_OID.get(imprint.digest_oid)
    if digest is None:
        return IMPRINT.indeterminate(
            Reason.DIGEST_UNKNOWN, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, algorithm=imprint.digest_oid
        )
    found = content(digest.name)
    if len(found) != digest.size:
        # A digest that was made by another algorithm says nothing about the data.
        return IMPRINT.indeterminate(
            Reason.DIGEST_LENGTH, SubIndication.SIGNED_DATA_NOT_FOUND, algorithm=digest.name
        )
    if found != imprint.value:
        return IMPRINT.failed(Reason.CONTENT_DIFFERS, SubIndication.HASH_FAILURE, algorithm=digest.name)
    return IMPRINT.ok(algorithm=digest.name)


def judge_time(facts: TokenFacts, at: int) -> Check:
    """A genTime after the validation time cannot have been; accuracy and a slow clock are allowed for."""
    info = facts.tst_info
    if is_after(info, at):
        return TIME.indeterminate(
            Reason.IN_THE_FUTURE,
            SubIndication.TIMESTAMP_ORDER_FAILURE,
            gen_time=iso_time(info.gen_time.microseconds),
        )
    return TIME.ok()


def judge_signing_time(facts: TokenFacts) -> tuple[Check, ...]:
    """The signed signing-time, where there is one, is no second opinion: genTime is what the token states."""
    if all(each.oid != oids.ID_SIGNING_TIME for each in facts.signer_info.signed_attributes or ()):
        return ()
    found = read_signing_time(facts.signer_info.signed_values(oids.ID_SIGNING_TIME))
    if found is None:
        return (SIGNING_TIME.weak(Reason.ATTRIBUTE_UNREADABLE),)
    info = facts.tst_info
    if abs(found - info.gen_time.microseconds) > slack(info):
        return (SIGNING_TIME.weak(Reason.SIGNING_TIME_DIFFERS, signing_time=iso_time(found)),)
    return (SIGNING_TIME.ok(),)


def is_after(info: TSTInfo, at: int) -> bool:
    """Whether a genTime is after a time, microseconds since 1970 UTC, however the clocks differ."""
    return info.gen_time.microseconds - slack(info) > at


def slack(info: TSTInfo) -> int:
    """Microseconds by which two honest clocks may differ about genTime."""
    return CLOCK_SKEW + (info.accuracy.microseconds if info.accuracy else 0)
