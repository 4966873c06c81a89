"""How long what the ledger holds will stand: its tokens and its evidence, judged as a verifier would today.

One judgement serves all tokens of a signer and a hash, and all batches with the same signers: what ends is a
certificate, an authority or an algorithm. A token whose own octets are damaged is found by who checks it.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kokuin.service.evidence.records import EvidenceFault, EvidenceRefusedError
from kokuin.service.evidence.renewals import Renewals
from kokuin.service.revoked import RevocationListError, lists_of
from kokuin.service.unit_errors import UnitError
from kokuin.trust.anchors import TrustError, TrustStore, read_certificates
from kokuin.trust.context import Context, RevocationData
from kokuin.trust.evidence import judge_evidence
from kokuin.trust.judge import judge_token
from kokuin.verify.renewal.planning import Act, Plan, plan_record, plan_token
from pqc.os_errors import explain
from pqc.policies import PolicyError, load_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.owed import Batch
    from kokuin.service.evidence.records import EvidenceRecords
    from pqc.policies import Policy

UNIT_ENDS_TOO = "EVIDENCE_UNIT_ENDS_TOO"
"""Why a batch is not due: what would cover it ends with what covers it now. The unit wants a newer key."""
GONE = Plan(Act.TOO_LATE, reason=EvidenceFault.GONE.value)


@dataclass(frozen=True, slots=True)
class Terms:
    """By what is judged how long something stands.

    Attributes:
        context: now, the folder's anchors and lists, and a policy.
        due: what ends by then is renewed now, microseconds since 1970 UTC.
    """

    context: Context
    due: int


def terms(folder: DataFolder, config: Config, within_us: int, policy: Policy | None = None) -> Terms:
    """Read by what this folder's evidence is judged.

    Args:
        folder: the data folder.
        config: its settings; their policy of issuing counts where none is given.
        within_us: how long before its end something is renewed, microseconds.
        policy: by which else.

    Raises:
        UnitError: a file of certificates, lists or the policy cannot be used.
    """
    now = time.time_ns() // 1_000
    try:
        anchors = tuple(read_certificates(folder.anchors))
        helpers = tuple(read_certificates(folder.units))
        lists = lists_of(folder.anchors.parent, [*anchors, *helpers])
        by = load_policy(config.policy.issue) if policy is None else policy
    except OSError as error:
        raise UnitError(explain(error)) from None
    except (TrustError, RevocationListError, PolicyError) as error:
        raise UnitError(str(error)) from None
    store = TrustStore(anchors, helpers)
    return Terms(Context(now, store, policy=by, revocation=RevocationData(tuple(lists))), now + within_us)


class Standing:
    """Judges under one set of terms, each kind of thing once. Used by one thread at a time."""

    def __init__(self, under: Terms, records: EvidenceRecords, own: str) -> None:
        """Args: the terms; what makes records; SHA-256 (hex) of the certificate of the unit that renews."""
        self._under, self._records, self._own = under, records, own
        self.renewals = Renewals()
        self._tokens: dict[tuple[str, str], Plan] = {}
        self._batches: dict[tuple[str, ...], Plan] = {}

    def token(self, reader: StoreReader, index: int, leaf: Mapping[str, Any]) -> Plan:
        """Return what a token without evidence needs.

        Raises:
            OpenRefusedError, sqlite3.Error: the ledger cannot be read.
        """
        key = leaf["signer"], leaf["imp_alg"]
        found = self._tokens.get(key)
        if found is None:
            stored = reader.by_index(index)
            if stored is None or stored.token is None:
                return GONE
            found = plan_token(judge_token(stored.token, self._under.context), self._under.due)
            if hashlib.sha256(stored.token).hexdigest() == leaf["tok"]:
                self._tokens[key] = found  # else its octets were damaged: of others nothing follows
        return found

    def batch(self, reader: StoreReader, batch: Batch) -> Plan:
        """Return what a batch needs.

        Raises:
            OpenRefusedError, sqlite3.Error: the ledger cannot be read.
        """
        key = (batch.signer, *(each.signer for each in self.renewals.over(batch)))
        found = self._judged(reader, batch, key)
        if found.act is Act.TIME_STAMP and key[-1] == self._own:
            return replace(found, act=Act.NOT_YET, reason=UNIT_ENDS_TOO)
        return found

    def _judged(self, reader: StoreReader, batch: Batch, key: tuple[str, ...]) -> Plan:
        found = self._batches.get(key)
        if found is None:
            try:
                record = self._records.first(reader, batch)
            except EvidenceRefusedError as error:
                # Of others with the same signers nothing follows.
                return Plan(Act.TOO_LATE, reason=error.fault.value)
            report = judge_evidence(record, (), self._under.context).report
            found = self._batches[key] = plan_record(report, self._under.due)
        return found
