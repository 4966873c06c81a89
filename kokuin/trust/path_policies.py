"""Certificate policies along a path (RFC 5280 §6.1.2 to §6.1.5), with any policy accepted at the start.

The verifier asks for no policy of its own, so a path can fail only where one
of its certificates demands that some policy be valid for the whole path
(requireExplicitPolicy) and none is, or where a mapping breaks the rules.

The tree of §6.1 can be made to grow without bounds. Only which policies are
valid at a depth matters here, so equal ones are one node (RFC 9618).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kokuin.wire import asn1
from kokuin.wire.der import Fields, children, expect, read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.trust.certificate import Certificate

ID_CE_CERTIFICATE_POLICIES = "2.5.29.32"
ID_CE_POLICY_MAPPINGS = "2.5.29.33"
ID_CE_POLICY_CONSTRAINTS = "2.5.29.36"
ID_CE_INHIBIT_ANY_POLICY = "2.5.29.54"

_ANY = "2.5.29.32.0"
_DECISIVE = frozenset({ID_CE_POLICY_CONSTRAINTS, ID_CE_POLICY_MAPPINGS})
"""Without one of these in the path, every path is accepted."""

_Nodes: TypeAlias = "dict[str, frozenset[str]]"
"""The policies that are valid at a depth, each with those that it is called by below."""


@dataclass(frozen=True, slots=True)
class _Policies:
    """What a certificate says of policies.

    Attributes:
        valid: certificatePolicies, dotted; None when absent.
        mappings: policyMappings, issuerDomainPolicy and subjectDomainPolicy.
        require_explicit: requireExplicitPolicy; None when absent.
        inhibit_mapping: inhibitPolicyMapping; None when absent.
        inhibit_any: inhibitAnyPolicy; None when absent.
    """

    valid: frozenset[str] | None
    mappings: tuple[tuple[str, str], ...]
    require_explicit: int | None
    inhibit_mapping: int | None
    inhibit_any: int | None


def permits_policies(path: tuple[Certificate, ...]) -> bool:
    """Whether the policies along a path satisfy what its certificates demand of them.

    Args:
        path: from the certificate in question to the anchor, whose own policies do not count.

    Raises:
        WireError: an extension that counts cannot be read.
    """
    certificates = path[-2::-1]
    if not any(_DECISIVE & certificate.extensions.keys() for certificate in certificates):
        return True
    state = _State(len(certificates))
    for certificate in certificates[:-1]:
        policies = _read(certificate)
        if not state.enter(policies, inhibiting=not certificate.self_issued) or not state.map(policies):
            return False
        state.descend(policies, counting=not certificate.self_issued)
    last = _read(certificates[-1])
    return state.enter(last, inhibiting=True) and state.conclude(last)


class _State:
    """The state variables of §6.1.2 (d) to (g), and the valid policies of the depth that was reached."""

    def __init__(self, length: int) -> None:
        self._explicit = self._mapping = self._any = length + 1
        self._nodes: _Nodes = {_ANY: frozenset({_ANY})}

    def enter(self, policies: _Policies, *, inhibiting: bool) -> bool:
        """§6.1.3 (d) to (f): which policies are valid with this certificate too.

        Args:
            policies: of the certificate.
            inhibiting: whether inhibitAnyPolicy of certificates above it applies.
        """
        above = self._nodes
        self._nodes = {}
        if policies.valid is not None:
            called = frozenset[str]().union(*above.values())
            for policy in policies.valid - {_ANY}:
                if policy in called or _ANY in above:
                    self._nodes[policy] = frozenset({policy})
            if _ANY in policies.valid and (self._any > 0 or not inhibiting):
                for policy in called - self._nodes.keys():
                    self._nodes[policy] = frozenset({policy})
        return self._explicit > 0 or bool(self._nodes)

    def map(self, policies: _Policies) -> bool:
        """§6.1.4 (a) and (b): what the policies are called by below."""
        names: dict[str, set[str]] = {}
        for issuer, subject in policies.mappings:
            if _ANY in {issuer, subject}:
                return False
            names.setdefault(issuer, set()).add(subject)
        for issuer, subjects in names.items():
            if self._mapping == 0:
                self._nodes.pop(issuer, None)
            elif issuer in self._nodes or _ANY in self._nodes:
                self._nodes[issuer] = frozenset(subjects)
        return True

    def descend(self, policies: _Policies, *, counting: bool) -> None:
        """§6.1.4 (h) to (j): how many certificates may still follow before a rule applies."""
        if counting:
            self._explicit, self._mapping, self._any = (
                max(left - 1, 0) for left in (self._explicit, self._mapping, self._any)
            )
        self._explicit = _least(self._explicit, policies.require_explicit)
        self._mapping = _least(self._mapping, policies.inhibit_mapping)
        self._any = _least(self._any, policies.inhibit_any)

    def conclude(self, policies: _Policies) -> bool:
        """§6.1.5 (a), (b) and (g)."""
        explicit = max(self._explicit - 1, 0)
        if policies.require_explicit == 0:
            explicit = 0
        return explicit > 0 or bool(self._nodes)


def _least(left: int, said: int | None) -> int:
    return left if said is None else min(left, said)


def _read(certificate: Certificate) -> _Policies:
    valid = _value(certificate, ID_CE_CERTIFICATE_POLICIES)
    mappings = _value(certificate, ID_CE_POLICY_MAPPINGS)
    constraints = _value(certificate, ID_CE_POLICY_CONSTRAINTS)
    inhibit_any = _value(certificate, ID_CE_INHIBIT_ANY_POLICY)
    explicit, mapping = (None, None) if constraints is None else _constraints(constraints)
    return _Policies(
        valid=None if valid is None else frozenset(_first_oids(valid)),
        mappings=() if mappings is None else _mappings(mappings),
        require_explicit=explicit,
        inhibit_mapping=mapping,
        inhibit_any=None if inhibit_any is None else asn1.integer(read_whole(inhibit_any, asn1.INTEGER)),
    )


def _value(certificate: Certificate, oid: str) -> bytes | None:
    extension = certificate.extensions.get(oid)
    return None if extension is None else extension.value


def _first_oids(value: bytes) -> Iterable[str]:
    """PolicyInformation begins with the policy; its qualifiers are for people."""
    for policy in children(read_whole(value, asn1.SEQUENCE)):
        yield asn1.oid(Fields(expect(policy, asn1.SEQUENCE)).take_any())


def _mappings(value: bytes) -> tuple[tuple[str, str], ...]:
    pairs = []
    for pair in children(read_whole(value, asn1.SEQUENCE)):
        fields = Fields(expect(pair, asn1.SEQUENCE))
        pairs.append((asn1.oid(fields.take_any()), asn1.oid(fields.take_any())))
        fields.finish()
    return tuple(pairs)


def _constraints(value: bytes) -> tuple[int | None, int | None]:
    fields = Fields(read_whole(value, asn1.SEQUENCE))
    explicit, mapping = fields.optional(asn1.primitive(0)), fields.optional(asn1.primitive(1))
    fields.finish()
    return (
        None if explicit is None else asn1.integer(explicit, explicit.tag),
        None if mapping is None else asn1.integer(mapping, mapping.tag),
    )
