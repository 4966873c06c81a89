"""Any bytes: recognised, judged by the room that knows them, answered with one report."""

from __future__ import annotations

from dataclasses import dataclass

from eseal.values import MAX_PDF
from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.trust.evidence_token import judge_with_evidence
from kokuin.trust.judge import make_report
from kokuin.trust.report import Check, Limit, Report, SubIndication, extend
from kokuin.trust.rules import EVIDENCE, FORMAT, RESPONSE_STATUS, Reason
from kokuin.trust.token import unreadable
from kokuin.verify.enclosed import judge_enclosing
from kokuin.verify.evidence_alone import judge_record
from kokuin.verify.seals import Form, is_seal_beyond_tokens, is_sealed, judge_seals, recognise
from kokuin.wire import asn1
from kokuin.wire.ber import definite
from kokuin.wire.der import Fields, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.ers import RECORD_LIMITS, is_evidence_record
from kokuin.wire.pem import is_armoured, read_labels, take_block
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.tsp import read_timestamp_response

MAX_OCTETS = TOKEN_LIMITS.size
"""More than this is not read of anything but PDF."""
HEAD = 1024
"""Octets by which a file is recognised."""

_DER = b"\x30"
_GRANTED = frozenset({0, 1})
_CERTIFICATE = frozenset({"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"})
"""Labels of certificates: RFC 7468 §5, and what OpenSSL also reads and writes."""


@dataclass(frozen=True, slots=True)
class TakenToken:
    """A token as `kokuin.wire.ber.definite` returned it, and the checks of what enclosed it."""

    octets: bytes
    before: tuple[Check, ...] = ()


def verify_bytes(data: bytes, context: Context) -> Report:
    """Recognise and judge a time-stamp, an evidence record, a seal, or the tokens in another signature.

    Args:
        data: whatever was found: PDF, JWS, or CMS in BER or PEM. More than `most_octets` is a format failure.
        context: by what it is judged.

    Returns:
        A report for any bytes.

    Raises:
        OSError: from `context.content`.
    """
    report = _judge(data, context)
    if not context.evidence or any(check.id == EVIDENCE.id for check in report.checks):
        return report
    unused = EVIDENCE.not_done(Reason.EVIDENCE_NOT_USED)
    return extend(report, (unused,), (Limit.EVIDENCE_NOT_USED,))


def _judge(data: bytes, context: Context) -> Report:
    form = recognise(data)
    # What begins as DER may hold a PDF, as its content; in any other file of PDF or JSON, what lies within is
    # the document's. Attack: a token in PEM somewhere in a document that nobody sealed.
    if form is not None and not data.startswith(_DER):
        return judge_seals(form, data, context)
    taken = take_token(data)
    if isinstance(taken, Check):
        record = take_record(data)
        if record is not None:
            return judge_record(record, context)
        form = form or (Form.CMS if is_seal_beyond_tokens(data) else None)
        return make_report({}, context, (taken,)) if form is None else judge_seals(form, data, context)
    report = judge_with_evidence(taken.octets, context, taken.before, data)
    if report.checks[-1].reason == Reason.WRONG_CONTENT_TYPE and not taken.before:
        if is_sealed(taken.octets):
            return judge_seals(Form.CMS, taken.octets, context, data)
        return judge_enclosing(taken.octets, context) or report
    return report


def holds_nothing(data: bytes) -> bool:
    """Say whether octets hold nothing that could be judged by itself: no time-stamp, record or seal.

    Args:
        data: of a file, as `verify_bytes` takes them.
    """
    # By whom and when it is judged does not decide whether there is anything.
    report = _judge(data, Context(0, TrustStore(())))
    return not report.subject and not report.parts


def most_octets(head: bytes) -> int:
    """Return how many octets of a file are looked at, by the first `HEAD` of them."""
    return MAX_PDF if recognise(head) is Form.PDF else MAX_OCTETS


def take_token(data: bytes) -> TakenToken | Check:
    """Recognise a time-stamp token or response, in BER or PEM, and return the token in it.

    Args:
        data: whatever was found.

    Returns:
        The token, or the check that failed when there is none.
    """
    try:
        octets = definite(_unarmour(data), TOKEN_LIMITS)
        first = Fields(read_whole(octets, asn1.SEQUENCE)).take_any().tag
        if first == asn1.OBJECT_IDENTIFIER:
            return TakenToken(octets)
        if first == asn1.SEQUENCE:
            return _take_from_response(octets)
    except WireError as error:
        return _certificates_alone(data) or unreadable(error)
    return _certificates_alone(data) or FORMAT.failed(Reason.NOT_RECOGNISED, SubIndication.FORMAT_FAILURE)


def take_record(data: bytes) -> bytes | None:
    """Return an evidence record (RFC 4998 §3.1) as `kokuin.wire.ber.definite` returns it; None: it is none.

    Args:
        data: whatever was found, in BER or PEM.
    """
    try:
        octets = definite(_unarmour(data), RECORD_LIMITS)
    except WireError:
        return None
    return octets if is_evidence_record(octets) else None


def _certificates_alone(data: bytes) -> Check | None:
    """Return the check of PEM armour that holds nothing but certificates: an authority's, by mistake."""
    if len(data) > MAX_OCTETS or not is_armoured(data):
        return None
    count = 0
    for label in read_labels(data):
        if label not in _CERTIFICATE:
            return None
        count += 1
    if not count:
        return None
    return FORMAT.failed(Reason.ONLY_CERTIFICATES, SubIndication.FORMAT_FAILURE, count=count)


def _unarmour(data: bytes) -> bytes:
    """Take the one object out of PEM armour, whatever its label: tools disagree on labels for tokens."""
    if len(data) > MAX_OCTETS:
        raise WireError(WireCode.TOO_LARGE, MAX_OCTETS)
    return take_block(data)


def _take_from_response(octets: bytes) -> TakenToken | Check:
    """RFC 3161 §2.4.2: a token is there when, and only when, the status is granted or grantedWithMods."""
    response = read_timestamp_response(octets)
    if response.status not in _GRANTED:
        return RESPONSE_STATUS.failed(
            Reason.REQUEST_REFUSED,
            SubIndication.FORMAT_FAILURE,
            status_code=response.status,
            fail_info=[str(bit) for bit in sorted(response.fail_info)],
        )
    if response.token is None:
        return RESPONSE_STATUS.failed(Reason.TOKEN_ABSENT, SubIndication.FORMAT_FAILURE)
    return TakenToken(response.token, (RESPONSE_STATUS.ok(status_code=response.status),))
