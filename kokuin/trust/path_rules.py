"""What a certification path must satisfy at a time (RFC 5280 §6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.certificate import KEY_USAGE_KEY_CERT_SIGN
from kokuin.trust.name import display
from kokuin.trust.name_constraints import ID_CE_NAME_CONSTRAINTS, permits
from kokuin.trust.path_policies import (
    ID_CE_CERTIFICATE_POLICIES,
    ID_CE_INHIBIT_ANY_POLICY,
    ID_CE_POLICY_CONSTRAINTS,
    ID_CE_POLICY_MAPPINGS,
    permits_policies,
)
from kokuin.trust.report import SubIndication
from kokuin.trust.rules import Reason
from kokuin.wire import oids
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.certificate import Certificate

ID_KP_ANY = "2.5.29.37.0"
STAMPING = frozenset({oids.ID_KP_TIME_STAMPING})
"""What an authority above a time-stamp unit must be allowed to vouch for."""

_PROCESSED = frozenset(
    {
        oids.ID_CE_SUBJECT_KEY_IDENTIFIER,
        oids.ID_CE_KEY_USAGE,
        oids.ID_CE_PRIVATE_KEY_USAGE_PERIOD,
        "2.5.29.17",  # subjectAltName, critical where the subject is empty
        oids.ID_CE_BASIC_CONSTRAINTS,
        ID_CE_NAME_CONSTRAINTS,
        "2.5.29.31",  # cRLDistributionPoints
        ID_CE_CERTIFICATE_POLICIES,
        ID_CE_POLICY_MAPPINGS,
        ID_CE_POLICY_CONSTRAINTS,
        oids.ID_CE_AUTHORITY_KEY_IDENTIFIER,
        oids.ID_CE_EXT_KEY_USAGE,
        ID_CE_INHIBIT_ANY_POLICY,
        oids.ID_PE_QC_STATEMENTS,
    }
)

OUTSIDE_PERIOD = frozenset({Reason.ANCHOR_NOT_YET_TRUSTED, Reason.ANCHOR_NO_LONGER_TRUSTED})
"""The anchor is one, but not at the time."""


@dataclass(frozen=True, slots=True)
class PathFault:
    """The first rule that a path breaks, and the subject of the certificate that breaks it."""

    reason: Reason
    means: SubIndication
    subject: str


def judge_path(
    path: tuple[Certificate, ...], at: int, purposes: frozenset[str] = STAMPING
) -> PathFault | None:
    """Judge a path whose signatures have been verified, but for the validity period of its first certificate.

    The anchor counts by its name and key (§6.1.1 d); its validity is the operator's decision, its
    constraints are honoured (RFC 5937 §3).

    Args:
        path: from the certificate in question to the anchor.
        at: microseconds since 1970 UTC.
        purposes: an authority that is limited to purposes must have one of these, or any.
    """
    certificate = path[0]
    if len(path) > 1 and (unknown := _unknown_extension(certificate)):
        return unknown
    for depth, issuer in enumerate(path[1:]):
        anchor = depth == len(path) - 2
        fault = _judge_issuer(issuer, path[: depth + 1], at, purposes, anchor=anchor)
        if fault:
            return fault
    return _judge_policies(path)


def judge_period(anchor: Certificate, trust: TrustStore, at: int) -> PathFault | None:
    """Judge whether an anchor counts at a time, by the dates that the operator gave it.

    Args:
        anchor: one of the store's.
        trust: the store.
        at: microseconds since 1970 UTC.
    """
    period = trust.period_of(anchor)
    if period.begins is not None and at < period.begins:
        return _fault(Reason.ANCHOR_NOT_YET_TRUSTED, SubIndication.NO_CERTIFICATE_CHAIN_FOUND, anchor)
    if period.ends is not None and at > period.ends:
        return _fault(Reason.ANCHOR_NO_LONGER_TRUSTED, SubIndication.NO_CERTIFICATE_CHAIN_FOUND, anchor)
    return None


def _judge_issuer(
    issuer: Certificate, below: tuple[Certificate, ...], at: int, purposes: frozenset[str], *, anchor: bool
) -> PathFault | None:
    """Judge one issuer by what lies below it in the path."""
    reason = _constraint_broken(issuer, below, purposes, anchor=anchor)
    if reason is not None:
        return _fault(reason, SubIndication.CHAIN_CONSTRAINTS_FAILURE, issuer)
    if anchor:
        return None
    if unknown := _unknown_extension(issuer):
        return unknown
    if not issuer.valid_at(at):
        reason = Reason.NOT_YET_VALID if at < issuer.not_before else Reason.EXPIRED
        return _fault(reason, SubIndication.OUT_OF_BOUNDS_NO_POE, issuer)
    return None


def _constraint_broken(
    issuer: Certificate, below: tuple[Certificate, ...], purposes: frozenset[str], *, anchor: bool
) -> Reason | None:
    # Of an anchor the operator knows what it is; old ones lack basicConstraints (§6.1.4 k).
    if not issuer.is_authority or (issuer.basic_constraints is None and not anchor):
        return Reason.NO_AUTHORITY
    if issuer.key_usage is not None and KEY_USAGE_KEY_CERT_SIGN not in issuer.key_usage:
        return Reason.NO_CERT_SIGN
    limit = None if issuer.basic_constraints is None else issuer.basic_constraints.path_length
    if limit is not None and sum(not certificate.self_issued for certificate in below[1:]) > limit:
        return Reason.PATH_TOO_LONG
    usage = issuer.ext_key_usage
    if usage is not None and not {*purposes, ID_KP_ANY} & set(usage.purposes):
        # An authority limited to web servers must not vouch for a time-stamp unit, nor for a seal.
        return Reason.PURPOSE_NOT_PERMITTED
    if not all(
        permits(issuer, certificate)
        for certificate in below
        if certificate is below[0] or not certificate.self_issued
    ):
        return Reason.NAME_NOT_PERMITTED
    return None


def _judge_policies(path: tuple[Certificate, ...]) -> PathFault | None:
    try:
        if permits_policies(path):
            return None
    except WireError:
        pass
    return _fault(Reason.POLICY_ABSENT, SubIndication.CHAIN_CONSTRAINTS_FAILURE, path[0])


def _unknown_extension(certificate: Certificate) -> PathFault | None:
    for extension in certificate.extensions.values():
        if extension.critical and extension.oid not in _PROCESSED:
            return _fault(
                Reason.UNKNOWN_EXTENSION, SubIndication.CERTIFICATE_CHAIN_GENERAL_FAILURE, certificate
            )
    return None


def _fault(reason: Reason, means: SubIndication, certificate: Certificate) -> PathFault:
    return PathFault(reason, means, display(certificate.subject))
