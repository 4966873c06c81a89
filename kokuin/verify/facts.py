"""Everything that a judgement looked at, kept so that anybody can make it again, offline and years later.

Facts are inputs alone: the token, the time, whom the verifier trusted, the
policy with all of its rows, revocation data, what was known of the stamped
data. No verdict is among them. A bundle of a ledger is too large to be kept:
its digest is, and who judges again brings the bundle.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.values import Content
from kokuin import __version__
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.witness_policy import read_policy
from kokuin.trust.report import extend, iso_time
from kokuin.trust.rules import EXISTENCE, Reason
from kokuin.verify.ledger_claim import Auditor
from kokuin.verify.ledger_place import LedgerEvidence, verify_with_ledger
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.tsp import read_timestamp_request
from pqc.policy_text import write_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context
    from kokuin.trust.report import Report
    from kokuin.verify.ledger_claim import ReadBundle

KIND = "facts"
SCHEMA = 2
"""Of files that hold evidence records; those of version 1 have no field for them."""
MAX_OCTETS = 64 * 1024 * 1024
"""Of a file of facts; revocation lists are what is large in one."""


class DigestAbsentError(LookupError):
    """A judgement asks for a digest that the one before did not ask for; `algorithm` names it."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithm)
        self.algorithm = algorithm


class AskedDigests:
    """What a judgement asks of data: its digests, each made once, and the data itself where a seal wants it.

    Attributes:
        asked: what was asked for, by the name of the algorithm.
        data: the data, once it was asked for and is not too large.
    """

    def __init__(self, content: Callable[[str], bytes]) -> None:
        self._content = content
        self.asked: dict[str, bytes] = {}
        self.data: bytes | None = None

    def __call__(self, algorithm: str) -> bytes:
        """Return a digest; what raises of the data goes through."""
        if algorithm not in self.asked:
            self.asked[algorithm] = self._content(algorithm)
        return self.asked[algorithm]

    def octets(self, most: int) -> bytes | None:
        """Return the data; None where only a digest is at hand, or there is more of it than `most`."""
        if self.data is None and isinstance(self._content, Content):
            self.data = self._content.octets(most)
        return self.data if self.data is None or len(self.data) <= most else None


class _KeptDigests:
    """What was kept of the data of a judgement that is made again."""

    def __init__(self, digests: Mapping[str, bytes], data: bytes | None) -> None:
        self._digests = digests
        self._data = data

    def __call__(self, algorithm: str, /) -> bytes:
        if algorithm not in self._digests:
            raise DigestAbsentError(algorithm)
        return self._digests[algorithm]

    def octets(self, most: int) -> bytes | None:
        return self._data if self._data is None or len(self._data) <= most else None


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What was at hand of a ledger.

    Attributes:
        log_keys: text of the file of the auditor's log keys; None when there was none.
        witnesses: octets of the auditor's policy of witnesses; None when there was none.
        proof: octets of the proof that travels with the token; None when there was none.
        bundle_sha256: of the file of the bundle in which the token was looked for, hex; None when it was not.
    """

    log_keys: str | None = None
    witnesses: bytes | None = None
    proof: bytes | None = None
    bundle_sha256: str | None = None

    def evidence(self, bundle: ReadBundle | None = None) -> LedgerEvidence:
        """Return it as a judgement wants it.

        Raises:
            NoteError: the log keys cannot be read.
            WitnessPolicyError: nor can the policy.
        """
        policy = None if self.witnesses is None else read_policy(self.witnesses)
        auditor = None if self.log_keys is None else Auditor(LogVerifier.parse(self.log_keys), policy)
        return LedgerEvidence(auditor, self.proof, bundle)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a judgement looks at.

    Attributes:
        subject: octets of what is judged.
        context: by what; its `content` gives only the digests that were asked for, and its `request` is None.
        digests: those digests by the name of the algorithm; None when the data was not at hand.
        request: octets of the TimeStampReq that the token must answer; None when it was not at hand.
        ledger: None when nobody asked for a ledger's word.
        data: the data itself, where a seal's judgement wanted it; None: it did not, or it was not at hand.
    """

    subject: bytes
    context: Context
    digests: Mapping[str, bytes] | None = None
    request: bytes | None = None
    ledger: LedgerFacts | None = None
    data: bytes | None = None

    def judge(self, bundle: ReadBundle | None = None) -> Report:
        """Make the judgement.

        Args:
            bundle: reads the bundle that the facts name.

        Raises:
            DigestAbsentError: this release asks for a digest of the data that is not among the facts.
            OSError: from the bundle.
            WireError, NoteError, WitnessPolicyError: the request, the log keys or the policy of witnesses
                cannot be read; what `read_facts` returned raises none of them.
        """
        context = replace(
            self.context,
            content=None if self.digests is None else _KeptDigests(self.digests, self.data),
            request=None if self.request is None else read_timestamp_request(self.request),
        )
        if self.ledger is None:
            report = verify_bytes(self.subject, context)
        else:
            report = verify_with_ledger(self.subject, context, self.ledger.evidence(bundle))
        since = min(context.existence, context.binding)
        if since == context.at:
            return report
        # Attack: a file that claims it of a token whose unit's key was stolen since. Nothing in it shows it.
        claimed = EXISTENCE.weak(Reason.EXISTENCE_CLAIMED, time=iso_time(since))
        return extend(report, (claimed,), ())

    def encode(self) -> bytes:
        """Return the file (JSON in ASCII): the same facts give the same octets."""
        context = self.context
        value = {
            "kind": KIND,
            "schema": SCHEMA,
            "release": __version__,
            "subject": _text(self.subject),
            "at": iso_time(context.at),
            "proven": _moment(context.proven),
            "trust": _trust(context.trust),
            "policy": {"name": context.policy.name, "toml": write_policy(context.policy)},
            "revocation": {
                "mode": context.revocation_mode.value,
                "lists": [_text(each) for each in context.revocation.lists],
                "answers": [_text(each) for each in context.revocation.answers],
            },
            "digests": None
            if self.digests is None
            else {name: digest.hex() for name, digest in self.digests.items()},
            "data": _text(self.data),
            "request": _text(self.request),
            "evidence": [_text(each) for each in context.evidence],
            "bound": _moment(context.bound),
            "ledger": None if self.ledger is None else _ledger(self.ledger),
        }
        return f"{json.dumps(value, sort_keys=True, indent=1)}\n".encode()


def _trust(trust: TrustStore) -> dict[str, object]:
    return {
        "anchors": [_anchor(trust, each) for each in trust.anchors],
        "helpers": [_text(each.der) for each in trust.helpers],
    }


def _anchor(trust: TrustStore, anchor: Certificate) -> dict[str, object]:
    period = trust.period_of(anchor)
    return {
        "certificate": _text(anchor.der),
        "from": _moment(period.begins),
        "until": _moment(period.ends),
    }


def _ledger(ledger: LedgerFacts) -> dict[str, object]:
    return {
        "log_keys": ledger.log_keys,
        "witnesses": _text(ledger.witnesses),
        "proof": _text(ledger.proof),
        "bundle_sha256": ledger.bundle_sha256,
    }


def _moment(at: int | None) -> str | None:
    return None if at is None else iso_time(at)


def _text(octets: bytes | None) -> str | None:
    return None if octets is None else base64.b64encode(octets).decode()
