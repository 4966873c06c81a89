"""Time-stamp tokens inside another signature: each is judged, the signature around them is not.

A CAdES signature carries them as attributes (ETSI EN 319 122-1 §5), a signed program as an attribute of
its own. The signature time-stamp covers the signature value, so whether it fits is seen here. What an
archive time-stamp covers is a matter of the whole signature and of its form: such a token is judged by
itself, and the report says so.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import RevocationData
from kokuin.trust.evidence_token import judge_with_evidence
from kokuin.trust.fitness import Constraints
from kokuin.trust.judge import MAX_CERTIFICATES, verify_signer_info
from kokuin.trust.report import Check, Limit, Report, Status, SubIndication, extend, join
from kokuin.trust.rules import ENCLOSED_CONTENT, ENCLOSED_TOKENS, IMPRINT, Reason
from kokuin.trust.signer import identify_signer
from kokuin.verify.content import of_octets
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context
    from kokuin.trust.report import ReportValue
    from kokuin.wire.cms import SignedData, SignerInfo

KIND = "cms-with-timestamps"
MAX_TOKENS = 16
"""Tokens in one signature that are judged; a signature that is renewed every few years has some five."""
MAX_REVOCATION = 64
"""Lists, and as many answers, of a signature that are looked at; each may cost a signature to verify."""

_OF_SIGNATURE = frozenset({oids.ID_AA_TIME_STAMP_TOKEN, oids.SPC_RFC3161})
"""Unsigned attributes whose token covers the signature value."""

_OF_MORE = frozenset(
    {
        oids.ID_AA_ETS_ESC_TIME_STAMP,
        oids.ID_AA_ETS_CERT_CRL_TIMESTAMP,
        oids.ID_AA_ETS_ARCHIVE_TIMESTAMP,
        oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V2,
        oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3,
    }
)
"""Unsigned attributes whose token covers certificates, revocation data or all of the signature."""


_WORST = (Status.FAILED, Status.INDETERMINATE, Status.OK)


@dataclass(frozen=True, slots=True)
class _Enclosed:
    """A token, the type of its attribute, and what gives the digest of what it covers, where that is here."""

    attribute: str
    token: bytes
    content: Callable[[str], bytes] | None


def judge_enclosing(octets: bytes, context: Context) -> Report | None:
    """Judge the time-stamp tokens in the attributes of a SignedData.

    Args:
        octets: SignedData over something else than TSTInfo, as `kokuin.wire.ber.definite` returned it.
        context: by what each token is judged. Its content is the data that the enclosing signature covers;
            its request must be answered by every token.

    Returns:
        A report with one part for each token; None when there is no token in it.

    Raises:
        WireError: as `kokuin.wire.cms.read_signed_data`.
    """
    signed_data = read_signed_data(octets)
    found = list(_tokens(signed_data, context))
    if not found:
        return None
    carried = _certificates(signed_data)
    within = _with_carried(signed_data, carried, context)
    parts = tuple(_judge(each, within) for each in found[:MAX_TOKENS])
    checks = (_judge_count(len(found)), *_judge_content(signed_data, carried, context))
    subject: dict[str, ReportValue] = {
        "content_type": signed_data.content_type,
        "signers": len(signed_data.signer_infos),
        "time_stamps": [each.attribute for each in found[:MAX_TOKENS]],
    }
    whole = replace(join(parts), kind=KIND, subject=subject)
    return extend(whole, checks, (Limit.ENCLOSING_SIGNATURE_NOT_JUDGED,))


def enclosed_tokens(octets: bytes, context: Context) -> tuple[bytes, ...]:
    """Return the tokens that `judge_enclosing` would judge; none of what is no SignedData."""
    try:
        found = _tokens(read_signed_data(octets), context)
        return tuple(each.token for each in itertools.islice(found, MAX_TOKENS))
    except WireError:
        return ()


def _certificates(signed_data: SignedData) -> tuple[Certificate, ...]:
    certificates: list[Certificate] = []
    for der in signed_data.certificates[:MAX_CERTIFICATES]:
        with contextlib.suppress(WireError):
            certificates.append(read_certificate(der))
    return tuple(certificates)


def _with_carried(
    signed_data: SignedData, certificates: tuple[Certificate, ...], context: Context
) -> Context:
    """Add what the signature carries: a unit's certificate is in no token unless it was asked for.

    What proves a token proves nothing of what stands around it: that is known from now on.
    """
    carried = RevocationData(signed_data.crls[:MAX_REVOCATION], signed_data.ocsp_answers[:MAX_REVOCATION])
    trust = context.trust
    own = {each.der for each in (*trust.anchors, *trust.helpers)}
    found = {each.der for each in certificates}.union(carried.lists, carried.answers)
    return replace(
        context,
        trust=replace(trust, helpers=(*trust.helpers, *certificates)),
        revocation=context.revocation.with_more(carried),
        known_later=(*context.known_later, *((each, context.existence) for each in sorted(found - own))),
    )


def _tokens(signed_data: SignedData, context: Context) -> Iterator[_Enclosed]:
    """Yield the tokens of all signers, signed attributes first."""
    data = context.content if signed_data.content is None else of_octets(signed_data.content)
    for signer in signed_data.signer_infos:
        yield from _tokens_of(signer, data)


def _tokens_of(signer: SignerInfo, data: Callable[[str], bytes] | None) -> Iterator[_Enclosed]:
    for attribute in signer.signed_attributes or ():
        if attribute.oid == oids.ID_AA_ETS_CONTENT_TIMESTAMP:
            for token in attribute.values:
                yield _Enclosed(attribute.oid, token, data)
    for attribute in signer.unsigned_attributes:
        if attribute.oid in _OF_SIGNATURE | _OF_MORE:
            covered = of_octets(signer.signature) if attribute.oid in _OF_SIGNATURE else None
            for token in attribute.values:
                yield _Enclosed(attribute.oid, token, covered)


def _judge(enclosed: _Enclosed, context: Context) -> Report:
    report = judge_with_evidence(enclosed.token, replace(context, content=enclosed.content, evidence=()))
    if enclosed.attribute in _OF_MORE:
        report = replace(
            report,
            checks=tuple(map(_not_recomputed, report.checks)),
            limits=tuple(map(_coverage_limit, report.limits)),
        )
    return replace(report, subject={"attribute": enclosed.attribute, **report.subject})


def _not_recomputed(check: Check) -> Check:
    if check.reason == Reason.CONTENT_NOT_GIVEN:
        return IMPRINT.not_done(Reason.COVERAGE_NOT_COMPUTED)
    return check


def _coverage_limit(limit: Limit) -> Limit:
    return Limit.COVERAGE_NOT_COMPUTED if limit is Limit.CONTENT_NOT_COMPARED else limit


def _judge_count(count: int) -> Check:
    if count > MAX_TOKENS:
        return ENCLOSED_TOKENS.indeterminate(
            Reason.TOO_MANY_TOKENS, SubIndication.SIG_CONSTRAINTS_FAILURE, count=count, most=MAX_TOKENS
        )
    return ENCLOSED_TOKENS.ok(count=count)


def _judge_content(
    signed_data: SignedData, certificates: tuple[Certificate, ...], context: Context
) -> tuple[Check, ...]:
    """Hold the data at hand against what each signature covers; the worst finding counts.

    A time-stamp over a signature says nothing of other data, whoever presents both together.
    """
    if context.content is None:
        return ()
    # A thousand signers must not have the same data hashed a thousand times.
    given = functools.cache(context.content)
    enclosed = None if signed_data.content is None else functools.cache(of_octets(signed_data.content))
    checks = [_judge_signer_content(signer, enclosed, given) for signer in signed_data.signer_infos]
    worst = min(checks, key=lambda check: _WORST.index(check.status))
    if worst.status is Status.OK and not _joins(signed_data, certificates, context):
        return (
            ENCLOSED_CONTENT.indeterminate(Reason.CONTENT_NOT_JOINED, SubIndication.SIG_CONSTRAINTS_FAILURE),
        )
    return (worst,)


def _joins(signed_data: SignedData, certificates: tuple[Certificate, ...], context: Context) -> bool:
    """Whether every signer with a time-stamp joins it to the data.

    A content time-stamp covers the data itself. One over the signature does by way of the signature alone.
    Attack: a value that was stamped long ago, given as the signature over data of today. So the signature
    must be right, by the certificate that it names by digest: to any other value a fitting key can be found.
    """
    by = Constraints(context.policy, context.existence, context.existence)
    stamped = (signer for signer in signed_data.signer_infos if any(True for _ in _tokens_of(signer, None)))
    return all(_is_joined(signer, certificates, by) for signer in itertools.islice(stamped, MAX_TOKENS))


def _is_joined(signer: SignerInfo, certificates: tuple[Certificate, ...], by: Constraints) -> bool:
    kinds = {each.attribute for each in _tokens_of(signer, None)}
    if oids.ID_AA_ETS_CONTENT_TIMESTAMP in kinds:
        return True
    found = identify_signer(signer, certificates, by).certificate if kinds & _OF_SIGNATURE else None
    verdict = None if found is None else verify_signer_info(signer, found)
    return verdict is not None and verdict.outcome is SignatureOutcome.VALID


def _judge_signer_content(
    signer: SignerInfo, enclosed: Callable[[str], bytes] | None, content: Callable[[str], bytes]
) -> Check:
    algorithm = signer.digest_algorithm.oid
    digest = DIGEST_BY_OID.get(algorithm)
    if digest is None:
        return ENCLOSED_CONTENT.indeterminate(
            Reason.DIGEST_UNKNOWN, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, algorithm=algorithm
        )
    claimed = signer.message_digest()
    if claimed is None:
        return ENCLOSED_CONTENT.indeterminate(Reason.ATTRIBUTE_ABSENT, SubIndication.SIGNED_DATA_NOT_FOUND)
    found = content(digest.name)
    if len(found) != digest.size:
        return ENCLOSED_CONTENT.indeterminate(
            Reason.DIGEST_LENGTH, SubIndication.SIGNED_DATA_NOT_FOUND, algorithm=digest.name
        )
    if found != claimed or (enclosed is not None and found != enclosed(digest.name)):
        return ENCLOSED_CONTENT.failed(Reason.CONTENT_DIFFERS, SubIndication.HASH_FAILURE)
    return ENCLOSED_CONTENT.ok(algorithm=digest.name)
