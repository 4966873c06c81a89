"""A file of facts read: a stranger may have written it, so every field is looked at and nothing guessed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kokuin.ledger import log_keys
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.tlog_proof import MAX_PROOF
from kokuin.ledger.witness_policy import WitnessPolicyError
from kokuin.trust.anchors import TrustPeriod, TrustStore
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.evidence_token import MAX_RECORDS
from kokuin.trust.revocation_files import MAX_ELEMENTS
from kokuin.trust.trust_store_list import MAX_CERTIFICATES
from kokuin.verify.facts import KIND, MAX_OCTETS, SCHEMA, Facts, LedgerFacts
from kokuin.verify.facts_fields import FactsError, Fields
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.errors import WireError
from kokuin.wire.strictjson import JsonError, loads
from kokuin.wire.tsp import read_timestamp_request
from pqc.policies import MAX_OCTETS as MAX_POLICY
from pqc.policies import PolicyError, parse_policy

if TYPE_CHECKING:
    from pqc.policies import Policy

_WITH_EVIDENCE = 2
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_facts(octets: bytes) -> Facts:
    """Read what `Facts.encode` wrote.

    Raises:
        FactsError: a field is absent, unknown, or has no such value. Unknown fields are refused, for a
            judgement that passes over one could come to another verdict.
    """
    try:
        fields = Fields(loads(octets, max_octets=MAX_OCTETS), "")
    except JsonError as error:
        raise FactsError(error.fault.value) from None
    if fields.take("kind") != KIND:
        raise FactsError("kind")
    schema = fields.take("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise FactsError("schema", newer=True)
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
        raise FactsError("schema")
    fields.words("release")
    facts = Facts(
        fields.octets("subject"),
        _read_context(fields, schema),
        _read_digests(fields),
        _read_request(fields),
        None if fields.absent("ledger") else _read_ledger(fields.inner("ledger")),
        None if fields.absent("data") else fields.octets("data"),
    )
    fields.finish()
    return facts


def _read_context(fields: Fields, schema: int) -> Context:
    revocation = fields.inner("revocation")
    mode = revocation.words("mode")
    if mode not in set(RevocationMode):
        revocation.refuse("mode")
    data = RevocationData(*(revocation.all_octets(kind, MAX_ELEMENTS) for kind in ("lists", "answers")))
    revocation.finish()
    return Context(
        fields.moment("at"),
        _read_trust(fields.inner("trust")),
        policy=_read_policy(fields.inner("policy")),
        proven=None if fields.absent("proven") else fields.moment("proven"),
        revocation=data,
        revocation_mode=RevocationMode(mode),
        bound=None if schema < _WITH_EVIDENCE or fields.absent("bound") else fields.moment("bound"),
        evidence=() if schema < _WITH_EVIDENCE else fields.all_octets("evidence", MAX_RECORDS + 1),
    )


def _read_trust(fields: Fields) -> TrustStore:
    anchors, periods = [], []
    for each in fields.each("anchors", MAX_CERTIFICATES):
        anchor = each.certificate("certificate")
        begins = None if each.absent("from") else each.moment("from")
        ends = None if each.absent("until") else each.moment("until")
        each.finish()
        anchors.append(anchor)
        if begins is not None or ends is not None:
            periods.append(TrustPeriod(anchor.der, begins, ends))
    helpers = fields.certificates("helpers", MAX_CERTIFICATES)
    fields.finish()
    return TrustStore(tuple(anchors), helpers, tuple(periods))


def _read_policy(fields: Fields) -> Policy:
    # What one row of a policy's file says of several usages, several rows say here.
    name, text = fields.words("name"), fields.text("toml", 4 * MAX_POLICY)
    fields.finish()
    try:
        return parse_policy(name, text)
    except PolicyError:
        fields.refuse("toml")


def _read_digests(fields: Fields) -> dict[str, bytes] | None:
    if fields.absent("digests"):
        return None
    inner = fields.inner("digests")
    digests = {name: inner.hex(name) for name in DIGEST_BY_NAME if inner.has(name)}
    inner.finish()
    return digests


def _read_request(fields: Fields) -> bytes | None:
    if fields.absent("request"):
        return None
    request = fields.octets("request")
    try:
        read_timestamp_request(request)
    except WireError:
        fields.refuse("request")
    return request


def _read_ledger(fields: Fields) -> LedgerFacts:
    keys = None if fields.absent("log_keys") else fields.text("log_keys", log_keys.MAX_FILE)
    witnesses = None if fields.absent("witnesses") else fields.octets("witnesses")
    proof = None if fields.absent("proof") else fields.octets("proof")
    bundle = None if fields.absent("bundle_sha256") else fields.matching("bundle_sha256", _SHA256)
    fields.finish()
    # Of a proof that was too large one octet more was kept than can be used.
    if proof is not None and len(proof) > MAX_PROOF + 1:
        fields.refuse("proof")
    ledger = LedgerFacts(keys, witnesses, proof, bundle)
    try:
        ledger.evidence()
    except NoteError:
        fields.refuse("log_keys")
    except WitnessPolicyError:
        fields.refuse("witnesses")
    return ledger
