"""What the certificate of a time-stamp unit must be (RFC 3161 §2.3), and when it may have signed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kokuin.trust.certificate import KEY_USAGE_DIGITAL_SIGNATURE, KEY_USAGE_NON_REPUDIATION
from kokuin.trust.general_name import names_subject
from kokuin.trust.horizon import certificate_ends
from kokuin.trust.report import Ending, SubIndication, iso_time
from kokuin.trust.rules import TSA_NAME, UNIT_KEY_PERIOD, UNIT_KEY_USAGE, UNIT_PURPOSE, UNIT_VALIDITY, Reason
from kokuin.wire import oids

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check, End, ReportValue
    from kokuin.wire.tsp import TSTInfo

_SIGNING = frozenset({KEY_USAGE_DIGITAL_SIGNATURE, KEY_USAGE_NON_REPUDIATION})


def judge_unit(certificate: Certificate, info: TSTInfo, at: int) -> tuple[Check, ...]:
    """Judge name, purpose, key usage and periods of a unit's certificate.

    Args:
        certificate: the signer's.
        info: what the token states.
        at: validation time, microseconds since 1970 UTC.
    """
    gen_time = info.gen_time.microseconds
    return (
        _judge_name(certificate, info.tsa),
        *_judge_use(certificate),
        _judge_key_period(certificate, gen_time),
        _judge_validity(certificate, gen_time, at),
    )


@functools.lru_cache(maxsize=64)
def _judge_name(certificate: Certificate, tsa: bytes | None) -> Check:
    """The tsa field is one of the certificate's names; who signed is decided elsewhere."""
    if tsa is not None and not names_subject(tsa, certificate):
        return TSA_NAME.weak(Reason.NAME_DIFFERS)
    return TSA_NAME.ok(present=tsa is not None)


@functools.lru_cache(maxsize=128)
def _judge_use(certificate: Certificate) -> tuple[Check, ...]:
    return _judge_purpose(certificate), _judge_key_usage(certificate)


def _judge_purpose(certificate: Certificate) -> Check:
    """ExtKeyUsage: timeStamping alone and critical; without it the key was never meant to stamp.

    Criticality speaks to readers that do not know the extension (RFC 5280 §4.2). We do, so its absence
    opens nothing; public authorities have issued such units, and it is named as a weakness.
    """
    usage = certificate.ext_key_usage
    if usage is None or oids.ID_KP_TIME_STAMPING not in usage.purposes:
        return UNIT_PURPOSE.failed(Reason.PURPOSE_ABSENT, SubIndication.CHAIN_CONSTRAINTS_FAILURE)
    if len(usage.purposes) != 1:
        return UNIT_PURPOSE.indeterminate(Reason.PURPOSE_NOT_ALONE, SubIndication.CHAIN_CONSTRAINTS_FAILURE)
    if certificate.is_authority:
        if certificate.key_usage is None:
            # Its key may sign certificates: whoever has them signed gets signatures of the stamping key.
            return UNIT_PURPOSE.indeterminate(Reason.IS_AUTHORITY, SubIndication.CHAIN_CONSTRAINTS_FAILURE)
        return UNIT_PURPOSE.weak(Reason.IS_AUTHORITY)
    if not usage.critical:
        return UNIT_PURPOSE.weak(Reason.PURPOSE_NOT_CRITICAL)
    return UNIT_PURPOSE.ok()


def _judge_key_usage(certificate: Certificate) -> Check:
    """KeyUsage, when present: digitalSignature, nonRepudiation or both, and nothing else."""
    usage = certificate.key_usage
    if usage is not None and (not usage or not usage <= _SIGNING):
        return UNIT_KEY_USAGE.indeterminate(Reason.KEY_USAGE, SubIndication.CHAIN_CONSTRAINTS_FAILURE)
    return UNIT_KEY_USAGE.ok()


def _judge_key_period(certificate: Certificate, gen_time: int) -> Check:
    """PrivateKeyUsagePeriod, when present, must hold genTime."""
    period = certificate.key_period
    if period is not None and (
        (period.not_before is not None and gen_time < period.not_before)
        or (period.not_after is not None and gen_time >= period.not_after + 1_000_000)
    ):
        return UNIT_KEY_PERIOD.indeterminate(Reason.KEY_PERIOD, SubIndication.CHAIN_CONSTRAINTS_FAILURE)
    return UNIT_KEY_PERIOD.ok()


@functools.lru_cache(maxsize=128)
def _span(certificate: Certificate) -> dict[str, ReportValue]:
    return {"not_before": iso_time(certificate.not_before), "not_after": iso_time(certificate.not_after)}


def _judge_validity(certificate: Certificate, gen_time: int, at: int) -> Check:
    """Judge by genTime first: a token from outside its certificate's life is wrong at any time.

    A token whose certificate has expired since proves nothing about when it was made: whoever holds the
    old key can date a token back. Only another proof of existence could show it.
    """
    span = _span(certificate)
    if not certificate.valid_at(gen_time):
        if gen_time < certificate.not_before:
            return UNIT_VALIDITY.failed(Reason.SIGNED_TOO_EARLY, SubIndication.NOT_YET_VALID, **span)
        return UNIT_VALIDITY.failed(Reason.SIGNED_TOO_LATE, SubIndication.EXPIRED, **span)
    if not certificate.valid_at(at):
        reason = Reason.NOT_YET_VALID if at < certificate.not_before else Reason.EXPIRED
        return UNIT_VALIDITY.indeterminate(reason, SubIndication.OUT_OF_BOUNDS_NO_POE, **span)
    return UNIT_VALIDITY.ok(**span).resting_on(*_unit_ends(certificate))


@functools.lru_cache(maxsize=128)
def _unit_ends(certificate: Certificate) -> tuple[End, ...]:
    return tuple(certificate_ends(Ending.UNIT_EXPIRES, certificate))
